//! Single statements of many tasks, over a few shared connections.

use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use cornac_conn::{Error, ErrorKind, Result, SharedConnection, SharedError, SharedOptions};
use tokio::time::Instant;

use crate::pooled::PooledConnection;

/// A shared connection whose callers have had no answer for so long has met a statement that runs long: others keep away from it.
const LONG: Duration = Duration::from_millis(5);

/// Shared connections, and who is on them.
#[derive(Debug)]
pub(crate) struct Multiplex {
    shards: Box<[Shard]>,
    options: SharedOptions,
    next: AtomicUsize,
    began: Instant,
}

#[derive(Debug, Default)]
struct Shard {
    connection: RwLock<Option<SharedConnection>>,
    /// Whoever has it opens the connection.
    opening: tokio::sync::Mutex<()>,
    /// Callers that wait for an answer.
    inside: AtomicUsize,
    /// When one of them last had an answer, or the first one came, in nanoseconds.
    moved: AtomicU64,
}

/// A place on a shared connection, for one statement.
pub(crate) struct Seat<'m> {
    multiplex: &'m Multiplex,
    shard: &'m Shard,
    pub(crate) connection: SharedConnection,
}

impl Multiplex {
    pub(crate) fn new(connections: usize, options: SharedOptions) -> Self {
        let shards = (0..connections).map(|_| Shard::default()).collect();
        Self { shards, options, next: AtomicUsize::new(0), began: Instant::now() }
    }

    /// A place on the shared connection on which the fewest wait, of those that get on; `None` if there is none at the moment, and a connection of one's own serves better. The first who finds a place
    /// without a connection has one opened by `open`.
    ///
    /// A caller whose answer has come leaves one fewer there, so that its next statement goes over the same connection, together with those of the others that were answered with it: taken in turn,
    /// each would go over another one, in a write of its own.
    pub(crate) async fn seat<F>(&self, open: impl FnOnce() -> F + Send) -> Result<Option<Seat<'_>>>
    where
        F: Future<Output = Result<PooledConnection>> + Send,
    {
        let now = self.now();
        // Where as few wait on several, they are taken in turn.
        let first = self.next.fetch_add(1, Relaxed) % self.shards.len();
        let Some(shard) = self.least_used(first, now, |_| true) else { return Ok(None) };
        if let Some(connection) = shard.connection() {
            return Ok(Some(self.take(shard, connection, now)));
        }
        let Ok(_opening) = shard.opening.try_lock() else {
            let other = self.least_used(first, now, |shard| shard.connection().is_some());
            let other = other.and_then(|shard| Some((shard, shard.connection()?)));
            return Ok(other.map(|(shard, connection)| self.take(shard, connection, now)));
        };
        if let Some(connection) = shard.connection() {
            return Ok(Some(self.take(shard, connection, now)));
        }
        let opened = match open().await {
            Ok(pooled) => SharedConnection::new(pooled.detach(), self.options).await,
            Err(error) => Err(error),
        };
        let connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                // The fewest wait where nobody can: others may get on.
                let other = self.least_used(first, self.now(), |shard| shard.connection().is_some());
                let other = other.and_then(|shard| Some((shard, shard.connection()?)));
                let seat = other.map(|(shard, connection)| self.take(shard, connection, self.now()));
                return seat.map_or(Err(error), |seat| Ok(Some(seat)));
            }
        };
        *shard.connection.write().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        Ok(Some(self.take(shard, connection, self.now())))
    }

    /// The one on which the fewest wait, of those that get on and are wanted: the first in turn of several.
    #[inline]
    fn least_used(&self, first: usize, now: u64, wanted: impl Fn(&Shard) -> bool) -> Option<&Shard> {
        let (before, from) = self.shards.split_at(first);
        let in_turn = from.iter().chain(before).filter(|shard| !shard.is_stuck(now) && wanted(shard));
        in_turn.min_by_key(|shard| shard.inside.load(Relaxed))
    }

    fn take<'m>(&'m self, shard: &'m Shard, connection: SharedConnection, now: u64) -> Seat<'m> {
        if shard.inside.fetch_add(1, Relaxed) == 0 {
            shard.moved.store(now, Relaxed);
        }
        Seat { multiplex: self, shard, connection }
    }

    fn now(&self) -> u64 {
        nanos(self.began.elapsed())
    }

    /// Replaces all of them: those who wait for an answer still get it.
    pub(crate) fn retire_all(&self) {
        for shard in &self.shards {
            shard.connection.write().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// Closes all of them, once their statements are answered.
    pub(crate) async fn close(&self) {
        for shard in &self.shards {
            let connection = shard.connection.write().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(connection) = connection {
                // Whoever waits for an answer that does not come hears so.
                let _ = connection.close().await;
            }
        }
    }
}

impl Shard {
    fn connection(&self) -> Option<SharedConnection> {
        let connection = self.connection.read().unwrap_or_else(PoisonError::into_inner);
        connection.as_ref().filter(|connection| !connection.is_closed()).cloned()
    }

    fn is_stuck(&self, now: u64) -> bool {
        self.inside.load(Relaxed) > 0 && now.saturating_sub(self.moved.load(Relaxed)) > nanos(LONG)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.shard.moved.store(self.multiplex.now(), Relaxed);
        self.shard.inside.fetch_sub(1, Relaxed);
    }
}

/// Whether it is a statement that a shared connection does not take: nothing of it was sent.
pub(crate) fn belongs_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Shared(SharedError::NotAllowed { .. }))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many wait on each; all of them have had an answer at `now`.
    fn used(waiting: &[usize], now: u64) -> Multiplex {
        let multiplex = Multiplex::new(waiting.len(), SharedOptions::default());
        for (shard, &waiting) in multiplex.shards.iter().zip(waiting) {
            shard.inside.store(waiting, Relaxed);
            shard.moved.store(now, Relaxed);
        }
        multiplex
    }

    fn chosen(multiplex: &Multiplex, first: usize, now: u64) -> Option<usize> {
        let chosen = multiplex.least_used(first, now, |_| true)?;
        multiplex.shards.iter().position(|shard| std::ptr::eq(shard, chosen))
    }

    #[test]
    fn a_caller_that_was_answered_keeps_its_connection() {
        // It has just left the third.
        let multiplex = used(&[8, 8, 7, 8], 0);
        for first in 0..4 {
            assert_eq!(chosen(&multiplex, first, 0), Some(2));
        }
    }

    #[test]
    fn those_with_as_many_callers_are_taken_in_turn() {
        let multiplex = used(&[1, 1, 2, 1], 0);
        let all: Vec<_> = (0..4).filter_map(|first| chosen(&multiplex, first, 0)).collect();
        assert_eq!(all, [0, 1, 3, 3]);
    }

    #[test]
    fn one_that_does_not_get_on_is_passed_over_though_the_fewest_wait_there() {
        let now = 2 * nanos(LONG);
        let multiplex = used(&[1, 5, 6], now);
        multiplex.shards[0].moved.store(0, Relaxed);
        assert_eq!(chosen(&multiplex, 0, now), Some(1));
        assert_eq!(chosen(&multiplex, 0, nanos(LONG)), Some(0));
        let all_stuck = used(&[1, 1], 0);
        assert_eq!(chosen(&all_stuck, 0, now), None);
    }
}
