//! One thing done on a connection, dropped at every byte: the mechanism behind the tables in `operations.rs` and `batch_drops.rs`.
//!
//! What an operation does to the server it does to a ledger, under an id of its own for each attempt; the ledger is looked at when all has
//! ended, so that what runs late is seen too.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use cornac::{Client, Config, Connection, Result};
use cornac_conn::{SslMode, SslOptions, SslRootCert};
use cornac_tests::pki::{Pki, Request};
use cornac_tests::{Cluster, OneByte, Points, SUPERUSER, still_usable};
use futures_core::Stream;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// A future that borrows its connection.
pub(crate) type Running<'c> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'c>>;

/// Something that a connection does, with the id under which it enters rows into the ledger.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    pub(crate) run: for<'c> fn(&'c mut Connection, i64) -> Running<'c>,
}

/// Which rows (numbered from 0) are in the ledger afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// So many or none, and not none when it has completed.
    All(i64),
    /// So many or none, also when it has completed.
    AllOrNone(i64),
    /// The first ones of so many, each of which stands on its own; all of them when it has completed.
    Each(i64),
    /// None, whatever becomes of it.
    Nothing,
}

impl Effect {
    fn allows(self, rows: i64, fate: Fate) -> bool {
        match (self, fate) {
            (_, Fate::Unsent) | (Self::Nothing, _) => rows == 0,
            (Self::All(all) | Self::Each(all), Fate::Completed) => rows == all,
            (Self::All(all) | Self::AllOrNone(all), _) => rows == 0 || rows == all,
            (Self::Each(all), Fate::Sent) => (0..=all).contains(&rows),
        }
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was dropped before a byte of it was sent.
    Unsent,
    /// It was dropped later.
    Sent,
    Completed,
}

/// What the socket does while the future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It takes whatever is left to be written.
    TakesTheRest,
    /// It takes no more.
    TakesNoMore,
}

/// A server with a ledger, and how to reach it over a stream of one byte a call.
pub(crate) struct Bench {
    cluster: Cluster,
    config: Config,
    _pki: Pki,
}

const LEDGER: &str = "CREATE TABLE ledger (id int8, n int4 DEFAULT 0); GRANT ALL ON ledger TO trusted;
    CREATE FUNCTION enter(int8, int4) RETURNS int8 LANGUAGE sql AS 'INSERT INTO ledger VALUES ($1, $2) RETURNING id'";

impl Bench {
    pub(crate) async fn new(mode: SslMode) -> Self {
        let pki = Pki::new().unwrap();
        let request = Request { extensions: "subjectAltName=IP:127.0.0.1", ..Request::default() };
        pki.issue("server", "root", &request).unwrap();
        let cluster = Cluster::start(&pki.server_options("server").unwrap()).unwrap();
        let mut ssl = SslOptions::default();
        ssl.mode = mode;
        ssl.root_cert = SslRootCert::File(pki.path("root.crt"));
        let config = cluster.config("trusted").ssl(ssl);
        let bench = Self { cluster, config, _pki: pki };
        bench.observer().await.simple_query(LEDGER).await.unwrap();
        bench
    }

