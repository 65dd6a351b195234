//! The timeouts that servers have of their own, on the server that is there and on the newest.

use std::time::Duration;

use cornac_conn::{Client, Connection, Error, ErrorKind, ServerTimeout, SqlState, TransactionStatus};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, ServerBinaries, deadline, provision, still_usable};

/// Waits until no backend of `process_id` is left.
async fn wait_until_ended(observer: &mut Connection, process_id: i32) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    while observer.fetch_value::<i64, _>(sql, (process_id,)).await.unwrap() > 0 {}
}

/// A session that ended with the server's `timeout`, `code` and words; what `request` says of the request that met it.
async fn assert_ended(connection: &mut Connection, request: &Error, timeout: ServerTimeout, code: SqlState) {
    assert_eq!((request.server_timeout(), request.sql_state()), (Some(timeout), Some(code)), "{request}");
    let ErrorKind::Closed(_) = request.kind() else { panic!("{request}") };
    assert!(request.is_transient(), "{request}");
    assert!(connection.is_closed() && !connection.is_idle());
    let later = connection.execute("SELECT 1", ()).await.unwrap_err();
    assert_eq!(later.server_timeout(), Some(timeout), "{later}");
    assert!(later.may_retry(), "{later}");
}

/// A session with `setting` at 50 ms.
async fn connect_with(cluster: &Cluster, setting: &str) -> Connection {
    let config = cluster.config(SUPERUSER).options(format!("-c {setting}=50ms"));
    Connection::connect(&config).await.unwrap()
}

async fn statement_timeouts_leave_the_connection(cluster: &Cluster) {
    let mut connection = connect_with(cluster, "statement_timeout").await;
    let error = connection.execute("SELECT pg_sleep(60)", ()).await.unwrap_err();
    assert_eq!(error.server_timeout(), Some(ServerTimeout::Statement), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Server(_)) && !error.is_closed(), "{error}");
    assert!(!error.outcome_unknown());
    still_usable(&mut connection).await;
    // In a transaction, that is what failed.
    connection.execute("BEGIN", ()).await.unwrap();
    connection.execute("SELECT pg_sleep(60)", ()).await.unwrap_err();
    assert_eq!(connection.transaction_status(), TransactionStatus::Failed);
    connection.execute("ROLLBACK", ()).await.unwrap();
    still_usable(&mut connection).await;
    // Our own deadline, and somebody's cancel, are none of the server's timeouts, though the code is the same.
    connection.execute("SET statement_timeout = 0", ()).await.unwrap();
    connection.set_statement_timeout(Some(Duration::from_millis(50)));
    let error = connection.execute("SELECT pg_sleep(60)", ()).await.unwrap_err();
    assert_eq!(
        (error.sql_state(), error.server_timeout()),
        (Some(SqlState::QUERY_CANCELED), None),
        "{error}"
    );
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
    connection.set_statement_timeout(None);
    let error =
        connection.execute("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(9)", ()).await.unwrap_err();
    assert_eq!(
        (error.sql_state(), error.server_timeout()),
        (Some(SqlState::QUERY_CANCELED), None),
        "{error}"
    );
    still_usable(&mut connection).await;
}

async fn lock_timeouts_leave_the_connection(cluster: &Cluster) {
    let mut holder = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
    holder.simple_query("CREATE TABLE held ()").await.unwrap();
    holder.simple_query("BEGIN; LOCK TABLE held").await.unwrap();
    let mut connection = connect_with(cluster, "lock_timeout").await;
    let error = connection.execute("SELECT FROM held", ()).await.unwrap_err();
    assert_eq!(error.server_timeout(), Some(ServerTimeout::Lock), "{error}");
    assert!(error.may_retry(), "{error}");
    // Not to wait at all is no timeout.
    let error = connection.simple_query("SELECT; LOCK TABLE held NOWAIT").await.unwrap_err();
    assert_eq!(
        (error.sql_state(), error.server_timeout()),
        (Some(SqlState::LOCK_NOT_AVAILABLE), None),
        "{error}"
    );
    still_usable(&mut connection).await;
    holder.simple_query("ROLLBACK; DROP TABLE held").await.unwrap();
}

async fn idle_transactions_end_the_session(cluster: &Cluster, observer: &mut Connection) {
    let mut connection = connect_with(cluster, "idle_in_transaction_session_timeout").await;
    connection.execute("BEGIN", ()).await.unwrap();
    connection.execute("INSERT INTO ledger VALUES (1)", ()).await.unwrap();
    wait_until_ended(observer, connection.process_id().unwrap()).await;
    let error = connection.execute("INSERT INTO ledger VALUES (2)", ()).await.unwrap_err();
    let code = SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
    assert_ended(&mut connection, &error, ServerTimeout::IdleInTransaction, code).await;
    assert!(error.may_retry(), "the server was idle when this came: {error}");
}

async fn idle_sessions_end(cluster: &Cluster, observer: &mut Connection) {
    let mut connection = connect_with(cluster, "idle_session_timeout").await;
    wait_until_ended(observer, connection.process_id().unwrap()).await;
    let error = connection.execute("INSERT INTO ledger VALUES (3)", ()).await.unwrap_err();
    assert_ended(&mut connection, &error, ServerTimeout::IdleSession, SqlState::IDLE_SESSION_TIMEOUT).await;
    assert!(error.may_retry(), "the server was idle when this came: {error}");
}

async fn long_transactions_end_the_session(cluster: &Cluster) {
    let mut connection = connect_with(cluster, "transaction_timeout").await;
    connection.simple_query("BEGIN; INSERT INTO ledger VALUES (4)").await.unwrap();
    let error = connection.execute("SELECT pg_sleep(60)", ()).await.unwrap_err();
    assert_ended(&mut connection, &error, ServerTimeout::Transaction, SqlState::TRANSACTION_TIMEOUT).await;
}

async fn line_08(binaries: ServerBinaries) {
    let options = ClusterOptions { binaries: Some(binaries), ..ClusterOptions::default() };
    let cluster = Cluster::start(&options).unwrap();
    let major: u32 = cluster.version().split('.').next().unwrap().parse().unwrap();
    let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
    observer.simple_query("CREATE TABLE ledger (id int8)").await.unwrap();
    let mut tried = vec!["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
    statement_timeouts_leave_the_connection(&cluster).await;
    lock_timeouts_leave_the_connection(&cluster).await;
    idle_transactions_end_the_session(&cluster, &mut observer).await;
    if major >= 14 {
        idle_sessions_end(&cluster, &mut observer).await;
        tried.push("idle_session_timeout");
    }
    if major >= 17 {
        long_transactions_end_the_session(&cluster).await;
        tried.push("transaction_timeout");
    }
    let rows: i64 = observer.fetch_value("SELECT count(*) FROM ledger", ()).await.unwrap();
    assert_eq!(rows, 0, "nothing of what was ended is there");
    still_usable(&mut observer).await;
    println!("PostgreSQL {}: {}", cluster.version(), tried.join(", "));
}

#[tokio::test]
async fn line_08_the_servers_timeouts_are_told_apart() {
    deadline(line_08(provision(None).unwrap())).await;
}

#[tokio::test]
async fn line_08_the_timeouts_of_the_newest_server_are_told_apart() {
    deadline(line_08(provision(Some("18")).unwrap())).await;
}
