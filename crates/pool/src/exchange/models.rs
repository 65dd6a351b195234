//! Models of the exchange: loom runs each in every order that its threads can take, within a bound on preemptions.
//!
//! Run by `cargo xtask loom`. Whoever waits does so in `block_on`: if nobody woke it, loom reports a deadlock.

use std::sync::atomic::{AtomicU64 as Counter, Ordering::Relaxed};
use std::task::{Context, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use super::*;

/// What changes hands: the number of its place.
#[derive(Debug, PartialEq, Eq)]
struct Token(usize);

impl Seated for Token {
    fn slot(&self) -> usize {
        self.0
    }
}

type Shop = Exchange<Token, &'static str>;

/// Runs a model, and prints how many executions it took.
fn model(name: &str, body: impl Fn() + Sync + Send + 'static) {
    const BOUND: usize = 2;
    let executions = std::sync::Arc::new(Counter::new(0));
    let counted = std::sync::Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(BOUND);
    let bound = builder.preemption_bound.unwrap_or(BOUND);
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        body();
    });
    println!("model {name}: {} executions, at most {bound} preemptions in each", executions.load(Relaxed));
}

/// An exchange with two places and tokens in the first so many.
fn shop(tokens: usize) -> Arc<Shop> {
    let shop = Shop::new(2);
    (0..tokens).for_each(|slot| assert!(shop.give(Token(slot)).expect("it is open").is_none()));
    Arc::new(shop)
}

/// Takes a token, or waits for one.
async fn checkout(shop: &Shop, end: End) -> Result<Token, &'static str> {
    if let Ok(token) = shop.take() {
        return Ok(token);
    }
    let waker = std::future::poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    match shop.join(end, waker, 10, u32::MAX) {
        Joined::Took(token) => Ok(token),
        Joined::Closed => Err("closed"),
        Joined::Full => unreachable!("there is no limit"),
        Joined::Waiting(ticket) => match Turn::new(shop, ticket).await {
            Outcome::Handed(token) => Ok(token),
            Outcome::Refused(why) => Err(why),
        },
    }
}

/// Joins the line, looks once, and leaves again: dropped in any state that others have brought it to.
fn checkout_and_cancel(shop: &Shop) -> Option<Token> {
    match shop.join(End::Back, Waker::noop().clone(), 10, u32::MAX) {
        Joined::Took(token) => Some(token),
        Joined::Closed | Joined::Full => None,
        Joined::Waiting(ticket) => {
            let mut turn = std::pin::pin!(Turn::new(shop, ticket));
            let mut context = Context::from_waker(Waker::noop());
            let _fresh = turn.as_mut().poll(&mut context);
            match turn.as_mut().poll(&mut context) {
                Poll::Ready(Outcome::Handed(token)) => Some(token),
                Poll::Ready(Outcome::Refused(_)) | Poll::Pending => None,
            }
        }
    }
}

/// All threads are done: so many tokens are there, each once, and nobody waits.
fn settled(shop: &Shop, tokens: usize) {
    assert_eq!((shop.waiting(), shop.idle() as usize), (0, tokens));
    let mut slots: Vec<_> = std::iter::from_fn(|| shop.drain()).map(|token| token.0).collect();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), tokens, "each token is there once: {slots:?}");
    assert!(!shop.is_idle(0) && !shop.is_idle(1));
}

/// Runs bodies in threads of their own, the last one in this.
fn together(shop: &Arc<Shop>, others: Vec<fn(&Shop)>, own: impl FnOnce(&Shop)) {
    let threads: Vec<_> = others
        .into_iter()
        .map(|body| {
            let shop = Arc::clone(shop);
            thread::spawn(move || body(&shop))
        })
        .collect();
    own(shop);
    threads.into_iter().for_each(|thread| thread.join().expect("it has not panicked"));
}

fn take_and_give(shop: &Shop) {
    if let Ok(token) = shop.take() {
        shop.pass_on(token);
    }
}

fn wait_and_give(shop: &Shop) {
    let token = block_on(checkout(shop, End::Back)).expect("nothing is refused");
    shop.pass_on(token);
}

#[test]
fn what_is_taken_and_given_back_is_never_with_two() {
    model("checkout and return, 3 threads, 2 places", || {
        let shop = shop(2);
        together(&shop, vec![take_and_give, take_and_give], take_and_give);
        settled(&shop, 2);
    });
}

#[test]
fn what_two_give_a_third_can_take() {
    model("two return, one checks out, 3 threads, 2 places", || {
        let shop = shop(0);
        together(&shop, vec![|shop| shop.pass_on(Token(1)), |shop| shop.pass_on(Token(0))], take_and_give);
        settled(&shop, 2);
    });
}

#[test]
fn whoever_waits_is_woken() {
    model("waiter hand-over, 3 threads, 1 of 2 places", || {
        let shop = shop(1);
        together(&shop, vec![wait_and_give, wait_and_give], wait_and_give);
        settled(&shop, 1);
    });
}

