//! How many connections there are, which places they have, and whether more may be opened: all off the path of a checkout.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use crate::stats::Closed;
use crate::sync::lock;
use crate::{Builder, CloseReason, Failure, random};

/// What is known about the pool's connections as a whole.
///
/// Every connection has a seat here from before it is opened until it is gone: `opened = closed + open` holds at every moment at which the lock is free.
#[derive(Debug)]
pub(crate) struct Roster<E> {
    state: Mutex<State<E>>,
    /// There are more connections than there should be; who gives one back has to look.
    pub(crate) is_over: AtomicBool,
    /// There are fewer than there may be; who waits has to say so.
    pub(crate) has_room: AtomicBool,
    /// The last attempt to open one has failed.
    pub(crate) is_refused: AtomicBool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Opening,
    Open,
    /// Nobody gets it any more.
    Leaving,
}

#[derive(Debug)]
pub(crate) struct State<E> {
    pub(crate) max: usize,
    pub(crate) min: usize,
    /// As many as somebody has asked to have at once, by `warm_up`.
    pub(crate) floor: usize,
    free: Vec<u32>,
    /// Seats that are taken.
    pub(crate) used: usize,
    pub(crate) opening: usize,
    /// Connections that are there, those that leave too.
    pub(crate) open: usize,
    leaving: usize,
    pub(crate) opened: u64,
    pub(crate) closed: Closed,
    pub(crate) failed: u64,
    /// Attempts in a row that failed.
    failures: u32,
    /// Not to be tried before.
    retry_at: u64,
    last_failure: Option<Arc<Failure<E>>>,
    is_permanent: bool,
}

impl<E> Roster<E> {
    pub(crate) fn new(options: &Builder, capacity: usize) -> Self {
        // The lowest is taken first.
        let free = (0..u32::try_from(capacity).unwrap_or(u32::MAX)).rev().collect();
        let state = State {
            max: options.max_size,
            min: options.min_size,
            floor: 0,
            free,
            used: 0,
            opening: 0,
            open: 0,
            leaving: 0,
            opened: 0,
            closed: Closed::default(),
            failed: 0,
            failures: 0,
            retry_at: 0,
            last_failure: None,
            is_permanent: false,
        };
        let [is_over, has_room, is_refused] = [false, true, false].map(AtomicBool::new);
        Self { state: Mutex::new(state), is_over, has_room, is_refused }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<E>> {
        lock(&self.state)
    }

    /// Takes a seat for one more connection, if one is wanted and may be opened now.
    pub(crate) fn reserve(&self, options: &Builder, waiting: usize, now: u64) -> Option<u32> {
        let mut state = self.lock();
        let at_once = if state.failures > 0 { 1 } else { options.max_opening };
        let wanted = state.live() < state.least() || waiting > state.opening;
        if !wanted || now < state.retry_at || state.opening >= at_once || state.used >= state.max {
            return None;
        }
        let slot = state.free.pop()?;
        state.used += 1;
        state.opening += 1;
        self.publish(&state);
        Some(slot)
    }

    /// It is open.
    pub(crate) fn opened(&self) {
        let mut state = self.lock();
        state.opening -= 1;
        state.open += 1;
        state.opened += 1;
    }

    /// It will be gone soon.
    pub(crate) fn leaving(&self) {
        let mut state = self.lock();
        state.leaving += 1;
        self.publish(&state);
    }

    /// It is gone, and so is what it was connected to.
    pub(crate) fn vacate(&self, slot: u32, stage: Stage, reason: CloseReason) {
        let mut state = self.lock();
        state.used -= 1;
        match stage {
            Stage::Opening => state.opening -= 1,
            Stage::Open | Stage::Leaving => {
                state.open -= 1;
                state.closed.count(reason);
            }
        }
        if stage == Stage::Leaving {
            state.leaving -= 1;
        }
        state.free.push(slot);
        self.publish(&state);
    }

    /// Opening works.
    pub(crate) fn succeeded(&self) {
        let mut state = self.lock();
        state.failures = 0;
        state.retry_at = 0;
        state.is_permanent = false;
        state.last_failure = None;
        self.publish(&state);
    }

    /// Opening does not work. Says whether all who wait have to be told.
    pub(crate) fn failed(
        &self,
        options: &Builder,
        failure: Arc<Failure<E>>,
        is_permanent: bool,
        now: u64,
    ) -> bool {
        let mut state = self.lock();
        state.failed += 1;
        if now >= state.retry_at {
            // Else it was tried at the same time as another one, which has failed too.
            state.failures = state.failures.saturating_add(1);
            let doubled = options.backoff_base.saturating_mul(1 << (state.failures - 1).min(20));
            let pause = doubled.min(options.backoff_max).mul_f64(0.5 + random::unit() / 2.0);
            state.retry_at = now.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
        }
        state.last_failure = Some(failure);
        state.is_permanent = is_permanent;
        self.publish(&state);
        is_permanent && state.open == state.leaving
    }

    pub(crate) fn resize(&self, max: usize) {
        let mut state = self.lock();
        state.max = max;
        self.publish(&state);
    }

    /// Whether one more of the open ones has to go.
    pub(crate) fn is_one_over(&self) -> bool {
        let state = self.lock();
        state.live() > state.max
    }

    fn publish(&self, state: &State<E>) {
        self.is_over.store(state.live() > state.max, Relaxed);
        self.has_room.store(state.used < state.max, Relaxed);
        self.is_refused.store(state.failures > 0, Relaxed);
    }
}

impl<E> State<E> {
    /// Those that are there to stay, or will be.
    pub(crate) fn live(&self) -> usize {
        self.used - self.leaving
    }

    /// As many as the keeper keeps.
    pub(crate) fn least(&self) -> usize {
        self.min.max(self.floor).min(self.max)
    }

    /// Why none could be opened last, if none has been since.
    pub(crate) fn last_failure(&self) -> Option<Arc<Failure<E>>> {
        self.last_failure.clone()
    }

    /// Why there is no point in waiting, if there is none.
    pub(crate) fn hopeless(&self, now: u64) -> Option<Arc<Failure<E>>> {
        (self.is_permanent && self.open == self.leaving && now < self.retry_at)
            .then(|| self.last_failure.clone())?
    }

    /// When opening is to be tried again, if it failed.
    pub(crate) fn retry_at(&self) -> Option<u64> {
        (self.failures > 0).then_some(self.retry_at)
    }

    /// Whether one that is in good order can be replaced without falling short of what the keeper keeps for longer than an open takes.
    pub(crate) fn can_replace(&self, options: &Builder) -> bool {
        self.live() > self.least()
            || (self.failures == 0
                && self.least() - self.live() < options.max_opening
                && self.opening < options.max_opening)
    }
}
