//! What a connection knows of the transaction that is open on it.

use std::sync::Arc;

use cornac_proto::SqlState;
use cornac_proto::message::{ErrorResponse, RawParameters, ServerMessage, TransactionStatus};

use crate::connection::Connection;
use crate::core::effects::Aftermath;
use crate::error::{Error, Result};
use crate::flight::Flight;
use crate::transaction::tracking::Tracking;

/// What a connection knows of its transaction, beside the status that ReadyForQuery tells.
#[derive(Debug, Default)]
pub(crate) struct TransactionState {
    /// A [`Transaction`](super::Transaction) is about: what is said of its failures is kept for it.
    pub(super) is_managed: bool,
    /// The BEGIN of a transaction in which nothing has run yet: it travels with the first statement.
    pub(super) pending_begin: Option<Arc<str>>,
    /// How many transactions have ended by a command of which the connection has seen the tag.
    pub(super) ended: u64,
    /// What the server last refused since the transaction began.
    pub(super) failure: Option<Box<ServerMessage>>,
    /// Savepoints that were made: their names are numbers.
    pub(super) savepoints: u64,
    /// How much is known of the transaction's number, if anybody wants to know it.
    pub(super) tracking: Option<Tracking>,
    /// Whether the session has something that another user would not expect.
    pub(crate) session_changed: bool,
}

impl TransactionState {
    /// Whether a BEGIN waits for a statement to travel with.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending_begin.is_some()
    }

    /// Has the transaction's number found out.
    pub(super) fn track(&mut self) {
        self.tracking.get_or_insert_default();
    }

    /// Whether the transaction's number is to be found out.
    #[inline]
    pub(crate) fn is_tracked(&self) -> bool {
        self.tracking.is_some()
    }

    /// Nothing of a transaction is kept any more.
    pub(crate) fn end(&mut self) {
        self.is_managed = false;
        self.pending_begin = None;
        self.failure = None;
        self.tracking = None;
    }

    /// The server has refused something. That the transaction has failed is no news.
    #[cold]
    pub(crate) fn handle_refusal(&mut self, refusal: &ErrorResponse<'_>) {
        if !self.is_managed {
            return;
        }
        let refusal = ServerMessage::from(*refusal);
        if refusal.code() != Some(SqlState::IN_FAILED_SQL_TRANSACTION) {
            self.failure = Some(Box::new(refusal));
        }
    }
}

impl Connection {
    /// A command has run.
    pub(crate) fn apply(&mut self, aftermath: Aftermath) {
        for effect in aftermath.effects {
            self.statements.apply(*effect);
        }
        self.transaction.ended += u64::from(aftermath.ends_transaction);
        self.transaction.session_changed |= aftermath.changes_session;
    }

    /// Whether the next statement is the first of a transaction.
    pub(crate) fn has_pending_begin(&self) -> bool {
        self.transaction.is_pending() && self.transaction_status() == TransactionStatus::Idle
    }

    pub(crate) fn pending_begin_has_run(&mut self) {
        self.transaction.pending_begin = None;
    }

    /// Sends the BEGIN that waits for a statement to travel with, before a request that it cannot travel with. The connection is settled.
    pub(crate) async fn run_pending_begin(&mut self) -> Result<()> {
        let Some(begin) = self.transaction.pending_begin.clone().filter(|_| self.has_pending_begin()) else {
            return Ok(());
        };
        self.query_results(&begin).await?;
        self.pending_begin_has_run();
        Ok(())
    }
}

impl Flight<'_> {
    /// Writes the BEGIN that waits for a statement to travel with. Its failure makes the server skip that.
    pub(crate) fn write_pending_begin(&mut self) -> Result<()> {
        let Some(begin) = self.transaction.pending_begin.clone() else { return Ok(()) };
        let session = &mut self.session;
        session.parse("", &begin, &[]).map_err(Error::command)?;
        session.bind("", "", &RawParameters::default(), &[]).map_err(Error::command)?;
        session.execute("", 0).map_err(Error::command)
    }
}
