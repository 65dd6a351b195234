//! What is lost, and what is not, when a standby takes over from a primary that died.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};
use std::time::Duration;

use cornac::{Client, Config, Connection, Database};
use cornac_tests::{Cluster, ClusterOptions, Proxy, SUPERUSER, StopMode, deadline, still_usable};

/// A pool over the two servers, the first of them through a proxy.
async fn pool(old: &Cluster, new: &Cluster, proxy: &Proxy) -> Database {
    let config: Config = old.config(SUPERUSER);
    let mut hosts = vec![config.hosts()[0].clone(), new.config(SUPERUSER).hosts()[0].clone()];
    hosts[0].port = proxy.port();
    Database::builder()
        .min_size(0)
        .max_size(8)
        .acquire_timeout(Duration::from_secs(1))
        .backoff(Duration::from_millis(20), Duration::from_millis(200))
        .connect_with(&config.with_hosts(hosts))
        .await
        .unwrap()
}

/// What writers know of the rows that they have entered, each under a number of its own and once.
#[derive(Debug, Default)]
struct Written {
    /// Acknowledged without a word of warning.
    acknowledged: Vec<i32>,
    /// Acknowledged with the warning that it might not have been replicated.
    warned: Vec<i32>,
    failed: Vec<i32>,
}

/// The warning of a COMMIT that was cancelled while it waited for the standby.
const MIGHT_NOT: &str = "might not have been replicated";

/// Writes until it is told to stop.
async fn write(
    db: Database,
    next: Arc<AtomicI32>,
    stop: Arc<AtomicBool>,
    asks_for_warnings: bool,
) -> Written {
    let mut written = Written::default();
    while !stop.load(Relaxed) {
        let id = next.fetch_add(1, Relaxed);
        let entered = async {
            if !asks_for_warnings {
                return db.execute("INSERT INTO ledger VALUES ($1)", (id,)).await.map(|_| false);
            }
            let mut connection = db.checkout().await?;
            connection.take_notices();
            connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await?;
            let warned = connection
                .take_notices()
                .messages
                .iter()
                .any(|notice| notice.detail().is_some_and(|detail| detail.contains(MIGHT_NOT)));
            Ok::<_, cornac::Error>(warned)
        };
        match entered.await {
            Ok(true) => written.warned.push(id),
            Ok(false) => written.acknowledged.push(id),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                written.failed.push(id);
            }
        }
        tokio::task::yield_now().await;
    }
    written
}

struct Writers {
    tasks: Vec<tokio::task::JoinHandle<Written>>,
    stop: Arc<AtomicBool>,
    next: Arc<AtomicI32>,
}

impl Writers {
    fn start(db: &Database, asks_for_warnings: bool) -> Self {
        let (stop, next) = (Arc::<AtomicBool>::default(), Arc::default());
        let tasks = (0..4)
            .map(|_| tokio::spawn(write(db.clone(), Arc::clone(&next), Arc::clone(&stop), asks_for_warnings)))
            .collect();
        Self { tasks, stop, next }
    }

    async fn end(self) -> Written {
        self.stop.store(true, Relaxed);
        let mut all = Written::default();
        for task in self.tasks {
            let one = task.await.unwrap();
            all.acknowledged.extend(one.acknowledged);
            all.warned.extend(one.warned);
            all.failed.extend(one.failed);
        }
        all
    }

    /// Waits until so many more rows were tried.
    async fn go_on(&self, more: i32) {
        let until = self.next.load(Relaxed) + more;
        while self.next.load(Relaxed) < until {
            tokio::task::yield_now().await;
        }
    }
}

/// The rows that are there, none of them twice.
async fn rows_of(connection: &mut Connection) -> HashSet<i32> {
    let ids: Vec<i32> = connection.fetch_values("SELECT id FROM ledger", ()).await.unwrap();
    let rows: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(rows.len(), ids.len(), "something was applied twice");
    rows
}

const COUNT: &str = "SELECT count(*) FROM ledger";

