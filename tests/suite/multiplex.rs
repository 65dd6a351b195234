//! Single statements of a `Database` over shared connections.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cornac::shared::{SharedError, SharedOptions};
use cornac::{Client, Connection, Database, ErrorKind};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, TestDatabase, deadline, shared, still_usable};

async fn multiplexed(database: &TestDatabase, connections: usize) -> Database {
    let builder = Database::builder().min_size(0).max_size(8).multiplex(connections);
    builder.connect_with(database.config()).await.unwrap()
}

#[tokio::test]
async fn many_tasks_share_few_connections_and_each_gets_its_own_answers() {
    deadline(async {
        let database = shared().database().await;
        let db = multiplexed(&database, 2).await;
        // The first callers find the connections being opened, and use the pool.
        while db.pool_stats().closed.by(cornac::CloseReason::Detached) < 2 {
            db.execute("SELECT 1", ()).await.unwrap();
        }
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let db = db.clone();
                tokio::spawn(async move {
                    let mut backends = HashSet::new();
                    for round in 0..50 {
                        let asked = task * 1000 + round;
                        let sql = "SELECT $1::int4, pg_backend_pid()";
                        let (answer, pid): (i32, i32) = db.fetch_one(sql, (asked,)).await.unwrap();
                        assert_eq!(answer, asked);
                        backends.insert(pid);
                    }
                    backends
                })
            })
            .collect();
        let mut backends = HashSet::new();
        for task in tasks {
            backends.extend(task.await.unwrap());
        }
        println!("64 tasks had their answers from {} backends", backends.len());
        assert!(backends.len() <= 10, "{backends:?}");
        let values: Vec<i32> = db.fetch_values("SELECT generate_series(1, 3)", ()).await.unwrap();
        let all: Vec<(i32,)> = db.fetch_all("SELECT generate_series(1, 2)", ()).await.unwrap();
        let none: Option<(i32,)> = db.fetch_optional("SELECT 1 WHERE false", ()).await.unwrap();
        assert_eq!((values, all, none), (vec![1, 2, 3], vec![(1,), (2,)], None));
        let failed = db.fetch_value::<i32, _>("SELECT 1 / $1::int4", (0,)).await.unwrap_err();
        assert_eq!(failed.sql_state(), Some(cornac::SqlState::DIVISION_BY_ZERO));
        db.close().await.unwrap();
        assert!(db.execute("SELECT 1", ()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn others_keep_away_from_a_statement_that_runs_long() {
    deadline(async {
        let database = shared().database().await;
        let db = multiplexed(&database, 1).await;
        db.execute("SELECT 1", ()).await.unwrap();
        let sleeper = db.clone();
        let began = Instant::now();
        let sleeping = tokio::spawn(async move { sleeper.execute("SELECT pg_sleep(3)", ()).await });
        let mut observer = database.connect().await;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
        while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() == 0 {}
        tokio::time::sleep(Duration::from_millis(10)).await;
        for number in 0..50 {
            let answer: i32 = db.fetch_value("SELECT $1::int4", (number,)).await.unwrap();
            assert_eq!(answer, number);
        }
        assert!(began.elapsed() < Duration::from_secs(3), "nobody has waited for it: {:?}", began.elapsed());
        sleeping.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_needs_a_connection_of_its_own_has_one() {
    deadline(async {
        let database = shared().database().await;
        let db = multiplexed(&database, 1).await;
        let shared_pid: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        // Not allowed on a shared connection, and run on another one.
        db.execute("CREATE TABLE t (id int4)", ()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let pid: i32 = tx.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        assert_ne!(pid, shared_pid);
        tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        assert_eq!(db.fetch_value::<i64, _>("SELECT count(*) FROM t", ()).await.unwrap(), 0);
        tx.commit().await.unwrap();
        assert_eq!(db.copy_records_to_table("t", &["id"], [(2,), (3,)]).await.unwrap(), 2);
        assert_eq!(db.execute_many("INSERT INTO t VALUES ($1)", [(4,), (5,)]).await.unwrap(), 2);
        let mut stream = db.stream_query::<(i32,), _>("SELECT id FROM t ORDER BY id", ()).await.unwrap();
        assert_eq!(stream.next().await.unwrap(), Some((1,)));
        drop(stream);
        assert_eq!(db.fetch_value::<i64, _>("SELECT count(*) FROM t", ()).await.unwrap(), 5);
        let again: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        assert_eq!(again, shared_pid);
    })
    .await;
}

#[tokio::test]
async fn a_shared_connection_that_is_killed_is_replaced() {
    deadline(async {
        let database = shared().database().await;
        let db = multiplexed(&database, 1).await;
        let mut observer = database.connect().await;
        for _ in 0..3 {
            let pid: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
            observer.execute("SELECT pg_terminate_backend($1, 10000)", (pid,)).await.unwrap();
            let answer: i32 = db.fetch_value("SELECT 7", ()).await.unwrap();
            assert_eq!(answer, 7);
        }
        let before: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        db.retire_all();
        let after: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        assert_ne!(before, after);
    })
    .await;
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_of_its_caller_alone() {
    deadline(async {
        let database = shared().database().await;
        let options = SharedOptions::default().result_bytes_max(1000);
        let db = Database::builder().min_size(0).multiplex(1).multiplex_options(options);
        let db = db.connect_with(database.config()).await.unwrap();
        let large = db.fetch_values::<String, _>("SELECT repeat('x', 2000)", ()).await.unwrap_err();
        let kind = large.kind();
        assert!(matches!(kind, ErrorKind::Shared(SharedError::ResultTooLarge { limit: 1000 })), "{large}");
        assert_eq!(db.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
    })
    .await;
}

#[tokio::test]
async fn callers_of_a_shared_connection_that_cannot_be_opened_again_use_the_others() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut admin = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        let builder = Database::builder().min_size(0).max_size(2).multiplex(2);
        let builder = builder.acquire_timeout(Duration::from_millis(200));
        let db = builder.connect_with(&cluster.config("trusted")).await.unwrap();
        while db.pool_stats().closed.by(cornac::CloseReason::Detached) < 2 {
            db.execute("SELECT 1", ()).await.unwrap();
        }
        let which = "SELECT pg_backend_pid()";
        // One after the other, they are taken in turn.
        let mut shared = HashSet::new();
        for _ in 0..4 {
            shared.insert(db.fetch_value::<i32, _>(which, ()).await.unwrap());
        }
        assert_eq!(shared.len(), 2, "{shared:?}");
        let left = shared.into_iter().next().unwrap();
        // Only one of them is left, and nobody gets in any more.
        admin.execute("ALTER ROLE trusted CONNECTION LIMIT 0", ()).await.unwrap();
        let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'trusted' AND pid <> $1";
        while admin.fetch_value::<i64, _>(others, (left,)).await.unwrap() > 0 {}
        // One of them finds out for all, and the pool has nothing for it.
        let mut failed = 0;
        for _ in 0..10 {
            match db.fetch_value::<i32, _>(which, ()).await {
                Ok(process_id) => assert_eq!(process_id, left),
                Err(error) => {
                    assert!(error.is_transient(), "{error}");
                    failed += 1;
                }
            }
        }
        assert!(failed <= 1, "{failed} of 10 failed, though one connection works");
        admin.execute("ALTER ROLE trusted CONNECTION LIMIT -1", ()).await.unwrap();
        // The pool has backed off from a server that refused it.
        while db.fetch_value::<i32, _>(which, ()).await.unwrap() == left {}
        let mut connection = loop {
            if let Ok(connection) = db.checkout().await {
                break connection;
            }
        };
        still_usable(&mut connection).await;
    })
    .await;
}
