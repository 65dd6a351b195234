//! A COMMIT whose answer is lost, and what can be found out about it.

use std::time::Duration;

use bytes::BytesMut;
use cornac::{
    Client, Config, Connection, Database, ErrorKind, Statement, TransactionOutcome, TransactionStatus,
    pipeline,
};
use cornac_proto::message::{Backend, CommandComplete, FieldCode, FormatCode, ParameterStatus, server};
use cornac_tests::messages::{bytes, error};
use cornac_tests::scripted;
use cornac_tests::{
    Action, Cluster, ClusterOptions, Direction, Fault, Place, Proxy, SUPERUSER, StopMode, connect_watched,
    deadline, deadline_of, shared, still_usable,
};

/// How a transaction ended whose connection was cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    committed: u32,
    lost: u32,
    unknown: u32,
    before: u32,
}

/// The last step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Commit,
    /// COMMIT goes out with the last statements.
    CommitWith,
}

/// One transaction through the proxy, which commits `id`. More bytes go each way before its last step than a connection needs that asks about it.
async fn commit_through(
    db: &Database,
    id: i32,
    last: Last,
    before: impl FnOnce() + Send,
) -> cornac::Result<()> {
    let mut tx = db.begin().await?;
    let _: String = tx.fetch_value("SELECT repeat('x', 8000)", ()).await?;
    tx.execute("INSERT INTO ledger VALUES ($1, $2)", (id, "y".repeat(8000))).await?;
    before();
    match last {
        Last::Commit => tx.commit().await,
        Last::CommitWith => {
            let count =
                pipeline::fetch_value::<i64, _, _>("SELECT count(*) FROM ledger WHERE id = $1", (id,));
            let again = pipeline::execute("INSERT INTO ledger VALUES ($1, '')", (id,));
            let results = tx.commit_with((count, again)).await?;
            assert_eq!(results, (1, 1));
            Ok(())
        }
    }
}

async fn database(proxy: &Proxy, config: &Config, resolves: bool) -> Database {
    let config = config.clone().port(proxy.port());
    let builder = Database::builder().min_size(0).max_size(1).resolve_commit(resolves);
    builder.connect_with(&config).await.unwrap()
}

/// How many bytes have gone each way before the last step of [`commit_through`], and behind it.
async fn around_commit(config: &Config, port: u16, resolves: bool, last: Last) -> [(u64, u64); 2] {
    let proxy = Proxy::start(port, vec![]).await.unwrap();
    let db = database(&proxy, config, resolves).await;
    let so_far = || {
        let recording = proxy.recording();
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap();
        (length(&recording.to_server), length(&recording.to_client))
    };
    let mut before = (0, 0);
    commit_through(&db, 0, last, || before = so_far()).await.unwrap();
    [before, so_far()]
}

async fn cut_everywhere(resolves: bool, last: Last, actions: &[Action]) -> Counts {
    let server = shared();
    let database_of_test = server.database().await;
    let config = database_of_test.config();
    let port = config.hosts()[0].port;
    let mut observer = database_of_test.connect().await;
    observer.simple_query("CREATE TABLE ledger (id int4, padding text)").await.unwrap();
    let [(sent, received), (all_sent, all_received)] = around_commit(config, port, resolves, last).await;
    let places = (sent..=all_sent).map(|byte| (Direction::ToServer, byte));
    let places = places.chain((received..=all_received).map(|byte| (Direction::ToClient, byte)));
    let mut counts = Counts::default();
    for (number, (direction, byte)) in places.enumerate() {
        for (round, action) in actions.iter().copied().enumerate() {
            let id = i32::try_from(number * actions.len() + round).unwrap() + 1;
            let fault = Fault { direction, place: Place::Byte(byte), action };
            let proxy = Proxy::start(port, vec![fault]).await.unwrap();
            let db = database(&proxy, config, resolves).await;
            let outcome = commit_through(&db, id, last, || {}).await;
            // The backend has ended, so that what it has done is settled.
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
            while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() > 0 {}
            let is_there: bool = observer
                .fetch_value("SELECT EXISTS (SELECT FROM ledger WHERE id = $1)", (id,))
                .await
                .unwrap();
            let place = format!("{direction:?} {byte} {action:?}");
            match &outcome {
                Ok(()) => {
                    assert!(is_there, "{place}: committed, it says");
                    counts.committed += 1;
                }
                Err(error) => match error.kind() {
                    ErrorKind::CommitOutcomeUnknown(_) => {
                        // What the resolver knows is only unknown where the results are lost.
                        assert!(is_there || !resolves, "{place}: {error}");
                        assert!(error.outcome_unknown() && !error.may_retry(), "{place}: {error}");
                        counts.unknown += 1;
                    }
                    ErrorKind::CommitLost(_) => {
                        assert!(!is_there && error.may_retry(), "{place}: rolled back, it says");
                        counts.lost += 1;
                    }
                    _ => {
                        // The statement before it was cut.
                        assert!(!is_there, "{place}: {error}");
                        counts.before += 1;
                    }
                },
            }
        }
    }
    println!("{last:?} cut at every byte, resolving {resolves}: {counts:?}");
    counts
}

