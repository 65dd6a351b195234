//! Requests that are being written and answered, under the guard of the future that asked for them.

use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll, Waker};

use cornac_proto::session::{Checkpoint, CloseReason, Progress};

use crate::connection::Connection;

/// Requests of one caller, and the promise that none of them is first sent after the caller has gone.
///
/// Dropped before any of their bytes reached the socket, they are taken out of the send buffer and the ledger,
/// and never run. Partly sent: the rest is written if the socket takes it at once, else the socket is closed.
/// Wholly sent: their replies stay in the ledger, and are read before the connection's next use.
/// A drop neither blocks, nor spawns, nor needs a runtime.
#[derive(Debug)]
pub(crate) struct Flight<'c> {
    connection: &'c mut Connection,
    checkpoint: Checkpoint,
}

impl<'c> Flight<'c> {
    /// Guards what is requested from now on.
    pub(crate) fn new(connection: &'c mut Connection) -> Self {
        let checkpoint = connection.session.checkpoint();
        connection.cancel_state.set_busy();
        Self { connection, checkpoint }
    }

    /// How far the requests have got.
    pub(crate) fn progress(&self) -> Progress {
        self.connection.session.progress(self.checkpoint)
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
        let progress = self.connection.session.take_back(self.checkpoint);
        if self.connection.session.is_settled() {
            self.connection.cancel_state.set_idle();
        }
        // TLS may hold the end of a request that the session has seen go.
        if progress == Progress::PartlySent || self.connection.stream.has_unflushed() {
            self.connection.finish_writing_or_close();
        }
    }
}

impl Connection {
    /// Writes what is unsent without waiting. A request that was cut off in the middle cannot be taken back,
    /// and a server that has half of one waits for the other half with its locks held.
    fn finish_writing_or_close(&mut self) {
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
