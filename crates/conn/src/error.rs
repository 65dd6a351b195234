//! What can go wrong, told apart by whose fault it is, and with answers to what a caller asks next.

use std::fmt;
use std::io;
use std::time::Duration;

use cornac_proto::SqlState;
use cornac_proto::message::ServerMessage;
use cornac_proto::session::{CloseReason, Closed, CommandError, Progress};
use cornac_types::{DecodeError, ParamError, PlanError};

use crate::advice::advice_for;
use crate::cancel::CancelError;
use crate::config::ConfigError;
use crate::connect::ConnectError;
use crate::copy::CopyError;
use crate::schema_error::SchemaError;
use crate::server_timeout::ServerTimeout;
use crate::shared::SharedError;
use crate::transaction::TransactionId;

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in one word of memory.
///
/// Its `Display` is one line that a person can act on; the alternate form (`{:#}`) adds what else the server said
/// and the statement. Programs ask [`sql_state`](Self::sql_state), [`may_retry`](Self::may_retry),
/// [`outcome_unknown`](Self::outcome_unknown), or match on [`kind`](Self::kind).
///
/// ```
/// use cornac_conn::{Error, SqlState};
///
/// fn advice(error: &Error) -> &'static str {
///     match error {
///         e if e.sql_state() == Some(SqlState::UNIQUE_VIOLATION) => "it is there already",
///         e if e.may_retry() => "it did not run; try again later",
///         e if e.outcome_unknown() => "find out whether it ran",
///         _ => "give up",
///     }
/// }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    delivery: Delivery,
    statement: Option<Box<str>>,
    /// Which set of parameters of a batch, counted from 1; 0 when it is about none.
    parameter_set: u64,
    /// Where in the statement the server pointed, if that is not where it says itself: in characters, counted from 1.
    position: Option<usize>,
}

/// Whose fault it is, and what happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server said no.
    Server(ServerMessage),
    /// The connection is closed: the server said goodbye, broke the protocol, or cannot be reached any more.
    Closed(Closed),
    /// No connection could be made.
    Connect(ConnectError),
    /// The configuration cannot be understood.
    Config(ConfigError),
    /// A parameter does not fit the statement.
    Parameter(ParamError),
    /// The request does not fit the protocol, or its turn.
    Command(CommandError),
    /// The columns of the result do not fit the Rust types that were asked for.
    Columns(PlanError),
    /// A value of the result does not fit its Rust type.
    Value(DecodeError),
    /// The statement took longer than it may. It was cancelled at the server, and had no effect.
    Timeout {
        /// The limit.
        limit: Duration,
        /// What the server said when it was cancelled.
        server: ServerMessage,
    },
    /// Nothing could be cancelled.
    Cancel(CancelError),
    /// A COPY failed for a reason on this side.
    Copy(CopyError),
    /// What can happen on a shared connection alone.
    Shared(SharedError),
    /// A question about the schema has no answer.
    Schema(SchemaError),
    /// `fetch_one` or `fetch_value` found no row.
    NoRows,
    /// More rows came than the one that was asked for.
    TooManyRows,
    /// What was to be sent could not be had: the caller's own source failed.
    Source(Box<dyn std::error::Error + Send + Sync>),
    /// The transaction was rolled back in place of committed, since the server had refused this in it: nothing of it stays.
    RolledBack(Option<Box<ServerMessage>>),
    /// The connection was lost between COMMIT and its answer: the transaction is committed, or rolled back. Whoever has to know looks for what it
    /// would have left.
    CommitOutcomeUnknown(LostCommit),
    /// The connection was lost between COMMIT and its answer, and the server says that the transaction was rolled back: it may be run again.
    CommitLost(LostCommit),
    /// There was no connection to be had: the pool's reason, which [`Error::source`](std::error::Error::source) gives.
    Checkout(Unavailable),
    /// The API was used in a way that cannot work, fixable by reading one's own code.
    Usage(&'static str),
    /// The operating system failed while the connection was being closed.
    Io(io::Error),
}

/// A COMMIT whose answer was lost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LostCommit {
    /// How the connection was lost.
    pub closed: Closed,
    /// Which transaction it was, if that was to be [tracked](crate::Transaction::track), and the transaction had written something.
    pub transaction: Option<TransactionId>,
}

/// Why there was no connection to be had.
#[derive(Debug)]
pub struct Unavailable {
    reason: Box<dyn std::error::Error + Send + Sync>,
    is_transient: bool,
    server: Option<ServerMessage>,
}

