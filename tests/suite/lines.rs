//! Connections that break: terminated, reset, half-closed, silent.

use std::time::Duration;

use cornac_conn::{Client, Config, Connection, Error, ErrorKind, Host, Result, SqlState, SslMode};
use cornac_proto::session::CloseReason;
use cornac_tests::{
    Action, Cluster, ClusterOptions, Direction, Fault, Place, Proxy, SUPERUSER, deadline, messages,
    wait_until_asleep,
};
use rustix::net::sockopt;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::Instant;

/// What every use of a connection says that the server terminated.
fn assert_terminated(error: &Error) {
    assert_eq!(error.sql_state(), Some(SqlState::ADMIN_SHUTDOWN), "{error}");
    let server = error.server().expect("the server said why");
    assert_eq!(server.message(), "terminating connection due to administrator command");
    assert!(error.is_closed() && error.is_transient(), "{error}");
}

/// Runs `ask` until its backend sleeps, and terminates that.
async fn terminated(cluster: &Cluster, ask: impl AsyncFn(&mut Connection) -> Error) -> Error {
    let mut connection = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
    let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
    let process_id = connection.process_id().unwrap();
    let terminate = async {
        wait_until_asleep(&mut observer, process_id).await;
        observer.execute("SELECT pg_terminate_backend($1)", (process_id,)).await.unwrap();
    };
    let (error, ()) = tokio::join!(ask(&mut connection), terminate);
    assert!(connection.is_closed() && !connection.is_idle());
    let later = connection.execute("SELECT 1", ()).await.unwrap_err();
    assert_terminated(&later);
    assert!(later.may_retry(), "what came after was not sent: {later}");
    error
}

#[tokio::test]
async fn line_02_a_statement_whose_backend_is_terminated_says_so_in_the_servers_words() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let executed = terminated(&cluster, async |connection| {
            connection.execute("SELECT pg_sleep(60)", ()).await.unwrap_err()
        })
        .await;
        let simple = terminated(&cluster, async |connection| {
            connection.simple_query("SELECT 1; SELECT pg_sleep(60)").await.unwrap_err()
        })
        .await;
        let in_transaction = terminated(&cluster, async |connection| {
            connection.execute("BEGIN", ()).await.unwrap();
            connection.fetch_all::<(i32,), _>("SELECT 1 FROM pg_sleep(60)", ()).await.unwrap_err()
        })
        .await;
        // Rows have come, and were given out, before the statement is cut off.
        let rows = terminated(&cluster, async |connection| {
            let sql = "SELECT n, repeat('x', 9000), CASE WHEN n = 5 THEN pg_sleep(60) END FROM generate_series(1, 9) n";
            let mut rows = connection.rows(sql, ()).await.unwrap();
            for number in 1..=4 {
                let row = rows.next().await.unwrap().expect("a row that was sent");
                assert_eq!(row.get::<i32>(0).unwrap(), number);
            }
            rows.next().await.unwrap_err()
        })
        .await;
        let prepared = terminated(&cluster, async |connection| {
            let sleep = connection.prepare("SELECT pg_sleep($1)").await.unwrap();
            connection.execute(&sleep, (60.0,)).await.unwrap_err()
        })
        .await;
        let mut count = 0;
        for error in [executed, simple, in_transaction, rows, prepared] {
            assert_terminated(&error);
            assert!(error.outcome_unknown() && !error.may_retry(), "{error}");
            count += 1;
        }
        println!("{count} ways to wait for a statement, each told 57P01");
    })
    .await;
}

