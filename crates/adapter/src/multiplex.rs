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

    /// A place on a shared connection that gets on; `None` if there is none at the moment, and a connection of one's own serves better. The first who finds a place without a connection
    /// has one opened by `open`.
    pub(crate) async fn seat<F>(&self, open: impl FnOnce() -> F + Send) -> Result<Option<Seat<'_>>>
    where
        F: Future<Output = Result<PooledConnection>> + Send,
    {
        let now = self.now();
        let first = self.next.fetch_add(1, Relaxed);
        let mut vacant: Option<&Shard> = None;
        let mut found: Option<(&Shard, SharedConnection)> = None;
        for offset in 0..self.shards.len() {
            let shard = &self.shards[first.wrapping_add(offset) % self.shards.len()];
            match shard.connection() {
                Some(connection) if !shard.is_stuck(now) => {
                    found = Some((shard, connection));
                    break;
                }
                Some(_) => {}
                None => vacant = vacant.or(Some(shard)),
            }
        }
        let opening = vacant.and_then(|shard| Some((shard, shard.opening.try_lock().ok()?)));
        let Some((shard, _opening)) = opening else {
            return Ok(found.map(|(shard, connection)| self.take(shard, connection, now)));
        };
        if let Some(connection) = shard.connection() {
            return Ok(Some(self.take(shard, connection, now)));
        }
        let connection = SharedConnection::new(open().await?.detach(), self.options).await?;
        *shard.connection.write().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        Ok(Some(self.take(shard, connection, self.now())))
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
