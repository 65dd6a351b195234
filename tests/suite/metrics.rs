//! The numbers of the feature `metrics`, as a recorder sees them.

use std::time::Duration;

use cornac::metrics::{
    CONNECTION_COUNT, CONNECTION_CREATE_TIME, CONNECTION_MAX, CONNECTION_OPEN_FAILURES,
    CONNECTION_PENDING_REQUESTS, CONNECTION_TIMEOUTS, CONNECTION_USE_TIME, CONNECTION_WAIT_TIME,
    CONNECTIONS_CLOSED, CONNECTIONS_OPENED, OPERATION_DURATION, OPERATION_FAILURES, RETRIES,
    TRANSACTION_DURATION,
};
use cornac::{Client, Database, DatabaseBuilder, RetryPolicy, SqlState, Statement};
use cornac_tests::{TestDatabase, deadline, shared, still_usable, wait_until_asleep};
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// A number as a recorder has it.
struct Number {
    name: String,
    labels: Vec<(String, String)>,
    value: DebugValue,
}

/// A recorder's numbers since they were last looked at: durations one by one, counters and gauges as they are.
struct Numbers(Vec<Number>);

impl Numbers {
    fn of(snapshotter: &Snapshotter) -> Self {
        let all = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
            let (name, labels) = key.key().clone().into_parts();
            let labels = labels.iter().map(|label| (label.key().to_owned(), label.value().to_owned()));
            Number { name: name.as_str().to_owned(), labels: labels.collect(), value }
        });
        Self(all.collect())
    }

    /// All values of a name that have these labels, and maybe others.
    fn all<'n>(&'n self, name: &'n str, labels: &'n [(&str, &str)]) -> impl Iterator<Item = &'n DebugValue> {
        let has = |of: &[(String, String)]| {
            labels.iter().all(|(key, value)| of.iter().any(|(k, v)| (&**k, &**v) == (*key, *value)))
        };
        self.0
            .iter()
            .filter(move |number| number.name == name && has(&number.labels))
            .map(|number| &number.value)
    }

    /// How many durations were recorded.
    fn times(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        let durations = self.all(name, labels).map(|value| match value {
            DebugValue::Histogram(durations) => {
                assert!(durations.iter().all(|d| (0.0..60.0).contains(&d.into_inner())), "{durations:?}");
                durations.len()
            }
            other => panic!("{name} is {other:?}"),
        });
        durations.sum()
    }

    fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let counts = self.all(name, labels).map(|value| match value {
            DebugValue::Counter(count) => *count,
            other => panic!("{name} is {other:?}"),
        });
        counts.sum()
    }

    /// A gauge as it is shown.
    fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> String {
        match self.all(name, labels).collect::<Vec<_>>().as_slice() {
            [DebugValue::Gauge(value)] => value.to_string(),
            other => panic!("{name} is {other:?}"),
        }
    }
}

async fn connect(builder: DatabaseBuilder, database: &TestDatabase) -> Database {
    builder.min_size(0).connect_with(database.config()).await.unwrap()
}

fn operation(name: &str) -> [(&str, &str); 1] {
    [("db.operation.name", name)]
}

const IDLE: [(&str, &str); 1] = [("db.client.connection.state", "idle")];
const USED: [(&str, &str); 1] = [("db.client.connection.state", "used")];

