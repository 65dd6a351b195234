//! Reading one value.

use std::any::type_name;
use std::borrow::Cow;

use crate::{
    Column, Columns, DecodeError, Elements, Format, PlanError, PlanProblem, RowPlan, RowRef, Type, ValueError,
};

/// A Rust type that values of PostgreSQL can become.
///
/// Types that borrow (`&str`, `&[u8]`) borrow from the row. NULL fits only into an [`Option`].
///
/// ```
/// use cornac_types::{Decode, Format, Type};
///
/// assert!(i64::accepts(&Type::INT4, Format::Binary));
/// assert_eq!(i64::from_binary(&Type::INT4, &7_i32.to_be_bytes()), Ok(7));
/// assert!(!i32::accepts(&Type::INT8, Format::Binary));
/// ```
#[diagnostic::on_unimplemented(
    message = "values of PostgreSQL cannot become `{Self}`",
    label = "this type does not implement `Decode`",
    note = "derive `Decode` for enums, newtypes and composite types; take it through another type with `#[cornac(try_from = \"T\")]`"
)]
pub trait Decode<'r>: Sized {
    /// Whether values of `ty`, sent in `format`, can become this type. Asked once for each column of a result.
    fn accepts(ty: &Type, format: Format) -> bool;

    /// Reads the binary form of a value.
    ///
    /// # Errors
    ///
    /// When the bytes are no such value, or one that does not fit.
    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError>;

    /// Reads the text of a value, as the server writes it.
    ///
    /// # Errors
    ///
    /// As [`from_binary`](Self::from_binary).
    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError>;

    /// What NULL becomes.
    ///
    /// # Errors
    ///
    /// [`ValueError::Null`] for all types but `Option`.
    fn from_null() -> Result<Self, ValueError> {
        Err(ValueError::Null)
    }

    /// Reads all elements of an array of `ty`. No part of the API: numbers of a fixed size are read at once.
    ///
    /// # Errors
    ///
    /// As [`from_binary`](Self::from_binary).
    #[doc(hidden)]
    #[inline]
    fn from_binary_elements(ty: &Type, elements: Elements<'r>) -> Result<Vec<Self>, ValueError> {
        elements.decode(ty)
    }

    /// The Rust type, for errors.
    fn rust_type() -> &'static str {
        type_name::<Self>()
    }
}

/// Reads a value of `column`.
#[expect(clippy::inline_always, reason = "a row is decoded without a call for each of its values")]
#[inline(always)]
pub(crate) fn decode_column<'r, T: Decode<'r>>(
    column: &Column,
    value: Option<&'r [u8]>,
) -> Result<T, ValueError> {
    match (value, column.format()) {
        (Some(value), Format::Binary) => T::from_binary(column.ty(), value),
        (Some(value), Format::Text) => decode_text(column.ty(), value),
        (None, _) => T::from_null(),
    }
}

#[inline(never)]
fn decode_text<'r, T: Decode<'r>>(ty: &Type, value: &'r [u8]) -> Result<T, ValueError> {
    let text = std::str::from_utf8(value).map_err(|_| ValueError::malformed("it is not UTF-8"))?;
    T::from_text(ty, Cow::Borrowed(text))
}

/// The plan for reading the first column of each row as a `T`.
///
/// # Errors
///
/// When there is no column, or its type does not fit.
pub fn plan_value<'r, T: Decode<'r>>(columns: &Columns) -> Result<RowPlan, PlanError> {
    match columns.get(0) {
        Some(column) => {
            check_column::<T>(0, column)?;
            Ok(RowPlan::in_order())
        }
        None => Err(PlanError::new(PlanProblem::Count { columns: 0, fields: 1 })),
    }
}

/// Reads the first column of a row, along the plan of [`plan_value`].
///
/// # Errors
///
/// When its value does not fit.
#[inline]
pub fn decode_value<'r, T: Decode<'r>>(row: RowRef<'r>, _plan: &RowPlan) -> Result<T, DecodeError> {
    row.walk().decode()
}

pub(crate) fn check_column<'r, T: Decode<'r>>(index: usize, column: &Column) -> Result<(), PlanError> {
    if T::accepts(column.ty(), column.format()) {
        Ok(())
    } else {
        Err(refusal(index, column, T::rust_type()))
    }
}

#[cold]
pub(crate) fn refusal(index: usize, column: &Column, rust_type: &'static str) -> PlanError {
    let (name, ty) = (column.name().into(), column.ty().clone());
    PlanError::new(PlanProblem::Type { index, column: name, ty, rust_type })
}
