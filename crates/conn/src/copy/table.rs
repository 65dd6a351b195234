//! What is copied: names that are quoted, or a query.

use cornac_types::{Identifier, QualifiedName};

use super::error::CopyError;

/// A table, by its name and perhaps its schema. Each is one name, whatever is in it: it is quoted, and never taken apart. Whether it can be
/// one is found when it is used; an [`Identifier`] or [`QualifiedName`] has been checked before.
///
/// ```
/// use cornac_conn::Table;
///
/// assert_eq!(Table::from("item"), Table::new("item"));
/// // A table whose name has a dot in it, and one in a schema.
/// assert_ne!(Table::new("shop.item"), Table::in_schema("shop", "item"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    schema: Option<Box<str>>,
    name: Box<str>,
}

impl Table {
    /// The table of this name that is found along the `search_path`.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// The table of this name in this schema.
    pub fn in_schema(schema: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }

    /// The name as it stands in SQL.
    pub(super) fn quoted(&self) -> Result<String, CopyError> {
        let name = match &self.schema {
            Some(schema) => QualifiedName::in_schema(schema.clone(), self.name.clone())?,
            None => QualifiedName::new(self.name.clone())?,
        };
        Ok(name.to_string())
    }
}

impl From<&str> for Table {
    /// The string is one name: it is not taken apart at dots.
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<&String> for Table {
    /// As from `&str`.
    fn from(name: &String) -> Self {
        Self::new(name.as_str())
    }
}

impl From<&QualifiedName> for Table {
    fn from(name: &QualifiedName) -> Self {
        Self { schema: name.schema().map(|schema| schema.as_str().into()), name: name.name().as_str().into() }
    }
}

impl From<QualifiedName> for Table {
    fn from(name: QualifiedName) -> Self {
        Self::from(&name)
    }
}

impl From<&Identifier> for Table {
    fn from(name: &Identifier) -> Self {
        Self::new(name.as_str())
    }
}

impl From<&Table> for Table {
    fn from(table: &Table) -> Self {
        table.clone()
    }
}

/// Where the data of a COPY TO comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopySource<'a> {
    /// Columns of a table in this order; all of them if none is named.
    Table {
        /// The table.
        table: Table,
        /// The names of the columns.
        columns: &'a [&'a str],
    },
    /// What a query returns: SELECT, VALUES, or a statement with RETURNING. It is SQL, and has no parameters.
    Query(&'a str),
}

impl<'a> CopySource<'a> {
    /// Columns of a table in this order; all of them if none is named.
    pub fn columns(table: impl Into<Table>, columns: &'a [&'a str]) -> Self {
        Self::Table { table: table.into(), columns }
    }

    /// What a query returns.
    pub fn query(sql: &'a str) -> Self {
        Self::Query(sql)
    }
}

impl From<Table> for CopySource<'_> {
    fn from(table: Table) -> Self {
        Self::Table { table, columns: &[] }
    }
}

impl From<&Table> for CopySource<'_> {
    fn from(table: &Table) -> Self {
        table.clone().into()
    }
}

impl From<&str> for CopySource<'_> {
    /// The table of this name; SQL is given by [`CopySource::query`].
    fn from(name: &str) -> Self {
        Table::new(name).into()
    }
}

impl From<QualifiedName> for CopySource<'_> {
    fn from(name: QualifiedName) -> Self {
        Table::from(name).into()
    }
}

impl From<&QualifiedName> for CopySource<'_> {
    fn from(name: &QualifiedName) -> Self {
        Table::from(name).into()
    }
}

impl From<&Identifier> for CopySource<'_> {
    fn from(name: &Identifier) -> Self {
        Table::from(name).into()
    }
}

/// Names in quotes, with commas in between.
pub(super) fn quoted_names<N: AsRef<str>>(names: &[N]) -> Result<String, CopyError> {
    let names: Result<Vec<_>, CopyError> =
        names.iter().map(|name| Ok(Identifier::new(name.as_ref())?.to_string())).collect();
    Ok(names?.join(", "))
}
