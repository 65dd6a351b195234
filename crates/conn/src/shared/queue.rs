//! The statements that wait for their turn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use cornac_proto::session::{Closed, Segment};

use super::replies::Replies;
use super::slot::Slot;
use crate::core::statements::Statements;

/// What every caller needs for a moment: what is known of statements, and the line of those that were not sent.
///
/// Nothing in the line has been written anywhere from which it could reach the server: a caller that goes takes its entry with it.
pub(super) struct Queue {
    pub(super) statements: Statements,
    pub(super) waiting: VecDeque<Entry>,
    /// Why nothing is taken any more.
    pub(super) closed: Option<Closed>,
    /// Those who wait until everything is answered.
    pub(super) closers: Vec<Waker>,
}

/// One statement that was asked for.
pub(super) struct Entry {
    pub(super) slot: Arc<Slot>,
    pub(super) segment: Segment,
    /// Statements that the segment closes at the server.
    pub(super) closing: Vec<Box<str>>,
    pub(super) replies: Replies,
}

impl Queue {
    pub(super) fn new(statements: Statements) -> Self {
        Self { statements, waiting: VecDeque::new(), closed: None, closers: Vec::new() }
    }

    /// Takes a caller's entry out of the line, if it is there.
    pub(super) fn remove(&mut self, slot: &Arc<Slot>) -> Option<Entry> {
        let place = self.waiting.iter().position(|entry| Arc::ptr_eq(&entry.slot, slot))?;
        self.waiting.remove(place)
    }

    /// An entry will not be sent: what it would have closed is closed by another.
    pub(super) fn forget(&self, entry: &mut Entry) {
        entry.replies.set_unsent();
        self.statements.names().retire_again(std::mem::take(&mut entry.closing));
    }
}
