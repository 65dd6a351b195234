//! A manager whose connections do as they are told, and that counts them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cornac_pool::{Condition, Failure, Manager, Pool, Stats, Step};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Work,
    Take(Duration),
    Refuse,
    RefuseForGood,
    Hang,
    Panic,
}

/// Why a step failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) is_permanent: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_permanent { "wrong password" } else { "connection refused" })
    }
}

impl std::error::Error for Refused {}

/// What the test and the manager share.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// What the next attempts to open do; the last one is for all that follow.
    opens: Mutex<VecDeque<Act>>,
    acts: Mutex<Vec<(Step, Act)>>,
    /// Attempts, one number each.
    pub(crate) attempts: AtomicUsize,
    /// Attempts that go on.
    pub(crate) opening: AtomicUsize,
    pub(crate) most_opening: AtomicUsize,
    /// Connections that exist.
    pub(crate) alive: AtomicUsize,
    pub(crate) most_alive: AtomicUsize,
    pub(crate) checks: AtomicUsize,
    pub(crate) recycled: AtomicUsize,
    pub(crate) goodbyes: AtomicUsize,
    pub(crate) observed: Mutex<Vec<(Step, String)>>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: usize,
    /// How often it was lent: a plain number, which two holders at once would get wrong.
    pub(crate) uses: u64,
    pub(crate) is_dirty: bool,
    /// Set by whoever kills it.
    pub(crate) is_dead: Arc<AtomicBool>,
    world: Arc<World>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.world.alive.fetch_sub(1, SeqCst);
    }
}

/// Opens [`Link`]s. With `HOOKS`, `before_return` runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake<const HOOKS: bool = false>(pub(crate) Arc<World>);

pub(crate) type FakePool<const HOOKS: bool = false> = Pool<Fake<HOOKS>>;

impl World {
    /// Says what the next attempts to open do, one after the other.
    pub(crate) fn opens(&self, acts: impl IntoIterator<Item = Act>) {
        *self.opens.lock().unwrap() = acts.into_iter().collect();
    }

    /// Says what a step does from now on.
    pub(crate) fn set(&self, step: Step, act: Act) {
        let mut acts = self.acts.lock().unwrap();
        acts.retain(|(known, _)| *known != step);
        acts.push((step, act));
    }

    fn act(&self, step: Step) -> Act {
        let acts = self.acts.lock().unwrap();
        acts.iter().find(|(known, _)| *known == step).map_or(Act::Work, |(_, act)| *act)
    }

    async fn step(&self, step: Step) -> Result<(), Refused> {
        perform(self.act(step)).await
    }
}