#[test]
fn a_newcomer_does_not_pass_whoever_waits() {
    model("waiters and newcomers, 3 threads, 2 places", || {
        let shop = shop(0);
        let first = match shop.join(End::Back, Waker::noop().clone(), 10, u32::MAX) {
            Joined::Waiting(ticket) => ticket,
            other => panic!("there is nothing to take yet: {other:?}"),
        };
        together(&shop, vec![|shop| shop.pass_on(Token(0)), take_and_give], |_| ());
        let mut ticket = Some(first);
        match shop.poll(&mut ticket, Waker::noop()) {
            Poll::Ready(Outcome::Handed(token)) => shop.pass_on(token),
            other => panic!("the only token went past whoever waited: {other:?}"),
        }
        settled(&shop, 1);
    });
}

#[test]
fn whoever_is_cancelled_loses_nobodys_turn() {
    model("cancel while handed over, 3 threads, 1 of 2 places", || {
        let shop = shop(0);
        let cancelled = |shop: &Shop| {
            if let Some(token) = checkout_and_cancel(shop) {
                shop.pass_on(token);
            }
        };
        together(&shop, vec![cancelled, |shop| shop.pass_on(Token(0))], wait_and_give);
        settled(&shop, 1);
    });
}

#[test]
fn whoever_is_refused_in_time_loses_nothing_that_was_handed_over() {
    model("deadline while handed over, 3 threads, 1 of 2 places", || {
        let shop = shop(0);
        let keeper = |shop: &Shop| {
            let (wakers, _) = shop.refuse_until(10, || "timed out");
            wakers.into_iter().for_each(Waker::wake);
        };
        together(&shop, vec![keeper, |shop| shop.pass_on(Token(1))], |shop| {
            match block_on(checkout(shop, End::Back)) {
                Ok(token) => shop.pass_on(token),
                Err(why) => assert_eq!(why, "timed out"),
            }
        });
        settled(&shop, 1);
    });
}

#[test]
fn closing_tells_whoever_waits_and_leaves_nothing() {
    model("close while waiting, 3 threads, 2 places", || {
        let shop = shop(1);
        // Held by somebody who gives it back while it is being closed.
        let held = shop.take().expect("it is idle");
        let gone = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let counted = [Arc::clone(&gone), Arc::clone(&gone)];
        let [by_giver, by_closer] = counted;
        let giver = {
            let shop = Arc::clone(&shop);
            thread::spawn(move || match shop.give(held) {
                Ok(waker) => waker.into_iter().for_each(Waker::wake),
                Err(_) => _ = by_giver.fetch_add(1, Relaxed),
            })
        };
        let closer = {
            let shop = Arc::clone(&shop);
            thread::spawn(move || {
                shop.close(|| "closed").into_iter().for_each(Waker::wake);
                while let Some(_token) = shop.drain() {
                    by_closer.fetch_add(1, Relaxed);
                }
            })
        };
        match block_on(checkout(&shop, End::Back)) {
            Ok(token) => match shop.give(token) {
                Ok(waker) => assert!(waker.is_none(), "nobody waits"),
                Err(_) => _ = gone.fetch_add(1, Relaxed),
            },
            Err(why) => assert_eq!(why, "closed"),
        }
        giver.join().expect("it has not panicked");
        closer.join().expect("it has not panicked");
        assert_eq!(gone.load(Relaxed), 1, "the token is gone, and nowhere else");
        settled(&shop, 0);
    });
}

#[test]
fn shrinking_and_growing_harm_nobody() {
    model("resize down and up, 3 threads, 2 places", || {
        let shop = shop(2);
        let shrink_and_grow = |shop: &Shop| match shop.claim(1) {
            // Closed, and a new one opened in its place.
            Claimed::Got(Token(slot)) => shop.pass_on(Token(slot)),
            Claimed::Other(token) => shop.pass_on(token),
            Claimed::Nothing => (),
        };
        together(&shop, vec![shrink_and_grow, wait_and_give], wait_and_give);
        settled(&shop, 2);
    });
}

#[test]
fn what_is_claimed_from_the_middle_is_claimed_once() {
    model("take-out of one place, 3 threads, 2 places", || {
        let shop = shop(2);
        let take_out = |shop: &Shop| match shop.claim(0) {
            Claimed::Got(token) => {
                assert_eq!(token, Token(0));
                shop.pass_on(token);
            }
            // Any other, or the one that was asked for after all, if it came back meanwhile.
            Claimed::Other(token) => shop.pass_on(token),
            Claimed::Nothing => (),
        };
        together(&shop, vec![take_out, take_and_give], take_and_give);
        settled(&shop, 2);
    });
}

#[test]
fn the_dead_are_taken_out_and_their_place_used_again() {
    model("take-out of a dead connection, 3 threads, 2 places", || {
        let shop = shop(2);
        // Whoever finds its connection dead keeps its place's number, as the roster does, and goes on to the next.
        let finds_it_dead = |shop: &Shop| {
            if let Ok(Token(slot)) = shop.take() {
                let next = block_on(checkout(shop, End::Front)).expect("nothing is refused");
                shop.pass_on(next);
                shop.pass_on(Token(slot));
            }
        };
        together(&shop, vec![finds_it_dead, wait_and_give], wait_and_give);
        settled(&shop, 2);
    });
}
