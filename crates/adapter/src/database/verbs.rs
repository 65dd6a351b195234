//! The verbs of a database: each takes a connection for as long as it runs.

use std::error::Error as StdError;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::Ordering::Relaxed;

use cornac_conn::{
    Client, CopyOptions, CopySource, Error, IntoStatement, OwnedRowStream, OwnedRows, Result, SimpleResult,
    SqlState, Statement, StatementRef, Table,
};
use cornac_types::{Decode, FromRow, Params};
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Instrument;

use super::Database;
use crate::multiplex::belongs_elsewhere;
use crate::pooled::PooledConnection;
use crate::retry::Tries;
use crate::schema::{Schema, TableInfo};

/// Runs something on a shared connection, if there are any for single statements, and else on one of its own.
macro_rules! on_a_connection {
    ($database:ident, $statement:ident, |$connection:ident| $run:expr) => {{
        let location = Location::caller();
        async move {
            let watch = $database.watch(&$statement.statement());
            if let Some(multiplex) = &$database.inner.multiplex {
                match multiplex.seat(|| $database.checkout_at(location)).await {
                    Ok(Some(seat)) => {
                        let $connection = &seat.connection;
                        match $run.instrument(watch.span.clone()).await {
                            Err(error) if belongs_elsewhere(&error) => {}
                            Err(error)
                                if $database
                                    .may_run_again(&error, $statement.statement().is_idempotent()) => {}
                            outcome => return $database.watched(watch, &$statement.statement(), outcome),
                        }
                    }
                    Ok(None) => {}
                    Err(error) => return $database.watched(watch, &$statement.statement(), Err(error)),
                }
            }
            again_where_safe!($database, $statement, watch, location, |$connection| $run)
        }
    }};
}

/// Runs something on a connection of its own.
macro_rules! on_its_own_connection {
    ($database:ident, $statement:ident, |$connection:ident| $run:expr) => {{
        let location = Location::caller();
        async move {
            let watch = $database.watch(&$statement.statement());
            again_where_safe!($database, $statement, watch, location, |$connection| $run)
        }
    }};
}

/// Runs something on a connection, and again on another one where that is safe.
macro_rules! again_where_safe {
    ($database:ident, $statement:ident, $watch:ident, $location:ident, |$connection:ident| $run:expr) => {{
        let mut tries = None;
        let outcome = loop {
            let mut $connection = match $database.checkout_at($location).await {
                Ok(connection) => connection,
                Err(error) => break Err(error),
            };
            match $run.instrument($watch.span.clone()).await {
                Err(error) if $database.may_run_again(&error, $statement.statement().is_idempotent()) => {
                    if !$database.wait_for_another(&mut tries, $connection, &error).await {
                        break Err(error);
                    }
                }
                outcome => break outcome,
            }
        };
        $database.watched($watch, &$statement.statement(), outcome)
    }};
}

/// A statement that may be run more than once.
struct Lent<'s, S>(&'s S);

impl<S: IntoStatement> IntoStatement for Lent<'_, S> {
    fn statement(&self) -> StatementRef<'_> {
        self.0.statement()
    }

    fn parameters(&self) -> Option<&(dyn Params + Sync)> {
        self.0.parameters()
    }
}

impl Database {
    /// Runs a statement, throws its rows away, and says how many rows it affected (or returned, for a SELECT).
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let changed = db.execute("UPDATE item SET price = price * 1.1 WHERE id = $1", (7_i64,)).await?;
    /// assert_eq!(changed, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As said at [`Database`]; so too below.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Database`]; so too below.
    #[track_caller]
    pub fn execute<P: Params + Send + Sync>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<u64>> + Send {
        on_a_connection!(self, sql, |connection| connection.execute(Lent(&sql), &params))
    }

    /// The one row that there must be.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let (name, price): (String, f64) =
    ///     db.fetch_one("SELECT name, price FROM item WHERE id = $1", (7_i64,)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoRows`](crate::ErrorKind::NoRows), [`ErrorKind::TooManyRows`](crate::ErrorKind::TooManyRows), and as said at [`Database`].
    #[track_caller]
    pub fn fetch_one<T, P>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send + Sync,
    {
        on_a_connection!(self, sql, |connection| connection.fetch_one(Lent(&sql), &params))
    }

