//! oid.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::int::encode_int_text;
use super::{exactly, not_a};
use crate::{Decode, Encode, EncodeError, Format, IsNull, Oid, Type, ValueError};

impl<'r> Decode<'r> for u32 {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::OID
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(value).map(u32::from_be_bytes)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        text.parse().map_err(|_| not_a("an oid", &text))
    }
}

impl Encode for u32 {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty == Type::OID {
            out.put_u32(*self);
            return Ok(IsNull::No);
        }
        i64::from(*self).encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        Type::OID
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::OID {
            return encode_int_text(i64::from(*self), ty, out);
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{self}");
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r> for Oid {
    fn accepts(ty: &Type, format: Format) -> bool {
        u32::accepts(ty, format)
    }

    #[inline]
    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        u32::from_binary(ty, value).map(Self)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        u32::from_text(ty, text).map(Self)
    }
}

impl Encode for Oid {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        self.0.encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        self.0.natural_type()
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        self.0.encode_text(ty, out)
    }
}
