//! Batches under one Sync whose source fails at every item, and whose network is cut at every byte: all of one is there afterwards, or nothing.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use cornac::{Client, Connection, ErrorKind, Result, SqlState, TransactionStatus};
use cornac_conn::{PipelineResults, SslMode};
use cornac_tests::{
    Action, Cluster, ClusterOptions, Direction, Fault, Place, Proxy, SUPERUSER, deadline, shared,
    still_usable,
};
use futures_core::Stream;
use tokio::sync::Semaphore;

use crate::batch_drops::{execute_many, run_atomically};
use crate::dropped::{Bench, INSERT, Running, poll_pending, some_points};

/// How many items there are. All of them are more than is written ahead, so that some of a batch have run when a later one fails.
const ITEMS: i32 = 40;

/// What is in each item, so that all are 160 KB.
fn filler() -> String {
    "x".repeat(4_000)
}

/// Enters `$2`, and divides by zero where it is `$4`.
const SQL: &str = "INSERT INTO ledger SELECT $1, $2::int4 + 0 / ($2 - $4::int4) WHERE length($3) = 4000";

/// A set of parameters that the server refuses at item `bad`.
type Set = (i64, i32, String, i32);

fn set(id: i64, n: i32) -> Set {
    (id, n, filler(), -1)
}

/// How a source fails at an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The stream gives an error.
    Stream,
    /// The iterator panics.
    Panic,
    /// The set cannot be encoded.
    Unfit,
    /// The server refuses the set.
    Refused,
    /// Whoever sends them goes away, batch and all.
    Gone,
    /// Whoever waits for a source that gives no more goes away.
    Stalled,
    /// The batch is leaked.
    Leaked,
}

const FAILURES: [Failure; 7] = [
    Failure::Stream,
    Failure::Panic,
    Failure::Unfit,
    Failure::Refused,
    Failure::Gone,
    Failure::Stalled,
    Failure::Leaked,
];

/// A stream that gives sets, and then what `end` says.
struct Source<F> {
    id: i64,
    next: i32,
    good: i32,
    end: F,
}

impl<F: FnMut() -> Poll<Option<Result<Set, &'static str>>> + Unpin> Stream for Source<F> {
    type Item = Result<Set, &'static str>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.next == this.good {
            return (this.end)();
        }
        this.next += 1;
        Poll::Ready(Some(Ok(set(this.id, this.next - 1))))
    }
}

/// Whether the future panics.
async fn panics<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(_)) => Poll::Ready(false),
        Err(_) => Poll::Ready(true),
    })
    .await
}

/// Runs a batch whose source fails behind so many good items.
async fn fail_at(c: &mut Connection, failure: Failure, id: i64, good: i32) {
    let number = u64::try_from(good).unwrap() + 1;
    match failure {
        Failure::Stream => {
            let mut batch = c.batch(SQL).await.unwrap();
            let end = || Poll::Ready(Some(Err("the source is dry")));
            let error = batch.send_stream(Source { id, next: 0, good, end }).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Source(_)), "{error}");
            assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the source is dry");
            let ended = batch.finish().await.unwrap_err();
            assert!(matches!(ended.kind(), ErrorKind::Usage("the batch has ended")), "{ended}");
        }
        Failure::Panic => {
            let sets =
                (0..ITEMS).map(|n| if n == good { panic!("in the caller's iterator") } else { set(id, n) });
            assert!(panics(c.execute_many(SQL, sets)).await);
        }
        Failure::Unfit => {
            let sets = (0..ITEMS).map(|n| (id, n, if n == good { "\0".to_owned() } else { filler() }, -1));
            let error = c.execute_many(SQL, sets).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Parameter(_)), "{error}");
            assert_eq!(error.parameter_set(), Some(number), "{error}");
        }
        Failure::Refused => {
            let sets = (0..ITEMS).map(|n| (id, n, filler(), good));
            let error = c.execute_many(SQL, sets).await.unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::DIVISION_BY_ZERO), "{error}");
            assert_eq!(error.parameter_set(), Some(number), "{error}");
        }
        Failure::Gone => {
            let mut batch = c.batch(SQL).await.unwrap();
            batch.send_all((0..good).map(|n| set(id, n))).await.unwrap();
        }
        Failure::Leaked => {
            let mut batch = c.batch(SQL).await.unwrap();
            batch.send_all((0..good).map(|n| set(id, n))).await.unwrap();
            std::mem::forget(batch);
        }
        Failure::Stalled => {
            let mut batch = c.batch(SQL).await.unwrap();
            let stalled = tokio::sync::Notify::new();
            let end = || {
                stalled.notify_one();
                Poll::Pending
            };
            tokio::select! {
                sent = batch.send_stream(Source { id, next: 0, good, end }) => panic!("{sent:?}"),
                () = stalled.notified() => {}
            }
        }
    }
}

