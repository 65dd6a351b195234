//! The handle that applications hold.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::pooled::Pooled;
use crate::shared::Shared;
use crate::{Builder, CheckoutError, CloseReason, Failure, Holder, Manager, OutOfRange, Stats, StillInUse};

/// A pool of connections. Cloning it gives another handle to the same pool, which is closed when the last handle is dropped.
///
/// Its methods come in three kinds:
///
/// - [`checkout`](Self::checkout) lends a connection;
/// - commands ([`resize`](Self::resize), [`retire_all`](Self::retire_all), [`warm_up`](Self::warm_up), [`close`](Self::close)) change the pool as a whole;
/// - [`stats`](Self::stats) and [`holders`](Self::holders) say how it is doing, without getting in anyone's way.
///
/// Work that nobody should wait for is done by its *keeper*, a task on the runtime of whoever needed one first; when that runtime ends, the next caller's runtime gets
/// it. So a pool in a `static` can be used by one runtime after another. The runtime needs tokio's timers.
pub struct Pool<M: Manager> {
    shared: Arc<Shared<M>>,
    /// Counts handles.
    handles: Arc<Handles<M>>,
}

impl<M: Manager> Pool<M> {
    /// All defaults are those of [`Builder`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(manager: M, options: Builder, capacity: usize) -> Self {
        let shared = Arc::new(Shared::new(manager, options, capacity));
        shared.ensure_keeper();
        let handles = Arc::new(Handles(Arc::clone(&shared)));
        Self { shared, handles }
    }

    /// Lends a connection: an idle one at once, else the first that comes free or is opened. Callers are served in the order in which they came.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::TimedOut`] after `acquire_timeout`, with the state of the pool; the other variants say what they are about.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the line; what had been handed to it already goes to the next. A connection that was being opened for it stays in the pool. Dropped within a check or a hook,
    /// the connection goes back as it is, and is cleaned if the manager finds it dirty.
    #[track_caller]
    pub fn checkout(
        &self,
    ) -> impl Future<Output = Result<Pooled<M>, CheckoutError<M::Error>>> + Send + use<'_, M> {
        self.shared.checkout(self.shared.options.acquire_timeout, Location::caller())
    }

    /// [`checkout`](Self::checkout) with a deadline of its own.
    ///
    /// # Errors
    ///
    /// As for [`checkout`](Self::checkout).
    ///
    /// # Cancel safety
    ///
    /// As for [`checkout`](Self::checkout).
    #[track_caller]
    pub fn checkout_within(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<Pooled<M>, CheckoutError<M::Error>>> + Send + use<'_, M> {
        self.shared.checkout(limit, Location::caller())
    }

    /// [`checkout`](Self::checkout) for those who know on whose behalf they ask.
    ///
    /// # Errors
    ///
    /// As for [`checkout`](Self::checkout).
    ///
    /// # Cancel safety
    ///
    /// As for [`checkout`](Self::checkout).
    pub fn checkout_at(
        &self,
        location: &'static Location<'static>,
    ) -> impl Future<Output = Result<Pooled<M>, CheckoutError<M::Error>>> + Send + use<'_, M> {
        self.shared.checkout(self.shared.options.acquire_timeout, location)
    }

    /// Changes how many connections there may be. Too many idle ones are closed, those in use when they come back; who waits gets a new one where there is room now.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] for 0, and for more than `max_capacity`.
    pub fn resize(&self, max_size: usize) -> Result<(), OutOfRange> {
        let max_capacity = self.shared.exchange.capacity();
        if max_size == 0 || max_size > max_capacity {
            return Err(OutOfRange { asked: max_size, max_capacity });
        }
        self.shared.roster.resize(max_size);
        self.shared.office.wake();
        Ok(())
    }

    /// Lends none of the connections that exist now any more: idle ones are closed, those in use when they come back.
    pub fn retire_all(&self) {
        self.shared.generation.fetch_add(1, Relaxed);
        for slot in 0..self.shared.exchange.capacity() {
            if let Some(entry) = self.shared.claim(slot) {
                self.shared.dismiss(entry, CloseReason::Retired);
            }
        }
    }

    /// Opens connections until there are so many (`max_size` at most), and waits for that.
    ///
    /// # Errors
    ///
    /// Why the last attempt to open one failed, if that was permanent or `limit` has passed; [`CheckoutError::TimedOut`] if none has failed.
    ///
    /// # Cancel safety
    ///
    /// What has been opened stays.
    pub async fn warm_up(&self, connections: usize, limit: Duration) -> Result<(), CheckoutError<M::Error>> {
        let shared = &self.shared;
        let deadline = Instant::now() + limit;
        let _floor = Floor(shared);
        loop {
            let mut changed = std::pin::pin!(shared.changed.notified());
            changed.as_mut().enable();
            if shared.exchange.is_closed() {
                return Err(CheckoutError::Closed);
            }
            if !shared.ensure_keeper() {
                return Err(CheckoutError::NoRuntime);
            }
            let failure = {
                let mut roster = shared.roster.lock();
                // Each time: another call that has ended may have taken the floor away.
                roster.floor = roster.floor.max(connections);
                if roster.open >= connections.min(roster.max) {
                    return Ok(());
                }
                roster.hopeless(shared.now())
            };
            if let Some(failure) = failure {
                return Err(CheckoutError::CannotOpen(failure));
            }
            shared.office.wake();
            if timeout_at(deadline, changed).await.is_err() {
                let failure = shared.roster.lock().last_failure();
                return Err(match failure {
                    Some(failure) => CheckoutError::CannotOpen(failure),
                    None => shared.timed_out_after(limit),
                });
            }
        }
    }

    /// Closes the pool: nothing is lent or opened any more, who waits is told, idle connections are closed, those in use when they come back. Waits until all are gone.
    ///
    /// # Errors
    ///
    /// [`StillInUse`] if some were not back when `limit` had passed. The pool is closed all the same.
    ///
    /// # Cancel safety
    ///
    /// The pool is closed once this was polled; only the waiting ends.
    pub async fn close(&self, limit: Duration) -> Result<(), StillInUse> {
        let shared = &self.shared;
        let deadline = Instant::now() + limit;
        // Somebody has to say goodbye to them.
        shared.ensure_keeper();
        shared.close();
        loop {
            let mut changed = std::pin::pin!(shared.changed.notified());
            changed.as_mut().enable();
            if shared.roster.lock().used == 0 {
                return Ok(());
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Err(StillInUse { holders: shared.holders() });
            }
        }
    }

    /// Whether the pool is closed, or being closed.
    pub fn is_closed(&self) -> bool {
        self.shared.exchange.is_closed()
    }

    /// How the pool is doing.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Who holds a connection, and for how long: whoever does so for longest comes first.
    pub fn holders(&self) -> Vec<Holder> {
        self.shared.holders()
    }

    /// Why the last attempt to open a connection failed, if none has worked since.
    pub fn last_open_failure(&self) -> Option<Arc<Failure<M::Error>>> {
        self.shared.roster.lock().last_failure()
    }

    /// What opens its connections.
    pub fn manager(&self) -> &M {
        &self.shared.manager
    }
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), handles: Arc::clone(&self.handles) }
    }
}

impl<M: Manager> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Idle connections have a part in what they are kept in; closing when nobody has a handle any more is what undoes that.
struct Handles<M: Manager>(Arc<Shared<M>>);

impl<M: Manager> Drop for Handles<M> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// More connections than `min_size`, for as long as somebody waits for them.
struct Floor<'a, M: Manager>(&'a Shared<M>);

impl<M: Manager> Drop for Floor<'_, M> {
    fn drop(&mut self) {
        self.0.roster.lock().floor = 0;
        // There may be more now than are kept.
        self.0.office.wake();
    }
}
