//! Hooks, checks and cleaning that work, fail, hang and panic.

mod fake;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use cornac_pool::{Builder, CheckoutError, CloseReason, Step};
use fake::{Act, Fake, FakePool, World, deadline, millis, pass, secs, still_usable};
use tokio::time::Instant;

fn pool<const HOOKS: bool>() -> (FakePool<HOOKS>, Arc<World>) {
    let world = Arc::<World>::default();
    let builder = Builder::new().min_size(0).max_size(2).acquire_timeout(secs(20)).hook_timeout(secs(2));
    let builder = builder.check_after(secs(5)).check_timeout(secs(3)).recycle_timeout(secs(4));
    (builder.build(Fake(Arc::clone(&world))).expect("it is in range"), world)
}

/// How a step can go wrong, and what is said of it.
const FAULTS: [(Act, &str); 3] =
    [(Act::Refuse, "failed"), (Act::Hang, "took longer than"), (Act::Panic, "panicked: as told")];

#[tokio::test(start_paused = true)]
async fn pool_06_after_connect_that_goes_wrong_closes_the_connection_and_is_told() {
    deadline(async {
        for (act, said) in FAULTS {
            let (pool, world) = pool::<false>();
            world.set(Step::AfterConnect, act);
            let error = pool.checkout().await.expect_err("no connection gets through the hook");
            let failure = error.open_failure().expect("it is known");
            assert_eq!(failure.step(), Step::AfterConnect);
            assert!(failure.to_string().contains(said), "{failure}");
            let stats = pool.stats();
            assert_eq!(stats.closed.by(CloseReason::HookFailed), stats.opened - stats.open as u64);
            assert!(stats.opened >= 2, "it is tried again");
            world.set(Step::AfterConnect, Act::Work);
            still_usable(&pool).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_06_before_checkout_that_goes_wrong_closes_the_connection_and_is_told() {
    deadline(async {
        for (act, said) in FAULTS {
            let (pool, world) = pool::<false>();
            drop(pool.checkout().await.expect("it opens"));
            world.set(Step::BeforeCheckout, act);
            let begun = Instant::now();
            let error = pool.checkout().await.expect_err("the hook goes wrong");
            assert!(begun.elapsed() <= millis(2001));
            let CheckoutError::Hook(failure) = &error else { panic!("{error}") };
            assert!(failure.to_string().contains(said), "{failure}");
            assert!(error.is_transient());
            let stats = pool.stats();
            assert_eq!((stats.closed.by(CloseReason::HookFailed), world.alive.load(SeqCst)), (1, 0));
            world.set(Step::BeforeCheckout, Act::Work);
            still_usable(&pool).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_06_before_return_that_goes_wrong_closes_the_connection_off_the_callers_path() {
    deadline(async {
        for (act, said) in FAULTS {
            let (pool, world) = pool::<true>();
            let link = pool.checkout().await.expect("it opens");
            world.set(Step::BeforeReturn, act);
            let begun = Instant::now();
            drop(link);
            assert_eq!(begun.elapsed(), millis(0));
            pass(secs(3)).await;
            assert_eq!(pool.stats().closed.by(CloseReason::HookFailed), 1);
            let (step, text) = world.observed.lock().unwrap().remove(0);
            assert!(step == Step::BeforeReturn && text.contains(said), "{text}");
            world.set(Step::BeforeReturn, Act::Work);
            still_usable(&pool).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dirty_connection_is_cleaned_before_anybody_else_gets_it() {
    deadline(async {
        let (pool, world) = pool::<false>();
        pool.resize(1).expect("it is above none");
        world.set(Step::Recycle, Act::Take(secs(1)));
        let mut link = pool.checkout().await.expect("it opens");
        link.is_dirty = true;
        let id = link.id;
        drop(link);
        let begun = Instant::now();
        let link = pool.checkout().await.expect("it is cleaned");
        assert_eq!((link.id, link.is_dirty, begun.elapsed().as_secs()), (id, false, 1));
        drop(link);
        assert_eq!(world.recycled.load(SeqCst), 1);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cleaned_is_closed() {
    deadline(async {
        for (act, said) in FAULTS {
            let (pool, world) = pool::<false>();
            let (mut first, second) =
                (pool.checkout().await.expect("it opens"), pool.checkout().await.expect("it opens"));
            world.set(Step::Recycle, act);
            first.is_dirty = true;
            drop(first);
            // The one that cannot be cleaned holds nobody up.
            drop(second);
            drop(pool.checkout_within(millis(1)).await.expect("the other one is clean"));
            pass(secs(5)).await;
            assert_eq!(pool.stats().closed.by(CloseReason::CannotClean), 1);
            let (step, text) = world.observed.lock().unwrap().remove(0);
            assert!(step == Step::Recycle && text.contains(said), "{text}");
            still_usable(&pool).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_has_idled_is_checked_once_and_what_fails_is_replaced() {
    deadline(async {
        let (pool, world) = pool::<false>();
        drop(pool.checkout().await.expect("it opens"));
        pass(secs(4)).await;
        drop(pool.checkout().await.expect("it is idle"));
        assert_eq!(world.checks.load(SeqCst), 0, "it has not idled for long");
        pass(secs(6)).await;
        drop(pool.checkout().await.expect("it works"));
        drop(pool.checkout().await.expect("it works"));
        assert_eq!(world.checks.load(SeqCst), 1);
        for (number, (act, said)) in FAULTS.into_iter().enumerate() {
            world.observed.lock().unwrap().clear();
            world.set(Step::Check, act);
            pass(secs(6)).await;
            let begun = Instant::now();
            let link = pool.checkout().await.expect("another one is opened");
            assert!(begun.elapsed() < millis(3010));
            drop(link);
            assert_eq!(pool.stats().closed.by(CloseReason::CheckFailed), number as u64 + 1);
            let (step, text) = world.observed.lock().unwrap().remove(0);
            assert!(step == Step::Check && text.contains(said), "{text}");
        }
        world.set(Step::Check, Act::Work);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_check_takes_no_longer_than_the_caller_waits() {
    deadline(async {
        let (pool, world) = pool::<false>();
        pool.resize(1).expect("it is above none");
        drop(pool.checkout().await.expect("it opens"));
        world.set(Step::Check, Act::Hang);
        world.opens([Act::Hang]);
        pass(secs(6)).await;
        let begun = Instant::now();
        let error = pool.checkout_within(secs(1)).await.expect_err("neither check nor open ends");
        assert!(error.timed_out().is_some());
        assert!(begun.elapsed() <= millis(1010), "{:?}", begun.elapsed());
        world.opens([Act::Work]);
        world.set(Step::Check, Act::Work);
        pass(secs(40)).await;
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_in_use_for_long_has_not_idled() {
    deadline(async {
        let (pool, world) = pool::<false>();
        let link = pool.checkout().await.expect("it opens");
        pass(secs(600)).await;
        drop(link);
        drop(pool.checkout().await.expect("it is idle"));
        assert_eq!(world.checks.load(SeqCst), 0);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_dead_are_seen_without_a_round_trip() {
    deadline(async {
        let (pool, world) = pool::<false>();
        for act in [Act::Work, Act::Refuse, Act::Panic] {
            let link = pool.checkout().await.expect("it opens");
            let (id, is_dead) = (link.id, Arc::clone(&link.is_dead));
            drop(link);
            world.set(Step::Peek, act);
            is_dead.store(act == Act::Work, SeqCst);
            let link = pool.checkout().await.expect("another one is opened");
            assert_ne!(link.id, id);
            world.set(Step::Peek, Act::Work);
        }
        assert_eq!((pool.stats().closed.by(CloseReason::Broken), world.checks.load(SeqCst)), (3, 0));
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_broken_or_panics_about_it_is_closed() {
    deadline(async {
        let (pool, world) = pool::<false>();
        let link = pool.checkout().await.expect("it opens");
        link.is_dead.store(true, SeqCst);
        drop(link);
        let link = pool.checkout().await.expect("another one is opened");
        world.set(Step::Condition, Act::Panic);
        drop(link);
        world.set(Step::Condition, Act::Work);
        assert_eq!(pool.stats().closed.by(CloseReason::Broken), 2);
        assert_eq!(world.observed.lock().unwrap()[0].0, Step::Condition);
        still_usable(&pool).await;
    })
    .await;
}