    pub(crate) async fn observer(&self) -> Connection {
        Connection::connect(&self.cluster.config(SUPERUSER)).await.unwrap()
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// A connection whose stream is wide for now.
    pub(crate) async fn connect(&self, points: &Arc<Points>) -> Connection {
        points.set_wide(true);
        let stream = TcpStream::connect(("127.0.0.1", self.cluster.port())).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = OneByte::new(stream, Arc::clone(points));
        Connection::connect_over(stream, &self.config).await.unwrap()
    }

    /// What is in the ledger once nobody is left who could add to it, by id.
    pub(crate) async fn ledger(&self) -> Ledger {
        let mut observer = self.observer().await;
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'trusted'";
        while observer.fetch_value::<i64, _>(busy, ()).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
        let sql = "SELECT id, array_agg(n ORDER BY n) FROM ledger GROUP BY id";
        let found: Vec<(i64, Vec<i32>)> = observer.fetch_all(sql, ()).await.unwrap();
        still_usable(&mut observer).await;
        for (id, numbers) in &found {
            assert!(numbers.is_sorted_by(|a, b| a < b), "id {id}: a row ran twice: {numbers:?}");
        }
        Ledger(found.into_iter().collect())
    }
}

/// The numbers of the rows that were entered, by id. None is there twice.
pub(crate) struct Ledger(HashMap<i64, Vec<i32>>);

impl Ledger {
    pub(crate) fn numbers(&self, id: i64) -> &[i32] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn rows(&self, id: i64) -> i64 {
        i64::try_from(self.numbers(id).len()).unwrap()
    }
}

/// Polls `future` until it has been pending so many times; gives its output if it was faster.
pub(crate) async fn poll_pending<F: Future + ?Sized>(
    future: &mut Pin<Box<F>>,
    times: u64,
) -> Option<F::Output> {
    let mut pending = 0;
    poll_fn(|cx| {
        if pending == times {
            return Poll::Ready(None);
        }
        let polled = future.as_mut().poll(cx).map(Some);
        pending += u64::from(polled.is_pending());
        polled
    })
    .await
}

/// A stream of what an iterator gives, without a wait.
pub(crate) struct Items<I>(pub(crate) I);

impl<T, I: Iterator<Item = T> + Unpin> Stream for Items<I> {
    type Item = Result<T, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.get_mut().0.next().map(Ok))
    }
}

/// A stream that gives something only every so often: behind each item it is pending for so many polls.
pub(crate) struct Slow<I> {
    items: I,
    waits: u32,
    waited: u32,
}

impl<I> Slow<I> {
    pub(crate) fn new(items: I, waits: u32) -> Self {
        Self { items, waits, waited: waits }
    }
}

impl<T, I: Iterator<Item = T> + Unpin> Stream for Slow<I> {
    type Item = Result<T, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.waited < this.waits {
            this.waited += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.waited = 0;
        Poll::Ready(this.items.next().map(Ok))
    }
}

/// What came of an operation that was dropped everywhere.
struct Attempts {
    operation: Operation,
    ending: Ending,
    step: usize,
    /// The first id; the others follow.
    first: i64,
    fates: Vec<Fate>,
    /// How many connections were closed by a drop.
    closed: u64,
}

/// Statements that operations find prepared, so that each number of polls is another point of one and the same exchange.
pub(crate) const INSERT: &str = "INSERT INTO ledger VALUES ($1, $2)";
pub(crate) const INSERT_ONE: &str = "INSERT INTO ledger VALUES ($1) RETURNING id";
pub(crate) const INSERT_AND_COUNT: &str = "WITH new AS (INSERT INTO ledger VALUES ($1) RETURNING id) SELECT id + n FROM new, generate_series(0, 2) n";

async fn warmed(bench: &Bench, points: &Arc<Points>) -> Connection {
    let mut connection = bench.connect(points).await;
    for sql in [INSERT, INSERT_ONE, INSERT_AND_COUNT] {
        connection.prepare(sql).await.unwrap();
    }
    connection
}

/// Polls the operation so and so often and drops it, for each number of polls (or each `step`th) until it completes; after each drop the
/// connection's next answer is its own, or the connection is closed and says so.
async fn drop_everywhere(
    bench: &Bench,
    operation: Operation,
    ending: Ending,
    step: usize,
    first: i64,
) -> Attempts {
    let points = Arc::new(Points::default());
    let mut attempts = Attempts { operation, ending, step, first, fates: Vec::new(), closed: 0 };
    let mut connection = warmed(bench, &points).await;
    for (times, id) in (0_u64..).step_by(step).zip(first..) {
        let written = || points.written.load(Ordering::Relaxed);
        let before = written();
        points.set_wide(false);
        let mut running = (operation.run)(&mut connection, id);
        let output = poll_pending(&mut running, times).await;
        let sent = written() > before;
        points.set_wide(ending == Ending::TakesTheRest);
        drop(running);
        points.set_wide(true);
        assert!(sent || written() == before, "{}: a drop has sent what was not sent", operation.name);
        match connection.fetch_value::<i64, _>("SELECT $1::int8", (id,)).await {
            Ok(answer) => {
                assert_eq!(answer, id, "{}: the answer is the question's own", operation.name);
                assert!(connection.is_idle(), "{}: nothing is left open", operation.name);
            }
            Err(error) => {
                let name = operation.name;
                assert!(error.is_closed() && !error.outcome_unknown(), "{name}: {error}");
                assert_eq!(ending, Ending::TakesNoMore, "{name}: the rest could be written: {error}");
                connection = warmed(bench, &points).await;
                attempts.closed += 1;
            }
        }
        attempts.fates.push(match output {
            Some(Ok(())) => Fate::Completed,
            Some(Err(error)) => panic!("{}: {error}", operation.name),
            None if sent => Fate::Sent,
            None => Fate::Unsent,
        });
        if attempts.fates.last() == Some(&Fate::Completed) {
            break;
        }
    }
    attempts
}

