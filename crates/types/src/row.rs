//! A row, lent.

use std::any::type_name;

use crate::decode::decode_column;
use crate::{Column, Columns, Decode, DecodeError, ValueError};

/// A row as it stands in the received bytes, with the columns that say what is in it.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'r> {
    columns: &'r Columns,
    /// Each value behind its 4-byte length; -1 is NULL.
    values: &'r [u8],
}

impl<'r> RowRef<'r> {
    /// A row out of the body of a DataRow behind its count. That there are as many values as columns, and that their lengths
    /// fit, is for whoever received it to check; a row that lies gives errors here, and nothing worse.
    pub fn new(columns: &'r Columns, values: &'r [u8]) -> Self {
        Self { columns, values }
    }

    /// The columns.
    pub fn columns(&self) -> &'r Columns {
        self.columns
    }

    /// The value in column `index`, counted from 0. The row is walked from its start: to read more than a value or two, decode
    /// it as a whole.
    ///
    /// # Errors
    ///
    /// When there is no such column, when its type does not fit, or its value does not.
    pub fn get<T: Decode<'r>>(&self, index: usize) -> Result<T, DecodeError> {
        let mut walk = self.walk();
        for _ in 0..index {
            walk.skip()?;
        }
        match walk.columns.as_slice().first() {
            Some(column) if !T::accepts(column.ty(), column.format()) => {
                let error = ValueError::malformed("the types do not fit");
                Err(DecodeError::new(index, Some(column), type_name::<T>(), error))
            }
            _ => walk.decode(),
        }
    }

    /// The value in the first column of this name.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_by_name<T: Decode<'r>>(&self, name: &str) -> Result<T, DecodeError> {
        self.get(self.columns.position(name).unwrap_or(self.columns.len()))
    }

    /// Walks the values in the order of the columns.
    pub fn walk(&self) -> Walk<'r> {
        Walk { index: 0, columns: self.columns.iter(), rest: self.values }
    }
}

/// Reads a row value by value, in the order of its columns.
#[derive(Clone, Debug)]
pub struct Walk<'r> {
    index: usize,
    columns: std::slice::Iter<'r, Column>,
    rest: &'r [u8],
}

impl<'r> Walk<'r> {
    /// The next value.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not fit.
    #[inline]
    pub fn decode<T: Decode<'r>>(&mut self) -> Result<T, DecodeError> {
        let column = self.columns.next();
        let decoded = match (column, self.take()) {
            (Some(column), Ok(value)) => decode_column(column, value),
            (None, _) => Err(ValueError::malformed("there is no such column")),
            (_, Err(error)) => Err(error),
        };
        let index = self.index;
        self.index = index.saturating_add(1);
        decoded.map_err(|error| DecodeError::new(index, column, type_name::<T>(), error))
    }

    /// Passes over the next value.
    ///
    /// # Errors
    ///
    /// When there is none.
    #[inline]
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let column = self.columns.next();
        let index = self.index;
        self.index = index.saturating_add(1);
        match self.take() {
            Ok(_) => Ok(()),
            Err(error) => Err(DecodeError::new(index, column, "a value", error)),
        }
    }

    #[inline]
    fn take(&mut self) -> Result<Option<&'r [u8]>, ValueError> {
        take_value(&mut self.rest)
    }
}

/// Takes a value off the front: its 4-byte length, -1 for NULL, and its bytes.
#[inline]
pub(crate) fn take_value<'r>(rest: &mut &'r [u8]) -> Result<Option<&'r [u8]>, ValueError> {
    let Some((length, behind)) = rest.split_first_chunk::<4>() else {
        return Err(ValueError::malformed("there is no such value"));
    };
    let length = i32::from_be_bytes(*length);
    if length == -1 {
        *rest = behind;
        return Ok(None);
    }
    let taken = usize::try_from(length).ok().and_then(|length| behind.split_at_checked(length));
    let Some((value, behind)) = taken else {
        return Err(ValueError::malformed("its length contradicts the bytes that are there"));
    };
    *rest = behind;
    Ok(Some(value))
}
