//! The crate `serde_json`.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::value::{check_json, json_bytes, put_json_version};
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

/// A value that a `json` or `jsonb` value is read into, or made of. It may borrow from the row: `Json<&RawValue>`, or a struct with `&str`.
///
/// ```
/// use cornac_types::{Decode, Json, Type};
///
/// let sizes = Json::<Vec<i32>>::from_binary(&Type::JSONB, b"\x01[1, 2]");
/// assert_eq!(sizes, Ok(Json(vec![1, 2])));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T: ?Sized>(pub T);

impl<'r, T: Deserialize<'r>> Decode<'r> for Json<T> {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::JSON || *ty == Type::JSONB
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        serde_json::from_slice(json_bytes(ty, value)?).map(Self).map_err(|error| unfit(&error))
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        match text {
            Cow::Borrowed(text) => serde_json::from_str(text).map(Self).map_err(|error| unfit(&error)),
            Cow::Owned(_) => {
                Err(ValueError::malformed("it had escapes, so it cannot be lent; ask for JsonText"))
            }
        }
    }
}

/// What is JSON can only be too much for the Rust type: the server has read it before.
#[cold]
fn unfit(error: &serde_json::Error) -> ValueError {
    if error.is_data() {
        ValueError::out_of_range(error.to_string())
    } else {
        ValueError::malformed(error.to_string())
    }
}

impl<T: Serialize + ?Sized> Encode for Json<T> {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        put_json_version(ty, out)?;
        serde_json::to_writer(out.writer(), &self.0).map_err(|error| unwritable(&error))?;
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        Type::JSON
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        check_json(ty)?;
        out.push_str(&serde_json::to_string(&self.0).map_err(|error| unwritable(&error))?);
        Ok(IsNull::No)
    }
}

#[cold]
fn unwritable(error: &serde_json::Error) -> EncodeError {
    EncodeError::out_of_range(format!("it is no JSON: {error}"))
}

impl<'r> Decode<'r> for Value {
    fn accepts(ty: &Type, format: Format) -> bool {
        Json::<Self>::accepts(ty, format)
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        Json::from_binary(ty, value).map(|Json(value)| value)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        serde_json::from_str(&text).map_err(|error| unfit(&error))
    }
}

impl Encode for Value {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        Json(self).encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        Type::JSON
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        Json(self).encode_text(ty, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn a_raw_value_is_lent() {
        let bytes = b"\x01{\"a\": [1,  2]}".to_vec();
        let Json(raw) = Json::<&RawValue>::from_binary(&Type::JSONB, &bytes).unwrap();
        assert!(bytes.as_ptr_range().contains(&raw.get().as_ptr()));
        let mut out = BytesMut::new();
        Json(raw).encode(&Type::JSONB, &mut out).unwrap();
        assert_eq!(out, bytes);
    }

    #[test]
    fn input_06_json_that_the_type_has_no_room_for_is_an_error() {
        let read = |text: &'static str| Json::<Vec<u8>>::from_text(&Type::JSON, text.into());
        assert_eq!(read("[1, 255]"), Ok(Json(vec![1, 255])));
        for text in ["[256]", "[-1]", "[1.5]", "{}", "[null]"] {
            assert!(matches!(read(text), Err(ValueError::OutOfRange(_))), "{text}");
        }
        assert!(matches!(read("["), Err(ValueError::Malformed(_))));
        // Numbers of jsonb are numerics; serde_json's are not.
        assert!(Value::from_text(&Type::JSON, "1e400".into()).is_err());
    }
}
