//! bytea.

use std::borrow::Cow;

use bytes::BytesMut;

use super::not_a;
use crate::params::check_len;
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

/// Borrows, so that it reads only the binary form: text would have to be unescaped.
impl<'r> Decode<'r> for &'r [u8] {
    fn accepts(ty: &Type, format: Format) -> bool {
        *ty == Type::BYTEA && format == Format::Binary
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        Ok(value)
    }

    fn from_text(_ty: &Type, _text: Cow<'r, str>) -> Result<Self, ValueError> {
        Err(ValueError::malformed("text cannot be lent as bytes; ask for Vec<u8>"))
    }
}

impl<'r> Decode<'r> for Cow<'r, [u8]> {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::BYTEA
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        Ok(Cow::Borrowed(value))
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        let bytes = match text.strip_prefix("\\x") {
            Some(digits) => from_hex(digits),
            None => from_escape(&text),
        };
        bytes.map(Cow::Owned).ok_or_else(|| not_a("a bytea", &text))
    }
}

impl<'r> Decode<'r> for Vec<u8> {
    fn accepts(ty: &Type, format: Format) -> bool {
        <Cow<'_, [u8]>>::accepts(ty, format)
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        Ok(value.to_vec())
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        <Cow<'_, [u8]>>::from_text(ty, text).map(Cow::into_owned)
    }
}

/// `bytea_output = hex`.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = (digits.as_bytes().chunks_exact(2), digits.len() % 2);
    let nibble = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some((nibble(high)? << 4) | nibble(low)?),
        _ => None,
    };
    if rest == 0 { pairs.map(byte).collect() } else { None }
}

/// `bytea_output = escape`: `\\` for a backslash, `\ooo` for what does not print.
fn from_escape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', behind @ ..] => {
                bytes.push(b'\\');
                behind
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] => {
                bytes.push(((a & 7) << 6) | ((b & 7) << 3) | (c & 7));
                behind
            }
            [b'\\', ..] => return None,
            [byte, behind @ ..] => {
                bytes.push(*byte);
                behind
            }
        };
    }
}

impl Encode for [u8] {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty != Type::BYTEA {
            return Err(EncodeError::WrongType);
        }
        check_len(self.len())?;
        out.extend_from_slice(self);
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        Type::BYTEA
    }

    /// In hex, which is read whatever `bytea_output` is.
    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::BYTEA {
            return Err(EncodeError::WrongType);
        }
        check_len(self.len())?;
        out.push_str("\\x");
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
        out.extend(self.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten());
        Ok(IsNull::No)
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        self.as_slice().encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        self.as_slice().natural_type()
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        self.as_slice().encode_text(ty, out)
    }
}

impl Encode for Cow<'_, [u8]> {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        <[u8]>::encode(self, ty, out)
    }

    fn natural_type(&self) -> Type {
        <[u8]>::natural_type(self)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        <[u8]>::encode_text(self, ty, out)
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        self.as_slice().encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        self.as_slice().natural_type()
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        self.as_slice().encode_text(ty, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_are_read() {
        let read = |text: &str| Vec::<u8>::from_text(&Type::BYTEA, text.to_owned().into());
        assert_eq!(read("\\x00ff10"), Ok(vec![0, 255, 16]));
        assert_eq!(read("a\\\\b\\000\\377"), Ok(vec![b'a', b'\\', b'b', 0, 255]));
        for broken in ["\\x0", "\\xzz", "\\9", "\\400", "a\\"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
