//! Statements in mode simple: the simple query protocol, with the same verbs.

use cornac_proto::message::{Backend, BackendTag, ServerMessage};
use cornac_types::{Columns, Params};

use crate::connection::Connection;
use crate::core::literals::{ComposeError, Composed};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::execution::{NO_RESULT, Rows};
use crate::flight::Flight;
use crate::prepared::{Description, Prepared, described_columns, format_sent};
use crate::statement::{StatementMode, StatementRef};

impl<'c> Rows<'c> {
    /// Runs a statement up to the front of its result. The connection is settled.
    pub(crate) async fn begin_simple<P: Params>(
        connection: &'c mut Connection,
        statement: StatementRef<'_>,
        params: P,
    ) -> Result<Self> {
        let composed = connection.compose(&statement, &params)?;
        drop(params);
        connection.run_pending_begin().await?;
        let asked = connection.statements.undescribed(&statement, StatementMode::Simple);
        let mut flight = Flight::new(connection);
        flight
            .session
            .query(composed.sql())
            .map_err(|error| Error::command(error).with_statement(asked.sql()))?;
        match flight.read_columns().await {
            Ok(columns) => Ok(Self::new(flight, described(&asked, columns))),
            Err(error) => {
                let position = error.server().and_then(ServerMessage::position);
                let position = position.and_then(|position| usize::try_from(position).ok());
                let error = error.with_statement(asked.sql());
                Err(match position {
                    Some(position) => error.with_position(composed.original_position(position)),
                    None => error,
                })
            }
        }
    }
}

fn described(asked: &Prepared, columns: Columns) -> Prepared {
    asked.redescribed(Description::new([].into(), columns))
}

impl Connection {
    fn compose<P: Params>(&self, statement: &StatementRef<'_>, params: &P) -> Result<Composed> {
        // What was prepared knows its types; otherwise those count that the caller has declared.
        let types = statement.prepared().map_or(statement.parameter_types(), Prepared::parameter_types);
        Composed::new(statement.sql(), types, params, self.statements.is_conforming()).map_err(|error| {
            let error = match error {
                ComposeError::Parameter(error) => Error::new(ErrorKind::Parameter(error), Delivery::NotSent),
                ComposeError::Usage(what) => Error::usage(what, Delivery::NotSent),
            };
            error.with_statement(statement.sql())
        })
    }
}

impl Flight<'_> {
    /// Reads up to the rows, if there are any, or else up to what comes in their place.
    async fn read_columns(&mut self) -> Result<Columns> {
        let mut refused = None;
        loop {
            let tag = self.wait_for_message().await;
            let progress = self.progress();
            let lost = |closed| Error::lost(closed, progress);
            match tag.map_err(lost)? {
                BackendTag::RowDescription | BackendTag::ErrorResponse | BackendTag::ReadyForQuery => {}
                _ if refused.is_some() => {}
                _ => return Ok(Columns::default()),
            }
            match self.poll_message().map_err(lost)? {
                Some(Backend::RowDescription(description)) => {
                    return Ok(described_columns(description, format_sent));
                }
                Some(Backend::ErrorResponse(error)) => {
                    let server = ServerMessage::from(error);
                    refused = refused.or_else(|| Some(self.refusal(server)));
                }
                Some(Backend::ReadyForQuery(_)) => {
                    return Err(refused.unwrap_or_else(|| Error::usage(NO_RESULT, Delivery::Answered)));
                }
                _ => {}
            }
        }
    }
}
