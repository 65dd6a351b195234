//! Transactions: how they begin, nest and end.

use cornac::copy::{CopyOptions, CopySource};
use cornac::{Client, Database, ErrorKind, SqlState, TransactionOptions, TransactionStatus, pipeline};
use cornac_tests::{deadline, shared, still_usable};

const NONE: [i32; 0] = [];

async fn with_table(db: &Database) {
    db.simple_query("CREATE TABLE t (id int4 PRIMARY KEY)").await.unwrap();
}

async fn ids(client: &mut impl Client) -> Vec<i32> {
    client.fetch_values("SELECT id FROM t ORDER BY id", ()).await.unwrap()
}

#[tokio::test]
async fn every_isolation_level_and_mode_is_what_the_server_says_it_is() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let new = TransactionOptions::new;
        let cases = [
            (new(), "read committed", "off", "off"),
            (new().read_uncommitted(), "read uncommitted", "off", "off"),
            (new().read_committed().read_only(), "read committed", "on", "off"),
            (new().repeatable_read(), "repeatable read", "off", "off"),
            (new().serializable().read_write(), "serializable", "off", "off"),
            (new().serializable().read_only().deferrable(), "serializable", "on", "on"),
            (new().serializable().not_deferrable(), "serializable", "off", "off"),
        ];
        for (options, level, read_only, deferrable) in cases {
            let mut tx = c.begin_with(options).await.unwrap();
            let sql =
                "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'),
                              current_setting('transaction_deferrable')";
            let settings: (String, String, String) = tx.fetch_one(sql, ()).await.unwrap();
            let expected = (level.to_owned(), read_only.to_owned(), deferrable.to_owned());
            assert_eq!(settings, expected, "{options}");
            tx.commit().await.unwrap();
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_read_only_transaction_refuses_writes() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_table(&db).await;
        let mut tx = db.begin_with(TransactionOptions::new().read_only()).await.unwrap();
        let refused = tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::READ_ONLY_SQL_TRANSACTION));
    })
    .await;
}

#[tokio::test]
async fn repeatable_read_sees_one_moment() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_table(&db).await;
        let mut tx = db.begin_with(TransactionOptions::new().repeatable_read()).await.unwrap();
        assert_eq!(ids(&mut tx).await, NONE);
        db.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        assert_eq!(ids(&mut tx).await, NONE);
        tx.commit().await.unwrap();
        let mut c = db.checkout().await.unwrap();
        assert_eq!(ids(&mut c).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn tx_01_an_error_fails_the_transaction_until_it_is_rolled_back() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_table(&db).await;
        let mut c = db.checkout().await.unwrap();
        let mut tx = c.begin().await.unwrap();
        tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        let failed = tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap_err();
        assert_eq!(failed.sql_state(), Some(SqlState::UNIQUE_VIOLATION));
        let refused = tx.execute("INSERT INTO t VALUES (2)", ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        // The reason is remembered, not that it has failed.
        assert_eq!(tx.failure().unwrap().code(), Some(SqlState::UNIQUE_VIOLATION));
        tx.rollback().await.unwrap();
        still_usable(&mut c).await;

        // A savepoint saves the outer one.
        let mut tx = c.begin().await.unwrap();
        tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        let mut inner = tx.begin().await.unwrap();
        inner.execute("INSERT INTO t VALUES (1)", ()).await.unwrap_err();
        inner.rollback().await.unwrap();
        tx.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(ids(&mut c).await, [1, 2]);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn savepoints_nest_and_each_is_committed_or_rolled_back_alone() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_table(&db).await;
        let mut c = db.checkout().await.unwrap();
        // The outer one has run nothing when the inner one begins.
        let mut tx = c.begin().await.unwrap();
        let mut one = tx.begin().await.unwrap();
        one.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        let mut two = one.begin().await.unwrap();
        two.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
        let mut three = two.begin().await.unwrap();
        three.execute("INSERT INTO t VALUES (3)", ()).await.unwrap();
        three.commit().await.unwrap();
        drop(two);
        let mut four = one.begin().await.unwrap();
        four.execute("INSERT INTO t VALUES (4)", ()).await.unwrap();
        four.commit().await.unwrap();
        one.commit().await.unwrap();
        let unused = tx.begin().await.unwrap();
        unused.commit().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(ids(&mut c).await, [1, 4]);
        // A savepoint that is committed after a failure is rolled back, and says why.
        let mut tx = c.begin().await.unwrap();
        tx.execute("INSERT INTO t VALUES (5)", ()).await.unwrap();
        let mut inner = tx.begin().await.unwrap();
        inner.execute("INSERT INTO t VALUES (6)", ()).await.unwrap();
        inner.execute("INSERT INTO t VALUES (5)", ()).await.unwrap_err();
        let error = inner.commit().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RolledBack(Some(_))), "{error}");
        assert_eq!(error.sql_state(), Some(SqlState::UNIQUE_VIOLATION));
        tx.commit().await.unwrap();
        assert_eq!(ids(&mut c).await, [1, 4, 5]);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn tx_02_the_commit_of_a_failed_transaction_is_an_error_that_says_what_failed() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_table(&db).await;
        let mut c = db.checkout().await.unwrap();
        for warm in [false, true] {
            // The first statement, or a later one; new to the connection, or not.
            for first in [false, true] {
                let mut tx = c.begin().await.unwrap();
                if !first {
                    tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
                }
                tx.execute("SELECT 1 / 0", ()).await.unwrap_err();
                let error = tx.commit().await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::RolledBack(Some(_))), "{warm} {first}: {error}");
                assert_eq!(error.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
                // One that cannot even be parsed.
                let mut tx = c.begin().await.unwrap();
                if !first {
                    tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
                }
                tx.execute("SELECT nobody FROM nowhere", ()).await.unwrap_err();
                let refused = tx.execute("INSERT INTO t VALUES (2)", ()).await.unwrap_err();
                assert_eq!(refused.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
                let error = tx.commit().await.unwrap_err();
                assert_eq!(error.sql_state(), Some(SqlState::UNDEFINED_TABLE), "{error}");
                still_usable(&mut c).await;
            }
        }
        assert_eq!(ids(&mut c).await, NONE);
    })
    .await;
}

