//! A connection that a caller holds.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::entry::Entry;
use crate::shared::Shared;
use crate::{CloseReason, Manager};

/// A connection of a pool, lent to whoever holds this.
///
/// Dropping it gives it back, at once and without waiting: a clean one to whoever has waited longest, a dirty one to the pool's keeper, a broken one to nobody. Dropping spawns nothing and needs no
/// runtime. One that is leaked ([`std::mem::forget`]) keeps its place in the pool for good.
#[must_use = "a connection that is not held goes back into the pool"]
pub struct Pooled<M: Manager> {
    /// None only while it is being dropped or detached.
    entry: Option<Box<Entry<M>>>,
    shared: Arc<Shared<M>>,
}

impl<M: Manager> Pooled<M> {
    /// Lends a connection: whoever looks for its holder sees the location. Says since when it has idled.
    #[inline]
    pub(crate) fn new(
        mut entry: Box<Entry<M>>,
        shared: Arc<Shared<M>>,
        now: u64,
        location: &'static Location<'static>,
    ) -> (Self, u64) {
        entry.checked_out_at = now;
        let desk = shared.desk(&entry);
        let since = desk.since.load(Relaxed);
        desk.since.store(now, Relaxed);
        desk.holder.store(Some(location));
        (Self { entry: Some(entry), shared }, since)
    }

    #[inline]
    pub(crate) fn entry(&mut self) -> &mut Entry<M> {
        self.entry.as_mut().expect("it is held until it is dropped")
    }

    fn take(mut self) -> Entry<M> {
        *self.entry.take().expect("it is held until it is dropped")
    }

    /// Closes it.
    pub(crate) fn dismiss(mut self, reason: CloseReason) {
        if let Some(entry) = self.entry.take() {
            self.shared.dismiss(entry, reason);
        }
    }

    /// Takes the connection out of the pool, which may open another one in its place.
    pub fn detach(pooled: Self) -> M::Connection {
        let shared = Arc::clone(&pooled.shared);
        let entry = pooled.take();
        shared.desk(&entry).holder.store(None);
        let Entry { connection, mut seat, checked_out_at, .. } = entry;
        seat.leave(CloseReason::Detached);
        shared.measure_use(checked_out_at);
        connection
    }

    /// Gives the connection back to be closed, though nothing may be wrong with it.
    pub fn retire(mut pooled: Self) {
        let checked_out_at = pooled.entry().checked_out_at;
        let shared = Arc::clone(&pooled.shared);
        pooled.dismiss(CloseReason::Retired);
        shared.measure_use(checked_out_at);
    }
}

impl<M: Manager> Deref for Pooled<M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        &self.entry.as_ref().expect("it is held until it is dropped").connection
    }
}

impl<M: Manager> DerefMut for Pooled<M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.entry().connection
    }
}

impl<M: Manager> Drop for Pooled<M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            let checked_out_at = entry.checked_out_at;
            self.shared.take_back(entry);
            self.shared.measure_use(checked_out_at);
        }
    }
}

impl<M: Manager<Connection: fmt::Debug>> fmt::Debug for Pooled<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&self.entry.as_ref().map(|entry| &entry.connection)).finish()
    }
}
