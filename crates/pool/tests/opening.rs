//! Opening that fails, takes long or hangs, and closing in the middle of everything.

mod fake;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use cornac_pool::{Builder, CheckoutError, CloseReason, Pooled, Step};
use fake::{Act, Fake, FakePool, World, deadline, millis, pass, secs, settle, still_usable};
use tokio::time::Instant;

fn pool(builder: Builder, opens: &[Act]) -> (FakePool, Arc<World>) {
    let world = Arc::<World>::default();
    world.opens(opens.iter().copied());
    (builder.build(Fake(Arc::clone(&world))).expect("it is in range"), world)
}

fn lazy(max: usize) -> Builder {
    Builder::new().min_size(0).max_size(max)
}

#[tokio::test(start_paused = true)]
async fn the_keeper_opens_as_many_as_are_always_kept_and_no_more() {
    deadline(async {
        let (pool, world) =
            pool(Builder::new().min_size(7).max_size(10).max_opening(3), &[Act::Take(secs(1))]);
        let stats = fake::until(&pool, |stats| stats.idle == 7).await;
        assert_eq!((stats.size, stats.opened), (7, 7));
        assert_eq!(world.most_opening.load(SeqCst), 3);
        pass(secs(20)).await;
        assert_eq!(pool.stats().opened, 7);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn defaults_are_five_and_a_hundred_and_twice_that() {
    deadline(async {
        let (pool, _world) = pool(Builder::new(), &[Act::Work]);
        let stats = fake::until(&pool, |stats| stats.idle == 5).await;
        assert_eq!((stats.size, stats.max_size), (5, 100));
        pool.resize(200).expect("it is max_capacity");
        assert_eq!(pool.resize(201).expect_err("it is above").max_capacity, 200);
        assert_eq!(pool.resize(0).expect_err("a pool of none lends nothing").asked, 0);
        let one = lazy(4).max_capacity(4).build(Fake::<false>::default()).expect("it is in range");
        assert!(one.resize(5).is_err());
        assert!(lazy(4).max_capacity(3).build(Fake::<false>::default()).is_err());
        assert!(lazy(0).build(Fake::<false>::default()).is_err());
        let begun = Instant::now();
        let held = one.warm_up(4, secs(1)).await;
        held.expect("they open");
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(one.checkout().await.expect("it is idle"));
        }
        one.checkout().await.expect_err("all are held");
        assert_eq!(begun.elapsed().as_secs(), 30);
        drop(all);
        still_usable(&one).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_03_a_refusal_is_tried_again_after_a_pause_that_grows() {
    deadline(async {
        let refusals = [Act::Refuse, Act::Refuse, Act::Refuse, Act::Work];
        let (pool, world) = pool(lazy(1).backoff(secs(1), secs(60)), &refusals);
        let begun = Instant::now();
        drop(pool.checkout().await.expect("the fourth attempt works"));
        let waited = begun.elapsed();
        // 1 + 2 + 4 s, of which half is left to chance.
        assert!(waited >= millis(3500) && waited <= millis(7010), "{waited:?}");
        assert_eq!((world.attempts.load(SeqCst), pool.stats().open_failures), (4, 3));
        assert!(pool.last_open_failure().is_none(), "it works now");
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_03_the_pause_has_a_limit_and_one_at_a_time_tries_again() {
    deadline(async {
        let (pool, world) = pool(Builder::new().backoff(secs(1), secs(4)), &[Act::Refuse]);
        pass(secs(3600)).await;
        let attempts = world.attempts.load(SeqCst);
        // Five at first, then one each 2 to 4 s.
        assert!((900..=1810).contains(&attempts), "{attempts} attempts in an hour");
        world.most_opening.store(0, SeqCst);
        world.opens([Act::Refuse, Act::Work]);
        fake::until(&pool, |stats| stats.idle == 5).await;
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_03_who_waits_hears_the_true_reason_by_its_deadline() {
    deadline(async {
        let cases = [
            (Act::Refuse, "opening a connection failed"),
            (Act::Hang, "opening a connection took longer than 2s"),
            (Act::Panic, "opening a connection panicked: as told"),
        ];
        for (act, expected) in cases {
            let (pool, world) = pool(lazy(2).open_timeout(secs(2)).acquire_timeout(secs(5)), &[act]);
            let begun = Instant::now();
            let error = pool.checkout().await.expect_err("none opens");
            assert!(begun.elapsed() >= secs(5) && begun.elapsed() < millis(5010));
            assert!(error.timed_out().is_some());
            assert_eq!(error.open_failure().expect("it is known").to_string(), expected);
            assert!(error.to_string().ends_with(expected), "{error}");
            assert_eq!(world.observed.lock().unwrap()[0], (Step::Open, expected.to_owned()));
            world.opens([Act::Work]);
            // The pause after the last refusal.
            pass(secs(10)).await;
            still_usable(&pool).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_03_a_wrong_password_is_told_at_once_and_not_tried_on_each_call() {
    deadline(async {
        let (pool, world) = pool(lazy(4).backoff(secs(10), secs(10)), &[Act::RefuseForGood]);
        let begun = Instant::now();
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.checkout().await })
            })
            .collect();
        for call in calls {
            let error = call.await.expect("it has not panicked").expect_err("the password is wrong");
            assert!(matches!(error, CheckoutError::CannotOpen(_)) && !error.is_transient());
            let failure = error.open_failure().and_then(|failure| failure.manager_error());
            assert_eq!(failure, Some(&fake::Refused { is_permanent: true }));
        }
        assert!(begun.elapsed() < millis(1));
        let attempts = world.attempts.load(SeqCst);
        let again = pool.checkout().await.expect_err("nothing has changed");
        assert!(matches!(again, CheckoutError::CannotOpen(_)));
        let warm = pool.warm_up(2, secs(60)).await.expect_err("nothing has changed");
        assert!(matches!(warm, CheckoutError::CannotOpen(_)));
        assert_eq!(world.attempts.load(SeqCst), attempts);
        world.opens([Act::Work]);
        pass(secs(11)).await;
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_03_a_wrong_password_does_not_harm_those_who_can_still_be_served() {
    deadline(async {
        let (pool, world) = pool(lazy(2), &[Act::Work, Act::RefuseForGood]);
        let held = pool.checkout().await.expect("the first works");
        let waits = tokio::spawn({
            let pool = pool.clone();
            async move { pool.checkout().await.map(drop) }
        });
        pass(secs(5)).await;
        assert!(world.attempts.load(SeqCst) >= 2);
        drop(held);
        waits.await.expect("it has not panicked").expect("the first comes back");
        world.opens([Act::Work]);
        pass(secs(20)).await;
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_03_a_connection_that_is_being_closed_gives_nobody_hope() {
    deadline(async {
        let (pool, world) = pool(lazy(2), &[Act::Work, Act::RefuseForGood]);
        world.set(Step::Close, Act::Hang);
        let closing = pool.checkout().await.expect("the first works");
        Pooled::retire(closing);
        pass(millis(1)).await;
        let begun = Instant::now();
        for when in ["while it waits", "before it would wait"] {
            let refused = pool.checkout().await.expect_err("the password is wrong");
            assert!(matches!(refused, CheckoutError::CannotOpen(_)), "{when}: {refused}");
            assert_eq!(world.alive.load(SeqCst), 1, "{when}: the goodbye goes on");
            assert_eq!(world.attempts.load(SeqCst), 2, "{when}: it is not tried again at once");
        }
        assert!(begun.elapsed() < millis(100), "{:?}", begun.elapsed());
        world.set(Step::Close, Act::Work);
        world.opens([Act::Work]);
        pass(secs(60)).await;
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_opened_for_somebody_who_has_gone_stays_in_the_pool() {
    deadline(async {
        let (pool, world) = pool(lazy(1), &[Act::Take(secs(10))]);
        let limit = pool.checkout_within(secs(1)).await.expect_err("it takes longer");
        assert_eq!(limit.timed_out().expect("it timed out").opening, 1);
        pass(secs(10)).await;
        assert_eq!(pool.stats().idle, 1);
        let link = pool.checkout().await.expect("it is there");
        assert_eq!((link.id, world.attempts.load(SeqCst)), (0, 1));
        drop(link);
        still_usable(&pool).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_04_close_drains_what_is_idle_in_use_opening_and_tells_who_waits() {
    deadline(async {
        let (pool, world) = pool(lazy(3), &[Act::Work, Act::Work, Act::Hang]);
        let held = pool.checkout().await.expect("it opens");
        drop([pool.checkout().await.expect("it opens")]);
        let idle = pool.checkout().await.expect("it is idle");
        let waits = tokio::spawn({
            let pool = pool.clone();
            async move { pool.checkout().await }
        });
        settle().await;
        drop(idle);
        let served = waits.await.expect("it has not panicked").expect("one came back");
        let waits = tokio::spawn({
            let pool = pool.clone();
            async move { pool.checkout().await }
        });
        settle().await;
        drop(served);
        drop(waits.await.expect("it has not panicked").expect("one came back"));
        // One is idle, one in use, one being opened; and there is somebody who waits.
        let second = pool.checkout().await.expect("it is idle");
        let waits = tokio::spawn({
            let pool = pool.clone();
            async move { pool.checkout().await }
        });
        settle().await;
        let stats = pool.stats();
        assert_eq!((stats.opening, stats.in_use, stats.waiting), (1, 2, 1));
        let begun = Instant::now();
        let still = pool.close(secs(3)).await.expect_err("two are held");
        assert_eq!((begun.elapsed().as_secs(), still.holders.len()), (3, 2));
        assert!(still.to_string().starts_with("2 connections were still in use"));
        let told = waits.await.expect("it has not panicked").expect_err("it is closed");
        assert!(matches!(told, CheckoutError::Closed) && !told.is_transient());
        assert_eq!(world.opening.load(SeqCst), 0, "what was being opened is given up");
        drop((held, second));
        pool.close(secs(3)).await.expect("all are back");
        let attempts = world.attempts.load(SeqCst);
        assert!(pool.is_closed());
        assert!(matches!(pool.checkout().await, Err(CheckoutError::Closed)));
        assert!(matches!(pool.warm_up(1, secs(1)).await, Err(CheckoutError::Closed)));
        pass(secs(100)).await;
        let stats = pool.stats();
        assert_eq!((world.attempts.load(SeqCst), world.alive.load(SeqCst)), (attempts, 0));
        assert_eq!((stats.opened, stats.closed.by(CloseReason::PoolClosed), stats.size), (2, 2, 0));
        assert_eq!(world.goodbyes.load(SeqCst), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pool_04_close_says_goodbye_to_what_is_idle_and_does_not_wait_for_ever() {
    deadline(async {
        let (pool, world) = pool(lazy(3).close_timeout(secs(2)), &[Act::Work]);
        pool.warm_up(3, secs(1)).await.expect("they open");
        world.set(Step::Close, Act::Hang);
        let begun = Instant::now();
        pool.close(secs(30)).await.expect("nothing is in use");
        assert_eq!(begun.elapsed().as_secs(), 2);
        assert_eq!((world.goodbyes.load(SeqCst), world.alive.load(SeqCst)), (3, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_closes_the_pool_and_what_is_out_closes_when_it_is_back() {
    deadline(async {
        let (pool, world) = pool(lazy(3), &[Act::Work]);
        let held = pool.checkout().await.expect("it opens");
        pool.warm_up(3, secs(1)).await.expect("they open");
        let other = pool.clone();
        drop(pool);
        settle().await;
        assert_eq!(world.alive.load(SeqCst), 3);
        drop(other);
        pass(millis(1)).await;
        assert_eq!((world.alive.load(SeqCst), world.goodbyes.load(SeqCst)), (1, 2));
        drop(held);
        pass(millis(1)).await;
        assert_eq!((world.alive.load(SeqCst), world.goodbyes.load(SeqCst)), (0, 3));
        assert_eq!(Arc::strong_count(&world), 1, "nobody keeps anything of the pool");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn warm_up_waits_for_as_many_as_were_asked_for_and_says_why_it_cannot() {
    deadline(async {
        let (pool, world) = pool(lazy(6).max_opening(2), &[Act::Take(secs(1))]);
        let begun = Instant::now();
        pool.warm_up(4, secs(10)).await.expect("they open");
        assert_eq!((pool.stats().open, begun.elapsed().as_secs()), (4, 2));
        world.opens([Act::Hang]);
        {
            let mut warming = pin!(pool.warm_up(5, secs(3)));
            let error = warming.as_mut().await.expect_err("it hangs");
            assert!(error.timed_out().is_some(), "{error}");
        }
        world.opens([Act::Work]);
        pass(secs(40)).await;
        still_usable(&pool).await;
    })
    .await;
}
