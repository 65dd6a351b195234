//! A transaction: BEGIN rides on its first statement, and a drop rolls back.

mod commit_with;
mod lender;
mod options;
mod state;
mod tracking;

use std::task::{Context, Waker};

use cornac_proto::message::{ServerMessage, TransactionStatus};
use cornac_proto::session::CloseReason;

use self::lender::Lease;
pub use self::lender::Lender;
pub use self::options::{IsolationLevel, TransactionOptions};
pub(crate) use self::state::TransactionState;
pub use self::tracking::{TransactionId, TransactionOutcome};
use crate::client::Client;
use crate::connection::Connection;
use crate::error::{Delivery, Error, ErrorKind, Result};

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
/// # A transaction in a transaction
///
/// [`begin`](Self::begin) on a transaction sets a savepoint: what runs in the inner one can be rolled back alone.
///
/// # SQL that ends it
///
/// COMMIT, ROLLBACK and their like, given to a verb as SQL, end the transaction behind its back. The statements after that are not part of it; [`commit`](Self::commit) notices,
/// and fails.
///
/// See [Transactions](https://www.postgresql.org/docs/current/tutorial-transactions.html).
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction<'c> {
    lease: Lease<'c>,
    /// The number of its savepoint, if it is one in a transaction.
    savepoint: Option<u64>,
    begun: Begun,
    end: End,
}

/// Which transaction of a connection it is. Made by [`Transaction::begun`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun(u64);

/// What is left to do when a transaction is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    RollBack,
    /// It goes on, in other hands.
    Leave,
    /// Nothing.
    Over,
}

impl Connection {
    /// Begins a transaction. Nothing is sent before its first statement.
    ///
    /// ```no_run
    /// # use cornac_conn::{Client, Connection};
    /// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
    /// let mut sale = connection.begin().await?;
    /// let sold = "UPDATE stock SET number = number - 1 WHERE item = $1 RETURNING number";
    /// let left: i32 = sale.fetch_value(sold, (7,)).await?;
    /// if left < 0 {
    ///     return Ok(()); // Rolled back: `sale` is dropped.
    /// }
    /// sale.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the connection is closed, or in a transaction already (one that was begun with SQL of one's own).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        self.begin_with(TransactionOptions::new()).await
    }

    /// Begins a transaction that runs as the options say. Nothing is sent before its first statement.
    ///
    /// ```no_run
    /// use cornac_conn::{Client, Connection, TransactionOptions};
    ///
    /// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
    /// let options = TransactionOptions::new().repeatable_read().read_only();
    /// let mut report = connection.begin_with(options).await?;
    /// let total: i64 = report.fetch_value("SELECT sum(balance)::int8 FROM account", ()).await?;
    /// report.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn begin_with(&mut self, options: TransactionOptions) -> Result<Transaction<'_>> {
        let begun = self.prepare_begin(options).await?;
        Ok(Transaction { lease: Lease::Borrowed(self), savepoint: None, begun, end: End::RollBack })
    }

    async fn prepare_begin(&mut self, options: TransactionOptions) -> Result<Begun> {
        self.settle().await?;
        if self.transaction_status() != TransactionStatus::Idle {
            return Err(Error::usage(NESTED, Delivery::NotSent));
        }
        let state = &mut self.transaction;
        state.end();
        state.is_managed = true;
        state.pending_begin = Some(options.begin());
        Ok(Begun(state.ended))
    }

    async fn transaction_command(&mut self, sql: &str) -> Result<String> {
        self.settle().await?;
        self.start_deadline(None);
        let results = self.query_results(sql).await?;
        Ok(results.into_iter().next().map(|result| result.tag).unwrap_or_default())
    }
}

