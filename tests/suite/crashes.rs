//! A server that is killed in the middle of whatever it does.

use std::time::{Duration, Instant};

use cornac::copy::CopyOptions;
use cornac::{Client, Connection, Database, Error, ErrorKind, TransactionOutcome};
use cornac_tests::{
    Action, Cluster, ClusterOptions, Direction, Fault, Place, Proxy, SUPERUSER, StopMode, deadline,
    still_usable,
};

fn cluster(settings: &[(&str, &str)]) -> Cluster {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Cluster::start(&ClusterOptions { settings, ..ClusterOptions::default() }).unwrap()
}

async fn database(server: &Cluster, resolves: bool) -> Database {
    Database::builder()
        .min_size(0)
        .max_size(2)
        .resolve_commit(resolves)
        .acquire_timeout(Duration::from_secs(20))
        .backoff(Duration::from_millis(20), Duration::from_millis(100))
        .connect_with(&server.config(SUPERUSER))
        .await
        .unwrap()
}

/// Typed, with the connection gone and known to be gone. What it was to do may have been done, or is proven not to have been.
fn lost(what: &str, error: &Error, unknown: bool) {
    println!("killed in the middle of {what}: {error}");
    assert!(error.is_closed() && error.is_transient(), "{what}: {error:?}");
    assert_eq!((error.outcome_unknown(), error.may_retry()), (unknown, !unknown), "{what}: {error:?}");
}

/// The server is back, and so is everybody, by itself.
async fn recovered(server: &mut Cluster, db: &Database, rows: i64) {
    let began = Instant::now();
    server.restart().unwrap();
    let found: i64 = db.fetch_value("SELECT count(*) FROM ledger", ()).await.unwrap();
    println!("recovered within {:?} of the restart", began.elapsed());
    assert_eq!(found, rows, "nothing is loaded in part");
    still_usable(&mut db.checkout().await.unwrap()).await;
}

async fn with_ledger(db: &Database) {
    db.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
    db.simple_query("CHECKPOINT").await.unwrap();
}

/// More than fits into all buffers; and its last row does not come before the server is gone, however fast the others are.
const LONG: &str = "SELECT repeat('x', 1000) || CASE n WHEN 100000 THEN pg_sleep(60)::text ELSE '' END
    FROM generate_series(1, 100000) AS n";

