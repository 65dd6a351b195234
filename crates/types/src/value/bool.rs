//! bool.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{length, not_a};
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

impl<'r> Decode<'r> for bool {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::BOOL
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        match value {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(ValueError::malformed(format!("it is {other}, neither 0 nor 1"))),
            _ => Err(length(value)),
        }
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        match &*text {
            "f" => Ok(false),
            "t" => Ok(true),
            _ => Err(not_a("t or f", &text)),
        }
    }
}

impl Encode for bool {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty != Type::BOOL {
            return Err(EncodeError::WrongType);
        }
        out.put_u8(u8::from(*self));
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        Type::BOOL
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::BOOL {
            return Err(EncodeError::WrongType);
        }
        out.push(if *self { 't' } else { 'f' });
        Ok(IsNull::No)
    }
}