impl Attempts {
    fn check(&self, ledger: &Ledger) {
        let Self { operation: Operation { name, effect, .. }, step, .. } = *self;
        let mut ran = 0;
        for (attempt, (id, fate)) in (self.first..).zip(&self.fates).enumerate() {
            let (rows, polls) = (ledger.rows(id), attempt * step);
            assert!(effect.allows(rows, *fate), "{name}: {rows} rows after {polls} polls, {fate:?}");
            assert!(
                (0..).zip(ledger.numbers(id)).all(|(n, found)| n == *found),
                "{name}: a row came before another"
            );
            ran += u64::from(rows > 0 && *fate == Fate::Sent);
        }
        let unsent = self.fates.iter().filter(|fate| **fate == Fate::Unsent).count();
        let dropped = self.fates.len() - 1;
        println!(
            "{name} (the socket {:?}): dropped at {dropped} points; {unsent} times unsent, {ran} times its rows are there; {} connections closed",
            self.ending, self.closed
        );
        assert!(dropped * step > 50, "{name}: {dropped}");
        assert!(unsent > 0 && unsent < 5, "{name}: {unsent}");
        assert!(ran > 0 || step > 1 || effect == Effect::Nothing, "{name}: no drop came behind its effect");
    }
}

/// With a socket that takes no more, every drop in the middle of a write closes the connection, and a new one takes long: so each seventh point will do here,
/// and each one where `CORNAC_EVERY_POINT` is set. What other tests drop at every byte is what they do at all of them.
pub(crate) fn some_points() -> usize {
    if std::env::var_os("CORNAC_EVERY_POINT").is_some() { 1 } else { 7 }
}

/// How many operations are under way at a time.
const AT_A_TIME: usize = 4;

/// Drops each operation at every byte, and again with a socket that takes no more at each `step`th one, and checks what became of all of them.
pub(crate) async fn drop_each_everywhere(mode: SslMode, step: usize, operations: &[Operation]) {
    let body = async {
        let bench = Arc::new(Bench::new(mode).await);
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        let mut running = Vec::new();
        for operation in operations.iter().copied() {
            for (ending, step) in [(Ending::TakesTheRest, 1), (Ending::TakesNoMore, step)] {
                let (bench, room) = (Arc::clone(&bench), Arc::clone(&room));
                // Far apart, so that no two operations have an id in common.
                let first = i64::try_from(running.len()).unwrap() << 32;
                running.push(tokio::spawn(async move {
                    let _place = room.acquire_owned().await.unwrap();
                    drop_everywhere(&bench, operation, ending, step, first).await
                }));
            }
        }
        let mut all = Vec::new();
        for attempts in running {
            all.push(attempts.await.unwrap());
        }
        let ledger = bench.ledger().await;
        for attempts in &all {
            attempts.check(&ledger);
        }
        let points: usize = all.iter().map(|attempts| attempts.fates.len() - 1).sum();
        println!("{} operations were dropped at {points} points in all", operations.len());
    };
    tokio::time::timeout(Duration::from_secs(300), body).await.expect("the test ends within 300 s");
}
