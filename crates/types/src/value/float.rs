//! float4 and float8.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::{exactly, length, not_a, put_sized};
use crate::params::put_value;
use crate::{Decode, Elements, Encode, EncodeError, Format, IsNull, Type, ValueError};

impl<'r> Decode<'r> for f32 {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::FLOAT4
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(value).map(f32::from_be_bytes)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        text.parse().map_err(|_| not_a("a float4", &text))
    }

    #[inline]
    fn from_binary_elements(ty: &Type, elements: Elements<'r>) -> Result<Vec<Self>, ValueError> {
        match elements.fixed(Self::from_be_bytes).filter(|_| *ty == Type::FLOAT4) {
            Some(values) => Ok(values),
            None => elements.decode(ty),
        }
    }
}

impl<'r> Decode<'r> for f64 {
    fn accepts(ty: &Type, format: Format) -> bool {
        *ty == Type::FLOAT8 || f32::accepts(ty, format)
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        match value.len() {
            8 => exactly(value).map(f64::from_be_bytes),
            4 => exactly(value).map(f32::from_be_bytes).map(f64::from),
            _ => Err(length(value)),
        }
    }

    /// The text of a float4 is read as one, so that both formats give the same value.
    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        if *ty == Type::FLOAT4 {
            return f32::from_text(ty, text).map(f64::from);
        }
        text.parse().map_err(|_| not_a("a float8", &text))
    }

    #[inline]
    fn from_binary_elements(ty: &Type, elements: Elements<'r>) -> Result<Vec<Self>, ValueError> {
        match elements.fixed(Self::from_be_bytes).filter(|_| *ty == Type::FLOAT8) {
            Some(values) => Ok(values),
            None => elements.decode(ty),
        }
    }
}

impl Encode for f32 {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty == Type::FLOAT4 {
            out.put_f32(*self);
        } else if *ty == Type::FLOAT8 {
            out.put_f64(f64::from(*self));
        } else {
            return Err(EncodeError::WrongType);
        }
        Ok(IsNull::No)
    }

    #[inline]
    fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
        if *ty != Type::FLOAT4 {
            return put_value(self, ty, out);
        }
        put_sized(self.to_be_bytes(), out);
        Ok(())
    }

    fn natural_type(&self) -> Type {
        Type::FLOAT4
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::FLOAT4 {
            return f64::from(*self).encode_text(ty, out);
        }
        // With an exponent: the shortest text that is read as the same number. Writing to a String cannot fail.
        let _ = write!(out, "{self:e}");
        Ok(IsNull::No)
    }
}

/// Only float8 holds every f64: one for a float4 is cast by the caller, who then says what may be lost.
impl Encode for f64 {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty != Type::FLOAT8 {
            return Err(EncodeError::WrongType);
        }
        out.put_f64(*self);
        Ok(IsNull::No)
    }

    #[inline]
    fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
        if *ty != Type::FLOAT8 {
            return put_value(self, ty, out);
        }
        put_sized(self.to_be_bytes(), out);
        Ok(())
    }

    fn natural_type(&self) -> Type {
        Type::FLOAT8
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::FLOAT8 {
            return Err(EncodeError::WrongType);
        }
        let _ = write!(out, "{self:e}");
        Ok(IsNull::No)
    }
}
