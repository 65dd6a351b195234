//! macaddr and macaddr8.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use super::uuid::hex_digit;
use crate::{EncodeError, Type, ValueError};

/// The address of a network card, as PostgreSQL's `macaddr` keeps it.
///
/// ```
/// use cornac_types::MacAddr;
///
/// let card: MacAddr = "08:00:2b:01:02:03".parse().unwrap();
/// assert_eq!(card, MacAddr([8, 0, 0x2b, 1, 2, 3]));
/// assert_eq!(card.to_string(), "08:00:2b:01:02:03");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

/// The address of a network card in the format EUI-64, as PostgreSQL's `macaddr8` keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr8(pub [u8; 8]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put(f, &self.0)
    }
}

impl fmt::Display for MacAddr8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put(f, &self.0)
    }
}

fn put(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (index, byte) in bytes.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        write!(f, "{colon}{byte:02x}")?;
    }
    Ok(())
}

/// Bytes of two digits, with colons or hyphens in between.
fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let separator = if text.contains('-') { '-' } else { ':' };
    let mut parts = text.split(separator);
    let mut address = [0; N];
    for byte in &mut address {
        let [high, low] = *parts.next()?.as_bytes() else { return None };
        *byte = (hex_digit(high)? << 4) | hex_digit(low)?;
    }
    if parts.next().is_none() { Some(address) } else { None }
}

impl Scalar for MacAddr {
    const TEXT: &'static str = "a macaddr";

    fn is(ty: &Type) -> bool {
        *ty == Type::MACADDR
    }

    fn natural() -> Type {
        Type::MACADDR
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        bytes.take().map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_slice(&self.0);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        parse(text).map(Self)
    }
}

impl Scalar for MacAddr8 {
    const TEXT: &'static str = "a macaddr8";

    fn is(ty: &Type) -> bool {
        *ty == Type::MACADDR8
    }

    fn natural() -> Type {
        Type::MACADDR8
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        bytes.take().map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_slice(&self.0);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        parse(text).map(Self)
    }
}

scalar!(MacAddr, MacAddr8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lengths_are_read_and_shown() {
        assert_eq!("08-00-2B-01-02-03".parse(), Ok(MacAddr([8, 0, 0x2b, 1, 2, 3])));
        let long = "08:00:2b:01:02:03:04:ff";
        assert_eq!(long.parse::<MacAddr8>().unwrap().to_string(), long);
        for text in [
            "",
            "08:00:2b:01:02",
            "08:00:2b:01:02:03:04",
            "8:0:2b:1:2:3",
            "08:00:2b:01:02:0g",
            "08:00-2b:01:02:03",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }
}
