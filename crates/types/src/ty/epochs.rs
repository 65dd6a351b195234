//! How long what was learnt of types is true.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts how often what is known of a server's types has proven wrong.
///
/// Whoever learns types makes them [`of`](super::Type::learnt_in) an epoch. A value that contradicts the definition of its type ends that
/// epoch, wherever it is decoded, so that the types are learnt again before they are used next.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Epochs(Arc<AtomicU64>);

impl Epochs {
    /// The epoch that it is.
    #[inline]
    pub fn now(&self) -> u64 {
        // Relaxed, here and below: the number alone is of interest, and nothing is published by it.
        self.0.load(Ordering::Relaxed)
    }

    /// Ends an epoch, if it is the one that it is: however many values contradict what was learnt in it, it ends once.
    #[cold]
    pub fn end(&self, epoch: u64) {
        let _ = self.0.compare_exchange(epoch, epoch.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Ends the epoch that it is.
    pub fn end_this(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