#[tokio::test]
async fn drop_10_a_batch_whose_source_fails_at_any_item_leaves_nothing() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let mut observer = database.connect().await;
        c.simple_query("CREATE TABLE ledger (id int8, n int4)").await.unwrap();
        let count = "SELECT count(*) FROM ledger WHERE id = $1";
        let process_id = c.process_id();
        let mut id = 0;
        for failure in FAILURES {
            let (mut failed, mut nothing_sent) = (0, 0);
            for good in 0..ITEMS {
                // Outside of a transaction.
                id += 1;
                fail_at(&mut c, failure, id, good).await;
                // Whoever uses the connection next ends what was leaked.
                let there: i64 = c.fetch_value(count, (id,)).await.unwrap();
                assert_eq!(there, 0, "{failure:?} behind {good} items");
                assert!(c.is_idle());
                assert_eq!(observer.fetch_value::<i64, _>(count, (id,)).await.unwrap(), 0, "{failure:?}");
                // Inside of one, which takes nothing but a rollback afterwards, unless nothing of the batch was sent.
                id += 1;
                let mut transaction = c.begin().await.unwrap();
                transaction.execute("INSERT INTO ledger VALUES ($1, 0)", (id,)).await.unwrap();
                fail_at(transaction.connection(), failure, id, good).await;
                let next = transaction.execute("SELECT 1", ()).await;
                let status = transaction.connection().transaction_status();
                let committed = transaction.commit().await;
                match &next {
                    Ok(_) => {
                        nothing_sent += 1;
                        committed.unwrap();
                        assert_eq!(status, TransactionStatus::InTransaction);
                    }
                    Err(error) => {
                        failed += 1;
                        assert_eq!(error.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION), "{error}");
                        assert!(matches!(committed.unwrap_err().kind(), ErrorKind::RolledBack(_)));
                        assert_eq!(status, TransactionStatus::Failed);
                    }
                }
                let there: i64 = observer.fetch_value(count, (id,)).await.unwrap();
                assert_eq!(there, i64::from(next.is_ok()), "{failure:?} behind {good} items, inside");
            }
            println!("{failure:?}, in a transaction: {failed} times it failed, {nothing_sent} times nothing was sent");
            assert!(failed > 20, "{failure:?}: some of the items were sent");
        }
        assert_eq!(c.process_id(), process_id);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn drop_10_an_atomic_pipeline_that_fails_at_any_statement_leaves_nothing() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE ledger (id int8, n int4)").await.unwrap();
        let count = "SELECT count(*) FROM ledger WHERE id = $1";
        let mut id = 0;
        for inside in [false, true] {
            for bad in 0..ITEMS {
                for unfit in [false, true] {
                    id += 1;
                    if inside {
                        c.simple_query("BEGIN").await.unwrap();
                        c.execute("INSERT INTO ledger VALUES ($1, 0)", (id,)).await.unwrap();
                    }
                    let mut pipeline = c.atomic_pipeline();
                    for n in 0..ITEMS {
                        let text = if unfit && n == bad { "\0".to_owned() } else { filler() };
                        pipeline.push(SQL, (id, n, text, bad));
                    }
                    let sent = match pipeline.run().await {
                        Ok(mut results) => {
                            for n in 0..ITEMS {
                                let outcome = results.execute().await.unwrap();
                                assert_eq!(outcome.is_done(), n < bad, "{n}: {outcome:?}");
                                assert_eq!(outcome.error().is_some(), n == bad, "{n}: {outcome:?}");
                            }
                            let error = results.finish().await;
                            assert!(!unfit && error.is_ok(), "its error was handed out already");
                            true
                        }
                        Err(error) => {
                            assert!(unfit && matches!(error.kind(), ErrorKind::Parameter(_)), "{error}");
                            false
                        }
                    };
                    let there = if inside {
                        let failed = c.transaction_status() == TransactionStatus::Failed;
                        assert_eq!(failed, sent);
                        c.simple_query("COMMIT").await.unwrap();
                        i64::from(!sent)
                    } else {
                        0
                    };
                    assert_eq!(c.fetch_value::<i64, _>(count, (id,)).await.unwrap(), there, "at {bad}");
                }
            }
        }
        still_usable(&mut c).await;
    })
    .await;
}

