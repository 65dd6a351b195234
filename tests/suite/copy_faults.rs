//! COPY that fails: rows that are wrong, sources that end, servers that die or lie.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use cornac::copy::{CopyError, CopyOptions, CopySource};
use cornac::{Client, Connection, ErrorKind, SqlState};
use cornac_conn::SslMode;
use cornac_proto::COPY_SIGNATURE;
use cornac_proto::message::server::{self, CopyDirection};
use cornac_proto::message::{Backend, CommandComplete, FormatCode, TransactionStatus};
use cornac_tests::scripted::{self, ScriptedServer};
use cornac_tests::{
    Action, Cluster, ClusterOptions, Direction, Fault, Place, Proxy, SUPERUSER, StopMode, deadline, shared,
    still_usable,
};
use futures_core::Stream;
use tokio::sync::Notify;

const ROWS: usize = 1_000_000;

async fn with_items(connection: &mut Connection) {
    let sql = "CREATE TABLE item (id int4 PRIMARY KEY, name text, CHECK (name <> 'bad'))";
    connection.simple_query(sql).await.unwrap();
}

async fn count(connection: &mut Connection) -> i64 {
    connection.fetch_value("SELECT count(*) FROM item", ()).await.unwrap()
}

/// A million lines in pieces, one of which is wrong.
fn pieces(bad: usize, line: &str) -> impl Iterator<Item = String> {
    const LINES: usize = 5_000;
    (0..ROWS).step_by(LINES).map(move |first| {
        let lines = first..first + LINES;
        lines.map(|row| if row == bad { line.to_owned() } else { format!("{row}\tan item\n") }).collect()
    })
}

