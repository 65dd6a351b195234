//! A statement that runs: its flight, and its rows one by one.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use cornac_proto::EncodeError;
use cornac_proto::message::{
    Backend, BackendTag, BindParameters, FormatCode, ServerMessage, Target, TransactionStatus,
    check_parameter_count,
};
use cornac_proto::session::{Closed, CommandError, Progress};
use cornac_types::{Columns, ParamError, Params, RowPlan, RowRef, Type};

use crate::connection::Connection;
use crate::core::effects;
use crate::core::head::{BEGIN_REPLIES, Head, Step};
use crate::core::stale::{Stage, Stale, what_is_stale};
use crate::core::statements::Preparation;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::flight::{Flight, Manifest};
use crate::prepared::{Description, Prepared, changed_columns, format_code};
use crate::shape::Shape;
use crate::statement::{StatementMode, StatementRef};

/// How often a statement is sent at most: as it is remembered, with what other connections know of it, and with nothing remembered.
const ATTEMPTS: u32 = 3;

/// The rows of one statement, as they come from the socket.
///
/// Each row is lent out of the read buffer until the next one is asked for, without a copy. The server sends no faster
/// than rows are taken: what is not read waits in the socket's buffers, or, with a
/// [`fetch_size`](crate::Statement::fetch_size), is not made yet.
///
/// Dropping it before the end is allowed at any time: what is left of the result is read, and thrown away, before the
/// connection's next use.
#[derive(Debug)]
pub struct Rows<'c> {
    flight: Flight<'c>,
    statement: Prepared,
    outcome: Outcome,
    fetch_size: u32,
    affected: u64,
}

/// How far the result has come.
#[derive(Debug)]
enum Outcome {
    /// It goes on.
    Rows,
    /// The server waits to be asked for more rows.
    Suspended,
    /// The statement has failed. ReadyForQuery comes next.
    Failed(Error),
    /// The statement has ended well. ReadyForQuery comes next.
    Ended,
    /// ReadyForQuery has come.
    Over,
}

/// A statement that went out alone, without anything in front of it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) manifest: Manifest,
    pub(crate) statement: Prepared,
}

/// The rows of one statement, while nobody has its connection.
#[derive(Debug)]
pub(crate) struct Suspended {
    manifest: Manifest,
    statement: Prepared,
    outcome: Outcome,
    fetch_size: u32,
    affected: u64,
}

impl Suspended {
    pub(crate) fn statement(&self) -> &Prepared {
        &self.statement
    }

    pub(crate) fn rows_affected(&self) -> u64 {
        self.affected
    }
}

/// How a statement goes out.
#[derive(Debug)]
struct Travel {
    statement: Prepared,
    /// A Parse goes in front of the Bind.
    parse: bool,
    /// The columns are asked for behind the Bind.
    describe: bool,
    /// What is known of it was learnt earlier, and may no longer be true.
    remembered: bool,
    /// Replies to what goes in front of it: a BEGIN, or nothing.
    prelude: u8,
}

/// Why a statement gave no result.
enum Refusal {
    /// Nothing of it has run, because what was remembered of it is no longer true.
    Stale(Stale, Error),
    Final(Error),
}

impl<'c> Rows<'c> {
    /// Runs a statement up to the front of its result: settles the connection, has it parsed or described where that is needed, and
    /// sends it; anew when what was remembered of it has proven wrong before anything ran.
    pub(crate) async fn begin<P: Params>(
        connection: &'c mut Connection,
        statement: StatementRef<'_>,
        params: P,
    ) -> Result<Self> {
        let sent = match connection.send_quickly(&statement, &params) {
            Some((mut flight, statement)) => {
                let bound = poll_fn(|cx| flight.poll_bound(cx)).await;
                Some((bound, Sent { manifest: flight.release(), statement }))
            }
            None => None,
        };
        let sent = match sent {
            Some((true, Sent { manifest, statement })) => {
                return Ok(Self::new(Flight::again(connection, manifest), statement));
            }
            sent => sent.map(|(_, sent)| sent),
        };
        // Boxed, so that the futures of statements need no room for what few of them do.
        Box::pin(Self::begin_with(connection, statement, params, sent)).await
    }