/// A batch that is cut, how many rows it enters, and whether a transaction of the caller's is around it.
#[derive(Clone, Copy)]
struct Cut {
    name: &'static str,
    rows: i64,
    /// In front of which bytes it is cut: each, or each of so many.
    step: usize,
    run: for<'c> fn(&'c mut Connection, i64) -> Running<'c>,
}

fn cuts() -> [Cut; 4] {
    [
        Cut { name: "execute_many", rows: 3, step: 1, run: execute_many },
        Cut { name: "run_atomically", rows: 3, step: 1, run: run_atomically },
        Cut {
            name: "execute_many in a transaction",
            rows: 4,
            step: some_points(),
            run: |c, id| {
                Box::pin(async move {
                    let mut transaction = c.begin().await?;
                    transaction.execute(INSERT, (id, 3)).await?;
                    execute_many(transaction.connection(), id).await?;
                    transaction.commit().await
                })
            },
        },
        Cut {
            name: "run_atomically in a transaction",
            rows: 4,
            step: some_points(),
            run: |c, id| {
                Box::pin(async move {
                    let mut transaction = c.begin().await?;
                    run_atomically(transaction.connection(), id).await?;
                    transaction.execute(INSERT, (id, 3)).await?;
                    transaction.commit().await
                })
            },
        },
    ]
}

/// What came of a batch whose network was cut.
struct Outcome {
    id: i64,
    result: Result<()>,
}

impl Cut {
    /// Runs the batch over a network with this fault, and says how many bytes went each way for the login and altogether.
    async fn run(&self, bench: &Bench, faults: Vec<Fault>, id: i64) -> (Result<()>, [[usize; 2]; 2]) {
        let proxy = Proxy::start(bench.cluster().port(), faults).await.unwrap();
        let went = || {
            let recording = proxy.recording();
            [recording.to_server.len(), recording.to_client.len()]
        };
        let config = bench.config().clone().port(proxy.port());
        let mut c = Connection::connect(&config).await.unwrap();
        let login = went();
        let result = (self.run)(&mut c, id).await;
        let all = went();
        if let Err(error) = &result {
            assert!(error.is_closed() && error.is_transient(), "{}: {error}", self.name);
            assert!(c.is_closed());
            let later = c.execute("SELECT 1", ()).await.unwrap_err();
            assert!(later.is_closed() && later.may_retry(), "{}: {later}", self.name);
        } else {
            still_usable(&mut c).await;
        }
        (result, [login, all])
    }