#[tokio::test]
async fn copy_01_a_bad_row_is_known_where_it_stands_and_nothing_is_loaded() {
    deadline(async {
        // Over a Unix socket, whose buffers are small: the kernel's for TCP grow to many megabytes.
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut c = Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap();
        with_items(&mut c).await;
        for bad in [0, ROWS / 2, ROWS - 1] {
            let number = bad + 1;
            for (line, code, context) in [
                (
                    "x\tan item\n",
                    SqlState::INVALID_TEXT_REPRESENTATION,
                    format!("COPY item, line {number}, column id: \"x\""),
                ),
                ("-1\tbad\n", SqlState::CHECK_VIOLATION, format!("COPY item, line {number}: \"-1\tbad\"")),
            ] {
                let mut copy = c.copy_in("item", &["id", "name"], &CopyOptions::text()).await.unwrap();
                let mut sent = 0;
                let mut refused = None;
                for piece in pieces(bad, line) {
                    if let Err(error) = copy.send(&piece).await {
                        refused = Some(error);
                        break;
                    }
                    sent += piece.len();
                }
                let total: usize = pieces(bad, line).map(|piece| piece.len()).sum();
                if bad < ROWS - 1 {
                    assert!(refused.is_some(), "line {number}: all {total} bytes were sent");
                    assert!(sent < total);
                    // Later uses say that it is over, and nothing else.
                    let over = copy.send("7\tx\n").await.unwrap_err();
                    assert!(matches!(over.kind(), ErrorKind::Usage("the COPY is over")), "{over}");
                }
                let finished = copy.finish().await;
                let error = refused.unwrap_or_else(|| finished.unwrap_err());
                assert_eq!(error.sql_state(), Some(code), "{error}");
                assert_eq!(error.server().and_then(|server| server.context()), Some(&*context));
                assert_eq!(error.server().and_then(|server| server.table()).unwrap_or("item"), "item");
                assert!(error.statement().is_some_and(|sql| sql.starts_with("COPY \"item\"")));
                assert_eq!(count(&mut c).await, 0);
            }
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn copy_01_a_record_that_the_server_refuses_ends_the_copy_at_once() {
    deadline(async {
        // Over a Unix socket, whose buffers are small: the kernel's for TCP grow to many megabytes.
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut c = Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap();
        with_items(&mut c).await;
        for bad in [0, 150_000, 299_999] {
            let taken = AtomicI32::new(0);
            let records = (0..300_000).map(|id| {
                taken.store(id, Relaxed);
                (id, if id == bad { "bad" } else { "an item of some length, so that there is much to send" })
            });
            let error = c.copy_records_to_table("item", &["id", "name"], records).await.unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::CHECK_VIOLATION), "{error}");
            assert_eq!(error.constraint(), Some("item_name_check"));
            let context = format!("COPY item, line {}", bad + 1);
            assert_eq!(error.server().and_then(|server| server.context()), Some(&*context));
            assert!(
                bad == 299_999 || taken.load(Relaxed) < 299_999,
                "all records were taken before the error was seen"
            );
            assert_eq!(count(&mut c).await, 0);
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_record_that_does_not_fit_is_named_before_it_is_sent() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let records = (1..=20_000_i64).map(|id| (if id == 12_345 { 5_000_000_000 } else { id }, "x"));
        let error = c.copy_records_to_table("item", &["id", "name"], records).await.unwrap_err();
        let ErrorKind::Copy(CopyError::Record(record)) = error.kind() else { panic!("{error}") };
        assert_eq!((record.row(), record.column()), (12_345, Some("id")));
        let shown = "row 12345, column 1 \"id\" is int4, which this i64 cannot become: 5000000000 is out of range";
        assert!(error.to_string().starts_with(shown.split(": 5").next().unwrap()), "{error}");
        assert_eq!(count(&mut c).await, 0);
        let short = c.copy_records_to_table("item", &["id", "name"], [(7,)]).await.unwrap_err();
        assert_eq!(short.to_string(), "row 1 has 1 values, and there are 2 columns");
        // A text for a column that is none would be taken for a binary value.
        let text = c.copy_records_to_table("item", &["id", "name"], [("7777", "x")]).await.unwrap_err();
        let shown = "row 1, column 1 \"id\" is int4, which this value cannot become: it would be written as text, \
                     and records are copied in binary";
        assert_eq!(text.to_string(), shown);
        let unknown = c.copy_records_to_table("pg_class", &["relacl"], [(7,)]).await.unwrap_err();
        assert!(unknown.server().is_some() || unknown.to_string().contains("aclitem[]"), "{unknown}");
        assert_eq!(count(&mut c).await, 0);
        still_usable(&mut c).await;
    })
    .await;
}

/// A stream out of a function that says what comes next.
struct FromFn<F>(F);

impl<T, F: FnMut() -> Poll<Option<T>> + Unpin> Stream for FromFn<F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<T>> {
        (self.get_mut().0)()
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

#[tokio::test]
async fn copy_02_a_source_that_fails_or_panics_loads_nothing() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let process = c.process_id();
        for good in [0, 1, 30_000] {
            // Bytes.
            let mut copy = c.copy_in("item", &[], &CopyOptions::text()).await.unwrap();
            let mut given = 0;
            let failing = FromFn(|| {
                given += 1;
                let line = format!("{given}\tan item\n");
                Poll::Ready(Some(if given > good { Err("the source is dry") } else { Ok(line) }))
            });
            let error = copy.send_stream(failing).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Copy(CopyError::Source(_))), "{error}");
            assert_eq!(error.to_string(), "the source of the data failed: the source is dry");
            assert!(copy.finish().await.is_err(), "what failed cannot be finished");
            assert_eq!(count(&mut c).await, 0);
            // Records.
            let mut given = 0;
            let failing = FromFn(|| {
                given += 1;
                Poll::Ready(Some(if given > good { Err("the source is dry") } else { Ok((given, "x")) }))
            });
            let error = c.copy_stream_to_table("item", &[], failing).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Copy(CopyError::Source(_))), "{error}");
            assert_eq!(count(&mut c).await, 0);
            // A panic.
            let records =
                (0..=good).map(|id| if id == good { panic!("in the caller's iterator") } else { (id, "x") });
            assert!(panics(c.copy_records_to_table("item", &[], records)).await);
            assert_eq!(count(&mut c).await, 0);
        }
        // A reader.
        let reader = tokio::io::AsyncReadExt::chain(&b"7\tx\n"[..], Failing);
        let error = c.copy_from("item", &[], &CopyOptions::text(), reader).await.unwrap_err();
        assert_eq!(error.to_string(), "the source of the data failed: the disk is on fire");
        assert_eq!(count(&mut c).await, 0);
        assert_eq!(c.process_id(), process, "the connection is the same");
        still_usable(&mut c).await;
    })
    .await;
}