    /// As [`begin`](Self::begin), for a statement that may have been sent already.
    pub(crate) async fn begin_with<P: Params>(
        connection: &'c mut Connection,
        mut statement: StatementRef<'_>,
        params: P,
        mut sent: Option<Sent>,
    ) -> Result<Self> {
        if sent.is_none() {
            statement.check_len()?;
            check_parameter_count(params.count()).map_err(|error| Error::command(error.into()))?;
            connection.settle().await?;
            connection.start_deadline(statement.timeout());
        }
        let mode = connection.statements.mode_of(&statement);
        if mode == StatementMode::Simple {
            return Self::begin_simple(connection, statement, params).await;
        }
        let fetch_size = statement.fetch_size();
        let mut attempt = 1;
        loop {
            let (mut flight, travel) = match sent.take() {
                Some(Sent { manifest, statement }) => {
                    (Flight::again(connection, manifest), Travel::bound(statement))
                }
                None => {
                    let mut travel = match connection.statements.look_up(&statement, mode) {
                        Preparation::Parsed(statement) => Travel::bound(statement),
                        Preparation::Described(described) => {
                            Travel::parsed(described, !statement.declares_results())
                        }
                        Preparation::Unknown => {
                            Travel::after_describe(connection.describe(&statement, mode).await?, mode)
                        }
                    };
                    let mut flight = Flight::new(connection);
                    if flight.has_pending_begin() {
                        travel.prelude = BEGIN_REPLIES;
                    }
                    if let Err(error) = travel.write(&mut flight, &params, fetch_size) {
                        // A value may not fit only because the parameter's type is no longer what it was.
                        let outdated = !flight.statements.is_current(travel.statement.description());
                        let stale = (travel.remembered || outdated)
                            && matches!(error.kind(), ErrorKind::Parameter(error) if !error.is_too_long());
                        drop(flight);
                        if stale && attempt < ATTEMPTS {
                            connection.statements.forget(&travel.statement, Stale::Description);
                            attempt += 1;
                            continue;
                        }
                        return Err(error.with_statement(statement.sql()));
                    }
                    (flight, travel)
                }
            };
            let mut head = Head::new(travel.prelude, travel.parse, travel.describe);
            let mut refused = None;
            let Travel { statement: mut sent, remembered, .. } = travel;
            let reading =
                poll_fn(|cx| poll_head(&mut flight, &mut head, &mut sent, remembered, &mut refused, cx));
            match reading.await {
                Ok(()) => {
                    let manifest = flight.release();
                    let flight = Flight::again(connection, manifest);
                    return Ok(Self { fetch_size, ..Self::new(flight, sent) });
                }
                Err(Refusal::Stale(stale, error)) => {
                    drop(flight);
                    connection.statements.forget(&sent, stale);
                    if attempt == ATTEMPTS || connection.transaction_status() != TransactionStatus::Idle {
                        return Err(error.with_statement(statement.sql()));
                    }
                    if stale != Stale::Name {
                        statement = statement.without_results();
                    }
                    if matches!(stale, Stale::Parameters | Stale::Types)
                        && connection.describe(&statement, mode).await?.has_parameters_of(&sent)
                    {
                        return Err(error.with_statement(statement.sql()));
                    }
                    attempt += 1;
                }
                Err(Refusal::Final(error)) => return Err(error.with_statement(statement.sql())),
            }
        }
    }

    /// The result of a statement that has been sent, its columns known.
    pub(crate) fn new(flight: Flight<'c>, statement: Prepared) -> Self {
        Self { flight, statement, outcome: Outcome::Rows, fetch_size: 0, affected: 0 }
    }

    /// Lets go of the connection. The rows are still to come: whoever has the connection [resumes](Self::resume) them, in the same step or the next.
    pub(crate) fn suspend(self) -> Suspended {
        let Self { flight, statement, outcome, fetch_size, affected } = self;
        Suspended { manifest: flight.release(), statement, outcome, fetch_size, affected }
    }

    /// Goes on with rows that were suspended.
    pub(crate) fn resume_on(connection: &'c mut Connection, suspended: Suspended) -> Self {
        let Suspended { manifest, statement, outcome, fetch_size, affected } = suspended;
        Self { flight: Flight::again(connection, manifest), statement, outcome, fetch_size, affected }
    }

