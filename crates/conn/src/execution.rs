//! A statement that runs: the dialogue of Bind, Execute and Sync, read row by row.

use cornac_proto::EncodeError;
use cornac_proto::message::{Backend, BackendTag, BindParameters, FormatCode};
use cornac_proto::session::{CommandError, Progress};
use cornac_types::{
    Columns, Decode, DecodeError, FromRow, ParamError, Params, PlanError, RowPlan, RowRef, Type,
    decode_value, plan_value,
};

use crate::connection::Connection;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::flight::Flight;
use crate::prepared::{Description, format_code};
use crate::statement::StatementRef;

/// The rows of one statement, as they come from the socket.
///
/// Each row is lent out of the read buffer until the next one is asked for, without a copy. The server sends no faster
/// than rows are taken: what is not read waits in the socket's buffers.
///
/// Dropping it before the end is allowed at any time: what is left of the result is read, and thrown away, before the
/// connection's next use.
#[derive(Debug)]
pub struct Rows<'c> {
    flight: Flight<'c>,
    statement: Box<str>,
    columns: Columns,
    outcome: Outcome,
}

/// How far the dialogue has come.
#[derive(Debug)]
enum Outcome {
    /// ReadyForQuery has not come. The first error that did is kept until then.
    Pending { refused: Option<Error>, rows_affected: u64 },
    /// ReadyForQuery has come behind a statement that ran, or an error was given out.
    Over { rows_affected: u64 },
}

impl<'c> Rows<'c> {
    /// Settles the connection, has `statement` parsed if it is SQL, and writes the flight that runs it.
    pub(crate) async fn begin<P: Params>(
        connection: &'c mut Connection,
        statement: StatementRef<'_>,
        params: P,
    ) -> Result<Self> {
        let (name, sql, description) = match statement {
            StatementRef::Sql(sql) => ("", sql, connection.describe_statement("", sql).await?),
            StatementRef::Prepared(prepared) => {
                if !prepared.belongs_to(&connection.statement_names) {
                    let what = "a prepared statement can only be used on the connection that prepared it";
                    return Err(Error::usage(what, Delivery::NotSent).with_statement(prepared.sql()));
                }
                connection.settle().await?;
                connection.start_deadline();
                (prepared.name(), prepared.sql(), prepared.description().clone())
            }
        };
        let Description { parameters, columns, result_formats } = description;
        let bound = Bound { params: &params, types: &parameters };
        let flight = write_flight(connection, name, &bound, &result_formats)
            .map_err(|error| error.with_statement(sql))?;
        let outcome = Outcome::Pending { refused: None, rows_affected: 0 };
        Ok(Self { flight, statement: sql.into(), columns, outcome })
    }