#[tokio::test]
async fn tx_04_a_commit_that_is_cut_at_any_byte_is_resolved_to_what_is_in_the_table() {
    deadline(async {
        let counts = cut_everywhere(true, Last::Commit, &[Action::Close, Action::Reset]).await;
        assert_eq!(counts.unknown, 0, "{counts:?}");
        assert!(counts.committed > 30 && counts.lost > 10, "{counts:?}");
    })
    .await;
}

#[tokio::test]
async fn tx_04_without_a_resolver_a_commit_that_is_cut_is_unknown() {
    deadline(async {
        let counts = cut_everywhere(false, Last::Commit, &[Action::Close, Action::Reset]).await;
        assert!(counts.unknown > 40 && counts.lost == 0, "{counts:?}");
    })
    .await;
}

#[tokio::test]
async fn tx_04_a_commit_with_the_last_statements_that_is_cut_at_any_byte_is_resolved_to_what_is_in_the_table()
{
    deadline_of(240, async {
        let counts = cut_everywhere(true, Last::CommitWith, &[Action::Close]).await;
        // Committed, with the results or without them; or not.
        assert!(counts.committed > 10 && counts.unknown > 10 && counts.lost > 10, "{counts:?}");
    })
    .await;
}

#[tokio::test]
async fn tx_04_a_promoted_standby_that_lagged_knows_nothing_of_a_strangers_transaction() {
    deadline(async {
        let mut primary = Cluster::start(&ClusterOptions::default()).unwrap();
        let standby = primary.standby().unwrap();
        let mut on_standby = Connection::connect(&standby.config(SUPERUSER)).await.unwrap();
        let mut observer = Connection::connect(&primary.config(SUPERUSER)).await.unwrap();
        observer.simple_query("CREATE TABLE ledger (id int4, padding text)").await.unwrap();
        let sql = "SELECT to_regclass('ledger') IS NOT NULL";
        while !on_standby.fetch_value::<bool, _>(sql, ()).await.unwrap() {}
        // From here on, it lags.
        let sql = "ALTER SYSTEM SET primary_conninfo = ''";
        on_standby.execute(sql, ()).await.unwrap();
        on_standby.execute("SELECT pg_reload_conf()", ()).await.unwrap();
        let sql = "SELECT count(*) FROM pg_stat_replication";
        while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() > 0 {}
        let config = primary.config(SUPERUSER);
        // In front of the answer to COMMIT: what else is answered meanwhile has come.
        let [_, (_, received)] = around_commit(&config, primary.port(), true, Last::Commit).await;
        let received = received - u64::try_from(b"C\0\0\0\x0bCOMMIT\0Z\0\0\0\x05I".len()).unwrap();
        let fault =
            Fault { direction: Direction::ToClient, place: Place::Byte(received), action: Action::Stall };
        let proxy = Proxy::start(primary.port(), vec![fault]).await.unwrap();
        // The proxy is in front of the primary, and the standby takes over behind it.
        let mut hosts = vec![config.hosts()[0].clone(), standby.config(SUPERUSER).hosts()[0].clone()];
        hosts[0].port = proxy.port();
        let several = config.clone().with_hosts(hosts);
        let db = Database::builder().min_size(0).max_size(1).resolve_commit(true);
        let db = db.connect_with(&several).await.unwrap();
        let failover = async move {
            proxy.wait_for_fault().await;
            // It is committed, where nobody will ever look again.
            primary.stop(StopMode::Kill).unwrap();
            on_standby.execute("SELECT pg_promote()", ()).await.unwrap();
            // Transactions of others, until the number has been given out once more.
            for _ in 0..200 {
                on_standby.execute("SELECT pg_current_xact_id()", ()).await.unwrap();
            }
            // The connection ends with the proxy.
            drop(proxy);
            on_standby
        };
        let (outcome, mut on_standby) = tokio::join!(commit_through(&db, 1, Last::Commit, || {}), failover);
        let error = outcome.unwrap_err();
        let ErrorKind::CommitOutcomeUnknown(lost) = error.kind() else { panic!("{error}") };
        let transaction = lost.transaction.clone().unwrap();
        let sql = "SELECT pg_xact_status($1::text::xid8)";
        let strangers: Option<String> =
            on_standby.fetch_value(sql, (transaction.xid.to_string(),)).await.unwrap();
        assert_eq!(strangers.as_deref(), Some("committed"), "the number is a stranger's there");
        let outcome = on_standby.transaction_outcome(&transaction).await.unwrap();
        assert_eq!(outcome, TransactionOutcome::Unknown);
        // The number of nobody, and that of one that was rolled back.
        let mut never = transaction.clone();
        never.xid = 1 << 40;
        assert_eq!(on_standby.transaction_outcome(&never).await.unwrap(), TransactionOutcome::Unknown);
    })
    .await;
}

