//! What callers hold.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use cornac_proto::message::{ServerMessage, TransactionStatus};
use cornac_types::{Decode, FromRow, Params};
use tokio::time::timeout;

use super::SharedOptions;
use super::replies::Keeping;
use super::state::Shared;
use crate::config::Config;
use crate::connection::Connection;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::given::Given;
use crate::mailbox::{Mail, Notification};
use crate::shape::{First, Whole};
use crate::statement::IntoStatement;

/// How long the statements that were taken may take to be answered when the connection is being closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection for any number of tasks: cheap to clone, and every verb takes `&self`.
///
/// Statements of all callers travel together: one write for all that waits, and their answers come in order. Each is a transaction of its
/// own, so that an error reaches the one caller whose it is. The server runs them one after the other: a statement waits for those in
/// front of it. So this is for many short statements, of which a pool of exclusive connections could run no more at a time than it has
/// connections; transactions, long statements, COPY and LISTEN belong on a [`Connection`].
///
/// Taken are statements that begin with SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, WITH or SHOW, and nothing that could change the
/// session for the others; [`SharedError::NotAllowed`](crate::SharedError::NotAllowed) is the answer to everything else. What a function does
/// cannot be seen: `set_config(..., false)`, `pg_advisory_lock` and their like change the session for everybody, and must not be called here.
///
/// ```no_run
/// use cornac_conn::{Config, SharedConnection};
///
/// # async fn example() -> cornac_conn::Result<()> {
/// let config: Config = "postgres://app@db.example/shop".parse()?;
/// let shared = SharedConnection::connect(&config).await?;
/// for id in 0..64_i64 {
///     let shared = shared.clone();
///     tokio::spawn(async move {
///         let name: String = shared.fetch_value("SELECT name FROM item WHERE id = $1", (id,)).await?;
///         println!("{name}");
///         cornac_conn::Result::<()>::Ok(())
///     });
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As the verbs of [`Client`](crate::Client), and [`ErrorKind::Shared`]. When the connection is lost, each caller in flight hears
/// that its own outcome is unknown, and each that waited that its statement was not sent. A connection that is lost stays so.
///
/// # Cancel safety
///
/// Every verb may be dropped at any moment. A statement that was not sent never runs; one that was sent runs on, and its answer is thrown
/// away. The other callers get their own answers either way.
///
/// # Deadlines
///
/// A statement whose time is over ([`Statement::timeout`](crate::Statement::timeout), or the limit that was set on the connection before it was
/// shared) is cancelled at the server only when it is alone in flight, since a request to cancel hits whatever runs; then nothing else is sent
/// until that is over. Otherwise its answer is given up: it may have run, or may still. A [`fetch_size`](crate::Statement::fetch_size)
/// has no effect here.
///
/// # Who moves the bytes
///
/// There is no background task. Whichever caller is polled while nobody else does it reads and writes for all; when the socket is ready, the
/// caller whose answer comes first is woken to do so.
#[derive(Clone)]
pub struct SharedConnection(Arc<Shared>);

/// How a shared connection is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedStatistics {
    /// Statements that wait to be sent.
    pub waiting: usize,
    /// Statements that were sent and are not answered.
    pub in_flight: usize,
    /// Statements that were answered, those of callers who had gone included. One that had to be described first counts twice.
    pub answered: u64,
    /// How often something was sent: `answered / flights` statements travel together.
    pub flights: u64,
}

impl SharedConnection {
    /// Connects as a configuration says, to share the connection within the default bounds.
    ///
    /// # Errors
    ///
    /// As [`Connection::connect`].
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn connect(config: &Config) -> Result<Self> {
        Self::new(Connection::connect(config).await?, SharedOptions::default()).await
    }

    /// Shares a connection. What was set on it stays in effect: the mode of statements, their timeout, the handler of notices. Tokens to
    /// cancel that were made of it have no effect any more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when the connection is inside of a transaction; and what an abandoned request on it leads to.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the connection is closed.
    pub async fn new(mut connection: Connection, options: SharedOptions) -> Result<Self> {
        connection.settle().await?;
        if connection.transaction_status() != TransactionStatus::Idle || connection.has_pending_begin() {
            return Err(Error::usage(IN_TRANSACTION, Delivery::NotSent));
        }
        Ok(Self(Shared::new(connection, options)))
    }

