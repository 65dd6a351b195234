//! The data of a COPY, written in place, and the end of a COPY that nobody finishes.

use bytes::{BufMut, BytesMut};

use super::{CloseReason, Closed, CommandError, Session, close};
use crate::error::{Awaited, EncodeError, Violation};
use crate::frame::{HEADER_LEN, MESSAGE_LEN_MAX, Phase};
use crate::message::{self, Backend};

/// The CopyData message that was written last, by its place in the stream of bytes. As long as it is the newest thing in the send buffer and no
/// byte of it was sent, it can grow, or be taken out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastCopyData {
    start: u64,
    end: u64,
}

impl LastCopyData {
    /// What was written behind `position` was taken out of the send buffer.
    pub(super) fn forget_behind(&mut self, position: u64) {
        if self.end > position {
            *self = Self::default();
        }
    }
}

/// What is appended to the send buffer, and taken back when that fails or panics: what writes may be a stranger's code.
struct Unfinished<'b> {
    out: &'b mut BytesMut,
    before: usize,
}

impl Unfinished<'_> {
    fn finish(&mut self) {
        self.before = usize::MAX;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.before);
    }
}

impl Session {
    /// CopyData that is written in place: `write` appends to the newest CopyData message while that is shorter than
    /// `message_len` bytes and unsent, else to a new one. The message is whole again when this returns, and as it was before when it fails.
    ///
    /// # Errors
    ///
    /// As [`copy_data`](Self::copy_data), and those of `write`.
    pub fn extend_copy_data<E: From<CommandError>>(
        &mut self,
        message_len: usize,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_copy_in()?;
        let grows = self.growing_copy_data();
        let tail = self.send.tail();
        let before = tail.len();
        let mut written = Unfinished { out: tail, before };
        let out = &mut *written.out;
        let start = match grows {
            Some(len) if len < message_len => before.saturating_sub(len),
            _ => {
                // Room for the whole message, so that it does not have to be moved while it grows.
                out.reserve(message_len.saturating_add(message_len / 8));
                out.put_slice(b"d\0\0\0\x04");
                before
            }
        };
        write(out)?;
        let message_len = out.len().saturating_sub(start);
        fill_in_length(out, start, message_len.saturating_sub(1)).map_err(CommandError::from)?;
        written.finish();
        drop(written);
        let len = u64::try_from(message_len).unwrap_or(u64::MAX);
        let end = self.send.position_written();
        self.copy_data = LastCopyData { start: end.saturating_sub(len), end };
        Ok(())
    }

    /// Takes the newest CopyData message out of the send buffer, if no byte of it was sent: for a COPY that is about to be failed.
    pub fn take_back_copy_data(&mut self) {
        if self.growing_copy_data().is_some() {
            self.send.truncate(self.copy_data.start);
            self.copy_data = LastCopyData::default();
        }
    }

    /// CopyFail for a COPY FROM STDIN that the server has perhaps not begun yet, as the newest request: a server that takes no COPY data
    /// ignores the message. False, and nothing is written, when there is no such request any more. A Sync must follow.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn fail_awaited_copy(&mut self, reason: &str) -> Result<bool, CommandError> {
        if self.takes_copy_data() {
            return self.copy_fail(reason).map(|()| true);
        }
        self.check_open()?;
        let position = self.send.position_written();
        message::copy_fail(self.send.tail(), reason)?;
        if self.ledger.fail_awaited_copy_in() {
            self.copy_in_end = position;
            return Ok(true);
        }
        self.send.truncate(position);
        Ok(false)
    }

    /// The data at the front, when [`peek_tag`](Self::peek_tag) says that a CopyData stands there; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// As [`poll_message`](Self::poll_message), and for any other message.
    pub fn poll_copy_data(&mut self) -> Result<Option<&[u8]>, Closed> {
        let Self { receive, ledger, limits, closed, .. } = self;
        if let Some(closed) = closed {
            return Err(closed.clone());
        }
        let message = match receive.take_frame(limits, Phase::Authenticated) {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => Backend::decode(frame).map_err(Violation::from),
            Err(violation) => Err(violation),
        };
        let data = message.and_then(|message| {
            let came = message.tag();
            let unexpected = |awaited| Violation::Unexpected { came, awaited };
            ledger.settle(&message).map_err(unexpected)?;
            match message {
                Backend::CopyData(data) => Ok(data),
                _ => Err(unexpected(Awaited { replies: "CopyData", requests: ledger.len() })),
            }
        });
        data.map(Some).map_err(|violation| close(closed, CloseReason::Violation(violation)))
    }

    /// Whether requests of the extended protocol were written without a Sync behind them: the implicit transaction that they run in goes on.
    pub fn has_open_segment(&self) -> bool {
        self.ledger.is_open()
    }

    /// Whether one of them failed, so that the server ignores everything up to the Sync.
    pub fn is_skipping(&self) -> bool {
        self.ledger.is_skipping()
    }

    /// The length of the newest CopyData message, with its header, if it can grow.
    fn growing_copy_data(&self) -> Option<usize> {
        let LastCopyData { start, end } = self.copy_data;
        let is_newest = end == self.send.position_written();
        let is_unsent = start >= self.send.position_sent();
        if is_newest && is_unsent && start < end {
            usize::try_from(end.saturating_sub(start)).ok()
        } else {
            None
        }
    }
}

