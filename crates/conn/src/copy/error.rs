//! What only a COPY can fail with.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use cornac_types::{IdentifierError, RecordError, Type};

/// What went wrong with a COPY on this side. Where data was on its way to the server, the COPY was failed, and nothing of it was kept.
#[derive(Debug)]
#[non_exhaustive]
pub enum CopyError {
    /// A name that no table or column can have, or a string that cannot stand in an option.
    Name {
        /// The name, as far as it is worth showing.
        name: Box<str>,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A record that does not fit the columns.
    Record(RecordError),
    /// A column whose type has no binary form that is known here. Its data can be copied as text.
    NoBinaryForm {
        /// The column's name.
        column: Box<str>,
        /// Its type.
        ty: Type,
    },
    /// The columns that are copied are not those that were described: generated columns are not copied unless they are named.
    Columns {
        /// Columns that are copied.
        copied: usize,
        /// Columns that the table has.
        described: usize,
    },
    /// Where the data was to come from failed.
    Source(Box<dyn StdError + Send + Sync>),
    /// Where the data was to go to failed.
    Destination(io::Error),
}

impl From<IdentifierError> for CopyError {
    fn from(error: IdentifierError) -> Self {
        Self::Name { name: error.name().into(), problem: error.problem() }
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, problem } => write!(f, "{name:?} {problem}"),
            Self::Record(error) => write!(f, "{error}"),
            Self::NoBinaryForm { column, ty } => write!(
                f,
                "column {column:?} is {ty}, whose binary form is not known; copy it as text, or cast it in a query"
            ),
            Self::Columns { copied, described } => write!(
                f,
                "{copied} columns are copied, and the table has {described}; name the columns, since generated ones are left out"
            ),
            Self::Source(error) => write!(f, "the source of the data failed: {error}"),
            Self::Destination(error) => write!(f, "the destination of the data failed: {error}"),
        }
    }
}

impl StdError for CopyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Record(error) => Some(error),
            Self::Source(error) => Some(&**error),
            Self::Destination(error) => Some(error),
            Self::Name { .. } | Self::NoBinaryForm { .. } | Self::Columns { .. } => None,
        }
    }
}