struct Failing;

impl tokio::io::AsyncRead for Failing {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _out: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::Error::other("the disk is on fire")))
    }
}

#[tokio::test]
async fn copy_02_a_copy_that_is_dropped_or_failed_loads_nothing() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, mut observer) = (database.connect().await, database.connect().await);
        with_items(&mut c).await;
        for lines in [0, 1, 3_000, 60_000] {
            let data = (0..lines).map(|id| format!("{id}\tan item")).collect::<Vec<_>>().join("\n");
            let mut copy = c.copy_in("item", &[], &CopyOptions::text()).await.unwrap();
            copy.send(&data).await.unwrap();
            if lines == 1 {
                copy.flush().await.unwrap();
            }
            drop(copy);
            // Without a use of the connection the server knows, and lets go of its locks.
            observer.simple_query("SET lock_timeout = '30s'; BEGIN; LOCK TABLE item; COMMIT").await.unwrap();
            assert!(!c.is_closed() && !c.is_idle());
            assert_eq!(count(&mut c).await, 0);
            let mut copy = c.copy_records("item", &[]).await.unwrap();
            copy.send_all((0..lines).map(|id| (id, "an item"))).await.unwrap();
            copy.fail("the \0 user thought better of it").await.unwrap();
            assert_eq!(count(&mut c).await, 0);
        }
        // Inside of a transaction it fails with the COPY, and nothing else ends it.
        c.simple_query("BEGIN; INSERT INTO item VALUES (1, 'one')").await.unwrap();
        drop(c.copy_in("item", &[], &CopyOptions::text()).await.unwrap());
        let failed = c.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(failed.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        assert_eq!(c.transaction_status(), TransactionStatus::Failed);
        c.simple_query("ROLLBACK").await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn copy_02_a_source_without_an_end_can_be_cancelled_or_times_out() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        // Cancelled from elsewhere while data goes in.
        let token = c.cancel_token();
        let mut given = 0;
        // A request to cancel that the server gets before the COPY has no effect. The source is asked only once the COPY has begun.
        let begun = Notify::new();
        let endless = FromFn(|| {
            given += 1;
            begun.notify_one();
            Poll::Ready(Some(Ok::<_, Infallible>((given, "an item"))))
        });
        let (copied, cancelled) = tokio::join!(c.copy_stream_to_table("item", &[], endless), async {
            begun.notified().await;
            token.cancel().await
        });
        assert!(cancelled.unwrap(), "the request was delivered");
        assert_eq!(copied.unwrap_err().sql_state(), Some(SqlState::QUERY_CANCELED));
        assert_eq!(count(&mut c).await, 0);
        // A source that gives nothing more: the server waits for data, and heeds no request to cancel.
        c.set_statement_timeout(Some(Duration::from_millis(100)));
        let mut first = Some((7, "x"));
        let stalled = FromFn(move || match first.take() {
            Some(record) => Poll::Ready(Some(Ok::<_, Infallible>(record))),
            None => Poll::Pending,
        });
        let error = c.copy_stream_to_table("item", &[], stalled).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
        c.set_statement_timeout(None);
        assert_eq!(count(&mut c).await, 0);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn an_error_is_seen_while_the_source_is_waited_for() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let mut pieces = vec!["x\tbad\n"];
        let stalled = FromFn(move || match pieces.pop() {
            Some(piece) => Poll::Ready(Some(Ok::<_, Infallible>(piece))),
            None => Poll::Pending,
        });
        let mut copy = c.copy_in("item", &[], &CopyOptions::text()).await.unwrap();
        let error = copy.send_stream(stalled).await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::INVALID_TEXT_REPRESENTATION), "{error}");
        drop(copy);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn copy_03_a_server_that_dies_has_loaded_nothing() {
    deadline(async {
        let mut cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut c = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        with_items(&mut c).await;
        let mut copy = c.copy_records("item", &[]).await.unwrap();
        copy.send_all((0..20_000).map(|id| (id, "an item"))).await.unwrap();
        // Nothing comes and nothing is taken while the server is started again: so its backend has to wait, sees that its postmaster is gone,
        // and ends too. One that is kept busy would work on without a postmaster.
        cluster.stop(StopMode::Kill).unwrap();
        cluster.restart().unwrap();
        let mut id = 20_000;
        let error = loop {
            id += 1;
            if let Err(error) = copy.send((id, "an item")).await {
                break error;
            }
        };
        assert!(error.is_closed() && !error.outcome_unknown(), "{error}");
        assert!(error.may_retry(), "nothing was loaded, and that is known");
        drop(copy);
        assert!(c.is_closed());
        let mut c = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        assert_eq!(count(&mut c).await, 0);
        // Going out.
        let endless = CopySource::Query("SELECT generate_series(1, 100000000), 'an item'");
        let mut rows = c.copy_rows::<(i32, String)>(endless).await.unwrap();
        assert!(rows.next().await.unwrap().is_some());
        cluster.stop(StopMode::Kill).unwrap();
        cluster.restart().unwrap();
        let error = loop {
            match rows.next().await {
                Ok(row) => assert!(row.is_some(), "the end of the data came from a server that is dead"),
                Err(error) => break error,
            }
        };
        assert!(error.is_closed(), "{error}");
        drop(rows);
        let mut c = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn copy_03_a_network_that_is_cut_at_any_message_leaves_all_or_nothing() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        with_items(&mut observer).await;
        let port = database.config().hosts()[0].port;
        let (mut cut, mut loaded) = (0, 0);
        for direction in [Direction::ToServer, Direction::ToClient] {
            for message in 0.. {
                let fault = Fault { direction, place: Place::Message(message), action: Action::Reset };
                let proxy = Proxy::start(port, vec![fault]).await.unwrap();
                // Messages are counted from the first, which must be no request for TLS.
                let config = database.config().clone().ssl_mode(SslMode::Disable).port(proxy.port());
                let copied = async {
                    let mut c = Connection::connect(&config).await?;
                    let mut copy = c.copy_records("item", &["id", "name"]).await?;
                    for id in 0..6 {
                        copy.send((id, "an item")).await?;
                        copy.flush().await?;
                    }
                    copy.finish().await
                };
                let copied = copied.await;
                let there = wait_for_end(&mut observer).await;
                observer.simple_query("TRUNCATE item").await.unwrap();
                match copied {
                    Ok(rows) => {
                        assert_eq!((rows, there), (6, 6));
                        break;
                    }
                    Err(error) => {
                        assert!(there == 0 || there == 6, "{there} rows of 6 are there");
                        assert!(there == 0 || error.outcome_unknown(), "{error}");
                        (cut, loaded) = (cut + 1, loaded + there / 6);
                    }
                }
            }
        }
        println!("cut at {cut} messages; {loaded} times the rows are there all the same");
        assert!(cut > 30, "{cut}");
        still_usable(&mut observer).await;
    })
    .await;
}

