//! The last statements of a transaction together with its COMMIT.

use cornac::pipeline::{execute, fetch_all, fetch_value};
use cornac::{Client, Connection, ErrorKind, SqlState, Statement, StatementMode, TransactionStatus};
use cornac_tests::{TestDatabase, connect_watched, deadline, shared, still_usable};

const ADD: &str = "INSERT INTO item VALUES ($1)";
const COUNT: &str = "SELECT count(*) FROM item";

/// A connection to a database of its own that has a table.
async fn with_table(columns: &str) -> (TestDatabase, Connection) {
    let database = shared().database().await;
    let mut connection = database.connect().await;
    connection.simple_query(&format!("CREATE TABLE item ({columns})")).await.unwrap();
    (database, connection)
}

async fn count(connection: &mut Connection) -> i64 {
    connection.fetch_value(COUNT, ()).await.unwrap()
}

#[tokio::test]
async fn the_last_statements_and_commit_are_one_round_trip() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        c.simple_query("CREATE TABLE item (id int4)").await.unwrap();
        flights.take();
        let transaction = c.begin().await.unwrap();
        assert_eq!(transaction.commit_with((execute(ADD, (1,)),)).await.unwrap(), (1,));
        assert_eq!(flights.take(), ["PDSPDS", "PBEBEBES"], "what is new is described first, all in one");
        // Two statements, the second with COMMIT.
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(ADD, (2,)).await.unwrap();
        let (items,) = transaction.commit_with((fetch_value::<i64, _, _>(COUNT, ()),)).await.unwrap();
        assert_eq!(items, 2);
        assert_eq!(flights.take(), ["PBEBES", "PDS", "BEBES"]);
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(ADD, (3,)).await.unwrap();
        transaction.commit_with((fetch_value::<i64, _, _>(COUNT, ()),)).await.unwrap();
        assert_eq!(flights.take(), ["PBEBES", "BEBES"]);
        // All of them.
        let transaction = c.begin().await.unwrap();
        let requests = (
            execute(ADD, (4,)),
            fetch_all::<(i32,), _, _>(Statement::new("SELECT id FROM item ORDER BY id"), ()),
        );
        let (added, items) = transaction.commit_with(requests).await.unwrap();
        assert_eq!((added, items), (1, vec![(1,), (2,), (3,), (4,)]));
        assert_eq!(flights.take(), ["PDS", "PBEBEBEBES"]);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_fails_leaves_nothing_and_its_error_is_the_one() {
    deadline(async {
        let (_database, mut c) = with_table("id int4 PRIMARY KEY").await;
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(ADD, (1,)).await.unwrap();
        let error = transaction
            .commit_with((execute(ADD, (2,)), execute(ADD, (1,)), execute(ADD, (3,))))
            .await
            .unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::UNIQUE_VIOLATION), "{error}");
        assert!(!error.outcome_unknown());
        assert_eq!(count(&mut c).await, 0);
        assert_eq!(c.transaction_status(), TransactionStatus::Idle);
        // Found before anything is sent.
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(ADD, (1,)).await.unwrap();
        let error = transaction.commit_with((execute(ADD, (vec![1],)),)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Parameter(_)), "{error:?}");
        assert_eq!(count(&mut c).await, 0);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn tx_01_a_commit_with_statements_that_the_server_refuses_is_its_error() {
    deadline(async {
        let (_database, mut c) = with_table("id int4 UNIQUE DEFERRABLE INITIALLY DEFERRED").await;
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(ADD, (1,)).await.unwrap();
        let error = transaction.commit_with((execute(ADD, (1,)),)).await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::UNIQUE_VIOLATION), "{error}");
        assert_eq!(count(&mut c).await, 0);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn tx_02_what_has_failed_before_is_not_committed_with_more() {
    deadline(async {
        let (_database, mut c) = with_table("id int4").await;
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(ADD, (1,)).await.unwrap();
        transaction.execute("SELECT 1 / 0", ()).await.unwrap_err();
        let error = transaction.commit_with((execute(ADD, (2,)),)).await.unwrap_err();
        let ErrorKind::RolledBack(Some(cause)) = error.kind() else { panic!("{error:?}") };
        assert_eq!(cause.code(), Some(SqlState::DIVISION_BY_ZERO));
        assert_eq!(count(&mut c).await, 0);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_was_ended_by_sql_is_not_committed_with_more() {
    deadline(async {
        let (_database, mut c) = with_table("id int4").await;
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(ADD, (1,)).await.unwrap();
        transaction.execute("ROLLBACK", ()).await.unwrap();
        let error = transaction.commit_with((execute(ADD, (2,)),)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
        assert_eq!(count(&mut c).await, 0);
        // By the statements themselves.
        let transaction = c.begin().await.unwrap();
        let requests = (execute(ADD, (1,)), execute("ROLLBACK", ()), execute(ADD, (2,)));
        let error = transaction.commit_with(requests).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_in_another_one_is_released_with_its_last_statements() {
    deadline(async {
        let (_database, mut c) = with_table("id int4").await;
        let mut outer = c.begin().await.unwrap();
        let inner = outer.begin().await.unwrap();
        assert_eq!(
            inner.commit_with((execute(ADD, (1,)), fetch_value::<i64, _, _>(COUNT, ()))).await.unwrap(),
            (1, 1)
        );
        let inner = outer.begin().await.unwrap();
        inner.commit_with((execute(ADD, (2,)), execute("SELECT 1 / 0", ()))).await.unwrap_err();
        let mut inner = outer.begin().await.unwrap();
        inner.execute("SELECT 1 / 0", ()).await.unwrap_err();
        let error = inner.commit_with((execute(ADD, (3,)),)).await.unwrap_err();
        let ErrorKind::RolledBack(Some(cause)) = error.kind() else { panic!("{error:?}") };
        assert_eq!(cause.code(), Some(SqlState::DIVISION_BY_ZERO));
        assert_eq!(outer.commit_with((fetch_value::<i64, _, _>(COUNT, ()),)).await.unwrap(), (1,));
        assert_eq!(count(&mut c).await, 1);
        // Ended by SQL: nothing more is run, least of all by itself.
        let mut outer = c.begin().await.unwrap();
        let mut inner = outer.begin().await.unwrap();
        inner.execute("COMMIT", ()).await.unwrap();
        let error = inner.commit_with((execute(ADD, (4,)),)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
        drop(outer);
        assert_eq!(count(&mut c).await, 1);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_an_error_of_what_is_committed() {
    deadline(async {
        let (_database, mut c) = with_table("id int4").await;
        let transaction = c.begin().await.unwrap();
        let error = transaction
            .commit_with((fetch_value::<String, _, _>("INSERT INTO item VALUES (1) RETURNING id", ()),))
            .await
            .unwrap_err();
        assert!(!error.outcome_unknown() && error.sql_state().is_none(), "{error:?}");
        assert_eq!(count(&mut c).await, 1);
        // What simple mode cannot do is said before anything is sent.
        let transaction = c.begin().await.unwrap();
        let simple = Statement::new("INSERT INTO item VALUES (2)").mode(StatementMode::Simple);
        let error = transaction.commit_with((execute(simple, ()),)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
        assert_eq!(count(&mut c).await, 1);
        still_usable(&mut c).await;
    })
    .await;
}
