//! What only a question about the schema can fail with.

use std::error::Error as StdError;
use std::fmt;

use crate::copy::Table;

/// Why there is no answer to a question about a table. The server itself refused nothing: a transaction goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// No table, view, materialized view or foreign table has this name.
    NoSuchTable(Table),
    /// A name that no table can have.
    Name {
        /// The name, as far as it is worth showing.
        name: Box<str>,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The catalogues say something that is not known here; the server may be newer than this library.
    Unknown {
        /// What it is about.
        what: &'static str,
        /// What they say.
        found: Box<str>,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchTable(table) => match table.to_sql() {
                Ok(name) => write!(f, "there is no table {name}"),
                Err(error) => write!(f, "{error}"),
            },
            Self::Name { name, problem } => write!(f, "{name:?} {problem}"),
            Self::Unknown { what, found } => {
                write!(f, "the catalogues say {found:?} of a table's {what}, which is not known here")
            }
        }
    }
}

impl StdError for SchemaError {}