impl<'c> Transaction<'c> {
    /// Begins a transaction on a connection that somebody lends to it.
    ///
    /// ```no_run
    /// # use cornac_conn::{Connection, Lender, Transaction, TransactionOptions};
    /// struct Owner(Connection);
    /// impl Lender for Owner {
    ///     fn connection(&mut self) -> &mut Connection {
    ///         &mut self.0
    ///     }
    /// }
    /// # async fn example(connection: Connection) -> cornac_conn::Result<()> {
    /// // It owns its connection, and can be kept anywhere.
    /// let transaction: Transaction<'static> =
    ///     Transaction::begin_on(Box::new(Owner(connection)), TransactionOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Connection::begin`].
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn begin_on(mut lender: Box<dyn Lender + 'c>, options: TransactionOptions) -> Result<Self> {
        let begun = lender.connection().prepare_begin(options).await?;
        Ok(Self { lease: Lease::Lent(lender), savepoint: None, begun, end: End::RollBack })
    }

    /// Goes on with a transaction that somebody else has [left open](Self::leave_open).
    ///
    /// ```
    /// # use cornac_conn::{Begun, Lender, Transaction};
    /// fn go_on(lender: Box<dyn Lender>, begun: Begun) -> Transaction<'static> {
    ///     Transaction::resume_on(lender, begun)
    /// }
    /// ```
    pub fn resume_on(lender: Box<dyn Lender + 'c>, begun: Begun) -> Self {
        Self { lease: Lease::Lent(lender), savepoint: None, begun, end: End::RollBack }
    }

    /// Which transaction of its connection it is, for [`resume_on`](Self::resume_on).
    ///
    /// ```
    /// # use cornac_conn::{Begun, Transaction};
    /// fn hand_over(mut transaction: Transaction<'_>) -> Begun {
    ///     transaction.leave_open();
    ///     transaction.begun()
    /// }
    /// ```
    pub fn begun(&self) -> Begun {
        self.begun
    }