    /// The columns of the result.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The next row, lent until the next call; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// The server's, when the statement fails at some row; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// No row is lost when the future is dropped: the next call gives it.
    pub async fn next(&mut self) -> Result<Option<RowRef<'_>>> {
        if !self.advance().await? {
            return Ok(None);
        }
        let Self { flight, columns, statement, .. } = self;
        let progress = flight.progress();
        match flight.poll_row(columns.len()) {
            Ok(row) => Ok(row.map(|row| RowRef::new(columns, row.values_bytes()))),
            Err(closed) => Err(Error::lost(closed, progress).with_statement(statement)),
        }
    }

    /// How many rows the statement affected or returned, as its command tag says; 0 before its end.
    pub fn rows_affected(&self) -> u64 {
        match self.outcome {
            Outcome::Pending { rows_affected, .. } | Outcome::Over { rows_affected } => rows_affected,
        }
    }

    /// Decodes the rows that are left, each into a `T`.
    pub(crate) async fn collect<T: for<'r> FromRow<'r>>(mut self) -> Result<Vec<T>> {
        let plan = T::plan(&self.columns);
        let plan = self.check_plan(plan).await?;
        let mut decoded = Vec::new();
        while let Some(row) = self.next().await? {
            match T::from_row(row, &plan) {
                Ok(row) => decoded.push(row),
                Err(error) => return Err(self.fail(error.into()).await),
            }
        }
        Ok(decoded)
    }

    /// Decodes the one row that there may be.
    pub(crate) async fn collect_optional<T: for<'r> FromRow<'r>>(mut self) -> Result<Option<T>> {
        let plan = self.check_plan(T::plan(&self.columns)).await?;
        let decoded = match self.next().await? {
            None => return Ok(None),
            Some(row) => T::from_row(row, &plan),
        };
        self.only(decoded).await.map(Some)
    }

    /// Decodes the first column of the one row that there may be.
    pub(crate) async fn first_value<T: for<'r> Decode<'r>>(mut self) -> Result<Option<T>> {
        let plan = self.check_plan(plan_value::<T>(&self.columns)).await?;
        let decoded = match self.next().await? {
            None => return Ok(None),
            Some(row) => decode_value(row, &plan),
        };
        self.only(decoded).await.map(Some)
    }

    /// Decodes the first column of the rows that are left.
    pub(crate) async fn first_values<T: for<'r> Decode<'r>>(mut self) -> Result<Vec<T>> {
        let plan = self.check_plan(plan_value::<T>(&self.columns)).await?;
        let mut decoded = Vec::new();
        while let Some(row) = self.next().await? {
            match decode_value(row, &plan) {
                Ok(value) => decoded.push(value),
                Err(error) => return Err(self.fail(error.into()).await),
            }
        }
        Ok(decoded)
    }

    /// Makes sure that what was decoded was all that there is.
    async fn only<T>(&mut self, decoded: Result<T, DecodeError>) -> Result<T> {
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return Err(self.fail(error.into()).await),
        };
        match self.next().await? {
            None => Ok(decoded),
            Some(_) => Err(self.fail(Error::new(ErrorKind::TooManyRows, Delivery::Answered)).await),
        }
    }

    /// Reads to the end and throws the rows away.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        while self.next().await?.is_some() {}
        Ok(self.rows_affected())
    }

    /// A plan that does not fit is known before the first row, yet the statement runs: its own error comes first.
    async fn check_plan(&mut self, plan: Result<RowPlan, PlanError>) -> Result<RowPlan> {
        match plan {
            Ok(plan) => Ok(plan),
            Err(error) => Err(self.fail(error.into()).await),
        }
    }

    /// Reads what is left, so that the connection is ready, and gives `error`, or the server's if the statement failed.
    async fn fail(&mut self, error: Error) -> Error {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return error.with_statement(&self.statement),
                Err(server) => return server,
            }
        }
    }

    /// Reads up to the next row: true when one is at the front, false when the statement has ended well.
    async fn advance(&mut self) -> Result<bool> {
        while let Outcome::Pending { .. } = self.outcome {
            let tag = self.flight.wait_for_message().await;
            let progress = self.flight.progress();
            let tag = tag.map_err(|closed| Error::lost(closed, progress).with_statement(&self.statement))?;
            if tag == BackendTag::DataRow {
                return Ok(true);
            }
            self.handle_message(progress)?;
        }
        Ok(false)
    }

    fn handle_message(&mut self, progress: Progress) -> Result<()> {
        let Self { flight, statement, columns: _, outcome } = self;
        let Outcome::Pending { refused, rows_affected } = outcome else { return Ok(()) };
        let lost = |closed| Error::lost(closed, progress).with_statement(statement);
        let mut misplaced_copy_in = false;
        match flight.poll_message().map_err(lost)? {
            Some(Backend::CommandComplete(complete)) => *rows_affected = complete.rows().unwrap_or(0),
            Some(Backend::ErrorResponse(error)) if refused.is_none() => {
                let server = error.into();
                *refused = Some(flight.refusal(server).with_statement(statement));
            }
            Some(Backend::CopyInResponse(_)) => misplaced_copy_in = true,
            Some(Backend::CopyOutResponse(_)) => {
                *refused =
                    Some(Error::usage(COPY_OUT_MISPLACED, Delivery::Answered).with_statement(statement));
            }
            Some(Backend::ReadyForQuery(_)) => {
                let (refused, rows_affected) = (refused.take(), *rows_affected);
                *outcome = Outcome::Over { rows_affected };
                return refused.map_or(Ok(()), Err);
            }
            _ => {}
        }
        if misplaced_copy_in {
            *refused = Some(Error::usage(COPY_IN_MISPLACED, Delivery::Answered).with_statement(statement));
            flight.refuse_copy_in()?;
        }
        Ok(())
    }
}

const COPY_IN_MISPLACED: &str =
    "COPY FROM STDIN takes data, which this verb has none of; the COPY was ended without any";
const COPY_OUT_MISPLACED: &str =
    "COPY TO STDOUT gives data, which this verb cannot return; it was thrown away";

fn write_flight<'c, P: Params>(
    connection: &'c mut Connection,
    statement: &str,
    bound: &Bound<'_, P>,
    result_formats: &[FormatCode],
) -> Result<Flight<'c>> {
    let mut flight = Flight::new(connection);
    flight.close_retired_statements()?;
    flight.session.bind("", statement, bound, result_formats).map_err(BindError::into_error)?;
    // No row limit: one would keep the server from running the statement in parallel.
    flight.session.execute("", 0).map_err(Error::command)?;
    flight.session.sync().map_err(Error::command)?;
    Ok(flight)
}

/// Parameters beside the types that the server wants for them.
struct Bound<'p, P> {
    params: &'p P,
    types: &'p [Type],
}

/// Why a Bind was not written.
enum BindError {
    Command(CommandError),
    Parameter(ParamError),
}

impl BindError {
    fn into_error(self) -> Error {
        match self {
            Self::Command(error) => Error::command(error),
            Self::Parameter(error) => Error::new(ErrorKind::Parameter(error), Delivery::NotSent),
        }
    }
}

impl From<CommandError> for BindError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<EncodeError> for BindError {
    fn from(error: EncodeError) -> Self {
        Self::Command(error.into())
    }
}

impl<P: Params> BindParameters for Bound<'_, P> {
    type Error = BindError;

    fn count(&self) -> usize {
        self.params.count()
    }

    fn formats(&self, put: &mut dyn FnMut(FormatCode)) {
        self.params.formats(self.types, &mut |format| put(format_code(format)));
    }

    fn encode(&self, out: &mut bytes::BytesMut) -> Result<(), BindError> {
        self.params.encode(self.types, out).map_err(BindError::Parameter)
    }
}
