//! Cancelling, deadlines, and what a server says of its own accord.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cornac_conn::{
    CancelError, Client, Config, Connection, ErrorKind, NoticeHandler, SqlState, SslMode, SslOptions,
    SslRootCert,
};
use cornac_proto::message::TransactionStatus;
use cornac_tests::pki::{P256, Pki, Request};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, scripted, still_usable, wait_until_asleep};
use tokio::net::{TcpListener, TcpStream};

/// Cancels a statement that would run for a minute, twice over, and uses the connection afterwards.
async fn cancels(config: &Config, observer: &mut Connection) {
    let mut connection = Connection::connect(config).await.unwrap();
    let process_id = connection.process_id().unwrap();
    let token = connection.cancel_token();
    for _ in 0..2 {
        let begun = Instant::now();
        let sleeping = connection.execute("SELECT pg_sleep(60)", ());
        let cancelling = async {
            wait_until_asleep(observer, process_id).await;
            // From another thread, as a token may be used.
            let token = token.clone();
            tokio::spawn(async move { token.cancel().await }).await.unwrap()
        };
        let (slept, cancelled) = tokio::join!(sleeping, cancelling);
        assert!(cancelled.unwrap(), "something was cancelled");
        let error = slept.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::QUERY_CANCELED), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        still_usable(&mut connection).await;
    }
    assert!(!token.cancel().await.unwrap(), "nothing is in flight, so nothing is sent");
    still_usable(&mut connection).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleep_is_cancelled_over_tcp_unix_and_tls() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        cancels(&server.config(SUPERUSER), &mut observer).await;
        cancels(&server.socket_config(SUPERUSER), &mut observer).await;

        let pki = Pki::new().unwrap();
        pki.issue(
            "server",
            "root",
            &Request { extensions: "subjectAltName=IP:127.0.0.1", key: P256, ..Request::default() },
        )
        .unwrap();
        let mut options = pki.server_options("server").unwrap();
        options.hba = Some("hostssl all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n".to_owned());
        let cluster = Cluster::start(&options).unwrap();
        let mut ssl = SslOptions::default();
        ssl.mode = SslMode::VerifyFull;
        ssl.root_cert = SslRootCert::File(pki.path("root.crt"));
        let mut observer = Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap();
        cancels(&cluster.config(SUPERUSER).ssl(ssl), &mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn line_09_a_cancel_hits_the_statement_that_was_meant_or_none() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let config = server.config(SUPERUSER);
        let mut connection = Connection::connect(&config).await.unwrap();
        let token = connection.cancel_token();
        // Before a statement, after one, twice: nothing is sent, and nothing is hit.
        assert!(!token.cancel().await.unwrap());
        still_usable(&mut connection).await;
        assert!(!token.cancel().await.unwrap());
        assert!(!token.cancel().await.unwrap());
        // While statements come and go, cancels come at any moment. A statement that is hit says so; each answer is its own.
        let (mut hit, mut missed) = (0, 0);
        for number in 0..300_i32 {
            let answer = connection
                .fetch_value::<i32, _>("SELECT $1::int4 + 0 * length(pg_sleep(0.001)::text)", (number,));
            let cancelled = async {
                for _ in 0..number % 7 {
                    tokio::task::yield_now().await;
                }
                token.cancel().await
            };
            let (answer, cancelled) = tokio::join!(answer, cancelled);
            let sent = cancelled.unwrap();
            match answer {
                Ok(answer) => {
                    assert_eq!(answer, number);
                    missed += 1;
                }
                Err(error) => {
                    assert_eq!(error.sql_state(), Some(SqlState::QUERY_CANCELED), "{error}");
                    assert!(sent, "hit without a request");
                    hit += 1;
                }
            }
            let next: i32 = connection.fetch_value("SELECT $1::int4", (number,)).await.unwrap();
            assert_eq!(next, number, "the statement behind a cancelled one is never hit");
        }
        println!("{hit} statements were hit, {missed} were not");
        assert!(hit > 0);
    })
    .await;
}