/// How many rows there are when no other backend is left that could still add some.
async fn wait_for_end(observer: &mut Connection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    count(observer).await
}

#[tokio::test]
async fn copy_04_a_deferred_constraint_is_told_at_the_end() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let sql = "CREATE TABLE item (id int4 UNIQUE DEFERRABLE INITIALLY DEFERRED, name text)";
        c.simple_query(sql).await.unwrap();
        let records = (0..10_000).map(|id| (id % 9_999, "an item"));
        let error = c.copy_records_to_table("item", &[], records).await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::UNIQUE_VIOLATION), "{error}");
        assert_eq!(error.constraint(), Some("item_id_key"));
        assert_eq!(count(&mut c).await, 0);
        let mut copy = c.copy_in("item", &[], &CopyOptions::text()).await.unwrap();
        copy.send("1\ta\n1\tb\n").await.unwrap();
        let error = copy.finish().await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::UNIQUE_VIOLATION), "{error}");
        assert_eq!(count(&mut c).await, 0);
        still_usable(&mut c).await;
    })
    .await;
}

/// Answers a typed COPY out of two columns with data in these pieces, and the end behind them.
async fn give(server: &mut ScriptedServer, pieces: &[&[u8]]) {
    assert_eq!(server.read_until(b'H').await, "PDPBEH");
    server
        .send(|out| {
            Backend::ParseComplete.encode(out)?;
            server::parameter_description(out, &[])?;
            server::row_description(out, &[("id", 23, FormatCode::Text), ("name", 25, FormatCode::Text)])?;
            Backend::ParseComplete.encode(out)?;
            Backend::BindComplete.encode(out)?;
            server::copy_response(out, CopyDirection::Out, FormatCode::Binary, 2)
        })
        .await;
    server
        .send(|out| {
            pieces.iter().try_for_each(|piece| Backend::CopyData(piece).encode(out))?;
            Backend::CopyDone.encode(out)?;
            Backend::CommandComplete(CommandComplete::new("COPY 1")).encode(out)
        })
        .await;
    server.ready(TransactionStatus::Idle).await;
}

