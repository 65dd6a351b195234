//! A row that is kept.

use cornac_types::{Columns, Decode, DecodeError, FromRow, RowRef};

use crate::error::Result;

/// A row of its own, for those who need to keep one without decoding it into a type of theirs.
///
/// It owns a copy of the row's bytes and shares the description of the result. Rows that are decoded at once need no
/// such copy: see [`Rows`](crate::Rows) and [`FromRow`].
#[derive(Clone, Debug)]
pub struct Row {
    columns: Columns,
    values: Box<[u8]>,
}

impl Row {
    pub(crate) fn new(columns: &Columns, values: &[u8]) -> Self {
        Self { columns: columns.clone(), values: values.into() }
    }

    /// The columns of the result.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The value in column `index`, counted from 0.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when there is no such column, or its value does not fit `T`.
    pub fn get<'r, T: Decode<'r>>(&'r self, index: usize) -> Result<T, DecodeError> {
        self.row_ref().get(index)
    }

    /// The whole row as a tuple or a struct.
    ///
    /// # Errors
    ///
    /// When the columns or their values do not fit `T`.
    pub fn decode<'r, T: FromRow<'r>>(&'r self) -> Result<T> {
        let plan = T::plan(&self.columns)?;
        Ok(T::from_row(self.row_ref(), &plan)?)
    }

    /// The row as it is decoded from.
    pub fn row_ref(&self) -> RowRef<'_> {
        RowRef::new(&self.columns, &self.values)
    }
}
