//! Values of any type as JSON.

use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Value;
use crate::Dimension;

/// As `to_json` of PostgreSQL's makes JSON of it, under `TimeZone` UTC: numbers, booleans, NULL and JSON as they are, arrays and composites of what is in
/// them (the fields of a record are called `f1`, `f2`, ...), dates with times as in ISO 8601, and whatever else as its text. NaN and the infinities, which JSON has no
/// numbers for, are text too. Values of extensions are text even where `to_json` finds a cast.
///
/// A `numeric` keeps all its digits in the text that `serde_json` writes; a `serde_json::Value` holds as many as its numbers do.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null | Self::Void => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int2(value) => serializer.serialize_i16(*value),
            Self::Int4(value) => serializer.serialize_i32(*value),
            Self::Int8(value) => serializer.serialize_i64(*value),
            Self::Float4(value) if value.is_finite() => raw(self.to_string(), serializer),
            Self::Float8(value) if value.is_finite() => raw(self.to_string(), serializer),
            Self::Numeric(value) => {
                let text = value.to_string();
                let is_number = text.ends_with(|c: char| c.is_ascii_digit());
                if is_number { raw(text, serializer) } else { serializer.serialize_str(&text) }
            }
            Self::Json(json) => raw(json.0.clone(), serializer),
            Self::Timestamp(_) => serializer.serialize_str(&self.to_string().replacen(' ', "T", 1)),
            Self::Timestamptz(_) => {
                let text = self.to_string().replacen(' ', "T", 1);
                serializer.serialize_str(&text.replacen("+00", "+00:00", 1))
            }
            Self::Array(_, array) => {
                Nested { dimensions: array.dimensions(), values: array.values() }.serialize(serializer)
            }
            Self::Composite(ty, fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                let mut names = ty.fields().iter();
                for (number, field) in (1_usize..).zip(fields) {
                    match names.next() {
                        Some(known) => map.serialize_entry(known.name(), field)?,
                        None => map.serialize_entry(&format!("f{number}"), field)?,
                    }
                }
                map.end()
            }
            other => serializer.collect_str(other),
        }
    }
}

/// What is JSON already.
fn raw<S: Serializer>(json: String, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(json).map_err(S::Error::custom)?.serialize(serializer)
}

/// The elements of an array, a sequence for each of its dimensions.
struct Nested<'v> {
    dimensions: &'v [Dimension],
    values: &'v [Value],
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((_, inner)) = self.dimensions.split_first().filter(|(_, inner)| !inner.is_empty()) else {
            return serializer.collect_seq(self.values);
        };
        let len = inner.iter().fold(1_usize, |len, dimension| len.saturating_mul(dimension.len));
        let mut outer = serializer.serialize_seq(None)?;
        for values in self.values.chunks(len.max(1)) {
            outer.serialize_element(&Nested { dimensions: inner, values })?;
        }
        outer.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decode, Type};

    fn check(ty: &Type, text: &str, expected: &str) {
        let value = Value::from_text(ty, text.into()).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), expected, "{ty}");
    }

    #[test]
    fn numbers_keep_their_digits_and_everything_else_is_text() {
        check(&Type::INT8, "9007199254740993", "9007199254740993");
        check(&Type::NUMERIC, "0.1000000000000000000000000001", "0.1000000000000000000000000001");
        check(&Type::NUMERIC, "NaN", r#""NaN""#);
        check(&Type::FLOAT8, "-Infinity", r#""-Infinity""#);
        check(&Type::FLOAT4, "0.1", "0.1");
        check(&Type::BOOL, "t", "true");
        check(&Type::JSON, r#"{"a": [1]}"#, r#"{"a": [1]}"#);
        check(&Type::INT4_ARRAY, "{{1,NULL},{3,4}}", "[[1,null],[3,4]]");
        check(&Type::INT4_ARRAY, "{}", "[]");
        check(&Type::TEXT, "a\"b", r#""a\"b""#);
    }
}
