//! Many callers on one connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use cornac::shared::SharedConnection;
use cornac_conn::{Result, Statement, StatementMode};
use cornac_tests::{deadline, shared};

/// How many callers there are at a time.
const CALLERS: u64 = 64;

/// Numbers that look random, the same in every run.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Polls `future` up to `times` times, letting others run in between, and drops it then.
async fn polled<F: Future>(future: F, times: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

async fn still_usable(shared: &SharedConnection) {
    let answer: i32 = shared.fetch_value("SELECT $1::int4", (1717_i32,)).await.expect("the connection works");
    assert_eq!(answer, 1717);
}

/// One caller: a statement with a tag of its own must give that tag, in one of several shapes.
async fn call(shared: &SharedConnection, tag: i64) -> Result<()> {
    match tag % 5 {
        0 => {
            let answer: i64 = shared.fetch_value("SELECT $1::int8", (tag,)).await?;
            assert_eq!(answer, tag);
        }
        1 => {
            let answers: Vec<(i64, i32)> =
                shared.fetch_all("SELECT $1::int8, n FROM generate_series(1, 20) n", (tag,)).await?;
            assert_eq!(answers, (1..=20).map(|n| (tag, n)).collect::<Vec<_>>());
        }
        2 => {
            let failed =
                shared.execute("SELECT 1 / ($1::int8 - $1::int8) AS zero", (tag,)).await.unwrap_err();
            if failed.delivery() != cornac::Delivery::Answered {
                return Err(failed);
            }
            assert_eq!(failed.sql_state(), Some(cornac::SqlState::DIVISION_BY_ZERO), "{failed}");
        }
        3 => {
            let unnamed = Statement::new("SELECT $1::int8 * 2").mode(StatementMode::Unnamed);
            let answer: i64 = shared.fetch_value(unnamed, (tag,)).await?;
            assert_eq!(answer, tag * 2);
        }
        _ => {
            let answer: Option<(String,)> = shared.fetch_optional("SELECT $1::int8::text", (tag,)).await?;
            assert_eq!(answer, Some((tag.to_string(),)));
        }
    }
    Ok(())
}

/// Rounds of 64 callers, one of whom goes at a random moment; gives how often he had his answer by then.
async fn rounds(shared: SharedConnection, rounds: u64, seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let mut too_late = 0;
    for round in 0..rounds {
        let victim = dice.below(CALLERS);
        let patience = dice.below(12);
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let shared = shared.clone();
                let tag = i64::try_from(round * CALLERS + caller).unwrap();
                tokio::spawn(async move {
                    if caller == victim {
                        polled(call(&shared, tag), patience).await
                    } else {
                        Some(call(&shared, tag).await)
                    }
                })
            })
            .collect();
        for (caller, task) in (0..CALLERS).zip(callers) {
            let outcome = task.await.expect("no caller has somebody else's answer");
            if caller == victim {
                too_late += u64::from(outcome.is_some());
            } else {
                outcome.expect("it was not dropped").expect("it is answered");
            }
        }
    }
    still_usable(&shared).await;
    assert_eq!(shared.statistics().waiting + shared.statistics().in_flight, 0);
    too_late
}

async fn connect() -> SharedConnection {
    SharedConnection::connect(shared().config()).await.unwrap()
}

#[tokio::test]
async fn drop_09_one_of_64_callers_goes_and_the_others_get_their_own_answers() {
    deadline(async {
        let shared = connect().await;
        let too_late = rounds(shared.clone(), 150, 0x9e37_79b9_7f4a_7c15).await;
        println!("{too_late} of 150 had their answer before they were dropped; {:?}", shared.statistics());
        assert!(too_late < 150);
        shared.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drop_09_holds_on_several_threads() {
    deadline(async {
        let shared = connect().await;
        let too_late = rounds(shared.clone(), 150, 0x2545_f491_4f6c_dd1d).await;
        println!("{too_late} of 150 had their answer before they were dropped; {:?}", shared.statistics());
        shared.close().await.unwrap();
    })
    .await;
}