    /// The columns of the result.
    pub fn columns(&self) -> &Columns {
        self.statement.columns()
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
        if self.advance() || poll_fn(|cx| self.poll_advance(cx)).await? {
            return Ok(Some(self.row()));
        }
        Ok(None)
    }

    pub(crate) fn sql(&self) -> &str {
        self.statement.sql()
    }

    /// How many rows the statement affected or returned, as its command tag says; 0 before its end.
    pub fn rows_affected(&self) -> u64 {
        self.affected
    }

    /// Decodes the rows that are left.
    pub(crate) async fn collect<S: Shape>(mut self) -> Result<Vec<S::Item>> {
        let plan = self.plan::<S>().await?;
        let mut decoded = Vec::new();
        loop {
            // All that has come is decoded without a look at the socket, or at the clock, in between.
            while self.advance() {
                match S::read(self.row(), &plan) {
                    Ok(row) => decoded.push(row),
                    Err(error) => return Err(self.fail(error.into()).await),
                }
            }
            if !poll_fn(|cx| self.poll_advance(cx)).await? {
                return Ok(decoded);
            }
            match S::read(self.row(), &plan) {
                Ok(row) => decoded.push(row),
                Err(error) => return Err(self.fail(error.into()).await),
            }
        }
    }

    /// Decodes the one row that there may be, and makes sure that it is all that there is.
    pub(crate) async fn at_most_one<S: Shape>(mut self) -> Result<Option<S::Item>> {
        let plan = self.plan::<S>().await?;
        let decoded = match self.next().await? {
            None => return Ok(None),
            Some(row) => S::read(row, &plan),
        };
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return Err(self.fail(error.into()).await),
        };
        if self.has_ended() {
            return Ok(Some(decoded));
        }
        match self.next().await? {
            None => Ok(Some(decoded)),
            Some(_) => Err(self.fail(Error::new(ErrorKind::TooManyRows, Delivery::Answered)).await),
        }
    }

    /// Reads to the end and throws the rows away.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        while self.next().await?.is_some() {}
        Ok(self.rows_affected())
    }

    /// A plan that does not fit is known before the first row, yet the statement runs: its own error comes first.
    async fn plan<S: Shape>(&mut self) -> Result<RowPlan> {
        match S::plan(self.columns()) {
            Ok(plan) => Ok(plan),
            Err(error) => Err(self.fail(error.into()).await),
        }
    }

    /// Reads what is left, so that the connection is ready, and gives `error`, or the server's if the statement failed.
    pub(crate) async fn fail(&mut self, error: Error) -> Error {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return error.with_statement(self.statement.sql()),
                Err(server) => return server,
            }
        }
    }

    /// Whether the end of the result has come already, and is one like most.
    #[inline]
    fn has_ended(&mut self) -> bool {
        if !matches!(self.outcome, Outcome::Rows) || !self.statement.is_plain() {
            return false;
        }
        match self.flight.take_end() {
            Some(affected) => {
                self.affected = affected;
                self.outcome = Outcome::Over;
                true
            }
            None => false,
        }
    }

    /// Takes the next row, if it has come already.
    #[inline]
    pub(crate) fn advance(&mut self) -> bool {
        matches!(self.outcome, Outcome::Rows)
            && self.flight.session.advance_row(self.statement.columns().len())
    }

    /// The row that was taken last.
    #[inline]
    pub(crate) fn row(&self) -> RowRef<'_> {
        RowRef::new(self.statement.columns(), self.flight.session.row().values_bytes())
    }

    /// Says why the row at the front could not be taken: it contradicts itself, or its description.
    #[cold]
    fn refuse_row(&mut self) -> Error {
        let progress = self.flight.progress();
        match self.flight.poll_row(self.statement.columns().len()) {
            Ok(_) => Error::usage(NO_RESULT, Delivery::Answered),
            Err(closed) => lost(closed, progress, &self.statement),
        }
    }

    /// Takes the next row; false when the statement has ended well instead.
    pub(crate) fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if self.has_ended() {
                return Poll::Ready(Ok(false));
            }
            match self.outcome {
                Outcome::Over => return Poll::Ready(Ok(false)),
                Outcome::Suspended => self.resume()?,
                Outcome::Rows | Outcome::Failed(_) | Outcome::Ended => {}
            }
            match ready!(self.flight.poll_wait_for_message(cx)) {
                Ok(BackendTag::DataRow) if self.advance() => return Poll::Ready(Ok(true)),
                Ok(BackendTag::DataRow) => return Poll::Ready(Err(self.refuse_row())),
                Ok(_) => self.handle_message()?,
                Err(closed) => {
                    return Poll::Ready(Err(lost(closed, self.flight.progress(), &self.statement)));
                }
            }
        }
    }

    /// Asks for the next rows of a portal.
    fn resume(&mut self) -> Result<()> {
        let Self { flight, statement, outcome, fetch_size, .. } = self;
        let asked = flight.session.execute("", *fetch_size).and_then(|()| flight.session.flush());
        asked.map_err(|error| Error::command(error).with_statement(statement.sql()))?;
        *outcome = Outcome::Rows;
        Ok(())
    }

    fn handle_message(&mut self) -> Result<()> {
        let Self { flight, statement, outcome, affected, .. } = self;
        let progress = flight.progress();
        let message = flight.poll_message().map_err(|closed| lost(closed, progress, statement))?;
        let refusal = match message {
            Some(Backend::CommandComplete(complete)) => {
                *affected = complete.rows().unwrap_or(0);
                let aftermath = effects::of_command(complete.tag().as_bytes(), statement.sql());
                flight.apply(aftermath);
                None
            }
            Some(Backend::EmptyQueryResponse) => None,
            Some(Backend::PortalSuspended) => {
                *outcome = Outcome::Suspended;
                return Ok(());
            }
            Some(Backend::ErrorResponse(error)) => Some(ServerMessage::from(error)),
            Some(Backend::CopyInResponse(_)) => {
                *outcome = Outcome::Failed(Error::usage(COPY_IN_MISPLACED, Delivery::Answered));
                return flight.refuse_copy_in();
            }
            Some(Backend::CopyOutResponse(_)) => {
                *outcome = Outcome::Failed(Error::usage(COPY_OUT_MISPLACED, Delivery::Answered));
                return Ok(());
            }
            Some(Backend::ReadyForQuery(_)) => {
                return match std::mem::replace(outcome, Outcome::Over) {
                    Outcome::Failed(error) => Err(error.with_statement(statement.sql())),
                    _ => Ok(()),
                };
            }
            _ => return Ok(()),
        };
        match refusal {
            Some(server) if !matches!(outcome, Outcome::Failed(_)) => {
                *outcome = Outcome::Failed(flight.refusal(server));
            }
            None if matches!(outcome, Outcome::Rows) => *outcome = Outcome::Ended,
            _ => {}
        }
        // A statement with a fetch size stands in a segment that is still open.
        if flight.session.has_open_segment() {
            flight.session.sync().map_err(Error::command)?;
        }
        Ok(())
    }
}

