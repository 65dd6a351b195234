//! Rows whose columns are known at run time only.

use super::Value;
use crate::{Columns, DecodeError, FromRow, PlanError, RowPlan, RowRef};

/// A row of any columns, which [`RowRef::columns`] and the statement's description name.
impl<'r> FromRow<'r> for Vec<Value> {
    fn plan(_columns: &Columns) -> Result<RowPlan, PlanError> {
        Ok(RowPlan::in_order())
    }

    fn from_row(row: RowRef<'r>, _plan: &RowPlan) -> Result<Self, DecodeError> {
        let mut walk = row.walk();
        row.columns().iter().map(|_| walk.decode()).collect()
    }
}
