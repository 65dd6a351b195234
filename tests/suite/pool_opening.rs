//! A `Database` whose connections are killed, or cannot be opened.

use std::time::{Duration, Instant};

use cornac::config::SslMode;
use cornac::{Client, CloseReason, Config, Database, ErrorKind, Host, SqlState};
use cornac_tests::{
    Action, Cluster, ClusterOptions, Direction, Fault, Place, Proxy, SUPERUSER, deadline, shared,
    still_usable,
};

use crate::pool_waiting::{checkout_error, nothing_is_lost, until};

const KILL_ALL: &str = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn pool_02_when_all_are_killed_at_once_only_those_who_hold_one_hear_of_it() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let db = Database::builder().min_size(8).max_size(8).connect_with(database.config()).await.unwrap();
        let mut killed = 0;
        for round in 0..5 {
            db.warm_up(8, Duration::from_secs(30)).await.unwrap();
            let mut held = [db.checkout().await.unwrap(), db.checkout().await.unwrap()];
            let [idle, busy] = &mut held;
            let sleep = busy.execute("SELECT pg_sleep(60)", ());
            let kill = async {
                let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
                while observer.fetch_value::<i64, _>(asleep, ()).await.unwrap() == 0 {}
                observer.fetch_value::<i64, _>(KILL_ALL, ()).await.unwrap()
            };
            let (slept, ended) = tokio::join!(sleep, kill);
            killed += ended;
            let in_flight = slept.unwrap_err();
            assert_eq!(in_flight.sql_state(), Some(SqlState::ADMIN_SHUTDOWN), "{in_flight:?}");
            assert!(in_flight.outcome_unknown());
            // Those who hold none see no error.
            let tasks: Vec<_> = (0..32)
                .map(|number: i32| {
                    let db = db.clone();
                    tokio::spawn(async move { db.fetch_value::<i32, _>("SELECT $1::int4", (number,)).await })
                })
                .collect();
            for (number, task) in (0..).zip(tasks) {
                assert_eq!(task.await.unwrap().unwrap(), number, "round {round}");
            }
            let later = idle.execute("SELECT 1", ()).await.unwrap_err();
            assert_eq!(later.sql_state(), Some(SqlState::ADMIN_SHUTDOWN), "{later:?}");
            assert!(later.is_closed() && later.is_transient(), "{later:?}");
        }
        nothing_is_lost(&db).await;
        let stats = db.pool_stats();
        println!("{killed} backends killed in 5 rounds: {} opened, closed {:?}", stats.opened, stats.closed);
        assert!(killed >= 40 && stats.closed.by(CloseReason::Broken) >= 40, "{stats:?}");
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}

#[tokio::test]
async fn line_01_what_connecting_has_proven_is_looked_at_before_anybody_gets_it() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        for _ in 0..5 {
            // Nothing is kept open, so that the pool takes the connection when the first caller comes.
            let db =
                Database::builder().min_size(0).max_size(1).connect_with(database.config()).await.unwrap();
            assert_eq!(observer.fetch_value::<i64, _>(KILL_ALL, ()).await.unwrap(), 1);
            let mut connection = db.checkout().await.unwrap();
            still_usable(&mut connection).await;
            drop(connection);
            db.close().await.unwrap();
        }
        still_usable(&mut observer).await;
    })
    .await;
}

fn impatient(limit: Duration) -> cornac::DatabaseBuilder {
    let backoff = (Duration::from_millis(20), Duration::from_millis(100));
    Database::builder().min_size(0).max_size(4).acquire_timeout(limit).backoff(backoff.0, backoff.1)
}

#[tokio::test]
async fn pool_03_a_refused_open_is_tried_again_with_pauses_and_its_reason_told_by_the_deadline() {
    deadline(async {
        let limit = Duration::from_millis(600);
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let proxy = Proxy::start(server.port(), vec![]).await.unwrap();
        let port = proxy.port();
        drop(proxy);
        // Nobody listens there any more.
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {}
        let db = impatient(limit).connect_lazy_with(&server.config(SUPERUSER).port(port)).unwrap();
        let began = Instant::now();
        let waiting: Vec<_> = (0..16)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.execute("SELECT 1", ()).await.unwrap_err() })
            })
            .collect();
        for waiting in waiting {
            let error = waiting.await.unwrap();
            let failure = checkout_error(&error).open_failure().expect("the reason is told");
            assert!(matches!(failure.manager_error().unwrap().kind(), ErrorKind::Connect(_)), "{failure:?}");
            assert!(checkout_error(&error).timed_out().is_some() && error.may_retry(), "{error}");
        }
        let (took, tries) = (began.elapsed(), db.pool_stats().open_failures);
        println!("refused: 16 callers heard why after {took:?}, {tries} attempts");
        assert!(took >= limit && took < limit + Duration::from_secs(5), "{took:?}");
        // Pauses of 10 to 20, 20 to 40, 40 to 80 and then 50 to 100 ms: no more than this fits.
        assert!((2..=4 + 2 * u64::try_from(took.as_millis()).unwrap() / 100).contains(&tries), "{tries}");
        assert_eq!(db.pool_stats().opened, 0);
    })
    .await;
}

