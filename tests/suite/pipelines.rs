//! Pipelines and batches on a real server.

use cornac::{Client, Connection, Encode, ErrorKind, SqlState, Statement, StatementMode};
use cornac_conn::{Outcome, pipeline};
use cornac_tests::{deadline, shared, still_usable};

async fn with_ledger(connection: &mut Connection) {
    let sql = "CREATE TABLE ledger (id int8 PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, note text)";
    connection.simple_query(sql).await.unwrap();
}

async fn ledger_len(connection: &mut Connection) -> i64 {
    connection.fetch_value("SELECT count(*) FROM ledger", ()).await.unwrap()
}

#[tokio::test]
async fn statements_of_a_pipeline_stand_on_their_own() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_ledger(&mut c).await;
        for round in ["cold", "warm"] {
            let (one, failed, inserted, wrong, rows) = c
                .run_pipeline((
                    pipeline::fetch_value::<i32, _, _>("SELECT $1::int4 + 1", (1,)),
                    pipeline::execute("SELECT 1 / $1::int4", (0,)),
                    pipeline::execute("INSERT INTO ledger VALUES ($1, $2), ($1 + 1, $2)", (10_i64, round)),
                    pipeline::execute("SELECT nonsense", ()),
                    pipeline::fetch_all::<(i64, String), _, _>("SELECT id, note FROM ledger ORDER BY id", ()),
                ))
                .await
                .unwrap();
            assert!(matches!(one, Outcome::Done(2)), "{round}: {one:?}");
            assert_eq!(failed.error().unwrap().sql_state(), Some(SqlState::DIVISION_BY_ZERO));
            assert!(matches!(inserted, Outcome::Done(2)), "{round}: {inserted:?}");
            assert_eq!(wrong.error().unwrap().sql_state(), Some(SqlState::UNDEFINED_COLUMN));
            assert_eq!(rows.done().unwrap(), [(10, round.to_owned()), (11, round.to_owned())]);
            c.execute("DELETE FROM ledger", ()).await.unwrap();
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn an_atomic_pipeline_has_its_whole_effect_or_none() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_ledger(&mut c).await;
        let insert = "INSERT INTO ledger VALUES ($1, 'atomic')";
        let done = c
            .run_atomically((pipeline::execute(insert, (1_i64,)), pipeline::execute(insert, (2_i64,))))
            .await;
        assert_eq!(done.unwrap(), (1, 1));
        let failed = c
            .run_atomically((
                pipeline::execute(insert, (3_i64,)),
                pipeline::execute("SELECT 1 / $1::int4", (0,)),
                pipeline::execute(insert, (4_i64,)),
            ))
            .await
            .unwrap_err();
        assert_eq!(failed.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
        assert_eq!(ledger_len(&mut c).await, 2);
        // The constraint is looked at when all is committed: every statement is done, and nothing stays.
        let deferred = c
            .run_atomically((pipeline::execute(insert, (5_i64,)), pipeline::execute(insert, (1_i64,))))
            .await;
        assert_eq!(deferred.unwrap_err().sql_state(), Some(SqlState::UNIQUE_VIOLATION));
        let unfit =
            c.run_atomically((pipeline::execute(insert, (6_i64,)), pipeline::execute(insert, (true,)))).await;
        let unfit = unfit.unwrap_err();
        assert!(matches!(unfit.kind(), ErrorKind::Parameter(_)), "{unfit}");
        let misread = c
            .run_atomically((
                pipeline::execute(insert, (7_i64,)),
                pipeline::fetch_value::<bool, _, _>("SELECT 1", ()),
            ))
            .await;
        assert!(matches!(misread.unwrap_err().kind(), ErrorKind::Columns(_)));
        assert_eq!(ledger_len(&mut c).await, 3, "what ran before its result was misread has run");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn behind_a_failed_statement_of_an_atomic_pipeline_nothing_runs() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let mut pipeline = c.atomic_pipeline();
        pipeline.push("SELECT 1", ()).push("SELECT 1 / 0", ()).push("SELECT 3", ()).push("SELECT 4", ());
        assert_eq!(pipeline.len(), 4);
        let mut results = pipeline.run().await.unwrap();
        assert!(matches!(results.fetch_value::<i32>().await.unwrap(), Outcome::Done(1)));
        assert!(matches!(results.fetch_value::<i32>().await.unwrap(), Outcome::Failed(_)));
        assert!(matches!(results.fetch_value::<i32>().await.unwrap(), Outcome::NotRun));
        assert_eq!(results.remaining(), 1);
        results.finish().await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn results_are_read_by_the_verb_that_suits_them() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let numbers = "SELECT n FROM generate_series(1, $1::int4) n";
        let collected: Vec<&(dyn Encode + Sync)> = vec![&2];
        let mut pipeline = c.pipeline();
        for count in [0, 1, 2] {
            pipeline.push(numbers, (count,)).push(numbers, (count,)).push(numbers, (count,));
        }
        pipeline.push(numbers, collected.as_slice()).push("", ()).push("COPY (SELECT 1) TO STDOUT", ());
        pipeline.push(Statement::new("SELECT 1").mode(StatementMode::Unnamed), ());
        let mut results = pipeline.run().await.unwrap();
        let no_rows = results.fetch_one::<(i32,)>().await.unwrap();
        assert!(matches!(no_rows.error().unwrap().kind(), ErrorKind::NoRows));
        assert_eq!(results.fetch_optional::<(i32,)>().await.unwrap().done(), Some(None));
        assert_eq!(results.fetch_values::<i32>().await.unwrap().done(), Some(vec![]));
        assert_eq!(results.fetch_one::<(i32,)>().await.unwrap().done(), Some((1,)));
        assert_eq!(results.fetch_value::<i32>().await.unwrap().done(), Some(1));
        assert_eq!(results.fetch_all::<(i32,)>().await.unwrap().done(), Some(vec![(1,)]));
        let many = results.fetch_value::<i32>().await.unwrap();
        assert!(matches!(many.error().unwrap().kind(), ErrorKind::TooManyRows));
        let misread = results.fetch_all::<(String,)>().await.unwrap();
        assert!(matches!(misread.error().unwrap().kind(), ErrorKind::Columns(_)));
        assert_eq!(results.execute().await.unwrap().done(), Some(2));
        assert_eq!(results.fetch_values::<i32>().await.unwrap().done(), Some(vec![1, 2]));
        assert_eq!(results.execute().await.unwrap().done(), Some(0));
        assert!(matches!(results.execute().await.unwrap().error().unwrap().kind(), ErrorKind::Usage(_)));
        assert_eq!(results.fetch_value::<i32>().await.unwrap().done(), Some(1));
        let none_left = results.execute().await.unwrap_err();
        assert!(matches!(none_left.kind(), ErrorKind::Usage(_)));
        results.finish().await.unwrap();
        assert!(c.pipeline().run().await.unwrap().finish().await.is_ok());
        assert!(c.atomic_pipeline().run().await.unwrap().finish().await.is_ok());
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_loads_all_sets_or_none() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_ledger(&mut c).await;
        let insert = "INSERT INTO ledger VALUES ($1, $2)";
        let loaded = c.execute_many(insert, (0..10_000_i64).map(|id| (id, "many"))).await.unwrap();
        assert_eq!((loaded, ledger_len(&mut c).await), (10_000, 10_000));
        assert_eq!(c.execute_many(insert, Vec::<(i64, &str)>::new()).await.unwrap(), 0);
        // An error of the server in the middle, one at the end, and one of ours.
        let divide = "INSERT INTO ledger SELECT 20000 + 1 / $1::int4, 'x'";
        let failed = c.execute_many(divide, [(1,), (0,), (1,)]).await.unwrap_err();
        assert_eq!((failed.sql_state(), failed.parameter_set()), (Some(SqlState::DIVISION_BY_ZERO), Some(2)));
        assert_eq!(failed.to_string(), "parameter set 2: ERROR: division by zero (SQLSTATE 22012)");
        let deferred = c.execute_many(insert, [(30_000_i64, "a"), (1, "twice")]).await.unwrap_err();
        assert_eq!(deferred.sql_state(), Some(SqlState::UNIQUE_VIOLATION));
        let unfit: Vec<(i64, Option<&str>)> = vec![(40_000, None), (40_001, Some("a\0b"))];
        let unfit = c.execute_many(insert, unfit).await.unwrap_err();
        assert_eq!(unfit.parameter_set(), Some(2), "{unfit}");
        let copy = c.execute_many("COPY ledger FROM STDIN", [()]).await.unwrap_err();
        assert!(matches!(copy.kind(), ErrorKind::Usage(_)), "{copy}");
        assert_eq!(ledger_len(&mut c).await, 10_000);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_inside_of_a_transaction_leaves_it_failed_if_it_fails() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_ledger(&mut c).await;
        let insert = "INSERT INTO ledger VALUES ($1, 'x')";
        let mut transaction = c.begin().await.unwrap();
        transaction.execute_many(insert, [(1_i64,), (2,)]).await.unwrap();
        transaction.execute_many(insert, [(true,)]).await.unwrap_err();
        assert_eq!(
            transaction.execute_many(insert, [(3_i64,)]).await.unwrap(),
            1,
            "nothing of the other was sent"
        );
        let noted = "INSERT INTO ledger VALUES ($1, $2)";
        transaction.execute_many(noted, [(4_i64, "ok"), (5, "a\0b")]).await.unwrap_err();
        let failed = transaction.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(failed.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        let rolled_back = transaction.commit().await.unwrap_err();
        assert!(matches!(rolled_back.kind(), ErrorKind::RolledBack(Some(_))), "{rolled_back}");
        assert_eq!(ledger_len(&mut c).await, 0);
        let mut transaction = c.begin().await.unwrap();
        assert_eq!(transaction.execute_many(insert, [(1_i64,), (2,)]).await.unwrap(), 2);
        transaction.commit().await.unwrap();
        assert_eq!(ledger_len(&mut c).await, 2);
        let mut transaction = c.begin().await.unwrap();
        let mut batch = transaction.connection().batch(insert).await.unwrap();
        batch.send((3_i64,)).await.unwrap();
        drop(batch);
        drop(transaction);
        assert_eq!(ledger_len(&mut c).await, 2);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_begins_with_its_first_statement_and_ends_as_it_is_told() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_ledger(&mut c).await;
        let insert = "INSERT INTO ledger VALUES ($1, 'x')";
        c.begin().await.unwrap().commit().await.unwrap();
        c.begin().await.unwrap().rollback().await.unwrap();
        for id in 0..3_i64 {
            let mut transaction = c.begin().await.unwrap();
            transaction.execute(insert, (id,)).await.unwrap();
            match id {
                0 => transaction.commit().await.unwrap(),
                1 => transaction.rollback().await.unwrap(),
                _ => drop(transaction),
            }
        }
        assert_eq!(ledger_len(&mut c).await, 1);
        let mut transaction = c.begin().await.unwrap();
        let (one, two) = transaction
            .connection()
            .run_pipeline((pipeline::execute(insert, (5_i64,)), pipeline::execute(insert, (6_i64,))))
            .await
            .unwrap();
        assert!(one.is_done() && two.is_done());
        drop(transaction);
        assert_eq!(ledger_len(&mut c).await, 1);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn rows_come_in_portions_of_the_fetch_size() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let sql = Statement::new("SELECT generate_series(1, $1::int4)").fetch_size(7);
        for count in [0, 1, 6, 7, 8, 100] {
            let numbers: Vec<i32> = c.fetch_values(&sql, (count,)).await.unwrap();
            assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        }
        // Left in the middle: the server has made no more than it was asked for, and forgets the rest.
        let mut rows = c.rows(&sql, (1_000_000_000,)).await.unwrap();
        for _ in 0..10 {
            assert!(rows.next().await.unwrap().is_some());
        }
        drop(rows);
        still_usable(&mut c).await;
        let failing = Statement::new("SELECT 10 / (10 - n) FROM generate_series(1, 20) n").fetch_size(4);
        let failed = c.fetch_values::<i32, _>(&failing, ()).await.unwrap_err();
        assert_eq!(failed.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
        let mut stream = c.stream_query::<(i32,), _>(&sql, (20,)).await.unwrap();
        let mut seen = 0;
        while let Some((number,)) = stream.next().await.unwrap() {
            seen += 1;
            assert_eq!(number, seen);
        }
        assert_eq!(seen, 20);
        drop(stream);
        still_usable(&mut c).await;
    })
    .await;
}
