//! A transaction: BEGIN rides on its first statement, and a drop rolls back.

use std::task::{Context, Waker};

use cornac_proto::message::{RawParameters, TransactionStatus};
use cornac_proto::session::CloseReason;

use crate::client::Client;
use crate::connection::Connection;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::flight::Flight;

/// A transaction on a connection: the same verbs, and all or nothing of what they do.
///
/// BEGIN is sent with the first statement, in one round trip with it; if the server refuses BEGIN, it does not look at the
/// statement. Dropped without [`commit`](Self::commit) it is rolled back: ROLLBACK is written if the socket takes it at once, and
/// with the connection's next use otherwise.
///
/// ```no_run
/// use cornac_conn::{Client, Connection};
///
/// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
/// let mut transaction = connection.begin().await?;
/// transaction.execute("UPDATE account SET balance = balance - $1 WHERE id = $2", (10_i64, 1)).await?;
/// transaction.execute("UPDATE account SET balance = balance + $1 WHERE id = $2", (10_i64, 2)).await?;
/// transaction.commit().await
/// # }
/// ```
///
/// See [Transactions](https://www.postgresql.org/docs/current/tutorial-transactions.html).
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction<'c> {
    connection: &'c mut Connection,
    over: bool,
}

impl Connection {
    /// Begins a transaction. Nothing is sent before its first statement.
    ///
    /// # Errors
    ///
    /// When the connection is closed, or in a transaction already (one that was begun with SQL of one's own).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        self.settle().await?;
        if self.transaction_status() != TransactionStatus::Idle {
            return Err(Error::usage(NESTED, Delivery::NotSent));
        }
        self.pending_begin = Some("BEGIN".into());
        Ok(Transaction { connection: self, over: false })
    }

    /// Whether the next statement is the first of a transaction.
    pub(crate) fn has_pending_begin(&self) -> bool {
        self.pending_begin.is_some() && self.transaction_status() == TransactionStatus::Idle
    }

    pub(crate) fn pending_begin_has_run(&mut self) {
        self.pending_begin = None;
    }

    /// Sends the BEGIN that waits for a statement to travel with, before a request that it cannot travel with. The connection is settled.
    pub(crate) async fn run_pending_begin(&mut self) -> Result<()> {
        let Some(begin) = self.pending_begin.clone().filter(|_| self.has_pending_begin()) else {
            return Ok(());
        };
        self.query_results(&begin).await?;
        self.pending_begin_has_run();
        Ok(())
    }
}

impl Flight<'_> {
    /// Writes the BEGIN that waits for a statement to travel with. Its failure makes the server skip that.
    pub(crate) fn write_pending_begin(&mut self) -> Result<()> {
        let Some(begin) = self.pending_begin.clone() else { return Ok(()) };
        let session = &mut self.session;
        session.parse("", &begin, &[]).map_err(Error::command)?;
        session.bind("", "", &RawParameters::default(), &[]).map_err(Error::command)?;
        session.execute("", 0).map_err(Error::command)
    }
}

impl Transaction<'_> {
    /// Commits. Nothing is sent if nothing has run.
    ///
    /// # Errors
    ///
    /// The server's: then nothing of the transaction stays. [`ErrorKind::RolledBack`] when the server rolled back instead, which it
    /// does when a statement has failed before. When the connection is lost on the way, nobody knows:
    /// [`Error::outcome_unknown`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before COMMIT was sent, the transaction is rolled back; later, it may be committed.
    pub async fn commit(mut self) -> Result<()> {
        if self.nothing_has_run() {
            return Ok(());
        }
        let tag = self.connection.transaction_command("COMMIT").await;
        // Whatever came of it: the transaction is over, or the connection is.
        self.over = true;
        match tag? {
            tag if tag == "ROLLBACK" => Err(Error::new(ErrorKind::RolledBack, Delivery::Answered)),
            _ => Ok(()),
        }
    }

    /// Rolls back. Nothing is sent if nothing has run.
    ///
    /// # Errors
    ///
    /// The connection's, when it is lost; the server then rolls back by itself.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the transaction is rolled back all the same.
    pub async fn rollback(mut self) -> Result<()> {
        if self.nothing_has_run() {
            return Ok(());
        }
        self.connection.transaction_command("ROLLBACK").await?;
        self.over = true;
        Ok(())
    }

    /// Ends a transaction of which nothing was ever sent.
    fn nothing_has_run(&mut self) -> bool {
        let unsent = self.connection.has_pending_begin() && self.connection.session.is_settled();
        self.over |= unsent;
        if unsent {
            self.connection.pending_begin = None;
        }
        unsent
    }
}

const NESTED: &str = "the connection is in a transaction already; end that first";

impl Connection {
    async fn transaction_command(&mut self, sql: &str) -> Result<String> {
        self.settle().await?;
        self.start_deadline(None);
        let results = self.query_results(sql).await?;
        Ok(results.into_iter().next().map(|result| result.tag).unwrap_or_default())
    }
}

impl Client for Transaction<'_> {
    fn connection(&mut self) -> &mut Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let nothing_has_run = self.nothing_has_run();
        let connection = &mut *self.connection;
        connection.pending_begin = None;
        if self.over || nothing_has_run || connection.is_closed() {
            return;
        }
        match connection.session.query("ROLLBACK") {
            Ok(()) => {
                connection.cancel_state.set_busy();
                connection.write_at_once(&mut Context::from_waker(Waker::noop()));
            }
            Err(error) => {
                let reason = format!("a transaction could not be rolled back: {error}");
                connection.give_up(CloseReason::Abandoned(reason));
            }
        }
    }
}
