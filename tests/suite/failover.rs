//! Several servers behind one `Database`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cornac::{Client, Config, Connection, Database, Error, SqlState, TransactionOptions};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, StopMode, deadline, still_usable};

/// A configuration with the hosts of several servers, in this order.
fn config_of(clusters: &[&Cluster]) -> Config {
    let hosts = clusters.iter().map(|cluster| cluster.config(SUPERUSER).hosts()[0].clone()).collect();
    clusters[0].config(SUPERUSER).with_hosts(hosts)
}

async fn caught_up(primary: &mut Connection, standby: &mut Connection) {
    let lsn: String = primary.fetch_value("SELECT pg_current_wal_lsn()::text", ()).await.unwrap();
    let sql = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)";
    while !standby.fetch_value::<bool, _>(sql, (&lsn,)).await.unwrap() {}
}

#[tokio::test]
async fn writes_go_to_the_primary_and_reads_to_a_standby() {
    deadline(async {
        let mut primary = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut standby = primary.standby().unwrap();
        let db = Database::connect_with(&config_of(&[&standby, &primary])).await.unwrap();
        let in_recovery = "SELECT pg_is_in_recovery()";
        assert!(!db.fetch_value::<bool, _>(in_recovery, ()).await.unwrap());
        db.simple_query("CREATE TABLE t (id int4)").await.unwrap();
        let readers = db.read_only();
        assert!(readers.fetch_value::<bool, _>(in_recovery, ()).await.unwrap());
        assert_eq!(readers.health().await.unwrap().in_hot_standby, Some(true));
        assert_eq!(db.health().await.unwrap().in_hot_standby, Some(false));
        assert_eq!(db.server_version().await.unwrap().split(' ').next(), Some(primary.version()));
        // The same readers each time.
        assert_eq!(db.read_only().pool_stats().opened, readers.pool_stats().opened);
        // Without a standby, reads go to the primary; writes are refused there too.
        standby.stop(StopMode::Fast).unwrap();
        readers.retire_all();
        assert!(!readers.fetch_value::<bool, _>(in_recovery, ()).await.unwrap());
        let refused = readers.execute("INSERT INTO t VALUES (1)", ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
        // Also behind one who has made other settings.
        readers.execute("SET default_transaction_read_only = off", ()).await.unwrap();
        let refused = readers.execute("INSERT INTO t VALUES (1)", ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
        readers.execute("RESET ALL", ()).await.unwrap();
        let mut apart = readers.connect_apart().await.unwrap();
        let refused = apart.execute("INSERT INTO t VALUES (1)", ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
        let mut c = readers.checkout().await.unwrap();
        c.execute("RESET ALL", ()).await.unwrap();
        assert!(c.execute("INSERT INTO t VALUES (1)", ()).await.is_err());
        drop(c);
        db.close().await.unwrap();
        assert!(readers.execute("SELECT 1", ()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn tx_08_a_write_that_a_standby_refuses_is_typed_and_goes_to_the_primary_where_there_are_several() {
    deadline(async {
        let mut primary = Cluster::start(&ClusterOptions::default()).unwrap();
        let standby = primary.standby().unwrap();
        let only = Database::connect_with(&standby.config(SUPERUSER)).await.unwrap();
        let refused = only.execute("CREATE TABLE t (id int4)", ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
        assert!(refused.is_transient() && refused.may_retry(), "{refused}");
        assert_eq!(only.retries().statements, 0);
        let several = Database::connect_with(&config_of(&[&standby, &primary])).await.unwrap();
        several.execute("CREATE TABLE t (id int4)", ()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn tx_10_a_begin_that_is_refused_takes_the_statement_behind_it_along() {
    deadline(async {
        let mut primary = Cluster::start(&ClusterOptions::default()).unwrap();
        let standby = primary.standby().unwrap();
        let mut on_primary = Connection::connect(&primary.config(SUPERUSER)).await.unwrap();
        on_primary.simple_query("CREATE SEQUENCE s").await.unwrap();
        let mut c = Connection::connect(&standby.config(SUPERUSER)).await.unwrap();
        caught_up(&mut on_primary, &mut c).await;
        for statement in ["SELECT 1", "SELECT pg_advisory_lock(1)", "SELECT 1"] {
            // New to the connection, and known to it.
            for _ in 0..2 {
                let mut tx = c.begin_with(TransactionOptions::new().serializable()).await.unwrap();
                let refused = tx.execute(statement, ()).await.unwrap_err();
                assert_eq!(refused.sql_state(), Some(SqlState::FEATURE_NOT_SUPPORTED), "{refused}");
                assert!(tx.commit().await.is_err());
                let locks: i64 = c
                    .fetch_value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", ())
                    .await
                    .unwrap();
                assert_eq!(locks, 0, "{statement} did not run");
                still_usable(&mut c).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ha_01_ha_02_writes_follow_the_primary_and_never_go_to_the_old_one() {
    deadline(async {
        let mut old = Cluster::start(&ClusterOptions::default()).unwrap();
        let new = old.standby().unwrap();
        let mut on_new = Connection::connect(&new.config(SUPERUSER)).await.unwrap();
        let db = Database::builder()
            .max_size(8)
            .acquire_timeout(Duration::from_secs(1))
            .backoff(Duration::from_millis(20), Duration::from_millis(200))
            .connect_with(&config_of(&[&old, &new]))
            .await
            .unwrap();
        db.simple_query("CREATE TABLE ledger (id int4 PRIMARY KEY)").await.unwrap();
        let stop = flag();
        // Writers that count what was acknowledged.
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (db, stop) = (db.clone(), stop.clone());
                tokio::spawn(async move {
                    let (mut acknowledged, mut failed, mut number) = (Vec::new(), 0_u32, 0);
                    while !stop.load(Relaxed) {
                        number += 1;
                        let id = writer * 1_000_000 + number;
                        match db.execute("INSERT INTO ledger VALUES ($1)", (id,)).await {
                            Ok(_) => acknowledged.push(id),
                            Err(error) => {
                                assert!(error.is_transient(), "{error:?}");
                                failed += 1;
                            }
                        }
                        tokio::task::yield_now().await;
                    }
                    (acknowledged, failed)
                })
            })
            .collect();
        let count = "SELECT count(*) FROM ledger";
        while on_new.fetch_value::<i64, _>(count, ()).await.unwrap_or(0) < 50 {}
        // A stop in order sends everything to the standby first.
        old.stop(StopMode::Fast).unwrap();
        on_new.execute("SELECT pg_promote()", ()).await.unwrap();
        let promoted = Instant::now();
        let before: i64 = on_new.fetch_value(count, ()).await.unwrap();
        while on_new.fetch_value::<i64, _>(count, ()).await.unwrap() < before + 50 {}
        println!("writes go on {:?} after the promotion", promoted.elapsed());
        // The old primary comes back, as a standby. It stands first in the list.
        old.follow(&new).unwrap();
        db.retire_all();
        let before: i64 = on_new.fetch_value(count, ()).await.unwrap();
        while on_new.fetch_value::<i64, _>(count, ()).await.unwrap() < before + 50 {}
        stop.store(true, Relaxed);
        let (mut acknowledged, mut failures) = (Vec::new(), 0);
        for writer in writers {
            let (ids, failed) = writer.await.unwrap();
            acknowledged.extend(ids);
            failures += failed;
        }
        let there: Vec<i32> = on_new.fetch_values("SELECT id FROM ledger", ()).await.unwrap();
        let there: HashSet<_> = there.into_iter().collect();
        let lost = acknowledged.iter().filter(|id| !there.contains(id)).count();
        println!("{} writes acknowledged, {failures} failed, {lost} lost", acknowledged.len());
        assert_eq!(lost, 0);
        let addresses: bool = db.fetch_value("SELECT pg_is_in_recovery()", ()).await.unwrap();
        assert!(!addresses);
        let mut on_old = Connection::connect(&old.config(SUPERUSER)).await.unwrap();
        caught_up(&mut on_new, &mut on_old).await;
    })
    .await;
}

fn flag() -> Arc<AtomicBool> {
    Arc::default()
}

#[tokio::test]
async fn ha_03_a_host_that_swallows_everything_costs_no_more_than_its_deadline() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        // It takes connections, and never says a word.
        let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut hosts = vec![server.config(SUPERUSER).hosts()[0].clone(); 3];
        hosts[0].port = hole.local_addr().unwrap().port();
        hosts[1].port = hosts[0].port;
        let config = server.config(SUPERUSER).with_hosts(hosts);
        let config = config.connect_timeout(Some(Duration::from_secs(2)));
        let began = Instant::now();
        let db = Database::builder().min_size(0).max_size(2).connect_with(&config).await.unwrap();
        db.execute("SELECT 1", ()).await.unwrap();
        let took = began.elapsed();
        println!("connected past two hosts that swallow everything in {took:?}");
        assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(8), "{took:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn line_11_a_restart_under_load_is_survived_by_all() {
    deadline(async {
        let mut server = Cluster::start(&ClusterOptions::default()).unwrap();
        let db = Database::builder()
            .min_size(4)
            .max_size(8)
            .acquire_timeout(Duration::from_secs(10))
            .backoff(Duration::from_millis(20), Duration::from_millis(200))
            .connect_with(&server.config(SUPERUSER))
            .await
            .unwrap();
        let stop = flag();
        let (sent, mut done) = tokio::sync::mpsc::unbounded_channel::<Instant>();
        let tasks: Vec<_> = (0..32)
            .map(|task: i32| {
                let (db, stop, sent) = (db.clone(), stop.clone(), sent.clone());
                tokio::spawn(async move {
                    let mut errors: Vec<Error> = Vec::new();
                    while !stop.load(Relaxed) {
                        match db.fetch_value::<i32, _>("SELECT $1::int4", (task,)).await {
                            Ok(answer) => {
                                assert_eq!(answer, task);
                                let _ = sent.send(Instant::now());
                            }
                            Err(error) => errors.push(error),
                        }
                        tokio::task::yield_now().await;
                    }
                    errors
                })
            })
            .collect();
        for _ in 0..200 {
            done.recv().await.unwrap();
        }
        server.stop(StopMode::Kill).unwrap();
        server.restart().unwrap();
        let back = Instant::now();
        while done.recv().await.unwrap() < back {}
        let recovered = back.elapsed();
        for _ in 0..1_000 {
            done.recv().await.unwrap();
        }
        stop.store(true, Relaxed);
        let mut errors = 0;
        for task in tasks {
            for error in task.await.unwrap() {
                assert!(error.is_transient(), "{error:?}");
                errors += 1;
            }
        }
        while db.pool_stats().open < 4 {
            tokio::task::yield_now().await;
        }
        println!("32 tasks: {errors} typed errors, the first answer {recovered:?} after the restart");
        assert!(recovered < Duration::from_secs(5));
    })
    .await;
}
