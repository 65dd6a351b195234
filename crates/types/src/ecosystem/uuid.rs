//! The crate `uuid`.

use std::borrow::Cow;

use bytes::BytesMut;

use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, Uuid, ValueError};

impl From<Uuid> for uuid::Uuid {
    fn from(value: Uuid) -> Self {
        Self::from_bytes(value.0)
    }
}

impl From<uuid::Uuid> for Uuid {
    fn from(value: uuid::Uuid) -> Self {
        Self(value.into_bytes())
    }
}

impl<'r> Decode<'r> for uuid::Uuid {
    fn accepts(ty: &Type, format: Format) -> bool {
        Uuid::accepts(ty, format)
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        Uuid::from_binary(ty, value).map(Self::from)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        Uuid::from_text(ty, text).map(Self::from)
    }
}

impl Encode for uuid::Uuid {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        Uuid::from(*self).encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        Type::UUID
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        Uuid::from(*self).encode_text(ty, out)
    }
}
