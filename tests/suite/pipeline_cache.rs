//! The statement cache and pipelines: an error is that of its statement, and the cache holds nothing that the server does not have.

use cornac::{Client, Connection, SqlState, Statement};
use cornac_conn::Outcome;
use cornac_tests::{Flights, connect_watched, deadline, shared, still_usable};

/// A statement, a parameter with which it works, one with which it fails if there is one, and how it fails then.
#[derive(Clone, Copy)]
struct Failing {
    sql: &'static str,
    good: &'static str,
    bad: &'static str,
    code: Option<SqlState>,
}

const FINE: [&str; 4] =
    ["SELECT $1::text -- 1", "SELECT $1::text -- 2", "SELECT $1::text -- 3", "SELECT $1::text -- 4"];

/// One that fails at Parse, whatever it is given, one at Bind, one at Execute.
const FAILING: [Failing; 3] = [
    Failing { sql: "SELECT nonsense || $1", good: "", bad: "", code: Some(SqlState::UNDEFINED_COLUMN) },
    Failing {
        sql: "SELECT $1::date::text",
        good: "2026-02-28",
        bad: "no date",
        code: Some(SqlState::INVALID_DATETIME_FORMAT),
    },
    Failing {
        sql: "SELECT (1 / length($1::text))::text",
        good: "x",
        bad: "",
        code: Some(SqlState::DIVISION_BY_ZERO),
    },
];

/// Good ones with bad ones between them.
fn statements() -> Vec<Failing> {
    let fine = FINE.map(|sql| Failing { sql, good: "fine", bad: "fine", code: None });
    let mut all = Vec::new();
    let mut failing = FAILING.into_iter();
    for fine in fine {
        all.push(fine);
        all.extend(failing.next());
    }
    all
}

/// What the server has, the cache has, and nothing else: a statement that is there goes out in one flight, and one that is not in two. Those that ran, or
/// failed while they ran, are there. One whose parameter the server could not read may have been forgotten, since the parameter's type may have changed.
async fn assert_cache_is_true(c: &mut Connection, flights: &Flights, used: &[Failing], round: &str) {
    let kept = Statement::new("SELECT statement FROM pg_prepared_statements").not_cached();
    let kept: Vec<String> = c.fetch_values(&kept, ()).await.unwrap();
    assert!(kept.iter().all(|sql| used.iter().any(|known| known.sql == sql)), "{round}: {kept:?}");
    for Failing { sql, good, code, .. } in used {
        flights.take();
        let answered = c.fetch_value::<String, _>(*sql, (*good,)).await;
        let sent = flights.take();
        let sent: Vec<_> = sent.iter().map(|flight| flight.trim_start_matches('C')).collect();
        if *code == Some(SqlState::UNDEFINED_COLUMN) {
            assert_eq!(answered.unwrap_err().sql_state(), *code);
            assert_eq!(sent, ["PDS"], "{round}: {sql}");
            continue;
        }
        answered.unwrap();
        let is_kept = kept.iter().any(|kept| kept == sql);
        assert!(is_kept || *code == Some(SqlState::INVALID_DATETIME_FORMAT), "{round}: {sql} is gone");
        // Known to the connections of this configuration, it needs no question of its own.
        assert_eq!(sent == ["BES"], is_kept, "{round}: {sql}, {sent:?}");
    }
}

