//! What all handles of a pool, its connections and its keeper share.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::entry::Entry;
use crate::exchange::{Claimed, Exchange};
use crate::home::Homes;
use crate::keeper::{Errand, Office};
use crate::roster::Roster;
use crate::stats::WaitCounters;
use crate::within::caught;
use crate::{Builder, CloseReason, Condition, Failure, Holder, Manager, Stats, Step};

/// What who waits is told, if it is no connection.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    TimedOut,
    CannotOpen(Arc<Failure<E>>),
    Closed,
}

/// The inside of a pool.
pub(crate) struct Shared<M: Manager> {
    pub(crate) exchange: Exchange<Box<Entry<M>>, Refusal<M::Error>>,
    pub(crate) desks: Box<[CachePadded<Desk>]>,
    pub(crate) manager: M,
    pub(crate) options: Builder,
    pub(crate) check_after: u64,
    /// How often the clock is looked at while anything is in use.
    pub(crate) tick: u64,
    pub(crate) roster: Roster<M::Error>,
    pub(crate) office: Office<M>,
    pub(crate) homes: Homes,
    pub(crate) waits: WaitCounters,
    pub(crate) timed_out: AtomicU64,
    /// Connections of an earlier generation are not lent any more.
    pub(crate) generation: AtomicU64,
    /// A seat has changed, or opening has failed.
    pub(crate) changed: Notify,
    pub(crate) closing: watch::Sender<bool>,
    epoch: Instant,
    /// The time when it was last looked at: behind by a `tick` at most, while anything is in use.
    clock: AtomicU64,
}

/// What everybody may know about the connection in one place. Written by whoever has it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Since when it is idle, or in use.
    pub(crate) since: AtomicU64,
    pub(crate) expires_at: AtomicU64,
    /// Who holds it.
    pub(crate) holder: AtomicCell<Option<&'static Location<'static>>>,
    /// How often it was checked out without waiting.
    pub(crate) immediate: AtomicU64,
}

/// A time that does not come.
pub(crate) const NEVER: u64 = u64::MAX;

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// What seems to have idled for longer than it has is checked, or closed, without need; so the clock is looked at four times as often as that matters.
fn tick(options: &Builder) -> u64 {
    let limits = [options.check_after, options.idle_timeout, options.max_lifetime];
    let shortest = limits.into_iter().flatten().min().map_or(NEVER, nanos);
    (shortest / 4).max(1_000_000)
}

impl<M: Manager> Shared<M> {
    pub(crate) fn new(manager: M, options: Builder, capacity: usize) -> Self {
        Self {
            exchange: Exchange::new(capacity),
            desks: (0..capacity).map(|_| CachePadded::default()).collect(),
            manager,
            check_after: options.check_after.map_or(NEVER, nanos),
            tick: tick(&options),
            roster: Roster::new(&options, capacity),
            options,
            office: Office::default(),
            homes: Homes::default(),
            waits: WaitCounters::default(),
            timed_out: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            changed: Notify::new(),
            closing: watch::Sender::new(false),
            epoch: Instant::now(),
            clock: AtomicU64::new(0),
        }
    }

