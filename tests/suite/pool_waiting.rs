//! Who waits for a connection of a `Database`, and for how long, on a real server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cornac::{CheckoutError, Client, CloseReason, Database, Error, ErrorKind, PooledConnection};
use cornac_tests::{deadline, deadline_of, shared, still_usable};

/// A sequence that looks random, and is the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The pool's own error behind that of a verb.
pub(crate) fn checkout_error(error: &Error) -> &CheckoutError {
    assert!(matches!(error.kind(), ErrorKind::Checkout(_)), "{error:?}");
    std::error::Error::source(error).and_then(|source| source.downcast_ref()).expect("the pool's reason")
}

/// Waits until the pool is as `is_so` has it.
pub(crate) async fn until(db: &Database, is_so: impl Fn(&cornac::Stats) -> bool) {
    while !is_so(&db.pool_stats()) {
        tokio::task::yield_now().await;
    }
}

/// Every connection that was opened is open, or was counted as closed; nobody waits or holds one.
pub(crate) async fn nothing_is_lost(db: &Database) {
    until(db, |stats| stats.in_use == 0 && stats.waiting == 0 && stats.opening == 0).await;
    until(db, |stats| stats.opened == stats.closed.total() + stats.open as u64).await;
}

const WAITERS: usize = 1_000;

/// How one that waited left the line.
#[derive(Debug)]
enum Left {
    Served,
    TimedOut(Error),
}

