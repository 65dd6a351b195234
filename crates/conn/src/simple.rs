//! The simple query protocol: one string, any number of statements, results in text.

use cornac_proto::message::{Backend, BackendTag};
use cornac_types::Columns;

use crate::connection::Connection;
use crate::core::effects;
use crate::error::{Delivery, Error, Result};
use crate::flight::Flight;
use crate::prepared::{described_columns, format_sent};
use crate::row::Row;

/// What one statement of a simple query gave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimpleResult {
    /// The columns, when the statement returned rows (be there any or not).
    pub columns: Option<Columns>,
    /// The rows, their values in text.
    pub rows: Vec<Row>,
    /// The command tag, such as `INSERT 0 1`; empty for an empty statement.
    pub tag: String,
    /// How many rows the statement affected or returned, where the tag says so.
    pub rows_affected: Option<u64>,
}

impl SimpleResult {
    fn new() -> Self {
        Self { columns: None, rows: Vec::new(), tag: String::new(), rows_affected: None }
    }
}

impl Connection {
    /// Runs any number of statements, separated by semicolons, in one round trip and without parameters.
    ///
    /// Statements that are not inside of a transaction block run as one transaction. Never paste values into `sql`:
    /// they belong into parameters, which the other verbs take. See
    /// [Simple Query](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY).
    ///
    /// # Errors
    ///
    /// The first error of a statement; the results of those before it are given up with it. A COPY that takes data from the
    /// client, or gives data to it, is an error here.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleResult>> {
        self.settle().await?;
        self.start_deadline(None);
        self.run_pending_begin().await?;
        self.query_results(sql).await
    }

    /// As [`simple_query`](Self::simple_query), on a connection that is settled.
    pub(crate) async fn query_results(&mut self, sql: &str) -> Result<Vec<SimpleResult>> {
        let mut flight = Flight::new(self);
        flight.session.query(sql).map_err(Error::command)?;
        read_results(flight, sql).await.map_err(|error| error.with_statement(sql))
    }
}

async fn read_results(mut flight: Flight<'_>, sql: &str) -> Result<Vec<SimpleResult>> {
    let mut results = Vec::new();
    let mut current = SimpleResult::new();
    let mut refused = None;
    loop {
        let tag = flight.wait_for_message().await;
        let progress = flight.progress();
        let lost = |closed| Error::lost(closed, progress);
        if tag.map_err(lost)? == BackendTag::DataRow {
            let columns = current.columns.get_or_insert_default();
            if let Some(row) = flight.poll_row(columns.len()).map_err(lost)? {
                current.rows.push(Row::new(columns, row.values_bytes()));
            }
            continue;
        }
        let mut misplaced_copy_in = false;
        match flight.poll_message().map_err(lost)? {
            Some(Backend::RowDescription(description)) => {
                current.columns = Some(described_columns(description, format_sent));
            }
            Some(Backend::CommandComplete(complete)) => {
                current.tag = complete.tag().to_lossy().into_owned();
                current.rows_affected = complete.rows();
                flight.apply(effects::of_command(current.tag.as_bytes(), sql));
                results.push(std::mem::replace(&mut current, SimpleResult::new()));
            }
            Some(Backend::EmptyQueryResponse) => {
                results.push(std::mem::replace(&mut current, SimpleResult::new()));
            }
            Some(Backend::ErrorResponse(error)) => {
                let server = error.into();
                refused = refused.or_else(|| Some(flight.refusal(server)));
            }
            Some(Backend::CopyInResponse(_)) => misplaced_copy_in = true,
            Some(Backend::CopyOutResponse(_)) => {
                let what = "COPY TO STDOUT gives data, which simple_query cannot return; it was thrown away";
                refused = refused.or(Some(Error::usage(what, Delivery::Answered)));
            }
            Some(Backend::ReadyForQuery(_)) => return refused.map_or(Ok(results), Err),
            _ => {}
        }
        if misplaced_copy_in {
            let what =
                "COPY FROM STDIN takes data, which simple_query has none of; the COPY was ended without any";
            refused = refused.or(Some(Error::usage(what, Delivery::Answered)));
            flight.refuse_copy_in()?;
        }
    }
}
