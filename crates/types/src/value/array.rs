//! One-dimensional arrays of any element that has a Rust type.
//!
//! `Vec<u8>` is bytea, not an array. Both stand side by side since `u8` is no value by itself, and only this crate could make it one.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::array_text;
use crate::params::{check_len, put_value};
use crate::row::take_value;
use crate::{Decode, Encode, EncodeError, Format, IsNull, Kind, Oid, Type, ValueError};

impl<'r, T: Decode<'r>> Decode<'r> for Vec<T> {
    /// Arrays in text can only be read into elements that own what they hold, since quotes and backslashes are taken out.
    fn accepts(ty: &Type, format: Format) -> bool {
        ty.element().is_some_and(|element| T::accepts(element.base(), format))
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        let Some(element) = ty.element() else { return Err(ValueError::malformed("it is no array")) };
        let array = BinaryArray::new(value, element)?;
        // Each element has a length of four bytes at least, which bounds what a lying header can make us allocate.
        let mut values = Self::with_capacity(array.count.min(array.rest.len() / 4));
        for value in array {
            values.push(match value? {
                Some(value) => T::from_binary(element.base(), value)?,
                None => T::from_null()?,
            });
        }
        Ok(values)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        let Some(element) = ty.element() else { return Err(ValueError::malformed("it is no array")) };
        let read = |value| match value {
            Some(value) => T::from_text(element.base(), value),
            None => T::from_null(),
        };
        match text {
            Cow::Borrowed(text) => array_text::elements(text)?.into_iter().map(read).collect(),
            Cow::Owned(_) => Err(ValueError::malformed("an array inside of another value cannot be lent")),
        }
    }
}

/// The binary form of an array with at most one dimension.
///
/// Number of dimensions, a flag for NULLs, the element's OID, then size and lower bound of each dimension, then the elements, each
/// behind its length.
struct BinaryArray<'r> {
    count: usize,
    rest: &'r [u8],
}

impl<'r> BinaryArray<'r> {
    fn new(value: &'r [u8], element: &Type) -> Result<Self, ValueError> {
        let mut rest = value;
        let dimensions = take_i32(&mut rest)?;
        let _has_nulls = take_i32(&mut rest)?;
        let oid = Oid(u32::from_be_bytes(take_i32(&mut rest)?.to_be_bytes()));
        if oid != element.oid() {
            let found = Type::from_oid(oid);
            return Err(ValueError::malformed(format!("its elements are {found}, not {element}")));
        }
        let count = match dimensions {
            0 => 0,
            1 => {
                let count = take_i32(&mut rest)?;
                let _lower_bound = take_i32(&mut rest)?;
                let impossible = || ValueError::malformed(format!("it announces {count} elements"));
                usize::try_from(count).map_err(|_| impossible())?
            }
            _ => {
                let what = format!("it has {dimensions} dimensions, and only one fits");
                return Err(ValueError::out_of_range(what));
            }
        };
        Ok(Self { count, rest })
    }
}

impl<'r> Iterator for BinaryArray<'r> {
    type Item = Result<Option<&'r [u8]>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.count.checked_sub(1) {
            Some(left) => {
                self.count = left;
                Some(take_value(&mut self.rest))
            }
            None if self.rest.is_empty() => None,
            None => Some(Err(ValueError::malformed("bytes are left behind its last element"))),
        }
    }
}

fn take_i32(rest: &mut &[u8]) -> Result<i32, ValueError> {
    match rest.split_first_chunk::<4>() {
        Some((number, behind)) => {
            *rest = behind;
            Ok(i32::from_be_bytes(*number))
        }
        None => Err(ValueError::malformed("its header is cut off")),
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        let Some(element) = ty.element() else { return Err(EncodeError::WrongType) };
        let too_long = |_| EncodeError::out_of_range(format!("it has {} elements", self.len()));
        let count = i32::try_from(self.len()).map_err(too_long)?;
        let header = out.len();
        out.put_i32(1);
        out.put_i32(0);
        out.put_u32(element.oid().0);
        out.put_i32(count);
        out.put_i32(1);
        let mut has_nulls = false;
        for value in self {
            // An array is binary as a whole: an element that would go as text for this type has no place in it.
            if value.format(element.base()) == Format::Text {
                return Err(EncodeError::WrongType);
            }
            let start = out.len();
            put_value(value, element.base(), out)?;
            check_len(out.len().saturating_sub(header))?;
            has_nulls |= out.get(start..).is_some_and(|value| value == [0xff; 4]);
        }
        if has_nulls {
            let flag = out.get_mut(header.saturating_add(4)..).and_then(|rest| rest.first_chunk_mut::<4>());
            if let Some(flag) = flag {
                *flag = 1_i32.to_be_bytes();
            }
        }
        Ok(IsNull::No)
    }

    /// The array of what its elements are; where none of them says that, the server reads it out of the text.
    fn natural_type(&self) -> Type {
        let element = self.iter().map(Encode::natural_type).find(|ty| *ty != Type::UNKNOWN);
        element.and_then(|element| element.array()).unwrap_or(Type::UNKNOWN)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        let element = match ty.element() {
            Some(element) => element.base(),
            None if *ty == Type::UNKNOWN || *ty.kind() == Kind::Unknown => &Type::UNKNOWN,
            None => return Err(EncodeError::WrongType),
        };
        let start = out.len();
        let mut text = String::new();
        for (index, value) in self.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            text.clear();
            match value.encode_text(element, &mut text)? {
                IsNull::Yes => out.push_str("NULL"),
                IsNull::No => array_text::put_element(&text, out),
            }
            check_len(out.len().saturating_sub(start))?;
        }
        out.push_str(if self.is_empty() { "{}" } else { "}" });
        Ok(IsNull::No)
    }
}

impl<T: Encode> Encode for Vec<T> {
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