    /// Runs a statement, throws its rows away, and says how many rows it affected (or returned, for a SELECT).
    ///
    /// # Errors
    ///
    /// As said at [`SharedConnection`].
    ///
    /// # Cancel safety
    ///
    /// As said at [`SharedConnection`]; so too below.
    pub async fn execute<P: Params + Send>(&self, sql: impl IntoStatement, params: P) -> Result<u64> {
        let params = Given::new(&sql, params)?;
        Ok(self.0.run(sql.statement(), params, Keeping::Nothing).await?.rows_affected())
    }

    /// The one row that there must be. None is [`ErrorKind::NoRows`], a second one [`ErrorKind::TooManyRows`].
    ///
    /// # Errors
    ///
    /// As said at [`SharedConnection`].
    pub async fn fetch_one<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<T>
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
        let replies = self.0.run(statement, params, self.keeping()).await?;
        required(replies.at_most_one::<Whole<T>>()).map_err(|error| error.with_statement(statement.sql()))
    }

    /// The row if there is one. A second one is [`ErrorKind::TooManyRows`].
    ///
    /// # Errors
    ///
    /// As said at [`SharedConnection`].
    pub async fn fetch_optional<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
        let replies = self.0.run(statement, params, self.keeping()).await?;
        replies.at_most_one::<Whole<T>>().map_err(|error| error.with_statement(statement.sql()))
    }

    /// All rows.
    ///
    /// # Errors
    ///
    /// As said at [`SharedConnection`].
    pub async fn fetch_all<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
        let replies = self.0.run(statement, params, self.keeping()).await?;
        replies.collect::<Whole<T>>().map_err(|error| error.with_statement(statement.sql()))
    }

    /// The first column of the one row that there must be. NULL fits only into an `Option`.
    ///
    /// # Errors
    ///
    /// As [`fetch_one`](Self::fetch_one).
    pub async fn fetch_value<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<T>
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
        let replies = self.0.run(statement, params, self.keeping()).await?;
        required(replies.at_most_one::<First<T>>()).map_err(|error| error.with_statement(statement.sql()))
    }

    /// The first column of all rows.
    ///
    /// # Errors
    ///
    /// As said at [`SharedConnection`].
    pub async fn fetch_values<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<Vec<T>>
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
        let replies = self.0.run(statement, params, self.keeping()).await?;
        replies.collect::<First<T>>().map_err(|error| error.with_statement(statement.sql()))
    }

    /// Closes the connection for all: statements that wait for a place in the queue are refused; those in the queue are answered first,
    /// for 5 seconds at most; then it says goodbye.
    ///
    /// # Errors
    ///
    /// When the statements were not answered in time, whose outcome is unknown then; when the goodbye could not be delivered; when the
    /// connection was closed already. The socket is closed all the same.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing new is taken any more, and the socket is closed when the last clone goes.
    pub async fn close(&self) -> Result<()> {
        let shared = &self.0;
        shared.begin_to_close();
        let idle = poll_fn(|cx| match shared.take_if_idle(cx.waker()) {
            Some(taken) => Poll::Ready(taken),
            None => Poll::Pending,
        });
        match timeout(CLOSE_TIMEOUT, idle).await {
            Ok(connection) => connection?.close().await,
            Err(_) => {
                shared.give_up();
                Err(Error::io(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Whether nothing is taken any more: closed, or lost as far as is known.
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release of whoever closed it.
        self.0.closed.load(Ordering::Acquire)
    }

    /// How it is used.
    pub fn statistics(&self) -> SharedStatistics {
        self.0.statistics()
    }

    /// The process id of the backend, as `pg_backend_pid()` gives it; `None` from poolers that tell none.
    pub fn process_id(&self) -> Option<i32> {
        self.0.process_id
    }

    /// The notices and warnings that have come since the last call, at most the newest 1,024. They go to the handler instead if the
    /// [`Connection`] had one.
    pub fn take_notices(&self) -> Mail<ServerMessage> {
        self.0.mail().notices.take()
    }

    /// The notifications that have come since the last call, at most the newest 1,024, on channels to which the [`Connection`] listened.
    pub fn take_notifications(&self) -> Mail<Notification> {
        self.0.mail().notifications.take()
    }

    fn keeping(&self) -> Keeping {
        Keeping::UpTo(self.0.options.result_bytes_max)
    }
}

impl fmt::Debug for SharedConnection {
    /// Shows where the connection stands, never what callers ask or get.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedConnection")
            .field("process_id", &self.process_id())
            .field("is_closed", &self.is_closed())
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

fn required<T>(found: Result<Option<T>>) -> Result<T> {
    found?.ok_or_else(|| Error::new(ErrorKind::NoRows, Delivery::Answered))
}

const IN_TRANSACTION: &str = "a connection inside of a transaction cannot be shared";
