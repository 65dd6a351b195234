//! Requests that are being written and answered, under the guard of the future that asked for them.

use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll, Waker};

use cornac_proto::message::{RawParameters, Target, TransactionStatus};
use cornac_proto::session::{Checkpoint, CloseReason, Progress};

use crate::connection::Connection;
use crate::error::{Error, Result};

/// Requests of one caller, and the promise that none of them is first sent after the caller has gone.
///
/// Dropped before any of their bytes reached the socket, they are taken out of the send buffer and the ledger,
/// and never run. Partly sent: the rest is written if the socket takes it at once, else the socket is closed.
/// Wholly sent: their replies stay in the ledger, and are read before the connection's next use.
/// A drop neither blocks, nor spawns, nor needs a runtime.
///
/// Where they end without a Sync (a batch, a portal that has not given out all its rows), what has run of them is not committed by
/// whoever comes next: see [`Connection::end_batch`].
#[derive(Debug)]
pub(crate) struct Flight<'c> {
    connection: &'c mut Connection,
    manifest: Manifest,
}

/// What a flight has written.
#[derive(Debug)]
pub(crate) struct Manifest {
    checkpoint: Checkpoint,
    /// Statements that it closes at the server, to be closed by another if it is taken back.
    closing: Vec<Box<str>>,
    /// It is one statement, of whose portal the caller takes some rows at a time.
    is_portal: bool,
    /// Whether somebody watches over it: false once it was released.
    guarded: bool,
}

impl<'c> Flight<'c> {
    /// Guards what is requested from now on.
    pub(crate) fn new(connection: &'c mut Connection) -> Self {
        let checkpoint = connection.session.checkpoint();
        connection.cancel_state.set_busy();
        Self {
            connection,
            manifest: Manifest { checkpoint, closing: Vec::new(), is_portal: false, guarded: true },
        }
    }

    /// It is one statement, of whose portal the caller takes some rows at a time.
    pub(crate) fn set_portal(&mut self) {
        self.manifest.is_portal = true;
    }

    /// Lets go of the connection; the requests stand, to be watched over [`again`](Self::again) in the same step.
    pub(crate) fn release(mut self) -> Manifest {
        let released = Manifest {
            checkpoint: self.manifest.checkpoint,
            closing: std::mem::take(&mut self.manifest.closing),
            is_portal: self.manifest.is_portal,
            guarded: true,
        };
        self.manifest.guarded = false;
        released
    }

    /// Watches over requests that were released.
    pub(crate) fn again(connection: &'c mut Connection, manifest: Manifest) -> Self {
        Self { connection, manifest }
    }

    /// Closes the statements whose handles have gone. First in a flight, so that no failure in front of it keeps the server from it.
    pub(crate) fn close_retired_statements(&mut self) -> Result<()> {
        let retired = self.connection.statements.names().take_retired();
        if retired.is_empty() {
            return Ok(());
        }
        let closed = retired.iter().try_for_each(|name| {
            self.connection.session.close(Target::Statement(name)).map_err(Error::command)
        });
        self.manifest.closing = retired;
        closed
    }

    /// How far the requests have got.
    pub(crate) fn progress(&self) -> Progress {
        self.connection.session.progress(self.manifest.checkpoint)
    }
}

impl Deref for Flight<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl DerefMut for Flight<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.manifest.guarded {
            return;
        }
        let Self { connection, manifest } = self;
        if connection.session.is_settled() && !connection.session.has_unsent() {
            return;
        }
        if connection.session.is_postscript_next() && connection.session.requests_unanswered() == 1 {
            // All of its own is answered. What is left is the connection's question, and goes on with its next use.
            return;
        }
        let progress = connection.session.take_back(manifest.checkpoint);
        if progress == Progress::Unsent {
            connection.statements.names().retire_again(std::mem::take(&mut manifest.closing));
        }
        if connection.session.is_settled() {
            connection.cancel_state.set_idle();
        } else if connection.session.has_open_segment() && !connection.session.takes_copy_data() {
            connection.end_segment(manifest.is_portal);
            return connection.finish_writing_or_close();
        }
        // TLS may hold the end of a request that the session has seen go.
        if progress == Progress::PartlySent || connection.stream.has_unflushed() {
            connection.finish_writing_or_close();
        }
    }
}

/// The portal that a batch which was given up asks for. There is none of that name, so that the transaction around it fails.
pub(crate) const ABANDONED: &str = "cornac: a batch was abandoned";

impl Connection {
    /// Ends the segment of a flight that was given up. One statement in a transaction has run or not, whoever looks at its rows:
    /// nothing of it is half, and the transaction goes on.
    fn end_segment(&mut self, is_portal: bool) {
        if !is_portal || self.session.transaction_status() != TransactionStatus::InTransaction {
            return self.end_batch();
        }
        if let Err(error) = self.session.sync() {
            self.give_up(CloseReason::Abandoned(format!("a portal could not be ended: {error}")));
        }
    }

    /// Ends a segment whose requests were sent in part and then given up, so that no half of it stays: outside of a transaction
    /// with ROLLBACK, since a Sync alone would commit what has run; inside of one with a request that must fail, so that the
    /// transaction can only be rolled back, to a savepoint from before it or as a whole.
    pub(crate) fn end_batch(&mut self) {
        let inside = self.session.transaction_status() != TransactionStatus::Idle;
        let none = RawParameters::default();
        let session = &mut self.session;
        let written = if inside {
            session.execute(ABANDONED, 0)
        } else {
            let parsed = session.parse("", "ROLLBACK", &[]);
            let bound = parsed.and_then(|()| session.bind("", "", &none, &[]));
            bound.and_then(|()| session.execute("", 0))
        };
        if let Err(error) = written.and_then(|()| session.sync()) {
            self.give_up(CloseReason::Abandoned(format!("a batch could not be ended: {error}")));
        }
    }

    /// Writes what is unsent without waiting. A request that was cut off in the middle cannot be taken back,
    /// and a server that has half of one waits for the other half with its locks held.
    pub(crate) fn finish_writing_or_close(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while self.session.has_unsent() {
            match self.stream.poll_write(&mut cx, self.session.unsent()) {
                Poll::Ready(Ok(count)) if count > 0 => self.session.handle_sent(count),
                _ => return self.close_half_written(),
            }
        }
        if !matches!(self.stream.poll_flush(&mut cx), Poll::Ready(Ok(()))) {
            self.close_half_written();
        }
    }

    fn close_half_written(&mut self) {
        let reason = "a request was dropped when it was written in part".to_owned();
        self.give_up(CloseReason::Abandoned(reason));
    }
}