/// What a session does that is broken at every message: connect with SCRAM, prepare, execute, rows, a simple query.
async fn exchange(config: &Config) -> (Option<Connection>, Result<()>) {
    let mut connection = match Connection::connect(config).await {
        Ok(connection) => connection,
        Err(error) => return (None, Err(error)),
    };
    connection.set_statement_timeout(Some(STATEMENT_TIMEOUT));
    let verbs = async {
        let double = connection.prepare("SELECT $1::int4 * 2").await?;
        assert_eq!(connection.fetch_value::<i32, _>(&double, (21,)).await?, 42);
        assert_eq!(connection.execute("CREATE TEMPORARY TABLE t AS SELECT 7 AS n", ()).await?, 1);
        let mut rows = connection.rows("SELECT n, repeat('x', 40) FROM generate_series(1, 3) n", ()).await?;
        for number in 1..=3 {
            assert_eq!(rows.next().await?.expect("a row").get::<i32>(0)?, number);
        }
        assert!(rows.next().await?.is_none());
        drop(rows);
        assert_eq!(connection.simple_query("SELECT n FROM t; SELECT 1 WHERE false").await?.len(), 2);
        Ok(())
    };
    let outcome = verbs.await;
    (Some(connection), outcome)
}

const STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// The fault was met: the connection is closed, and every error is typed.
async fn assert_broken(fault: Fault, connection: Option<Connection>, outcome: Result<()>) {
    let error = outcome.expect_err("an exchange that was broken fails");
    let Some(mut connection) = connection else {
        let ErrorKind::Connect(connect) = error.kind() else { panic!("{fault:?}: {error}") };
        assert_eq!(connect.attempts().len(), 1, "{fault:?}: {error}");
        assert!(error.is_transient() && !error.outcome_unknown(), "{fault:?}: {error}");
        return;
    };
    assert!(error.is_closed() && error.is_transient(), "{fault:?}: {error}");
    assert!(connection.is_closed(), "{fault:?}: {error}");
    let later = connection.execute("SELECT 1", ()).await.unwrap_err();
    assert!(later.is_closed() && later.may_retry(), "{fault:?}: {later}");
}

/// Runs the exchange with a fault; false when it came through without meeting that.
async fn broken_at(cluster: &Cluster, config: &Config, fault: Fault) -> bool {
    let proxy = Proxy::start(cluster.port(), vec![fault]).await.unwrap();
    let config = config.clone().port(proxy.port());
    let exchanging = exchange(&config);
    tokio::pin!(exchanging);
    let early = tokio::select! {
        biased;
        ended = &mut exchanging => Some(ended),
        () = proxy.wait_for_fault() => None,
    };
    let (connection, outcome) = match early {
        Some(ended) => ended,
        None if fault.action != Action::Stall => exchanging.await,
        None => {
            // What is silent from here on is waited for in the clock's time. Up to here the server needed real time.
            tokio::time::pause();
            let begun = Instant::now();
            let (connection, outcome) = exchanging.await;
            let limit = if connection.is_some() { STATEMENT_TIMEOUT + GRACE } else { CONNECT_TIMEOUT };
            let took = begun.elapsed();
            assert!(took <= limit + Duration::from_millis(100), "{fault:?}: {took:?}");
            tokio::time::resume();
            (connection, outcome)
        }
    };
    if proxy.faults_met() > 0 {
        assert_broken(fault, connection, outcome).await;
        return true;
    }
    outcome.unwrap();
    assert!(connection.is_some_and(|connection| connection.is_idle()));
    false
}

/// Runs the exchange with `action` in front of each message of `direction`, until it comes through; gives how many messages there were.
async fn broken_everywhere(cluster: &Cluster, direction: Direction, action: Action) -> u64 {
    // Clones share the key that was derived from the password.
    let config = cluster.config(SUPERUSER);
    let mut messages = 0;
    while deadline(broken_at(cluster, &config, Fault { direction, place: Place::Message(messages), action }))
        .await
    {
        messages += 1;
    }
    messages
}