#[tokio::test]
async fn pool_01_a_thousand_waiters_are_served_in_order_while_others_leave_and_time_out() {
    deadline(async {
        let database = shared().database().await;
        let limit = Duration::from_secs(8);
        let db = Database::builder().min_size(0).max_size(4).acquire_timeout(limit);
        let db = db.connect_with(database.config()).await.unwrap();
        let mut held: Vec<PooledConnection> = Vec::new();
        for _ in 0..4 {
            held.push(db.checkout().await.unwrap());
        }
        let served = Arc::new(Mutex::new(Vec::new()));
        let (hold, held_back) = tokio::sync::watch::channel(false);
        let mut tasks = Vec::new();
        for number in 0..WAITERS {
            let (pool, served, mut held_back) = (db.clone(), Arc::clone(&served), held_back.clone());
            tasks.push(tokio::spawn(async move {
                let mut connection = match pool.checkout().await {
                    Ok(connection) => connection,
                    Err(error) => return Left::TimedOut(error),
                };
                let asked = i32::try_from(number).unwrap();
                let answer: i32 = connection.fetch_value("SELECT $1::int4", (asked,)).await.unwrap();
                assert_eq!(answer, asked);
                let so_far = {
                    let mut served = served.lock().unwrap();
                    served.push(number);
                    served.len()
                };
                // The five hundredth keeps its connection, so that the rest of the line waits in vain.
                if so_far == 500 {
                    held_back.wait_for(|go_on| *go_on).await.unwrap();
                }
                Left::Served
            }));
            until(&db, |stats| stats.waiting == number + 1).await;
        }
        // One connection goes from hand to hand, while every fourth leaves, in random order.
        let mut leaving: Vec<usize> = (0..WAITERS).filter(|number| number % 4 == 3).collect();
        let mut dice = Dice::new(1);
        drop(held.pop());
        while !leaving.is_empty() {
            let which = usize::try_from(dice.below(leaving.len() as u64)).unwrap();
            tasks[leaving.swap_remove(which)].abort();
            tokio::task::yield_now().await;
        }
        until(&db, |_| served.lock().unwrap().len() == 500).await;
        // The others wait in vain, until their time is over.
        until(&db, |stats| stats.waiting == 0).await;
        hold.send(true).unwrap();
        let (mut times_out, mut cancelled, mut given) = (Vec::new(), 0, 0);
        for (number, task) in tasks.into_iter().enumerate() {
            match task.await {
                Ok(Left::TimedOut(error)) => times_out.push((number, error)),
                Ok(Left::Served) => given += 1,
                Err(error) => {
                    assert!(error.is_cancelled(), "{error}");
                    cancelled += 1;
                }
            }
        }
        let order = served.lock().unwrap().clone();
        assert!(order.is_sorted_by(|a, b| a < b), "served out of turn: {order:?}");
        let last = *order.last().unwrap();
        for (number, error) in &times_out {
            assert!(*number > last, "{number} was passed over");
            let timed_out = checkout_error(error).timed_out().expect("it has timed out");
            assert_eq!((timed_out.limit, timed_out.max_size, timed_out.size), (limit, 4, 4));
            assert_eq!((timed_out.in_use, timed_out.idle, timed_out.opening), (4, 0, 0));
            assert!(timed_out.longest_holder.unwrap().location.file().ends_with("pool_waiting.rs"));
            assert!(error.is_transient() && error.may_retry(), "{error}");
        }
        println!(
            "{WAITERS} waited: {given} served in order, {cancelled} left, {} timed out",
            times_out.len()
        );
        assert_eq!(given + cancelled + times_out.len(), WAITERS);
        assert!(given >= 500 && cancelled > 100 && times_out.len() > 100);
        drop(held);
        nothing_is_lost(&db).await;
        assert_eq!(db.pool_stats().timed_out, times_out.len() as u64);
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The longest wait but for one of a thousand.
fn p999(waits: &mut [Duration]) -> Duration {
    waits.sort_unstable();
    waits[(waits.len() - 1) * 999 / 1000]
}

/// Stated before it runs: each holder is on its way for some round trips, eight tasks share a connection, and one that was killed takes an open, on two cores that others use too.
const P999_BOUND: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_10_checkouts_with_random_kills_leak_nothing_and_starve_nobody() {
    let seconds: u64 =
        std::env::var("CORNAC_POOL_SECONDS").map_or(0, |asked| asked.parse().expect("a number"));
    deadline_of(60 + seconds, async {
        let database = shared().database().await;
        let config = database.config().clone().application_name("stress");
        let mut observer = database.connect().await;
        let db = Database::builder().min_size(2).max_size(8).backoff(Duration::from_millis(5), Duration::from_millis(50));
        let db = db.connect_with(&config).await.unwrap();
        db.warm_up(8, Duration::from_secs(20)).await.unwrap();
        let before = descriptors();
        let began = Instant::now();
        let done = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..64_i32)
            .map(|task| {
                let (db, done) = (db.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    let (mut waits, mut lost, mut number) = (Vec::new(), 0_u64, 0_i32);
                    while done.fetch_add(1, Relaxed) < 10_000 || began.elapsed() < Duration::from_secs(seconds) {
                        let asked = Instant::now();
                        let mut connection = db.checkout().await.expect("there are connections to be had");
                        waits.push(asked.elapsed());
                        number += 1;
                        match connection.fetch_one::<(i32, i32), _>("SELECT $1::int4, $2::int4", (task, number)).await {
                            Ok(answer) => assert_eq!(answer, (task, number), "an answer to somebody else"),
                            Err(error) => {
                                assert!(error.is_closed() && error.is_transient(), "{error:?}");
                                lost += 1;
                            }
                        }
                    }
                    (waits, lost)
                })
            })
            .collect();
        // One connection at a time is killed, whichever it is.
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
                    WHERE application_name = 'stress' AND datname = current_database() ORDER BY random() LIMIT 1) one";
        let mut killed = 0;
        while tasks.iter().any(|task| !task.is_finished()) {
            killed += observer.fetch_value::<i64, _>(kill, ()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (mut waits, mut lost) = (Vec::new(), 0);
        for task in tasks {
            let (waited, of_it) = task.await.unwrap();
            waits.extend(waited);
            lost += of_it;
        }
        nothing_is_lost(&db).await;
        let stats = db.pool_stats();
        let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stress' AND datname = current_database()";
        // One that was killed while it idled is open to the pool until somebody looks at it.
        while observer.fetch_value::<i64, _>(there, ()).await.unwrap() > i64::try_from(db.pool_stats().open).unwrap() {}
        let after = descriptors();
        let p999 = p999(&mut waits);
        println!(
            "{} checkouts from 64 tasks on 8 connections in {:?}, {killed} backends killed, {lost} statements lost; opened {} = closed {} + open {}; \
             descriptors {before} before, {after} after; wait p99.9 {p999:?}, longest {:?}, bound {P999_BOUND:?}",
            waits.len(),
            began.elapsed(),
            stats.opened,
            stats.closed.total(),
            stats.open,
            waits.last().unwrap(),
        );
        assert!(waits.len() >= 10_000 && killed > 0 && stats.closed.by(CloseReason::Broken) > 0);
        assert!(after <= before, "{before} descriptors have become {after}");
        assert!(p999 < P999_BOUND, "{p999:?}");
        still_usable(&mut db.checkout().await.unwrap()).await;
        db.close().await.unwrap();
        let stats = db.pool_stats();
        assert_eq!(stats.opened, stats.closed.total(), "{stats:?}");
    })
    .await;
}
