//! COPY that is dropped at every byte: all of it is there afterwards, or nothing.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use cornac::copy::{CopyOptions, CopySource};
use cornac::{Client, Connection, ErrorKind, Result, TransactionStatus};
use cornac_conn::SslMode;
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, shared, still_usable};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::drops::dropped_everywhere_over;

async fn bytes_in(connection: &mut Connection, id: i64) -> Result<()> {
    let mut copy = connection.copy_in("ledger", &["id"], &CopyOptions::text()).await?;
    copy.send(format!("{id}\n")).await?;
    copy.flush().await?;
    copy.send(format!("{id}\n{id}\n")).await?;
    assert_eq!(copy.finish().await?, 3);
    Ok(())
}

async fn records_in(connection: &mut Connection, id: i64) -> Result<()> {
    let mut copy = connection.copy_records("ledger", &["id"]).await?;
    copy.send((id,)).await?;
    copy.flush().await?;
    copy.send_all([(id,), (id,)]).await?;
    assert_eq!(copy.finish().await?, 3);
    Ok(())
}

fn inserting(id: i64) -> String {
    format!("INSERT INTO ledger SELECT {id} FROM generate_series(1, 3) RETURNING id")
}

async fn bytes_out(connection: &mut Connection, id: i64) -> Result<()> {
    let mut copy = connection.copy_out(CopySource::query(&inserting(id)), &CopyOptions::text()).await?;
    let mut lines = 0;
    while let Some(line) = copy.next().await? {
        assert_eq!(line, format!("{id}\n").as_bytes());
        lines += 1;
    }
    assert_eq!((lines, copy.rows()), (3, 3));
    Ok(())
}

async fn rows_out(connection: &mut Connection, id: i64) -> Result<()> {
    let sql = inserting(id);
    let mut rows = connection.copy_rows::<(i64,)>(CopySource::query(&sql)).await?;
    for _ in 0..3 {
        assert_eq!(rows.next().await?, Some((id,)));
    }
    assert_eq!(rows.next().await?, None);
    Ok(())
}

#[tokio::test]
async fn drop_02_bytes_that_are_copied_in_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::Disable, "COPY in, bytes", 3, bytes_in).await;
}

#[tokio::test]
async fn drop_02_records_that_are_copied_in_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::Disable, "COPY in, records", 3, records_in).await;
}

#[tokio::test]
async fn drop_02_records_that_are_copied_in_over_tls_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::VerifyFull, "COPY in, records, over TLS", 3, records_in).await;
}

#[tokio::test]
async fn drop_02_bytes_that_are_copied_out_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::Disable, "COPY out, bytes", 3, bytes_out).await;
}

#[tokio::test]
async fn drop_02_rows_that_are_copied_out_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::Disable, "COPY out, rows", 3, rows_out).await;
}

