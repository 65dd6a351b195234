//! What can stand where SQL is asked for.

use crate::prepared::Prepared;

/// A statement in one of the forms in which it can be given.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum StatementRef<'s> {
    /// SQL, which is parsed for this one use.
    Sql(&'s str),
    /// A statement that the connection has prepared.
    Prepared(&'s Prepared),
}

impl<'s> StatementRef<'s> {
    /// The SQL text.
    pub fn sql(self) -> &'s str {
        match self {
            Self::Sql(sql) => sql,
            Self::Prepared(prepared) => prepared.sql(),
        }
    }
}

/// Anything that can stand where a verb asks for a statement: SQL text, or a [`Prepared`].
///
/// SQL has placeholders `$1`, `$2`, ... for its parameters. Values never become part of the text.
pub trait IntoStatement: Send + Sync {
    /// The statement.
    fn statement(&self) -> StatementRef<'_>;
}

impl IntoStatement for &str {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::Sql(self)
    }
}

impl IntoStatement for &String {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::Sql(self)
    }
}

impl IntoStatement for String {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::Sql(self)
    }
}

impl IntoStatement for &Prepared {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::Prepared(self)
    }
}
