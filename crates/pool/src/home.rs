//! The runtime that a connection lives on.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::sync::Notify;

use crate::sync::lock;

/// A runtime on which connections were opened. Their sockets and timers are of no use once it has ended.
#[derive(Debug)]
pub(crate) struct Home {
    id: Id,
    /// A runtime with threads of its own drives its sockets whoever uses them; one without does it only while somebody is in its `block_on`.
    drives_itself: bool,
    ended: AtomicBool,
}

impl Home {
    /// Whether a connection of this runtime can be used by whoever asks.
    #[inline]
    pub(crate) fn is_usable_here(&self) -> bool {
        // Relaxed: nothing is read that was written before. A runtime that ends just now is seen by the connection.
        !self.ended.load(Relaxed)
            && (self.drives_itself || Handle::try_current().is_ok_and(|handle| handle.id() == self.id))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// The runtimes that a pool has opened connections on.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    known: Mutex<Vec<Arc<Home>>>,
    /// Tells the sentinels that the pool is gone.
    pool_gone: Arc<Notify>,
}

impl Homes {
    /// The runtime that this is called on.
    pub(crate) fn here(&self, handle: &Handle) -> Arc<Home> {
        let id = handle.id();
        let mut known = lock(&self.known);
        known.retain(|home| !home.has_ended());
        if let Some(home) = known.iter().find(|home| home.id == id) {
            return Arc::clone(home);
        }
        let drives_itself = handle.runtime_flavor() != RuntimeFlavor::CurrentThread;
        let home = Arc::new(Home { id, drives_itself, ended: AtomicBool::new(false) });
        known.push(Arc::clone(&home));
        drop(known);
        // A task that is dropped when its runtime ends is the one way to hear of that.
        let sentinel = Sentinel(Arc::clone(&home));
        let gone = Arc::clone(&self.pool_gone);
        handle.spawn(async move {
            let _sentinel = sentinel;
            gone.notified().await;
            gone.notify_one();
        });
        home
    }
}

impl Drop for Homes {
    fn drop(&mut self) {
        // One permit is kept for one sentinel that has not been polled yet; each that ends passes it on.
        self.pool_gone.notify_waiters();
        self.pool_gone.notify_one();
    }
}

struct Sentinel(Arc<Home>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.0.ended.store(true, Relaxed);
    }
}