#[tokio::test]
async fn an_operation_is_counted_once_by_its_kind() {
    deadline(async {
        let database = shared().database().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let db = connect(Database::builder(), &database).await;
        db.simple_query("CREATE TABLE item (id int4 PRIMARY KEY, name text)").await.unwrap();
        db.execute("INSERT INTO item VALUES ($1, $2)", (1, "a secret value")).await.unwrap();
        let _: String = db.fetch_value("SELECT name FROM item", ()).await.unwrap();
        let _: Vec<i32> = db.fetch_values("  select id FROM item", ()).await.unwrap();
        db.execute_many("INSERT INTO item VALUES ($1, 'x')", [(2,), (3,), (4,)]).await.unwrap();
        db.copy_records_to_table("item", &["id", "name"], [(5, "y"), (6, "z")]).await.unwrap();
        db.execute("/* a comment */ SELECT 1", ()).await.unwrap();
        let numbers = Numbers::of(&snapshotter);
        let kinds = [("INSERT", 1), ("SELECT", 2), ("SCRIPT", 1), ("BATCH", 1), ("COPY", 1), ("_OTHER", 1)];
        for (kind, times) in kinds {
            assert_eq!(numbers.times(OPERATION_DURATION, &operation(kind)), times, "{kind}");
        }
        assert_eq!(numbers.times(OPERATION_DURATION, &[]), 7);
        let namespace = database.config().dbname_ref();
        let of_database = [("db.system.name", "postgresql"), ("db.namespace", namespace)];
        assert_eq!(numbers.times(OPERATION_DURATION, &of_database), 7);
        assert_eq!(numbers.all(OPERATION_FAILURES, &[]).count(), 0);
        // Neither text nor values are in any label.
        for Number { name, labels, .. } in &numbers.0 {
            let is_text = |value: &str| value.contains("item") || value.contains("secret");
            assert!(!labels.iter().any(|(_, value)| is_text(value)), "{name} {labels:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_ran_on_a_second_connection_is_still_one() {
    deadline(async {
        let database = shared().database().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let db = connect(Database::builder(), &database).await;
        let lost = Statement::new("SELECT pg_terminate_backend(pg_backend_pid()) WHERE $1").idempotent();
        // Only the first of its connections is lost: the table says whether it was there before.
        db.simple_query("CREATE SEQUENCE tries").await.unwrap();
        let once = Statement::new(
            "SELECT CASE WHEN nextval('tries') = 1 THEN pg_terminate_backend(pg_backend_pid()) ELSE false END",
        );
        assert!(!db.fetch_value::<bool, _>(once.idempotent(), ()).await.unwrap());
        db.record_metrics();
        let numbers = Numbers::of(&snapshotter);
        assert_eq!(numbers.times(OPERATION_DURATION, &operation("SELECT")), 1);
        assert_eq!(numbers.counter(RETRIES, &[("what", "statement")]), 1);
        assert_eq!(numbers.counter(CONNECTIONS_CLOSED, &[("reason", "broken")]), 1);
        // Tried in vain, it is one failure.
        assert!(db.execute(lost, (true,)).await.unwrap_err().is_closed());
        let numbers = Numbers::of(&snapshotter);
        assert_eq!(numbers.times(OPERATION_DURATION, &[("error.type", "outcome_unknown")]), 1);
        assert_eq!(numbers.counter(OPERATION_FAILURES, &[("db.response.status_code", "57P01")]), 1);
    })
    .await;
}

#[tokio::test]
async fn failures_are_counted_by_sqlstate_and_strange_ones_together() {
    deadline(async {
        let database = shared().database().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let builder = Database::builder().max_size(1).acquire_timeout(Duration::from_millis(200));
        let db = connect(builder, &database).await;
        db.warm_up(1, Duration::from_secs(30)).await.unwrap();
        db.simple_query(
            "CREATE TABLE item (id int4 PRIMARY KEY); INSERT INTO item VALUES (1);
             CREATE FUNCTION fail(state text) RETURNS void LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = state; END $$",
        )
        .await
        .unwrap();
        for _ in 0..2 {
            db.execute("INSERT INTO item VALUES (1)", ()).await.unwrap_err();
        }
        for state in ["AB123", "AB124", "XY999"] {
            db.execute("SELECT fail($1)", (state,)).await.unwrap_err();
        }
        // Without a code of the server's: no row, no connection.
        db.fetch_value::<i32, _>("SELECT id FROM item WHERE id = 9", ()).await.unwrap_err();
        let held = db.checkout().await.unwrap();
        db.execute("SELECT 1", ()).await.unwrap_err();
        drop(held);
        let numbers = Numbers::of(&snapshotter);
        let unique =
            [("db.operation.name", "INSERT"), ("error.type", "23"), ("db.response.status_code", "23505")];
        assert_eq!(numbers.counter(OPERATION_FAILURES, &unique), 2);
        assert_eq!(numbers.times(OPERATION_DURATION, &unique[..2]), 2);
        let strange = [("error.type", "_OTHER"), ("db.response.status_code", "_OTHER")];
        assert_eq!(numbers.counter(OPERATION_FAILURES, &strange), 3);
        assert_eq!(numbers.all(OPERATION_FAILURES, &strange).count(), 1, "one series for all of them");
        for kind in ["client", "checkout"] {
            let labels = [("error.type", kind), ("db.response.status_code", "")];
            assert_eq!(numbers.counter(OPERATION_FAILURES, &labels), 1, "{kind}");
        }
        assert_eq!(numbers.counter(OPERATION_FAILURES, &[]), 7);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_awaits_is_counted_as_dropped() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let db = connect(Database::builder().max_size(1), &database).await;
        let process_id = db.checkout().await.unwrap().process_id().unwrap();
        tokio::select! {
            done = db.execute("SELECT pg_sleep(60)", ()) => panic!("it sleeps: {done:?}"),
            () = wait_until_asleep(&mut observer, process_id) => {}
        }
        let transaction = db.transaction(|mut transaction| async move {
            transaction.execute("SELECT pg_sleep(60)", ()).await?;
            Ok::<_, cornac::Error>(())
        });
        let process_id = db.fetch_value::<i32, _>("SELECT pg_backend_pid()", ()).await.unwrap();
        tokio::select! {
            done = transaction => panic!("it sleeps: {done:?}"),
            () = wait_until_asleep(&mut observer, process_id) => {}
        }
        let numbers = Numbers::of(&snapshotter);
        assert_eq!(numbers.times(OPERATION_DURATION, &[("error.type", "dropped")]), 1);
        assert_eq!(numbers.times(OPERATION_DURATION, &operation("SELECT")), 2);
        assert_eq!(numbers.times(TRANSACTION_DURATION, &[("outcome", "dropped")]), 1);
        assert_eq!(db.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
        still_usable(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn transactions_are_counted_by_what_they_came_to() {
    deadline(async {
        let database = shared().database().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let db = connect(Database::builder(), &database).await;
        let run = |fails: i32| {
            let mut tries = 0;
            db.retry(RetryPolicy::new(3)).transaction(move |mut transaction| {
                tries += 1;
                let now = tries;
                async move {
                    if now <= fails {
                        let raise = "DO $$ BEGIN RAISE 'no' USING ERRCODE = '40001'; END $$";
                        transaction.execute(raise, ()).await?;
                    }
                    Ok::<_, cornac::Error>(now)
                }
            })
        };
        assert_eq!(run(0).await.unwrap(), 1);
        assert_eq!(run(1).await.unwrap(), 2);
        assert_eq!(run(9).await.unwrap_err().sql_state(), Some(SqlState::T_R_SERIALIZATION_FAILURE));
        db.record_metrics();
        let numbers = Numbers::of(&snapshotter);
        assert_eq!(numbers.times(TRANSACTION_DURATION, &[("outcome", "committed")]), 2);
        assert_eq!(numbers.times(TRANSACTION_DURATION, &[("outcome", "failed")]), 1);
        assert_eq!(numbers.counter(RETRIES, &[("what", "transaction")]), 3);
        // Their statements are theirs.
        assert_eq!(numbers.times(OPERATION_DURATION, &[]), 0);
    })
    .await;
}

#[tokio::test]
async fn the_pools_gauges_follow_it() {
    deadline(async {
        let database = shared().database().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let builder = Database::builder().max_size(2).acquire_timeout(Duration::from_millis(100));
        let db = connect(builder, &database).await;
        db.warm_up(2, Duration::from_secs(30)).await.unwrap();
        let look = || {
            db.record_metrics();
            Numbers::of(&snapshotter)
        };
        let first = db.checkout().await.unwrap();
        let second = db.checkout().await.unwrap();
        let numbers = look();
        assert_eq!([USED, IDLE].map(|state| numbers.gauge(CONNECTION_COUNT, &state)), ["2", "0"]);
        assert_eq!(numbers.gauge(CONNECTION_MAX, &[]), "2");
        assert_eq!(numbers.times(CONNECTION_CREATE_TIME, &[]), 2);
        assert_eq!(numbers.times(CONNECTION_WAIT_TIME, &[]), 2);
        assert_eq!(numbers.times(CONNECTION_USE_TIME, &[]), 0);
        assert_eq!(numbers.counter(CONNECTIONS_OPENED, &[]), 2);
        // A third one waits, and waits in vain.
        let mut third = std::pin::pin!(db.checkout());
        assert!(std::future::poll_fn(|c| std::task::Poll::Ready(third.as_mut().poll(c).is_pending())).await);
        assert_eq!(look().gauge(CONNECTION_PENDING_REQUESTS, &[]), "1");
        third.await.unwrap_err();
        let numbers = look();
        assert_eq!(numbers.gauge(CONNECTION_PENDING_REQUESTS, &[]), "0");
        assert_eq!(numbers.counter(CONNECTION_TIMEOUTS, &[]), 1);
        assert_eq!(numbers.times(CONNECTION_WAIT_TIME, &[]), 0, "it was given none");
        drop(first);
        drop(second.detach());
        let numbers = look();
        assert_eq!([USED, IDLE].map(|state| numbers.gauge(CONNECTION_COUNT, &state)), ["0", "1"]);
        assert_eq!(numbers.times(CONNECTION_USE_TIME, &[]), 2);
        assert_eq!(numbers.counter(CONNECTIONS_CLOSED, &[("reason", "detached")]), 1);
        assert_eq!(numbers.counter(CONNECTIONS_CLOSED, &[]), 1);
        assert_eq!(numbers.counter(CONNECTION_OPEN_FAILURES, &[]), 0);
        db.checkout().await.unwrap().retire();
        assert_eq!(look().times(CONNECTION_USE_TIME, &[]), 1);
        assert_eq!(db.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
    })
    .await;
}

#[tokio::test]
async fn pools_are_told_apart_by_name() {
    deadline(async {
        let database = shared().database().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let web = connect(Database::builder().max_size(3).pool_name("web"), &database).await;
        let jobs = connect(Database::builder().max_size(4), &database).await;
        let readers = web.read_only();
        assert_eq!(readers.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
        web.record_metrics();
        jobs.record_metrics();
        let numbers = Numbers::of(&snapshotter);
        let config = database.config();
        let place = format!("127.0.0.1:{}/{}", config.hosts()[0].port, config.dbname_ref());
        let named = |name| [("db.client.connection.pool.name", name)];
        for (name, max) in [("web", "3"), ("web readers", "3"), (&*place, "4")] {
            assert_eq!(numbers.gauge(CONNECTION_MAX, &named(name)), max, "{name}");
        }
        assert_eq!(numbers.counter(CONNECTIONS_OPENED, &named("web readers")), 1);
    })
    .await;
}

#[tokio::test]
async fn statements_on_shared_connections_are_counted_once_too() {
    deadline(async {
        let database = shared().database().await;
        let recorder = DebuggingRecorder::new();
        let (snapshotter, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
        let db = connect(Database::builder().multiplex(1), &database).await;
        for _ in 0..3 {
            assert_eq!(db.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
        }
        // Not for a shared connection: it runs on another one.
        db.execute("CREATE TABLE item (id int4)", ()).await.unwrap();
        db.execute("SELECT 1 / 0", ()).await.unwrap_err();
        let numbers = Numbers::of(&snapshotter);
        assert_eq!(numbers.times(OPERATION_DURATION, &operation("SELECT")), 4);
        assert_eq!(numbers.times(OPERATION_DURATION, &operation("CREATE")), 1);
        assert_eq!(numbers.times(OPERATION_DURATION, &[]), 5);
        assert_eq!(numbers.counter(OPERATION_FAILURES, &[("db.response.status_code", "22012")]), 1);
        db.close().await.unwrap();
    })
    .await;
}
