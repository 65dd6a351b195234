//! Runtimes that end, and pools that outlive them.

mod fake;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use cornac_pool::{Builder, CheckoutError, CloseReason};
use fake::{Fake, FakePool, settle, still_usable, within_a_minute};
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};

fn current_thread() -> Runtime {
    RuntimeBuilder::new_current_thread().enable_time().build().expect("it starts")
}

fn multi_thread() -> Runtime {
    RuntimeBuilder::new_multi_thread().worker_threads(2).enable_time().build().expect("it starts")
}

fn pool(max: usize) -> FakePool {
    Builder::new().min_size(0).max_size(max).build(Fake::default()).expect("it is in range")
}

#[test]
fn pool_11_one_static_pool_works_on_one_runtime_after_another() {
    static POOL: LazyLock<FakePool> = LazyLock::new(|| pool(3));
    let mut last_id = None;
    let mut left_out = Vec::new();
    for (round, runtime) in
        [current_thread(), multi_thread(), current_thread(), multi_thread()].into_iter().enumerate()
    {
        runtime.block_on(within_a_minute(async {
            let all = [
                POOL.checkout().await.expect("it opens"),
                POOL.checkout().await.expect("it opens"),
                POOL.checkout().await.expect("it opens"),
            ];
            let least = all.iter().map(|link| link.id).min();
            assert!(least > last_id, "none of a runtime that has ended");
            last_id = all.iter().map(|link| link.id).max();
            drop(all);
            still_usable(&POOL).await;
            // One stays out when the runtime ends, two are idle.
            left_out.push(POOL.checkout().await.expect("it is idle"));
        }));
        drop(runtime);
        // It comes back where there is no runtime at all.
        left_out.clear();
        let stats = POOL.stats();
        assert_eq!((stats.open, stats.in_use, stats.opened), (3, 0, 3 * (round as u64 + 1)));
        assert_eq!(stats.closed.by(CloseReason::RuntimeEnded), 3 * round as u64);
    }
}

#[test]
fn pool_11_connections_of_a_runtime_that_nobody_drives_are_not_used_on_another() {
    let pool = pool(2);
    let (first, second) = (current_thread(), current_thread());
    let id = first.block_on(async { pool.checkout().await.expect("it opens").id });
    second.block_on(within_a_minute(async {
        let link = pool.checkout().await.expect("another one is opened");
        assert_ne!(link.id, id, "its socket would never be ready");
        assert_eq!(pool.stats().closed.by(CloseReason::RuntimeEnded), 1);
        drop(link);
        still_usable(&pool).await;
    }));
    drop(first);
    second.block_on(still_usable(&pool));
}

#[test]
fn connections_of_a_runtime_with_threads_of_its_own_are_used_on_another() {
    let pool = pool(2);
    let (first, second) = (multi_thread(), current_thread());
    let id = first.block_on(async { pool.checkout().await.expect("it opens").id });
    second.block_on(within_a_minute(async {
        assert_eq!(pool.checkout().await.expect("it is idle").id, id);
        still_usable(&pool).await;
    }));
}

#[test]
fn pool_11_who_waits_when_the_keepers_runtime_ends_is_served_by_a_new_keeper() {
    let pool = pool(1);
    let first = multi_thread();
    let held = first.block_on(pool.checkout()).expect("it opens");
    let second = current_thread();
    let (ended, has_ended) = mpsc::channel();
    let thread = std::thread::spawn({
        let pool = pool.clone();
        move || {
            while pool.stats().waiting == 0 {
                std::thread::yield_now();
            }
            drop(first);
            ended.send(()).expect("the test waits");
            drop(held);
        }
    });
    second.block_on(within_a_minute(async {
        let link = pool.checkout().await.expect("a new one is opened, or the old one replaced");
        assert_eq!(link.id, 1, "the old one has no runtime any more");
        has_ended.recv().expect("it says so");
        drop(link);
        let error = {
            let _held = pool.checkout().await.expect("it is idle");
            pool.checkout_within(Duration::from_millis(20)).await.expect_err("it is held")
        };
        assert!(error.timed_out().is_some(), "the new keeper keeps deadlines");
        still_usable(&pool).await;
    }));
    thread.join().expect("it has not panicked");
}

#[test]
fn pool_11_who_waits_when_the_keepers_runtime_ends_still_has_a_deadline() {
    let pool = pool(1);
    let (first, second) = (multi_thread(), current_thread());
    let held = first.block_on(pool.checkout()).expect("it opens");
    let thread = std::thread::spawn({
        let pool = pool.clone();
        move || {
            while pool.stats().waiting == 0 {
                std::thread::yield_now();
            }
            drop(first);
        }
    });
    second.block_on(within_a_minute(async {
        let limit = Duration::from_millis(200);
        let error = pool.checkout_within(limit).await.expect_err("it is held all the time");
        assert_eq!(error.timed_out().expect("a new keeper keeps the deadline").in_use, 1);
        drop(held);
        still_usable(&pool).await;
    }));
    thread.join().expect("it has not panicked");
}

#[test]
fn pool_09_a_runtime_that_ends_with_connections_out_closes_them_and_panics_nowhere() {
    for runtime in [current_thread(), multi_thread()] {
        let pool = pool(4);
        let world = Arc::clone(&pool.manager().0);
        let outside = runtime.block_on(async {
            for _ in 0..2 {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let _held = pool.checkout().await.expect("it opens");
                    std::future::pending::<()>().await;
                });
            }
            fake::until(&pool, |stats| stats.in_use == 2).await;
            let mut dirty = pool.checkout().await.expect("it opens");
            dirty.is_dirty = true;
            world.set(cornac_pool::Step::Recycle, fake::Act::Hang);
            drop(dirty);
            settle().await;
            pool.checkout().await.expect("it opens")
        });
        drop(runtime);
        // Those that the tasks held are back, and closed as soon as somebody looks; what was being cleaned is closed.
        drop(outside);
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.waiting, stats.opening), (0, 0, 0));
        assert_eq!(stats.opened, stats.closed.total() + stats.open as u64);
        drop(pool);
        assert_eq!(world.alive.load(SeqCst), 0);
        assert_eq!(Arc::strong_count(&world), 1, "nobody keeps anything of the pool");
    }
}

#[test]
fn pool_09_dropped_with_connections_out_and_no_runtime_everything_is_closed() {
    let runtime = current_thread();
    let pool = pool(2);
    let world = Arc::clone(&pool.manager().0);
    let held = runtime.block_on(async {
        drop(pool.checkout().await.expect("it opens"));
        pool.checkout().await.expect("it is idle")
    });
    drop(runtime);
    drop(pool);
    assert_eq!(world.alive.load(SeqCst), 1);
    drop(held);
    assert_eq!((world.alive.load(SeqCst), Arc::strong_count(&world)), (0, 1));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let pool = pool(1);
    let mut checkout = std::pin::pin!(pool.checkout());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(answer) = checkout.as_mut().poll(&mut context) else {
        panic!("nobody would wake it")
    };
    assert!(matches!(answer, Err(CheckoutError::NoRuntime)));
    current_thread().block_on(still_usable(&pool));
}