#[tokio::test]
async fn drop_02_a_copy_that_the_server_refuses_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::Disable, "COPY in, refused", 1, async |connection, id| {
        let mut copy = connection.copy_in("ledger", &[], &CopyOptions::text()).await?;
        copy.send(format!("{id}\nx\n")).await?;
        copy.finish().await.unwrap_err();
        connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_02_a_copy_that_is_none_can_be_dropped_at_every_byte() {
    dropped_everywhere_over(SslMode::Disable, "COPY of the wrong kind", 1, async |connection, id| {
        connection.copy_in_raw("COPY ledger FROM PROGRAM 'echo -1'").await.map(drop).unwrap_err();
        connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await.map(drop)
    })
    .await;
}

/// How much a stream may still take, and who waits for it to be used up.
#[derive(Debug, Default)]
struct Gate {
    open_for: AtomicU64,
    taken: AtomicU64,
    shut: Notify,
}

/// A stream that takes so many bytes and no more, until more is allowed.
#[derive(Debug)]
struct Gated {
    inner: TcpStream,
    gate: Arc<Gate>,
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, out)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.gate.open_for.load(Ordering::Relaxed) - self.gate.taken.load(Ordering::Relaxed);
        if left == 0 {
            self.gate.shut.notify_one();
            return Poll::Pending;
        }
        let some = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        let written = Pin::new(&mut self.inner).poll_write(cx, some);
        if let Poll::Ready(Ok(written)) = written {
            self.gate.taken.fetch_add(written as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A connection whose stream takes anything, until its gate says otherwise.
async fn gated(cluster: &Cluster) -> (Connection, Arc<Gate>) {
    let gate = Arc::new(Gate { open_for: u64::MAX.into(), ..Gate::default() });
    let inner = TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
    let stream = Gated { inner, gate: Arc::clone(&gate) };
    let connection = Connection::connect_over(stream, &cluster.config(SUPERUSER)).await;
    (connection.unwrap(), gate)
}

/// Lets `verb` send so many bytes, then drops it with a socket that takes anything: one connection serves all of it, and what is there is
/// all or nothing. Without the last `decisive` bytes it is nothing.
async fn dropped_with_a_socket_that_takes_the_rest(
    name: &str,
    decisive: u64,
    verb: impl AsyncFn(&mut Connection, i64) -> Result<()>,
) {
    let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
    let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
    observer.simple_query("CREATE TABLE ledger (id int8)").await.unwrap();
    let (mut connection, gate) = gated(&cluster).await;
    let mut found = Vec::new();
    for bytes in 0_u64.. {
        let id = i64::try_from(bytes).unwrap();
        gate.open_for.store(gate.taken.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        let completed = {
            let mut running = Box::pin(verb(&mut connection, id));
            let completed = tokio::select! {
                biased;
                completed = &mut running => Some(completed),
                () = gate.shut.notified() => None,
            };
            gate.open_for.store(u64::MAX, Ordering::Relaxed);
            completed
        };
        // Whatever the server has got, it answers before the connection's next use.
        let answer: i64 = connection.fetch_value("SELECT $1::int8", (id,)).await.unwrap();
        assert_eq!(answer, id);
        assert!(connection.is_idle());
        let rows: i64 =
            observer.fetch_value("SELECT count(*) FROM ledger WHERE id = $1", (id,)).await.unwrap();
        assert!(rows == 0 || rows == 3, "{rows} rows of 3");
        found.push(rows);
        if let Some(completed) = completed {
            completed.unwrap();
            assert_eq!(rows, 3);
            break;
        }
    }
    let all = found.len() - 1;
    let undecided = all - usize::try_from(decisive).unwrap();
    assert!(
        found[..=undecided].iter().all(|rows| *rows == 0),
        "rows whose end was never sent are there: {found:?}"
    );
    let ran = found[..all].iter().filter(|rows| **rows > 0).count();
    println!(
        "{name}: dropped at {all} bytes; {ran} times the rows are there all the same; 0 connections were closed"
    );
    assert!(all > 50, "{all}");
}

/// CopyDone and Sync.
const END: u64 = 10;

#[tokio::test]
async fn drop_02_a_copy_in_that_is_dropped_at_any_byte_is_failed_and_keeps_its_connection() {
    deadline(dropped_with_a_socket_that_takes_the_rest("COPY in, bytes", END, bytes_in)).await;
    deadline(dropped_with_a_socket_that_takes_the_rest("COPY in, records", END, records_in)).await;
}

#[tokio::test]
async fn drop_02_a_copy_out_that_is_dropped_at_any_byte_keeps_its_connection() {
    deadline(dropped_with_a_socket_that_takes_the_rest("COPY out, bytes", 5, bytes_out)).await;
    deadline(dropped_with_a_socket_that_takes_the_rest("COPY out, rows", 5, rows_out)).await;
}

#[tokio::test]
async fn drop_02_a_copy_that_is_dropped_before_its_answer_ends_in_its_transaction() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE ledger (id int8)").await.unwrap();
        for (sql, status) in [
            ("COPY ledger FROM STDIN", TransactionStatus::Failed),
            ("COPY no_such_table FROM STDIN", TransactionStatus::Failed),
            // It has run, and in a transaction of the caller's it is the caller who decides.
            ("COPY ledger FROM PROGRAM 'echo 7'", TransactionStatus::InTransaction),
        ] {
            c.simple_query("BEGIN").await.unwrap();
            let mut beginning = Box::pin(c.copy_in_raw(sql));
            assert!(poll_fn(|cx| Poll::Ready(beginning.as_mut().poll(cx).is_pending())).await);
            drop(beginning);
            c.simple_query("").await.unwrap();
            assert_eq!(c.transaction_status(), status, "{sql}");
            c.simple_query("ROLLBACK").await.unwrap();
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn drop_02_data_with_a_gap_cannot_be_finished() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let (mut c, gate) = gated(&cluster).await;
        c.simple_query("CREATE TABLE ledger (id int8)").await.unwrap();
        let lines = "7\n".repeat(100_000);
        let options = CopyOptions::text();
        let mut copy = c.copy_in("ledger", &[], &options).await.unwrap();
        gate.open_for.store(gate.taken.load(Ordering::Relaxed) + 70_000, Ordering::Relaxed);
        tokio::select! {
            biased;
            _ = copy.send(&lines) => panic!("the gate is open"),
            () = gate.shut.notified() => {}
        }
        gate.open_for.store(u64::MAX, Ordering::Relaxed);
        // What is missing between these bytes and the others, the server cannot know.
        copy.send("8\n").await.unwrap();
        let error = copy.finish().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        let count = "SELECT count(*) FROM ledger";
        assert_eq!(c.fetch_value::<i64, _>(count, ()).await.unwrap(), 0);
        let mut copy = c.copy_in("ledger", &[], &options).await.unwrap();
        copy.send(&lines).await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), 100_000);
        assert_eq!(c.fetch_value::<i64, _>(count, ()).await.unwrap(), 100_000);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn drop_06_a_copy_that_is_leaked_leaves_a_connection_that_is_not_idle() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE ledger (id int8)").await.unwrap();
        for sent in [false, true] {
            let mut copy = c.copy_records("ledger", &[]).await.unwrap();
            copy.send_all((0..1_000_i64).map(|id| (id,))).await.unwrap();
            if sent {
                copy.flush().await.unwrap();
            }
            std::mem::forget(copy);
            assert!(!c.is_idle());
            let rows: i64 = c.fetch_value("SELECT count(*) FROM ledger", ()).await.unwrap();
            assert_eq!(rows, 0);
        }
        // Leaked before the server has answered: it takes data, it refuses, it is no COPY of this kind and has run.
        for sql in
            ["COPY ledger FROM STDIN", "COPY no_such_table FROM STDIN", "COPY ledger FROM PROGRAM 'echo 7'"]
        {
            let mut beginning = Box::pin(c.copy_in_raw(sql));
            let pending = poll_fn(|cx| Poll::Ready(beginning.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
            std::mem::forget(beginning);
            assert!(!c.is_idle());
            let rows: i64 = c.fetch_value("SELECT count(*) FROM ledger", ()).await.unwrap();
            assert_eq!(rows, 0, "{sql}");
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[test]
fn drop_05_a_copy_can_be_dropped_outside_of_any_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(shared().database());
    let mut c = runtime.block_on(database.connect());
    runtime.block_on(c.simple_query("CREATE TABLE ledger (id int8)")).unwrap();
    let mut copy = runtime.block_on(c.copy_records("ledger", &[])).unwrap();
    runtime.block_on(copy.send((7_i64,))).unwrap();
    std::thread::scope(|scope| scope.spawn(move || drop(copy)).join()).unwrap();
    runtime.block_on(still_usable(&mut c));
    let mut copy = runtime.block_on(c.copy_in("ledger", &[], &CopyOptions::text())).unwrap();
    runtime.block_on(copy.send("7\n")).unwrap();
    drop(runtime);
    drop(copy);
}

#[tokio::test]
async fn os_02_notices_both_ways_do_not_block_over_the_smallest_buffers() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(1).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], cluster.port()).into()).await.unwrap();
        let mut c = Connection::connect_over(stream, &cluster.config(SUPERUSER)).await.unwrap();
        let sql = "CREATE TABLE ledger (id int8, filler text);
                   CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS
                       'BEGIN RAISE NOTICE ''%'', repeat(''x'', 3000); RETURN NEW; END';
                   CREATE TRIGGER loud BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION loud()";
        c.simple_query(sql).await.unwrap();
        let filler = "y".repeat(3_000);
        let records = (0..1_500_i64).map(|id| (id, filler.as_str()));
        assert_eq!(c.copy_records_to_table("ledger", &[], records).await.unwrap(), 1_500);
        let notices = c.take_notices();
        assert!(notices.lost > 0 && !notices.messages.is_empty(), "more notices came than are kept");
        let mut rows = c.copy_rows::<(i64, String)>("ledger").await.unwrap();
        let mut count = 0;
        while let Some((id, text)) = rows.next().await.unwrap() {
            assert_eq!((id, text.len()), (count, 3_000));
            count += 1;
        }
        drop(rows);
        assert_eq!(count, 1_500);
        still_usable(&mut c).await;
    })
    .await;
}
