//! Futures that are dropped at every byte, in both directions.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cornac_conn::{Client, Config, Connection, Result, SslMode, SslOptions, SslRootCert};
use cornac_proto::message::{Backend, CommandComplete, TransactionStatus};
use cornac_tests::pki::{Pki, Request};
use cornac_tests::{Cluster, OneByte, Points, deadline, scripted};
use tokio::net::TcpStream;

/// Polls `future` until it has been pending `times` times, then drops it; gives its output if it was faster.
pub(crate) async fn polled<F: Future>(future: F, times: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut pending = 0;
    poll_fn(|cx| {
        if pending == times {
            return Poll::Ready(None);
        }
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                pending += 1;
                Poll::Pending
            }
        }
    })
    .await
}

/// A server with a table, seen through a connection on which every byte is a moment of its own.
struct Bench {
    cluster: Cluster,
    config: Config,
    _pki: Pki,
    observer: Connection,
    connection: Connection,
    points: Arc<Points>,
    reconnects: u64,
}

impl Bench {
    async fn new(mode: SslMode) -> Self {
        let pki = Pki::new().unwrap();
        let request = Request { extensions: "subjectAltName=IP:127.0.0.1", ..Request::default() };
        pki.issue("server", "root", &request).unwrap();
        let cluster = Cluster::start(&pki.server_options("server").unwrap()).unwrap();
        let mut ssl = SslOptions::default();
        ssl.mode = mode;
        ssl.root_cert = SslRootCert::File(pki.path("root.crt"));
        let config = cluster.config("trusted").ssl(ssl);
        let mut observer = Connection::connect(&cluster.config(cornac_tests::SUPERUSER)).await.unwrap();
        let table = "CREATE TABLE ledger (id int8); GRANT ALL ON ledger TO trusted";
        observer.simple_query(table).await.unwrap();
        let points = Arc::new(Points::default());
        let connection = connect(&cluster, &config, &points).await.unwrap();
        Self { cluster, config, _pki: pki, observer, connection, points, reconnects: 0 }
    }

    fn written(&self) -> u64 {
        self.points.written.load(Ordering::Relaxed)
    }

    /// The next answer is its own, or the connection is closed, which is replaced then.
    async fn check_usable(&mut self, number: i64) {
        let answer = self.connection.fetch_value::<i64, _>("SELECT $1::int8", (number,)).await;
        match answer {
            Ok(answer) => {
                assert_eq!(answer, number, "the answer is the question's own");
                assert!(self.connection.is_idle(), "no transaction is open, and none is about to begin");
            }
            Err(error) => {
                assert!(error.is_closed(), "{error}");
                assert!(!error.outcome_unknown(), "the connection was known to be closed: {error}");
                self.connection = connect(&self.cluster, &self.config, &self.points).await.unwrap();
                self.reconnects += 1;
            }
        }
    }

    async fn times_in_ledger(&mut self, id: i64) -> i64 {
        self.observer.fetch_value("SELECT count(*) FROM ledger WHERE id = $1", (id,)).await.unwrap()
    }

