//! The verbs, written once.

use std::error::Error as StdError;
use std::future::Future;

use cornac_types::{Decode, FromRow, Params};
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::Connection;
use crate::copy::{CopyIn, CopyOptions, CopyOut, CopyRecords, CopyRows, CopySource, Table};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::execution::Rows;
use crate::given::Given;
use crate::pipeline::{Batch, Pipeline, Requests};
use crate::row_stream::RowStream;
use crate::shape::{First, Whole};
use crate::statement::IntoStatement;

/// What can be asked of anything that has a connection.
///
/// Every verb takes a statement (SQL with placeholders `$1`, `$2`, ..., or a [`Prepared`](crate::Prepared)) and its
/// parameters: a tuple such as `(7_i32, "tusk")`, `()` for none, or a slice `&[&(dyn Encode + Sync)]`. A statement made by `sql!` has its
/// parameters inside, and takes `()`. Rows are decoded into tuples, or into structs with `#[derive(FromRow)]`.
///
/// # Errors
///
/// All verbs fail with the server's error when it refuses the statement, with a typed error when a parameter, the
/// columns or a value do not fit, with [`ErrorKind::Usage`] when there are parameters both inside of the statement and beside it,
/// and when the connection is lost; [`Error`] says how far the statement got.
///
/// # Cancel safety
///
/// As said at [`Connection`]: a future that is dropped before its statement was sent has no effect; one that is dropped
/// later leaves the connection ready for its next use.
pub trait Client: Send {
    /// The connection that the verbs use.
    fn connection(&mut self) -> &mut Connection;

    /// Runs a statement, throws its rows away, and says how many rows it affected (or returned, for a SELECT).
    fn execute<P: Params + Send>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<u64>> + Send {
        async move { self.connection().execute_to_end(sql.statement(), Given::new(&sql, params)?).await }
    }

