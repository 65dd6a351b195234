//! Transactions over the pool.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use cornac_conn::{
    Connection, Delivery, Error, Lender, Result, ServerMessage, SqlState, Transaction, TransactionOptions,
};

use super::Database;
use super::resolver::Resolver;
use crate::pooled::PooledConnection;
use crate::retry::RetryPolicy;

impl Database {
    /// Begins a transaction on a connection of its own. Nothing is sent before its first statement. Dropped without
    /// [`commit`](Transaction::commit), it is rolled back.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// let mut transaction = db.begin().await?;
    /// transaction.execute("UPDATE account SET balance = balance - $1 WHERE id = $2", (10_i64, 1)).await?;
    /// transaction.execute("UPDATE account SET balance = balance + $1 WHERE id = $2", (10_i64, 2)).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Checkout`](crate::ErrorKind::Checkout), when there is no connection to be had.
    ///
    /// # Cancel safety
    ///
    /// As [`checkout`](Self::checkout).
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction<'static>>> + Send {
        self.begin_with(TransactionOptions::new())
    }

    /// Begins a transaction that runs as the options say.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database, TransactionOptions};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// let options = TransactionOptions::new().repeatable_read().read_only();
    /// let mut report = db.begin_with(options).await?;
    /// let total: i64 = report.fetch_value("SELECT sum(balance)::int8 FROM account", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    ///
    /// # Cancel safety
    ///
    /// As [`begin`](Self::begin).
    #[track_caller]
    pub fn begin_with(
        &self,
        options: TransactionOptions,
    ) -> impl Future<Output = Result<Transaction<'static>>> + Send {
        let location = Location::caller();
        async move {
            let held = self.hold(self.checkout_at(location).await?);
            let resolves = held.resolver.is_some();
            let mut transaction = Transaction::begin_on(Box::new(held), options).await?;
            if resolves {
                transaction.track();
            }
            Ok(transaction)
        }
    }

    /// Runs a closure in a transaction, which is committed if the closure gives `Ok`, and rolled back if it gives `Err`, panics, or is dropped.
    ///
    /// The closure is given the [`Transaction`], and drops it when it is done (which is what happens by itself). It may be called more than once, if
    /// [`transaction_retry`](crate::DatabaseBuilder::transaction_retry) or [`retry`](Self::retry) say so; what it needs from outside, it borrows:
    ///
    /// ```no_run
    /// # use cornac::{Client, Database};
    /// # async fn example(db: Database, ids: Vec<i64>) -> anyhow::Result<()> {
    /// let total: i64 = db
    ///     .transaction(|mut transaction| {
    ///         let ids = &ids;
    ///         async move {
    ///             transaction.execute("UPDATE item SET sold = true WHERE id = ANY($1)", (ids,)).await?;
    ///             let sum = transaction.fetch_value("SELECT sum(price)::int8 FROM item WHERE sold", ()).await?;
    ///             anyhow::Ok(sum)
    ///         }
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's own; those of [`Transaction::commit`], when the closure gave `Ok` and nothing was committed; [`ErrorKind::Checkout`](crate::ErrorKind::Checkout), when there is no connection to be had;
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), when the closure gave `Ok` and has kept the transaction, whose connection is then closed when it is dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropped before COMMIT was sent, the transaction is rolled back; later, it may be committed.
    #[track_caller]
    pub fn transaction<T, E, F, Fut>(&self, run: F) -> impl Future<Output = Result<T, E>> + Send
    where
        F: FnMut(Transaction<'static>) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<Error> + Send,
    {
        self.transaction_with(TransactionOptions::new(), run)
    }

    /// As [`transaction`](Self::transaction), in a transaction that runs as the options say.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database, TransactionOptions};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// let report = TransactionOptions::new().repeatable_read().read_only();
    /// let (items, worth): (i64, i64) = db
    ///     .transaction_with(report, |mut transaction| async move {
    ///         let items = transaction.fetch_value("SELECT count(*) FROM item", ()).await?;
    ///         let worth = transaction.fetch_value("SELECT sum(price)::int8 FROM item", ()).await?;
    ///         Ok::<_, cornac::Error>((items, worth))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`transaction`](Self::transaction).
    ///
    /// # Cancel safety
    ///
    /// As [`transaction`](Self::transaction).
    #[track_caller]
    pub fn transaction_with<T, E, F, Fut>(
        &self,
        options: TransactionOptions,
        run: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: FnMut(Transaction<'static>) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<Error> + Send,
    {
        self.run_in_transactions(options, self.inner.settings.transaction_retry, Location::caller(), run)
    }

    /// Transactions that begin anew after a serialization failure or a deadlock, as the policy says: see [`transaction`](Self::transaction).
    ///
    /// ```no_run
    /// # use cornac::{Client, Database, RetryPolicy, TransactionOptions};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// db.retry(RetryPolicy::new(10))
    ///     .transaction_with(TransactionOptions::new().serializable(), |mut transaction| async move {
    ///         transaction.execute("UPDATE account SET balance = balance - 10 WHERE id = 1", ()).await
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(&self, policy: RetryPolicy) -> Retrying<'_> {
        Retrying { database: self, policy }
    }

    async fn run_in_transactions<T, E, F, Fut>(
        &self,
        options: TransactionOptions,
        policy: RetryPolicy,
        location: &'static Location<'static>,
        mut run: F,
    ) -> Result<T, E>
    where
        F: FnMut(Transaction<'static>) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<Error> + Send,
    {
        let timer = self.meter().transaction();
        let outcome = self.run_until_it_ends(options, policy, location, &mut run).await;
        timer.ended(outcome.as_ref().map(drop).map_err(|_| None));
        outcome
    }

    async fn run_until_it_ends<T, E, F, Fut>(
        &self,
        options: TransactionOptions,
        policy: RetryPolicy,
        location: &'static Location<'static>,
        run: &mut F,
    ) -> Result<T, E>
    where
        F: FnMut(Transaction<'static>) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<Error> + Send,
    {
        let mut tries = policy.start();
        if policy.tries() > 1 {
            tries.begin();
        }
        loop {
            let connection = self.checkout_at(location).await?;
            let (outcome, failure) = self.run_once(connection, options, run).await;
            let again = outcome.is_err() && failure.is_some_and(begins_anew);
            if !again || !tries.wait().await {
                return outcome;
            }
            self.inner.retries.transactions.fetch_add(1, Relaxed);
            tracing::debug!(target: "cornac::database", "a transaction begins anew: {failure:?}");
        }
    }
}

/// Whether a transaction that failed so may work when it is begun anew.
fn begins_anew(failure: SqlState) -> bool {
    [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(&failure)
}

impl Database {
    /// Runs the closure in one transaction. Beside the outcome stands what the server refused last in it: the closure's error need not tell.
    async fn run_once<T, E, F, Fut>(
        &self,
        connection: PooledConnection,
        options: TransactionOptions,
        run: &mut F,
    ) -> (Result<T, E>, Option<SqlState>)
    where
        F: FnMut(Transaction<'static>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let desk = Arc::new(Desk::default());
        let lent = Lent { connection: Some(connection), desk: Arc::clone(&desk), ended: false };
        let mut transaction = match Transaction::begin_on(Box::new(lent), options).await {
            Ok(transaction) => transaction,
            Err(error) => return (Err(error.into()), None),
        };
        if self.resolver().is_some() {
            transaction.track();
        }
        transaction.leave_open();
        let begun = transaction.begun();
        let outcome = run(transaction).await;
        let Some(Returned { connection, ended }) = desk.take() else {
            return match outcome {
                Ok(_) => (Err(Error::usage(KEPT, Delivery::NotSent).into()), None),
                Err(error) => (Err(error), None),
            };
        };
        if ended {
            return (outcome, None);
        }
        let mut transaction = Transaction::resume_on(Box::new(self.hold(connection)), begun);
        let failure = transaction.failure().and_then(ServerMessage::code);
        match outcome {
            Ok(value) => match transaction.commit().await {
                Ok(()) => (Ok(value), None),
                Err(error) => {
                    let failure = error.sql_state();
                    (Err(error.into()), failure)
                }
            },
            Err(error) => {
                // What the caller hears is why it was rolled back; a connection that could not even do that is closed.
                let _ = transaction.rollback().await;
                (Err(error), failure)
            }
        }
    }

    fn hold(&self, connection: PooledConnection) -> Held {
        Held { connection, resolver: self.resolver() }
    }

    /// Who finds out about commits whose answer was lost, if anybody does.
    fn resolver(&self) -> Option<Resolver> {
        let limit = self.inner.settings.resolve_commit?;
        Some(Resolver { database: self.clone(), limit })
    }
}

const KEPT: &str =
    "the closure has kept its transaction, which can therefore not be committed; drop it in the closure";

/// A connection that goes back to the pool when the transaction is over.
struct Held {
    connection: PooledConnection,
    resolver: Option<Resolver>,
}

impl Lender for Held {
    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn resolve_commit(&mut self, lost: Error) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        let resolver = self.resolver.take();
        Box::pin(async move {
            match resolver {
                Some(resolver) => resolver.resolve(lost).await,
                None => Err(lost),
            }
        })
    }
}

/// A connection that goes back to whoever runs the closure, when that drops its transaction.
struct Lent {
    connection: Option<PooledConnection>,
    desk: Arc<Desk>,
    /// The closure itself has committed or rolled back.
    ended: bool,
}

/// Where the connection is put.
#[derive(Default)]
struct Desk(Mutex<Option<Returned>>);

struct Returned {
    connection: PooledConnection,
    ended: bool,
}

impl Desk {
    fn take(&self) -> Option<Returned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Lender for Lent {
    fn connection(&mut self) -> &mut Connection {
        // Only `drop` takes it out, and nobody calls this after that.
        self.connection.as_mut().expect("it is there until it is dropped")
    }

    fn transaction_ended(&mut self) {
        self.ended = true;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if Arc::strong_count(&self.desk) == 1 {
            // Nobody waits for it any more.
            return connection.retire();
        }
        let returned = Returned { connection, ended: self.ended };
        *self.desk.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(returned);
    }
}

/// Transactions with a retry policy. Made by [`Database::retry`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Retrying<'d> {
    database: &'d Database,
    policy: RetryPolicy,
}

impl<'d> Retrying<'d> {
    /// As [`Database::transaction`], begun anew as the policy says.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database, RetryPolicy};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// // Two of these may lock the accounts in different order: a deadlock.
    /// db.retry(RetryPolicy::new(5))
    ///     .transaction(|mut transaction| async move {
    ///         let transfer = "UPDATE account SET balance = balance + $1 WHERE id = $2";
    ///         transaction.execute(transfer, (-10_i64, 1)).await?;
    ///         transaction.execute(transfer, (10_i64, 2)).await
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Database::transaction`]: those of the last try.
    ///
    /// # Cancel safety
    ///
    /// As [`Database::transaction`].
    #[track_caller]
    pub fn transaction<T, E, F, Fut>(
        self,
        run: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<'d, T, E, F, Fut>
    where
        F: FnMut(Transaction<'static>) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<Error> + Send,
    {
        self.transaction_with(TransactionOptions::new(), run)
    }

    /// As [`Database::transaction_with`], begun anew as the policy says.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database, RetryPolicy, TransactionOptions};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// let serializable = TransactionOptions::new().serializable();
    /// let left: i64 = db
    ///     .retry(RetryPolicy::new(10))
    ///     .transaction_with(serializable, |mut transaction| async move {
    ///         transaction.execute("INSERT INTO booking (room) VALUES ($1)", (7,)).await?;
    ///         transaction.fetch_value("SELECT 20 - count(*) FROM booking WHERE room = $1", (7,)).await
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Database::transaction`]: those of the last try.
    ///
    /// # Cancel safety
    ///
    /// As [`Database::transaction`].
    #[track_caller]
    pub fn transaction_with<T, E, F, Fut>(
        self,
        options: TransactionOptions,
        run: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<'d, T, E, F, Fut>
    where
        F: FnMut(Transaction<'static>) -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<Error> + Send,
    {
        self.database.run_in_transactions(options, self.policy, Location::caller(), run)
    }
}