impl fmt::Display for Unavailable {
    /// The reason, and the error of a connection that is behind it, if one is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        let mut source = self.reason.source();
        while let Some(error) = source {
            if error.is::<Error>() {
                return write!(f, ": {error}");
            }
            source = error.source();
        }
        Ok(())
    }
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// No byte of it reached the server, or nothing was asked of the server at all.
    NotSent,
    /// The server answered it: with the error, or with a result that then could not be read as asked. Also when the server had ended
    /// the session before, because nothing came for too long.
    Answered,
    /// It was sent, wholly or in part, and the connection was lost before its answer. It may have run.
    Unknown,
}

impl Error {
    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What happened, as a value of one's own.
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }

    /// How far the request got.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// The statement that failed, where it was one.
    pub fn statement(&self) -> Option<&str> {
        self.0.statement.as_deref()
    }

    /// What the server said, where it said something: all fields of its ErrorResponse.
    pub fn server(&self) -> Option<&ServerMessage> {
        match self.kind() {
            ErrorKind::Server(server) | ErrorKind::Timeout { server, .. } => Some(server),
            ErrorKind::Closed(closed)
            | ErrorKind::CommitOutcomeUnknown(LostCommit { closed, .. })
            | ErrorKind::CommitLost(LostCommit { closed, .. })
            | ErrorKind::Command(CommandError::Closed(closed)) => match closed.reason() {
                CloseReason::Fatal(server) => Some(server),
                _ => None,
            },
            ErrorKind::Connect(error) => error.server(),
            ErrorKind::RolledBack(failure) => failure.as_deref(),
            ErrorKind::Checkout(unavailable) => unavailable.server.as_ref(),
            _ => None,
        }
    }

    /// What to do about it, where the driver knows more of its cause than the server says. `Display` shows it too.
    pub fn advice(&self) -> Option<&'static str> {
        self.server().and_then(advice_for)
    }

    /// The server's error code (Appendix A of PostgreSQL's manual).
    pub fn sql_state(&self) -> Option<SqlState> {
        self.server().and_then(ServerMessage::code)
    }

    /// The name of the constraint that was violated, where the server named it.
    pub fn constraint(&self) -> Option<&str> {
        self.server().and_then(ServerMessage::constraint)
    }

    /// Which timeout of the server's own ended the statement or the session, if one did: `statement_timeout`,
    /// `idle_session_timeout`, ... The deadline of [`Connection::set_statement_timeout`](crate::Connection::set_statement_timeout) is
    /// none of them: it gives [`ErrorKind::Timeout`].
    ///
    /// A server says that a statement was cancelled (57014), or that a lock was not to be had (55P03), and its text alone says why. Where
    /// `lc_messages` is not English, `statement_timeout` and `lock_timeout` are not recognised; the others always are.
    pub fn server_timeout(&self) -> Option<ServerTimeout> {
        self.server().and_then(ServerTimeout::of)
    }

    /// Whether the same request could succeed at another moment: the server is starting, stopping or full, a lock
    /// or a serialization failed, the network broke.
    pub fn is_transient(&self) -> bool {
        if let ErrorKind::Checkout(unavailable) = self.kind() {
            return unavailable.is_transient;
        }
        if self.server_timeout().is_some_and(ServerTimeout::ended_session) {
            return true;
        }
        match self.sql_state() {
            Some(state) => {
                state.is_transaction_rollback()
                    || state.is_connection_exception()
                    || state.is_insufficient_resources()
                    || [
                        SqlState::ADMIN_SHUTDOWN,
                        SqlState::CRASH_SHUTDOWN,
                        SqlState::CANNOT_CONNECT_NOW,
                        SqlState::LOCK_NOT_AVAILABLE,
                        SqlState::READ_ONLY_SQL_TRANSACTION,
                    ]
                    .contains(&state)
            }
            None => match self.kind() {
                ErrorKind::Closed(_)
                | ErrorKind::CommitOutcomeUnknown(_)
                | ErrorKind::CommitLost(_)
                | ErrorKind::Io(_)
                | ErrorKind::Command(CommandError::Closed(_)) => true,
                ErrorKind::Connect(error) => error.is_transient(),
                _ => false,
            },
        }
    }

    /// Whether the request is proven not to have had an effect, and could succeed at another moment.
    pub fn may_retry(&self) -> bool {
        self.is_transient() && !self.outcome_unknown()
    }

    /// Whether the request may have run, and nobody said how it ended.
    pub fn outcome_unknown(&self) -> bool {
        self.0.delivery == Delivery::Unknown
    }

    /// Whether the connection is gone with this error.
    pub fn is_closed(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Closed(_)
                | ErrorKind::CommitOutcomeUnknown(_)
                | ErrorKind::CommitLost(_)
                | ErrorKind::Command(CommandError::Closed(_))
                | ErrorKind::Shared(SharedError::NotIdle { .. })
        )
    }

    pub(crate) fn new(kind: ErrorKind, delivery: Delivery) -> Self {
        Self(Box::new(Inner { kind, delivery, statement: None, parameter_set: 0, position: None }))
    }

    /// Which set of parameters of a batch it is about, counted from 1.
    pub fn parameter_set(&self) -> Option<u64> {
        Some(self.0.parameter_set).filter(|set| *set > 0)
    }

    pub(crate) fn with_parameter_set(mut self, number: u64) -> Self {
        self.0.parameter_set = number;
        self
    }

    pub(crate) fn with_statement(mut self, statement: &str) -> Self {
        self.0.statement = Some(statement.into());
        self
    }

    /// The server has seen another text than [`statement`](Self::statement), and pointed at what stands here in that.
    pub(crate) fn with_position(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }

    /// As [`with_statement`](Self::with_statement), unless it has one already.
    pub(crate) fn with_statement_unless_known(self, statement: &str) -> Self {
        if self.0.statement.is_some() { self } else { self.with_statement(statement) }
    }

    pub(crate) fn server_refused(server: ServerMessage) -> Self {
        Self::new(ErrorKind::Server(server), Delivery::Answered)
    }

    /// The connection was closed before this request began.
    pub(crate) fn already_closed(closed: Closed) -> Self {
        Self::new(ErrorKind::Closed(closed), Delivery::NotSent)
    }

    /// The connection was closed while this request was in flight.
    pub(crate) fn lost(closed: Closed, progress: Progress) -> Self {
        let timeout = match closed.reason() {
            CloseReason::Fatal(server) => ServerTimeout::of(server),
            _ => None,
        };
        let delivery = match progress {
            // It was idle, and said so, when this request came.
            _ if timeout.is_some_and(ServerTimeout::ended_idle_session) => Delivery::Answered,
            Progress::Unsent => Delivery::NotSent,
            Progress::PartlySent | Progress::Sent => Delivery::Unknown,
        };
        Self::new(ErrorKind::Closed(closed), delivery)
    }

    pub(crate) fn command(error: CommandError) -> Self {
        match error {
            CommandError::Closed(closed) => Self::already_closed(closed),
            error => Self::new(ErrorKind::Command(error), Delivery::NotSent),
        }
    }

    /// The API was used in a way that cannot work.
    pub fn usage(what: &'static str, delivery: Delivery) -> Self {
        Self::new(ErrorKind::Usage(what), delivery)
    }

    /// There was no connection to be had. `server` is what the server said to that, if it did.
    pub fn unavailable(
        reason: impl Into<Box<dyn std::error::Error + Send + Sync>>,
        is_transient: bool,
        server: Option<ServerMessage>,
    ) -> Self {
        let unavailable = Unavailable { reason: reason.into(), is_transient, server };
        Self::new(ErrorKind::Checkout(unavailable), Delivery::NotSent)
    }

    /// The connection was lost, and this was COMMIT.
    pub(crate) fn into_unknown_commit(mut self, transaction: Option<TransactionId>) -> Self {
        self.0.kind = match self.0.kind {
            ErrorKind::Closed(closed) => ErrorKind::CommitOutcomeUnknown(LostCommit { closed, transaction }),
            kind => kind,
        };
        self
    }

    /// A COMMIT whose outcome was unknown, and of which it is known by now that the server has rolled back.
    #[must_use]
    pub fn into_lost_commit(mut self) -> Self {
        self.0.kind = match self.0.kind {
            ErrorKind::CommitOutcomeUnknown(lost) => {
                self.0.delivery = Delivery::Answered;
                ErrorKind::CommitLost(lost)
            }
            kind => kind,
        };
        self
    }

    pub(crate) fn io(error: io::Error) -> Self {
        Self::new(ErrorKind::Io(error), Delivery::NotSent)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Config(error), Delivery::NotSent)
    }
}

