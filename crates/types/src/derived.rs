//! What derived code calls. No part of the API.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;

pub use bytes::BytesMut;

pub use crate::sql::{Capture, Captured, Hole, Peel, PeelBorrowed, PeelCopied, Template};

use crate::params::{check_count, put, put_formats};
use crate::{
    Accepts, Decode, DecodeError, Encode, EncodeError, Format, IsNull, ParamError, RowPlan, Type, ValueError,
};

/// Takes what a plan has promised out of its slot.
///
/// # Errors
///
/// When the plan was made for another type.
pub fn filled<T>(slot: Option<T>) -> Result<T, DecodeError> {
    slot.ok_or_else(|| other_plan(type_name::<T>()))
}

/// The plan of a field that is a row itself.
///
/// # Errors
///
/// When the plan was made for another type.
pub fn part<T>(plan: &RowPlan, index: usize) -> Result<&RowPlan, DecodeError> {
    plan.part(index).ok_or_else(|| other_plan(type_name::<T>()))
}

#[cold]
fn other_plan(rust_type: &'static str) -> DecodeError {
    DecodeError::new(0, None, rust_type, ValueError::malformed("the plan was made for another type"))
}

/// A `T` that is read as a `Via` first, and then converted.
#[derive(Debug)]
pub struct Converted<T, Via>(pub T, PhantomData<Via>);

impl<T, Via> Converted<T, Via>
where
    T: TryFrom<Via>,
    T::Error: Display,
{
    fn new(value: Via) -> Result<Self, ValueError> {
        match T::try_from(value) {
            Ok(value) => Ok(Self(value, PhantomData)),
            Err(error) => Err(ValueError::out_of_range(error.to_string())),
        }
    }
}

impl<'r, T, Via> Decode<'r> for Converted<T, Via>
where
    Via: Decode<'r>,
    T: TryFrom<Via>,
    T::Error: Display,
{
    fn accepts(ty: &Type, format: Format) -> bool {
        Via::accepts(ty, format)
    }

    #[inline]
    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        Via::from_binary(ty, value).and_then(Self::new)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        Via::from_text(ty, text).and_then(Self::new)
    }

    fn from_null() -> Result<Self, ValueError> {
        Via::from_null().and_then(Self::new)
    }

    fn rust_type() -> &'static str {
        type_name::<T>()
    }
}

/// Writes the parameters of a struct, field by field.
#[derive(Debug)]
pub struct ParamWriter<'a> {
    types: std::iter::Enumerate<std::slice::Iter<'a, Type>>,
    start: usize,
    out: &'a mut BytesMut,
}

impl<'a> ParamWriter<'a> {
    /// For a struct with `given` fields.
    ///
    /// # Errors
    ///
    /// When these are more or fewer than `types`.
    #[inline]
    pub fn new(types: &'a [Type], given: usize, out: &'a mut BytesMut) -> Result<Self, ParamError> {
        check_count(types, given)?;
        Ok(Self { types: types.iter().enumerate(), start: out.len(), out })
    }

    /// Writes the next one.
    ///
    /// # Errors
    ///
    /// When it does not fit.
    #[inline]
    pub fn put<T: Encode + ?Sized>(&mut self, value: &T) -> Result<(), ParamError> {
        match self.types.next() {
            Some((index, ty)) => put(index, value, ty, self.start, self.out),
            None => Ok(()),
        }
    }
}

/// Passes the formats of the fields to `put`: one if all are binary, else one for each.
pub fn formats(values: &[&dyn Encode], types: &[Type], put: &mut dyn FnMut(Format)) {
    put_formats(values.iter().zip(types).map(|(value, ty)| value.format(ty)), put);
}

/// Whether a composite type's fields of these names are accepted, where it has them.
pub fn accepts_optional(ty: &Type, format: Format, fields: &[(&str, Accepts)]) -> bool {
    fields.iter().all(|(name, accepts)| {
        let attribute = ty.fields().iter().find(|attribute| attribute.name() == *name);
        attribute.is_none_or(|attribute| accepts(attribute.ty().base(), format))
    })
}

/// Whether values of `ty` can be labels: those of an enum, any text, and whatever comes as text.
pub fn accepts_label(ty: &Type, format: Format) -> bool {
    <&str>::accepts(ty, format)
}

/// The label of an enum's value.
///
/// # Errors
///
/// When it is no text.
pub fn label(value: &[u8]) -> Result<Cow<'_, str>, ValueError> {
    <&str>::from_binary(&Type::TEXT, value).map(Cow::Borrowed)
}

/// The error for a label that no variant has.
#[cold]
pub fn no_variant(label: &str, known: &[&str]) -> ValueError {
    let beginning: String = label.chars().take(40).collect();
    ValueError::out_of_range(format!("{beginning:?} is none of {}", known.join(", ")))
}

/// The error for an integer that no variant has.
#[cold]
pub fn no_discriminant(value: i64) -> ValueError {
    ValueError::out_of_range(format!("no variant is {value}"))
}

/// The format in which a label is written.
pub fn label_format(ty: &Type) -> Format {
    str::format("", ty)
}

/// Writes a label.
///
/// # Errors
///
/// When it cannot become a value of `ty`.
pub fn encode_label(label: &str, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
    label.encode(ty, out)
}
