//! What rows become: a value as a whole, or that of their first column.

use std::marker::PhantomData;

use cornac_proto::message::DataRow;
use cornac_types::{
    Columns, Decode, DecodeError, FromRow, PlanError, RowPlan, RowRef, decode_value, plan_value,
};

use crate::error::Result;

/// One way to make something of a row.
pub(crate) trait Shape {
    /// What is made.
    type Item;

    /// Settles once for a result whether it can be made.
    fn plan(columns: &Columns) -> std::result::Result<RowPlan, PlanError>;

    /// Makes it.
    fn read(row: RowRef<'_>, plan: &RowPlan) -> std::result::Result<Self::Item, DecodeError>;
}

/// Makes something of the one row that there may be.
#[inline]
pub(crate) fn at_most_one<S: Shape>(columns: &Columns, row: Option<DataRow<'_>>) -> Result<Option<S::Item>> {
    let plan = S::plan(columns)?;
    match row {
        Some(row) => Ok(Some(S::read(RowRef::new(columns, row.values_bytes()), &plan)?)),
        None => Ok(None),
    }
}

/// The whole row.
pub(crate) struct Whole<T>(PhantomData<T>);

/// The value of the first column.
pub(crate) struct First<T>(PhantomData<T>);

impl<T: for<'r> FromRow<'r>> Shape for Whole<T> {
    type Item = T;

    fn plan(columns: &Columns) -> std::result::Result<RowPlan, PlanError> {
        T::plan(columns)
    }

    #[inline]
    fn read(row: RowRef<'_>, plan: &RowPlan) -> std::result::Result<T, DecodeError> {
        T::from_row(row, plan)
    }
}

impl<T: for<'r> Decode<'r>> Shape for First<T> {
    type Item = T;

    fn plan(columns: &Columns) -> std::result::Result<RowPlan, PlanError> {
        plan_value::<T>(columns)
    }

    #[inline]
    fn read(row: RowRef<'_>, plan: &RowPlan) -> std::result::Result<T, DecodeError> {
        decode_value(row, plan)
    }
}