    /// The row if there is one.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let item: Option<(i64, String)> =
    ///     db.fetch_optional("SELECT id, name FROM item WHERE name = $1", ("tusk",)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyRows`](crate::ErrorKind::TooManyRows), and as said at [`Database`].
    #[track_caller]
    pub fn fetch_optional<T, P>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Option<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send + Sync,
    {
        on_a_connection!(self, sql, |connection| connection.fetch_optional(Lent(&sql), &params))
    }

    /// All rows.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let cheap: Vec<(i64, String)> =
    ///     db.fetch_all("SELECT id, name FROM item WHERE price < $1", (100_i32,)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As said at [`Database`].
    #[track_caller]
    pub fn fetch_all<T, P>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send + Sync,
    {
        on_a_connection!(self, sql, |connection| connection.fetch_all(Lent(&sql), &params))
    }

    /// The first column of the one row that there must be. NULL fits only into an `Option`.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let count: i64 = db.fetch_value("SELECT count(*) FROM item", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`fetch_one`](Self::fetch_one).
    #[track_caller]
    pub fn fetch_value<T, P>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send + Sync,
    {
        on_a_connection!(self, sql, |connection| connection.fetch_value(Lent(&sql), &params))
    }

    /// The first column of all rows.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let names: Vec<String> = db.fetch_values("SELECT name FROM item ORDER BY name", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As said at [`Database`].
    #[track_caller]
    pub fn fetch_values<T, P>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send + Sync,
    {
        on_a_connection!(self, sql, |connection| connection.fetch_values(Lent(&sql), &params))
    }

    /// The rows one by one, each lent until the next one is asked for. The connection goes back when they are dropped.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let mut rows = db.rows("SELECT name FROM item", ()).await?;
    /// while let Some(row) = rows.next().await? {
    ///     let name: &str = row.get(0)?;
    ///     println!("{name}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As said at [`Database`].
    #[track_caller]
    pub fn rows<P: Params + Send + Sync>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<OwnedRows<PooledConnection>>> + Send {
        let location = Location::caller();
        async move {
            let connection = self.checkout_at(location).await?;
            OwnedRows::begin(connection, sql, params).await
        }
    }

