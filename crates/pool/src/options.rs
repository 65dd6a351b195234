//! What can be chosen.

use std::time::Duration;

use crate::{Manager, OutOfRange, Pool};

/// Makes a pool. Each method sets one option, and says its default.
///
/// ```
/// # use std::time::Duration;
/// # use cornac_pool::{Builder, Manager};
/// # struct Nothing;
/// # impl Manager for Nothing {
/// #     type Connection = ();
/// #     type Error = std::io::Error;
/// #     async fn open(&self) -> Result<(), std::io::Error> { Ok(()) }
/// #     async fn check(&self, _: &mut ()) -> Result<(), std::io::Error> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Builder::new()
///     .min_size(2)
///     .max_size(20)
///     .acquire_timeout(Duration::from_secs(5))
///     .build(Nothing)?;
/// let connection = pool.checkout().await?;
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    pub(crate) min_size: usize,
    pub(crate) max_size: usize,
    pub(crate) max_capacity: Option<usize>,
    pub(crate) max_waiting: usize,
    pub(crate) max_opening: usize,
    pub(crate) acquire_timeout: Duration,
    pub(crate) open_timeout: Duration,
    pub(crate) hook_timeout: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) recycle_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) check_after: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) lifetime_jitter: f64,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_max: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            min_size: 5,
            max_size: 100,
            max_capacity: None,
            max_waiting: usize::MAX,
            max_opening: 8,
            acquire_timeout: Duration::from_secs(30),
            open_timeout: Duration::from_secs(30),
            hook_timeout: Duration::from_secs(10),
            check_timeout: Duration::from_secs(5),
            recycle_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            check_after: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(600)),
            max_lifetime: Some(Duration::from_secs(1800)),
            lifetime_jitter: 0.2,
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}

impl Builder {
    /// All defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections the keeper keeps open, used or not. 5; no more than `max_size`.
    pub fn min_size(mut self, connections: usize) -> Self {
        self.min_size = connections;
        self
    }

    /// How many connections there may be. 100.
    pub fn max_size(mut self, connections: usize) -> Self {
        self.max_size = connections;
        self
    }

    /// How far [`Pool::resize`] can go. Twice `max_size`. Each place takes 256 bytes.
    pub fn max_capacity(mut self, connections: usize) -> Self {
        self.max_capacity = Some(connections);
        self
    }

    /// How many callers may wait; another one fails at once. No limit.
    pub fn max_waiting(mut self, callers: usize) -> Self {
        self.max_waiting = callers;
        self
    }

    /// How many connections may be opened at one time. 8. After a refusal it is one, until one works.
    pub fn max_opening(mut self, connections: usize) -> Self {
        self.max_opening = connections;
        self
    }

    /// How long [`Pool::checkout`] waits in all. 30 s.
    pub fn acquire_timeout(mut self, limit: Duration) -> Self {
        self.acquire_timeout = limit;
        self
    }

    /// How long opening one connection may take. 30 s.
    pub fn open_timeout(mut self, limit: Duration) -> Self {
        self.open_timeout = limit;
        self
    }

    /// How long each hook may take. 10 s.
    pub fn hook_timeout(mut self, limit: Duration) -> Self {
        self.hook_timeout = limit;
        self
    }

    /// How long a check may take. 5 s.
    pub fn check_timeout(mut self, limit: Duration) -> Self {
        self.check_timeout = limit;
        self
    }

    /// How long cleaning may take. 10 s.
    pub fn recycle_timeout(mut self, limit: Duration) -> Self {
        self.recycle_timeout = limit;
        self
    }

    /// How long saying goodbye may take. 5 s.
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = limit;
        self
    }

    /// After how much idling a connection is checked by a round trip before it is lent. 30 s; `None`: never.
    pub fn check_after(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.check_after = idle.into();
        self
    }

    /// After how much idling a connection beyond `min_size` is closed. 10 min; `None`: never.
    pub fn idle_timeout(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = idle.into();
        self
    }

    /// How old a connection gets before it is replaced: one that idles then, one in use when it comes back. 30 min; `None`: any age.
    pub fn max_lifetime(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_lifetime = age.into();
        self
    }

    /// Which part of `max_lifetime` is left to chance, from 0 to 1. 0.2: each connection lives between 80 % and 100 % of it, so that those which were opened together do not end together.
    pub fn lifetime_jitter(mut self, part: f64) -> Self {
        self.lifetime_jitter = part;
        self
    }

    /// How long the pool waits after a failed attempt to open a connection: `base` after the first, then twice as long each time, up to `max`; of each pause, half is left to
    /// chance. 100 ms and 10 s.
    pub fn backoff(mut self, base: Duration, max: Duration) -> Self {
        self.backoff_base = base;
        self.backoff_max = max;
        self
    }

    /// Makes the pool. Within a tokio runtime its keeper begins to open `min_size` connections; else it does with the first checkout.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if `max_size` is 0, or above `max_capacity`.
    pub fn build<M: Manager>(mut self, manager: M) -> Result<Pool<M>, OutOfRange> {
        let max_capacity = self.max_capacity.unwrap_or(self.max_size.saturating_mul(2)).min(CAPACITY_MAX);
        if self.max_size == 0 || self.max_size > max_capacity {
            return Err(OutOfRange { asked: self.max_size, max_capacity });
        }
        self.max_capacity = Some(max_capacity);
        self.max_opening = self.max_opening.max(1);
        self.lifetime_jitter = self.lifetime_jitter.clamp(0.0, 1.0);
        Ok(Pool::new(manager, self, max_capacity))
    }
}

/// More connections than any server takes; places have numbers of 32 bits.
const CAPACITY_MAX: usize = 1 << 20;
