//! text, varchar, bpchar, name; and whatever travels as text.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use crate::params::check_len;
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

impl<'r> Decode<'r> for &'r str {
    /// Any type whose values come as text can be read as what the text is.
    fn accepts(ty: &Type, format: Format) -> bool {
        format == Format::Text || ty.is_text()
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        std::str::from_utf8(value).map_err(|_| ValueError::malformed("it is not UTF-8"))
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        match text {
            Cow::Borrowed(text) => Ok(text),
            Cow::Owned(_) => {
                Err(ValueError::malformed("it had escapes, so it cannot be lent; ask for String"))
            }
        }
    }
}

impl Encode for str {
    /// A parameter of a type that is no text is sent as text all the same: the server reads a date, a number or the label of an
    /// enum out of it, as it does in SQL.
    fn format(&self, ty: &Type) -> Format {
        if ty.is_text() { Format::Binary } else { Format::Text }
    }

    #[inline]
    fn encode(&self, _ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        check_text(self)?;
        out.extend_from_slice(self.as_bytes());
        Ok(IsNull::No)
    }

    #[inline]
    fn encode_sized(&self, _ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
        check_text(self)?;
        // Checked to be short enough.
        let len = u32::try_from(self.len()).unwrap_or(u32::MAX);
        out.reserve(self.len().saturating_add(4));
        out.put_u32(len);
        out.put_slice(self.as_bytes());
        Ok(())
    }

    /// Whatever the type is: the server reads it, as it does a constant in quotes.
    fn encode_text(&self, _ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        check_text(self)?;
        out.push_str(self);
        Ok(IsNull::No)
    }
}

/// Appends a text that ends with a NUL, and has no other.
pub(super) fn put_cstr(text: &str, out: &mut BytesMut) -> Result<(), EncodeError> {
    check_text(text)?;
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&[0]);
    Ok(())
}

#[inline]
pub(super) fn check_text(text: &str) -> Result<(), EncodeError> {
    check_len(text.len())?;
    match position_of_nul(text.as_bytes()) {
        None => Ok(()),
        Some(position) => {
            let what = format!("PostgreSQL's text has no NUL, and there is one at byte {position}");
            Err(EncodeError::out_of_range(what))
        }
    }
}

/// Where the first NUL stands. In a short text, the loop is over before a search that is made for long ones has begun.
#[inline]
fn position_of_nul(text: &[u8]) -> Option<usize> {
    if text.len() <= 32 { text.iter().position(|&byte| byte == 0) } else { memchr::memchr(0, text) }
}

macro_rules! like_str {
    ($($string:ty),+) => {$(
        impl<'r> Decode<'r> for $string {
            fn accepts(ty: &Type, format: Format) -> bool {
                <&str>::accepts(ty, format)
            }

            #[inline]
            fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
                <&str>::from_binary(ty, value).map(Self::from)
            }

            fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
                Ok(Self::from(text.into_owned()))
            }
        }

        impl Encode for $string {
            fn format(&self, ty: &Type) -> Format {
                str::format(self, ty)
            }

            #[inline]
            fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
                str::encode(self, ty, out)
            }

            #[inline]
            fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
                str::encode_sized(self, ty, out)
            }

            fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
                str::encode_text(self, ty, out)
            }
        }
    )+};
}

like_str!(String, Box<str>);

impl<'r> Decode<'r> for Cow<'r, str> {
    fn accepts(ty: &Type, format: Format) -> bool {
        <&str>::accepts(ty, format)
    }

    #[inline]
    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        <&str>::from_binary(ty, value).map(Cow::Borrowed)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        Ok(text)
    }
}

impl Encode for Cow<'_, str> {
    fn format(&self, ty: &Type) -> Format {
        str::format(self, ty)
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        str::encode(self, ty, out)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        str::encode_text(self, ty, out)
    }
}
