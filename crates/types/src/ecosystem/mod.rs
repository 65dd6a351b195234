//! Types of other crates, each behind a feature of the crate's name.
//!
//! What one of them cannot hold, or PostgreSQL cannot, is an error with the value in it, and never another value.

#[cfg(feature = "bigdecimal")]
mod bigdecimal;
#[cfg(feature = "bit-vec")]
mod bit_vec;
#[cfg(feature = "chrono")]
mod chrono;
#[cfg(feature = "compact_str")]
mod compact_str;
#[cfg(feature = "eui48")]
mod eui48;
#[cfg(feature = "geo-types")]
mod geo_types;
#[cfg(feature = "half")]
mod half;
#[cfg(feature = "ipnet")]
mod ipnet;
#[cfg(feature = "jiff")]
mod jiff;
#[cfg(feature = "rust_decimal")]
mod rust_decimal;
#[cfg(feature = "serde_json")]
mod serde_json;
#[cfg(feature = "smol_str")]
mod smol_str;
#[cfg(feature = "time")]
mod time;
#[cfg(feature = "uuid")]
mod uuid;

#[cfg(feature = "serde_json")]
pub use serde_json::Json;

use std::fmt::Display;

use crate::{EncodeError, ValueError};

/// `Decode` and `Encode` of a foreign type by way of one of this crate's, each of which is tried to be made of the other.
#[allow(unused_macros, reason = "not every feature needs it")]
macro_rules! through {
    ($($foreign:ty => $own:ty, $natural:ident);+ $(;)?) => {$(
        impl<'r> crate::Decode<'r> for $foreign {
            fn accepts(ty: &crate::Type, format: crate::Format) -> bool {
                <$own>::accepts(ty, format)
            }

            fn from_binary(ty: &crate::Type, value: &'r [u8]) -> Result<Self, crate::ValueError> {
                Self::try_from(<$own>::from_binary(ty, value)?)
            }

            fn from_text(ty: &crate::Type, text: std::borrow::Cow<'r, str>) -> Result<Self, crate::ValueError> {
                Self::try_from(<$own>::from_text(ty, text)?)
            }
        }

        impl crate::Encode for $foreign {
            fn encode(&self, ty: &crate::Type, out: &mut bytes::BytesMut) -> Result<crate::IsNull, crate::EncodeError> {
                <$own>::try_from(self).map_err(|error| crate::ecosystem::unfit(&error))?.encode(ty, out)
            }

            fn natural_type(&self) -> crate::Type {
                crate::Type::$natural
            }

            fn encode_text(&self, ty: &crate::Type, out: &mut String) -> Result<crate::IsNull, crate::EncodeError> {
                <$own>::try_from(self).map_err(|error| crate::ecosystem::unfit(&error))?.encode_text(ty, out)
            }
        }
    )+};
}

/// `Decode` and `Encode` of a foreign string.
#[allow(unused_macros, reason = "not every feature needs it")]
macro_rules! like_str {
    ($string:ty) => {
        impl<'r> crate::Decode<'r> for $string {
            fn accepts(ty: &crate::Type, format: crate::Format) -> bool {
                <&str>::accepts(ty, format)
            }

            fn from_binary(ty: &crate::Type, value: &'r [u8]) -> Result<Self, crate::ValueError> {
                <&str>::from_binary(ty, value).map(Self::from)
            }

            fn from_text(
                _ty: &crate::Type,
                text: std::borrow::Cow<'r, str>,
            ) -> Result<Self, crate::ValueError> {
                Ok(Self::from(&*text))
            }
        }

        impl crate::Encode for $string {
            fn format(&self, ty: &crate::Type) -> crate::Format {
                self.as_str().format(ty)
            }

            fn encode(
                &self,
                ty: &crate::Type,
                out: &mut bytes::BytesMut,
            ) -> Result<crate::IsNull, crate::EncodeError> {
                self.as_str().encode(ty, out)
            }

            fn encode_text(
                &self,
                ty: &crate::Type,
                out: &mut String,
            ) -> Result<crate::IsNull, crate::EncodeError> {
                self.as_str().encode_text(ty, out)
            }
        }
    };
}

#[allow(unused_imports, reason = "not every feature needs them")]
use {like_str, through};

/// The foreign type has no room for a value.
#[allow(dead_code, reason = "not every feature needs it")]
#[cold]
fn no_room(value: impl Display) -> ValueError {
    ValueError::out_of_range(value.to_string())
}

/// PostgreSQL keeps time in microseconds; what is finer would be lost.
#[allow(dead_code, reason = "not every feature needs it")]
#[cold]
fn too_fine(value: impl Display) -> ValueError {
    ValueError::out_of_range(format!("{value} is finer than a microsecond"))
}

/// PostgreSQL's type has no room for a value.
#[allow(dead_code, reason = "not every feature needs it")]
#[cold]
fn unfit(error: &ValueError) -> EncodeError {
    EncodeError::out_of_range(error.to_string())
}
