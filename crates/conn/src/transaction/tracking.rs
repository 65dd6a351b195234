//! Which transaction it was, in case the answer to its COMMIT is lost.

use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use cornac_proto::SqlState;
use cornac_proto::message::{Backend, BackendTag};
use cornac_proto::session::Closed;

use crate::client::Client;
use crate::connection::Connection;
use crate::core::qualified::qualified;
use crate::error::Result;

/// The number of a transaction, and the history in which it has that number.
///
/// See [`pg_xact_status`](https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionId {
    /// As `pg_current_xact_id()` gives it.
    pub xid: u64,
    /// Which database cluster it is (`pg_control_system()`): a standby has that of its primary.
    pub system_identifier: String,
    /// How often the cluster's history has forked: each promotion begins a new one.
    pub timeline: String,
    /// When the statistics of the server were last reset (`pg_stat_bgwriter`), which it does when it recovers from a crash. Then it has forgotten numbers of which nothing had been written to
    /// disk, and gives them out again.
    pub stats_reset: String,
}

/// How much is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracking {
    pub(super) id: Option<TransactionId>,
}

/// What is asked behind the statements of a transaction until it has a number, which it gets when it first writes. While it has none, nothing but that is looked at. It names no operator
/// and no type, so that it means the same under every `search_path`.
const WHICH: &str = "SELECT x, (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
    pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8), \
    (SELECT pg_catalog.encode(pg_catalog.timestamptz_send(stats_reset), 'hex') FROM pg_catalog.pg_stat_bgwriter) \
    FROM pg_catalog.pg_current_xact_id_if_assigned() x WHERE x IS NOT NULL";

/// What becomes of a transaction of a lost connection, as far as a server can say. After a crash, the commit of that number may be a stranger's, unless the server has kept when it was.
static STATUS: LazyLock<String> = LazyLock::new(|| {
    qualified(
        "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'elsewhere' \
         WHEN (SELECT system_identifier FROM pg_catalog.pg_control_system())::text <> $2 THEN 'elsewhere' \
         WHEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) <> $3 THEN 'elsewhere' \
         WHEN pg_catalog.pg_xact_status($1::text::xid8) = 'committed' \
         AND (SELECT pg_catalog.encode(pg_catalog.timestamptz_send(stats_reset), 'hex') FROM pg_catalog.pg_stat_bgwriter) <> $4 \
         AND (pg_catalog.current_setting('track_commit_timestamp') = 'off' \
         OR NOT coalesce(pg_catalog.pg_xact_commit_timestamp($1::text::xid8::xid) < (SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter), false)) \
         THEN 'crashed' ELSE pg_catalog.pg_xact_status($1::text::xid8) END",
    )
});

/// What a server says of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionOutcome {
    /// It is committed.
    Committed,
    /// It is rolled back.
    Aborted,
    /// It is still open: its backend has not noticed yet that its client is gone.
    InProgress,
    /// The server cannot know: it is another one, its history has forked, it was too long ago, or the server has crashed since, says that a transaction of this number is committed, and has
    /// not kept when (`track_commit_timestamp`): that may be another transaction. A server that has crashed twice since, or whose statistics were reset meanwhile (`pg_stat_reset_shared`),
    /// can take another one for this one; so ask soon.
    Unknown,
}

impl Connection {
    /// What became of a transaction that ran on another connection.
    ///
    /// ```no_run
    /// # use cornac_conn::{Connection, Error, ErrorKind, TransactionOutcome};
    /// # async fn example(mut another: Connection, error: Error) -> cornac_conn::Result<()> {
    /// // `error` came from the commit of a transaction that was tracked.
    /// if let ErrorKind::CommitOutcomeUnknown(lost) = error.kind() {
    ///     if let Some(id) = &lost.transaction {
    ///         let outcome = another.transaction_outcome(id).await?;
    ///         println!("run it again: {}", outcome == TransactionOutcome::Aborted);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's, before PostgreSQL 13, which has no `pg_xact_status`; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn transaction_outcome(&mut self, id: &TransactionId) -> Result<TransactionOutcome> {
        let params = (id.xid.to_string(), &id.system_identifier, &id.timeline, &id.stats_reset);
        let status: Option<String> = match self.fetch_value(&*STATUS, params).await {
            // A number that it has not given out yet.
            Err(error) if error.sql_state() == Some(SqlState::INVALID_PARAMETER_VALUE) => None,
            status => status?,
        };
        Ok(match status.as_deref() {
            Some("committed") => TransactionOutcome::Committed,
            Some("aborted") => TransactionOutcome::Aborted,
            Some("in progress") => TransactionOutcome::InProgress,
            _ => TransactionOutcome::Unknown,
        })
    }

    /// Asks for the transaction's number behind what a caller has written, if all of that is written and nothing is in the way.
    #[cold]
    pub(crate) fn write_postscript(&mut self) {
        let Self { session, transaction, .. } = self;
        let is_wanted = transaction.tracking.as_ref().is_some_and(|tracking| tracking.id.is_none());
        let is_due = is_wanted && session.has_unsent() && !session.ends_with_postscript();
        if is_due && !session.has_open_segment() && !session.takes_copy_data() {
            // It can only fail if the session is closed, which whoever waits for an answer hears.
            let _ = session.postscript(WHICH);
        }
    }

    /// Takes a message that belongs to the answer, or comes in between.
    #[cold]
    pub(crate) fn take_postscript(&mut self, tag: BackendTag) -> Result<(), Closed> {
        if matches!(
            tag,
            BackendTag::NoticeResponse | BackendTag::NotificationResponse | BackendTag::ParameterStatus
        ) {
            return self.put_aside();
        }
        let Some(Backend::DataRow(row)) = self.poll_message()? else { return Ok(()) };
        let mut values = row.values();
        let mut next = || {
            let value = values.next()?.ok()??;
            std::str::from_utf8(value).ok().map(str::to_owned)
        };
        if let (Some(xid), Some(system_identifier), Some(timeline), Some(stats_reset)) =
            (next(), next(), next(), next())
        {
            let xid = xid.parse().ok();
            let id = xid.map(|xid| TransactionId { xid, system_identifier, timeline, stats_reset });
            if let Some(tracking) = &mut self.transaction.tracking {
                tracking.id = id;
            }
        }
        Ok(())
    }

    /// Ready when the answer has come as a whole.
    pub(crate) fn poll_postscript(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        while self.session.is_postscript_next() {
            match self.session.peek_tag()? {
                Some(tag) => self.take_postscript(tag)?,
                None => ready!(self.poll_receive(cx))?,
            }
        }
        Poll::Ready(Ok(()))
    }
}