    /// Cuts it in front of every byte, in both directions.
    async fn everywhere(self, bench: Arc<Bench>, first: i64) -> Vec<Outcome> {
        // The first one learns what its statements are like; from then on each goes the same way.
        let mut outcomes = Vec::new();
        let mut went = [[0; 2]; 2];
        for id in [first, first + 1] {
            let (result, bytes) = self.run(&bench, Vec::new(), id).await;
            went = bytes;
            outcomes.push(Outcome { id, result });
        }
        for (place, direction) in [Direction::ToServer, Direction::ToClient].into_iter().enumerate() {
            for byte in (went[0][place]..went[1][place]).step_by(self.step) {
                let id = first + i64::try_from(outcomes.len()).unwrap();
                let place = Place::Byte(u64::try_from(byte).unwrap());
                let fault = Fault { direction, place, action: Action::Reset };
                let (result, _) = self.run(&bench, vec![fault], id).await;
                assert!(result.is_err(), "{}: {fault:?} was not met", self.name);
                outcomes.push(Outcome { id, result });
            }
        }
        outcomes
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_10_a_batch_whose_network_is_cut_at_any_byte_is_there_as_a_whole_or_not() {
    deadline(async {
        let bench = Arc::new(Bench::new(SslMode::Disable).await);
        let room = Arc::new(Semaphore::new(4));
        let running = cuts().into_iter().enumerate().map(|(number, cut)| {
            let (bench, room) = (Arc::clone(&bench), Arc::clone(&room));
            let first = i64::try_from(number).unwrap() << 32;
            let outcomes = async move {
                let _place = room.acquire_owned().await.unwrap();
                cut.everywhere(bench, first).await
            };
            (cut, tokio::spawn(outcomes))
        });
        let mut all = Vec::new();
        for (cut, outcomes) in running.collect::<Vec<_>>() {
            all.push((cut, outcomes.await.unwrap()));
        }
        let ledger = bench.ledger().await;
        for (Cut { name, rows, .. }, outcomes) in all {
            let (mut unknown, mut there_all_the_same) = (0, 0);
            for Outcome { id, result } in &outcomes {
                let there = ledger.rows(*id);
                let expected = match result {
                    Ok(()) => there == rows,
                    Err(error) if error.outcome_unknown() => there == 0 || there == rows,
                    Err(_) => there == 0,
                };
                assert!(expected, "{name}: {there} rows after {result:?}");
                if let Err(error) = result {
                    unknown += u64::from(error.outcome_unknown());
                    there_all_the_same += u64::from(there > 0);
                }
            }
            println!(
                "{name}: cut at {} bytes; {unknown} times the outcome was unknown, {there_all_the_same} times the rows are there",
                outcomes.len() - 2
            );
            assert!(outcomes.len() > 50 && there_all_the_same > 0 && unknown >= there_all_the_same);
        }
        let mut observer = Connection::connect(&bench.cluster().config(SUPERUSER)).await.unwrap();
        still_usable(&mut observer).await;
    })
    .await;
}

/// How many statements with 4 KB each are more than the buffers between client and server hold, so that most have not been written when the
/// first is answered.
const MANY: i32 = 2_000;

async fn long_pipeline(c: &mut Connection, id: i64) -> Result<PipelineResults<'_>> {
    let mut pipeline = c.atomic_pipeline();
    for n in 0..MANY {
        pipeline.push(SQL, set(id, n));
    }
    pipeline.run().await
}

#[tokio::test]
async fn an_atomic_pipeline_that_is_longer_than_what_goes_ahead_is_sent_as_a_whole() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE ledger (id int8, n int4)").await.unwrap();
        // Requests are long and answers short: the server has no reason to send any before it gets the Sync behind them all.
        let results = long_pipeline(&mut c, 7).await.unwrap();
        results.finish().await.unwrap();
        let count = "SELECT count(*) FROM ledger";
        assert_eq!(c.fetch_value::<i64, _>(count, ()).await.unwrap(), i64::from(MANY));
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn drop_10_an_atomic_pipeline_that_is_left_in_its_middle_leaves_nothing() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        // Over a Unix socket, whose buffers are small.
        let mut c = Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap();
        let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        c.simple_query("CREATE TABLE ledger (id int8, n int4)").await.unwrap();
        c.prepare(SQL).await.unwrap();
        let count = "SELECT count(*) FROM ledger WHERE id = $1";
        let (mut nothing, mut failed) = (0, 0);
        for (read, id) in [0, 1, 2, 10, 50].into_iter().zip(1..) {
            for inside in [false, true] {
                if inside {
                    c.simple_query("BEGIN").await.unwrap();
                }
                let mut results = long_pipeline(&mut c, id).await.unwrap();
                for _ in 0..read {
                    assert!(results.execute().await.unwrap().is_done());
                }
                // The next one is asked for, and not waited for.
                let mut next = Box::pin(results.execute());
                let _ = poll_pending(&mut next, 1).await;
                drop(next);
                drop(results);
                if c.is_closed() {
                    c = Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap();
                    continue;
                }
                if inside {
                    let next = c.execute("SELECT 1", ()).await.unwrap_err();
                    assert_eq!(next.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION), "{next}");
                    c.simple_query("COMMIT").await.unwrap();
                    failed += 1;
                } else {
                    nothing += 1;
                }
                still_usable(&mut c).await;
                assert_eq!(observer.fetch_value::<i64, _>(count, (id,)).await.unwrap(), 0, "{read} read");
            }
        }
        println!("{nothing} times it was rolled back, {failed} times the transaction around it failed");
        still_usable(&mut observer).await;
    })
    .await;
}