#[tokio::test]
async fn line_03_a_server_killed_while_connecting_is_a_typed_failure_of_that_attempt() {
    deadline(async {
        let mut server = cluster(&[]);
        let db = database(&server, false).await;
        with_ledger(&db).await;
        // The client's answers do not come through: the server waits in the middle of each step.
        for message in 1..=3 {
            let stall = Fault {
                direction: Direction::ToServer,
                place: Place::Message(message),
                action: Action::Stall,
            };
            let proxy = Proxy::start(server.port(), vec![stall]).await.unwrap();
            let config = server.config(SUPERUSER).port(proxy.port());
            let connecting = tokio::spawn(async move { Connection::connect(&config).await.map(drop) });
            if message < 3 {
                proxy.wait_for_fault().await;
                server.stop(StopMode::Kill).unwrap();
                let error = connecting.await.unwrap().unwrap_err();
                println!("killed while connecting, at message {message}: {error}");
                assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error:?}");
                assert!(error.is_transient() && error.may_retry(), "{error:?}");
                recovered(&mut server, &db, 0).await;
            } else {
                // It has said all that there is to say.
                connecting.await.unwrap().unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn line_03_a_server_killed_in_a_query_in_rows_and_in_copy_is_typed_and_recovered_from() {
    deadline(async {
        let mut server = cluster(&[]);
        let db = database(&server, false).await;
        with_ledger(&db).await;
        // A query.
        let querying = db.clone();
        let query = tokio::spawn(async move {
            querying.execute("INSERT INTO ledger SELECT 1 FROM pg_sleep(60)", ()).await
        });
        let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while observer.fetch_value::<i64, _>(asleep, ()).await.unwrap() == 0 {}
        server.stop(StopMode::Kill).unwrap();
        lost("a query", &query.await.unwrap().unwrap_err(), true);
        recovered(&mut server, &db, 0).await;
        // Rows.
        let mut rows = db.rows(LONG, ()).await.unwrap();
        for _ in 0..10 {
            assert_eq!(rows.next().await.unwrap().unwrap().get::<&str>(0).unwrap().len(), 1000);
        }
        server.stop(StopMode::Kill).unwrap();
        let error = loop {
            match rows.next().await {
                Ok(row) => assert!(row.is_some(), "a result that was cut is no result"),
                Err(error) => break error,
            }
        };
        lost("rows", &error, true);
        drop(rows);
        recovered(&mut server, &db, 0).await;
        // COPY in.
        let mut connection = db.checkout().await.unwrap();
        let mut copy = connection.copy_in("ledger", &["id"], &CopyOptions::text()).await.unwrap();
        copy.send("1\n2\n").await.unwrap();
        copy.flush().await.unwrap();
        server.stop(StopMode::Kill).unwrap();
        let error = loop {
            if let Err(error) = copy.send("3\n".repeat(10_000)).await {
                break error;
            }
            if let Err(error) = copy.flush().await {
                break error;
            }
        };
        // Its end had not been said: nothing of it can be there.
        lost("COPY in", &error, false);
        drop(copy);
        drop(connection);
        recovered(&mut server, &db, 0).await;
        // COPY out.
        let mut connection = db.checkout().await.unwrap();
        let source = cornac::copy::CopySource::query(LONG);
        let mut copy = connection.copy_out(source, &CopyOptions::text()).await.unwrap();
        assert_eq!(copy.next().await.unwrap().unwrap().len(), 1001);
        server.stop(StopMode::Kill).unwrap();
        let error = loop {
            match copy.next().await {
                Ok(line) => assert!(line.is_some(), "a COPY that was cut is no COPY"),
                Err(error) => break error,
            }
        };
        lost("COPY out", &error, true);
        drop(copy);
        drop(connection);
        recovered(&mut server, &db, 0).await;
    })
    .await;
}

/// A COMMIT that the server has written, and whose answer waits for a standby that is not there.
const WAITS_FOR_A_STANDBY: [(&str, &str); 3] = [
    ("track_commit_timestamp", "on"),
    ("synchronous_standby_names", "nobody"),
    ("synchronous_commit", "local"),
];

/// Commits `id` and waits until the server is in the middle of it.
async fn kill_within_commit(
    server: &mut Cluster,
    db: &Database,
    id: i32,
    waits: &str,
) -> tokio::task::JoinHandle<cornac::Result<()>> {
    let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
    let committing = db.clone();
    let task = tokio::spawn(async move {
        let mut transaction = committing.begin().await?;
        transaction.execute("SET LOCAL synchronous_commit = on", ()).await?;
        transaction.execute("INSERT INTO ledger VALUES ($1)", (id,)).await?;
        transaction.commit().await
    });
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = $1 AND query LIKE '%COMMIT%'";
    while observer.fetch_value::<i64, _>(sql, (waits,)).await.unwrap() == 0 {}
    server.stop(StopMode::Kill).unwrap();
    task
}

/// Ends a server so that it forgets what it had not written, and has it back.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// All of it is killed.
    Server,
    /// One of its processes is, and it starts anew within the same postmaster.
    Backend,
}

impl Crash {
    async fn happen(self, server: &mut Cluster, victim: i32) {
        match self {
            Self::Server => {
                server.stop(StopMode::Kill).unwrap();
                server.restart().unwrap();
            }
            Self::Backend => {
                let victim = rustix::process::Pid::from_raw(victim).unwrap();
                rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
                while Connection::connect(&server.config(SUPERUSER)).await.is_err() {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

#[tokio::test]
async fn tx_04_a_number_that_a_crashed_server_gives_out_again_is_a_strangers() {
    deadline(async {
        for crash in [Crash::Server, Crash::Backend] {
            let mut server = cluster(&[]);
            let mut c = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
            c.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
            c.simple_query(DEFERRED).await.unwrap();
            c.simple_query("CHECKPOINT").await.unwrap();
            let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
            let victim = observer.process_id().unwrap();
            let commit = async {
                let mut transaction = c.begin().await?;
                transaction.track();
                transaction.execute("INSERT INTO ledger VALUES (100)", ()).await?;
                transaction.commit().await
            };
            let kill = async {
                let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
                while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() == 0 {}
                crash.happen(&mut server, victim).await;
            };
            let (outcome, ()) = tokio::join!(commit, kill);
            let error = outcome.unwrap_err();
            let ErrorKind::CommitOutcomeUnknown(lost) = error.kind() else { panic!("{error:?}") };
            let id = lost.transaction.clone().unwrap();
            let mut other = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
            let next = "SELECT pg_current_xact_id()::text::int8";
            while u64::try_from(other.fetch_value::<i64, _>(next, ()).await.unwrap()).unwrap() <= id.xid {}
            let status: String = other
                .fetch_value("SELECT pg_xact_status($1::text::xid8)", (id.xid.to_string(),))
                .await
                .unwrap();
            let outcome = other.transaction_outcome(&id).await.unwrap();
            let found: i64 = other.fetch_value("SELECT count(*) FROM ledger", ()).await.unwrap();
            println!(
                "{crash:?}: the server says {status} of the number, and {found} rows are there: {outcome:?}"
            );
            assert_eq!((status.as_str(), found), ("committed", 0), "the number is a stranger's now");
            assert_eq!(outcome, TransactionOutcome::Unknown);
            still_usable(&mut other).await;
        }
    })
    .await;
}

#[tokio::test]
async fn tx_04_a_server_that_was_stopped_in_order_remembers_a_commit() {
    deadline(async {
        let mut server = cluster(&[]);
        let mut c = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        c.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
        // Which transaction it is, is told where its COMMIT is lost.
        let id = {
            let proxy = Proxy::start(server.port(), vec![]).await.unwrap();
            let config = server.config(SUPERUSER).port(proxy.port());
            let mut cut = Connection::connect(&config).await.unwrap();
            let mut transaction = cut.begin().await.unwrap();
            transaction.track();
            transaction.execute("INSERT INTO ledger VALUES (1)", ()).await.unwrap();
            let one: i32 = transaction.fetch_value("SELECT 1", ()).await.unwrap();
            assert_eq!(one, 1);
            // The connection ends with the proxy.
            drop(proxy);
            let error = transaction.commit().await.unwrap_err();
            let ErrorKind::CommitOutcomeUnknown(lost) = error.kind() else { panic!("{error:?}") };
            lost.transaction.clone().unwrap()
        };
        // It was rolled back, as COMMIT did not arrive. Another one of a known number is committed.
        let mut transaction = c.begin().await.unwrap();
        transaction.execute("INSERT INTO ledger VALUES (2)", ()).await.unwrap();
        let xid: String = transaction.fetch_value("SELECT pg_current_xact_id()::text", ()).await.unwrap();
        transaction.commit().await.unwrap();
        let mut committed = id.clone();
        committed.xid = xid.parse().unwrap();
        drop(c);
        server.stop(StopMode::Fast).unwrap();
        server.restart().unwrap();
        let mut other = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        assert_eq!(other.transaction_outcome(&id).await.unwrap(), TransactionOutcome::Aborted);
        assert_eq!(other.transaction_outcome(&committed).await.unwrap(), TransactionOutcome::Committed);
        // Whatever operators and types somebody has made: these would call everything the same, and nothing.
        let sql = "CREATE SCHEMA evil;
                   CREATE FUNCTION evil.yes(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true';
                   CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
                   CREATE FUNCTION evil.no(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
                   CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no);
                   SET search_path = evil, pg_catalog";
        other.simple_query(sql).await.unwrap();
        assert_eq!(other.transaction_outcome(&committed).await.unwrap(), TransactionOutcome::Committed);
    })
    .await;
}

/// A row of which the server makes sure, for a minute, when it is to be committed.
const DEFERRED: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
                        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.id >= 100) EXECUTE FUNCTION slow()";

#[tokio::test]
async fn line_03_a_server_killed_within_commit_leaves_an_outcome_that_only_the_resolver_knows() {
    deadline(async {
        let mut server = cluster(&WAITS_FOR_A_STANDBY);
        let plain = database(&server, false).await;
        plain.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
        plain.simple_query(DEFERRED).await.unwrap();
        plain.simple_query("CHECKPOINT").await.unwrap();
        let resolving = database(&server, true).await;
        let is_there = "SELECT EXISTS (SELECT FROM ledger WHERE id = $1)";
        // Behind the commit record, and before it.
        for (id, waits, committed) in [(1, "SyncRep", true), (100, "PgSleep", false)] {
            let task = kill_within_commit(&mut server, &plain, id, waits).await;
            let error = task.await.unwrap().unwrap_err();
            println!("killed within COMMIT ({waits}), not resolved: {error}");
            assert!(matches!(error.kind(), ErrorKind::CommitOutcomeUnknown(_)), "{error:?}");
            assert!(error.outcome_unknown() && !error.may_retry(), "{error:?}");
            server.restart().unwrap();
            let found: bool = plain.fetch_value(is_there, (id,)).await.unwrap();
            assert_eq!(found, committed, "{waits}");
            let id = id + 1;
            let task = kill_within_commit(&mut server, &resolving, id, waits).await;
            server.restart().unwrap();
            let outcome = task.await.unwrap();
            println!("killed within COMMIT ({waits}), resolved: {outcome:?}");
            let found: bool = plain.fetch_value(is_there, (id,)).await.unwrap();
            assert_eq!(found, committed, "{waits}");
            match outcome {
                Ok(()) => assert!(committed, "{waits}: committed, it says"),
                // The server may have lost the transaction's very number, and then says nothing of it.
                Err(error) => {
                    let is_lost = matches!(error.kind(), ErrorKind::CommitLost(_));
                    assert!(
                        is_lost || matches!(error.kind(), ErrorKind::CommitOutcomeUnknown(_)),
                        "{error:?}"
                    );
                    assert_eq!(error.may_retry(), is_lost, "{error:?}");
                    assert!(!committed, "{waits}: not committed, it says");
                }
            }
        }
        still_usable(&mut plain.checkout().await.unwrap()).await;
        still_usable(&mut resolving.checkout().await.unwrap()).await;
    })
    .await;
}
