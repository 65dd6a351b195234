//! Batches under one Sync, dropped at every byte: all of one is there afterwards, or nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cornac::{Client, Connection, ErrorKind, Statement, StatementMode};
use cornac_conn::{Outcome, SslMode, pipeline};
use cornac_tests::{Points, deadline};

use crate::dropped::Effect::{All, AllOrNone, Nothing};
use crate::dropped::{
    Bench, INSERT, INSERT_AND_COUNT, INSERT_ONE, Items, Operation, Running, Slow, drop_each_everywhere,
    poll_pending, some_points,
};

pub(crate) fn three(id: i64) -> [(i64, i32); 3] {
    [(id, 0), (id, 1), (id, 2)]
}

pub(crate) fn execute_many(c: &mut Connection, id: i64) -> Running<'_> {
    Box::pin(async move {
        assert_eq!(c.execute_many(INSERT, three(id)).await?, 3);
        Ok(())
    })
}

pub(crate) fn run_atomically(c: &mut Connection, id: i64) -> Running<'_> {
    Box::pin(async move {
        let done = c
            .run_atomically((
                pipeline::fetch_value::<i64, _, _>(INSERT_ONE, (id,)),
                pipeline::execute(INSERT, (id, 1)),
                pipeline::execute(INSERT, (id, 2)),
            ))
            .await?;
        assert_eq!(done, (id, 1, 1));
        Ok(())
    })
}

/// A batch of which the first sets have gone before there is a second, and the last before there is an end.
fn slow_batch(c: &mut Connection, id: i64) -> Running<'_> {
    Box::pin(async move {
        let mut batch = c.batch(INSERT).await?;
        batch.send_stream(Slow::new(three(id).into_iter(), LONG)).await?;
        assert_eq!(batch.finish().await?, 3);
        Ok(())
    })
}

/// More polls than a set has bytes.
const LONG: u32 = 100;