/// How long a server may take behind a statement's deadline, and to let us in.
const GRACE: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Breaks the exchange everywhere, in a runtime of its own: the clock of one is stopped at times.
fn line_04(action: Action) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
    let mut counts = Vec::new();
    for direction in [Direction::ToServer, Direction::ToClient] {
        counts.push(runtime.block_on(broken_everywhere(&cluster, direction, action)));
    }
    println!("{action:?} in front of {} messages to the server and {} to the client", counts[0], counts[1]);
    assert!(counts[0] > 15 && counts[1] > 40, "{counts:?}");
}

#[test]
fn line_04_a_reset_at_any_message_closes_the_connection() {
    line_04(Action::Reset);
}

#[test]
fn line_04_a_half_close_at_any_message_closes_the_connection() {
    line_04(Action::HalfClose);
}

#[test]
fn line_04_silence_at_any_message_ends_at_the_deadline() {
    line_04(Action::Stall);
}

#[tokio::test]
async fn line_05_a_silent_network_ends_with_the_statements_deadline_and_its_grace() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let proxy = Proxy::start(cluster.port(), vec![]).await.unwrap();
        let mut connection =
            Connection::connect(&cluster.config(SUPERUSER).port(proxy.port())).await.unwrap();
        connection.set_statement_timeout(Some(Duration::from_secs(3)));
        // One statement is answered, the next one swallowed, and so is the request to cancel it.
        assert_eq!(connection.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
        proxy.silence();
        tokio::time::pause();
        let begun = Instant::now();
        let error = connection.execute("SELECT 8", ()).await.unwrap_err();
        let took = begun.elapsed();
        assert!(error.is_closed() && error.outcome_unknown() && error.is_transient(), "{error}");
        assert!(
            error.to_string().contains("did not answer in time, nor after a request to cancel"),
            "{error}"
        );
        let ErrorKind::Closed(closed) = error.kind() else { panic!("{error}") };
        assert!(matches!(closed.reason(), CloseReason::Abandoned(_)), "{error}");
        let expected = Duration::from_secs(3) + GRACE;
        assert!(took >= expected && took < expected + Duration::from_millis(100), "{took:?}");
        assert!(connection.is_closed());
        let later = connection.execute("SELECT 9", ()).await.unwrap_err();
        assert!(later.is_closed() && later.may_retry(), "{later}");
        println!("deadline 3 s, closed after {took:?}");
    })
    .await;
}

/// What the kernel says of our socket that is connected to `port`: keepalive, its idle time, interval and count, and the user timeout.
fn socket_options(port: u16) -> (bool, Duration, Duration, u32, u32) {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let numbers = descriptors.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let socket = numbers
        .filter_map(|number| pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).ok())
        .find(|socket| {
            let peer = rustix::net::getpeername(socket).ok().flatten();
            let peer = peer.and_then(|peer| std::net::SocketAddr::try_from(peer).ok());
            peer.is_some_and(|peer| peer.port() == port)
        })
        .expect("a socket of ours is connected to that port");
    (
        sockopt::socket_keepalive(&socket).unwrap(),
        sockopt::tcp_keepidle(&socket).unwrap(),
        sockopt::tcp_keepintvl(&socket).unwrap(),
        sockopt::tcp_keepcnt(&socket).unwrap(),
        sockopt::tcp_user_timeout(&socket).unwrap(),
    )
}

#[tokio::test]
async fn line_05_keepalive_and_user_timeout_are_set_as_configured() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let defaults = {
            // What the system says of a socket that nobody has set anything on.
            let stream = TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
            (
                sockopt::tcp_keepidle(&stream).unwrap(),
                sockopt::tcp_keepintvl(&stream).unwrap(),
                sockopt::tcp_keepcnt(&stream).unwrap(),
            )
        };
        let seconds = Duration::from_secs;
        for (options, expected) in [
            ("", (true, defaults.0, defaults.1, defaults.2, 0)),
            (
                "&keepalives_idle=7&keepalives_interval=3&keepalives_count=4&tcp_user_timeout=9000",
                (true, seconds(7), seconds(3), 4, 9000),
            ),
            ("&keepalives=0&keepalives_idle=7", (false, defaults.0, defaults.1, defaults.2, 0)),
        ] {
            let url = format!("{}?sslmode=disable{options}", cluster.url("postgres"));
            let config: Config = url.parse().unwrap();
            let mut connection = Connection::connect(&config).await.unwrap();
            let set = socket_options(cluster.port());
            assert_eq!(set, expected, "{options}");
            println!("{options:?}: {set:?}");
            cornac_tests::still_usable(&mut connection).await;
        }
    })
    .await;
}