#[tokio::test]
async fn pool_03_a_slow_open_is_waited_for_and_one_that_hangs_is_given_up() {
    deadline(async {
        let database = shared().database().await;
        let port = database.config().hosts()[0].port;
        let stall = Fault { direction: Direction::ToClient, place: Place::Message(2), action: Action::Stall };
        let proxy = Proxy::start(port, vec![stall]).await.unwrap();
        // The proxy counts messages, which the answer to SSLRequest is not.
        let config = database.config().clone().ssl_mode(SslMode::Disable).port(proxy.port());
        // Slow: it goes on after a while, and nobody else opens one in its place.
        let db = impatient(Duration::from_secs(30)).connect_lazy_with(&config).unwrap();
        let slow = db.clone();
        let caller = tokio::spawn(async move { slow.fetch_value::<i32, _>("SELECT 7", ()).await });
        proxy.wait_for_fault().await;
        let stats = db.pool_stats();
        assert_eq!((stats.opening, stats.waiting, stats.open), (1, 1, 0), "{stats:?}");
        proxy.resume();
        assert_eq!(caller.await.unwrap().unwrap(), 7);
        assert_eq!(db.pool_stats().opened, 1);
        // Hangs: given up after open_timeout, again and again; the caller hears so by its own deadline.
        let limit = Duration::from_millis(200);
        let hanging =
            impatient(Duration::from_secs(2)).open_timeout(limit).connect_lazy_with(&config).unwrap();
        let error = hanging.execute("SELECT 1", ()).await.unwrap_err();
        let failure = checkout_error(&error).open_failure().expect("the reason is told");
        println!("hangs: {error}, {} attempts", hanging.pool_stats().open_failures);
        assert!(failure.to_string().contains("took longer than 200ms"), "{failure}");
        assert!(hanging.pool_stats().open_failures >= 2);
        nothing_is_lost(&hanging).await;
        nothing_is_lost(&db).await;
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}

/// Where a server takes only one connection of `config`'s role: the second caller hears 53300 by its deadline, and gets a connection once `more` was done.
async fn full(config: &Config, more: impl AsyncFn()) {
    let db = impatient(Duration::from_millis(400)).connect_with(config).await.unwrap();
    let first = db.checkout().await.unwrap();
    let error = db.execute("SELECT 1", ()).await.unwrap_err();
    println!("full: {error}");
    assert_eq!(error.sql_state(), Some(SqlState::TOO_MANY_CONNECTIONS), "{error:?}");
    assert!(error.is_transient() && error.may_retry(), "{error}");
    let timed_out = checkout_error(&error).timed_out().expect("not told at once: there may be room soon");
    assert_eq!((timed_out.in_use, timed_out.max_size), (1, 4));
    assert!(db.pool_stats().open_failures >= 1);
    // Whoever is open serves all the same.
    drop(first);
    db.execute("SELECT 1", ()).await.unwrap();
    let first = db.checkout().await.unwrap();
    more().await;
    while db.execute("SELECT 1", ()).await.is_err() {}
    assert_eq!(db.pool_stats().open, 2);
    drop(first);
    nothing_is_lost(&db).await;
    still_usable(&mut db.checkout().await.unwrap()).await;
}

#[tokio::test]
async fn pool_03_a_server_or_a_role_that_is_full_is_a_reason_that_passes() {
    deadline(async {
        let settings = [("max_connections", "4"), ("superuser_reserved_connections", "1"), ("max_wal_senders", "0")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let server = Cluster::start(&ClusterOptions { settings, ..ClusterOptions::default() }).unwrap();
        let mut observer = cornac::Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        // The role's own limit.
        observer.simple_query("ALTER ROLE trusted CONNECTION LIMIT 1").await.unwrap();
        let observer = tokio::sync::Mutex::new(observer);
        full(&server.config("trusted"), async || {
            let sql = "ALTER ROLE trusted CONNECTION LIMIT -1";
            observer.lock().await.simple_query(sql).await.unwrap();
        })
        .await;
        let gone = "SELECT count(*) FROM pg_stat_activity WHERE usename IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        while observer.lock().await.fetch_value::<i64, _>(gone, ()).await.unwrap() > 0 {}
        // The server's: one place is reserved, one is the observer's, and one is taken by somebody else until there is to be more room.
        let other = cornac::Connection::connect(&server.config("trusted")).await.unwrap();
        let other = tokio::sync::Mutex::new(Some(other));
        full(&server.config("trusted"), async || {
            other.lock().await.take().unwrap().close().await.unwrap();
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn pool_03_a_wrong_password_is_told_at_once_and_a_right_one_is_noticed() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut observer = cornac::Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        observer.simple_query("CREATE ROLE app LOGIN PASSWORD 'before'").await.unwrap();
        let config = server.config("app").password("after");
        let db = impatient(Duration::from_secs(30)).connect_lazy_with(&config).unwrap();
        let began = Instant::now();
        for _ in 0..100 {
            let error = db.execute("SELECT 1", ()).await.unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::INVALID_PASSWORD), "{error:?}");
            assert!(matches!(checkout_error(&error), cornac::CheckoutError::CannotOpen(_)), "{error:?}");
            assert!(!error.is_transient(), "{error}");
        }
        let (took, tries) = (began.elapsed(), db.pool_stats().open_failures);
        println!("wrong password: 100 callers told within {took:?} by {tries} attempts");
        assert!(took < Duration::from_secs(15) && tries < 100, "{took:?}, {tries}");
        observer.simple_query("ALTER ROLE app PASSWORD 'after'").await.unwrap();
        while db.execute("SELECT 1", ()).await.is_err() {
            tokio::task::yield_now().await;
        }
        still_usable(&mut db.checkout().await.unwrap()).await;
        // A socket that is not there says which.
        let missing = Config::new(Host::Unix(server.socket_directory().join("nowhere")), "app");
        let db = impatient(Duration::from_millis(200)).connect_lazy_with(&missing).unwrap();
        let error = db.execute("SELECT 1", ()).await.unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
        until(&db, |stats| stats.opening == 0).await;
    })
    .await;
}