#[tokio::test]
async fn copy_05_binary_data_that_is_none_closes_the_connection() {
    deadline(async {
        let header = [&COPY_SIGNATURE[..], &[0; 8]].concat();
        let tuple = b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x04tusk";
        let row = || (7, "tusk".to_owned());
        let extended = [&COPY_SIGNATURE[..], b"\0\0\xff\xff\0\0\0\x03abc"].concat();
        let good: [&[&[u8]]; 4] = [
            &[&header, tuple, b"\xff\xff"],
            &[&[&header[..], tuple].concat(), b"\xff", b"\xff"],
            &[&extended, &tuple[..3], &tuple[3..], b"\xff\xff"],
            &[&[&header[..], tuple, b"\xff\xff"].concat()],
        ];
        for pieces in good {
            let (mut c, mut server) = scripted::connected().await;
            let read = async {
                let mut rows = c.copy_rows::<(i32, String)>("item").await?;
                let row = rows.next().await?;
                assert_eq!(rows.next().await?, None);
                Ok::<_, cornac::Error>(row)
            };
            let (read, ()) = tokio::join!(read, give(&mut server, pieces));
            assert_eq!(read.unwrap(), Some(row()));
            assert!(c.is_idle());
        }
        let flags = [&COPY_SIGNATURE[..], b"\0\x01\0\0\0\0\0\0"].concat();
        let extension = [&COPY_SIGNATURE[..], b"\0\0\0\0\xff\xff\xff\xfe"].concat();
        let bad: [(&[&[u8]], &str); 9] = [
            (&[b"PGCOPY\n\xff\r\r\0"], "does not begin with its signature"),
            (&[b"7\ttusk\n"], "does not begin with its signature"),
            (&[&flags, tuple, b"\xff\xff"], "has flags that are not known here"),
            (&[&extension, tuple, b"\xff\xff"], "has a header extension of an impossible length"),
            (&[&header, b"\0\x03"], "has a tuple with another number of fields than there are columns"),
            (&[&header, b"\0\x02\x80\0\0\0"], "has a field of an impossible length"),
            (&[&header, tuple], "has no trailer at its end"),
            (&[&header, &tuple[..9]], "has no trailer at its end"),
            (&[&header, b"\xff\xff", tuple], "goes on behind its trailer"),
        ];
        for (pieces, expected) in bad {
            let (mut c, mut server) = scripted::connected().await;
            let read = async {
                let mut rows = c.copy_rows::<(i32, String)>("item").await?;
                while rows.next().await?.is_some() {}
                Ok::<_, cornac::Error>(())
            };
            let (read, ()) = tokio::join!(read, give(&mut server, pieces));
            let error = read.unwrap_err();
            assert!(error.to_string().ends_with(&format!("the COPY data {expected}")), "{error}");
            assert!(error.is_closed() && c.is_closed());
        }
    })
    .await;
}