/// Reads up to the front of a result.
fn poll_head(
    flight: &mut Flight<'_>,
    head: &mut Head,
    statement: &mut Prepared,
    remembered: bool,
    refused: &mut Option<Refusal>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Refusal>> {
    loop {
        let waited = ready!(flight.poll_wait_for_message(cx));
        if head.is_at_bind() && flight.session.take_bind_complete() {
            return Poll::Ready(Ok(()));
        }
        let progress = flight.progress();
        let lost = |closed| Refusal::Final(lost(closed, progress, statement));
        waited.map_err(lost)?;
        let Some(message) = flight.poll_message().map_err(lost)? else { continue };
        match head.handle(&message) {
            Step::More => {
                if head.stage() != Stage::Prelude {
                    flight.pending_begin_has_run();
                }
            }
            Step::Parsed => flight.statements.parsed(statement),
            Step::Bound => return Poll::Ready(Ok(())),
            Step::Described(columns) => {
                if let Some(columns) = changed_columns(statement.columns(), columns) {
                    let parameters = statement.parameter_types().into();
                    let description = flight.statements.resolve_sent(Description::new(parameters, columns));
                    *statement = statement.redescribed(description);
                    flight.statements.parsed(statement);
                    flight.statements.described(statement);
                }
                return Poll::Ready(Ok(()));
            }
            Step::Refused(server) => {
                if refused.is_none() {
                    if matches!(head.stage(), Stage::Prelude | Stage::Parse) {
                        statement.set_may_be_parsed(false);
                    }
                    let stale = what_is_stale(&server, head.stage()).filter(|stale| {
                        // A statement of which nothing was remembered is refused for what it is.
                        remembered || head.stage() == Stage::Bind && *stale != Stale::Parameters
                    });
                    let error = flight.refusal(server);
                    *refused = Some(match stale {
                        Some(stale) => Refusal::Stale(stale, error),
                        None => Refusal::Final(error),
                    });
                }
                if flight.session.has_open_segment() {
                    flight.session.sync().map_err(|error| Refusal::Final(Error::command(error)))?;
                }
            }
            Step::Over => {
                let nothing = || Refusal::Final(Error::usage(NO_RESULT, Delivery::Answered));
                return Poll::Ready(Err(refused.take().unwrap_or_else(nothing)));
            }
        }
    }
}

pub(crate) const NO_RESULT: &str = "the server gave neither a result nor an error";
const COPY_IN_MISPLACED: &str =
    "COPY FROM STDIN takes data, which this verb has none of; the COPY was ended without any";
const COPY_OUT_MISPLACED: &str =
    "COPY TO STDOUT gives data, which this verb cannot return; it was thrown away";

#[cold]
fn lost(closed: Closed, progress: Progress, statement: &Prepared) -> Error {
    Error::lost(closed, progress).with_statement(statement.sql())
}

impl Travel {
    fn bound(statement: Prepared) -> Self {
        Self { statement, parse: false, describe: false, remembered: true, prelude: 0 }
    }

    fn parsed(statement: Prepared, remembered: bool) -> Self {
        Self { statement, parse: true, describe: true, remembered, prelude: 0 }
    }

    /// A statement that has just been described; the unnamed one is parsed again, in front of its Bind.
    fn after_describe(statement: Prepared, mode: StatementMode) -> Self {
        match mode {
            StatementMode::Named => Self { remembered: false, ..Self::bound(statement) },
            _ => Self::parsed(statement, false),
        }
    }

    /// Writes the whole flight.
    fn write<P: Params>(&self, flight: &mut Flight<'_>, params: &P, fetch_size: u32) -> Result<()> {
        let Self { statement, parse, describe, prelude, .. } = self;
        flight.close_retired_statements()?;
        if *prelude > 0 {
            flight.write_pending_begin()?;
        }
        let Description { parameters, result_formats, .. } = &**statement.description();
        let bound = Bound::new(params, parameters);
        if !*parse && !*describe && fetch_size == 0 {
            let run = flight.session.run(statement.head(), &bound, result_formats, true);
            return run.map_err(BindError::into_error);
        }
        if *parse {
            let types: Vec<u32> = parameters.iter().map(|ty| ty.oid().0).collect();
            flight.session.parse(statement.name(), statement.sql(), &types).map_err(Error::command)?;
            statement.set_may_be_parsed(true);
        }
        let written = flight.session.bind("", statement.name(), &bound, result_formats);
        written.map_err(BindError::into_error)?;
        if *describe {
            flight.session.describe(Target::Portal("")).map_err(Error::command)?;
        }
        // No row limit unless the caller sets one: it would keep the server from running the statement in parallel.
        flight.session.execute("", fetch_size).map_err(Error::command)?;
        if fetch_size == 0 {
            return flight.session.sync().map_err(Error::command);
        }
        // A Sync would end the portal, outside of a transaction block.
        flight.set_portal();
        flight.session.flush().map_err(Error::command)
    }
}

/// Parameters beside the types that the server wants for them.
pub(crate) struct Bound<'p, P> {
    params: &'p P,
    types: &'p [Type],
}

impl<'p, P: Params> Bound<'p, P> {
    pub(crate) fn new(params: &'p P, types: &'p [Type]) -> Self {
        Self { params, types }
    }
}

/// Why a Bind was not written.
pub(crate) enum BindError {
    Command(CommandError),
    Parameter(ParamError),
}

impl BindError {
    pub(crate) fn into_error(self) -> Error {
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

    #[inline]
    fn all_binary(&self) -> bool {
        self.params.all_binary(self.types)
    }

    fn formats(&self, put: &mut dyn FnMut(FormatCode)) {
        self.params.formats(self.types, &mut |format| put(format_code(format)));
    }

    fn encode(&self, out: &mut bytes::BytesMut) -> Result<(), BindError> {
        self.params.encode(self.types, out).map_err(BindError::Parameter)
    }
}