    /// From now on, a drop does not roll it back: whoever has the connection then goes on with it.
    ///
    /// ```no_run
    /// # use cornac_conn::{Client, Connection};
    /// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
    /// let mut transaction = connection.begin().await?;
    /// transaction.execute("DECLARE items CURSOR FOR SELECT name FROM item", ()).await?;
    /// transaction.leave_open();
    /// drop(transaction);
    /// // Still in it.
    /// let names: Vec<String> = connection.fetch_values("FETCH 100 FROM items", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn leave_open(&mut self) {
        self.end = End::Leave;
    }

    /// Begins a transaction within this one: a savepoint. It is set at once, in a round trip of its own (two, if nothing has run before).
    ///
    /// ```no_run
    /// # use cornac_conn::{Client, Connection};
    /// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
    /// let mut order = connection.begin().await?;
    /// order.execute("INSERT INTO purchase (item) VALUES ($1)", (7,)).await?;
    /// let mut bonus = order.begin().await?;
    /// if bonus.execute("UPDATE account SET points = points + 1", ()).await.is_ok() {
    ///     bonus.commit().await?;
    /// } else {
    ///     bonus.rollback().await?;
    /// }
    /// order.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's, when the transaction has failed; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        let begun = self.begun;
        let connection = self.lease.connection();
        connection.settle().await?;
        connection.start_deadline(None);
        connection.run_pending_begin().await?;
        connection.check_is_in(begun)?;
        connection.transaction.savepoints += 1;
        let number = connection.transaction.savepoints;
        connection.transaction_command(&format!("SAVEPOINT {SAVEPOINT}{number}")).await?;
        connection.transaction.failure = None;
        let savepoint = Some(number);
        Ok(Transaction { lease: Lease::Borrowed(connection), savepoint, begun, end: End::RollBack })
    }

    /// Commits. Nothing is sent if nothing has run.
    ///
    /// ```no_run
    /// # use cornac_conn::{Client, ErrorKind, Transaction};
    /// # async fn example(mut transaction: Transaction<'_>) -> cornac_conn::Result<()> {
    /// transaction.execute("INSERT INTO purchase (item) VALUES ($1)", (7,)).await?;
    /// match transaction.commit().await {
    ///     Err(error) if error.outcome_unknown() => println!("the purchase may be there: look"),
    ///     committed => committed?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's: then nothing of the transaction stays. [`ErrorKind::RolledBack`] when a statement has failed before, with what the server said of it: then nothing stays either, and, if this is a transaction
    /// in another one, that one goes on. [`ErrorKind::Usage`] when the transaction was ended by SQL.
    /// [`ErrorKind::CommitOutcomeUnknown`] when the connection is lost on the way: nobody knows then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before COMMIT was sent, the transaction is rolled back; later, it may be committed.
    pub async fn commit(mut self) -> Result<()> {
        if !self.has_something_to_end().await? {
            let failure = self.lease.connection().transaction.failure.take();
            self.set_over();
            // BEGIN itself was refused, or nothing was asked for.
            return failure.map_or(Ok(()), |failure| Err(rolled_back(Some(failure))));
        }
        match self.savepoint {
            None => self.commit_whole().await,
            Some(number) => self.release(number).await,
        }
    }

    /// Whether anything of the transaction has run. The connection is settled then, and the transaction still the one that was begun.
    async fn has_something_to_end(&mut self) -> Result<bool> {
        let begun = self.begun;
        let connection = self.lease.connection();
        connection.settle().await?;
        if connection.has_pending_begin() {
            return Ok(false);
        }
        let checked = connection.check_is_in(begun);
        if checked.is_err() && connection.transaction_status() == TransactionStatus::Idle {
            self.set_over();
        }
        checked.map(|()| true)
    }

    async fn commit_whole(&mut self) -> Result<()> {
        let connection = self.lease.connection();
        let id = connection.transaction.tracking.take().and_then(|tracking| tracking.id);
        let tag = connection.transaction_command("COMMIT").await;
        let failure = connection.transaction.failure.take();
        // Whatever came of it: the transaction is over, or the connection is.
        self.set_over();
        match tag {
            Ok(tag) if tag == "ROLLBACK" => Err(rolled_back(failure)),
            Ok(_) => Ok(()),
            Err(error) if error.outcome_unknown() => self.resolve(error.into_unknown_commit(id)).await,
            Err(error) => Err(error),
        }
    }

    /// Finds out what became of a COMMIT, if its lender can.
    async fn resolve(&mut self, lost: Error) -> Result<()> {
        match &mut self.lease {
            Lease::Borrowed(_) => Err(lost),
            Lease::Lent(lender) => lender.resolve_commit(lost).await,
        }
    }

    async fn release(&mut self, number: u64) -> Result<()> {
        let connection = self.lease.connection();
        if connection.transaction_status() == TransactionStatus::InTransaction {
            connection.transaction_command(&format!("RELEASE SAVEPOINT {SAVEPOINT}{number}")).await?;
            self.set_over();
            return Ok(());
        }
        let failure = connection.transaction.failure.take();
        connection.transaction_command(&undo(number)).await?;
        self.set_over();
        Err(rolled_back(failure))
    }

    /// Rolls back: all of it, or, if this is a transaction in another one, what has run in this one. Nothing is sent if nothing has run.
    ///
    /// ```no_run
    /// # use cornac_conn::{Client, Connection};
    /// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
    /// let mut trial = connection.begin().await?;
    /// let gone = trial.execute("DELETE FROM item WHERE price < $1", (1.0,)).await?;
    /// trial.rollback().await?;
    /// println!("{gone} items would go");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The connection's, when it is lost; the server then rolls back by itself. [`ErrorKind::Usage`] when the transaction was ended by SQL.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the transaction is rolled back all the same.
    pub async fn rollback(mut self) -> Result<()> {
        if self.has_something_to_end().await? {
            let (sql, is_whole) = (self.undoing(), self.savepoint.is_none());
            let connection = self.lease.connection();
            if is_whole {
                connection.transaction.tracking = None;
            }
            connection.transaction_command(&sql).await?;
            connection.transaction.failure = None;
        }
        self.set_over();
        Ok(())
    }

    /// What rolls back what has run in it.
    fn undoing(&self) -> String {
        self.savepoint.map_or_else(|| "ROLLBACK".to_owned(), undo)
    }

    /// Finds out the transaction's number on the way, behind its statements and without a round trip more, so that [`ErrorKind::CommitOutcomeUnknown`] can say which transaction it
    /// is about. A transaction that writes nothing has none.
    ///
    /// ```no_run
    /// # use cornac_conn::{Client, Connection, ErrorKind};
    /// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
    /// let mut payment = connection.begin().await?;
    /// payment.track();
    /// payment.execute("UPDATE account SET balance = balance - $1 WHERE id = $2", (10_i64, 1)).await?;
    /// let paid = payment.commit().await;
    /// if let Err(ErrorKind::CommitOutcomeUnknown(lost)) = paid.as_ref().map_err(|error| error.kind()) {
    ///     println!("ask later what became of {:?}", lost.transaction);
    /// }
    /// paid
    /// # }
    /// ```
    pub fn track(&mut self) {
        self.lease.connection().transaction.track();
    }

    /// What the server refused last in this transaction, if it refused anything: why it has failed.
    ///
    /// ```no_run
    /// # use cornac_conn::{Client, Transaction};
    /// # async fn import(_: &mut Transaction<'_>) {}
    /// # async fn example(mut transaction: Transaction<'_>) -> cornac_conn::Result<()> {
    /// import(&mut transaction).await; // which keeps its errors for itself
    /// if let Some(refused) = transaction.failure() {
    ///     println!("nothing will be committed: {}", refused.message());
    /// }
    /// transaction.rollback().await
    /// # }
    /// ```
    pub fn failure(&mut self) -> Option<&ServerMessage> {
        self.lease.connection().transaction.failure.as_deref()
    }

    fn set_over(&mut self) {
        self.end = End::Over;
        if self.savepoint.is_none() {
            self.lease.connection().transaction.end();
        }
        if let Lease::Lent(lender) = &mut self.lease {
            lender.transaction_ended();
        }
    }
}

