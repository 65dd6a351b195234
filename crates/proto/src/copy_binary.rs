//! The binary format of COPY: a signature, tuples, a trailer.

use bytes::{BufMut, BytesMut};

use crate::cursor::Cursor;
use crate::error::Violation;
use crate::frame::MESSAGE_LEN_MAX;

/// What a COPY in binary format begins with.
pub const COPY_SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Signature, flags and the length of the extension.
const HEADER_LEN: usize = COPY_SIGNATURE.len() + 4 + 4;

/// Flags from this bit on change the format: a reader that does not know one must give up.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

/// The count of fields that stands for the end.
const TRAILER: i16 = -1;

/// Writes what data in binary format begins with: signature, no flags, no extension.
pub fn put_copy_header(out: &mut BytesMut) {
    out.put_slice(COPY_SIGNATURE);
    out.put_u32(0);
    out.put_u32(0);
}

/// Writes what data in binary format ends with.
pub fn put_copy_trailer(out: &mut BytesMut) {
    out.put_i16(TRAILER);
}

/// Takes data in binary format apart, wherever it was cut.
///
/// See [Binary Format](https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS).
#[derive(Clone, Debug)]
pub struct CopyReader {
    columns: u16,
    state: State,
}

/// What stands at the front of data in binary format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPart {
    /// The beginning of something; more bytes are needed.
    Incomplete,
    /// So many bytes that carry no tuple.
    Skipped(usize),
    /// A tuple of so many bytes: a count of 2 bytes, then each value behind its 4-byte length, as in a DataRow. Every length in it
    /// was checked.
    Tuple(usize),
    /// The trailer, of so many bytes. Nothing may follow.
    Trailer(usize),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    /// So many bytes of the header's extension are still to come.
    Extension(usize),
    /// Tuples come. Of the one at the front so many bytes were walked, and so many of its values are left.
    Tuples {
        walked: usize,
        left: u16,
    },
    Ended,
}

const NEXT_TUPLE: State = State::Tuples { walked: 0, left: 0 };

impl CopyReader {
    /// A reader for tuples of so many columns.
    pub fn new(columns: u16) -> Self {
        Self { columns, state: State::Header }
    }

    /// What stands at the front of `bytes`, which must begin with the first byte that was not yet given out as part of something. Each call
    /// goes on where the one before stopped, so that data in small pieces is no more work.
    ///
    /// # Errors
    ///
    /// [`Violation::CopyData`] when it is no such data, or not of so many columns.
    #[inline]
    pub fn next_part(&mut self, bytes: &[u8]) -> Result<CopyPart, Violation> {
        match self.state {
            State::Tuples { walked, left } => self.tuple(bytes, walked, left),
            State::Header => self.header(bytes),
            State::Extension(left) => Ok(self.extension(left, bytes.len())),
            State::Ended if bytes.is_empty() => Ok(CopyPart::Incomplete),
            State::Ended => Err(Violation::CopyData("goes on behind its trailer")),
        }
    }

    /// The data has ended.
    ///
    /// # Errors
    ///
    /// [`Violation::CopyData`] when its trailer has not come.
    pub fn finish(&self) -> Result<(), Violation> {
        match self.state {
            State::Ended => Ok(()),
            _ => Err(Violation::CopyData("has no trailer at its end")),
        }
    }

    fn header(&mut self, bytes: &[u8]) -> Result<CopyPart, Violation> {
        let seen = COPY_SIGNATURE.len().min(bytes.len());
        if bytes.get(..seen) != COPY_SIGNATURE.get(..seen) {
            return Err(Violation::CopyData("does not begin with its signature"));
        }
        let mut header = Cursor::new(bytes);
        if header.remaining() < HEADER_LEN {
            return Ok(CopyPart::Incomplete);
        }
        header.take_bytes("signature", COPY_SIGNATURE.len())?;
        if header.take_u32("flags")? & CRITICAL_FLAGS != 0 {
            return Err(Violation::CopyData("has flags that are not known here"));
        }
        let extension = usize::try_from(header.take_i32("header extension")?)
            .map_err(|_| Violation::CopyData("has a header extension of an impossible length"))?;
        self.state = State::Extension(extension);
        Ok(CopyPart::Skipped(HEADER_LEN))
    }

    fn extension(&mut self, left: usize, available: usize) -> CopyPart {
        if left == 0 {
            self.state = NEXT_TUPLE;
            return CopyPart::Skipped(0);
        }
        match left.min(available) {
            0 => CopyPart::Incomplete,
            skipped => {
                self.state = State::Extension(left.saturating_sub(skipped));
                CopyPart::Skipped(skipped)
            }
        }
    }