async fn perform(act: Act) -> Result<(), Refused> {
    match act {
        Act::Work => Ok(()),
        Act::Take(time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
        Act::Refuse => Err(Refused { is_permanent: false }),
        Act::RefuseForGood => Err(Refused { is_permanent: true }),
        Act::Hang => pending().await,
        Act::Panic => panic!("as told"),
    }
}

/// Counts something while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(now: &'a AtomicUsize, most: &AtomicUsize) -> Self {
        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        Self(now)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl<const HOOKS: bool> Manager for Fake<HOOKS> {
    type Connection = Link;
    type Error = Refused;

    const HAS_BEFORE_RETURN: bool = HOOKS;

    fn has_before_checkout(&self) -> bool {
        HOOKS || self.0.act(Step::BeforeCheckout) != Act::Work
    }

    async fn open(&self) -> Result<Link, Refused> {
        let world = &self.0;
        let id = world.attempts.fetch_add(1, SeqCst);
        let _counted = Counted::new(&world.opening, &world.most_opening);
        let act = {
            let mut opens = world.opens.lock().unwrap();
            let first = opens.front().copied().unwrap_or(Act::Work);
            if opens.len() > 1 {
                opens.pop_front();
            }
            first
        };
        perform(act).await?;
        std::mem::forget(Counted::new(&world.alive, &world.most_alive));
        Ok(Link { id, uses: 0, is_dirty: false, is_dead: Arc::default(), world: Arc::clone(world) })
    }

    async fn check(&self, link: &mut Link) -> Result<(), Refused> {
        self.0.checks.fetch_add(1, SeqCst);
        if link.is_dead.load(SeqCst) {
            return Err(Refused { is_permanent: false });
        }
        self.0.step(Step::Check).await
    }

    fn is_permanent(&self, error: &Refused) -> bool {
        error.is_permanent
    }

    fn peek(&self, link: &mut Link) -> bool {
        match self.0.act(Step::Peek) {
            Act::Panic => panic!("as told"),
            Act::Refuse => false,
            _ => !link.is_dead.load(SeqCst),
        }
    }

    fn condition(&self, link: &mut Link) -> Condition {
        assert!(self.0.act(Step::Condition) != Act::Panic, "as told");
        match (link.is_dead.load(SeqCst), link.is_dirty) {
            (true, _) => Condition::Broken,
            (false, true) => Condition::Dirty,
            (false, false) => Condition::Clean,
        }
    }

    async fn recycle(&self, link: &mut Link) -> Result<(), Refused> {
        self.0.step(Step::Recycle).await?;
        link.is_dirty = false;
        self.0.recycled.fetch_add(1, SeqCst);
        Ok(())
    }

    async fn close(&self, link: Link) {
        self.0.goodbyes.fetch_add(1, SeqCst);
        let _refused = self.0.step(Step::Close).await;
        drop(link);
    }

    async fn after_connect(&self, _: &mut Link) -> Result<(), Refused> {
        self.0.step(Step::AfterConnect).await
    }

    async fn before_checkout(&self, link: &mut Link) -> Result<(), Refused> {
        link.uses += 1;
        self.0.step(Step::BeforeCheckout).await
    }

    async fn before_return(&self, _: &mut Link) -> Result<(), Refused> {
        self.0.step(Step::BeforeReturn).await
    }

    fn observe(&self, failure: &Failure<Refused>) {
        self.0.observed.lock().unwrap().push((failure.step(), failure.to_string()));
    }
}

/// Runs a test's body, which must end. With the clock paused, a day passes as soon as nothing else can happen.
pub(crate) async fn deadline<F: Future>(body: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(86_400), Box::pin(body)).await.expect("the test ends")
}

/// Runs a test's body in real time, which must end within a minute.
pub(crate) async fn within_a_minute<F: Future>(body: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), Box::pin(body)).await.expect("the test ends within 60 s")
}

/// Lets everybody do what they can without time passing.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass, which must be paused.
pub(crate) async fn pass(time: Duration) {
    settle().await;
    tokio::time::sleep(time).await;
    settle().await;
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Waits until the pool looks like this.
pub(crate) async fn until<const HOOKS: bool>(
    pool: &FakePool<HOOKS>,
    wanted: impl Fn(&Stats) -> bool,
) -> Stats {
    loop {
        let stats = pool.stats();
        if wanted(&stats) {
            return stats;
        }
        tokio::time::sleep(millis(1)).await;
    }
}

/// Nothing is lost: every connection that was opened is idle or was closed, nobody waits, and the pool still lends all it may.
pub(crate) async fn still_usable<const HOOKS: bool>(pool: &FakePool<HOOKS>) {
    let world = Arc::clone(&pool.manager().0);
    let stats = until(pool, |stats| stats.in_use == 0 && stats.size == stats.idle).await;
    assert_eq!(stats.waiting, 0, "{stats:?}");
    assert_eq!(stats.opened, stats.closed.total() + stats.open as u64, "{stats:?}");
    assert_eq!(stats.open, stats.idle, "{stats:?}");
    assert_eq!(world.alive.load(SeqCst), stats.open, "{stats:?}");
    let mut held = Vec::new();
    for _ in 0..stats.max_size {
        held.push(pool.checkout().await.expect("the pool lends"));
    }
    let mut ids: Vec<_> = held.iter().map(|link| link.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), stats.max_size, "each is lent once");
}
