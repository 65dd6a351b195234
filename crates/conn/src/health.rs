//! Whether a connection still works, and what makes it as new.

use std::task::{Context, Waker};

use cornac_proto::message::{Backend, TransactionStatus};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::flight::Flight;

impl Connection {
    /// Looks, without waiting, whether an idle connection has been lost, or told something: notices and settings that have come are recorded. False for one that is
    /// closed, and for one that still has replies to come.
    ///
    /// It costs no system call unless the runtime has seen that something came.
    #[inline]
    pub fn peek(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.is_settled() && self.poll_idle(&mut cx).is_pending()
    }

    /// Proves that the connection works: a round trip without any SQL (Sync).
    ///
    /// # Errors
    ///
    /// The connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn ping(&mut self) -> Result<()> {
        self.settle().await?;
        self.start_deadline(None);
        let mut flight = Flight::new(self);
        flight.session.sync().map_err(Error::command)?;
        loop {
            let tag = flight.wait_for_message().await;
            let progress = flight.progress();
            let lost = |closed| Error::lost(closed, progress);
            tag.map_err(lost)?;
            if let Some(Backend::ReadyForQuery(_)) = flight.poll_message().map_err(lost)? {
                return Ok(());
            }
        }
    }

    /// Whether commands were seen that leave something behind which another user of the connection would not expect: SET, LISTEN, LOAD, DECLARE CURSOR,
    /// temporary objects. Statements that were PREPAREd with SQL do not count. What functions do (`set_config`, advisory locks) cannot be seen.
    pub fn is_session_changed(&self) -> bool {
        self.transaction.session_changed
    }

    /// Takes the session as it is now for unchanged, and the connection's own settings (the limits of statements and of draining, the mode of statements, the handler of notices) for those that
    /// [`restore`](Self::restore) goes back to.
    pub fn keep(&mut self) {
        self.transaction.session_changed = false;
        self.kept = self.manners.clone();
        self.manners_changed = false;
    }

    /// Goes back to the connection's own settings as they were when they were [kept](Self::keep), or when the connection was made.
    #[inline]
    pub fn restore(&mut self) {
        if self.manners_changed {
            self.manners = self.kept.clone();
            self.statements.set_mode(self.manners.mode);
            self.manners_changed = false;
        }
    }

    /// Reads the replies that are still to come, cancelling what takes too long, and rolls an open transaction back.
    ///
    /// # Errors
    ///
    /// The connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn clear(&mut self) -> Result<()> {
        self.settle().await?;
        self.transaction.end();
        if self.transaction_status() != TransactionStatus::Idle {
            self.simple_query("ROLLBACK").await?;
        }
        Ok(())
    }

    /// Makes the session what it was when it began, in one round trip: role and settings, cursors, channels, advisory locks, temporary objects and sequences. Prepared
    /// statements stay. A transaction that is open is rolled back before.
    ///
    /// # Errors
    ///
    /// The server's, when it refuses any of that; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn reset(&mut self) -> Result<()> {
        self.clear().await?;
        self.simple_query(RESET).await?;
        self.take_notifications();
        self.transaction.session_changed = false;
        Ok(())
    }
}

/// DISCARD ALL in parts: without DEALLOCATE ALL, and such that they may stand in one query.
const RESET: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";