#[tokio::test]
async fn copy_07_what_is_no_copy_of_this_kind_is_a_typed_error() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        for sql in ["", "SELECT 1", "INSERT INTO item VALUES (1, 'x')", "-- COPY item FROM STDIN"] {
            for error in [c.copy_in_raw(sql).await.map(drop), c.copy_out_raw(sql).await.map(drop)] {
                let error = error.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
                assert_eq!(error.delivery(), cornac::Delivery::NotSent);
            }
        }
        let from_server = "COPY item FROM PROGRAM 'echo 7,x' WITH (FORMAT csv)";
        let to_server = "COPY (INSERT INTO item VALUES (8, 'y') RETURNING id) TO PROGRAM 'cat > /dev/null'";
        for sql in [
            "COPY item TO STDOUT",
            "COPY (SELECT generate_series(1, 100000)) TO STDOUT",
            from_server,
            to_server,
        ] {
            let error = c.copy_in_raw(sql).await.map(drop).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{sql}: {error}");
            assert_eq!(count(&mut c).await, 0, "what the statement did was rolled back");
        }
        for sql in ["COPY item FROM STDIN", from_server, to_server] {
            let error = c.copy_out_raw(sql).await.map(drop).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{sql}: {error}");
            assert_eq!(count(&mut c).await, 0, "what the statement did was rolled back");
        }
        let two = c.copy_in_raw("COPY item FROM STDIN; DROP TABLE item").await.map(drop).unwrap_err();
        assert_eq!(two.sql_state(), Some(SqlState::SYNTAX_ERROR));
        // In a transaction of the caller's it is the caller who decides.
        c.simple_query("BEGIN").await.unwrap();
        let error = c.copy_in_raw(from_server).await.map(drop).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        assert_eq!(count(&mut c).await, 1);
        c.simple_query("ROLLBACK").await.unwrap();
        // The right ones.
        let mut copy = c.copy_in_raw("COPY item FROM STDIN WHERE id > 7").await.unwrap();
        copy.send("7\tx\n8\ty\n").await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), 1);
        let mut copy = c.copy_out_raw("copy item to stdout").await.unwrap();
        assert_eq!(copy.next().await.unwrap(), Some(&b"8\ty\n"[..]));
        drop(copy);
        still_usable(&mut c).await;
    })
    .await;
}

/// Waits until the server's backend has filled the socket's buffers, and waits for its client.
async fn wait_until_blocked(observer: &mut Connection, process_id: i32) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'ClientWrite'";
    while observer.fetch_value::<i64, _>(sql, (process_id,)).await.unwrap() == 0 {}
}

/// The memory of this process, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn copy_08_a_consumer_that_stops_reading_stops_the_server() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, mut observer) = (database.connect().await, database.connect().await);
        let process_id = c.process_id().unwrap();
        let query = CopySource::query("SELECT n, repeat('x', 1000) FROM generate_series(1, 100000) n");
        let before = resident_kib();
        let mut rows = c.copy_rows::<(i32, String)>(query.clone()).await.unwrap();
        for number in 1..=100_000 {
            if number % 40_000 == 1 {
                wait_until_blocked(&mut observer, process_id).await;
                let grown = resident_kib().saturating_sub(before);
                assert!(grown < 16 << 10, "{grown} KiB more than before, of 100 MB that are to come");
            }
            let (n, text) = rows.next().await.unwrap().unwrap();
            assert_eq!((n, text.len()), (number, 1000));
        }
        assert_eq!(rows.next().await.unwrap(), None);
        assert_eq!(rows.rows(), 100_000);
        drop(rows);
        still_usable(&mut c).await;
        // Dropped in the middle, with the server waiting.
        let mut copy = c.copy_out(query.clone(), &CopyOptions::text()).await.unwrap();
        assert!(copy.next().await.unwrap().is_some());
        wait_until_blocked(&mut observer, process_id).await;
        drop(copy);
        assert!(!c.is_idle());
        still_usable(&mut c).await;
        drop(c.copy_rows::<(i32, String)>(query).await.unwrap());
        still_usable(&mut c).await;
        assert_eq!(c.process_id(), Some(process_id));
    })
    .await;
}
