//! json, jsonb and jsonpath, as the text that they are.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::{BufMut, BytesMut};

use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

/// The text of a `json` or `jsonb` value, not looked into: `JsonText<&str>` borrows it from the row, `JsonText<String>` owns it.
///
/// ```
/// use cornac_types::{Decode, JsonText, Type};
///
/// let json = JsonText::<&str>::from_binary(&Type::JSONB, b"\x01{\"a\": 1}");
/// assert_eq!(json, Ok(JsonText(r#"{"a": 1}"#)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonText<S = String>(pub S);

/// The text of a `jsonpath`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonPath<S = String>(pub S);

/// The version of the binary forms, which is a byte in front of the text.
const VERSION: u8 = 1;

/// The text of a value of type json or jsonb.
pub(crate) fn json_bytes<'r>(ty: &Type, value: &'r [u8]) -> Result<&'r [u8], ValueError> {
    if *ty == Type::JSON { Ok(value) } else { behind_version(value) }
}

fn behind_version(value: &[u8]) -> Result<&[u8], ValueError> {
    match value {
        [VERSION, text @ ..] => Ok(text),
        [other, ..] => Err(ValueError::malformed(format!("version {other} is not known"))),
        [] => Err(ValueError::malformed("it has no version")),
    }
}

/// What stands in front of the text of a parameter.
pub(crate) fn put_json_version(ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
    if *ty == Type::JSONB {
        out.put_u8(VERSION);
    } else if *ty != Type::JSON {
        return Err(EncodeError::WrongType);
    }
    Ok(())
}

/// Whether a text can be a constant of one of these types, or of one that nobody names.
pub(crate) fn check_json(ty: &Type) -> Result<(), EncodeError> {
    if [Type::JSON, Type::JSONB, Type::UNKNOWN].contains(ty) { Ok(()) } else { Err(EncodeError::WrongType) }
}

impl<S: fmt::Display> fmt::Display for JsonText<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: fmt::Display> fmt::Display for JsonPath<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: FromStr> FromStr for JsonText<S> {
    type Err = S::Err;

    /// Takes the text as it is: whether it is JSON, the server says.
    fn from_str(text: &str) -> Result<Self, S::Err> {
        text.parse().map(Self)
    }
}

impl<S: FromStr> FromStr for JsonPath<S> {
    type Err = S::Err;

    /// Takes the text as it is: whether it is a path, the server says.
    fn from_str(text: &str) -> Result<Self, S::Err> {
        text.parse().map(Self)
    }
}

impl<'r, S: Decode<'r> + AsRef<str>> Decode<'r> for JsonText<S> {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::JSON || *ty == Type::JSONB
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        S::from_binary(&Type::TEXT, json_bytes(ty, value)?).map(Self)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        S::from_text(&Type::TEXT, text).map(Self)
    }
}

impl<S: AsRef<str>> Encode for JsonText<S> {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        put_json_version(ty, out)?;
        self.0.as_ref().encode(&Type::TEXT, out)
    }

    fn natural_type(&self) -> Type {
        Type::JSON
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        check_json(ty)?;
        self.0.as_ref().encode_text(ty, out)
    }
}

impl<'r, S: Decode<'r> + AsRef<str>> Decode<'r> for JsonPath<S> {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::JSONPATH
    }

    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        S::from_binary(&Type::TEXT, behind_version(value)?).map(Self)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        S::from_text(&Type::TEXT, text).map(Self)
    }
}

impl<S: AsRef<str>> Encode for JsonPath<S> {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty != Type::JSONPATH {
            return Err(EncodeError::WrongType);
        }
        out.put_u8(VERSION);
        self.0.as_ref().encode(&Type::TEXT, out)
    }

    fn natural_type(&self) -> Type {
        Type::JSONPATH
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::JSONPATH && *ty != Type::UNKNOWN {
            return Err(EncodeError::WrongType);
        }
        self.0.as_ref().encode_text(ty, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_version_is_read() {
        let read = |bytes| JsonText::<String>::from_binary(&Type::JSONB, bytes);
        assert_eq!(read(b"\x01{}"), Ok(JsonText("{}".to_owned())));
        assert_eq!(read(b"\x02{}"), Err(ValueError::malformed("version 2 is not known")));
        assert_eq!(read(b""), Err(ValueError::malformed("it has no version")));
        assert_eq!(JsonText::<&str>::from_binary(&Type::JSON, b"{}"), Ok(JsonText("{}")));
    }

    #[test]
    fn each_type_is_written_in_its_form() {
        let mut out = BytesMut::new();
        JsonText("1").encode(&Type::JSONB, &mut out).unwrap();
        JsonText("2").encode(&Type::JSON, &mut out).unwrap();
        JsonPath("$").encode(&Type::JSONPATH, &mut out).unwrap();
        assert_eq!(out, &b"\x0112\x01$"[..]);
        assert_eq!(JsonText("1").encode(&Type::TEXT, &mut out), Err(EncodeError::WrongType));
    }
}
