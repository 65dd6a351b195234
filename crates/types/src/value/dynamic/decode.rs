//! Reading values of any type.

use std::borrow::Cow;
use std::ops::Bound;

use super::Value;
use crate::container::{
    ArrayHeader, ArrayText, BinaryRange, CompositeReader, FieldValue, multirange_ranges, split_multirange,
    take_range,
};
use crate::{Array, Decode, Format, Kind, Multirange, Range, Type, ValueError};

/// How deep values stand in one another at most. A record can hold records without end, and the stack cannot.
const DEPTH: usize = 64;

impl<'r> Decode<'r> for Value {
    /// All types, in both formats.
    fn accepts(_ty: &Type, _format: Format) -> bool {
        true
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        binary(ty, value, 0)
    }

    fn from_text(ty: &Type, value: Cow<'r, str>) -> Result<Self, ValueError> {
        text(ty, &value)
    }

    fn from_null() -> Result<Self, ValueError> {
        Ok(Self::Null)
    }
}

fn is_vector(ty: &Type) -> bool {
    *ty == Type::INT2VECTOR || *ty == Type::OIDVECTOR
}

fn binary(ty: &Type, value: &[u8], depth: usize) -> Result<Value, ValueError> {
    let ty = ty.base();
    let depth = depth.saturating_add(1);
    if depth > DEPTH {
        return Err(ValueError::out_of_range(format!("values stand in one another more than {DEPTH} deep")));
    }
    match ty.kind() {
        Kind::Array(element) if !is_vector(ty) => {
            let header = ArrayHeader::of(value, element)?;
            array(ty, element, &header, depth)
        }
        Kind::Range(subtype) => range(ty, subtype, value, depth),
        Kind::Multirange(of) => {
            let ranges = multirange_ranges(value, |value| match binary(of, value, depth)? {
                Value::Range(_, range) => Ok(*range),
                _ => Err(ValueError::malformed("it is no range")),
            })?;
            Ok(Value::Multirange(ty.clone(), Multirange(ranges)))
        }
        Kind::Composite(_) => composite(ty, value, depth),
        Kind::Enum(_) => Ok(Value::Enum(ty.clone(), Box::<str>::from_binary(ty, value)?)),
        _ if *ty == Type::RECORD => composite(ty, value, depth),
        _ if *ty == Type::VOID => <()>::from_binary(ty, value).map(|()| Value::Void),
        // Its header says what it is an array of.
        _ if *ty == Type::ANYARRAY => {
            let header = ArrayHeader::new(value)?;
            let element = Type::from_oid(header.element);
            array(&element.array().unwrap_or(Type::ANYARRAY), &element, &header, depth)
        }
        _ => Value::scalar_from_binary(ty, value)
            .unwrap_or_else(|| Ok(Value::Opaque(ty.clone(), value.into()))),
    }
}

fn array(ty: &Type, element: &Type, header: &ArrayHeader<'_>, depth: usize) -> Result<Value, ValueError> {
    let mut values = Vec::with_capacity(header.elements.len());
    for value in header.elements.clone() {
        values.push(value?.map_or(Ok(Value::Null), |value| binary(element, value, depth))?);
    }
    made(ty, header.dimensions(), values)
}

fn made(ty: &Type, dimensions: &[crate::Dimension], values: Vec<Value>) -> Result<Value, ValueError> {
    let dimensions = if values.is_empty() { &[] } else { dimensions };
    let array = Array::new(dimensions, values);
    let array =
        array.ok_or_else(|| ValueError::malformed("its elements are more or fewer than its places"))?;
    Ok(Value::Array(ty.clone(), array))
}

fn range(ty: &Type, subtype: &Type, value: &[u8], depth: usize) -> Result<Value, ValueError> {
    let read = |bound: Bound<&[u8]>| {
        Ok::<_, ValueError>(match bound {
            Bound::Included(value) => Bound::Included(binary(subtype, value, depth)?),
            Bound::Excluded(value) => Bound::Excluded(binary(subtype, value, depth)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    let range = match BinaryRange::new(value)?.0 {
        Some((lower, upper)) => Range::Between(read(lower)?, read(upper)?),
        None => Range::Empty,
    };
    Ok(Value::Range(ty.clone(), Box::new(range)))
}

fn composite(ty: &Type, value: &[u8], depth: usize) -> Result<Value, ValueError> {
    let mut reader = CompositeReader::as_it_is(ty, value)?;
    let mut fields = Vec::with_capacity(reader.left());
    while let Some(field) = reader.next()? {
        fields.push(match field.value() {
            FieldValue::Binary(value) => binary(field.ty(), value, depth)?,
            FieldValue::Text(value) => text(field.ty(), value)?,
            FieldValue::Null => Value::Null,
        });
    }
    Ok(Value::Composite(ty.clone(), fields))
}

/// The text says nothing of types: so deep as those stand in one another do its parts.
fn text(ty: &Type, value: &str) -> Result<Value, ValueError> {
    let ty = ty.base();
    match ty.kind() {
        Kind::Array(element) if !is_vector(ty) => {
            let ArrayText { dimensions, elements } = ArrayText::new(value, ArrayText::delimiter(element))?;
            let elements = elements.into_iter().map(|value| optional(element, value));
            made(ty, &dimensions, elements.collect::<Result<_, _>>()?)
        }
        Kind::Range(subtype) => {
            let Some((range, "")) = take_range(value) else {
                return Err(super::super::not_a("a range", value));
            };
            let read = |bound: Bound<Cow<'_, str>>| {
                Ok::<_, ValueError>(match bound {
                    Bound::Included(value) => Bound::Included(text(subtype, &value)?),
                    Bound::Excluded(value) => Bound::Excluded(text(subtype, &value)?),
                    Bound::Unbounded => Bound::Unbounded,
                })
            };
            let range = match range {
                Some((lower, upper)) => Range::Between(read(lower)?, read(upper)?),
                None => Range::Empty,
            };
            Ok(Value::Range(ty.clone(), Box::new(range)))
        }
        Kind::Multirange(of) => {
            let ranges = split_multirange(value).ok_or_else(|| super::super::not_a("a multirange", value))?;
            let read = |range| match text(of, range)? {
                Value::Range(_, range) => Ok(*range),
                _ => Err(ValueError::malformed("it is no range")),
            };
            let ranges = ranges.into_iter().map(read).collect::<Result<_, _>>()?;
            Ok(Value::Multirange(ty.clone(), Multirange(ranges)))
        }
        Kind::Composite(_) => {
            let mut reader = CompositeReader::text(ty, Cow::Borrowed(value))?;
            let mut fields = Vec::with_capacity(reader.left());
            while let Some(field) = reader.next()? {
                fields.push(match field.value() {
                    FieldValue::Text(value) => text(field.ty(), value)?,
                    FieldValue::Binary(_) | FieldValue::Null => Value::Null,
                });
            }
            Ok(Value::Composite(ty.clone(), fields))
        }
        Kind::Enum(_) => Ok(Value::Enum(ty.clone(), value.into())),
        _ if *ty == Type::VOID => Ok(Value::Void),
        _ => Value::scalar_from_text(ty, value).unwrap_or_else(|| Ok(Value::Other(ty.clone(), value.into()))),
    }
}

fn optional(ty: &Type, value: Option<Cow<'_, str>>) -> Result<Value, ValueError> {
    value.map_or(Ok(Value::Null), |value| text(ty, &value))
}
