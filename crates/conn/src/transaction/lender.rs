//! Where a transaction has its connection from.

use std::fmt;
use std::future::ready;
use std::pin::Pin;

use crate::connection::Connection;
use crate::error::{Error, Result};

/// Lends a connection to a [`Transaction`](super::Transaction) that does not borrow one: a pool, say. When the transaction is over, or
/// dropped, the lender is dropped.
pub trait Lender: Send {
    /// The connection.
    fn connection(&mut self) -> &mut Connection;

    /// The transaction was committed or rolled back by its holder.
    fn transaction_ended(&mut self) {}

    /// The connection was lost during COMMIT, as `lost` says. Gives what is found out about it: `Ok` if the transaction is known to be committed.
    fn resolve_commit(&mut self, lost: Error) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        Box::pin(ready(Err(lost)))
    }
}

/// The connection of a transaction.
pub(super) enum Lease<'c> {
    Borrowed(&'c mut Connection),
    Lent(Box<dyn Lender + 'c>),
}

impl Lease<'_> {
    #[inline]
    pub(super) fn connection(&mut self) -> &mut Connection {
        match self {
            Self::Borrowed(connection) => connection,
            Self::Lent(lender) => lender.connection(),
        }
    }
}

impl fmt::Debug for Lease<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Borrowed(connection) => connection.fmt(f),
            Self::Lent(_) => f.write_str("Lender"),
        }
    }
}