/// A server that lets one client in.
async fn let_in<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> S {
    let mut startup = [0; 1024];
    assert!(stream.read(&mut startup).await.unwrap() > 8, "a startup packet");
    stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap();
    stream
}

async fn say_fatal(stream: &mut (impl AsyncWrite + Unpin)) {
    let text = "terminating connection due to administrator command";
    stream.write_all(&messages::error("FATAL", "57P01", text)).await.unwrap();
}

fn as_app(host: Host) -> Config {
    Config::new(host, "app").ssl_mode(SslMode::Disable)
}

#[tokio::test]
async fn line_07_a_fatal_error_that_waits_in_the_socket_is_shown_when_writing_fails() {
    deadline(async {
        // Over TCP with a reset, and over a Unix socket: the write itself fails, and nothing was sent.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = as_app(Host::Tcp("127.0.0.1".to_owned())).port(listener.local_addr().unwrap().port());
        let server = async { let_in(listener.accept().await.unwrap().0).await };
        let (over_tcp, mut stream) = tokio::join!(Connection::connect(&config), server);
        say_fatal(&mut stream).await;
        stream.set_zero_linger().unwrap();
        drop(stream);

        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let config = as_app(Host::Unix(directory.path().to_owned()));
        let server = async { let_in(listener.accept().await.unwrap().0).await };
        let (over_unix, mut stream) = tokio::join!(Connection::connect(&config), server);
        say_fatal(&mut stream).await;
        drop(stream);

        for (name, connection) in [("reset", over_tcp), ("broken pipe", over_unix)] {
            let mut connection = connection.unwrap();
            let error = connection.execute("SELECT 1", ()).await.unwrap_err();
            assert_terminated(&error);
            assert!(error.may_retry(), "{name}: no byte was sent: {error}");
            assert_terminated(&connection.execute("SELECT 1", ()).await.unwrap_err());
            println!("{name}: {error}");
        }
    })
    .await;
}

#[tokio::test]
async fn line_07_a_fatal_error_in_the_middle_of_a_large_write_is_shown() {
    deadline(async {
        let sql = format!("SELECT '{}'", "x".repeat(32 << 20));
        for reset in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let config =
                as_app(Host::Tcp("127.0.0.1".to_owned())).port(listener.local_addr().unwrap().port());
            let server = async {
                let mut stream = let_in(listener.accept().await.unwrap().0).await;
                stream.read_exact(&mut [0; 1000]).await.unwrap();
                say_fatal(&mut stream).await;
                if reset {
                    stream.set_zero_linger().unwrap();
                }
            };
            let client = async {
                let mut connection = Connection::connect(&config).await.unwrap();
                connection.simple_query(&sql).await.unwrap_err()
            };
            let (error, ()) = tokio::join!(client, server);
            assert_terminated(&error);
            assert!(error.outcome_unknown(), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn line_07_a_server_that_terminated_an_idle_backend_is_heard() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        for config in [cluster.config(SUPERUSER), cluster.socket_config(SUPERUSER)] {
            let mut connection = Connection::connect(&config).await.unwrap();
            let process_id = connection.process_id().unwrap();
            observer.execute("SELECT pg_terminate_backend($1)", (process_id,)).await.unwrap();
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
            while observer.fetch_value::<i64, _>(sql, (process_id,)).await.unwrap() > 0 {}
            assert_terminated(&connection.execute("SELECT 1", ()).await.unwrap_err());
        }
    })
    .await;
}
