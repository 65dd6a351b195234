//! Reading the body of one message: every read is checked, and what is left over is an error.

use crate::error::{Malformed, Problem};

/// The unread part of a message's body.
///
/// There is no index arithmetic outside of this file: a read takes bytes off the front or says which field
/// did not fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// Decodes a whole body: `decode` must use all of it.
pub(crate) fn all<'a, T>(
    message: &'static str,
    body: &'a [u8],
    decode: impl FnOnce(&mut Cursor<'a>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let mut cursor = Cursor::new(body);
    let decoded = decode(&mut cursor).and_then(|decoded| cursor.finish().map(|()| decoded));
    decoded.map_err(|error| error.in_message(message))
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Everything that is left; nothing is left afterwards.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Fails when bytes are left that the message's layout does not account for.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(Malformed::new("end of message", Problem::Trailing { bytes })),
        }
    }

    pub(crate) fn take_array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.truncated(field, N)),
        }
    }

    pub(crate) fn take_u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.take_array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn take_u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.take_array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn take_i16(&mut self, field: &'static str) -> Result<i16, Malformed> {
        self.take_array(field).map(i16::from_be_bytes)
    }

    pub(crate) fn take_u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.take_array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn take_i32(&mut self, field: &'static str) -> Result<i32, Malformed> {
        self.take_array(field).map(i32::from_be_bytes)
    }

    pub(crate) fn take_bytes(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], Malformed> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(field, count)),
        }
    }

    /// A string that ends with a NUL, without the NUL.
    pub(crate) fn take_cstr(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let end = memchr::memchr(0, self.rest)
            .ok_or(Malformed::new(field, Problem::Unterminated { available: self.rest.len() }))?;
        let taken = self.take_bytes(field, end)?;
        self.take_u8(field)?;
        Ok(taken)
    }

    /// A value behind its 4-byte length; a length of -1 is NULL, and no other negative length exists.
    pub(crate) fn take_value(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, Malformed> {
        match self.take_i32(field)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => self.take_bytes(field, length).map(Some),
                Err(_) => Err(Malformed::new(field, Problem::Length(length.into()))),
            },
        }
    }

    fn truncated(&self, field: &'static str, needed: usize) -> Malformed {
        Malformed::new(field, Problem::Truncated { needed, available: self.rest.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug>(
        bytes: &[u8],
        read: impl FnOnce(&mut Cursor<'_>) -> Result<T, Malformed>,
        expected: &str,
    ) {
        let outcome = match all("Test", bytes, |cursor| read(cursor)) {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        check(&[1, 2], |c| c.take_u16("count"), "258");
        check(&[1], |c| c.take_u16("count"), "malformed Test: count needs 2 bytes and 1 is there");
        check(
            &[1, 2, 3],
            |c| c.take_u16("count"),
            "malformed Test: end of message is followed by 1 byte too many",
        );
        check(b"ab", |c| c.take_cstr("name").map(<[u8]>::len), "malformed Test: name has no NUL at its end");
        check(b"ab\0", |c| c.take_cstr("name").map(<[u8]>::len), "2");
    }

    #[test]
    fn only_minus_one_is_null() {
        check(&(-1_i32).to_be_bytes(), |c| c.take_value("value").map(|v| v.map(<[u8]>::len)), "None");
        check(
            &(-2_i32).to_be_bytes(),
            |c| c.take_value("value").map(|v| v.map(<[u8]>::len)),
            "malformed Test: value has the impossible length -2",
        );
        check(
            &i32::MAX.to_be_bytes(),
            |c| c.take_value("value").map(|v| v.map(<[u8]>::len)),
            "malformed Test: value needs 2147483647 bytes and 0 are there",
        );
        check(&0_i32.to_be_bytes(), |c| c.take_value("value").map(|v| v.map(<[u8]>::len)), "Some(0)");
    }
}
