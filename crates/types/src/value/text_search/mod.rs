//! The types of full text search.

mod tsquery;
mod tsvector;

pub use tsquery::{TsOperator, TsQuery, TsQueryItem};
pub use tsvector::{Lexeme, LexemePosition, TsVector, TsWeight};

use std::fmt;

/// A lexeme in quotes, with quotes and backslashes in it doubled.
fn put_lexeme(f: &mut fmt::Formatter<'_>, lexeme: &str) -> fmt::Result {
    f.write_str("'")?;
    for character in lexeme.chars() {
        match character {
            '\'' => f.write_str("''")?,
            '\\' => f.write_str("\\\\")?,
            character => write!(f, "{character}")?,
        }
    }
    f.write_str("'")
}
