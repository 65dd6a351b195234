//! pg_lsn.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// A position in the write-ahead log, in bytes.
///
/// ```
/// use cornac_types::PgLsn;
///
/// let position: PgLsn = "16/B374D848".parse().unwrap();
/// assert_eq!(position, PgLsn(0x16_b374_d848));
/// assert_eq!(position.to_string(), "16/B374D848");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgLsn(pub u64);

impl fmt::Display for PgLsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

impl Scalar for PgLsn {
    const TEXT: &'static str = "a pg_lsn";

    fn is(ty: &Type) -> bool {
        *ty == Type::PG_LSN
    }

    fn natural() -> Type {
        Type::PG_LSN
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        bytes.take_u64().map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u64(self.0);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let half = |digits: &str| {
            let plain =
                (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if plain { u64::from_str_radix(digits, 16).ok() } else { None }
        };
        Some(Self((half(high)? << 32) | half(low)?))
    }
}

scalar!(PgLsn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_hexadecimal() {
        for text in ["0/0", "FFFFFFFF/FFFFFFFF", "1/A"] {
            assert_eq!(text.parse::<PgLsn>().unwrap().to_string(), text);
        }
        for text in ["", "0", "0/", "/0", "100000000/0", "0/+1", "g/0"] {
            assert!(text.parse::<PgLsn>().is_err(), "{text}");
        }
    }
}
