//! Hooks of a `Database` that go wrong, and connections whose time is over, on a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cornac::{Client, CloseReason, Connection, Database, DatabaseBuilder, HookFuture, SqlState};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, shared, still_usable};

use crate::pool_waiting::{checkout_error, nothing_is_lost, until};

/// What a hook does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Works,
    Fails,
    Hangs,
    Panics,
    /// Waits for the server first.
    PanicsLater,
}

const WRONG: [Act; 4] = [Act::Fails, Act::Hangs, Act::Panics, Act::PanicsLater];

#[derive(Clone, Default)]
struct Script {
    act: Arc<AtomicU8>,
    runs: Arc<AtomicU32>,
}

impl Script {
    fn set(&self, act: Act) {
        self.act.store(act as u8, Relaxed);
    }

    fn play<'c>(&self, connection: &'c mut Connection) -> HookFuture<'c> {
        self.runs.fetch_add(1, Relaxed);
        let act = self.act.load(Relaxed);
        let is = move |asked: Act| act == asked as u8;
        assert!(!is(Act::Panics), "the hook panics");
        Box::pin(async move {
            if is(Act::Fails) {
                connection.execute("SELECT 1 / 0", ()).await?;
            }
            if is(Act::Hangs) {
                connection.execute("SELECT pg_sleep(60)", ()).await?;
            }
            connection.execute("SELECT 1", ()).await?;
            assert!(!is(Act::PanicsLater), "the hook panics later");
            Ok(())
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    AfterConnect,
    BeforeCheckout,
    BeforeReturn,
}

fn with_hook(which: Which, script: &Script) -> DatabaseBuilder {
    let script = script.clone();
    let builder = Database::builder()
        .min_size(0)
        .max_size(1)
        .acquire_timeout(Duration::from_secs(2))
        .hook_timeout(Duration::from_millis(300))
        .recycle_timeout(Duration::from_millis(300))
        .backoff(Duration::from_millis(5), Duration::from_millis(20));
    match which {
        Which::AfterConnect => builder.after_connect(move |c| script.play(c)),
        Which::BeforeCheckout => builder.before_checkout(move |c| script.play(c)),
        Which::BeforeReturn => builder.before_return(move |c| script.play(c)),
    }
}

/// Checks what the caller is told of a hook that went wrong.
fn told(error: &cornac::Error, act: Act) {
    let checkout = checkout_error(error);
    let failure = std::error::Error::source(checkout).expect("the hook's failure").to_string();
    match act {
        Act::Fails => assert_eq!(error.sql_state(), Some(SqlState::DIVISION_BY_ZERO), "{error:?}"),
        Act::Hangs => assert!(failure.contains("took longer than"), "{failure}"),
        _ => assert!(failure.contains("panicked: the hook panics"), "{failure}"),
    }
}

/// How many connections were closed because of a hook.
fn of_hooks(stats: &cornac::Stats) -> u64 {
    stats.closed.by(CloseReason::HookFailed) + stats.closed.by(CloseReason::CannotClean)
}

#[tokio::test]
async fn pool_06_hooks_that_fail_hang_or_panic_cost_their_connection_and_nothing_else() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let config = database.config().clone().application_name("hooked");
        for which in [Which::AfterConnect, Which::BeforeCheckout, Which::BeforeReturn] {
            let script = Script::default();
            let db = with_hook(which, &script).connect_with(&config).await.unwrap();
            for act in WRONG {
                let before = of_hooks(&db.pool_stats());
                // A connection of its own for each, so that the first hook runs too.
                db.retire_all();
                script.set(act);
                let outcome = db.fetch_value::<i32, _>("SELECT 7", ()).await;
                match which {
                    Which::AfterConnect | Which::BeforeCheckout => told(&outcome.unwrap_err(), act),
                    // Nobody waits for it, and nobody has a use for its error.
                    Which::BeforeReturn => assert_eq!(outcome.unwrap(), 7),
                }
                until(&db, |stats| of_hooks(stats) > before && stats.in_use == 0).await;
                script.set(Act::Works);
                let began = Instant::now();
                while db.execute("SELECT 1", ()).await.is_err() {}
                println!("{which:?} {act:?}: the pool works again after {:?}", began.elapsed());
            }
            println!("{which:?} ran {} times", script.runs.load(Relaxed));
            assert!(script.runs.load(Relaxed) > 4);
            nothing_is_lost(&db).await;
            still_usable(&mut db.checkout().await.unwrap()).await;
            db.close().await.unwrap();
            let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hooked' AND state <> 'active'";
            while observer.fetch_value::<i64, _>(there, ()).await.unwrap() > 0 {}
        }
        still_usable(&mut observer).await;
    })
    .await;
}

