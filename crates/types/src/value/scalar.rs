//! What the types have in common that are read from one of PostgreSQL's types, and written to it.

use std::fmt::{Display, Write};

use bytes::BytesMut;

use super::cursor::Cursor;
use super::not_a;
use crate::{EncodeError, Format, IsNull, Type, ValueError};

/// A type that stands for one of PostgreSQL's. `Display` is its text as the server writes it, and reads it under every setting.
pub(super) trait Scalar: Sized + Display {
    /// What its text is, for errors.
    const TEXT: &'static str;

    /// Whether `ty` is what it stands for.
    fn is(ty: &Type) -> bool;

    /// The type that it is of where nobody asks for another; unknown for those of extensions, whose OIDs vary.
    fn natural() -> Type;

    /// Takes the binary form, which is all of what is there.
    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError>;

    /// Appends the binary form.
    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError>;

    /// The format in which it is sent as one of `ty`.
    fn sent_as(&self, ty: &Type) -> Format {
        ty.binary_format()
    }

    /// Reads the text.
    fn parse(text: &str) -> Option<Self>;
}

#[inline]
pub(super) fn decode<T: Scalar>(value: &[u8]) -> Result<T, ValueError> {
    let mut bytes = Cursor::new(value);
    let value = T::take(&mut bytes)?;
    bytes.end()?;
    Ok(value)
}

pub(super) fn parse<T: Scalar>(text: &str) -> Result<T, ValueError> {
    T::parse(text).ok_or_else(|| not_a(T::TEXT, text))
}

pub(super) fn encode<T: Scalar>(value: &T, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
    if !T::is(ty) {
        return Err(EncodeError::WrongType);
    }
    match value.sent_as(ty) {
        Format::Binary => value.put(out)?,
        Format::Text => {
            let start = out.len();
            // Writing to a buffer in memory cannot fail.
            let _ = write!(out, "{value}");
            if out.get(start..).is_some_and(|text| memchr::memchr(0, text).is_some()) {
                return Err(EncodeError::out_of_range(
                    "PostgreSQL's text has no NUL, and there is one in it",
                ));
            }
        }
    }
    Ok(IsNull::No)
}

pub(super) fn encode_text<T: Scalar>(value: &T, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
    if !T::is(ty) && *ty != Type::UNKNOWN {
        return Err(EncodeError::WrongType);
    }
    let _ = write!(out, "{value}");
    Ok(IsNull::No)
}

/// `Decode`, `Encode` and `FromStr` for types that are [`Scalar`].
macro_rules! scalar {
    ($($rust:ty),+) => {$(
        impl<'r> crate::Decode<'r> for $rust {
            fn accepts(ty: &crate::Type, _format: crate::Format) -> bool {
                <Self as $crate::value::scalar::Scalar>::is(ty)
            }

            #[inline]
            fn from_binary(_ty: &crate::Type, value: &'r [u8]) -> Result<Self, crate::ValueError> {
                $crate::value::scalar::decode(value)
            }

            fn from_text(_ty: &crate::Type, text: std::borrow::Cow<'r, str>) -> Result<Self, crate::ValueError> {
                $crate::value::scalar::parse(&text)
            }
        }

        impl std::str::FromStr for $rust {
            type Err = crate::ValueError;

            /// Reads the text that `Display` writes.
            fn from_str(text: &str) -> Result<Self, crate::ValueError> {
                $crate::value::scalar::parse(text)
            }
        }

        impl crate::Encode for $rust {
            fn format(&self, ty: &crate::Type) -> crate::Format {
                $crate::value::scalar::Scalar::sent_as(self, ty)
            }

            #[inline]
            fn encode(&self, ty: &crate::Type, out: &mut bytes::BytesMut) -> Result<crate::IsNull, crate::EncodeError> {
                $crate::value::scalar::encode(self, ty, out)
            }

            fn natural_type(&self) -> crate::Type {
                <Self as $crate::value::scalar::Scalar>::natural()
            }

            fn encode_text(&self, ty: &crate::Type, out: &mut String) -> Result<crate::IsNull, crate::EncodeError> {
                $crate::value::scalar::encode_text(self, ty, out)
            }
        }

    )+};
}

pub(super) use scalar;
