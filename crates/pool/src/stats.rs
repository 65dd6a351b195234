//! What can be known about a pool from outside.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// It idled for too long, beyond `min_size`.
    IdleTimeout,
    /// It was old.
    MaxLifetime,
    /// It came back broken, or a look at it before a checkout said so.
    Broken,
    /// It did not pass its check.
    CheckFailed,
    /// It came back dirty and could not be cleaned.
    CannotClean,
    /// A hook failed.
    HookFailed,
    /// Its runtime had ended, or could not be counted on.
    RuntimeEnded,
    /// By `retire` or `retire_all`.
    Retired,
    /// `resize` had made the pool smaller.
    Resized,
    /// It is its caller's now, by `detach`.
    Detached,
    /// The pool was closed.
    PoolClosed,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::IdleTimeout,
        Self::MaxLifetime,
        Self::Broken,
        Self::CheckFailed,
        Self::CannotClean,
        Self::HookFailed,
        Self::RuntimeEnded,
        Self::Retired,
        Self::Resized,
        Self::Detached,
        Self::PoolClosed,
    ];

    /// A name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::MaxLifetime => "max_lifetime",
            Self::Broken => "broken",
            Self::CheckFailed => "check_failed",
            Self::CannotClean => "cannot_clean",
            Self::HookFailed => "hook_failed",
            Self::RuntimeEnded => "runtime_ended",
            Self::Retired => "retired",
            Self::Resized => "resized",
            Self::Detached => "detached",
            Self::PoolClosed => "pool_closed",
        }
    }
}

/// How many connections were closed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed([u64; CloseReason::ALL.len()]);

impl Closed {
    /// For one reason.
    pub fn by(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize]
    }

    /// For any.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn count(&mut self, reason: CloseReason) {
        self.0[reason as usize] += 1;
    }
}

/// A pool at one moment. The parts are read one after the other, while others go on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// As many connections as there may be.
    pub max_size: usize,
    /// Connections that are there, being opened or being closed.
    pub size: usize,
    /// Connections that are there: `opened` less `closed`.
    pub open: usize,
    /// Those that are idle.
    pub idle: usize,
    /// Those that callers hold.
    pub in_use: usize,
    /// Connections that are being opened.
    pub opening: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// Connections opened so far.
    pub opened: u64,
    /// Connections closed so far.
    pub closed: Closed,
    /// Attempts to open one that failed.
    pub open_failures: u64,
    /// Checkouts that took too long.
    pub timed_out: u64,
    /// Checkouts that worked, by how long they waited.
    pub waits: Waits,
}

/// The upper bounds of the buckets of [`Waits`]. What took longer is in one more.
pub const WAIT_BOUNDS: [Duration; 12] = [
    Duration::ZERO,
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// How long checkouts waited, in buckets. The first is of those that did not wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits([u64; WAIT_BOUNDS.len() + 1]);

impl Waits {
    /// Each bucket's upper bound (`None`: none) and how many fell into it.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bounds = WAIT_BOUNDS.iter().copied().map(Some).chain([None]);
        bounds.zip(self.0.iter().copied())
    }

    /// All checkouts that worked.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those that found a connection at once.
    pub fn immediate(&self) -> u64 {
        self.0[0]
    }
}

/// Counts those that waited. Those that did not are counted where each connection's holder is.
#[derive(Debug, Default)]
pub(crate) struct WaitCounters([AtomicU64; WAIT_BOUNDS.len()]);

impl WaitCounters {
    pub(crate) fn count(&self, waited: Duration) {
        let bucket = WAIT_BOUNDS[1..].iter().position(|bound| waited <= *bound);
        self.0[bucket.unwrap_or(WAIT_BOUNDS.len() - 1)].fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, immediate: u64) -> Waits {
        let mut waits = Waits::default();
        waits.0[0] = immediate;
        for (bucket, counter) in waits.0[1..].iter_mut().zip(&self.0) {
            *bucket = counter.load(Relaxed);
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_in_the_bucket_whose_bound_it_does_not_pass() {
        let counters = WaitCounters::default();
        let waited = [1, 50_000, 50_001, 1_000_000, 30_000_000_000, 30_000_000_001].map(Duration::from_nanos);
        for waited in waited {
            counters.count(waited);
        }
        let read = counters.read(7);
        let filled: Vec<_> = read.buckets().filter(|(_, count)| *count > 0).collect();
        let bound = |nanos| Some(Duration::from_nanos(nanos));
        let expected = [
            (bound(0), 7),
            (bound(50_000), 2),
            (bound(100_000), 1),
            (bound(1_000_000), 1),
            (bound(30_000_000_000), 1),
            (None, 1),
        ];
        assert_eq!(filled, expected);
        assert_eq!((read.total(), read.immediate()), (13, 7));
    }

    #[test]
    fn reasons_are_counted_one_by_one() {
        let mut closed = Closed::default();
        for reason in CloseReason::ALL {
            closed.count(reason);
        }
        closed.count(CloseReason::Resized);
        for reason in CloseReason::ALL {
            assert_eq!(
                closed.by(reason),
                if reason == CloseReason::Resized { 2 } else { 1 },
                "{}",
                reason.name()
            );
        }
        assert_eq!(closed.total(), 12);
    }
}