#[tokio::test]
async fn line_09_a_cancel_that_nobody_waits_for_closes_the_connection() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let (mut dropped_unsent, mut closed) = (0, 0);
        for polls in 1..12 {
            let mut connection = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
            let token = connection.cancel_token();
            {
                let sleeping = std::pin::pin!(connection.execute("SELECT pg_sleep(0.05)", ()));
                let cancelling = async {
                    for _ in 0..50 {
                        tokio::task::yield_now().await;
                    }
                    let mut cancelling = std::pin::pin!(token.cancel());
                    for _ in 0..polls {
                        let once =
                            std::future::poll_fn(|cx| std::task::Poll::Ready(cancelling.as_mut().poll(cx)));
                        if once.await.is_ready() {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                };
                let (_slept, ()) = tokio::join!(sleeping, cancelling);
            }
            match connection.fetch_value::<i32, _>("SELECT 1", ()).await {
                Ok(answer) => {
                    assert_eq!(answer, 1);
                    dropped_unsent += 1;
                }
                Err(error) => {
                    assert!(error.is_closed(), "{error}");
                    assert!(error.to_string().contains("could hit any statement"), "{error}");
                    closed += 1;
                }
            }
        }
        println!("{dropped_unsent} connections went on, {closed} were closed");
        assert!(closed > 0, "a cancel was on the way when it was dropped");
    })
    .await;
}

#[tokio::test]
async fn line_09_the_next_statement_waits_until_a_cancel_has_arrived() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = server.config(SUPERUSER).port(listener.local_addr().unwrap().port());
        let server_port = server.port();
        let (held, wait_for_held) = tokio::sync::oneshot::channel();
        let (release, wait_for_release) = tokio::sync::oneshot::channel::<()>();
        // The session is passed on at once; the request to cancel is held back until it is released.
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut session = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
            let session = async { tokio::io::copy_bidirectional(&mut client, &mut session).await };
            let cancel = async {
                let (mut client, _) = listener.accept().await.unwrap();
                client.readable().await.unwrap();
                held.send(()).unwrap();
                wait_for_release.await.unwrap();
                let mut cancel = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut cancel).await;
            };
            let _ = tokio::join!(session, cancel);
        });
        let mut connection = Connection::connect(&config).await.unwrap();
        let process_id = connection.process_id().unwrap();
        let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let token = connection.cancel_token();
        let cancelling = async {
            wait_until_asleep(&mut observer, process_id).await;
            token.cancel().await.unwrap()
        };
        let statements = async {
            // The one that was meant ends before the request arrives.
            connection.execute("SELECT pg_sleep(0.2)", ()).await.unwrap();
            wait_for_held.await.unwrap();
            assert!(!connection.is_idle(), "a request to cancel is on the way");
            let next = connection.execute("SELECT pg_sleep(0.3)", ());
            let released = async {
                // Long enough for a statement that does not wait to be under way.
                tokio::time::sleep(Duration::from_millis(100)).await;
                release.send(()).unwrap();
            };
            let (next, ()) = tokio::join!(next, released);
            next.unwrap();
        };
        let (cancelled, ()) = tokio::join!(cancelling, statements);
        assert!(cancelled);
        still_usable(&mut connection).await;
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_cancelled_and_the_connection_works_on() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut connection = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        connection.set_statement_timeout(Some(Duration::from_millis(100)));
        let begun = Instant::now();
        let error = connection.execute("SELECT pg_sleep(60)", ()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
        assert_eq!(error.to_string(), "the statement took longer than 100ms, and was cancelled");
        assert!(begun.elapsed() < Duration::from_secs(2));
        still_usable(&mut connection).await;
        let error = connection.simple_query("SELECT pg_sleep(60)").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
        connection.set_statement_timeout(None);
        still_usable(&mut connection).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn wire_19_a_server_that_sends_one_byte_a_second_meets_the_deadline() {
    deadline(async {
        let (client, mut server) = scripted::pair();
        let config = scripted::config();
        let (connection, ()) = tokio::join!(Connection::connect_over(client, &config), server.accept());
        let mut connection = connection.unwrap();
        connection.set_statement_timeout(Some(Duration::from_secs(3)));
        let drips = async {
            server.read_message().await;
            // A notice of a kilobyte, a byte a second.
            let drip = [&b"N"[..], &1024_u32.to_be_bytes(), &[b'S'; 1020]].concat();
            for byte in drip {
                if !server.offer_bytes(&[byte]).await {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let (asked, ()) = tokio::join!(
            async {
                // The socket is closed with the error, while the connection is still held.
                let asked = connection.simple_query("SELECT 1").await;
                assert!(connection.is_closed());
                asked
            },
            drips
        );
        let error = asked.unwrap_err();
        assert!(error.is_closed() && error.outcome_unknown(), "{error}");
        assert!(error.to_string().contains("did not answer in time"), "{error}");
    })
    .await;
}

/// Takes one connection to `port` and passes its bytes on; afterwards either refuses others, or takes them and says nothing.
async fn passes_one_on(port: u16, refuses_others: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut held = Some(listener);
        if refuses_others {
            drop(held.take());
        }
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        drop(held);
    });
    own
}

#[tokio::test]
async fn line_10_a_cancel_that_hangs_or_is_refused_is_bounded() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        for refuses_others in [true, false] {
            let port = passes_one_on(server.port(), refuses_others).await;
            let config = server.config(SUPERUSER).port(port);
            let mut connection = Connection::connect(&config).await.unwrap();
            connection.set_statement_timeout(Some(Duration::from_millis(100)));
            // Its deadline passes and the cancel reaches nobody; the statement goes on to its own end.
            let begun = Instant::now();
            connection.execute("SELECT pg_sleep(1)", ()).await.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
            if refuses_others {
                still_usable(&mut connection).await;
                // One that is asked for by hand says why it failed.
                connection.set_statement_timeout(None);
                let token = connection.cancel_token();
                let sleeping = connection.execute("SELECT pg_sleep(0.2)", ());
                let (slept, cancelled) = tokio::join!(sleeping, async {
                    tokio::task::yield_now().await;
                    token.cancel().await
                });
                slept.unwrap();
                let error = cancelled.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Cancel(CancelError::Connect(_))), "{error}");
                still_usable(&mut connection).await;
            }
            // A statement that does not end is given up after the grace.
            connection.set_statement_timeout(Some(Duration::from_millis(100)));
            let begun = Instant::now();
            let error = connection.execute("SELECT pg_sleep(60)", ()).await.unwrap_err();
            assert!(error.is_closed(), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(16), "{:?}", begun.elapsed());
        }
    })
    .await;
}

