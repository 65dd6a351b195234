//! Rows as a server sends them.

use bytes::BytesMut;
use cornac_types::{Column, Columns, Encode, Format, FromRow, IsNull, RowRef, Type};

/// A result of one row.
pub(crate) struct Received {
    pub(crate) columns: Columns,
    values: BytesMut,
}

impl Received {
    /// The columns, each with its value.
    pub(crate) fn new(columns: &[(&str, Type, &dyn Encode)]) -> Self {
        let mut values = BytesMut::new();
        for (name, ty, value) in columns {
            let mut encoded = BytesMut::new();
            let length = match value.encode(ty, &mut encoded).expect(name) {
                IsNull::Yes => -1,
                IsNull::No => i32::try_from(encoded.len()).expect("it is short"),
            };
            values.extend_from_slice(&length.to_be_bytes());
            values.extend_from_slice(&encoded);
        }
        let column = |(name, ty, _): &(&str, Type, _)| Column::new(*name, ty.clone(), Format::Binary);
        Self { columns: columns.iter().map(column).collect(), values }
    }

    pub(crate) fn row(&self) -> RowRef<'_> {
        RowRef::new(&self.columns, &self.values)
    }

    /// The row as a `T`, or the error in words.
    pub(crate) fn read<'r, T: FromRow<'r>>(&'r self) -> Result<T, String> {
        let plan = T::plan(&self.columns).map_err(|error| error.to_string())?;
        T::from_row(self.row(), &plan).map_err(|error| error.to_string())
    }
}
