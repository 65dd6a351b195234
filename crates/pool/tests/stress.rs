//! Real threads, as fast as they can.

mod fake;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cornac_pool::{Builder, Pooled};
use fake::{Fake, FakePool, still_usable};

const TASKS: u64 = 64;
const CONNECTIONS: usize = 8;
/// Within which 99.9 % of all waits end: each caller waits for at most 63 others, who hold a connection for some microseconds.
const BOUND: Duration = Duration::from_secs(2);

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Who is lent at this moment.
#[derive(Default)]
struct Lent {
    ids: Mutex<HashSet<usize>>,
    checkouts: AtomicU64,
    cancelled: AtomicU64,
    waits: Mutex<Vec<Duration>>,
}

async fn work(pool: FakePool, lent: Arc<Lent>, seed: u64, rounds: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
    let mut waits = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        let checkout = pool.checkout();
        let link = if dice.below(4) == 0 {
            // Given up after a turn or two of the scheduler, wherever it is then.
            let turns = dice.below(3);
            tokio::select! {
                biased;
                () = async { for _ in 0..turns { tokio::task::yield_now().await } } => {
                    lent.cancelled.fetch_add(1, Relaxed);
                    continue;
                }
                link = checkout => link,
            }
        } else {
            checkout.await
        };
        let mut link: Pooled<Fake> = link.expect("it comes free in time");
        waits.push(begun.elapsed());
        lent.checkouts.fetch_add(1, Relaxed);
        assert!(lent.ids.lock().unwrap().insert(link.id), "connection {} is with two at once", link.id);
        if dice.below(2) == 0 {
            tokio::task::yield_now().await;
        }
        match dice.below(200) {
            0 => link.is_dead.store(true, SeqCst),
            1..10 => link.is_dirty = true,
            _ => (),
        }
        assert!(lent.ids.lock().unwrap().remove(&link.id));
        match dice.below(500) {
            0 => Pooled::retire(link),
            1 => drop(Pooled::detach(link)),
            _ => drop(link),
        }
    }
    lent.waits.lock().unwrap().append(&mut waits);
}

#[test]
fn sixty_four_tasks_on_eight_connections_lose_nothing_and_starve_nobody() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .expect("it starts");
    runtime.block_on(fake::within_a_minute(async {
        let pool =
            Builder::new().min_size(2).max_size(CONNECTIONS).build(Fake::default()).expect("it is in range");
        let lent = Arc::<Lent>::default();
        let tasks: Vec<_> =
            (0..TASKS).map(|seed| tokio::spawn(work(pool.clone(), Arc::clone(&lent), seed, 1000))).collect();
        // Meanwhile it grows and shrinks, and kills what idles.
        for round in 0..50 {
            pool.resize(CONNECTIONS + round % 3 * 4).expect("it is in range");
            if round % 10 == 0 {
                pool.retire_all();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pool.resize(CONNECTIONS).expect("it is in range");
        for task in tasks {
            task.await.expect("it has not panicked");
        }
        let mut waits = std::mem::take(&mut *lent.waits.lock().unwrap());
        waits.sort_unstable();
        let per_mille = |part: usize| waits[waits.len() * part / 1000];
        let stats = pool.stats();
        println!(
            "{} checkouts, {} cancelled, {} opened, {} closed; wait p50 {:?}, p99 {:?}, p99.9 {:?}",
            lent.checkouts.load(Relaxed),
            lent.cancelled.load(Relaxed),
            stats.opened,
            stats.closed.total(),
            per_mille(500),
            per_mille(990),
            per_mille(999)
        );
        assert_eq!(waits.len() as u64, stats.waits.total(), "each checkout that worked is counted");
        assert!(per_mille(999) < BOUND);
        still_usable(&pool).await;
        let most = pool.manager().0.most_alive.load(SeqCst);
        assert!(
            most <= 2 * CONNECTIONS + 1,
            "{most} at once: no more than there may be, and one that was detached"
        );
        pool.close(Duration::from_secs(5)).await.expect("nothing is in use");
        let stats = pool.stats();
        assert_eq!((stats.opened, stats.size), (stats.closed.total(), 0));
        assert_eq!(pool.manager().0.alive.load(SeqCst), 0);
    }));
}