/// Fills in `len` as the length of the message that begins at `start`.
fn fill_in_length(out: &mut BytesMut, start: usize, len: usize) -> Result<(), EncodeError> {
    let too_long = EncodeError::TooLong { message: "CopyData", bytes: len, limit: MESSAGE_LEN_MAX };
    if len > MESSAGE_LEN_MAX {
        return Err(too_long);
    }
    let length = u32::try_from(len).map_err(|_| too_long)?;
    if let Some(header) = out.get_mut(start..).and_then(|message| message.first_chunk_mut::<HEADER_LEN>()) {
        let [_, place @ ..] = header;
        *place = length.to_be_bytes();
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::auth::scram::ClientNonce;
    use crate::handshake::{Handshake, HandshakeConfig, Step};

    /// A session that nothing was asked of yet.
    pub(in crate::session) fn settled() -> Session {
        let nonce = ClientNonce::from_printable("cornac").unwrap();
        let mut handshake = Handshake::new(HandshakeConfig::new("app"), nonce).unwrap();
        handshake.handle_sent(handshake.unsent().len());
        handshake.handle_bytes(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        let Ok(Step::Ready(established)) = handshake.poll_step() else { panic!("not ready") };
        established.session
    }

    /// A session that takes COPY data, with nothing unsent.
    fn copying_in() -> Session {
        let mut session = settled();
        session.execute("", 0).unwrap();
        session.handle_sent(session.unsent().len());
        session.handle_bytes(b"G\0\0\0\x07\0\0\0");
        session.poll_message().unwrap();
        assert!(session.takes_copy_data());
        session
    }

    fn extend(session: &mut Session, bytes: &[u8]) -> Result<(), CommandError> {
        session.extend_copy_data(12, |out| {
            out.put_slice(bytes);
            Ok::<_, CommandError>(())
        })
    }

    #[test]
    fn data_gathers_in_one_message_until_that_is_long_enough_or_sent() {
        let mut session = copying_in();
        extend(&mut session, b"one").unwrap();
        assert_eq!(session.unsent(), b"d\0\0\0\x07one");
        extend(&mut session, b"four").unwrap();
        assert_eq!(session.unsent(), b"d\0\0\0\x0bonefour");
        extend(&mut session, b"x").unwrap();
        assert_eq!(session.unsent(), b"d\0\0\0\x0bonefourd\0\0\0\x05x");
        session.take_back_copy_data();
        assert_eq!(session.unsent(), b"d\0\0\0\x0bonefour");
        session.take_back_copy_data();
        assert_eq!(session.unsent(), b"d\0\0\0\x0bonefour", "only the newest can go");
        session.handle_sent(session.unsent().len());
        extend(&mut session, b"x").unwrap();
        session.handle_sent(1);
        extend(&mut session, b"y").unwrap();
        assert_eq!(session.unsent(), b"\0\0\0\x05xd\0\0\0\x05y", "what is partly sent does not grow");
        session.copy_data(b"z").unwrap();
        extend(&mut session, b"z").unwrap();
        assert!(session.unsent().ends_with(b"d\0\0\0\x05zd\0\0\0\x05z"), "nor what is not the newest");
    }

    #[test]
    fn data_that_cannot_be_written_leaves_no_trace() {
        let mut session = copying_in();
        let fail = |session: &mut Session| {
            session.extend_copy_data(12, |out| {
                out.put_slice(b"half");
                Err::<(), _>(CommandError::NotCopyIn)
            })
        };
        fail(&mut session).unwrap_err();
        assert_eq!(session.unsent(), b"");
        extend(&mut session, b"one").unwrap();
        fail(&mut session).unwrap_err();
        assert_eq!(session.unsent(), b"d\0\0\0\x07one");
        extend(&mut session, b"two").unwrap();
        assert_eq!(session.unsent(), b"d\0\0\0\x0aonetwo");
        session.copy_done().unwrap();
        extend(&mut session, b"late").unwrap_err();
    }

    #[test]
    fn the_end_of_the_data_can_be_taken_back_and_the_data_after_it() {
        let mut session = copying_in();
        extend(&mut session, b"one").unwrap();
        let checkpoint = session.checkpoint();
        session.copy_done().unwrap();
        session.sync().unwrap();
        session.take_back(checkpoint);
        assert!(session.takes_copy_data() && session.has_open_segment());
        assert_eq!(session.unsent(), b"d\0\0\0\x07one");
        session.take_back_copy_data();
        assert!(session.fail_awaited_copy("no").unwrap());
        session.sync().unwrap();
        assert_eq!(session.unsent(), b"f\0\0\0\x07no\0S\0\0\0\x04");
        assert!(!session.has_open_segment());
    }
}
