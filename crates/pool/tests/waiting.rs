//! Callers who wait: their order, their deadlines, their cancellation.

mod fake;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};

use cornac_pool::{Builder, CheckoutError, CloseReason, Pooled};
use fake::{Act, Fake, FakePool, deadline, millis, pass, secs, settle, still_usable};
use proptest::prelude::*;
use tokio::sync::mpsc;

fn pool_of(size: usize) -> FakePool {
    Builder::new().min_size(0).max_size(size).build(Fake::default()).expect("it is in range")
}

/// Polls once.
fn look<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_lent_at_once_and_the_same_one_again() {
    deadline(async {
        let pool = pool_of(3);
        let first = pool.checkout().await.expect("it opens").id;
        for _ in 0..100 {
            let mut checkout = pin!(pool.checkout());
            let Poll::Ready(Ok(link)) = look(checkout.as_mut()) else { panic!("it is there") };
            assert_eq!(link.id, first, "hot connections stay hot");
        }
        let stats = pool.stats();
        assert_eq!((stats.opened, stats.waits.immediate(), stats.waits.total()), (1, 100, 101));
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_01_a_thousand_waiters_are_served_in_their_order() {
    deadline(async {
        let pool = pool_of(2);
        let held = [pool.checkout().await.expect("it opens"), pool.checkout().await.expect("it opens")];
        let (served, mut order) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for number in 0..1000 {
            let (pool, served) = (pool.clone(), served.clone());
            tasks.push(tokio::spawn(async move {
                let link = pool.checkout().await;
                served.send(number).expect("somebody listens");
                tokio::task::yield_now().await;
                drop(link.expect("it stays in line"));
            }));
            settle().await;
        }
        assert_eq!(pool.stats().waiting, 1000);
        // Every third goes, from anywhere in the line.
        for number in (0..1000).step_by(3) {
            tasks[number].abort();
        }
        settle().await;
        assert_eq!(pool.stats().waiting, 666);
        drop(held);
        drop(served);
        let mut seen = Vec::new();
        while seen.len() < 666 {
            seen.push(order.recv().await.expect("all that stay are served"));
        }
        let expected: Vec<_> = (0..1000).filter(|number| number % 3 != 0).collect();
        assert_eq!(seen, expected);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_01_a_timeout_says_what_the_pool_looked_like() {
    deadline(async {
        let pool = Builder::new()
            .min_size(0)
            .max_size(1)
            .acquire_timeout(secs(3))
            .build(Fake::<false>::default())
            .expect("it is in range");
        let held = pool.checkout().await.expect("it opens");
        pass(secs(7)).await;
        let line = line!() + 1;
        let error = pool.checkout().await.expect_err("it is held");
        assert!(error.is_transient());
        let timed_out = error.timed_out().expect("it timed out");
        let counts = (timed_out.size, timed_out.in_use, timed_out.idle, timed_out.opening, timed_out.waiting);
        assert_eq!(counts, (1, 1, 0, 0, 0));
        assert_eq!((timed_out.limit, timed_out.max_size), (secs(3), 1));
        let holder = timed_out.longest_holder.expect("somebody holds it");
        assert_eq!(holder.held_for.as_secs(), 10);
        assert!(holder.location.file().ends_with("waiting.rs") && holder.location.line() < line);
        let said = error.to_string();
        let expected = "no connection came free within 3s: 1 of 1 connections, 1 in use, 0 idle, 0 being opened; 0 others wait; held for longest: ";
        assert!(said.starts_with(expected), "{said}");
        drop(held);
        assert_eq!(pool.stats().timed_out, 1);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_caller_may_have_a_deadline_of_its_own() {
    deadline(async {
        let pool = pool_of(1);
        let held = pool.checkout().await.expect("it opens");
        let begun = tokio::time::Instant::now();
        let waits = [secs(20), millis(10), secs(5)].map(|limit| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let error = pool.checkout_within(limit).await.expect_err("it is held");
                assert_eq!(error.timed_out().expect("it timed out").limit, limit);
                begun.elapsed()
            })
        });
        for (wait, limit) in waits.into_iter().zip([20_000, 10, 5_000]) {
            let waited = wait.await.expect("it has not panicked");
            assert!(waited >= millis(limit) && waited < millis(limit + 5), "{waited:?} for {limit} ms");
        }
        drop(held);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_more_may_wait_than_are_allowed_to() {
    deadline(async {
        let pool = Builder::new().min_size(0).max_size(1).max_waiting(2).build(Fake::<false>::default());
        let pool = pool.expect("it is in range");
        let held = pool.checkout().await.expect("it opens");
        let (mut first, mut second) = (pin!(pool.checkout()), pin!(pool.checkout()));
        assert!(look(first.as_mut()).is_pending() && look(second.as_mut()).is_pending());
        let third = pool.checkout().await.expect_err("two wait");
        assert!(matches!(third, CheckoutError::TooManyWaiting(2)), "{third}");
        drop(held);
        drop(first.await.expect("it is first"));
        drop(second.await.expect("it is second"));
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_take_what_is_on_its_way_to_somebody() {
    deadline(async {
        let pool = pool_of(1);
        let held = pool.checkout().await.expect("it opens");
        let mut waits = Box::pin(pool.checkout());
        assert!(look(waits.as_mut()).is_pending());
        drop(held);
        let mut newcomer = pin!(pool.checkout());
        assert!(look(newcomer.as_mut()).is_pending(), "it is in the other's hands already");
        // Whoever has been handed it goes without having looked: the next one gets it.
        drop(waits);
        let Poll::Ready(Ok(link)) = look(newcomer.as_mut()) else { panic!("it was passed on") };
        drop(link);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn drop_03_a_checkout_dropped_at_any_await_loses_nothing() {
    deadline(async {
        // Opening, the hook after it, the check and the hook before it all take time; so each await is reached.
        let mut points = 0;
        for cut in 0.. {
            let pool =
                Builder::new().min_size(0).max_size(2).check_after(millis(1)).build(Fake::<true>::default());
            let pool = pool.expect("it is in range");
            let world = Arc::clone(&pool.manager().0);
            world.opens([Act::Take(millis(3))]);
            for step in [
                cornac_pool::Step::AfterConnect,
                cornac_pool::Step::Check,
                cornac_pool::Step::BeforeCheckout,
                cornac_pool::Step::BeforeReturn,
                cornac_pool::Step::Recycle,
            ] {
                world.set(step, Act::Take(millis(3)));
            }
            // Work with two connections, cut off after so many milliseconds.
            let work = async {
                for _ in 0..2 {
                    let mut held = vec![pool.checkout().await.expect("it opens")];
                    held.push(pool.checkout().await.expect("it opens"));
                    held[0].is_dirty = true;
                    drop(held);
                    pass(millis(2)).await;
                }
            };
            let is_whole = tokio::time::timeout(millis(cut), work).await.is_ok();
            points += 1;
            world.opens([Act::Work]);
            let stats = fake::until(&pool, |stats| stats.size == stats.idle).await;
            assert_eq!((stats.waiting, stats.closed.total()), (0, 0), "cut after {cut} ms: {stats:?}");
            still_usable(&pool).await;
            pool.close(secs(5)).await.expect("nothing is in use");
            assert_eq!(world.alive.load(SeqCst), 0);
            if is_whole {
                break;
            }
        }
        println!("cut at {points} points");
        assert!(points > 20, "it was cut at each of them");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn drop_03_close_and_warm_up_dropped_in_the_middle_lose_nothing() {
    deadline(async {
        let pool = pool_of(4);
        pool.manager().0.opens([Act::Take(secs(1))]);
        {
            let mut warming = pin!(pool.warm_up(4, secs(10)));
            assert!(look(warming.as_mut()).is_pending());
            settle().await;
        }
        pass(secs(2)).await;
        assert_eq!(pool.stats().open, 4, "what was being opened stays");
        let held = pool.checkout().await.expect("it is idle");
        {
            let mut closing = pin!(pool.close(secs(10)));
            assert!(look(closing.as_mut()).is_pending());
        }
        pass(secs(1)).await;
        assert!(matches!(pool.checkout().await, Err(CheckoutError::Closed)));
        drop(held);
        pool.close(secs(1)).await.expect("all are back");
        let stats = pool.stats();
        assert_eq!((stats.size, stats.closed.by(CloseReason::PoolClosed)), (0, 4));
    })
    .await;
}

/// What one step of a schedule does.
#[derive(Clone, Debug)]
enum Move {
    Ask,
    Look(usize),
    Leave(usize),
    GiveBack(usize),
    Soil(usize),
    Kill(usize),
    Retire(usize),
    Detach(usize),
    Resize(usize),
    RetireAll,
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => Just(Move::Ask),
        6 => (0..16_usize).prop_map(Move::Look),
        2 => (0..16_usize).prop_map(Move::Leave),
        5 => (0..16_usize).prop_map(Move::GiveBack),
        2 => (0..16_usize).prop_map(Move::Soil),
        2 => (0..16_usize).prop_map(Move::Kill),
        1 => (0..16_usize).prop_map(Move::Retire),
        1 => (0..16_usize).prop_map(Move::Detach),
        1 => (1..=6_usize).prop_map(Move::Resize),
        1 => Just(Move::RetireAll),
        2 => (0..40_000_u64).prop_map(Move::Pass),
    ];
    prop::collection::vec(one, 1..80)
}

type Waiting = Pin<Box<dyn Future<Output = Result<Pooled<Fake>, CheckoutError<fake::Refused>>>>>;

async fn play(moves: Vec<Move>) {
    let pool = pool_of(3);
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut held: Vec<Pooled<Fake>> = Vec::new();
    for step in moves {
        match step {
            Move::Ask => {
                let pool = pool.clone();
                waiting.push(Box::pin(async move { pool.checkout().await }));
            }
            Move::Look(number) if !waiting.is_empty() => {
                let number = number % waiting.len();
                if let Poll::Ready(done) = look(waiting[number].as_mut()) {
                    drop(waiting.remove(number));
                    held.extend(done.ok());
                }
            }
            Move::Leave(number) if !waiting.is_empty() => drop(waiting.remove(number % waiting.len())),
            Move::GiveBack(number) if !held.is_empty() => drop(held.remove(number % held.len())),
            Move::Soil(number) if !held.is_empty() => {
                let number = number % held.len();
                held[number].is_dirty = true;
            }
            Move::Kill(number) if !held.is_empty() => held[number % held.len()].is_dead.store(true, SeqCst),
            Move::Retire(number) if !held.is_empty() => Pooled::retire(held.remove(number % held.len())),
            Move::Detach(number) if !held.is_empty() => {
                drop(Pooled::detach(held.remove(number % held.len())));
            }
            Move::Resize(size) => pool.resize(size).expect("it is within twice three"),
            Move::RetireAll => pool.retire_all(),
            Move::Pass(time) => pass(millis(time)).await,
            _ => settle().await,
        }
        let stats = pool.stats();
        assert!(
            stats.idle == 0 || stats.waiting == 0,
            "there is something idle while somebody waits: {stats:?}"
        );
        assert_eq!(stats.opened, stats.closed.total() + stats.open as u64, "{stats:?}");
        assert_eq!(stats.in_use, held.len(), "{stats:?}");
    }
    drop(held);
    for wait in waiting {
        match wait.await {
            Ok(link) => drop(link),
            Err(error) => assert!(error.timed_out().is_some(), "{error}"),
        }
    }
    still_usable(&pool).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_schedule_leaves_the_pool_whole(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("it starts").block_on(deadline(play(moves)));
    }
}