    #[inline]
    fn tuple(&mut self, bytes: &[u8], walked: usize, left: u16) -> Result<CopyPart, Violation> {
        let (mut walked, mut left) = (walked, left);
        if walked == 0 {
            let Some(count) = bytes.first_chunk::<2>() else { return Ok(CopyPart::Incomplete) };
            let count = i16::from_be_bytes(*count);
            if count == TRAILER {
                self.state = State::Ended;
                return Ok(CopyPart::Trailer(2));
            }
            if u16::try_from(count) != Ok(self.columns) {
                return Err(Violation::CopyData(
                    "has a tuple with another number of fields than there are columns",
                ));
            }
            (walked, left) = (2, self.columns);
        }
        while left > 0 {
            let Some(length) = bytes.get(walked..).and_then(|rest| rest.first_chunk::<4>()) else {
                return Ok(self.incomplete(walked, left));
            };
            let behind_length = walked.saturating_add(4);
            let end = match i32::from_be_bytes(*length) {
                -1 => behind_length,
                length => {
                    let length = usize::try_from(length)
                        .map_err(|_| Violation::CopyData("has a field of an impossible length"))?;
                    behind_length.saturating_add(length)
                }
            };
            if end > MESSAGE_LEN_MAX {
                return Err(Violation::CopyData("has a tuple that is longer than any server makes one"));
            }
            if end > bytes.len() {
                return Ok(self.incomplete(walked, left));
            }
            (walked, left) = (end, left.saturating_sub(1));
        }
        self.state = NEXT_TUPLE;
        Ok(CopyPart::Tuple(walked))
    }

    fn incomplete(&mut self, walked: usize, left: u16) -> CopyPart {
        self.state = State::Tuples { walked, left };
        CopyPart::Incomplete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tuples of `data` that comes in pieces of `size` bytes.
    fn read(data: &[u8], size: usize) -> Result<Vec<Vec<u8>>, Violation> {
        let mut reader = CopyReader::new(2);
        let (mut buffered, mut tuples) = (Vec::new(), Vec::new());
        for piece in data.chunks(size) {
            buffered.extend_from_slice(piece);
            loop {
                let len = match reader.next_part(&buffered)? {
                    CopyPart::Incomplete => break,
                    CopyPart::Skipped(len) | CopyPart::Trailer(len) => len,
                    CopyPart::Tuple(len) => {
                        tuples.push(buffered[..len].to_vec());
                        len
                    }
                };
                buffered.drain(..len);
            }
        }
        reader.finish().map(|()| tuples)
    }

    fn with_header(rest: &[u8]) -> Vec<u8> {
        let mut data = BytesMut::new();
        put_copy_header(&mut data);
        data.put_slice(rest);
        data.to_vec()
    }

    const TUPLE: &[u8] = b"\0\x02\0\0\0\x01x\xff\xff\xff\xff";

    #[test]
    fn tuples_are_found_wherever_the_data_is_cut() {
        let data = with_header(&[TUPLE, TUPLE, b"\xff\xff"].concat());
        for size in 1..=data.len() {
            assert_eq!(read(&data, size), Ok(vec![TUPLE.to_vec(), TUPLE.to_vec()]), "pieces of {size} bytes");
        }
        // An extension is passed over, and flags that change nothing are taken.
        let mut extended = COPY_SIGNATURE.to_vec();
        extended.extend(b"\0\0\0\x01\0\0\0\x05extra");
        extended.extend([TUPLE, b"\xff\xff"].concat());
        for size in 1..=extended.len() {
            assert_eq!(read(&extended, size), Ok(vec![TUPLE.to_vec()]), "pieces of {size} bytes");
        }
    }

    #[test]
    fn what_is_no_such_data_is_refused() {
        let flagged = [&COPY_SIGNATURE[..], b"\0\x01\0\0\0\0\0\0\xff\xff"].concat();
        let negative = [&COPY_SIGNATURE[..], b"\0\0\0\0\xff\xff\xff\xff\xff\xff"].concat();
        for (data, expected) in [
            (b"PGCOPY\r\n".to_vec(), "does not begin with its signature"),
            (b"1\ttusk\n".to_vec(), "does not begin with its signature"),
            (flagged, "has flags that are not known here"),
            (negative, "has a header extension of an impossible length"),
            (
                with_header(b"\0\x01\0\0\0\0"),
                "has a tuple with another number of fields than there are columns",
            ),
            (with_header(b"\xff\xfe"), "has a tuple with another number of fields than there are columns"),
            (with_header(b"\0\x02\xff\xff\xff\xfe"), "has a field of an impossible length"),
            (with_header(b"\0\x02\x7f\xff\xff\xff"), "has a tuple that is longer than any server makes one"),
            (with_header(TUPLE), "has no trailer at its end"),
            (with_header(b"\0\x02\0\0\0\x09x"), "has no trailer at its end"),
            (Vec::new(), "has no trailer at its end"),
            (with_header(&[b"\xff\xff", TUPLE].concat()), "goes on behind its trailer"),
        ] {
            for size in 1..=data.len().max(1) {
                assert_eq!(read(&data, size), Err(Violation::CopyData(expected)), "{data:?}");
            }
        }
    }
}
