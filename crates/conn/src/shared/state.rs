//! What the clones of a shared connection have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::Waker;
use std::time::Duration;

use cornac_proto::message::BackendTag;
use tokio::sync::Semaphore;

use super::bell::Bell;
use super::queue::Queue;
use super::wire::Wire;
use super::{SharedOptions, SharedStatistics};
use crate::connection::Connection;
use crate::core::statements::Statements;
use crate::error::Result;
use crate::mailbox::Mailboxes;

/// Turns that one caller takes in a row for others who found the wire taken; then another one is called.
const TURNS: u32 = 4;

/// The locks are held for moments, none across an await. Of two, `wire` is taken first; it is only ever tried, never waited for, so
/// that whatever runs while it is held (a waker, a handler of notices) can use the shared connection.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wire: Mutex<Wire>,
    /// Somebody found the wire taken: whoever has it comes back once more.
    again: AtomicBool,
    pub(super) bell: Arc<Bell>,
    /// The turn of a caller to be in the queue.
    pub(super) admission: Semaphore,
    pub(super) options: SharedOptions,
    pub(super) statement_timeout: Option<Duration>,
    pub(super) closed: AtomicBool,
    /// The owner closes the socket, whatever is in flight.
    pub(super) given_up: AtomicBool,
    /// The time of a caller in flight is over.
    pub(super) overdue: AtomicBool,
    pub(super) process_id: Option<i32>,
    mail: Mutex<Mailboxes>,
    in_flight: AtomicUsize,
    /// The last answers came together, so that the next statements are about to.
    crowded: AtomicBool,
    answered: AtomicU64,
    flights: AtomicU64,
}

impl Shared {
    /// Over a connection that is settled, outside of a transaction.
    pub(super) fn new(mut connection: Connection, options: SharedOptions) -> Arc<Self> {
        let spare = Statements::new(0, connection.statements.mode(), Arc::default());
        let statements = std::mem::replace(&mut connection.statements, spare);
        let mailboxes = std::mem::take(&mut connection.mailboxes);
        // Tokens from before would hit strangers.
        connection.cancel_state = Arc::default();
        let statement_timeout = connection.statement_timeout();
        let process_id = connection.process_id();
        Arc::new_cyclic(|this| {
            let bell = Arc::new(Bell::new(Weak::clone(this)));
            let waker = Waker::from(Arc::clone(&bell));
            Self {
                queue: Mutex::new(Queue::new(statements)),
                wire: Mutex::new(Wire::new(connection, waker)),
                again: AtomicBool::new(false),
                bell,
                admission: Semaphore::new(options.statements_max),
                options,
                statement_timeout,
                closed: AtomicBool::new(false),
                given_up: AtomicBool::new(false),
                overdue: AtomicBool::new(false),
                process_id,
                mail: Mutex::new(mailboxes),
                in_flight: AtomicUsize::new(0),
                crowded: AtomicBool::new(false),
                answered: AtomicU64::new(0),
                flights: AtomicU64::new(0),
            }
        })
    }

    /// What waits. Nothing is called or dropped while it is locked that could come back here.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mail(&self) -> MutexGuard<'_, Mailboxes> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and writes for all, or has whoever does so already come back once more.
    pub(super) fn drive(&self) {
        self.with_wire(|wire| wire.turn(self));
    }

    /// A caller has gone: the others must not wait for what it would have done.
    pub(super) fn go_on_without(&self) {
        self.with_wire(|wire| wire.call_another(self));
    }

    /// From now on, nobody gets a place in the queue.
    pub(super) fn begin_to_close(&self) {
        self.closed.store(true, Ordering::Release);
        self.admission.close();
    }

    /// The connection, once nothing is waited for any more; else `waker` is woken then.
    pub(super) fn take_if_idle(&self, waker: &Waker) -> Option<Result<Connection>> {
        {
            let mut queue = self.queue();
            if !queue.closers.iter().any(|known| known.will_wake(waker)) {
                queue.closers.push(waker.clone());
            }
        }
        let mut taken = None;
        self.with_wire(|wire| {
            // Those who wait for answers read them, and not the one who closes.
            if !wire.has_callers(self) {
                wire.turn(self);
            }
            taken = taken.take().or_else(|| wire.take_if_idle(self));
        });
        taken
    }

    /// Closes the socket, whatever is in flight.
    pub(super) fn give_up(&self) {
        // Release: pairs with the Acquire of the turn that looks for it.
        self.given_up.store(true, Ordering::Release);
        self.drive();
    }

    /// The one who was called has not come, or may not: whoever is polled first goes on.
    pub(super) fn call_everybody(&self) {
        self.with_wire(|wire| wire.call_everybody(self));
    }

    /// Does something with the wire. When it was poisoned, a handler of notices has panicked in the middle of a turn, and the connection is
    /// closed: by the drop of the call that took the turn, which comes by here. When it is taken, whoever has it takes a turn more.
    fn with_wire(&self, mut act: impl FnMut(&mut Wire)) {
        for turn in 0_u32.. {
            // SeqCst: said before the lock is tried, and looked at after it was given back, so that of two callers one sees the other.
            self.again.store(true, Ordering::SeqCst);
            let Some(mut wire) = self.try_wire() else { return };
            self.again.store(false, Ordering::SeqCst);
            // Enough done for others: one of them goes on.
            if turn < TURNS {
                act(&mut wire);
            } else {
                wire.call_another(self);
            }
            drop(wire);
            if !self.again.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn try_wire(&self) -> Option<MutexGuard<'_, Wire>> {
        match self.wire.try_lock() {
            Ok(wire) => Some(wire),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(poisoned)) => {
                let mut wire = poisoned.into_inner();
                self.wire.clear_poison();
                wire.give_up(self, PANICKED);
                Some(wire)
            }
        }
    }

    /// Takes over what the server said of its own accord.
    pub(super) fn take_asides(&self, connection: &mut Connection, tag: BackendTag) {
        match tag {
            BackendTag::ParameterStatus => {
                let mut queue = self.queue();
                for (name, value) in connection.parameters() {
                    queue.statements.handle_report(name.as_bytes(), value);
                }
            }
            _ => {
                let mut mail = self.mail();
                while let Some(notice) = connection.mailboxes.notices.take_first() {
                    mail.notices.put(notice);
                }
                while let Some(notification) = connection.mailboxes.notifications.take_first() {
                    mail.notifications.put(notification);
                }
            }
        }
    }

    /// Whether a statement does well to wait for others that are about to come, until the tasks that are ready have run.
    pub(super) fn is_busy(&self) -> bool {
        // Relaxed: a hint, here and below.
        self.crowded.load(Ordering::Relaxed) || self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// What one turn has come to.
    pub(super) fn note(&self, answered: usize, in_flight: usize, sent: bool) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        if answered > 0 {
            self.crowded.store(answered > 1, Ordering::Relaxed);
            self.answered.fetch_add(answered as u64, Ordering::Relaxed);
        }
        if sent {
            self.flights.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn statistics(&self) -> SharedStatistics {
        SharedStatistics {
            waiting: self.queue().waiting.len(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            flights: self.flights.load(Ordering::Relaxed),
        }
    }
}

const PANICKED: &str = "a task panicked while it read for all";