#[tokio::test]
async fn what_a_transaction_is_costs_no_round_trip_and_nothing_where_it_only_reads() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        c.simple_query("CREATE TABLE t (id int4)").await.unwrap();
        for warm in [false, true] {
            let mut counted = Vec::new();
            for track in [false, true] {
                flights.take();
                let mut tx = c.begin().await.unwrap();
                if track {
                    tx.track();
                }
                let before: i64 = tx.fetch_value("SELECT count(*) FROM t", ()).await.unwrap();
                for id in 1..=3 {
                    tx.execute("INSERT INTO t VALUES ($1)", (id,)).await.unwrap();
                }
                let after: i64 = tx.fetch_value("SELECT count(*) FROM t", ()).await.unwrap();
                assert_eq!(after, before + 3);
                assert_eq!(tx.execute_many("INSERT INTO t VALUES ($1)", [(4,), (5,)]).await.unwrap(), 2);
                tx.rollback().await.unwrap();
                counted.push(flights.take());
            }
            let same = counted[0].len() == counted[1].len();
            assert!(same || !warm, "{counted:?}");
        }
        // Asked until there is a number, and no longer.
        let mut tx = c.begin().await.unwrap();
        tx.track();
        tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        flights.take();
        tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        assert_eq!(flights.take(), ["BES"]);
        tx.commit().await.unwrap();
        flights.take();
        still_usable(&mut c).await;
        assert!(
            flights.take().iter().all(|flight| !flight.contains('Q')),
            "behind the transaction, nothing is asked"
        );
    })
    .await;
}

