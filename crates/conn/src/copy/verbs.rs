//! The verbs of a connection.

use std::error::Error as StdError;

use cornac_types::{FromRow, Params};
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite};

use super::copy_in::CopyIn;
use super::copy_out::CopyOut;
use super::dialogue::{Dialogue, Direction};
use super::options::CopyOptions;
use super::records::CopyRecords;
use super::rows::CopyRows;
use super::statement;
use super::table::{CopySource, Table};
use crate::connection::Connection;
use crate::error::{Delivery, Error, Result};

/// COPY.
impl Connection {
    /// Begins a COPY into columns of a table (all of them if none is named), whose data is sent as bytes.
    ///
    /// ```no_run
    /// use cornac_conn::{Connection, CopyOptions};
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
    /// The server's, when it refuses the statement; [`CopyError::Name`](super::CopyError::Name) for names that no table or column can have; the
    /// connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing was copied.
    pub async fn copy_in(
        &mut self,
        table: impl Into<Table>,
        columns: &[&str],
        options: &CopyOptions,
    ) -> Result<CopyIn<'_>> {
        let sql = statement::copy_from(&table.into(), columns, options)?;
        self.begin_copy_in(&sql).await
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
    pub async fn copy_in_raw(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        check_copy(sql)?;
        self.begin_copy_in(sql).await
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
    pub async fn copy_from(
        &mut self,
        table: impl Into<Table>,
        columns: &[&str],
        options: &CopyOptions,
        reader: impl AsyncRead,
    ) -> Result<u64> {
        let mut copy = self.copy_in(table, columns, options).await?;
        copy.send_reader(reader).await?;
        copy.finish().await
    }

    /// Begins a COPY into columns of a table (all of them if none is named), whose data is sent as records.
    ///
    /// # Errors
    ///
    /// As [`copy_in`](Self::copy_in); [`CopyError::NoBinaryForm`](super::CopyError::NoBinaryForm) for columns of types whose binary form is not known,
    /// [`CopyError::Columns`](super::CopyError::Columns) where no column is named and some are generated.
    ///
    /// # Cancel safety
    ///
    /// As [`copy_in`](Self::copy_in).
    pub async fn copy_records(
        &mut self,
        table: impl Into<Table>,
        columns: &[&str],
    ) -> Result<CopyRecords<'_>> {
        let table = table.into();
        let sql = statement::copy_from(&table, columns, &CopyOptions::binary())?;
        let described = statement::described(&CopySource::Table { table, columns })?;
        let (dialogue, shape) = Dialogue::begin(self, Direction::In, Some(&described), &sql).await?;
        CopyRecords::begin(dialogue, shape.columns).await
    }

    /// Copies records into columns of a table, and says how many there were.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut cornac_conn::Connection) -> cornac_conn::Result<()> {
    /// let items = (1..=1_000_000).map(|id| (id, format!("item {id}"), 2.5));
    /// let count = connection.copy_records_to_table("item", &["id", "name", "price"], items).await?;
    /// assert_eq!(count, 1_000_000);
    /// # Ok(())
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
    pub async fn copy_records_to_table<I>(
        &mut self,
        table: impl Into<Table>,
        columns: &[&str],
        records: I,
    ) -> Result<u64>
    where
        I: IntoIterator,
        I::Item: Params,
    {
        let mut copy = self.copy_records(table, columns).await?;
        copy.send_all(records).await?;
        copy.finish().await
    }

    /// Copies the records of a stream into columns of a table, and says how many there were.
    ///
    /// # Errors
    ///
    /// As [`copy_records_to_table`](Self::copy_records_to_table); [`CopyError::Source`](super::CopyError::Source) when the stream fails, and nothing was
    /// kept.
    ///
    /// # Cancel safety
    ///
    /// As [`CopyIn::finish`].
    pub async fn copy_stream_to_table<S, R, E>(
        &mut self,
        table: impl Into<Table>,
        columns: &[&str],
        records: S,
    ) -> Result<u64>
    where
        S: Stream<Item = Result<R, E>>,
        R: Params,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let mut copy = self.copy_records(table, columns).await?;
        copy.send_stream(records).await?;
        copy.finish().await
    }

    /// Begins a COPY of a table, or of what a query returns, whose data is read as bytes.
    ///
    /// ```no_run
    /// use cornac_conn::{Connection, CopyOptions, CopySource};
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
    pub async fn copy_out(
        &mut self,
        source: impl Into<CopySource<'_>>,
        options: &CopyOptions,
    ) -> Result<CopyOut<'_>> {
        let sql = statement::copy_to(&source.into(), options)?;
        self.begin_copy_out(&sql).await
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
    pub async fn copy_out_raw(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        check_copy(sql)?;
        self.begin_copy_out(sql).await
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
    pub async fn copy_to(
        &mut self,
        source: impl Into<CopySource<'_>>,
        options: &CopyOptions,
        writer: impl AsyncWrite,
    ) -> Result<u64> {
        self.copy_out(source, options).await?.write_to(writer).await
    }

    /// Begins a COPY of a table, or of what a query returns, whose rows are decoded.
    ///
    /// # Errors
    ///
    /// As [`copy_out`](Self::copy_out); when the columns do not fit `T`; [`CopyError::Columns`](super::CopyError::Columns) where no column is named and some are
    /// generated.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn copy_rows<T: for<'r> FromRow<'r>>(
        &mut self,
        source: impl Into<CopySource<'_>>,
    ) -> Result<CopyRows<'_, T>> {
        let source = source.into();
        let sql = statement::copy_to(&source, &CopyOptions::binary())?;
        let described = statement::described(&source)?;
        let (dialogue, shape) = Dialogue::begin(self, Direction::Out, Some(&described), &sql).await?;
        CopyRows::begin(dialogue, shape.columns).await
    }

    async fn begin_copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        let (dialogue, shape) = Dialogue::begin(self, Direction::In, None, sql).await?;
        Ok(CopyIn::new(dialogue, shape))
    }

    async fn begin_copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        let (dialogue, shape) = Dialogue::begin(self, Direction::Out, None, sql).await?;
        Ok(CopyOut::new(dialogue, shape))
    }
}

fn check_copy(sql: &str) -> Result<()> {
    if statement::is_copy(sql) {
        return Ok(());
    }
    let what = "this takes a COPY, and the statement is none; it was not sent";
    Err(Error::usage(what, Delivery::NotSent).with_statement(sql))
}
