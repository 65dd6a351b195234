//! One-dimensional arrays: `Vec`, slices, and Rust's own arrays.
//!
//! `Vec<u8>` is bytea, not an array. Both stand side by side since `u8` is no value by itself, and only this crate could make it one.

use std::borrow::Cow;

use bytes::BytesMut;

use super::elements::of_element;
use super::{ArrayHeader, ArrayText, Dimension, encode_as_text, lent, put_array};
use crate::params::put_value;
use crate::{Decode, Encode, EncodeError, Format, IsNull, Kind, Type, ValueError};

impl<'r, T: Decode<'r>> Decode<'r> for Vec<T> {
    /// Arrays in text can only be read into elements that own what they hold, wherever quotes and backslashes are taken out.
    fn accepts(ty: &Type, format: Format) -> bool {
        ty.element().is_some_and(|element| T::accepts(element.base(), format))
    }

    /// An array of one dimension or none, wherever it begins: for others there is [`Array`](crate::Array).
    #[inline]
    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        let Some(element) = ty.element() else { return Err(no_array()) };
        let array = ArrayHeader::of(value, element)?;
        check_dimensions(array.dimensions().len())?;
        T::from_binary_elements(element.base(), array.elements)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        let Some(element) = ty.element() else { return Err(no_array()) };
        let delimiter = ArrayText::delimiter(element);
        check_dimensions(ArrayText::new(&text, delimiter)?.dimensions.len())?;
        read_elements(element, delimiter, text)
    }
}

impl<'r, T: Decode<'r>, const N: usize> Decode<'r> for [T; N] {
    fn accepts(ty: &Type, format: Format) -> bool {
        Vec::<T>::accepts(ty, format)
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        sized(Vec::from_binary(ty, value)?)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        sized(Vec::from_text(ty, text)?)
    }
}

/// The elements of an array in text, whatever its dimensions.
pub(super) fn read_elements<'r, T: Decode<'r>>(
    element: &Type,
    delimiter: char,
    text: Cow<'r, str>,
) -> Result<Vec<T>, ValueError> {
    lent(
        text,
        |text| ArrayText::new(text, delimiter).map(|array| array.elements),
        |index, value| {
            let decoded = match value {
                Some(value) => T::from_text(element.base(), value),
                None => T::from_null(),
            };
            decoded.map_err(|error| of_element(index, T::rust_type(), error))
        },
    )
}

fn sized<T, const N: usize>(values: Vec<T>) -> Result<[T; N], ValueError> {
    let differ = |values: Vec<T>| {
        ValueError::out_of_range(format!("it has {} elements, and {N} are asked for", values.len()))
    };
    values.try_into().map_err(differ)
}

#[cold]
fn no_array() -> ValueError {
    ValueError::malformed("it is no array")
}

fn check_dimensions(count: usize) -> Result<(), ValueError> {
    if count <= 1 {
        return Ok(());
    }
    Err(ValueError::out_of_range(format!("it has {count} dimensions, and only one fits; ask for Array")))
}

/// The format in which parts of these formats travel together.
pub(super) fn joint_format<T: Encode>(ty: &Type, parts: &[T], part: &Type) -> Format {
    match ty.binary_format() {
        Format::Binary if parts.iter().all(|value| value.format(part) == Format::Binary) => Format::Binary,
        _ => Format::Text,
    }
}

/// The element type of a parameter that is sent as text; unknown where the server works it out.
pub(super) fn text_element(ty: &Type) -> Result<&Type, EncodeError> {
    match ty.element() {
        Some(element) => Ok(element.base()),
        None if *ty == Type::UNKNOWN || *ty.kind() == Kind::Unknown => Ok(&Type::UNKNOWN),
        None => Err(EncodeError::WrongType),
    }
}

/// The array of what its elements are; where none of them says that, the server reads it out of the text.
pub(super) fn natural_array<T: Encode>(values: &[T]) -> Type {
    let element = values.iter().map(Encode::natural_type).find(|ty| *ty != Type::UNKNOWN);
    element.and_then(|element| element.array()).unwrap_or(Type::UNKNOWN)
}

impl<T: Encode> Encode for [T] {
    fn format(&self, ty: &Type) -> Format {
        ty.element().map_or(ty.binary_format(), |element| joint_format(ty, self, element.base()))
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        let Some(element) = ty.element() else { return Err(EncodeError::WrongType) };
        if self.format(ty) == Format::Text {
            return encode_as_text(self, ty, out);
        }
        // The lists of the catalogs begin at 0.
        let lower_bound = i32::from(*ty != Type::INT2VECTOR && *ty != Type::OIDVECTOR);
        let dimension = [Dimension { len: self.len(), lower_bound }];
        put_array(element, &dimension, self, out, |value, out| put_value(value, element.base(), out))?;
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        natural_array(self)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        let element = text_element(ty)?;
        let dimension = [Dimension { len: self.len(), lower_bound: 1 }];
        let dimensions = if self.is_empty() { &[][..] } else { &dimension };
        ArrayText::put(dimensions, self, ArrayText::delimiter(element), out, |value, out| {
            value.encode_text(element, out)
        })?;
        Ok(IsNull::No)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn format(&self, ty: &Type) -> Format {
        self.as_slice().format(ty)
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        self.as_slice().encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        self.as_slice().natural_type()
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        self.as_slice().encode_text(ty, out)
    }
}

impl<T: Encode, const N: usize> Encode for [T; N] {
    fn format(&self, ty: &Type) -> Format {
        self.as_slice().format(ty)
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        self.as_slice().encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        self.as_slice().natural_type()
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        self.as_slice().encode_text(ty, out)
    }
}