/// Answers to one tracked statement and to the question behind it, in pieces, and then to COMMIT. What the commit came to.
async fn answered(answer: Vec<u8>, cut: usize) -> cornac::Result<()> {
    let (mut c, mut server) = scripted::connected().await;
    c.set_drain_timeout(Some(Duration::from_millis(50)));
    let typed = Statement::typed("INSERT INTO t VALUES (1)", &[], &[]);
    let script = async {
        assert_eq!(server.read_until(b'Q').await, "PBEPBDESQ");
        server.send_all(&[Backend::ParseComplete, Backend::BindComplete]).await;
        server.send_all(&[Backend::CommandComplete(CommandComplete::new("BEGIN"))]).await;
        server.send_all(&[Backend::ParseComplete, Backend::BindComplete, Backend::NoData]).await;
        server.send_all(&[Backend::CommandComplete(CommandComplete::new("INSERT 0 1"))]).await;
        server.ready(TransactionStatus::InTransaction).await;
        let (front, rest) = answer.split_at(cut);
        server.send_bytes(front).await;
        tokio::task::yield_now().await;
        server.send_bytes(rest).await;
        let _ = server.read_message().await;
        server.send_all(&[Backend::CommandComplete(CommandComplete::new("COMMIT"))]).await;
        server.ready(TransactionStatus::Idle).await;
        server
    };
    let client = async {
        let mut transaction = c.begin().await?;
        transaction.track();
        assert_eq!(transaction.execute(&typed, ()).await?, 1);
        transaction.commit().await
    };
    let (server, outcome) = tokio::join!(script, client);
    drop(server);
    outcome
}

/// A row of an answer, of values that a server may give.
fn which(values: &[Option<&[u8]>], status: TransactionStatus, asides: bool) -> Vec<u8> {
    let aside = |out: &mut BytesMut| {
        if asides {
            server::notice_response(out, &[(FieldCode::MESSAGE, "by the way")]).unwrap();
            Backend::ParameterStatus(ParameterStatus::new("TimeZone", "UTC")).encode(out).unwrap();
        }
    };
    bytes(|out| {
        aside(out);
        let columns: Vec<_> = values.iter().map(|_| ("x", 25, FormatCode::Text)).collect();
        server::row_description(out, &columns)?;
        aside(out);
        server::data_row(out, values)?;
        aside(out);
        Backend::CommandComplete(CommandComplete::new("SELECT 1")).encode(out)?;
        aside(out);
        Backend::ReadyForQuery(status).encode(out)
    })
}

#[tokio::test]
async fn wire_11_what_is_asked_behind_a_statement_is_answered_in_any_pieces_and_with_asides() {
    deadline(async {
        let good: [Option<&[u8]>; 4] = [Some(b"1234"), Some(b"77"), Some(b"00000001"), Some(b"00ff")];
        for asides in [false, true] {
            let answer = which(&good, TransactionStatus::InTransaction, asides);
            for cut in 0..=answer.len() {
                answered(answer.clone(), cut).await.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn wire_09_nonsense_behind_a_statement_never_becomes_anybodys_answer() {
    deadline(async {
        // Values that say nothing: the transaction is committed, and nobody knows its number.
        let nothings: [&[Option<&[u8]>]; 5] = [
            &[Some(b"no number"), Some(b"1"), Some(b"1"), Some(b"1")],
            &[Some(b"18446744073709551616"), Some(b"1"), Some(b"1"), Some(b"1")],
            &[None, None, None, None],
            &[Some(b"12")],
            &[Some(b"12"), Some(b"\xff"), Some(b"1"), Some(b"1"), Some(b"more")],
        ];
        for values in nothings {
            answered(which(values, TransactionStatus::InTransaction, false), 0).await.unwrap();
        }
        let mut refused = error("ERROR", "42501", "not for you");
        refused.extend(bytes(|out| Backend::ReadyForQuery(TransactionStatus::InTransaction).encode(out)));
        answered(refused, 3).await.unwrap();
        // Replies that are not due, and ones that never end.
        let not_due = bytes(|out| Backend::BindComplete.encode(out));
        let row_first = bytes(|out| server::data_row(out, &[Some(b"1")]));
        let copy = bytes(|out| server::copy_response(out, server::CopyDirection::In, FormatCode::Text, 1));
        for answer in [not_due, row_first, copy] {
            let error = answered(answer, 0).await.unwrap_err();
            assert!(error.is_closed() && !error.outcome_unknown(), "COMMIT was not sent: {error:?}");
        }
    })
    .await;
}
