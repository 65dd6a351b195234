//! What is copied: names that are quoted, or a query.

use cornac_types::quote_identifier;

use super::error::CopyError;

/// The longest name that a server keeps apart from others (`NAMEDATALEN` - 1), in bytes.
const NAME_LEN_MAX: usize = 63;

/// A table, by its name and perhaps its schema. Each is one name, whatever is in it: it is quoted, and never taken apart.
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
        let name = quoted_name(&self.name)?;
        match &self.schema {
            Some(schema) => Ok(format!("{}.{name}", quoted_name(schema)?)),
            None => Ok(name),
        }
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

/// Names in quotes, with commas in between.
pub(super) fn quoted_names<N: AsRef<str>>(names: &[N]) -> Result<String, CopyError> {
    let names: Result<Vec<_>, _> = names.iter().map(|name| quoted_name(name.as_ref())).collect();
    Ok(names?.join(", "))
}

/// A name in quotes. One that the server would cut is refused, since what is left of it could be the name of something else.
fn quoted_name(name: &str) -> Result<String, CopyError> {
    let problem = match name.len() {
        0 => "is no name",
        1..=NAME_LEN_MAX => "contains a NUL, which no name can",
        _ => "is longer than the 63 bytes that a name can have",
    };
    let quoted = quote_identifier(name).filter(|_| (1..=NAME_LEN_MAX).contains(&name.len()));
    quoted.ok_or_else(|| CopyError::Name { name: name.chars().take(80).collect(), problem })
}
