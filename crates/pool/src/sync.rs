//! What threads share, from std or from loom, and every ordering that the pool's correctness rests on.

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU64};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU64};

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Locks, whatever became of another thread that had the lock.
///
/// Nothing panics under a lock of the pool's but on running out of memory, and what they guard is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One side of a pair that makes one thread see what another has written.
///
/// Everything else in `exchange` is `Relaxed`, because a lock or the value itself is all that is needed. Each of these is needed: with any one
/// relaxed, a model fails (`cargo xtask loom --weaken NAME`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edge {
    /// Release: a permit is published. Pairs with [`Edge::TakePermit`], so that who has a permit sees a place's idle bit set.
    GivePermit,
    /// Acquire: a permit is taken.
    TakePermit,
    /// Release: a place's idle bit is set. Pairs with [`Edge::ClearBit`], so that who clears the bit sees what lies there. The permit alone
    /// would not do: the bit that is found may be of somebody who has not published a permit yet.
    SetBit,
    /// Acquire: a place's idle bit is cleared, and what lies there is the caller's.
    ClearBit,
}

impl Edge {
    /// The ordering to use.
    #[inline]
    pub(crate) fn ordering(self) -> Ordering {
        #[cfg(loom)]
        if self.is_weakened() {
            return Ordering::Relaxed;
        }
        match self {
            Self::GivePermit | Self::SetBit => Ordering::Release,
            Self::TakePermit | Self::ClearBit => Ordering::Acquire,
        }
    }

    /// Whether this run is to show that the models notice.
    #[cfg(loom)]
    fn is_weakened(self) -> bool {
        static WEAKENED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let name = WEAKENED.get_or_init(|| std::env::var("CORNAC_LOOM_WEAKEN").ok());
        name.as_ref().is_some_and(|name| *name == format!("{self:?}"))
    }
}

/// A place that holds one value or none, which whoever has the right to it puts in and takes out without waiting.
///
/// Under loom it is a flag that knows no ordering beside the values: a model then fails unless the edges above alone make a value visible, and nobody else
/// touches it meanwhile. In a real build an `AtomicCell` of a pointer's size is lock-free and, in itself, safe.
#[cfg(not(loom))]
pub(crate) struct Cell<T>(crossbeam_utils::atomic::AtomicCell<Option<T>>);

#[cfg(not(loom))]
impl<T> Cell<T> {
    /// An empty place.
    pub(crate) fn new() -> Self {
        const { assert!(crossbeam_utils::atomic::AtomicCell::<Option<T>>::is_lock_free(), "a value is a pointer") };
        Self(crossbeam_utils::atomic::AtomicCell::new(None))
    }

    /// Puts a value into the place, which is empty.
    #[inline]
    pub(crate) fn put(&self, value: T) {
        let before = self.0.swap(Some(value));
        debug_assert!(before.is_none(), "a place holds one value");
    }

    /// Takes the value out.
    #[inline]
    pub(crate) fn take(&self) -> T {
        self.0.take().expect("whoever has cleared the idle bit finds a value")
    }
}

#[cfg(loom)]
pub(crate) struct Cell<T> {
    full: loom::sync::atomic::AtomicBool,
    value: std::sync::Mutex<Option<T>>,
}

#[cfg(loom)]
impl<T> Cell<T> {
    pub(crate) fn new() -> Self {
        Self { full: loom::sync::atomic::AtomicBool::new(false), value: std::sync::Mutex::new(None) }
    }

    pub(crate) fn put(&self, value: T) {
        assert!(!self.full.load(Ordering::Relaxed), "a place holds one value");
        *self.value.lock().unwrap() = Some(value);
        self.full.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> T {
        assert!(self.full.load(Ordering::Relaxed), "whoever has cleared the idle bit finds a value");
        self.full.store(false, Ordering::Relaxed);
        self.value.lock().unwrap().take().expect("whoever has cleared the idle bit finds a value")
    }
}