/// From here on, the standby gets nothing any more.
async fn let_it_lag(standby: &mut Connection, primary: &mut Connection) {
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''", ()).await.unwrap();
    standby.execute("SELECT pg_reload_conf()", ()).await.unwrap();
    while primary.fetch_value::<i64, _>("SELECT count(*) FROM pg_stat_replication", ()).await.unwrap() > 0 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ha_06_a_failover_to_an_asynchronous_standby_that_lags_loses_but_never_repeats() {
    deadline(async {
        let mut old = Cluster::start(&ClusterOptions::default()).unwrap();
        let new = old.standby().unwrap();
        let mut on_old = Connection::connect(&old.config(SUPERUSER)).await.unwrap();
        let mut on_new = Connection::connect(&new.config(SUPERUSER)).await.unwrap();
        let proxy = Proxy::start(old.port(), vec![]).await.unwrap();
        let db = pool(&old, &new, &proxy).await;
        // No key: what is applied twice is there twice.
        db.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
        let writers = Writers::start(&db, false);
        while on_new.fetch_value::<i64, _>(COUNT, ()).await.unwrap_or(0) < 50 {}
        let_it_lag(&mut on_new, &mut on_old).await;
        writers.go_on(200).await;
        old.stop(StopMode::Kill).unwrap();
        on_new.execute("SELECT pg_promote()", ()).await.unwrap();
        let before = rows_of(&mut on_new).await.len();
        while rows_of(&mut on_new).await.len() < before + 100 {}
        let written = writers.end().await;
        let there = rows_of(&mut on_new).await;
        let lost = written.acknowledged.iter().filter(|id| !there.contains(id)).count();
        let unsure = written.failed.iter().filter(|id| there.contains(id)).count();
        println!(
            "asynchronous standby that lags: {} acknowledged, {lost} of them lost by the server, {} failed ({unsure} of them are there), {} rows, none twice",
            written.acknowledged.len(),
            written.failed.len(),
            there.len()
        );
        assert!(lost > 50, "it did lag");
        assert!(written.warned.is_empty());
        assert_eq!(there.len(), written.acknowledged.len() - lost + unsure, "no stranger's row");
        let recovering: bool = db.fetch_value("SELECT pg_is_in_recovery()", ()).await.unwrap();
        assert!(!recovering);
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ha_06_a_failover_to_a_synchronous_standby_loses_nothing_that_was_acknowledged() {
    deadline(async {
        let mut old = Cluster::start(&ClusterOptions::default()).unwrap();
        let new = old.standby().unwrap();
        let mut on_old = Connection::connect(&old.config(SUPERUSER)).await.unwrap();
        let mut on_new = Connection::connect(&new.config(SUPERUSER)).await.unwrap();
        let proxy = Proxy::start(old.port(), vec![]).await.unwrap();
        let db = pool(&old, &new, &proxy).await;
        db.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
        for setting in ["synchronous_standby_names = '*'", "synchronous_commit = on"] {
            on_old.execute(&*format!("ALTER SYSTEM SET {setting}"), ()).await.unwrap();
        }
        on_old.execute("SELECT pg_reload_conf()", ()).await.unwrap();
        let is_sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while on_old.fetch_value::<i64, _>(is_sync, ()).await.unwrap() == 0 {}
        while on_old.fetch_value::<String, _>("SHOW synchronous_commit", ()).await.unwrap() != "on" {}
        db.retire_all();
        let writers = Writers::start(&db, true);
        while on_new.fetch_value::<i64, _>(COUNT, ()).await.unwrap_or(0) < 100 {}
        // The standby goes away: all wait for it, and those that are cancelled then are acknowledged with a warning.
        let_it_lag(&mut on_new, &mut on_old).await;
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let mut cancelled = 0;
        while cancelled < 12 {
            cancelled += on_old.fetch_value::<i64, _>(cancel, ()).await.unwrap();
        }
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        while on_old.fetch_value::<i64, _>(waiting, ()).await.unwrap() < 4 {}
        old.stop(StopMode::Kill).unwrap();
        on_new.execute("SELECT pg_promote()", ()).await.unwrap();
        let before = rows_of(&mut on_new).await.len();
        // The new one waits for no standby.
        while rows_of(&mut on_new).await.len() < before + 100 {}
        let written = writers.end().await;
        let there = rows_of(&mut on_new).await;
        let lost = |ids: &[i32]| ids.iter().filter(|id| !there.contains(id)).count();
        println!(
            "synchronous standby: {} acknowledged, {} of them lost; {} acknowledged with a warning, {} of them lost; {} failed; {} rows, none twice",
            written.acknowledged.len(),
            lost(&written.acknowledged),
            written.warned.len(),
            lost(&written.warned),
            written.failed.len(),
            there.len()
        );
        assert_eq!(lost(&written.acknowledged), 0);
        assert!(lost(&written.warned) > 0, "what was warned of is what was lost");
        assert!(!written.failed.is_empty());
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ha_06_what_was_replicated_and_not_acknowledged_is_not_applied_again() {
    deadline(async {
        let mut old = Cluster::start(&ClusterOptions::default()).unwrap();
        let new = old.standby().unwrap();
        let mut on_old = Connection::connect(&old.config(SUPERUSER)).await.unwrap();
        let mut on_new = Connection::connect(&new.config(SUPERUSER)).await.unwrap();
        let proxy = Proxy::start(old.port(), vec![]).await.unwrap();
        let db = pool(&old, &new, &proxy).await;
        db.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
        let writers = Writers::start(&db, false);
        while on_new.fetch_value::<i64, _>(COUNT, ()).await.unwrap_or(0) < 100 {}
        // All of them are asking for something when the silence begins. It is done, and its answers are swallowed.
        on_old.execute("BEGIN", ()).await.unwrap();
        on_old.execute("LOCK TABLE ledger IN SHARE MODE", ()).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while on_old.fetch_value::<i64, _>(waiting, ()).await.unwrap() < 4 {}
        proxy.silence();
        on_old.execute("COMMIT", ()).await.unwrap();
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        while on_old.fetch_value::<i64, _>(busy, ()).await.unwrap() > 0 {}
        // A server of the tests writes its log a little later than it commits, so that what is written yet would not do.
        let lsn: String = on_old.fetch_value("SELECT pg_current_wal_insert_lsn()::text", ()).await.unwrap();
        let caught_up = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        while !on_new.fetch_value::<bool, _>(caught_up, (&lsn,)).await.unwrap() {}
        old.stop(StopMode::Kill).unwrap();
        // The connections end with the proxy, when the new primary is there to take what would be tried again.
        on_new.execute("SELECT pg_promote()", ()).await.unwrap();
        drop(proxy);
        let before = rows_of(&mut on_new).await.len();
        while rows_of(&mut on_new).await.len() < before + 100 {}
        let written = writers.end().await;
        let there = rows_of(&mut on_new).await;
        let unsure = written.failed.iter().filter(|id| there.contains(id)).count();
        let lost = written.acknowledged.iter().filter(|id| !there.contains(id)).count();
        println!(
            "{} acknowledged, {lost} lost; {} failed, {unsure} of them are there; {} rows, none twice",
            written.acknowledged.len(),
            written.failed.len(),
            there.len()
        );
        assert_eq!(unsure, 4, "what was done without an answer: {written:?}");
        assert_eq!(lost, 0, "the standby was in step");
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}