/// For how long, at most, fewer than `least` connections were there, until `enough`.
async fn longest_below(db: &Database, least: usize, enough: impl Fn(&cornac::Stats) -> bool) -> Duration {
    let (mut longest, mut since) = (Duration::ZERO, None);
    loop {
        let stats = db.pool_stats();
        // What leaves is open until it is gone; what counts is what can be had.
        if stats.idle + stats.in_use < least {
            let since = *since.get_or_insert_with(Instant::now);
            longest = longest.max(since.elapsed());
        } else {
            since = None;
        }
        if enough(&stats) {
            return longest;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// With two opened at a time: two are on their way out, and one is being opened already.
const MISSING_AT_MOST: usize = 2 * 2 - 1;

#[tokio::test]
async fn pool_08_connections_that_grow_old_are_replaced_idle_and_in_use() {
    deadline(async {
        let database = shared().database().await;
        let lifetime = Duration::from_millis(800);
        let db = Database::builder()
            .min_size(8)
            .max_size(9)
            .max_lifetime(lifetime)
            // All of them at one moment.
            .lifetime_jitter(0.0)
            .max_opening(2)
            .connect_with(database.config())
            .await
            .unwrap();
        db.warm_up(8, Duration::from_secs(30)).await.unwrap();
        // One in use lives for as long as it is used.
        let mut held = db.checkout().await.unwrap();
        let pid = held.process_id();
        let longest = longest_below(&db, 8 - MISSING_AT_MOST, |stats| stats.closed.by(CloseReason::MaxLifetime) >= 24).await;
        still_usable(&mut held).await;
        assert_eq!(held.process_id(), pid);
        let before = db.pool_stats().closed.by(CloseReason::MaxLifetime);
        drop(held);
        until(&db, |stats| stats.closed.by(CloseReason::MaxLifetime) > before).await;
        let stats = db.pool_stats();
        println!(
            "8 connections of {lifetime:?}: {} replaced; fewer than 5 were to be had for {longest:?} at most",
            stats.closed.by(CloseReason::MaxLifetime)
        );
        assert_eq!(longest, Duration::ZERO, "they are replaced a few at a time");
        // None of those that are lent is older than it may be by more than it was used.
        let old = "SELECT now() - backend_start > interval '3 seconds' FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        assert!(!db.fetch_value::<bool, _>(old, ()).await.unwrap());
        until(&db, |stats| stats.open >= 8).await;
    })
    .await;
}

#[tokio::test]
async fn pool_08_what_idles_beyond_min_is_closed_and_the_least_stays() {
    deadline(async {
        let database = shared().database().await;
        let idle = Duration::from_millis(300);
        let db = Database::builder().min_size(2).max_size(10).idle_timeout(idle);
        let db = db.connect_with(database.config()).await.unwrap();
        db.warm_up(10, Duration::from_secs(30)).await.unwrap();
        let began = Instant::now();
        let mut held = db.checkout().await.unwrap();
        let longest =
            longest_below(&db, 2, |stats| stats.open == 2 && stats.closed.by(CloseReason::IdleTimeout) == 8)
                .await;
        let took = began.elapsed();
        still_usable(&mut held).await;
        drop(held);
        // Twice as long again, nothing more is closed.
        tokio::time::sleep(2 * idle).await;
        let stats = db.pool_stats();
        println!(
            "8 of 10 idle connections were closed {took:?} after an idle timeout of {idle:?}; never below 2"
        );
        assert_eq!(
            (stats.open, stats.closed.by(CloseReason::IdleTimeout), longest),
            (2, 8, Duration::ZERO),
            "{stats:?}"
        );
        assert!(
            took + Duration::from_millis(50) >= idle && took < idle + Duration::from_secs(10),
            "{took:?}"
        );
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}

#[tokio::test]
async fn pool_08_a_hundred_connections_that_were_opened_at_one_moment_do_not_end_at_one() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let lifetime = Duration::from_secs(4);
        let db = Database::builder()
            .min_size(100)
            .max_size(101)
            .max_lifetime(lifetime)
            .lifetime_jitter(0.5)
            .connect_with(&server.config(SUPERUSER))
            .await
            .unwrap();
        db.warm_up(100, Duration::from_secs(30)).await.unwrap();
        let began = Instant::now();
        let (mut ended, mut least) = (Vec::new(), usize::MAX);
        while ended.len() < 100 {
            let stats = db.pool_stats();
            let closed = usize::try_from(stats.closed.by(CloseReason::MaxLifetime)).unwrap();
            ended.resize(closed.min(100).max(ended.len()), began.elapsed());
            least = least.min(stats.idle);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let spread = ended[89].saturating_sub(ended[9]);
        println!("100 connections of {lifetime:?}, jitter 0.5: 80 of them ended within {spread:?}; at the worst moment {least} were idle");
        // Evenly spread over two seconds, these take 1.6 s, and longer where opening is slow.
        assert!(spread > Duration::from_millis(800), "{spread:?}");
        assert!(least >= 100 - (2 * 8 - 1), "they are replaced a few at a time: {least}");
        nothing_is_lost(&db).await;
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}
