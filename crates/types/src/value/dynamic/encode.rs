//! Sending values of any type.

use bytes::BytesMut;

use super::Value;
use crate::container::{composite_format, encode_composite, encode_composite_text};
use crate::{Encode, EncodeError, Format, IsNull, Type};

impl Encode for Value {
    fn format(&self, ty: &Type) -> Format {
        match self {
            Self::Null | Self::Void => ty.binary_format(),
            Self::Enum(_, label) => label.format(ty),
            Self::Array(_, array) => array.format(ty),
            Self::Range(_, range) => range.format(ty),
            Self::Multirange(_, ranges) => ranges.format(ty),
            Self::Composite(_, fields) => composite_format(ty, &nameless(fields)),
            Self::Other(..) => Format::Text,
            Self::Opaque(..) => Format::Binary,
            scalar => scalar.as_scalar().map_or(ty.binary_format(), |value| value.format(ty)),
        }
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Void => Err(EncodeError::WrongType),
            Self::Enum(_, label) => label.encode(ty, out),
            Self::Array(_, array) => array.encode(ty, out),
            Self::Range(_, range) => range.encode(ty, out),
            Self::Multirange(_, ranges) => ranges.encode(ty, out),
            Self::Composite(_, fields) => encode_composite(ty, &nameless(fields), out),
            Self::Other(_, text) => text.encode(&Type::TEXT, out),
            // Of a type that was not known when it was read, and is now, it may be no value.
            Self::Opaque(own, bytes) if own == ty && own.kind() == ty.kind() => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            scalar => scalar.as_scalar().ok_or(EncodeError::WrongType)?.encode(ty, out),
        }
    }

    fn natural_type(&self) -> Type {
        match self {
            Self::Null | Self::Void => Type::UNKNOWN,
            Self::Enum(ty, _)
            | Self::Array(ty, _)
            | Self::Range(ty, _)
            | Self::Multirange(ty, _)
            | Self::Composite(ty, _)
            | Self::Other(ty, _)
            | Self::Opaque(ty, _) => ty.clone(),
            scalar => scalar.as_scalar().map_or(Type::UNKNOWN, Encode::natural_type),
        }
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Void => Ok(IsNull::No),
            Self::Enum(_, label) => label.encode_text(ty, out),
            Self::Array(_, array) => array.encode_text(ty, out),
            Self::Range(_, range) => range.encode_text(ty, out),
            Self::Multirange(_, ranges) => ranges.encode_text(ty, out),
            Self::Composite(_, fields) => encode_composite_text(ty, &nameless(fields), out),
            Self::Other(_, text) => text.encode_text(ty, out),
            Self::Opaque(..) => Err(EncodeError::out_of_range("its bytes have no text")),
            scalar => scalar.as_scalar().ok_or(EncodeError::WrongType)?.encode_text(ty, out),
        }
    }
}

/// Fields that are known by their position.
fn nameless(fields: &[Value]) -> Vec<(&str, &dyn Encode)> {
    fields
        .iter()
        .map(|value| {
            let value: &dyn Encode = value;
            ("", value)
        })
        .collect()
}
