//! A row, lent.

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
        if index >= self.columns.len() {
            let error = ValueError::malformed("there is no such column");
            return Err(DecodeError::new(index, None, T::rust_type(), error));
        }
        let mut walk = self.walk();
        for _ in 0..index {
            walk.skip()?;
        }
        match walk.left.as_slice().first() {
            Some(column) if !T::accepts(column.ty(), column.format()) => {
                let error = ValueError::malformed("the types do not fit");
                Err(DecodeError::new(index, Some(column), T::rust_type(), error))
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
    #[inline]
    pub fn walk(&self) -> Walk<'r> {
        let columns = self.columns.as_slice();
        Walk { columns, left: columns.iter(), rest: self.values }
    }
}

/// Reads a row value by value, in the order of its columns.
#[derive(Clone, Debug)]
pub struct Walk<'r> {
    columns: &'r [Column],
    left: std::slice::Iter<'r, Column>,
    rest: &'r [u8],
}

impl<'r> Walk<'r> {
    /// The next value.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not fit.
    #[expect(clippy::inline_always, reason = "a row is decoded without a call for each of its values")]
    #[inline(always)]
    pub fn decode<T: Decode<'r>>(&mut self) -> Result<T, DecodeError> {
        let Some(column) = self.left.next() else { return Err(self.no_column(T::rust_type)) };
        let value = match self.take() {
            Ok(value) => value,
            Err(error) => return Err(self.failure(column, T::rust_type, error)),
        };
        match decode_column(column, value) {
            Ok(decoded) => Ok(decoded),
            Err(error) => Err(self.failure(column, T::rust_type, error)),
        }
    }

    /// Passes over the next value.
    ///
    /// # Errors
    ///
    /// When there is none.
    #[inline]
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let Some(column) = self.left.next() else { return Err(self.no_column(|| "a value")) };
        match self.take() {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure(column, || "a value", error)),
        }
    }

    #[inline]
    fn take(&mut self) -> Result<Option<&'r [u8]>, ValueError> {
        take_value(&mut self.rest)
    }

    /// The column that was asked for last has a value that does not fit.
    #[cold]
    #[inline(never)]
    fn failure(&self, column: &Column, rust_type: fn() -> &'static str, error: ValueError) -> DecodeError {
        let index = self.columns.len().saturating_sub(self.left.len()).saturating_sub(1);
        DecodeError::new(index, Some(column), rust_type(), error)
    }

    #[cold]
    #[inline(never)]
    fn no_column(&self, rust_type: fn() -> &'static str) -> DecodeError {
        let error = ValueError::malformed("there is no such column");
        DecodeError::new(self.columns.len(), None, rust_type(), error)
    }
}

/// Takes a value off the front: its 4-byte length, -1 for NULL, and its bytes.
#[inline]
pub(crate) fn take_value<'r>(rest: &mut &'r [u8]) -> Result<Option<&'r [u8]>, ValueError> {
    let Some((length, behind)) = rest.split_first_chunk::<4>() else {
        return Err(missing());
    };
    // Every other negative length is larger than what can be there.
    let length = u32::from_be_bytes(*length);
    if length == u32::MAX {
        *rest = behind;
        return Ok(None);
    }
    let taken = usize::try_from(length).ok().and_then(|length| behind.split_at_checked(length));
    let Some((value, behind)) = taken else {
        return Err(contradiction());
    };
    *rest = behind;
    Ok(Some(value))
}

#[cold]
fn missing() -> ValueError {
    ValueError::malformed("there is no such value")
}

#[cold]
fn contradiction() -> ValueError {
    ValueError::malformed("its length contradicts the bytes that are there")
}