#[tokio::test]
async fn cache_06_an_error_in_a_pipeline_is_that_of_its_statement() {
    deadline(async {
        let database = shared().database().await;
        // The first connection knows nothing; the second what the first has learnt; and each is warm in its second round.
        for connection in ["new to the process", "known to the process"] {
            let (mut c, flights) = connect_watched(database.config()).await.unwrap();
            for round in ["cold", "warm", "warm again"] {
                let round = format!("{connection}, {round}");
                let mut pipeline = c.pipeline();
                for Failing { sql, bad, .. } in statements() {
                    pipeline.push(sql, (bad,));
                }
                let mut results = pipeline.run().await.unwrap();
                for Failing { sql, code, .. } in statements() {
                    match results.fetch_value::<String>().await.unwrap() {
                        Outcome::Done(value) => assert!(code.is_none() && value == "fine", "{round}: {sql}"),
                        Outcome::Failed(error) => {
                            assert_eq!(error.sql_state(), code, "{round}: {error}");
                            assert_eq!(error.statement(), Some(sql), "{round}: {error}");
                        }
                        Outcome::NotRun => panic!("{round}: {sql} stands on its own"),
                    }
                }
                results.finish().await.unwrap();
                assert_cache_is_true(&mut c, &flights, &statements(), &round).await;
            }
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn cache_06_an_error_in_an_atomic_pipeline_is_that_of_its_statement() {
    deadline(async {
        let database = shared().database().await;
        for failing in FAILING {
            let (mut c, flights) = connect_watched(database.config()).await.unwrap();
            for round in ["cold", "warm"] {
                let mut pipeline = c.atomic_pipeline();
                pipeline.push(FINE[0], ("fine",)).push(failing.sql, (failing.bad,)).push(FINE[1], ("fine",));
                let ran = async {
                    let mut results = pipeline.run().await?;
                    assert!(results.fetch_value::<String>().await?.is_done());
                    let failed = results.fetch_value::<String>().await?;
                    assert!(matches!(results.fetch_value::<String>().await?, Outcome::NotRun));
                    results.finish().await?;
                    failed.ok().map(drop)
                };
                let error = ran.await.unwrap_err();
                assert_eq!(error.sql_state(), failing.code, "{round}: {error}");
                assert_eq!(error.statement(), Some(failing.sql), "{round}: {error}");
                let fine = |sql| Failing { sql, good: "fine", bad: "fine", code: None };
                assert_cache_is_true(&mut c, &flights, &[fine(FINE[0]), failing, fine(FINE[1])], round).await;
            }
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn cache_06_a_statement_that_went_stale_fails_once_in_a_pipeline_and_works_then() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let mut stranger = Connection::connect(&database.config().clone().application_name("stranger")).await.unwrap();
        c.simple_query("CREATE TABLE t (a int4); INSERT INTO t VALUES (7)").await.unwrap();
        let read = "SELECT * FROM t";
        assert_eq!(c.fetch_value::<i32, _>(read, ()).await.unwrap(), 7);
        for (change, code) in [
            // The result is no longer what it was, which is found at Bind; what is read is gone; the statement itself is.
            ("ALTER TABLE t ADD COLUMN b int4", SqlState::FEATURE_NOT_SUPPORTED),
            ("ALTER TABLE t RENAME TO gone", SqlState::UNDEFINED_TABLE),
            ("ALTER TABLE gone RENAME TO t", SqlState::INVALID_SQL_STATEMENT_NAME),
        ] {
            if code == SqlState::INVALID_SQL_STATEMENT_NAME {
                stranger.simple_query(change).await.unwrap();
                assert_eq!(c.fetch_value::<i32, _>(read, ()).await.unwrap(), 7);
                // Nothing says that this deallocates.
                c.simple_query("CREATE OR REPLACE FUNCTION forget() RETURNS int4 LANGUAGE plpgsql AS 'BEGIN DEALLOCATE ALL; RETURN 1; END'").await.unwrap();
                assert_eq!(c.fetch_value::<i32, _>(read, ()).await.unwrap(), 7);
                c.simple_query("SELECT forget()").await.unwrap();
            } else {
                stranger.simple_query(change).await.unwrap();
            }
            let mut pipeline = c.pipeline();
            pipeline.push("SELECT 1", ()).push(read, ()).push("SELECT 2", ());
            let mut results = pipeline.run().await.unwrap();
            assert!(matches!(results.fetch_value::<i32>().await.unwrap(), Outcome::Done(1)));
            let failed = results.execute().await.unwrap();
            assert_eq!(failed.error().and_then(cornac::Error::sql_state), Some(code), "{change}: {failed:?}");
            assert!(matches!(results.fetch_value::<i32>().await.unwrap(), Outcome::Done(2)));
            results.finish().await.unwrap();
            if code == SqlState::UNDEFINED_TABLE {
                continue;
            }
            // It is forgotten, so that the next pipeline asks for it anew.
            let mut pipeline = c.pipeline();
            pipeline.push(read, ()).push(read, ());
            let mut results = pipeline.run().await.unwrap();
            for _ in 0..2 {
                assert_eq!(results.execute().await.unwrap().ok().unwrap(), Some(1), "{change}");
            }
            results.finish().await.unwrap();
        }
        still_usable(&mut c).await;
    })
    .await;
}
