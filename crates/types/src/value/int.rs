//! int2, int4, int8 and "char".
//!
//! A wider Rust type reads what a narrower column holds. A parameter of any width becomes any integer type that can hold its value.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::{exactly, length, not_a, put_sized};
use crate::params::put_value;
use crate::{Decode, Elements, Encode, EncodeError, Format, IsNull, Type, ValueError};

impl<'r> Decode<'r> for i16 {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::INT2
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(value).map(i16::from_be_bytes)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        text.parse().map_err(|_| not_a("an int2", &text))
    }

    #[inline]
    fn from_binary_elements(ty: &Type, elements: Elements<'r>) -> Result<Vec<Self>, ValueError> {
        match elements.fixed(Self::from_be_bytes).filter(|_| *ty == Type::INT2) {
            Some(values) => Ok(values),
            None => elements.decode(ty),
        }
    }
}

impl<'r> Decode<'r> for i32 {
    fn accepts(ty: &Type, format: Format) -> bool {
        *ty == Type::INT4 || i16::accepts(ty, format)
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        match value.len() {
            4 => exactly(value).map(i32::from_be_bytes),
            2 => exactly(value).map(i16::from_be_bytes).map(i32::from),
            _ => Err(length(value)),
        }
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        text.parse().map_err(|_| not_a("an int4", &text))
    }

    #[inline]
    fn from_binary_elements(ty: &Type, elements: Elements<'r>) -> Result<Vec<Self>, ValueError> {
        match elements.fixed(Self::from_be_bytes).filter(|_| *ty == Type::INT4) {
            Some(values) => Ok(values),
            None => elements.decode(ty),
        }
    }
}

impl<'r> Decode<'r> for i64 {
    fn accepts(ty: &Type, format: Format) -> bool {
        *ty == Type::INT8 || i32::accepts(ty, format)
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        match value.len() {
            8 => exactly(value).map(i64::from_be_bytes),
            4 => exactly(value).map(i32::from_be_bytes).map(i64::from),
            2 => exactly(value).map(i16::from_be_bytes).map(i64::from),
            _ => Err(length(value)),
        }
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        text.parse().map_err(|_| not_a("an int8", &text))
    }

    #[inline]
    fn from_binary_elements(ty: &Type, elements: Elements<'r>) -> Result<Vec<Self>, ValueError> {
        match elements.fixed(Self::from_be_bytes).filter(|_| *ty == Type::INT8) {
            Some(values) => Ok(values),
            None => elements.decode(ty),
        }
    }
}

macro_rules! encode {
    ($($int:ty => $natural:ident),+) => {$(
        impl Encode for $int {
            #[inline]
            fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
                encode_int(i64::from(*self), ty, out)
            }

            #[inline]
            fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
                if *ty != Type::$natural {
                    return put_value(self, ty, out);
                }
                put_sized(self.to_be_bytes(), out);
                Ok(())
            }

            fn natural_type(&self) -> Type {
                Type::$natural
            }

            fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
                encode_int_text(i64::from(*self), ty, out)
            }
        }
    )+};
}

encode!(i16 => INT2, i32 => INT4, i64 => INT8);

#[inline]
fn encode_int(value: i64, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
    let beyond = |_| out_of_range(value);
    if *ty == Type::INT4 {
        out.put_i32(i32::try_from(value).map_err(beyond)?);
    } else if *ty == Type::INT8 {
        out.put_i64(value);
    } else if *ty == Type::INT2 {
        out.put_i16(i16::try_from(value).map_err(beyond)?);
    } else {
        return Err(EncodeError::WrongType);
    }
    Ok(IsNull::No)
}

#[cold]
fn out_of_range(value: i64) -> EncodeError {
    EncodeError::out_of_range(format!("{value} is out of its range"))
}

pub(super) fn encode_int_text(value: i64, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
    let fits = if *ty == Type::INT8 {
        true
    } else if *ty == Type::INT4 {
        i32::try_from(value).is_ok()
    } else if *ty == Type::INT2 {
        i16::try_from(value).is_ok()
    } else {
        return Err(EncodeError::WrongType);
    };
    if !fits {
        return Err(out_of_range(value));
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
    Ok(IsNull::No)
}

/// The type `"char"` is one byte, which Rust knows as `i8`.
impl<'r> Decode<'r> for i8 {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::CHAR
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(value).map(i8::from_be_bytes)
    }

    /// An empty text is the byte 0; bytes above 127 come as `\ooo`.
    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        match text.as_bytes() {
            [] => Ok(0),
            [byte] => Ok(i8::from_be_bytes([*byte])),
            [b'\\', octal @ ..] if octal.len() == 3 => {
                let digits = text.strip_prefix('\\').unwrap_or_default();
                let byte = u8::from_str_radix(digits, 8).map_err(|_| not_a("a \"char\"", &text))?;
                Ok(i8::from_be_bytes([byte]))
            }
            _ => Err(not_a("a \"char\"", &text)),
        }
    }
}

impl Encode for i8 {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty == Type::CHAR {
            out.put_i8(*self);
            return Ok(IsNull::No);
        }
        encode_int(i64::from(*self), ty, out)
    }

    fn natural_type(&self) -> Type {
        Type::CHAR
    }

    /// The byte 0 is an empty text. Before PostgreSQL 16 there is no text for bytes above 127.
    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::CHAR {
            return encode_int_text(i64::from(*self), ty, out);
        }
        match u8::try_from(*self) {
            Ok(0) => {}
            Ok(byte) => out.push(char::from(byte)),
            Err(_) => {
                return Err(EncodeError::out_of_range(
                    "its byte is no ASCII, and has no text in every version",
                ));
            }
        }
        Ok(IsNull::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_does_not_fit_is_an_error_and_never_wraps() {
        let mut out = BytesMut::new();
        assert!(40_000_i32.encode(&Type::INT2, &mut out).is_err());
        assert!(i64::MIN.encode(&Type::INT4, &mut out).is_err());
        assert_eq!((-1_i64).encode(&Type::INT2, &mut out), Ok(IsNull::No));
        assert_eq!(&out[..], [0xff, 0xff]);
        assert_eq!(7_i32.encode(&Type::TEXT, &mut out), Err(EncodeError::WrongType));
    }

    #[test]
    fn a_char_is_a_byte() {
        assert_eq!(i8::from_text(&Type::CHAR, "".into()), Ok(0));
        assert_eq!(i8::from_text(&Type::CHAR, "a".into()), Ok(97));
        assert_eq!(i8::from_text(&Type::CHAR, "\\377".into()), Ok(-1));
        assert!(i8::from_text(&Type::CHAR, "\\999".into()).is_err());
        assert!(i8::from_text(&Type::CHAR, "ab".into()).is_err());
    }
}