#[tokio::test]
async fn entry_22_a_server_that_gives_no_key_cannot_be_asked_to_cancel() {
    deadline(async {
        let (client, mut server) = scripted::pair();
        let config = scripted::config();
        let script = async {
            server.read_startup().await;
            server.send(|out| cornac_proto::message::server::raw(out, b'R', &0_u32.to_be_bytes())).await;
            server.ready(TransactionStatus::Idle).await;
            server
        };
        let (connection, _server) = tokio::join!(Connection::connect_over(client, &config), script);
        let connection = connection.unwrap();
        assert_eq!(connection.process_id(), None);
        let error = connection.cancel_token().cancel().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Cancel(CancelError::NoKey)), "{error}");
    })
    .await;
}

#[tokio::test]
async fn notifications_come_as_a_stream_and_notices_to_a_handler() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut listener = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let mut sender = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let channel = "Kanal \"eins\"";
        listener.listen(channel).await.unwrap();
        for payload in ["one", "two"] {
            sender.execute("SELECT pg_notify($1, $2)", (channel, payload)).await.unwrap();
        }
        let first = listener.next_notification().await.unwrap();
        assert_eq!((&*first.channel, &*first.payload), (channel, "one"));
        assert_eq!(Some(first.process_id), sender.process_id());
        let mut stream = listener.notifications().await.unwrap();
        assert_eq!(stream.next().await.unwrap().payload, "two");
        let (third, _) = tokio::join!(stream.next(), async {
            sender.execute("SELECT pg_notify($1, 'three')", (channel,)).await.unwrap()
        });
        assert_eq!(third.unwrap().payload, "three");
        still_usable(&mut listener).await;
        listener.unlisten(channel).await.unwrap();

        let heard = Arc::new(Mutex::new(Vec::new()));
        let handler = Arc::clone(&heard);
        sender.set_notice_handler(Some(NoticeHandler::new(move |notice| {
            handler.lock().unwrap().push(notice.message().to_owned());
        })));
        sender.simple_query("DO $$ BEGIN RAISE NOTICE 'heard'; END $$").await.unwrap();
        assert_eq!(*heard.lock().unwrap(), ["heard"]);
        assert_eq!(sender.take_notices().messages, []);

        // A connection that ends while nothing is asked is noticed.
        let process_id = listener.process_id().unwrap();
        let (lost, _) = tokio::join!(listener.next_notification(), async {
            sender.execute("SELECT pg_terminate_backend($1)", (process_id,)).await.unwrap()
        });
        assert_eq!(lost.unwrap_err().sql_state(), Some(SqlState::ADMIN_SHUTDOWN));
    })
    .await;
}