impl From<CancelError> for Error {
    fn from(error: CancelError) -> Self {
        Self::new(ErrorKind::Cancel(error), Delivery::NotSent)
    }
}

impl From<CopyError> for Error {
    fn from(error: CopyError) -> Self {
        Self::new(ErrorKind::Copy(error), Delivery::NotSent)
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        Self::new(ErrorKind::Schema(error), Delivery::Answered)
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::new(ErrorKind::Connect(error), Delivery::NotSent)
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        Self::new(ErrorKind::Columns(error), Delivery::Answered)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::Value(error), Delivery::Answered)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.parameter_set() {
            write!(f, "parameter set {number}: ")?;
        }
        match self.kind() {
            ErrorKind::Server(server) => write!(f, "{server}")?,
            ErrorKind::Closed(closed) => match self.delivery() {
                Delivery::Unknown => write!(f, "the connection was lost before the answer came: {closed}")?,
                _ => write!(f, "the connection is closed: {closed}")?,
            },
            ErrorKind::Connect(error) => write!(f, "{error}")?,
            ErrorKind::Config(error) => write!(f, "{error}")?,
            ErrorKind::Parameter(error) => write!(f, "{error}")?,
            ErrorKind::Command(error) => write!(f, "{error}")?,
            ErrorKind::Columns(error) => write!(f, "{error}")?,
            ErrorKind::Value(error) => write!(f, "{error}")?,
            ErrorKind::Timeout { limit, .. } => {
                write!(f, "the statement took longer than {limit:?}, and was cancelled")?;
            }
            ErrorKind::Cancel(error) => write!(f, "{error}")?,
            ErrorKind::Copy(error) => write!(f, "{error}")?,
            ErrorKind::Shared(error) => write!(f, "{error}")?,
            ErrorKind::Schema(error) => write!(f, "{error}")?,
            ErrorKind::NoRows => f.write_str("the statement returned no row, and one was asked for")?,
            ErrorKind::TooManyRows => {
                f.write_str("the statement returned more than one row, and one was asked for")?;
            }
            ErrorKind::Source(_) => f.write_str("the source of the parameters failed")?,
            ErrorKind::RolledBack(failure) => {
                f.write_str("the transaction was rolled back in place of committed, since a statement in it had failed")?;
                if let Some(failure) = failure {
                    write!(f, ": {failure}")?;
                }
            }
            ErrorKind::CommitOutcomeUnknown(LostCommit { closed, .. }) => {
                write!(
                    f,
                    "the connection was lost during COMMIT, and nobody knows whether the transaction is committed: {closed}"
                )?;
            }
            ErrorKind::CommitLost(LostCommit { closed, .. }) => {
                write!(
                    f,
                    "the connection was lost during COMMIT, and the server has rolled the transaction back: {closed}"
                )?;
            }
            ErrorKind::Checkout(unavailable) => write!(f, "{unavailable}")?,
            ErrorKind::Usage(what) => f.write_str(what)?,
            ErrorKind::Io(error) => write!(f, "the connection could not be closed in order: {error}")?,
        }
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        if f.alternate() { self.fmt_details(f) } else { Ok(()) }
    }
}

