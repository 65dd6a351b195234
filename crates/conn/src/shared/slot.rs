//! Where one caller finds the answer to its statement.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::replies::Replies;
use crate::error::Result;

/// Shared by a caller and its entry in the queue. Its lock is held for a moment, and nothing else is locked or called meanwhile.
pub(super) struct Slot {
    state: Mutex<State>,
    overdue: AtomicU8,
    /// The caller was called, and somebody else had to come in its place.
    passed_over: AtomicBool,
    limit: Duration,
}

enum State {
    /// The caller waits.
    Waiting(Waker),
    Answered(Result<Replies>),
    /// The caller has its answer, or has gone.
    Over,
}

/// What has become of the caller's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Overdue {
    /// It has not passed.
    No,
    /// It has passed: the statement may be cancelled, if it can be done without harm.
    Cancel,
    /// The grace behind it has passed as well.
    GiveUp,
}

impl Slot {
    /// For a caller that waits no longer than `limit`, if it has a deadline at all.
    pub(super) fn new(waker: Waker, limit: Duration) -> Self {
        Self {
            state: Mutex::new(State::Waiting(waker)),
            overdue: AtomicU8::new(Overdue::No as u8),
            passed_over: AtomicBool::new(false),
            limit,
        }
    }

    /// How long the caller waits, if it has a deadline.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether the caller comes when it is called, as far as is known.
    pub(super) fn comes_when_called(&self) -> bool {
        // Relaxed: a hint, and so wherever it is set.
        !self.passed_over.load(Ordering::Relaxed)
    }

    pub(super) fn set_passed_over(&self, passed_over: bool) {
        self.passed_over.store(passed_over, Ordering::Relaxed);
    }

    /// The answer if it has come, else `waker` is woken when it does.
    pub(super) fn take(&self, waker: &Waker) -> Option<Result<Replies>> {
        let mut state = self.lock();
        let _before = match &mut *state {
            State::Waiting(known) if known.will_wake(waker) => return None,
            State::Waiting(known) => {
                let before = std::mem::replace(known, waker.clone());
                drop(state);
                before
            }
            State::Answered(_) | State::Over => {
                return match std::mem::replace(&mut *state, State::Over) {
                    State::Answered(answer) => Some(answer),
                    _ => None,
                };
            }
        };
        None
    }

    /// Gives the answer to the caller, unless it has gone; says whether it was there.
    pub(super) fn answer(&self, answer: Result<Replies>) -> bool {
        let (waker, _answer) = {
            let mut state = self.lock();
            match &*state {
                State::Waiting(_) => match std::mem::replace(&mut *state, State::Answered(answer)) {
                    State::Waiting(waker) => (Some(waker), None),
                    _ => (None, None),
                },
                State::Answered(_) | State::Over => (None, Some(answer)),
            }
        };
        match waker {
            Some(waker) => {
                waker.wake();
                true
            }
            None => false,
        }
    }

    /// The caller goes.
    pub(super) fn abandon(&self) {
        let _state = std::mem::replace(&mut *self.lock(), State::Over);
    }

    /// Whether the caller waits, with no answer yet.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(&*self.lock(), State::Waiting(_))
    }

    /// What wakes the caller, if it waits.
    pub(super) fn waker(&self) -> Option<Waker> {
        match &*self.lock() {
            State::Waiting(waker) => Some(waker.clone()),
            State::Answered(_) | State::Over => None,
        }
    }

    pub(super) fn set_overdue(&self, overdue: Overdue) {
        // Release: pairs with the Acquire below. Whoever is told to look for it sees it.
        self.overdue.store(overdue as u8, Ordering::Release);
    }

    pub(super) fn overdue(&self) -> Overdue {
        match self.overdue.load(Ordering::Acquire) {
            0 => Overdue::No,
            1 => Overdue::Cancel,
            _ => Overdue::GiveUp,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
