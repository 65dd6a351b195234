//! What the verbs promise, on a real server.

use cornac::{
    Client, Connection, Database, Encode, ErrorKind, FromRow, SqlState, Statement, TransactionStatus,
};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, shared, still_usable, wait_until_asleep};

#[derive(Debug, PartialEq, FromRow)]
struct Item {
    id: i32,
    name: Option<String>,
    #[cornac(rename = "cost")]
    price: f64,
}

async fn with_items(connection: &mut Connection) {
    let sql = "CREATE TABLE item (id int4 PRIMARY KEY, name text, cost float8 NOT NULL);
               INSERT INTO item VALUES (1, 'tusk', 2.5), (2, NULL, 0), (3, 'howdah', 90)";
    connection.simple_query(sql).await.unwrap();
}

#[tokio::test]
async fn rows_become_tuples_structs_and_values() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let tusk = Item { id: 1, name: Some("tusk".to_owned()), price: 2.5 };
        // The columns in another order, and one that nobody asked for.
        let sql = "SELECT cost, 'extra' AS extra, name, id FROM item WHERE id = $1";
        assert_eq!(c.fetch_one::<Item, _>(sql, (1,)).await.unwrap(), tusk);
        assert_eq!(c.fetch_optional::<Item, _>(sql, (9,)).await.unwrap(), None);
        let all: Vec<Item> = c.fetch_all("SELECT id, name, cost FROM item ORDER BY id", ()).await.unwrap();
        assert_eq!((all.len(), &all[0]), (3, &tusk));
        let names: Vec<Option<String>> =
            c.fetch_values("SELECT name FROM item ORDER BY id", ()).await.unwrap();
        assert_eq!(names[1], None);
        let sum: f64 = c.fetch_value("SELECT sum(cost) FROM item", ()).await.unwrap();
        assert!((sum - 92.5).abs() < f64::EPSILON);
        let missing = c.fetch_all::<Item, _>("SELECT id, name FROM item", ()).await.unwrap_err();
        assert_eq!(missing.to_string(), r#"the result has no column "cost"; it has "id", "name""#);
        let doubled = c.fetch_all::<Item, _>("SELECT id, id, name, cost FROM item", ()).await.unwrap_err();
        assert_eq!(doubled.to_string(), r#"the result has two columns "id"; rename one with AS"#);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn one_row_means_one_row() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let none = c.fetch_one::<(i32,), _>("SELECT id FROM item WHERE id = $1", (9,)).await.unwrap_err();
        assert!(matches!(none.kind(), ErrorKind::NoRows), "{none}");
        for sql in ["SELECT id FROM item", "SELECT n FROM generate_series(1, 100000) n"] {
            let many = c.fetch_one::<(i32,), _>(sql, ()).await.unwrap_err();
            assert!(matches!(many.kind(), ErrorKind::TooManyRows), "{many}");
            let many = c.fetch_optional::<(i32,), _>(sql, ()).await.unwrap_err();
            assert!(matches!(many.kind(), ErrorKind::TooManyRows), "{many}");
            let many = c.fetch_value::<i32, _>(sql, ()).await.unwrap_err();
            assert!(matches!(many.kind(), ErrorKind::TooManyRows), "{many}");
        }
        let null = c.fetch_value::<String, _>("SELECT name FROM item WHERE id = 2", ()).await.unwrap_err();
        assert_eq!(
            null.to_string(),
            r#"column 1 "name" is NULL, which String cannot hold; ask for Option<String>"#
        );
        let nothing = c.fetch_value::<i32, _>("SET work_mem = '4MB'", ()).await.unwrap_err();
        assert_eq!(nothing.to_string(), "the statement returns no columns, and 1 were asked for");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn execute_counts_rows() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        for (sql, rows) in [
            ("UPDATE item SET cost = cost + 1", 3),
            ("DELETE FROM item WHERE id > 1", 2),
            ("SELECT * FROM item", 1),
            ("INSERT INTO item VALUES (7, 'x', 1), (8, 'y', 1)", 2),
            ("CREATE TABLE other ()", 0),
            ("", 0),
            ("-- only a comment", 0),
        ] {
            assert_eq!(c.execute(sql, ()).await.unwrap(), rows, "{sql}");
        }
        let two = c.execute("SELECT 1; SELECT 2", ()).await.unwrap_err();
        assert_eq!(two.sql_state(), Some(SqlState::SYNTAX_ERROR));
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn parameters_may_be_collected_at_run_time() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let (id, name) = (7, String::from("tusk"));
        let params: Vec<&(dyn Encode + Sync)> = vec![&id, &name];
        let back: (i32, String) = c.fetch_one("SELECT $1::int4, $2::text", params.as_slice()).await.unwrap();
        assert_eq!(back, (7, "tusk".to_owned()));
        let sum: i32 = c.fetch_value("SELECT $1::int4 + $2::int4", [3, 4]).await.unwrap();
        assert_eq!(sum, 7);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_prepared_statement_serves_until_it_is_dropped() {
    deadline(async {
        let database = shared().database().await;
        let config = database.config().clone().statement_cache_capacity(0);
        let mut c = Connection::connect(&config).await.unwrap();
        let add = c.prepare("SELECT $1::int4 + 1 AS sum").await.unwrap();
        assert_eq!(add.parameter_types(), [cornac::types::Type::INT4]);
        assert_eq!(add.columns().get(0).map(cornac::types::Column::name), Some("sum"));
        for number in 0..10 {
            assert_eq!(c.fetch_value::<i32, _>(&add, (number,)).await.unwrap(), number + 1);
        }
        let count = Statement::new("SELECT count(*) FROM pg_prepared_statements").not_cached();
        assert_eq!(c.fetch_value::<i64, _>(&count, ()).await.unwrap(), 1);
        let mut other = database.connect().await;
        assert_eq!(other.fetch_value::<i32, _>(&add, (1,)).await.unwrap(), 2, "it works anywhere");
        drop(add);
        assert_eq!(c.fetch_value::<i64, _>(&count, ()).await.unwrap(), 0, "the server has forgotten it");
        let wrong = c.prepare("SELECT nonsense").await.unwrap_err();
        assert_eq!(wrong.sql_state(), Some(SqlState::UNDEFINED_COLUMN));
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn rows_are_lent_one_by_one_and_may_be_left() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let mut rows = c.rows("SELECT n, 'row ' || n FROM generate_series(1, 1000) n", ()).await.unwrap();
        let mut seen = 0;
        while let Some(row) = rows.next().await.unwrap() {
            seen += 1;
            let (number, text): (i32, &str) = (row.get(0).unwrap(), row.get(1).unwrap());
            assert_eq!((number, text), (seen, &*format!("row {seen}")));
        }
        assert_eq!((seen, rows.rows_affected()), (1000, 1000));
        drop(rows);
        let mut left = c.rows("SELECT generate_series(1, 100000)", ()).await.unwrap();
        assert!(left.next().await.unwrap().is_some());
        drop(left);
        let mut failing = c.rows("SELECT 10 / (5 - n) FROM generate_series(1, 9) n", ()).await.unwrap();
        let mut good = 0;
        let error = loop {
            match failing.next().await {
                Ok(Some(_)) => good += 1,
                Ok(None) => panic!("division by zero is an error"),
                Err(error) => break error,
            }
        };
        assert_eq!((good, error.sql_state()), (4, Some(SqlState::DIVISION_BY_ZERO)));
        drop(failing);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_simple_query_gives_all_results() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let results = c
            .simple_query("SELECT 1 AS a, 'x' AS b; CREATE TABLE t (i int); ; INSERT INTO t VALUES (1), (2)")
            .await
            .unwrap();
        let tags: Vec<_> = results.iter().map(|result| (result.tag.as_str(), result.rows_affected)).collect();
        assert_eq!(tags, [("SELECT 1", Some(1)), ("CREATE TABLE", None), ("INSERT 0 2", Some(2))]);
        let (a, b): (i32, String) = results[0].rows[0].decode().unwrap();
        assert_eq!((a, b.as_str()), (1, "x"));
        assert!(results[1].columns.is_none());
        assert_eq!(c.simple_query("").await.unwrap().len(), 1);
        let failed = c
            .simple_query("INSERT INTO t VALUES (3); SELECT 1/0; INSERT INTO t VALUES (4)")
            .await
            .unwrap_err();
        assert_eq!(failed.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
        let count: i64 = c.fetch_value("SELECT count(*) FROM t", ()).await.unwrap();
        assert_eq!(count, 2, "statements of one string are one transaction");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn copy_in_the_wrong_verb_is_an_error_and_nothing_worse() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE t (i int)").await.unwrap();
        for sql in ["COPY t FROM STDIN", "COPY (SELECT generate_series(1, 1000)) TO STDOUT"] {
            let refused = c.execute(sql, ()).await.unwrap_err();
            assert!(matches!(refused.kind(), ErrorKind::Usage(_)), "{refused}");
            still_usable(&mut c).await;
            let refused = c.simple_query(sql).await.unwrap_err();
            assert!(matches!(refused.kind(), ErrorKind::Usage(_)), "{refused}");
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_transaction_status_is_the_servers() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        assert_eq!(c.transaction_status(), TransactionStatus::Idle);
        c.execute("BEGIN", ()).await.unwrap();
        assert_eq!(c.transaction_status(), TransactionStatus::InTransaction);
        assert!(!c.is_idle());
        c.execute("SELECT 1/0", ()).await.unwrap_err();
        assert_eq!(c.transaction_status(), TransactionStatus::Failed);
        let refused = c.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        c.execute("ROLLBACK", ()).await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn an_error_says_what_where_and_what_to_do() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let error = c.execute("SELECT id,\n       nam FROM item", ()).await.unwrap_err();
        let full = format!("{error:#}");
        assert_eq!(error.to_string(), r#"ERROR: column "nam" does not exist (SQLSTATE 42703)"#);
        assert!(full.contains("hint: Perhaps you meant to reference the column \"item.name\"."), "{full}");
        assert!(full.contains("statement:        nam FROM item\n                    ^"), "{full}");
        let error = c.execute("INSERT INTO item VALUES ($1, $2, $3)", (1, "again", 1.0)).await.unwrap_err();
        assert_eq!(
            (error.sql_state(), error.constraint()),
            (Some(SqlState::UNIQUE_VIOLATION), Some("item_pkey"))
        );
        let server = error.server().expect("the server said it");
        assert_eq!((server.schema(), server.table()), (Some("public"), Some("item")));
        assert!(!error.is_transient() && !error.outcome_unknown() && !error.is_closed());
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn what_the_server_says_aside_is_kept() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("LISTEN herd").await.unwrap();
        c.execute("SELECT pg_notify('herd', 'moves')", ()).await.unwrap();
        c.simple_query("DO $$ BEGIN RAISE WARNING 'careful'; END $$; SET application_name = 'cornac'")
            .await
            .unwrap();
        let notifications = c.take_notifications().messages;
        assert_eq!((notifications[0].channel.as_str(), notifications[0].payload.as_str()), ("herd", "moves"));
        assert_eq!(Some(notifications[0].process_id), c.process_id());
        assert_eq!(c.take_notices().messages[0].message(), "careful");
        assert_eq!(c.parameter("application_name"), Some("cornac"));
        assert_eq!(c.parameter("client_encoding"), Some("UTF8"));
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn another_encoding_closes_the_connection() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let error = c.simple_query("SET client_encoding = 'LATIN1'").await.unwrap_err();
        assert!(error.to_string().contains(r#"set client_encoding to "LATIN1""#), "{error}");
        assert!(c.is_closed());
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_away_is_noticed() {
    deadline(async {
        let mut cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut c = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        let mut other = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        let pid = c.process_id().unwrap();
        let terminate = async {
            wait_until_asleep(&mut other, pid).await;
            other.execute("SELECT pg_terminate_backend($1)", (pid,)).await
        };
        let sleep = c.execute("SELECT pg_sleep(60)", ());
        let (slept, terminated) = tokio::join!(sleep, terminate);
        terminated.unwrap();
        let slept = slept.unwrap_err();
        assert_eq!(slept.sql_state(), Some(SqlState::ADMIN_SHUTDOWN));
        assert!(slept.outcome_unknown() && slept.is_transient() && !slept.may_retry());
        cluster.stop(cornac_tests::StopMode::Kill).unwrap();
        let gone = other.execute("SELECT 1", ()).await.unwrap_err();
        assert!(gone.is_closed(), "{gone}");
        let closed = other.execute("SELECT 1", ()).await.unwrap_err();
        assert!(closed.is_closed() && closed.may_retry(), "{closed}");
    })
    .await;
}

#[tokio::test]
async fn a_database_is_shared_by_tasks() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        let tasks: Vec<_> = (0..16)
            .map(|number| {
                let db = db.clone();
                tokio::spawn(async move {
                    for round in 0..20 {
                        let asked = number * 100 + round;
                        let answer: i32 = db.fetch_value("SELECT $1::int4", (asked,)).await.unwrap();
                        assert_eq!(answer, asked);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let one: (i32,) = db.fetch_one("SELECT 1", ()).await.unwrap();
        let optional: Option<(i32,)> = db.fetch_optional("SELECT 1 WHERE false", ()).await.unwrap();
        let values: Vec<i32> = db.fetch_values("SELECT generate_series(1, 3)", ()).await.unwrap();
        assert_eq!((one, optional, values), ((1,), None, vec![1, 2, 3]));
        db.close().await.unwrap();
        let closed = db.execute("SELECT 1", ()).await.unwrap_err();
        assert!(matches!(closed.kind(), ErrorKind::Checkout(_)) && !closed.is_transient(), "{closed}");
    })
    .await;
}