impl Connection {
    /// Whether the transaction that is open is still the one that was begun.
    fn check_is_in(&self, begun: Begun) -> Result<()> {
        if self.transaction.ended == begun.0 && self.transaction_status() != TransactionStatus::Idle {
            return Ok(());
        }
        Err(Error::usage(ENDED_BY_SQL, Delivery::NotSent))
    }
}

fn rolled_back(failure: Option<Box<ServerMessage>>) -> Error {
    Error::new(ErrorKind::RolledBack(failure), Delivery::Answered)
}

/// What rolls a savepoint back.
fn undo(number: u64) -> String {
    format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}{number}; RELEASE SAVEPOINT {SAVEPOINT}{number}")
}

/// What the names of savepoints begin with.
const SAVEPOINT: &str = "cornac_";

const NESTED: &str = "the connection is in a transaction already; end that first";

const ENDED_BY_SQL: &str = "the transaction was ended by SQL (COMMIT, ROLLBACK or the like) that was given to one of its verbs; what ran after that was not part of it";

impl Client for Transaction<'_> {
    fn connection(&mut self) -> &mut Connection {
        self.lease.connection()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if matches!(self.end, End::Leave | End::Over) {
            return;
        }
        let sql = self.undoing();
        let is_whole = self.savepoint.is_none();
        let connection = self.lease.connection();
        let nothing_has_run = connection.has_pending_begin() && connection.session.is_settled();
        connection.transaction.pending_begin = None;
        connection.transaction.failure = None;
        if is_whole {
            connection.transaction.end();
        }
        if nothing_has_run || connection.is_closed() {
            return;
        }
        match connection.session.query(&sql) {
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