    /// The rows as a stream, decoded as they come and no faster than they are taken. With a [`fetch_size`](crate::Statement::fetch_size) the server makes no more of them than
    /// that ahead. The connection goes back when the stream is dropped.
    ///
    /// ```no_run
    /// # use cornac::Statement;
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let statement = Statement::new("SELECT id, name FROM item").fetch_size(1_000);
    /// let mut items = db.stream_query::<(i64, String), _>(statement, ()).await?;
    /// while let Some((id, name)) = items.next().await? {
    ///     println!("{id}: {name}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As said at [`Database`].
    #[track_caller]
    pub fn stream_query<T, P>(
        &self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<OwnedRowStream<PooledConnection, T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send + Sync,
    {
        let rows = self.rows(sql, params);
        async move { rows.await?.into_stream().await }
    }

    /// Runs a statement once for each set of parameters, in one flight and one transaction: all of them have their effect, or none has. Says how many rows they affected together.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let items = [(1, "tusk"), (2, "howdah")];
    /// let added = db.execute_many("INSERT INTO item (id, name) VALUES ($1, $2)", items).await?;
    /// assert_eq!(added, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As said at [`Database`]. It is not tried again.
    #[track_caller]
    pub fn execute_many<I>(
        &self,
        sql: impl IntoStatement,
        sets: I,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        I: IntoIterator + Send,
        I::IntoIter: Send,
        I::Item: Params + Send,
    {
        let location = Location::caller();
        let run = async move { self.checkout_at(location).await?.execute_many(sql, sets).await };
        self.measured("BATCH", run)
    }

    /// As [`execute_many`](Self::execute_many), with the sets of a stream, as they come.
    ///
    /// ```no_run
    /// # async fn example(old: cornac::Database, new: cornac::Database) -> cornac::Result<()> {
    /// // From one database into another, without all of it in memory.
    /// let items = old.stream_query::<(i64, String), _>("SELECT id, name FROM item", ()).await?;
    /// let insert = "INSERT INTO item (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    /// println!("{} are new", new.execute_stream(insert, items).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`execute_many`](Self::execute_many); [`ErrorKind::Source`](crate::ErrorKind::Source) when the stream fails, and nothing was kept.
    #[track_caller]
    pub fn execute_stream<S, P, E>(
        &self,
        sql: impl IntoStatement,
        sets: S,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        S: Stream<Item = Result<P, E>> + Send,
        P: Params + Send,
        E: Into<Box<dyn StdError + Send + Sync>> + Send,
    {
        let location = Location::caller();
        let run = async move {
            let mut connection = self.checkout_at(location).await?;
            let mut batch = connection.batch(sql).await?;
            batch.send_stream(sets).await?;
            batch.finish().await
        };
        self.measured("BATCH", run)
    }

    /// Runs any number of statements, separated by semicolons, in one round trip and without parameters: for scripts. Never paste values into `sql`.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let script = "CREATE TABLE item (id int8 PRIMARY KEY, name text); INSERT INTO item VALUES (7, 'tusk')";
    /// for result in db.simple_query(script).await? {
    ///     println!("{}", result.tag); // CREATE TABLE, INSERT 0 1
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Connection::simple_query`](crate::Connection::simple_query).
    #[track_caller]
    pub fn simple_query(&self, sql: &str) -> impl Future<Output = Result<Vec<SimpleResult>>> + Send {
        let location = Location::caller();
        let run = async move { self.checkout_at(location).await?.simple_query(sql).await };
        self.measured("SCRIPT", run)
    }
}

/// The schema.
impl Database {
    /// Whether there is a table, view, materialized view or foreign table of this name, which the role may not even be allowed to read. The string is one name; without a schema, it is looked up along the `search_path`.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// use cornac::copy::Table;
    ///
    /// assert!(db.table_exists("item").await?);
    /// assert!(db.table_exists(Table::in_schema("shop", "item")).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// For a name that no table can have, and as said at [`Database`].
    #[track_caller]
    pub fn table_exists(&self, table: impl Into<Table>) -> impl Future<Output = Result<bool>> + Send {
        let (table, reading) = (table.into(), Statement::new("").idempotent());
        on_its_own_connection!(self, reading, |connection| connection.table_exists(&table))
    }

    /// Everything about a table, view, materialized view or foreign table: see [`TableInfo`].
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let item = db.table_info("item").await?;
    /// for column in &item.columns {
    ///     println!("{}", column.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if there is none of this name, and as said at [`Database`].
    #[track_caller]
    pub fn table_info(&self, table: impl Into<Table>) -> impl Future<Output = Result<TableInfo>> + Send {
        let (table, reading) = (table.into(), Statement::new("").idempotent());
        on_its_own_connection!(self, reading, |connection| connection.table_info(&table))
    }
}

/// COPY.
impl Database {
    /// Copies records into columns of a table, and says how many there were: the fastest way to load many rows.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let items = (1..=1_000_000).map(|id| (id, format!("item {id}"), 2.5));
    /// let count = db.copy_records_to_table("item", &["id", "name", "price"], items).await?;
    /// assert_eq!(count, 1_000_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy_records_to_table`](crate::Client::copy_records_to_table).
    #[track_caller]
    pub fn copy_records_to_table<I>(
        &self,
        table: impl Into<Table> + Send,
        columns: &[&str],
        records: I,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        I: IntoIterator + Send,
        I::IntoIter: Send,
        I::Item: Params + Send,
    {
        let location = Location::caller();
        let run = async move {
            self.checkout_at(location).await?.copy_records_to_table(table, columns, records).await
        };
        self.measured("COPY", run)
    }

    /// Copies the records of a stream into columns of a table, and says how many there were.
    ///
    /// ```no_run
    /// # use {cornac::Database, futures_core::Stream};
    /// async fn record(
    ///     db: &Database,
    ///     measured: impl Stream<Item = std::io::Result<(i32, f64)>> + Send,
    /// ) -> cornac::Result<u64> {
    ///     // If the stream fails, nothing is kept.
    ///     db.copy_stream_to_table("measurement", &["sensor", "celsius"], measured).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy_stream_to_table`](crate::Client::copy_stream_to_table).
    #[track_caller]
    pub fn copy_stream_to_table<S, R, E>(
        &self,
        table: impl Into<Table> + Send,
        columns: &[&str],
        records: S,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        S: Stream<Item = Result<R, E>> + Send,
        R: Params + Send + Sync,
        E: Into<Box<dyn StdError + Send + Sync>> + Send,
    {
        let location = Location::caller();
        let run = async move {
            self.checkout_at(location).await?.copy_stream_to_table(table, columns, records).await
        };
        self.measured("COPY", run)
    }

    /// Copies everything that a reader gives into columns of a table, and says how many rows there were.
    ///
    /// ```no_run
    /// # use cornac::copy::{CopyHeader, CopyOptions};
    /// # async fn example(db: cornac::Database) -> anyhow::Result<()> {
    /// let file = tokio::fs::File::open("items.csv").await?;
    /// let options = CopyOptions::csv().header(CopyHeader::Present).delimiter(';');
    /// let count = db.copy_from("item", &["name", "price"], &options, file).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy_from`](crate::Client::copy_from).
    #[track_caller]
    pub fn copy_from(
        &self,
        table: impl Into<Table> + Send,
        columns: &[&str],
        options: &CopyOptions,
        reader: impl AsyncRead + Send,
    ) -> impl Future<Output = Result<u64>> + Send {
        let location = Location::caller();
        let run =
            async move { self.checkout_at(location).await?.copy_from(table, columns, options, reader).await };
        self.measured("COPY", run)
    }

    /// Copies a table, or what a query returns, to a writer, and says how many rows there were.
    ///
    /// ```no_run
    /// # use cornac::copy::{CopyHeader, CopyOptions, CopySource};
    /// # async fn example(db: cornac::Database) -> anyhow::Result<()> {
    /// let mut file = tokio::fs::File::create("cheap.csv").await?;
    /// let cheap = CopySource::query("SELECT id, name FROM item WHERE price < 10");
    /// let count = db.copy_to(cheap, &CopyOptions::csv().header(CopyHeader::Present), &mut file).await?;
    /// file.sync_all().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy_to`](crate::Client::copy_to).
    #[track_caller]
    pub fn copy_to<'a>(
        &'a self,
        source: impl Into<CopySource<'a>> + Send,
        options: &CopyOptions,
        writer: impl AsyncWrite + Send,
    ) -> impl Future<Output = Result<u64>> + Send {
        let location = Location::caller();
        let run = async move { self.checkout_at(location).await?.copy_to(source, options, writer).await };
        self.measured("COPY", run)
    }
}

impl Database {
    /// Whether a statement that failed may run once more, on another connection.
    fn may_run_again(&self, error: &Error, idempotent: bool) -> bool {
        if error.is_closed() && !error.outcome_unknown() || idempotent && error.is_transient() {
            return true;
        }
        // A server that was the primary, and is not any more, has refused a write.
        error.sql_state() == Some(SqlState::READ_ONLY_SQL_TRANSACTION)
            && self.inner.pool.manager().wants_primary()
    }

    /// Has a connection on which a statement failed closed if it is good for nothing any more, and waits until it is time to try another one. False when it was tried often enough.
    #[cold]
    async fn wait_for_another(
        &self,
        tries: &mut Option<Tries>,
        connection: PooledConnection,
        error: &Error,
    ) -> bool {
        if error.sql_state() == Some(SqlState::READ_ONLY_SQL_TRANSACTION) {
            connection.retire();
        } else {
            drop(connection);
        }
        let tries = tries.get_or_insert_with(|| self.inner.settings.statement_retry.start());
        let again = tries.wait().await;
        if again {
            self.inner.retries.statements.fetch_add(1, Relaxed);
            tracing::info!(target: "cornac::database", "running a statement once more after {error}");
        }
        again
    }
}
