//! Arbitrary bytes of a server, arbitrarily split.

use bytes::BytesMut;
use cornac_proto::message::Backend;
use cornac_proto::{Framing, Limits, Phase, frame};

use crate::model_server::Choices;

/// The first byte says whether the session is authenticated, and how long the list of lengths behind it is by which the rest is cut
/// into pieces. However it is cut, the same messages come out, and the same error; and each message is written again as it was read.
///
/// # Panics
///
/// When one of this does not hold.
pub fn backend_decode(data: &[u8]) {
    let mut choices = Choices(data);
    let header = choices.byte();
    let phase = if header & 1 == 0 { Phase::Authenticated } else { Phase::Unauthenticated };
    let lengths = choices.take(usize::from(header >> 1) % 16);
    let stream = choices.0;

    let whole = Reader::default().read([stream].into_iter(), phase);
    let pieces = Pieces { rest: stream, lengths, index: 0 };
    let split = Reader::default().read(pieces, phase);
    assert_eq!(split, whole, "the pieces make no difference");
}

/// Cuts a stream into pieces of the given lengths, over and over; 0 means 256.
struct Pieces<'a> {
    rest: &'a [u8],
    lengths: &'a [u8],
    index: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let length = match self.lengths {
            [] => 1,
            lengths => match lengths[self.index % lengths.len()] {
                0 => 256,
                length => usize::from(length),
            },
        };
        self.index += 1;
        let (piece, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}

#[derive(Default)]
struct Reader {
    buffer: Vec<u8>,
    taken: usize,
    seen: Vec<String>,
}

impl Reader {
    /// Every message in words, and how it ended.
    fn read<'a>(mut self, pieces: impl Iterator<Item = &'a [u8]>, phase: Phase) -> Vec<String> {
        for piece in pieces {
            self.buffer.extend_from_slice(piece);
            while let Some(()) = self.read_one(phase) {}
            if self.taken == usize::MAX {
                break;
            }
        }
        self.seen
    }

    fn read_one(&mut self, phase: Phase) -> Option<()> {
        let untaken = self.buffer.get(self.taken..)?;
        match frame(untaken, &Limits::default(), phase) {
            Ok(Framing::Incomplete { len, .. }) => {
                assert!(len > untaken.len(), "more is needed than is there");
                None
            }
            Ok(Framing::Complete(frame)) => {
                let len = 5 + frame.body.len();
                match Backend::decode(frame) {
                    Ok(message) => {
                        assert_eq!(message.tag(), frame.tag);
                        assert_written_again(&message, &untaken[..len]);
                        self.seen.push(format!("{message:?}"));
                    }
                    Err(malformed) => self.seen.push(malformed.to_string()),
                }
                self.taken += len;
                Some(())
            }
            Err(violation) => {
                self.seen.push(violation.to_string());
                // Nothing can be read behind it.
                self.taken = usize::MAX;
                None
            }
        }
    }
}

fn assert_written_again(message: &Backend<'_>, bytes: &[u8]) {
    let mut written = BytesMut::new();
    message.encode(&mut written).expect("what was read can be written");
    assert_eq!(written, bytes, "{message:?}");
    if let Backend::DataRow(row) = message {
        // A row's values are looked at only when it is used: those of one that was checked are all there.
        let values = row.values().flatten().count();
        assert!(row.check().is_err() || values == usize::from(row.len()));
    }
}