    /// Waits until the server has no backend left but the observer's and the connection's: what a closed connection had
    /// started has ended then.
    async fn wait_for_backends(&mut self) {
        loop {
            let others: i64 = self
                .observer
                .fetch_value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'trusted'", ())
                .await
                .unwrap();
            if others <= 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn connect(cluster: &Cluster, config: &Config, points: &Arc<Points>) -> Result<Connection> {
    let stream = TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let stream = OneByte::new(stream, Arc::clone(points));
    Connection::connect_over(stream, config).await
}

/// Runs `verb` with a fresh id for each number of polls until it completes, and checks everything after each drop.
async fn dropped_everywhere(name: &str, verb: impl AsyncFn(&mut Connection, i64) -> Result<()>) {
    dropped_everywhere_over(SslMode::Disable, name, 1, verb).await;
}

/// As [`dropped_everywhere`], for a verb that puts `all` rows with the id into the ledger: all of them are there afterwards, or none. Gives
/// how often they were there although the verb was dropped.
pub(crate) async fn dropped_everywhere_over(
    mode: SslMode,
    name: &str,
    all: i64,
    verb: impl AsyncFn(&mut Connection, i64) -> Result<()>,
) -> i64 {
    let mut bench = Bench::new(mode).await;
    assert_eq!(bench.connection.is_encrypted(), mode != SslMode::Disable);
    let (mut dropped, mut never_sent, mut ran) = (0_u64, 0, 0);
    let body = async {
        for times in 0.. {
            let id = i64::try_from(times).unwrap();
            let written = bench.written();
            let output = polled(verb(&mut bench.connection, id), times).await;
            let sent = bench.written() - written;
            bench.check_usable(id).await;
            if bench.connection.process_id().is_none() || sent > 0 {
                bench.wait_for_backends().await;
            }
            let rows = bench.times_in_ledger(id).await;
            match output {
                Some(output) => {
                    output.unwrap();
                    assert_eq!(rows, all, "what completed has run once");
                    break;
                }
                None if sent == 0 => {
                    assert_eq!(rows, 0, "what was not sent does not run");
                    never_sent += 1;
                }
                None => {
                    assert!(rows == 0 || rows == all, "of {all} rows that were sent {rows} are there");
                    ran += i64::from(rows == all);
                }
            }
            dropped += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), body).await.expect("the test ends within 300 s");
    println!(
        "{name}: dropped at {dropped} points; {never_sent} times unsent, {ran} times the row is there all the same; \
         {} connections were closed",
        bench.reconnects
    );
    assert!(dropped > 50, "{dropped}");
    // Before its first poll, and behind the one that put the request into the send buffer: that was taken back. What TLS has taken is on its
    // way, though no byte of it was written.
    let least = if mode == SslMode::Disable { 2 } else { 1 };
    assert!(never_sent >= least, "{never_sent}");
    ran
}

#[tokio::test]
async fn a_prepared_insert_can_be_dropped_at_every_byte() {
    // The statement is prepared anew on a connection that was replaced, inside of what is dropped.
    dropped_everywhere("prepare and execute", async |connection, id| {
        let insert = connection.prepare("INSERT INTO ledger VALUES ($1)").await?;
        connection.execute(&insert, (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn an_insert_can_be_dropped_at_every_byte() {
    dropped_everywhere("execute", async |connection, id| {
        connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn an_insert_over_tls_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::VerifyFull, "execute over TLS", 1, async |connection, id| {
        connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn connecting_can_be_dropped_at_every_byte() {
    for mode in [SslMode::Disable, SslMode::VerifyFull] {
        let mut bench = Bench::new(mode).await;
        let mut dropped = 0_u64;
        loop {
            let connected = polled(connect(&bench.cluster, &bench.config, &bench.points), dropped).await;
            if let Some(connected) = connected {
                connected.unwrap();
                break;
            }
            dropped += 1;
        }
        // Nothing is left behind at the server, and the others work on.
        bench.wait_for_backends().await;
        bench.check_usable(1).await;
        println!("connect, sslmode={}: dropped at {dropped} points", mode.name());
        assert!(dropped > 100, "{dropped}");
    }
}

#[tokio::test]
async fn a_simple_query_can_be_dropped_at_every_byte() {
    dropped_everywhere("simple query", async |connection, id| {
        connection.simple_query(&format!("INSERT INTO ledger VALUES ({id})")).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn rows_can_be_dropped_at_every_byte() {
    dropped_everywhere("rows", async |connection, id| {
        let sql = "WITH new AS (INSERT INTO ledger VALUES ($1) RETURNING id) SELECT id, n FROM new, generate_series(1, 20) n";
        let rows: Vec<(i64, i32)> = connection.fetch_all(sql, (id,)).await?;
        assert_eq!(rows, (1..=20).map(|n| (id, n)).collect::<Vec<_>>(), "no row of another query");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_misplaced_copy_can_be_dropped_at_every_byte() {
    dropped_everywhere("COPY in the wrong verb", async |connection, id| {
        connection.execute("COPY ledger FROM STDIN", ()).await.unwrap_err();
        connection.execute("COPY (SELECT generate_series(1, 5)) TO STDOUT", ()).await.unwrap_err();
        connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn an_error_can_be_dropped_at_every_byte() {
    dropped_everywhere("an error", async |connection, id| {
        connection.execute("SELECT 1 / $1::int4", (0,)).await.unwrap_err();
        connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await.map(drop)
    })
    .await;
}

/// Polls a future once; what it waits for wakes nobody.
fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_request_that_is_half_written_is_finished_if_the_socket_takes_the_rest() {
    deadline(async {
        let (mut connection, mut server) = scripted::connected().await;
        // More than the pipe holds, and less than twice that.
        let long = format!("SELECT '{}'", "x".repeat(100_000));
        {
            let mut query = Box::pin(connection.simple_query(&long));
            assert!(poll_once(query.as_mut()).is_pending());
            // The server takes what is there, so that there is room for the rest when the future is dropped.
            let mut reading = Box::pin(server.read_message());
            assert!(poll_once(reading.as_mut()).is_pending());
        }
        assert!(!connection.is_closed());
        let (tag, body) = server.read_message().await.expect("the whole request");
        assert_eq!((tag, body.len()), (b'Q', long.len() + 1));
        let script = async {
            server.send_all(&[Backend::CommandComplete(CommandComplete::new("SELECT 1"))]).await;
            server.ready(TransactionStatus::Idle).await;
            server.answer_int(7).await;
        };
        let (seven, ()) = tokio::join!(connection.fetch_value::<i32, _>("SELECT 7", ()), script);
        assert_eq!(seven.unwrap(), 7);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_half_written_closes_the_socket_if_that_takes_no_more() {
    deadline(async {
        let (mut connection, mut server) = scripted::connected().await;
        let long = format!("SELECT '{}'", "x".repeat(100_000));
        {
            let mut query = Box::pin(connection.simple_query(&long));
            assert!(poll_once(query.as_mut()).is_pending());
        }
        assert!(connection.is_closed());
        assert!(server.read_to_end().await < long.len(), "the server is not left waiting for the rest");
        let later = connection.execute("SELECT 1", ()).await.unwrap_err();
        let why = "the connection is closed: a request was dropped when it was written in part";
        assert_eq!(later.to_string(), why);
    })
    .await;
}
