//! A `Database` whose runtime ends, and one that sees several of them.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use cornac::{Client, CloseReason, Config, Connection, Database, PooledConnection};
use cornac_tests::{Cluster, ClusterOptions, Proxy, SUPERUSER, deadline, shared, still_usable};
use tokio::runtime::{Builder, Runtime};

use crate::pool_waiting::{nothing_is_lost, until};

const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// A backend that sleeps looks whether its client is still there.
const NOTICE_THE_END: &str = "SET client_connection_check_interval = 50";

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Waits until the server has no backend of the pool's any more.
async fn all_gone(observer: &mut Connection) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pooled' AND datname = current_database()";
    while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() > 0 {}
}

#[test]
fn pool_09_a_runtime_that_ends_with_connections_out_closes_every_socket() {
    let outer = multi_thread();
    let (database, mut observer) = outer.block_on(deadline(async {
        let database = shared().database().await;
        let observer = database.connect().await;
        (database, observer)
    }));
    let config = database.config().clone().application_name("pooled");
    for make in [current_thread, multi_thread] {
        let runtime = make();
        let db = runtime
            .block_on(deadline(Database::builder().min_size(0).max_size(8).connect_with(&config)))
            .unwrap();
        // In the hands of tasks that sleep, run a statement, read rows, hold a transaction; in ours; idle.
        let (ready, mut is_ready) = tokio::sync::mpsc::channel(4);
        let (held, idle) = runtime.block_on(deadline(async {
            for task in 0..4 {
                let (db, ready) = (db.clone(), ready.clone());
                tokio::spawn(async move {
                    let mut connection = db.checkout().await.unwrap();
                    match task {
                        0 => {
                            ready.send(()).await.unwrap();
                            std::future::pending::<()>().await;
                        }
                        1 => {
                            connection.execute(NOTICE_THE_END, ()).await.unwrap();
                            ready.send(()).await.unwrap();
                            let _ = connection.execute("SELECT pg_sleep(60)", ()).await;
                        }
                        2 => {
                            let mut rows =
                                connection.rows("SELECT generate_series(1, 10000000)", ()).await.unwrap();
                            rows.next().await.unwrap();
                            ready.send(()).await.unwrap();
                            std::future::pending::<()>().await;
                        }
                        _ => {
                            let mut transaction = connection.begin().await.unwrap();
                            transaction.execute("SELECT pg_current_xact_id()", ()).await.unwrap();
                            ready.send(()).await.unwrap();
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
            for _ in 0..4 {
                is_ready.recv().await.unwrap();
            }
            let held = db.checkout().await.unwrap();
            let idle = db.checkout().await.unwrap();
            (held, idle)
        }));
        {
            let _inside = runtime.enter();
            drop(idle);
        }
        assert_eq!(db.pool_stats().in_use, 5);
        runtime.shutdown_timeout(Duration::from_secs(10));
        // What is out is dropped outside of any runtime; no panic, and its socket is closed.
        assert_eq!(db.pool_stats().in_use, 1, "the tasks have given back what they held");
        drop(held);
        let error = db.execute("SELECT 1", ());
        let error = current_thread_block(error);
        // On another runtime it works, over new connections.
        error.unwrap();
        let stats = db.pool_stats();
        println!(
            "a runtime ended with 5 connections out and 1 idle: opened {}, {:?}",
            stats.opened, stats.closed
        );
        assert!(
            stats.closed.by(CloseReason::RuntimeEnded)
                + stats.closed.by(CloseReason::Broken)
                + stats.closed.by(CloseReason::CannotClean)
                >= 6,
            "{stats:?}"
        );
        drop(db);
        outer.block_on(deadline(all_gone(&mut observer)));
    }
    outer.block_on(deadline(still_usable(&mut observer)));
    drop(observer);
    outer.block_on(async move { drop(database) });
}

/// Runs a future on a runtime that ends with it.
fn current_thread_block<F: Future>(future: F) -> F::Output {
    current_thread().block_on(deadline(future))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_09_a_database_that_is_dropped_with_connections_out_says_goodbye_on_each() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let proxy = Proxy::start(server.port(), vec![]).await.unwrap();
        let config: Config = server.config(SUPERUSER).application_name("pooled").port(proxy.port());
        let db = Database::builder().min_size(0).max_size(6).connect_with(&config).await.unwrap();
        let mut out: Vec<PooledConnection> = Vec::new();
        for _ in 0..6 {
            out.push(db.checkout().await.unwrap());
        }
        let idle = out.split_off(3);
        drop(idle);
        until(&db, |stats| stats.idle == 3).await;
        drop(db);
        let goodbyes = || {
            let sent = proxy.recording().to_server;
            sent.windows(TERMINATE.len()).filter(|window| *window == TERMINATE).count()
        };
        // Those that idle hear it at once, and those that are out work on.
        while goodbyes() < 3 {
            tokio::task::yield_now().await;
        }
        for connection in &mut out {
            still_usable(connection).await;
        }
        // One comes back in the middle of a transaction, one with rows unread, one in order.
        let mut transaction = out[0].begin().await.unwrap();
        transaction.execute("SELECT pg_current_xact_id()", ()).await.unwrap();
        drop(transaction);
        let mut rows = out[1].rows("SELECT generate_series(1, 100000)", ()).await.unwrap();
        rows.next().await.unwrap();
        drop(rows);
        drop(out);
        all_gone(&mut observer).await;
        while goodbyes() < 6 {
            tokio::task::yield_now().await;
        }
        println!("a Database dropped with 3 connections out and 3 idle: {} goodbyes", goodbyes());
        let log = server.log();
        assert!(!log.contains("unexpected EOF"), "{log}");
        still_usable(&mut observer).await;
    })
    .await;
}

static SHARED: OnceLock<Database> = OnceLock::new();

#[test]
fn pool_11_one_static_database_serves_one_runtime_after_another() {
    let outer = multi_thread();
    let database = outer.block_on(deadline(shared().database()));
    let config = database.config().clone().application_name("pooled");
    let db = SHARED.get_or_init(|| {
        let builder = Database::builder().min_size(2).max_size(4).acquire_timeout(Duration::from_secs(20));
        builder.connect_lazy_with(&config).unwrap()
    });
    let began = Instant::now();
    // Kept across the end of their runtimes.
    let mut stranded: Vec<PooledConnection> = Vec::new();
    let mut backends = HashSet::new();
    for round in 0..12_i32 {
        let runtime = if round % 2 == 0 { current_thread() } else { multi_thread() };
        let in_use = std::sync::Arc::new(Mutex::new(HashSet::new()));
        // The one before may still be ending, and take its connections away while they are used here.
        let is_ending = round % 4 == 2;
        let held = runtime.block_on(deadline(async {
            let tasks: Vec<_> = (0..16_i32)
                .map(|task| {
                    let in_use = std::sync::Arc::clone(&in_use);
                    tokio::spawn(async move {
                        let mut pids = HashSet::new();
                        for number in 0..5_i32 {
                            let mut connection = db.checkout().await.unwrap();
                            let sql = "SELECT pg_backend_pid(), $1::int4, $2::int4, $3::int4";
                            let claimed = connection.process_id().unwrap();
                            assert!(in_use.lock().unwrap().insert(claimed), "two tasks on one socket");
                            match connection
                                .fetch_one::<(i32, i32, i32, i32), _>(sql, (round, task, number))
                                .await
                            {
                                Ok(answer) => {
                                    assert_eq!(
                                        answer,
                                        (claimed, round, task, number),
                                        "an answer to somebody else"
                                    );
                                }
                                Err(error) => {
                                    assert!(
                                        is_ending && error.is_closed() && error.is_transient(),
                                        "{error:?}"
                                    );
                                }
                            }
                            pids.insert(claimed);
                            assert!(in_use.lock().unwrap().remove(&claimed));
                        }
                        pids
                    })
                })
                .collect();
            for task in tasks {
                backends.extend(task.await.unwrap());
            }
            // One that is in the middle of something when its runtime ends, and one that is kept.
            tokio::spawn(async move {
                let mut connection = db.checkout().await.unwrap();
                connection.execute(NOTICE_THE_END, ()).await.unwrap();
                let _ = connection.execute("SELECT pg_sleep(60)", ()).await;
            });
            db.checkout().await.unwrap()
        }));
        if round % 3 == 0 {
            stranded.push(held);
        } else {
            drop(held);
        }
        if round % 4 < 2 {
            runtime.shutdown_background();
        } else {
            drop(runtime);
        }
        // Whatever is held across the end of its runtime is of no use, and harms nobody.
        if stranded.len() == 2 {
            stranded.clear();
        }
    }
    drop(stranded);
    current_thread_block(async {
        nothing_is_lost(db).await;
        still_usable(&mut db.checkout().await.unwrap()).await;
        let stats = db.pool_stats();
        println!(
            "12 runtimes, one after another, in {:?}: {} backends, opened {}, closed {:?}",
            began.elapsed(),
            backends.len(),
            stats.opened,
            stats.closed
        );
        assert!(stats.closed.by(CloseReason::RuntimeEnded) > 0, "{stats:?}");
        db.close().await.unwrap();
        let stats = db.pool_stats();
        assert_eq!(stats.opened, stats.closed.total());
        let mut observer = database.connect().await;
        all_gone(&mut observer).await;
        still_usable(&mut observer).await;
    });
    outer.block_on(async move { drop(database) });
}
