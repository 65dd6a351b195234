//! The pool's keeper: a task that opens, ages out, cleans and closes, so that callers need not.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::chores;
use crate::entry::{Entry, Seat};
use crate::home::Home;
use crate::shared::{Desk, NEVER, Refusal, Shared};
use crate::sync::lock;
use crate::{CloseReason, Manager};

/// What the keeper is to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Clean it, run the hook, lend it.
    Clean,
    /// Run the hook `before_return`, lend it.
    RunHook,
    /// Say goodbye.
    Close,
}

/// Where the keeper is reached, if there is one.
pub(crate) struct Office<M: Manager> {
    is_on_duty: AtomicBool,
    wake: Notify,
    /// When the keeper wakes by itself. [`NEVER`] also while it is awake: whoever comes then wakes it once more.
    wakes_at: AtomicU64,
    inbox: Mutex<Inbox<M>>,
}

struct Inbox<M: Manager> {
    /// The runtime of the keeper on duty.
    home: Option<Arc<Home>>,
    /// Counts keepers. One that is not the last any more goes home.
    shift: u64,
    entries: Vec<(Box<Entry<M>>, Errand)>,
}

impl<M: Manager> Default for Office<M> {
    fn default() -> Self {
        Self {
            is_on_duty: AtomicBool::new(false),
            wake: Notify::new(),
            wakes_at: AtomicU64::new(NEVER),
            inbox: Mutex::new(Inbox { home: None, shift: 0, entries: Vec::new() }),
        }
    }
}

