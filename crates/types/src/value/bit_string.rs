//! bit and varbit.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// A string of bits, as PostgreSQL's `bit` and `bit varying` keep it.
///
/// The order is the server's: from the left, and the shorter one first where they are the same.
///
/// ```
/// use cornac_types::BitString;
///
/// let bits: BitString = "10110".parse().unwrap();
/// assert_eq!(bits.len(), 5);
/// assert_eq!(bits.get(0), Some(true));
/// assert_eq!(bits.as_bytes(), [0b1011_0000]);
/// assert_eq!(bits.to_string(), "10110");
/// ```
///
/// See [Bit String Types](https://www.postgresql.org/docs/current/datatype-bit.html).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitString {
    /// The first bit is the highest of the first byte; what the last one has more is zero.
    bytes: Box<[u8]>,
    len: u32,
}

/// The most bits: what the wire counts in 32 bits, and PostgreSQL in whole bytes.
const LEN_MAX: u32 = 0x7fff_fff8;

impl BitString {
    /// The first `len` bits of `bytes`; `None` if there are not so many, or bits are set behind them.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>, len: usize) -> Option<Self> {
        let bytes = bytes.into();
        let len = u32::try_from(len).ok().filter(|len| *len <= LEN_MAX)?;
        let fits = bytes.len() == bytes_of(len);
        let spare = bytes.last().filter(|_| len % 8 != 0).map_or(0, |last| last & (0xff >> (len % 8)));
        (fits && spare == 0).then_some(Self { bytes, len })
    }

    /// How many bits there are.
    pub fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bits, eight to a byte, from the highest down. What the last byte has more is zero.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bit at `index`, counted from 0; `None` behind the last.
    pub fn get(&self, index: usize) -> Option<bool> {
        if index >= self.len() {
            return None;
        }
        self.bytes.get(index / 8).map(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    /// The bits, from the first on.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        let bits = |byte: &u8| {
            let byte = *byte;
            (0..8).map(move |index| byte & (0x80 >> index) != 0)
        };
        self.bytes.iter().flat_map(bits).take(self.len())
    }
}

/// The bytes that so many bits take.
fn bytes_of(bits: u32) -> usize {
    usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
}

impl FromIterator<bool> for BitString {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let (mut bytes, mut len) = (Vec::new(), 0_u32);
        for bit in bits.into_iter().take(usize::try_from(LEN_MAX).unwrap_or(usize::MAX)) {
            if len % 8 == 0 {
                bytes.push(0);
            }
            if let Some(last) = bytes.last_mut() {
                *last |= if bit { 0x80 >> (len % 8) } else { 0 };
            }
            len += 1;
        }
        Self { bytes: bytes.into(), len }
    }
}

impl fmt::Display for BitString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|bit| f.write_str(if bit { "1" } else { "0" }))
    }
}

impl Scalar for BitString {
    const TEXT: &'static str = "a bit string";

    fn is(ty: &Type) -> bool {
        *ty == Type::VARBIT || *ty == Type::BIT
    }

    fn natural() -> Type {
        Type::VARBIT
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let announced = bytes.take_i32()?;
        let wrong = || ValueError::malformed(format!("it announces {announced} bits, and has others"));
        let len = usize::try_from(announced).map_err(|_| wrong())?;
        if bytes.len() != len.div_ceil(8) {
            return Err(wrong());
        }
        Self::from_bytes(bytes.take_rest(), len).ok_or_else(wrong)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u32(self.len);
        out.put_slice(&self.bytes);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let bits = text.bytes().map(|byte| match byte {
            b'0' => Some(false),
            b'1' => Some(true),
            _ => None,
        });
        bits.collect()
    }
}

scalar!(BitString);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decode;
    use proptest::prelude::*;

    #[test]
    fn bits_that_are_not_there_are_refused() {
        let read = |bytes: &[u8]| BitString::from_binary(&Type::VARBIT, bytes).map(|bits| bits.to_string());
        assert_eq!(read(&[0, 0, 0, 9, 0xff, 0x80]).as_deref(), Ok("111111111"));
        assert_eq!(read(&[0, 0, 0, 0]).as_deref(), Ok(""));
        for bytes in [
            &[0, 0, 0, 9, 0xff][..],
            &[0xff, 0xff, 0xff, 0xff],
            &[0, 0, 0, 1, 0xff],
            &[0x7f, 0xff, 0xff, 0xff, 0],
            &[0, 0, 0],
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!("012".parse::<BitString>().is_err());
        assert_eq!(BitString::from_bytes([0x80], 1).unwrap().get(1), None);
    }

    #[test]
    fn the_shorter_of_two_that_begin_alike_is_first() {
        let bits = |text: &str| text.parse::<BitString>().unwrap();
        assert!(bits("1") < bits("10") && bits("10") < bits("100000000") && bits("0111") < bits("1"));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(bits in proptest::collection::vec(any::<bool>(), 0..40)) {
            let string: BitString = bits.iter().copied().collect();
            prop_assert_eq!(string.to_string().parse(), Ok(string.clone()));
            prop_assert_eq!(string.iter().collect::<Vec<_>>(), bits);
        }
    }
}
