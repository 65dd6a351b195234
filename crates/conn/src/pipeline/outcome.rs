//! How a statement in a pipeline ended.

use crate::error::{Error, Result};

/// How one statement of a pipeline ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It ran, and this is its result.
    Done(T),
    /// It failed.
    Failed(Error),
    /// It was not looked at, because one in front of it failed in the same transaction.
    NotRun,
}

impl<T> Outcome<T> {
    /// The result, if there is one.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(result) => Some(result),
            Self::Failed(_) | Self::NotRun => None,
        }
    }

    /// The error, if it failed.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Done(_) | Self::NotRun => None,
        }
    }

    /// Whether it ran and gave a result.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// The result, or the error; one that was not run gives `None`.
    ///
    /// # Errors
    ///
    /// That of the statement.
    pub fn ok(self) -> Result<Option<T>> {
        match self {
            Self::Done(result) => Ok(Some(result)),
            Self::Failed(error) => Err(error),
            Self::NotRun => Ok(None),
        }
    }
}