impl<M: Manager> Office<M> {
    /// Whether there is a keeper.
    #[inline]
    pub(crate) fn is_on_duty(&self) -> bool {
        self.is_on_duty.load(Relaxed)
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Wakes the keeper unless it wakes in time by itself.
    pub(crate) fn wake_before(&self, deadline: u64) {
        // Whoever joined the line after the keeper had looked at it sees what the keeper wrote before: see `run`.
        if deadline < self.wakes_at.load(Relaxed) {
            // Once is enough, until the keeper has looked again. In this order: the keeper, woken by this call, writes after it.
            self.wakes_at.store(deadline, Relaxed);
            self.wake();
        }
    }

    /// Gives the connection back if there is no keeper.
    pub(crate) fn hand_in(&self, entry: Box<Entry<M>>, errand: Errand) -> Result<(), Box<Entry<M>>> {
        let mut inbox = lock(&self.inbox);
        if inbox.home.is_none() {
            return Err(entry);
        }
        inbox.entries.push((entry, errand));
        drop(inbox);
        self.wake();
        Ok(())
    }

    fn collect(&self) -> Vec<(Box<Entry<M>>, Errand)> {
        std::mem::take(&mut lock(&self.inbox).entries)
    }

    fn shift(&self) -> u64 {
        lock(&self.inbox).shift
    }
}

impl<M: Manager> Shared<M> {
    /// Sees to it that there is a keeper who can be counted on from here. Says whether there is.
    ///
    /// A keeper on somebody else's current-thread runtime works only while that runtime is in its `block_on`; it is relieved.
    pub(crate) fn ensure_keeper(self: &Arc<Self>) -> bool {
        if lock(&self.office.inbox).home.as_ref().is_some_and(|home| home.is_usable_here()) {
            return true;
        }
        let Ok(handle) = Handle::try_current() else { return false };
        let home = self.homes.here(&handle);
        let mut inbox = lock(&self.office.inbox);
        if inbox.home.as_ref().is_some_and(|home| home.is_usable_here()) {
            return true;
        }
        inbox.home = Some(Arc::clone(&home));
        inbox.shift += 1;
        let number = inbox.shift;
        self.office.is_on_duty.store(true, Relaxed);
        drop(inbox);
        let shift = Shift { shared: Arc::clone(self), number };
        handle.spawn(run(shift, home));
        true
    }
}

/// A keeper's time on duty. However it ends, nothing is left lying in the office, and who waits hears that a new keeper is needed.
struct Shift<M: Manager> {
    shared: Arc<Shared<M>>,
    number: u64,
}

impl<M: Manager> Shift<M> {
    fn is_relieved(&self) -> bool {
        self.shared.office.shift() != self.number
    }
}

impl<M: Manager> Drop for Shift<M> {
    fn drop(&mut self) {
        let office = &self.shared.office;
        let mut inbox = lock(&office.inbox);
        if inbox.shift != self.number {
            drop(inbox);
            // The call that has woken this one was for the other.
            office.wake();
            return;
        }
        inbox.home = None;
        office.is_on_duty.store(false, Relaxed);
        let left = std::mem::take(&mut inbox.entries);
        drop(inbox);
        drop(left);
        self.shared.exchange.everyone().into_iter().for_each(Waker::wake);
    }
}

async fn run<M: Manager>(shift: Shift<M>, home: Arc<Home>) {
    let shared = &shift.shared;
    let office = &shared.office;
    let mut last_look = 0;
    while !shift.is_relieved() {
        // From here on, whoever joins the line wakes this task again. Who has joined before is seen below, since both take the line's lock.
        office.wakes_at.store(NEVER, Relaxed);
        let now = shared.now();
        for (entry, errand) in office.collect() {
            let _detached = tokio::spawn(chores::run(Arc::clone(shared), entry, errand));
        }
        if shared.exchange.is_closed() {
            shared.drain();
            if shared.roster.lock().used == 0 {
                return;
            }
        }
        let next = [
            age_out(shared, now),
            refuse(shared, now),
            open_missing(shared, &home, now),
            tick(shared, last_look, now),
        ];
        let next = next.into_iter().min().unwrap_or(NEVER);
        last_look = now;
        office.wakes_at.store(next, Relaxed);
        // A connection that came in meanwhile has left a wake-up.
        tokio::select! {
            () = office.wake.notified() => (),
            () = sleep_until(shared.instant(next)), if next != NEVER => (),
        }
    }
}

/// Keeps the clock going while anything is in use: what comes back then is not taken for older than it is.
fn tick<M: Manager>(shared: &Shared<M>, last_look: u64, now: u64) -> u64 {
    let is_used = |desk: &Desk| desk.holder.load().is_some() || desk.since.load(Relaxed) > last_look;
    if shared.desks.iter().any(|desk| is_used(desk)) { now.saturating_add(shared.tick) } else { NEVER }
}

/// Tells those who have waited long enough. Says when the next one will have.
fn refuse<M: Manager>(shared: &Shared<M>, now: u64) -> u64 {
    let (wakers, next) = shared.exchange.refuse_until(now, || Refusal::TimedOut);
    wakers.into_iter().for_each(Waker::wake);
    next
}

/// Opens what is wanted and may be opened. Says when to try again.
fn open_missing<M: Manager>(shared: &Arc<Shared<M>>, home: &Arc<Home>, now: u64) -> u64 {
    if shared.exchange.is_closed() {
        return NEVER;
    }
    let waiting = shared.exchange.waiting_now() as usize;
    while let Some(slot) = shared.roster.reserve(&shared.options, waiting, now) {
        let seat = Seat::new(Arc::clone(shared), slot);
        let _detached = tokio::spawn(chores::open(Arc::clone(shared), seat, Arc::clone(home)));
    }
    let roster = shared.roster.lock();
    let wanted = roster.live() < roster.least() || waiting > roster.opening;
    roster.retry_at().filter(|at| wanted && *at > now).unwrap_or(NEVER)
}

/// Closes what has idled for too long, is too old, or is too much. Says when there will be more of that.
fn age_out<M: Manager>(shared: &Arc<Shared<M>>, now: u64) -> u64 {
    let idle_timeout = shared.options.idle_timeout.map_or(NEVER, crate::shared::nanos);
    let mut next = NEVER;
    for (slot, desk) in shared.desks.iter().enumerate() {
        if !shared.exchange.is_idle(slot) {
            continue;
        }
        let (live, max, least, can_replace) = {
            let roster = shared.roster.lock();
            (roster.live(), roster.max, roster.least(), roster.can_replace(&shared.options))
        };
        let expires_at = desk.expires_at.load(Relaxed);
        let idles_until = desk.since.load(Relaxed).saturating_add(idle_timeout);
        let reason = if live > max {
            CloseReason::Resized
        } else if expires_at <= now {
            if !can_replace {
                // A replacement that is being opened, or cannot be, wakes the keeper.
                continue;
            }
            CloseReason::MaxLifetime
        } else if idles_until <= now && live > least {
            CloseReason::IdleTimeout
        } else {
            next = next.min(expires_at);
            if live > least {
                next = next.min(idles_until);
            }
            continue;
        };
        if let Some(entry) = shared.claim(slot) {
            shared.dismiss(entry, reason);
        }
    }
    next
}
