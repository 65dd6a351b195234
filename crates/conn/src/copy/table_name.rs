//! A table's name in SQL, for others than COPY.

use super::error::CopyError;
use super::table::Table;
use crate::schema_error::SchemaError;

impl Table {
    /// The name as it stands in SQL: in quotes, behind its schema's if it has one.
    ///
    /// ```
    /// use cornac_conn::Table;
    ///
    /// # fn example() -> Result<(), cornac_conn::SchemaError> {
    /// assert_eq!(Table::in_schema("shop", "Item").to_sql()?, r#""shop"."Item""#);
    /// # Ok(())
    /// # }
    /// # example().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`SchemaError::Name`] when there can be no such name: it is empty, longer than 63 bytes, or contains a NUL.
    pub fn to_sql(&self) -> Result<String, SchemaError> {
        self.quoted().map_err(|error| match error {
            CopyError::Name { name, problem } => SchemaError::Name { name, problem },
            other => SchemaError::Unknown { what: "name", found: other.to_string().into() },
        })
    }
}
