//! The text of values of any type, as the server writes it.

use std::fmt::{self, Write};

use super::super::float_text::{put_float4, put_float8};
use super::Value;
use crate::container::{ArrayText, put_range_text, put_text_field};
use crate::{EncodeError, IsNull, Range};

impl fmt::Display for Value {
    /// As the server writes it, and `psql` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.put_text(&mut text).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

struct Float4(f32);
struct Float8(f64);

impl fmt::Display for Float4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_float4(f, self.0)
    }
}

impl fmt::Display for Float8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_float8(f, self.0)
    }
}

impl Value {
    fn put_text(&self, out: &mut String) -> Result<IsNull, EncodeError> {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Void => Ok(()),
            Self::Float4(value) => write!(out, "{}", Float4(*value)),
            Self::Float8(value) => write!(out, "{}", Float8(*value)),
            Self::Money(value) => write!(out, "{value}"),
            // As PostgreSQL does since version 16; earlier ones write the byte as it is.
            Self::Char(byte) if *byte < 0 => write!(out, "\\{:03o}", byte.to_be_bytes().map(u32::from)[0]),
            Self::Enum(_, text) | Self::Other(_, text) => out.write_str(text),
            Self::Opaque(_, bytes) => {
                out.push_str("\\x");
                bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
            }
            Self::Array(ty, array) => {
                let delimiter = ty.element().map_or(',', ArrayText::delimiter);
                ArrayText::put(array.dimensions(), array.values(), delimiter, out, Self::put_text)?;
                Ok(())
            }
            Self::Range(_, range) => {
                put_range(range, out)?;
                Ok(())
            }
            Self::Multirange(_, ranges) => {
                out.push('{');
                for (index, range) in ranges.0.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    put_range(range, out)?;
                }
                out.push('}');
                Ok(())
            }
            Self::Composite(_, fields) => {
                out.push('(');
                for (index, field) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    let mut text = String::new();
                    if field.put_text(&mut text)? == IsNull::No {
                        put_text_field(&text, out);
                    }
                }
                out.push(')');
                Ok(())
            }
            scalar => {
                if let Some(value) = scalar.as_scalar() {
                    value.encode_text(&value.natural_type(), out)?;
                }
                Ok(())
            }
        };
        Ok(IsNull::No)
    }
}

fn put_range(range: &Range<Value>, out: &mut String) -> Result<(), EncodeError> {
    put_range_text(range.bounds(), out, Value::put_text)
}