    /// The rows one by one, each lent until the next one is asked for.
    fn rows<P: Params + Send>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Rows<'_>>> + Send {
        async move { Rows::begin(self.connection(), sql.statement(), Given::new(&sql, params)?).await }
    }

    /// The one row that there must be. None is [`ErrorKind::NoRows`], a second one [`ErrorKind::TooManyRows`].
    fn fetch_one<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
            let row = self.connection().fetch_at_most_one::<Whole<T>, _>(statement, params).await?;
            row.ok_or_else(|| no_rows(statement.sql()))
        }
    }

    /// The row if there is one. A second one is [`ErrorKind::TooManyRows`].
    fn fetch_optional<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Option<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            self.connection().fetch_at_most_one::<Whole<T>, _>(sql.statement(), params).await
        }
    }

    /// All rows.
    fn fetch_all<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            Rows::begin(self.connection(), sql.statement(), params).await?.collect::<Whole<T>>().await
        }
    }

    /// The first column of the one row that there must be. NULL fits only into an `Option`.
    fn fetch_value<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        async move {
            let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
            let value = self.connection().fetch_at_most_one::<First<T>, _>(statement, params).await?;
            value.ok_or_else(|| no_rows(statement.sql()))
        }
    }

    /// The first column of all rows.
    fn fetch_values<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            Rows::begin(self.connection(), sql.statement(), params).await?.collect::<First<T>>().await
        }
    }

    /// The rows as a stream, decoded as they come and no faster than they are taken. With a
    /// [`fetch_size`](crate::Statement::fetch_size) the server makes no more of them than that ahead.
    fn stream_query<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<RowStream<'_, T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            let rows = Rows::begin(self.connection(), sql.statement(), params).await?;
            RowStream::begin(rows).await
        }
    }

    /// Runs a statement once for each set of parameters, in one flight and one transaction: all of them have their effect, or none has. Says how
    /// many rows they affected together. [`batch`](Self::batch) takes sets one by one, and from streams. A statement that has parameters
    /// inside is refused.
    fn execute_many<I>(
        &mut self,
        sql: impl IntoStatement,
        sets: I,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        I: IntoIterator + Send,
        I::IntoIter: Send,
        I::Item: Params + Send,
    {
        async move {
            let mut batch = self.connection().batch(sql).await?;
            batch.send_all(sets).await?;
            batch.finish().await
        }
    }

    /// Begins a batch: has the statement parsed and described if that is needed, and sends nothing else yet.
    ///
    /// # Errors
    ///
    /// The server's, when the statement is wrong; the connection's, when it is lost; [`ErrorKind::Usage`] when the statement has
    /// parameters inside.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    fn batch(&mut self, sql: impl IntoStatement) -> impl Future<Output = Result<Batch<'_>>> + Send {
        async move { self.connection().begin_batch(sql).await }
    }

    /// A pipeline in which each statement stands on its own: one that fails leaves the others alone.
    fn pipeline<'p>(&mut self) -> Pipeline<'_, 'p> {
        Pipeline::new(self.connection(), false)
    }

    /// A pipeline under one Sync: outside of a transaction it is one of its own, so that either all statements have their effect or none
    /// has; behind one that fails, the others are not run.
    fn atomic_pipeline<'p>(&mut self) -> Pipeline<'_, 'p> {
        Pipeline::new(self.connection(), true)
    }

    /// Runs different statements in one flight, each on its own: one that fails leaves the others alone.
    ///
    /// ```no_run
    /// use cornac_conn::{Client, Connection, pipeline};
    ///
    /// # async fn example(mut connection: Connection, id: i64) -> cornac_conn::Result<()> {
    /// let (name, orders, seen) = connection
    ///     .run_pipeline((
    ///         pipeline::fetch_value::<String, _, _>("SELECT name FROM customer WHERE id = $1", (id,)),
    ///         pipeline::fetch_all::<(i64, f64), _, _>("SELECT id, total FROM orders WHERE customer = $1", (id,)),
    ///         pipeline::execute("UPDATE customer SET seen = now() WHERE id = $1", (id,)),
    ///     ))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the connection is lost. What fails for one statement is its [`Outcome`](crate::pipeline::Outcome).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Pipeline::run`].
    fn run_pipeline<'p, R: Requests<'p> + Send>(
        &mut self,
        requests: R,
    ) -> impl Future<Output = Result<R::Outcomes>> + Send {
        async move {
            let mut pipeline = self.pipeline();
            requests.push(&mut pipeline);
            let mut results = pipeline.run().await?;
            let outcomes = R::outcomes(&mut results).await?;
            results.finish().await?;
            Ok(outcomes)
        }
    }

    /// Runs different statements in one flight and one transaction: all of them have their effect, or none has.
    ///
    /// # Errors
    ///
    /// The first error of a statement, or that of the commit; nothing stays then. A result that does not fit its type is an error
    /// too, but what the statement did is done, as with any other verb. When the connection is lost behind the last statement,
    /// nobody knows: [`Error::outcome_unknown`](crate::Error::outcome_unknown).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Pipeline::run`].
    fn run_atomically<'p, R: Requests<'p> + Send>(
        &mut self,
        requests: R,
    ) -> impl Future<Output = Result<R::Results>> + Send {
        async move {
            let mut pipeline = self.atomic_pipeline();
            requests.push(&mut pipeline);
            let mut results = pipeline.run().await?;
            let outcomes = R::outcomes(&mut results).await?;
            let read = R::results(outcomes);
            results.finish().await?;
            read?.ok_or_else(|| Error::usage(NOT_RUN, Delivery::Answered))
        }
    }

    /// Begins a COPY into columns of a table (all of them if none is named), whose data is sent as bytes.
    ///
    /// ```no_run
    /// use cornac_conn::{Client, Connection, CopyOptions};
    ///
    /// # async fn example(connection: &mut Connection) -> cornac_conn::Result<()> {
    /// let mut copy = connection.copy_in("item", &["id", "name"], &CopyOptions::csv()).await?;
    /// copy.send("7,tusk\n8,howdah\n").await?;
    /// assert_eq!(copy.finish().await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's, when it refuses the statement; [`CopyError::Name`](crate::CopyError::Name) for names that no table or column can have; the
    /// connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing was copied.
    fn copy_in(
        &mut self,
        table: impl Into<Table> + Send,
        columns: &[&str],
        options: &CopyOptions,
    ) -> impl Future<Output = Result<CopyIn<'_>>> + Send {
        async move { self.connection().begin_copy_in(table.into(), columns, options).await }
    }

    /// Begins a COPY whose whole statement is given: `COPY ... FROM STDIN`, with a WHERE, say. Its data is sent as bytes.
    ///
    /// # Errors
    ///
    /// As [`copy_in`](Self::copy_in). A statement that is no COPY is an [`ErrorKind::Usage`](crate::ErrorKind::Usage), and is not sent. So is a COPY that takes
    /// no data from here, which the server runs before that is seen; it is rolled back, unless a transaction is open.
    ///
    /// # Cancel safety
    ///
    /// As [`copy_in`](Self::copy_in).
    fn copy_in_raw(&mut self, sql: &str) -> impl Future<Output = Result<CopyIn<'_>>> + Send {
        async move { self.connection().begin_copy_in_raw(sql).await }
    }

    /// Copies everything that a reader gives into columns of a table, and says how many rows there were.
    ///
    /// # Errors
    ///
    /// As [`copy_in`](Self::copy_in), [`CopyIn::send_reader`] and [`CopyIn::finish`].
    ///
    /// # Cancel safety
    ///
    /// As [`CopyIn::finish`].
    fn copy_from(
        &mut self,
        table: impl Into<Table> + Send,
        columns: &[&str],
        options: &CopyOptions,
        reader: impl AsyncRead + Send,
    ) -> impl Future<Output = Result<u64>> + Send {
        async move {
            let mut copy = self.copy_in(table, columns, options).await?;
            copy.send_reader(reader).await?;
            copy.finish().await
        }
    }

    /// Begins a COPY into columns of a table (all of them if none is named), whose data is sent as records.
    ///
    /// # Errors
    ///
    /// As [`copy_in`](Self::copy_in); [`CopyError::NoBinaryForm`](crate::CopyError::NoBinaryForm) for columns of types whose binary form is not known,
    /// [`CopyError::Columns`](crate::CopyError::Columns) where no column is named and some are generated.
    ///
    /// # Cancel safety
    ///
    /// As [`copy_in`](Self::copy_in).
    fn copy_records(
        &mut self,
        table: impl Into<Table> + Send,
        columns: &[&str],
    ) -> impl Future<Output = Result<CopyRecords<'_>>> + Send {
        async move { self.connection().begin_copy_records(table.into(), columns).await }
    }

    /// Copies records into columns of a table, and says how many there were.
    ///
    /// ```no_run
    /// use cornac_conn::{Client, Transaction};
    ///
    /// # async fn example(mut transaction: Transaction<'_>) -> cornac_conn::Result<()> {
    /// transaction.execute("DELETE FROM item", ()).await?;
    /// let items = (1..=1_000_000).map(|id| (id, format!("item {id}"), 2.5));
    /// let count = transaction.copy_records_to_table("item", &["id", "name", "price"], items).await?;
    /// assert_eq!(count, 1_000_000);
    /// transaction.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`copy_records`](Self::copy_records), [`CopyRecords::send`] and [`CopyRecords::finish`].
    ///
    /// # Cancel safety
    ///
    /// As [`CopyIn::finish`].
    fn copy_records_to_table<I>(
        &mut self,
        table: impl Into<Table> + Send,
        columns: &[&str],
        records: I,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        I: IntoIterator + Send,
        I::IntoIter: Send,
        I::Item: Params + Send,
    {
        async move {
            let mut copy = self.copy_records(table, columns).await?;
            copy.send_all(records).await?;
            copy.finish().await
        }
    }

    /// Copies the records of a stream into columns of a table, and says how many there were.
    ///
    /// # Errors
    ///
    /// As [`copy_records_to_table`](Self::copy_records_to_table); [`CopyError::Source`](crate::CopyError::Source) when the stream fails, and nothing was
    /// kept.
    ///
    /// # Cancel safety
    ///
    /// As [`CopyIn::finish`].
    fn copy_stream_to_table<S, R, E>(
        &mut self,
        table: impl Into<Table> + Send,
        columns: &[&str],
        records: S,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        S: Stream<Item = Result<R, E>> + Send,
        R: Params + Send + Sync,
        E: Into<Box<dyn StdError + Send + Sync>> + Send,
    {
        async move {
            let mut copy = self.copy_records(table, columns).await?;
            copy.send_stream(records).await?;
            copy.finish().await
        }
    }

    /// Begins a COPY of a table, or of what a query returns, whose data is read as bytes.
    ///
    /// ```no_run
    /// use cornac_conn::{Client, Connection, CopyOptions, CopySource};
    ///
    /// # async fn example(connection: &mut Connection) -> cornac_conn::Result<()> {
    /// let cheap = CopySource::query("SELECT id, name FROM item WHERE price < 10");
    /// let mut copy = connection.copy_out(cheap, &CopyOptions::csv()).await?;
    /// while let Some(line) = copy.next().await? {
    ///     print!("{}", String::from_utf8_lossy(line));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`copy_in`](Self::copy_in).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    fn copy_out<'s>(
        &mut self,
        source: impl Into<CopySource<'s>> + Send,
        options: &CopyOptions,
    ) -> impl Future<Output = Result<CopyOut<'_>>> + Send {
        async move { self.connection().begin_copy_out(source.into(), options).await }
    }

    /// Begins a COPY whose whole statement is given: `COPY ... TO STDOUT`. Its data is read as bytes.
    ///
    /// # Errors
    ///
    /// As [`copy_out`](Self::copy_out). A statement that is no COPY TO STDOUT is treated as by [`copy_in_raw`](Self::copy_in_raw).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    fn copy_out_raw(&mut self, sql: &str) -> impl Future<Output = Result<CopyOut<'_>>> + Send {
        async move { self.connection().begin_copy_out_raw(sql).await }
    }

    /// Copies a table, or what a query returns, to a writer, and says how many rows there were.
    ///
    /// # Errors
    ///
    /// As [`copy_out`](Self::copy_out) and [`CopyOut::write_to`].
    ///
    /// # Cancel safety
    ///
    /// As [`CopyOut::write_to`].
    fn copy_to<'s>(
        &mut self,
        source: impl Into<CopySource<'s>> + Send,
        options: &CopyOptions,
        writer: impl AsyncWrite + Send,
    ) -> impl Future<Output = Result<u64>> + Send {
        async move { self.copy_out(source, options).await?.write_to(writer).await }
    }

    /// Begins a COPY of a table, or of what a query returns, whose rows are decoded.
    ///
    /// # Errors
    ///
    /// As [`copy_out`](Self::copy_out); when the columns do not fit `T`; [`CopyError::Columns`](crate::CopyError::Columns) where no column is named and some are
    /// generated.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    fn copy_rows<'s, T: for<'r> FromRow<'r> + Send>(
        &mut self,
        source: impl Into<CopySource<'s>> + Send,
    ) -> impl Future<Output = Result<CopyRows<'_, T>>> + Send {
        async move { self.connection().begin_copy_rows(source.into()).await }
    }
}

impl Client for Connection {
    fn connection(&mut self) -> &mut Connection {
        self
    }
}

fn no_rows(sql: &str) -> Error {
    Error::new(ErrorKind::NoRows, Delivery::Answered).with_statement(sql)
}

const NOT_RUN: &str = "a statement of the pipeline was not run";
