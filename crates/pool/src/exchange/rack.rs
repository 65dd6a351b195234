//! Places where idle things lie, and a bitmap that tells which are taken.

use std::sync::atomic::Ordering;

#[cfg(not(loom))]
use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Cell, Edge};

/// As many places as the pool can hold connections, each with a bit that says whether something lies there.
///
/// The lowest place is taken first: what is used stays in use, and the rest can age.
pub(super) struct Rack<T> {
    idle: Box<[AtomicU64]>,
    places: Box<[Place<T>]>,
}

#[cfg(not(loom))]
type Place<T> = CachePadded<Cell<T>>;
#[cfg(loom)]
type Place<T> = Cell<T>;

#[cfg(not(loom))]
fn place<T>() -> Place<T> {
    CachePadded::new(Cell::new())
}
#[cfg(loom)]
fn place<T>() -> Place<T> {
    Cell::new()
}

impl<T> Rack<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let idle = (0..capacity.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { idle, places: (0..capacity).map(|_| place()).collect() }
    }

    pub(super) fn capacity(&self) -> usize {
        self.places.len()
    }

    /// Lays a thing into its place. The caller has to publish a permit for it, or to take a thing out again.
    #[inline]
    pub(super) fn put(&self, slot: usize, thing: T) {
        self.places[slot].put(thing);
        self.idle[slot / 64].fetch_or(1 << (slot % 64), Edge::SetBit.ordering());
    }

    /// Takes out some thing, of which the caller knows that there is one: it has a permit, or has put one in for which it has published none.
    ///
    /// There are never fewer bits than those who have the right to one. A pass that finds none has been overtaken by others,
    /// who took what it saw; so somebody always advances.
    #[inline]
    pub(super) fn take_any(&self) -> T {
        #[cfg(loom)]
        let mut passes = 0;
        loop {
            for (row, bits) in self.idle.iter().enumerate() {
                let mut seen = bits.load(Ordering::Relaxed);
                while seen != 0 {
                    let bit = seen & seen.wrapping_neg();
                    seen = bits.fetch_and(!bit, Edge::ClearBit.ordering());
                    if seen & bit != 0 {
                        return self.places[row * 64 + bit.trailing_zeros() as usize].take();
                    }
                }
            }
            #[cfg(loom)]
            {
                // As often as the models' other threads can move a bit out of sight. With a permit that was taken without `Edge::TakePermit` there is no bound.
                passes += 1;
                assert!(passes < 4, "whoever has a permit finds a bit");
            }
            std::hint::spin_loop();
        }
    }

    /// Takes out what lies in this very place, if anything does.
    pub(super) fn take_from(&self, slot: usize) -> Option<T> {
        let bit = 1 << (slot % 64);
        let seen = self.idle[slot / 64].fetch_and(!bit, Edge::ClearBit.ordering());
        (seen & bit != 0).then(|| self.places[slot].take())
    }

    /// Whether something lies in a place: out of date as soon as it is said.
    pub(super) fn is_idle(&self, slot: usize) -> bool {
        self.idle[slot / 64].load(Ordering::Relaxed) & (1 << (slot % 64)) != 0
    }
}