    /// Nanoseconds since the pool was made.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let since = Instant::now().duration_since(self.epoch);
        let now = since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(since.subsec_nanos()));
        // Written once in a millisecond: others read it all the time.
        if now > self.clock.load(Relaxed) + 1_000_000 {
            self.clock.store(now, Relaxed);
        }
        now
    }

    pub(crate) fn instant(&self, at: u64) -> Instant {
        self.epoch + Duration::from_nanos(at)
    }

    #[inline]
    pub(crate) fn desk(&self, entry: &Entry<M>) -> &Desk {
        &self.desks[entry.seat.slot()]
    }

    /// Takes back what a caller has done with.
    #[inline]
    pub(crate) fn take_back(self: &Arc<Self>, mut entry: Box<Entry<M>>) {
        self.desk(&entry).holder.store(None);
        match caught(Step::Condition, || self.manager.condition(&mut entry.connection)) {
            Ok(Condition::Clean) if !M::HAS_BEFORE_RETURN => self.put_back(entry),
            Ok(Condition::Clean) => self.hand_in(entry, Errand::RunHook),
            Ok(Condition::Dirty) => self.hand_in(entry, Errand::Clean),
            Ok(Condition::Broken) => self.dismiss(entry, CloseReason::Broken),
            Err(failure) => {
                self.manager.observe(&failure);
                self.dismiss(entry, CloseReason::Broken);
            }
        }
    }

    /// A caller has done with what it had since `checked_out_at`.
    #[inline]
    pub(crate) fn measure_use(&self, checked_out_at: u64) {
        if M::MEASURES {
            let held_for = Duration::from_nanos(self.now().saturating_sub(checked_out_at));
            // A panic here is nobody's error.
            let _ = caught::<_, M::Error>(Step::Condition, || self.manager.observe_use(held_for));
        }
    }

    /// Lends a clean connection to whoever is next, unless its time is over.
    #[inline]
    pub(crate) fn put_back(self: &Arc<Self>, entry: Box<Entry<M>>) {
        // Not later than the truth: what seems to have idled for longer is checked once too often, and nothing worse.
        let now = self.clock.load(Relaxed).max(entry.checked_out_at);
        if let Some(reason) = self.is_over(&entry, now) {
            return self.dismiss(entry, reason);
        }
        self.desk(&entry).since.store(now, Relaxed);
        match self.exchange.give(entry) {
            Ok(None) => (),
            Ok(Some(waker)) => waker.wake(),
            Err(entry) => self.dismiss(entry, CloseReason::PoolClosed),
        }
    }

    #[inline]
    fn is_over(&self, entry: &Entry<M>, now: u64) -> Option<CloseReason> {
        if now >= entry.expires_at && !self.roster.is_refused.load(Relaxed) {
            Some(CloseReason::MaxLifetime)
        } else if entry.generation != self.generation.load(Relaxed) {
            Some(CloseReason::Retired)
        } else if self.roster.is_over.load(Relaxed) && self.roster.is_one_over() {
            Some(CloseReason::Resized)
        } else {
            None
        }
    }

    /// Closes a connection. One that is in order is told so by the keeper, if there is one.
    #[cold]
    pub(crate) fn dismiss(self: &Arc<Self>, mut entry: Box<Entry<M>>, reason: CloseReason) {
        self.desk(&entry).holder.store(None);
        entry.seat.leave(reason);
        match reason {
            CloseReason::Broken
            | CloseReason::CheckFailed
            | CloseReason::CannotClean
            | CloseReason::HookFailed
            | CloseReason::RuntimeEnded
            | CloseReason::Detached => drop(entry),
            CloseReason::IdleTimeout
            | CloseReason::MaxLifetime
            | CloseReason::Retired
            | CloseReason::Resized
            | CloseReason::PoolClosed => self.hand_in(entry, Errand::Close),
        }
    }

    /// Leaves a connection to the keeper. Without one it is closed: nothing is spawned here.
    #[cold]
    pub(crate) fn hand_in(&self, entry: Box<Entry<M>>, errand: Errand) {
        if let Err(mut entry) = self.office.hand_in(entry, errand) {
            entry.seat.leave(CloseReason::CannotClean);
        }
    }

    /// There is a seat more.
    pub(crate) fn seat_vacated(&self) {
        self.office.wake();
        self.changed.notify_waiters();
    }

    /// Closes whatever is idle and has to go: all of it if the pool is closed.
    pub(crate) fn drain(self: &Arc<Self>) {
        while let Some(entry) = self.exchange.drain() {
            self.dismiss(entry, CloseReason::PoolClosed);
        }
    }

    /// Takes what idles in one place.
    pub(crate) fn claim(self: &Arc<Self>, slot: usize) -> Option<Box<Entry<M>>> {
        match self.exchange.claim(slot) {
            Claimed::Got(entry) => Some(entry),
            Claimed::Other(entry) => {
                self.put_back(entry);
                None
            }
            Claimed::Nothing => None,
        }
    }

    /// No more. What is idle is closed, who waits is told.
    pub(crate) fn close(self: &Arc<Self>) {
        self.exchange.close(|| Refusal::Closed).into_iter().for_each(Waker::wake);
        self.closing.send_replace(true);
        self.drain();
        self.office.wake();
    }

    /// Opening one has failed.
    pub(crate) fn open_failed(&self, failure: Failure<M::Error>) {
        let is_permanent = failure.manager_error().is_some_and(|error| {
            caught::<_, M::Error>(Step::Open, || self.manager.is_permanent(error)).unwrap_or(false)
        });
        self.manager.observe(&failure);
        let failure = Arc::new(failure);
        if self.roster.failed(&self.options, Arc::clone(&failure), is_permanent, self.now()) {
            let refusal = || Refusal::CannotOpen(Arc::clone(&failure));
            let (wakers, _) = self.exchange.refuse_until(NEVER, refusal);
            wakers.into_iter().for_each(Waker::wake);
        }
        self.changed.notify_waiters();
    }

    /// Who holds a connection, longest first.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let now = self.now();
        let held = |desk: &CachePadded<Desk>| {
            let location = desk.holder.load()?;
            let held_for = Duration::from_nanos(now.saturating_sub(desk.since.load(Relaxed)));
            Some(Holder { location, held_for })
        };
        let mut holders: Vec<_> = self.desks.iter().filter_map(held).collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        holders
    }

    pub(crate) fn stats(&self) -> Stats {
        let in_use = self.desks.iter().filter(|desk| desk.holder.load().is_some()).count();
        let immediate = self.desks.iter().map(|desk| desk.immediate.load(Relaxed)).sum();
        let roster = self.roster.lock();
        Stats {
            max_size: roster.max,
            size: roster.used,
            open: roster.open,
            idle: self.exchange.idle() as usize,
            in_use,
            opening: roster.opening,
            waiting: self.exchange.waiting() as usize,
            opened: roster.opened,
            closed: roster.closed,
            open_failures: roster.failed,
            timed_out: self.timed_out.load(Relaxed),
            waits: self.waits.read(immediate),
        }
    }
}
