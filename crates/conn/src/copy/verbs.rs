//! How the COPY verbs of [`Client`](crate::Client) begin.

use cornac_types::FromRow;

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

impl Connection {
    /// See [`copy_in`](crate::Client::copy_in).
    pub(crate) async fn begin_copy_in(
        &mut self,
        table: Table,
        columns: &[&str],
        options: &CopyOptions,
    ) -> Result<CopyIn<'_>> {
        let sql = statement::copy_from(&table, columns, options)?;
        self.bytes_in(&sql).await
    }

    /// See [`copy_in_raw`](crate::Client::copy_in_raw).
    pub(crate) async fn begin_copy_in_raw(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        check_copy(sql)?;
        self.bytes_in(sql).await
    }

    /// See [`copy_records`](crate::Client::copy_records).
    pub(crate) async fn begin_copy_records(
        &mut self,
        table: Table,
        columns: &[&str],
    ) -> Result<CopyRecords<'_>> {
        let sql = statement::copy_from(&table, columns, &CopyOptions::binary())?;
        let described = statement::described(&CopySource::Table { table, columns })?;
        let (dialogue, shape) = Dialogue::begin(self, Direction::In, Some(&described), &sql).await?;
        CopyRecords::begin(dialogue, shape.columns).await
    }

    /// See [`copy_out`](crate::Client::copy_out).
    pub(crate) async fn begin_copy_out(
        &mut self,
        source: CopySource<'_>,
        options: &CopyOptions,
    ) -> Result<CopyOut<'_>> {
        let sql = statement::copy_to(&source, options)?;
        self.bytes_out(&sql).await
    }

    /// See [`copy_out_raw`](crate::Client::copy_out_raw).
    pub(crate) async fn begin_copy_out_raw(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        check_copy(sql)?;
        self.bytes_out(sql).await
    }

    /// See [`copy_rows`](crate::Client::copy_rows).
    pub(crate) async fn begin_copy_rows<T: for<'r> FromRow<'r>>(
        &mut self,
        source: CopySource<'_>,
    ) -> Result<CopyRows<'_, T>> {
        let sql = statement::copy_to(&source, &CopyOptions::binary())?;
        let described = statement::described(&source)?;
        let (dialogue, shape) = Dialogue::begin(self, Direction::Out, Some(&described), &sql).await?;
        CopyRows::begin(dialogue, shape.columns).await
    }

    async fn bytes_in(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        let (dialogue, shape) = Dialogue::begin(self, Direction::In, None, sql).await?;
        Ok(CopyIn::new(dialogue, shape))
    }

    async fn bytes_out(&mut self, sql: &str) -> Result<CopyOut<'_>> {
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
