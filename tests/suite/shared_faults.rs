//! What can happen to a connection with many callers.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cornac::shared::{SharedConnection, SharedError, SharedOptions};
use cornac::types::Type;
use cornac_conn::{
    Client, Connection, Delivery, ErrorKind, NoticeHandler, SqlState, Statement, StatementMode,
};
use cornac_proto::message::{
    Backend, CommandComplete, FormatCode, ParameterStatus, TransactionStatus, server,
};
use cornac_tests::messages::error;
use cornac_tests::{Cluster, ClusterOptions, OneByte, Points, deadline, shared, wait_until_asleep};

use crate::shared_mode::{describe_int, int_row, scripted_connection, still_usable};

/// Polls a future once; what it waits for wakes nobody.
fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `future` until it has been pending `times` times, then drops it.
async fn polled<F: Future>(future: F, times: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut pending = 0;
    poll_fn(|cx| {
        if pending == times {
            return Poll::Ready(None);
        }
        pending += 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_connection_that_is_not_idle_behind_a_statement_is_closed() {
    deadline(async {
        for status in [TransactionStatus::InTransaction, TransactionStatus::Failed] {
            let (shared, mut server) = scripted_connection(SharedOptions::default()).await;
            let script = async {
                describe_int(&mut server).await;
                assert_eq!(server.read_until(b'S').await, "BES");
                int_row(&mut server, 1).await;
                server.ready(TransactionStatus::Idle).await;
                for _ in 0..3 {
                    assert_eq!(server.read_until(b'S').await, "BES");
                }
                int_row(&mut server, 2).await;
                server.ready(TransactionStatus::Idle).await;
                int_row(&mut server, 3).await;
                server.ready(status).await;
            };
            let callers = async {
                let one: i32 = shared.fetch_value("SELECT 7", ()).await.unwrap();
                assert_eq!(one, 1);
                tokio::join!(
                    shared.fetch_value::<i32, _>("SELECT 7", ()),
                    shared.fetch_value::<i32, _>("SELECT 7", ()),
                    shared.fetch_value::<i32, _>("SELECT 7", ()),
                )
            };
            let ((two, guilty, behind), ()) = tokio::join!(callers, script);
            assert_eq!(two.unwrap(), 2);
            for error in [guilty.unwrap_err(), behind.unwrap_err()] {
                let ErrorKind::Shared(SharedError::NotIdle { status: seen }) = error.kind() else {
                    panic!("{error}")
                };
                assert_eq!((*seen, error.outcome_unknown(), error.is_closed()), (status, true, true));
            }
            assert!(shared.is_closed());
            let later = shared.execute("SELECT 7", ()).await.unwrap_err();
            assert!(matches!(later.kind(), ErrorKind::Closed(_)) && !later.outcome_unknown(), "{later}");
            // The server sees no more than the end.
            assert_eq!(server.read_to_end().await, 0);
        }
    })
    .await;
}

/// The pipe takes part of a statement and nothing of those behind it: of those, one goes, and never runs.
#[tokio::test]
async fn what_the_socket_has_not_taken_can_still_be_taken_back() {
    deadline(async {
        let (shared, mut server) = scripted_connection(SharedOptions::default()).await;
        let describe = async {
            describe_int(&mut server).await;
            assert_eq!(server.read_until(b'S').await, "BES");
            int_row(&mut server, 0).await;
            server.ready(TransactionStatus::Idle).await;
        };
        let (_, ()) = tokio::join!(shared.fetch_value::<i32, _>("SELECT 7", ()), describe);
        let unnamed = |text: String| Statement::typed(text, &[], &[Type::INT4]).mode(StatementMode::Unnamed);
        let long = unnamed(format!("SELECT 1 -- {}", "x".repeat(100_000)));
        let mut long = Box::pin(shared.fetch_value::<i32, _>(long, ()));
        assert!(poll_once(long.as_mut()).is_pending());
        let mut goes = Box::pin(shared.fetch_value::<i32, _>(unnamed("SELECT 'goes'".to_owned()), ()));
        let mut stays = Box::pin(shared.fetch_value::<i32, _>(unnamed("SELECT 'stays'".to_owned()), ()));
        for _ in 0..3 {
            assert!(poll_once(goes.as_mut()).is_pending());
            assert!(poll_once(stays.as_mut()).is_pending());
        }
        assert_eq!((shared.statistics().waiting, shared.statistics().in_flight), (2, 1));
        drop(goes);
        assert_eq!(shared.statistics().waiting, 1);
        let script = async {
            let mut texts = Vec::new();
            for value in [1, 2] {
                loop {
                    let (tag, body) = server.read_message().await.expect("the client goes on");
                    if tag == b'P' {
                        texts.push(
                            String::from_utf8_lossy(&body).chars().skip(1).take(16).collect::<String>(),
                        );
                    }
                    if tag == b'S' {
                        break;
                    }
                }
                server.send_all(&[Backend::ParseComplete, Backend::BindComplete]).await;
                server
                    .send(|out| {
                        server::row_description(out, &[("value", 23, FormatCode::Binary)])?;
                        server::data_row(out, &[Some(&i32::to_be_bytes(value))])?;
                        Backend::CommandComplete(CommandComplete::new("SELECT 1")).encode(out)
                    })
                    .await;
                server.ready(TransactionStatus::Idle).await;
            }
            texts
        };
        let (one, two, texts) = tokio::join!(long, stays, script);
        assert_eq!((one.unwrap(), two.unwrap()), (1, 2));
        assert_eq!(texts, ["SELECT 1 -- xxxx", "SELECT 'stays'\0\0"], "what went was never sent");
        shared.close().await.unwrap();
        assert_eq!(server.read_until(b'X').await, "X");
    })
    .await;
}

/// A statement that goes out in one flight, as it is.
fn unnamed(sql: &str) -> Statement<'_> {
    Statement::typed(sql, &[], &[Type::INT4]).mode(StatementMode::Unnamed)
}

#[tokio::test]
async fn a_lost_connection_has_run_nothing_of_what_the_socket_had_not_taken() {
    deadline(async {
        // The other one waits in the line, or stands in the buffer behind the first.
        for len in [300_000, 100_000] {
            let (shared, mut server) = scripted_connection(SharedOptions::default()).await;
            let text = format!("SELECT 1 -- {}", "x".repeat(len));
            let mut half = Box::pin(shared.execute(unnamed(&text), ()));
            assert!(poll_once(half.as_mut()).is_pending());
            let mut unsent = Box::pin(shared.execute(unnamed("SELECT 2"), ()));
            for _ in 0..2 {
                assert!(poll_once(unsent.as_mut()).is_pending());
            }
            server.send_bytes(&error("FATAL", "57P01", "the server goes")).await;
            server.close();
            let (half, unsent) = tokio::join!(half, unsent);
            let (half, unsent) = (half.unwrap_err(), unsent.unwrap_err());
            assert_eq!((half.delivery(), unsent.delivery()), (Delivery::Unknown, Delivery::NotSent));
            for error in [half, unsent] {
                assert!(error.is_closed() && error.to_string().contains("the server goes"), "{error}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_is_half_written_is_finished_or_the_socket_closed() {
    deadline(async {
        for takes_the_rest in [true, false] {
            let (shared, mut server) = scripted_connection(SharedOptions::default()).await;
            let text = format!("SELECT 1 -- {}", "x".repeat(100_000));
            let long = Statement::typed(&text, &[], &[Type::INT4]).mode(StatementMode::Unnamed);
            {
                let mut long = Box::pin(shared.fetch_value::<i32, _>(long, ()));
                assert!(poll_once(long.as_mut()).is_pending());
                if takes_the_rest {
                    let mut reading = Box::pin(server.read_message());
                    assert!(poll_once(reading.as_mut()).is_pending());
                }
            }
            assert_eq!(shared.is_closed(), !takes_the_rest);
            if takes_the_rest {
                assert_eq!(server.read_until(b'S').await, "PBDES");
            } else {
                assert!(server.read_to_end().await < text.len());
                let later = shared.execute("SELECT 1", ()).await.unwrap_err();
                assert!(later.is_closed() && !later.outcome_unknown(), "{later}");
            }
        }
    })
    .await;
}

/// One INSERT, which is polled so and so often over a stream of one byte a call, and then dropped: alone, or beside a caller who stays.
async fn insert_dropped_everywhere(beside_another: bool) {
    let body = async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut observer = Connection::connect(&cluster.config(cornac_tests::SUPERUSER)).await.unwrap();
        let table = "CREATE TABLE ledger (id int8); GRANT ALL ON ledger TO trusted";
        observer.simple_query(table).await.unwrap();
        let points = Arc::new(Points::default());
        let mut shared = over_one_byte(&cluster, &points).await;
        let (mut dropped, mut unsent, mut ran, mut reconnects) = (0_u64, 0_u64, 0, 0);
        for times in 0.. {
            let id = i64::try_from(times).unwrap();
            let written = points.written.load(Ordering::Relaxed);
            // Another text each time, so that it is always unknown, and goes two ways.
            let sql = format!("INSERT INTO ledger VALUES ($1) -- {id}");
            let inserting = polled(shared.execute(sql, (id,)), times);
            let output = if beside_another {
                let staying =
                    shared.fetch_values::<i64, _>("SELECT $1::int8 * n FROM generate_series(1, 9) n", (id,));
                let (output, stayed) = tokio::join!(inserting, staying);
                assert_eq!(stayed.unwrap(), (1..=9).map(|n| n * id).collect::<Vec<_>>());
                output
            } else {
                inserting.await
            };
            let nothing_sent = !beside_another && points.written.load(Ordering::Relaxed) == written;
            // The next answers are their own, or the connection is closed.
            let (one, two) = tokio::join!(
                shared.fetch_value::<i64, _>("SELECT $1::int8", (id,)),
                shared.fetch_values::<i64, _>("SELECT $1::int8 + n FROM generate_series(0, 2) n", (id,)),
            );
            match (one, two) {
                (Ok(one), Ok(two)) => assert_eq!((one, two), (id, vec![id, id + 1, id + 2])),
                (one, two) => {
                    for error in [one.unwrap_err(), two.unwrap_err()] {
                        assert!(error.is_closed() && !error.outcome_unknown(), "{error}");
                    }
                    assert_eq!(shared.statistics().in_flight, 0);
                    shared = over_one_byte(&cluster, &points).await;
                    reconnects += 1;
                    wait_for_backends(&mut observer).await;
                }
            }
            let sql = "SELECT count(*) FROM ledger WHERE id = $1";
            let rows: i64 = observer.fetch_value(sql, (id,)).await.unwrap();
            match output {
                Some(output) => {
                    output.unwrap();
                    assert_eq!(rows, 1, "what completed has run once");
                    break;
                }
                None if nothing_sent => {
                    assert_eq!(rows, 0, "what was not sent does not run");
                    unsent += 1;
                }
                None => {
                    assert!(rows <= 1, "what was sent ran {rows} times");
                    ran += rows;
                }
            }
            dropped += 1;
        }
        println!(
            "beside another: {beside_another}; dropped at {dropped} points; {unsent} times unsent, {ran} times the row is \
             there all the same; {reconnects} connections were closed"
        );
        assert!(dropped > 50 && ran > 5, "{dropped} {ran}");
        assert!(!beside_another || reconnects == 0, "somebody was there to write on: {reconnects}");
    };
    tokio::time::timeout(Duration::from_secs(300), body).await.expect("the test ends within 300 s");
}

#[tokio::test]
async fn an_insert_can_be_dropped_at_every_byte_by_the_only_caller() {
    insert_dropped_everywhere(false).await;
}

#[tokio::test]
async fn an_insert_can_be_dropped_at_every_byte_beside_another_caller() {
    insert_dropped_everywhere(true).await;
}

async fn over_one_byte(cluster: &Cluster, points: &Arc<Points>) -> SharedConnection {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let stream = OneByte::new(stream, Arc::clone(points));
    let connection = Connection::connect_over(stream, &cluster.config("trusted")).await.unwrap();
    SharedConnection::new(connection, SharedOptions::default()).await.unwrap()
}

/// Waits until what a closed connection had started has ended.
async fn wait_for_backends(observer: &mut Connection) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'trusted'";
    while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() > 1 {
        tokio::task::yield_now().await;
    }
}

/// A future that nobody polls any more must not hold up the others, although its caller is the one to be called for all.
#[tokio::test]
async fn a_caller_that_is_woken_and_not_polled_holds_nobody_up() {
    deadline(async {
        let shared = SharedConnection::connect(shared().config()).await.unwrap();
        still_usable(&shared).await;
        shared.execute("SELECT 1 FROM pg_sleep(0.05)", ()).await.unwrap();
        for parked in [1, 8] {
            let mut futures: Vec<_> = (0..parked)
                .map(|_| Box::pin(shared.fetch_value::<i32, _>("SELECT 1 FROM pg_sleep(0.05)", ())))
                .collect();
            for future in &mut futures {
                assert!(poll_once(future.as_mut()).is_pending());
            }
            // Another task waits behind them, and a branch of the same task.
            let other = shared.clone();
            let other = tokio::spawn(async move { still_usable(&other).await });
            other.await.unwrap();
            still_usable(&shared).await;
            for future in futures {
                assert_eq!(future.await.unwrap(), 1);
            }
        }
        still_usable(&shared).await;
    })
    .await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn callers_on_several_runtimes_are_served_until_that_of_the_socket_ends() {
    // The runtime of the socket runs in a thread of its own.
    let (connected, (end, ended)) = (std::sync::mpsc::channel(), tokio::sync::oneshot::channel::<()>());
    let home = std::thread::spawn(move || {
        runtime().block_on(async {
            let shared = SharedConnection::connect(shared().config()).await.unwrap();
            still_usable(&shared).await;
            connected.0.send(shared).unwrap();
            let _ = ended.await;
        });
    });
    let shared = connected.1.recv().unwrap();
    let guests: Vec<_> = (0..4_i32)
        .map(|guest| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                runtime().block_on(deadline(async {
                    for number in 0..200 {
                        let tag = guest * 1000 + number;
                        let answer: i32 = shared.fetch_value("SELECT $1::int4", (tag,)).await.unwrap();
                        assert_eq!(answer, tag);
                    }
                }));
            })
        })
        .collect();
    for guest in guests {
        guest.join().unwrap();
    }
    // One of them ends with a statement in flight, which is dropped with it.
    let leaving = shared.clone();
    let guest = runtime();
    guest.spawn(async move { leaving.execute("SELECT pg_sleep(0.2)", ()).await });
    guest.block_on(async {
        while shared.statistics().in_flight == 0 {
            tokio::task::yield_now().await;
        }
    });
    drop(guest);
    runtime().block_on(deadline(still_usable(&shared)));
    // A future that is dropped outside of any runtime.
    let mut abandoned = Box::pin(shared.fetch_value::<i32, _>("SELECT 1 FROM pg_sleep(0.1)", ()));
    {
        let guest = runtime();
        let _inside = guest.enter();
        assert!(poll_once(abandoned.as_mut()).is_pending());
    }
    std::thread::scope(|scope| {
        scope.spawn(move || drop(abandoned));
    });
    runtime().block_on(deadline(still_usable(&shared)));
    // The socket's own runtime ends.
    end.send(()).unwrap();
    home.join().unwrap();
    runtime().block_on(deadline(async {
        let lost = shared.execute("SELECT 1", ()).await.unwrap_err();
        assert!(lost.is_closed(), "{lost}");
        assert!(shared.is_closed());
        assert!(shared.execute("SELECT 1", ()).await.unwrap_err().is_closed());
    }));
}

/// Two threads ask at nearly the same moment, over and over: one finds the other in the middle of its turn, at every point of it, and must
/// be served although that one has nothing more to ask.
#[test]
fn whoever_finds_another_at_the_wire_is_served_by_it() {
    const ROUNDS: u64 = 4_000;
    let (connected, (end, ended)) = (std::sync::mpsc::channel(), tokio::sync::oneshot::channel::<()>());
    let home = std::thread::spawn(move || {
        runtime().block_on(async {
            let shared = SharedConnection::connect(shared().config()).await.unwrap();
            still_usable(&shared).await;
            connected.0.send(shared).unwrap();
            let _ = ended.await;
        });
    });
    let shared = connected.1.recv().unwrap();
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let guests: Vec<_> = (0..2_u64)
        .map(|guest| {
            let (shared, barrier) = (shared.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                runtime().block_on(deadline(async {
                    for round in 0..ROUNDS {
                        barrier.wait().await;
                        // One of them comes a little later, another moment in each round.
                        for _ in 0..guest * (round * 37 % 4_000) {
                            std::hint::spin_loop();
                        }
                        still_usable(&shared).await;
                    }
                }));
            })
        })
        .collect();
    for guest in guests {
        guest.join().unwrap();
    }
    end.send(()).unwrap();
    home.join().unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_closes_the_connection_for_all() {
    deadline(async {
        let mut connection = Connection::connect(shared().config()).await.unwrap();
        connection.simple_query("CREATE FUNCTION pg_temp.say() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'said'; RETURN 1; END $$").await.unwrap();
        connection.set_notice_handler(Some(NoticeHandler::new(|notice| {
            assert_ne!(notice.message(), "said", "the handler of this test panics");
        })));
        let shared = SharedConnection::new(connection, SharedOptions::default()).await.unwrap();
        still_usable(&shared).await;
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                tokio::spawn(async move { shared.fetch_value::<i32, _>("SELECT pg_temp.say()", ()).await })
            })
            .collect();
        let (mut panicked, mut lost) = (0, 0);
        for caller in callers {
            match caller.await {
                Err(join) => panicked += u32::from(join.is_panic()),
                Ok(outcome) => {
                    let error = outcome.unwrap_err();
                    assert!(error.is_closed(), "{error}");
                    lost += 1;
                }
            }
        }
        assert_eq!((panicked, lost), (1, 3));
        let later = shared.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(later.to_string(), "the connection is closed: a task panicked while it read for all");
    })
    .await;
}

#[tokio::test]
async fn notices_are_kept_for_whoever_asks() {
    deadline(async {
        let database = shared().database().await;
        let mut owner = database.connect().await;
        owner.simple_query("CREATE FUNCTION say(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', $1; RETURN 1; END $$").await.unwrap();
        let mut connection = database.connect().await;
        connection.listen("news").await.unwrap();
        let shared = SharedConnection::new(connection, SharedOptions::default()).await.unwrap();
        for word in ["one", "two"] {
            assert_eq!(shared.fetch_value::<i32, _>("SELECT say($1)", (word,)).await.unwrap(), 1);
        }
        let notices: Vec<_> = shared.take_notices().messages.iter().map(|n| n.message().to_owned()).collect();
        assert_eq!(notices, ["one", "two"]);
        shared.execute("SELECT pg_notify('news', 'tusk')", ()).await.unwrap();
        still_usable(&shared).await;
        let news = shared.take_notifications().messages;
        assert_eq!(news.len(), 1);
        assert_eq!((news[0].channel.as_str(), news[0].payload.as_str()), ("news", "tusk"));
    })
    .await;
}

#[tokio::test]
async fn closing_lets_what_was_taken_be_answered_and_takes_nothing_more() {
    deadline(async {
        let options = SharedOptions::default().statements_max(4);
        let connection = Connection::connect(shared().config()).await.unwrap();
        let shared = SharedConnection::new(connection, options).await.unwrap();
        still_usable(&shared).await;
        let callers: Vec<_> = (0..8_i32)
            .map(|tag| {
                let shared = shared.clone();
                tokio::spawn(async move { shared.fetch_value::<i32, _>("SELECT $1::int4", (tag,)).await })
            })
            .collect();
        while shared.statistics().in_flight + shared.statistics().waiting < 4 {
            tokio::task::yield_now().await;
        }
        shared.close().await.unwrap();
        assert!(shared.is_closed());
        let (mut answered, mut refused) = (0, 0);
        for (tag, caller) in (0_i32..).zip(callers) {
            match caller.await.unwrap() {
                Ok(answer) => {
                    assert_eq!(answer, tag);
                    answered += 1;
                }
                Err(error) => {
                    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!((answered, refused), (4, 4));
        assert!(shared.execute("SELECT 1", ()).await.is_err());
        assert!(shared.close().await.unwrap_err().is_closed());
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_goes_stale_is_sent_anew() {
    deadline(async {
        let database = shared().database().await;
        let mut owner = database.connect().await;
        owner
            .simple_query(
                "CREATE TABLE item (id int4, name text); INSERT INTO item VALUES (1, 'tusk');
                 CREATE SCHEMA other; CREATE TABLE other.item (id int4, name text); INSERT INTO other.item VALUES (1, 'other')",
            )
            .await
            .unwrap();
        let shared = SharedConnection::connect(database.config()).await.unwrap();
        let by_id = "SELECT * FROM item WHERE id = $1";
        assert_eq!(shared.fetch_one::<(i32, String), _>(by_id, (1,)).await.unwrap(), (1, "tusk".to_owned()));
        owner.simple_query("ALTER TABLE item ADD more bool DEFAULT true").await.unwrap();
        let widened: (i32, String, bool) = shared.fetch_one(by_id, (1,)).await.unwrap();
        assert_eq!(widened, (1, "tusk".to_owned(), true));
        owner.simple_query("ALTER TABLE item ALTER name TYPE int4 USING length(name)").await.unwrap();
        let retyped: (i32, i32, bool) = shared.fetch_one(by_id, (1,)).await.unwrap();
        assert_eq!(retyped, (1, 4, true));
        // Two callers at once find the same statement stale.
        owner.simple_query("ALTER TABLE item DROP more").await.unwrap();
        let fetch = || shared.fetch_one::<(i32, i32), _>(by_id, (1,));
        let (one, two, fine) = tokio::join!(fetch(), fetch(), shared.fetch_value::<i32, _>("SELECT 1", ()));
        assert_eq!((one.unwrap(), two.unwrap(), fine.unwrap()), ((1, 4), (1, 4), 1));
    })
    .await;
}

/// PostgreSQL reports its `search_path` since version 18.
#[tokio::test]
async fn a_reported_search_path_makes_statements_mean_something_else() {
    deadline(async {
        let (shared, mut server) = scripted_connection(SharedOptions::default()).await;
        let script = async {
            describe_int(&mut server).await;
            assert_eq!(server.read_until(b'S').await, "BES");
            int_row(&mut server, 7).await;
            server.ready(TransactionStatus::Idle).await;
            assert_eq!(server.read_until(b'S').await, "BES");
            int_row(&mut server, 7).await;
            server.send_all(&[Backend::ParameterStatus(ParameterStatus::new("search_path", "other"))]).await;
            server.ready(TransactionStatus::Idle).await;
            describe_int(&mut server).await;
            for _ in 0..2 {
                assert_eq!(server.read_until(b'S').await, "BES");
                int_row(&mut server, 8).await;
                server.ready(TransactionStatus::Idle).await;
            }
        };
        let callers = async {
            for expected in [7, 7, 8, 8] {
                assert_eq!(shared.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), expected);
            }
        };
        tokio::join!(callers, script);
    })
    .await;
}

#[tokio::test]
async fn statements_are_parsed_once_and_closed_when_they_give_way() {
    deadline(async {
        let database = shared().database().await;
        let shared = SharedConnection::connect(database.config()).await.unwrap();
        for round in 0..2 {
            for number in 0..150 {
                let sql = format!("SELECT {number} + $1::int4");
                assert_eq!(shared.fetch_value::<i32, _>(sql, (round,)).await.unwrap(), number + round);
            }
        }
        let count = "SELECT count(*) FROM pg_prepared_statements";
        let kept: i64 = shared.fetch_value(count, ()).await.unwrap();
        assert!(kept <= 101, "{kept}");
        let before = shared.statistics().answered;
        for _ in 0..10 {
            shared.fetch_value::<i64, _>(count, ()).await.unwrap();
        }
        assert_eq!(shared.statistics().answered - before, 10, "one flight each");
        let unnamed = Statement::new("SELECT $1::text").mode(StatementMode::Unnamed);
        let before: i64 = shared.fetch_value(count, ()).await.unwrap();
        for word in ["one", "two"] {
            assert_eq!(shared.fetch_value::<String, _>(&unnamed, (word,)).await.unwrap(), word);
        }
        assert_eq!(shared.fetch_value::<i64, _>(count, ()).await.unwrap(), before, "nothing is left behind");
    })
    .await;
}

/// A lone statement is cancelled for its deadline and its caller goes: nobody who comes later is hit, or left waiting.
#[tokio::test]
async fn a_caller_that_goes_while_its_statement_is_cancelled_leaves_the_others_unharmed() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let shared = SharedConnection::connect(database.config()).await.unwrap();
        still_usable(&shared).await;
        let process_id = shared.process_id().unwrap();
        let hurried = Statement::new("SELECT pg_sleep($1::float8)").timeout(Duration::from_millis(20));
        shared.execute(&hurried, (0.0,)).await.unwrap();
        for patience in 1..8 {
            let mut late = Box::pin(shared.execute(&hurried, (30.0,)));
            assert!(poll_once(late.as_mut()).is_pending());
            wait_until_asleep(&mut observer, process_id).await;
            let outcome = polled(late, patience).await;
            // Where it went before its time was over, the statement sleeps on.
            observer.execute("SELECT pg_cancel_backend($1)", (process_id,)).await.unwrap();
            for _ in 0..3 {
                still_usable(&shared).await;
            }
            println!("{patience} polls: {outcome:?}");
        }
        let failed = shared.execute("SELECT 1 / 0", ()).await.unwrap_err();
        assert_eq!(failed.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
    })
    .await;
}