impl Error {
    /// What else is known, a line each: the server's detail, hint and context, and the statement with a caret where
    /// the server pointed.
    fn fmt_details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.server();
        let lines = [
            ("detail", server.and_then(ServerMessage::detail)),
            ("hint", server.and_then(ServerMessage::hint)),
            ("context", server.and_then(ServerMessage::context)),
        ];
        for (name, text) in lines {
            if let Some(text) = text {
                write!(f, "\n  {name}: {text}")?;
            }
        }
        let Some(statement) = self.statement() else { return Ok(()) };
        let reported = server.and_then(ServerMessage::position);
        let reported = reported.and_then(|position| usize::try_from(position).ok());
        match self.0.position.or(reported).and_then(|position| excerpt(statement, position)) {
            Some((line, column)) => write!(f, "\n  statement: {line}\n             {:>column$}", '^'),
            None => write!(f, "\n  statement: {statement}"),
        }
    }
}

/// The line of `statement` in which its `position`-th character (counted from 1) stands, and where in that line.
fn excerpt(statement: &str, position: usize) -> Option<(&str, usize)> {
    let mut before = position.checked_sub(1)?;
    for line in statement.split('\n') {
        let length = line.chars().count();
        if before <= length {
            return Some((line, before + 1));
        }
        before -= length + 1;
    }
    None
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("delivery", &self.0.delivery)
            .field("statement", &self.0.statement)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Connect(error) => std::error::Error::source(error),
            ErrorKind::Config(error) => std::error::Error::source(error),
            ErrorKind::Parameter(error) => std::error::Error::source(error),
            ErrorKind::Columns(error) => std::error::Error::source(error),
            ErrorKind::Value(error) => std::error::Error::source(error),
            ErrorKind::Io(error) => std::error::Error::source(error),
            ErrorKind::Source(error) => Some(&**error),
            ErrorKind::Cancel(error) => std::error::Error::source(error),
            ErrorKind::Copy(error) => std::error::Error::source(error),
            ErrorKind::Checkout(unavailable) => Some(&*unavailable.reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_character_that_the_server_meant() {
        assert_eq!(excerpt("SELECT x\nFROM y", 8), Some(("SELECT x", 8)));
        assert_eq!(excerpt("SELECT x\nFROM y", 10), Some(("FROM y", 1)));
        assert_eq!(excerpt("SELECT 'é', x", 13), Some(("SELECT 'é', x", 13)));
        assert_eq!(excerpt("a", 9), None);
        assert_eq!(excerpt("a", 0), None);
    }

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