#[tokio::test]
async fn tx_03_a_transaction_that_is_dropped_is_rolled_back_before_anyone_else_comes() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().max_size(1).connect_with(database.config()).await.unwrap();
        with_table(&db).await;
        for round in 0..5 {
            let mut tx = db.begin().await.unwrap();
            match round {
                0 => {}
                1 => drop(tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap()),
                2 => drop(tx.execute("SELECT 1 / 0", ()).await.unwrap_err()),
                3 => {
                    tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
                    let mut rows = tx.rows("SELECT generate_series(1, 100000)", ()).await.unwrap();
                    rows.next().await.unwrap();
                }
                _ => {
                    let mut inner = tx.begin().await.unwrap();
                    inner.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
                    drop(inner);
                }
            }
            drop(tx);
            let mut c = db.checkout().await.unwrap();
            assert_eq!(c.transaction_status(), TransactionStatus::Idle, "round {round}");
            assert_eq!(ids(&mut c).await, NONE, "round {round}");
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn tx_06_a_deferred_constraint_fails_at_commit() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        db.simple_query("CREATE TABLE d (id int4 UNIQUE DEFERRABLE INITIALLY DEFERRED)").await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO d VALUES (1), (1)", ()).await.unwrap();
        let error = tx.commit().await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::UNIQUE_VIOLATION));
        assert_eq!(error.constraint(), Some("d_id_key"));
        assert_eq!(db.fetch_value::<i64, _>("SELECT count(*) FROM d", ()).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn tx_07_sql_that_ends_the_transaction_is_noticed() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_table(&db).await;
        let mut c = db.checkout().await.unwrap();
        let enders = [
            "COMMIT",
            "ROLLBACK",
            "END",
            "ABORT",
            "COMMIT AND CHAIN",
            "ROLLBACK AND CHAIN",
            "COMMIT; BEGIN",
            "ROLLBACK; BEGIN",
        ];
        for sql in enders {
            for commits in [true, false] {
                let mut tx = c.begin().await.unwrap();
                tx.execute("SELECT 1", ()).await.unwrap();
                if sql.contains(';') {
                    tx.connection().simple_query(sql).await.unwrap();
                } else {
                    tx.execute(sql, ()).await.unwrap();
                }
                let ended = if commits { tx.commit().await } else { tx.rollback().await };
                let ended = ended.unwrap_err();
                assert!(matches!(ended.kind(), ErrorKind::Usage(_)), "{sql}: {ended}");
                still_usable(&mut c).await;
            }
        }
        // What does not end it does no harm.
        for sql in ["BEGIN", "SAVEPOINT a", "SAVEPOINT a; ROLLBACK TO a; RELEASE a"] {
            let mut tx = c.begin().await.unwrap();
            tx.execute("DELETE FROM t", ()).await.unwrap();
            tx.execute("INSERT INTO t VALUES (7)", ()).await.unwrap();
            tx.connection().simple_query(sql).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(ids(&mut c).await, [7], "{sql}");
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn tx_09_a_prepared_transaction_is_committed_from_elsewhere() {
    deadline(async {
        let cluster = cornac_tests::Cluster::start(&cornac_tests::ClusterOptions {
            settings: vec![("max_prepared_transactions".into(), "2".into())],
            ..Default::default()
        })
        .unwrap();
        let db = Database::connect_with(&cluster.config(cornac_tests::SUPERUSER)).await.unwrap();
        with_table(&db).await;
        let mut c = db.checkout().await.unwrap();
        let pid = c.process_id().unwrap();
        let mut tx = c.begin().await.unwrap();
        tx.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
        tx.execute("PREPARE TRANSACTION 'one'", ()).await.unwrap();
        let ended = tx.commit().await.unwrap_err();
        assert!(matches!(ended.kind(), ErrorKind::Usage(_)), "{ended}");
        assert_eq!(c.transaction_status(), TransactionStatus::Idle);
        db.execute("SELECT pg_terminate_backend($1, 10000)", (pid,)).await.unwrap();
        drop(c);
        let mut other = db.checkout().await.unwrap();
        assert_eq!(ids(&mut other).await, NONE);
        other.execute("COMMIT PREPARED 'one'", ()).await.unwrap();
        assert_eq!(ids(&mut other).await, [1]);
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn copy_and_pipelines_are_verbs_of_a_transaction() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        db.simple_query("CREATE TABLE item (id int4, name text)").await.unwrap();
        for commits in [false, true] {
            let mut tx = db.begin().await.unwrap();
            let records = (0..1000).map(|id| (id, "loaded"));
            assert_eq!(tx.copy_records_to_table("item", &["id", "name"], records).await.unwrap(), 1000);
            let mut copy = tx.copy_in("item", &["id", "name"], &CopyOptions::csv()).await.unwrap();
            copy.send("1000,sent\n").await.unwrap();
            assert_eq!(copy.finish().await.unwrap(), 1);
            let mut batch = tx.batch("INSERT INTO item VALUES ($1, 'batch')").await.unwrap();
            batch.send((1001,)).await.unwrap();
            assert_eq!(batch.finish().await.unwrap(), 1);
            let requests = (
                pipeline::execute("UPDATE item SET name = 'seen' WHERE id < $1", (10,)),
                pipeline::fetch_value::<i64, _, _>("SELECT count(*) FROM item WHERE name = 'seen'", ()),
            );
            assert_eq!(tx.run_atomically(requests).await.unwrap(), (10, 10));
            let mut rows = tx
                .copy_rows::<(i32, String)>(CopySource::query("SELECT * FROM item WHERE id >= 999"))
                .await
                .unwrap();
            let mut names = Vec::new();
            while let Some((_, name)) = rows.next().await.unwrap() {
                names.push(name);
            }
            drop(rows);
            assert_eq!(names, ["loaded", "sent", "batch"]);
            // An inner one takes its own back.
            let mut inner = tx.begin().await.unwrap();
            inner.copy_records_to_table("item", &["id"], [(5000,)]).await.unwrap();
            inner.rollback().await.unwrap();
            if commits {
                tx.commit().await.unwrap();
            } else {
                tx.rollback().await.unwrap();
            }
            let count: i64 = db.fetch_value("SELECT count(*) FROM item", ()).await.unwrap();
            assert_eq!(count, if commits { 1002 } else { 0 });
        }
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}
