//! oid, and the reg* types, which are OIDs that are shown as names.

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
    /// The text of a reg* type is a name, which only the server can look up: ask for `String`, or for the binary form.
    fn accepts(ty: &Type, format: Format) -> bool {
        *ty == Type::OID || (format == Format::Binary && is_reg(ty))
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(value).map(u32::from_be_bytes).map(Self)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        u32::from_text(ty, text).map(Self)
    }
}

/// Whether it is one of the types that show an OID as the name of what it stands for.
fn is_reg(ty: &Type) -> bool {
    [
        Type::REGCLASS,
        Type::REGCOLLATION,
        Type::REGCONFIG,
        Type::REGDICTIONARY,
        Type::REGNAMESPACE,
        Type::REGOPER,
        Type::REGOPERATOR,
        Type::REGPROC,
        Type::REGPROCEDURE,
        Type::REGROLE,
        Type::REGTYPE,
    ]
    .contains(ty)
}

impl Encode for Oid {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if is_reg(ty) {
            out.put_u32(self.0);
            return Ok(IsNull::No);
        }
        self.0.encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        self.0.natural_type()
    }

    /// A number is read as the OID itself by reg* types too.
    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if is_reg(ty) {
            // Writing to a String cannot fail.
            let _ = write!(out, "{self}");
            return Ok(IsNull::No);
        }
        self.0.encode_text(ty, out)
    }
}

impl std::str::FromStr for Oid {
    type Err = ValueError;

    /// Reads a number.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|_| not_a("an oid", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_oid_before_the_server_has_looked_it_up() {
        assert!(Oid::accepts(&Type::REGCLASS, Format::Binary));
        assert!(!Oid::accepts(&Type::REGCLASS, Format::Text));
        assert_eq!(Oid::from_binary(&Type::REGCLASS, &[0, 0, 4, 0xeb]), Ok(Oid(1259)));
        let mut text = String::new();
        assert_eq!(Oid(1259).encode_text(&Type::REGCLASS, &mut text), Ok(IsNull::No));
        assert_eq!(text, "1259");
        assert!("pg_class".parse::<Oid>().is_err());
    }
}
