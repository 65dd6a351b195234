//! More and fewer connections: resizing, retiring, growing old.

mod fake;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use cornac_pool::{Builder, CloseReason, Pooled};
use fake::{Act, Fake, FakePool, World, deadline, millis, pass, secs, settle, still_usable};

fn pool(builder: Builder) -> (FakePool, Arc<World>) {
    let world = Arc::<World>::default();
    (builder.build(Fake(Arc::clone(&world))).expect("it is in range"), world)
}

#[tokio::test(start_paused = true)]
async fn pool_05_resized_down_under_use_it_shrinks_as_connections_come_back() {
    deadline(async {
        let (pool, world) = pool(Builder::new().min_size(0).max_size(6));
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(pool.checkout().await.expect("it opens"));
        }
        drop(held.pop());
        pool.resize(2).expect("it is above none");
        pass(millis(1)).await;
        assert_eq!(pool.stats().size, 5, "the idle one goes at once");
        assert_eq!(pool.stats().in_use, 5, "no one is harmed");
        for left in [4, 3, 2, 2, 2] {
            drop(held.pop());
            pass(millis(1)).await;
            assert_eq!(pool.stats().size, left);
        }
        assert_eq!(pool.stats().closed.by(CloseReason::Resized), 4);
        assert_eq!(world.goodbyes.load(SeqCst), 4);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_05_resized_up_under_waiters_it_opens_for_them() {
    deadline(async {
        let (pool, _world) = pool(Builder::new().min_size(0).max_size(1).max_capacity(4));
        let held = pool.checkout().await.expect("it opens");
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.checkout().await.expect("there is room") })
            })
            .collect();
        settle().await;
        assert_eq!(pool.stats().waiting, 3);
        pool.resize(4).expect("it is max_capacity");
        let mut all = Vec::new();
        for wait in waits {
            all.push(wait.await.expect("it has not panicked"));
        }
        assert_eq!((pool.stats().in_use, pool.stats().max_size), (4, 4));
        drop((held, all));
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_retired_or_detached_makes_room() {
    deadline(async {
        let (pool, world) = pool(Builder::new().min_size(0).max_size(1));
        let link = pool.checkout().await.expect("it opens");
        let taken = Pooled::detach(link);
        let next = pool.checkout().await.expect("there is room");
        assert_eq!((taken.id, next.id, world.alive.load(SeqCst)), (0, 1, 2));
        Pooled::retire(next);
        let next = pool.checkout().await.expect("there is room");
        assert_eq!(next.id, 2);
        pool.retire_all();
        drop(next);
        let next = pool.checkout().await.expect("there is room");
        assert_eq!(next.id, 3);
        drop(next);
        pool.retire_all();
        assert_eq!(pool.checkout().await.expect("there is room").id, 4);
        let stats = pool.stats();
        let closed = [CloseReason::Detached, CloseReason::Retired].map(|reason| stats.closed.by(reason));
        assert_eq!(closed, [1, 3]);
        drop(taken);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_being_opened_is_retired_too() {
    deadline(async {
        let (pool, world) = pool(Builder::new().min_size(0).max_size(1));
        world.set(cornac_pool::Step::AfterConnect, Act::Take(secs(1)));
        let waits = tokio::spawn({
            let pool = pool.clone();
            async move { pool.checkout().await.expect("it opens").id }
        });
        pass(millis(500)).await;
        pool.retire_all();
        assert_eq!(waits.await.expect("it has not panicked"), 1);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_08_what_idles_beyond_the_least_is_closed_and_the_hot_ones_stay() {
    deadline(async {
        let (pool, world) =
            pool(Builder::new().min_size(2).max_size(8).idle_timeout(secs(60)).max_lifetime(None));
        pool.warm_up(8, secs(1)).await.expect("they open");
        for _ in 0..50 {
            // Two at a time are in use, now and then.
            let pair =
                (pool.checkout().await.expect("it is idle"), pool.checkout().await.expect("it is idle"));
            pass(secs(1)).await;
            drop(pair);
        }
        assert_eq!(pool.stats().size, 8);
        pass(secs(12)).await;
        let stats = pool.stats();
        assert_eq!((stats.size, stats.closed.by(CloseReason::IdleTimeout)), (2, 6));
        pass(secs(3600)).await;
        assert_eq!((pool.stats().size, world.attempts.load(SeqCst)), (2, 8), "the least stays");
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_08_the_old_are_replaced_idle_or_in_use_and_never_all_at_once() {
    deadline(async {
        let builder = Builder::new().min_size(100).max_size(100).max_opening(4).max_lifetime(secs(1000));
        let (pool, world) = pool(builder.idle_timeout(None));
        fake::until(&pool, |stats| stats.idle == 100).await;
        world.opens([Act::Take(millis(50))]);
        let held = pool.checkout().await.expect("it is idle");
        let begun = tokio::time::Instant::now();
        let mut short_since = None;
        let mut closed_by = Vec::new();
        while begun.elapsed() < secs(1100) {
            tokio::time::sleep(millis(10)).await;
            let stats = pool.stats();
            closed_by.push(stats.closed.by(CloseReason::MaxLifetime));
            // Fewer than the least for no longer than an open takes: then there are others, if any.
            if stats.open < 100 {
                let (since, closed) = *short_since.get_or_insert((begun.elapsed(), stats.closed.total()));
                assert!(begun.elapsed() <= since + millis(70) || stats.closed.total() > closed, "{stats:?}");
                assert!(stats.open >= 96, "no more are replaced than may be opened at one time: {stats:?}");
            } else {
                short_since = None;
            }
        }
        assert!(pool.stats().closed.by(CloseReason::MaxLifetime) >= 99, "each idle one was replaced");
        let before = closed_by.iter().position(|closed| *closed >= 1).expect("some were");
        let after = closed_by.iter().position(|closed| *closed >= 99).expect("99 were");
        assert!(after - before > 10_000, "they were spread over more than 100 s: {before} to {after}");
        assert_eq!(held.id, 0, "what is in use is left alone");
        let before = pool.stats().closed.by(CloseReason::MaxLifetime);
        drop(held);
        pass(millis(1)).await;
        assert!(pool.stats().closed.by(CloseReason::MaxLifetime) > before, "until it comes back");
        fake::until(&pool, |stats| stats.open == 100).await;
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_08_the_old_are_kept_while_no_new_ones_can_be_opened() {
    deadline(async {
        let (pool, world) = pool(Builder::new().min_size(2).max_size(2).max_lifetime(secs(100)));
        fake::until(&pool, |stats| stats.idle == 2).await;
        world.opens([Act::Refuse]);
        pool.checkout().await.expect("it is idle").is_dead.store(true, SeqCst);
        pass(secs(500)).await;
        let stats = pool.stats();
        assert_eq!((stats.open, stats.closed.by(CloseReason::Broken)), (1, 1));
        drop(pool.checkout().await.expect("an old one is better than none"));
        assert_eq!(pool.stats().open, 1);
        world.opens([Act::Work]);
        pass(secs(20)).await;
        let stats = pool.stats();
        assert_eq!((stats.open, stats.closed.by(CloseReason::MaxLifetime)), (2, 1));
        still_usable(&pool).await;
    })
    .await;
}
