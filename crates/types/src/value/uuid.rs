//! uuid.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// A universally unique identifier, as its 16 bytes.
///
/// ```
/// use cornac_types::Uuid;
///
/// let uuid: Uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse().unwrap();
/// assert_eq!(uuid.0[..2], [0xa0, 0xee]);
/// assert_eq!(uuid.to_string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

impl Scalar for Uuid {
    const TEXT: &'static str = "a uuid";

    fn is(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    fn natural() -> Type {
        Type::UUID
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        bytes.take().map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_slice(&self.0);
        Ok(())
    }

    /// As the server reads it: in capitals or not, in braces or not, with a hyphen behind any four digits or none.
    fn parse(text: &str) -> Option<Self> {
        let text = match text.strip_prefix('{') {
            Some(inside) => inside.strip_suffix('}')?,
            None => text,
        };
        let mut digits = text.bytes().peekable();
        let mut uuid = [0; 16];
        for (index, byte) in uuid.iter_mut().enumerate() {
            *byte = (hex_digit(digits.next()?)? << 4) | hex_digit(digits.next()?)?;
            if index % 2 == 1 && index < 15 {
                digits.next_if_eq(&b'-');
            }
        }
        if digits.next().is_none() { Some(Self(uuid)) } else { None }
    }
}

scalar!(Uuid);

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_the_server_reads_is_read() {
        let expected = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(text.parse::<Uuid>().unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a1111",
            "g0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a-0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }
}