/// Those that are dropped at every byte with either ending.
const PLAIN: &[Operation] = &[
    Operation { name: "execute_many", effect: All(3), run: execute_many },
    Operation { name: "batch with a slow source", effect: All(3), run: slow_batch },
    Operation { name: "run_atomically", effect: All(3), run: run_atomically },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_10_a_batch_can_be_dropped_at_every_byte_whatever_the_socket_takes() {
    drop_each_everywhere(SslMode::Disable, 1, PLAIN).await;
}

const BATCHES: &[Operation] = &[
    Operation {
        name: "batch, send, send_all",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let mut batch = c.batch(INSERT).await?;
                batch.send((id, 0)).await?;
                batch.send_all([(id, 1), (id, 2)]).await?;
                assert_eq!(batch.finish().await?, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "batch, send_stream, unnamed",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let unnamed = Statement::new(INSERT).mode(StatementMode::Unnamed);
                let mut batch = c.batch(&unnamed).await?;
                batch.send_stream(Items(three(id).into_iter())).await?;
                assert_eq!(batch.finish().await?, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "a batch of which the server refuses a set",
        effect: Nothing,
        run: |c, id| {
            Box::pin(async move {
                c.execute_many(REFUSING, [(id, 0), (id, 1), (id, 7), (id, 3)]).await.unwrap_err();
                Ok(())
            })
        },
    },
    Operation {
        name: "execute_many at the head of a transaction",
        effect: All(4),
        run: |c, id| {
            Box::pin(async move {
                let mut transaction = c.begin().await?;
                transaction.execute_many(INSERT, three(id)).await?;
                transaction.execute(INSERT, (id, 3)).await?;
                transaction.commit().await
            })
        },
    },
    Operation {
        name: "execute_many inside of a transaction",
        effect: All(4),
        run: |c, id| {
            Box::pin(async move {
                let mut transaction = c.begin().await?;
                transaction.execute(INSERT, (id, 3)).await?;
                transaction.execute_many(INSERT, three(id)).await?;
                transaction.commit().await
            })
        },
    },
];

/// Divides by zero at 7.
const REFUSING: &str = "INSERT INTO ledger SELECT $1, $2 + 0 / (7 - $2)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_10_every_use_of_a_batch_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), BATCHES).await;
}

const ATOMIC: &[Operation] = &[
    Operation {
        name: "atomic_pipeline",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let mut pipeline = c.atomic_pipeline();
                pipeline.push(INSERT_AND_COUNT, (id,)).push(INSERT, (id, 1)).push(INSERT, (id, 2));
                let mut results = pipeline.run().await?;
                assert_eq!(results.fetch_values::<i64>().await?.ok()?, Some(vec![id, id + 1, id + 2]));
                results.finish().await
            })
        },
    },
    Operation {
        name: "atomic_pipeline whose results are left",
        effect: AllOrNone(3),
        run: |c, id| {
            Box::pin(async move {
                let mut pipeline = c.atomic_pipeline();
                for set in three(id) {
                    pipeline.push(INSERT, set);
                }
                let mut results = pipeline.run().await?;
                assert_eq!(results.execute().await?.ok()?, Some(1));
                Ok(())
            })
        },
    },
    Operation {
        name: "atomic_pipeline that fails",
        effect: Nothing,
        run: |c, id| {
            Box::pin(async move {
                let mut pipeline = c.atomic_pipeline();
                pipeline.push(INSERT, (id, 0)).push("SELECT 1 / $1::int4", (0,)).push(INSERT, (id, 1));
                let mut results = pipeline.run().await?;
                assert!(results.execute().await?.is_done());
                assert!(matches!(results.execute().await?, Outcome::Failed(_)));
                assert!(matches!(results.execute().await?, Outcome::NotRun));
                results.finish().await
            })
        },
    },
    Operation {
        name: "run_atomically inside of a transaction",
        effect: All(4),
        run: |c, id| {
            Box::pin(async move {
                let mut transaction = c.begin().await?;
                run_atomically(transaction.connection(), id).await?;
                transaction.execute(INSERT, (id, 3)).await?;
                transaction.commit().await
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_10_an_atomic_pipeline_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), ATOMIC).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_10_batches_over_tls_can_be_dropped_at_every_byte() {
    let operations = [
        Operation { name: "execute_many over TLS", effect: All(3), run: execute_many },
        Operation { name: "run_atomically over TLS", effect: All(3), run: run_atomically },
    ];
    drop_each_everywhere(SslMode::VerifyFull, some_points(), &operations).await;
}

/// What is done with a transaction in which a batch was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Commit,
    RollBackToSavepoint,
}

/// How often each came of a batch that was dropped inside of a transaction.
#[derive(Debug, Default)]
struct Endings {
    unsent: u64,
    rolled_back: u64,
    complete: u64,
}

/// In a transaction that has entered one row: polls a batch of three more for so long and drops it, for each number of polls; then goes on with the
/// transaction. What the batch has done is never half of it, and what the transaction says is true.
async fn dropped_inside(
    bench: &Bench,
    (number, name): (i64, &str),
    then: Then,
    batch: for<'c> fn(&'c mut Connection, i64) -> Running<'c>,
) -> Endings {
    let points = Arc::new(Points::default());
    let mut c = bench.connect(&points).await;
    c.prepare(INSERT).await.unwrap();
    c.prepare(INSERT_ONE).await.unwrap();
    let first = number << 32;
    let mut endings = Endings::default();
    let mut kept = Vec::new();
    for (times, id) in (0..).zip(first..) {
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(INSERT, (id, 3)).await.unwrap();
        if then == Then::RollBackToSavepoint {
            transaction.connection().simple_query("SAVEPOINT before").await.unwrap();
        }
        let before = points.written.load(Ordering::Relaxed);
        points.set_wide(false);
        let mut running = batch(transaction.connection(), id);
        let output = poll_pending(&mut running, times).await;
        let sent = points.written.load(Ordering::Relaxed) > before;
        points.set_wide(true);
        drop(running);
        let completed = output.is_some();
        output.unwrap_or(Ok(())).unwrap();
        if then == Then::RollBackToSavepoint {
            transaction.connection().simple_query("ROLLBACK TO before").await.unwrap();
        }
        let committed = transaction.commit().await;
        let rows: i64 = c.fetch_value("SELECT count(*) FROM ledger WHERE id = $1", (id,)).await.unwrap();
        let expected = match (then, committed) {
            (Then::RollBackToSavepoint, committed) => {
                committed.unwrap();
                1
            }
            (Then::Commit, Err(error)) => {
                assert!(matches!(error.kind(), ErrorKind::RolledBack(_)), "{name}: {error}");
                assert!(sent && !completed, "{name}: nothing was given up");
                endings.rolled_back += 1;
                0
            }
            (Then::Commit, Ok(())) if sent => {
                endings.complete += 1;
                4
            }
            (Then::Commit, Ok(())) => {
                endings.unsent += 1;
                1
            }
        };
        assert_eq!(rows, expected, "{name}, {then:?}: after {times} polls, sent: {sent}");
        kept.push((id, rows));
        if completed {
            break;
        }
    }
    drop(c);
    let ledger = bench.ledger().await;
    for (id, rows) in &kept {
        assert_eq!(ledger.rows(*id), *rows, "{name}: nothing of it ran later");
    }
    println!("{name}, {then:?}: dropped at {} points; {endings:?}", kept.len() - 1);
    assert!(kept.len() > 50);
    endings
}

#[tokio::test]
async fn drop_10_a_transaction_takes_no_half_of_a_batch_that_was_dropped_in_it() {
    deadline(async {
        let bench = Bench::new(SslMode::Disable).await;
        let slow = dropped_inside(&bench, (0, "slow batch"), Then::Commit, slow_batch).await;
        assert!(slow.unsent > 1 && slow.rolled_back > 50 && slow.complete > 5, "{slow:?}");
        // What is written in one go is finished by the drop, or was not begun.
        let at_once = dropped_inside(&bench, (1, "run_atomically"), Then::Commit, run_atomically).await;
        assert!(at_once.unsent > 1 && at_once.complete > 50, "{at_once:?}");
        dropped_inside(&bench, (2, "slow batch"), Then::RollBackToSavepoint, slow_batch).await;
    })
    .await;
}
