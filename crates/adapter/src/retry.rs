//! How often, and after what pauses, something is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// How often something is tried, and how long the pauses in between are: exponential back-off with full jitter.
///
/// The pause before the second try is a random time between nothing and `base`; the bound doubles with each further try, up to `cap`. No try begins when `budget` has passed since the first
/// one began.
///
/// ```
/// use std::time::Duration;
/// use cornac::RetryPolicy;
///
/// let patient = RetryPolicy::new(10).base(Duration::from_millis(20)).budget(Duration::from_secs(5));
/// assert_eq!(patient.tries(), 10);
/// assert_eq!(RetryPolicy::default().tries(), 3);
/// assert_eq!(RetryPolicy::none().tries(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct RetryPolicy {
    tries: u32,
    base: Duration,
    cap: Duration,
    budget: Duration,
}

impl Default for RetryPolicy {
    /// 3 tries.
    fn default() -> Self {
        Self::new(3)
    }
}

impl RetryPolicy {
    /// So many tries in all, at least one; pauses of up to 50 ms, then 100 ms, and so on up to 2 s; no try later than 30 s after the first.
    ///
    /// ```
    /// # use cornac::RetryPolicy;
    /// assert_eq!(RetryPolicy::new(5).tries(), 5);
    /// assert_eq!(RetryPolicy::new(0), RetryPolicy::none());
    /// ```
    pub fn new(tries: u32) -> Self {
        Self {
            tries: tries.max(1),
            base: Duration::from_millis(50),
            cap: Duration::from_secs(2),
            budget: Duration::from_secs(30),
        }
    }

    /// One try.
    ///
    /// ```
    /// # use cornac::{Database, RetryPolicy};
    /// // The callers try again themselves.
    /// let builder = Database::builder().statement_retry(RetryPolicy::none());
    /// assert_eq!(RetryPolicy::none().tries(), 1);
    /// ```
    pub fn none() -> Self {
        Self::new(1)
    }

    /// The longest pause before the second try.
    ///
    /// ```
    /// # use {cornac::RetryPolicy, std::time::Duration};
    /// // Transactions that meet at one row for a moment: up to 2 ms, 4 ms, 8 ms.
    /// let policy = RetryPolicy::new(4).base(Duration::from_millis(2));
    /// assert_ne!(policy, RetryPolicy::new(4));
    /// ```
    pub fn base(self, pause: Duration) -> Self {
        Self { base: pause, ..self }
    }

    /// The longest pause before any try.
    ///
    /// ```
    /// # use {cornac::RetryPolicy, std::time::Duration};
    /// // However often: never more than a quarter of a second.
    /// let policy = RetryPolicy::new(20).cap(Duration::from_millis(250));
    /// assert_ne!(policy, RetryPolicy::new(20));
    /// ```
    pub fn cap(self, pause: Duration) -> Self {
        Self { cap: pause, ..self }
    }

    /// How long after the beginning of the first try the last one may begin.
    ///
    /// ```
    /// # use {cornac::RetryPolicy, std::time::Duration};
    /// // For a request that has to be answered within two seconds.
    /// let policy = RetryPolicy::new(10).budget(Duration::from_millis(1500));
    /// assert_ne!(policy, RetryPolicy::new(10));
    /// ```
    pub fn budget(self, time: Duration) -> Self {
        Self { budget: time, ..self }
    }

    /// How many tries there are at most.
    ///
    /// ```
    /// # use cornac::RetryPolicy;
    /// assert_eq!(RetryPolicy::default().tries(), 3);
    /// ```
    pub fn tries(&self) -> u32 {
        self.tries
    }

    pub(crate) fn start(self) -> Tries {
        Tries { policy: self, made: 1, began: None }
    }

    /// The longest pause behind the `made`-th try.
    fn pause_max(&self, made: u32) -> Duration {
        let doubled = 2_u32.checked_pow(made.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap)
    }
}

/// Tries of one thing.
#[derive(Debug)]
pub(crate) struct Tries {
    policy: RetryPolicy,
    made: u32,
    /// Taken when it is first needed. The clock is not looked at for what works at once.
    began: Option<Instant>,
}

impl Tries {
    /// Remembers when the first try began.
    pub(crate) fn begin(&mut self) {
        self.began.get_or_insert_with(Instant::now);
    }

    /// Waits for the next try; false if there is to be none.
    pub(crate) async fn wait(&mut self) -> bool {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        if self.made >= self.policy.tries {
            return false;
        }
        let pause = self.policy.pause_max(self.made).mul_f64(chance());
        if now.duration_since(began) + pause > self.policy.budget {
            return false;
        }
        self.made += 1;
        tokio::time::sleep(pause).await;
        true
    }
}

/// A number from 0 up to, not including, 1: chance that nobody has to trust.
fn chance() -> f64 {
    // Each RandomState has keys of its own.
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default();
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let policy = RetryPolicy::new(100);
        let pauses = [1, 2, 3, 6, 7, 40, 99].map(|made| policy.pause_max(made).as_millis());
        assert_eq!(pauses, [50, 100, 200, 1600, 2000, 2000, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_end_with_their_number_or_with_their_time() {
        let mut tries = RetryPolicy::new(3).start();
        assert!(tries.wait().await && tries.wait().await);
        assert!(!tries.wait().await);

        let began = Instant::now();
        let policy =
            RetryPolicy::new(1_000_000).base(Duration::from_millis(10)).cap(Duration::from_millis(10));
        let mut tries = policy.budget(Duration::from_secs(1)).start();
        tries.begin();
        let mut made = 1;
        while tries.wait().await {
            made += 1;
        }
        assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
        // Pauses are 5 ms in the mean.
        assert!((120..400).contains(&made), "{made} tries");
    }

    #[test]
    fn chance_is_a_part() {
        let parts: Vec<_> = (0..1000).map(|_| chance()).collect();
        assert!(parts.iter().all(|part| (0.0..1.0).contains(part)));
        assert!((0.4..0.6).contains(&(parts.iter().sum::<f64>() / 1000.0)));
    }
}
