//! What the statement cache holds: no more than it may, and nothing that the server does not have.

use cornac::{Client, Connection, Encode, SqlState, Statement};
use cornac_tests::{connect_watched, deadline, shared, still_usable};

/// How many statements the server keeps for a connection.
async fn kept(c: &mut Connection) -> i64 {
    let count = Statement::new("SELECT count(*) FROM pg_prepared_statements").not_cached();
    c.fetch_value(&count, ()).await.unwrap()
}

/// Bytes of this process that are in memory.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

#[tokio::test]
async fn cache_05_a_thousand_statements_pass_through_a_cache_of_a_hundred() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let server_bytes =
            Statement::new("SELECT sum(total_bytes)::int8 FROM pg_backend_memory_contexts").not_cached();
        let mut first = None;
        for round in 0..3 {
            for number in 0..1000 {
                // Long enough for a leak to show: 4 KiB each.
                let sql = format!("SELECT {round} + {number} + $1::int4 -- {}", "x".repeat(4000));
                assert_eq!(c.fetch_value::<i32, _>(&sql, (1,)).await.unwrap(), round + number + 1);
                if number % 100 == 99 {
                    assert_eq!(kept(&mut c).await, 100, "after {number} in round {round}");
                }
            }
            let at_server: i64 = c.fetch_value(&server_bytes, ()).await.unwrap();
            let (here, there) = *first.get_or_insert((resident_bytes(), at_server));
            // What a thousand leaked statements would take, and more: the text alone is 4 MB.
            assert!(resident_bytes() < here + (3 << 20), "client: {here} bytes, then {}", resident_bytes());
            assert!(at_server < there + (1 << 20), "server: {there} bytes, then {at_server}");
        }
        assert_eq!(kept(&mut c).await, 100);
        still_usable(&mut c).await;
    })
    .await;
}

/// A statement that fails at each stage, with parameters that make it fail, and how it fails.
const FAILING: [(&str, i32, &str); 3] = [
    ("SELECT $1::int4 + nonsense", 0, "42703"),
    ("SELECT $1::int4 / (SELECT 0)", 0, "22012"),
    ("SELECT 1 / $1::int4", 0, "22012"),
];

#[tokio::test]
async fn cache_06_a_failed_statement_leaves_in_the_cache_what_the_server_has() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        for (sql, param, code) in FAILING {
            let before = kept(&mut c).await;
            for _ in 0..3 {
                flights.take();
                let error = c.execute(sql, (param,)).await.unwrap_err();
                assert_eq!(error.sql_state().unwrap().as_str(), code, "{error}");
                assert_eq!(error.statement(), Some(sql));
                if code.starts_with("42") {
                    assert_eq!(flights.take(), ["PDS"], "nothing of it was kept");
                }
            }
            let parsed = i64::from(!code.starts_with("42"));
            assert_eq!(kept(&mut c).await, before + parsed, "{sql}");
        }
        flights.take();
        for _ in 0..3 {
            c.execute("SELECT nonsense", ()).await.unwrap_err();
            assert_eq!(flights.take(), ["PDS"], "nothing of it was kept");
        }
        // At Bind, cold and warm: the text of a parameter that is no date.
        let date = "SELECT $1::date";
        for _ in 0..3 {
            let error = c.execute(date, ("no date",)).await.unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::INVALID_DATETIME_FORMAT));
        }
        flights.take();
        let error = c.execute(date, ("no date",)).await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::INVALID_DATETIME_FORMAT));
        assert_eq!(
            flights.take()[0].trim_start_matches('C'),
            "BES",
            "it is parsed, whatever became of its parameters"
        );
        assert_eq!(c.execute(date, ("2026-02-28",)).await.unwrap(), 1);
        // The server has all that the cache has, and the other way round.
        let names = Statement::new("SELECT statement FROM pg_prepared_statements").not_cached();
        let statements: Vec<String> = c.fetch_values(&names, ()).await.unwrap();
        assert_eq!(statements.len(), 3, "{statements:?}");
        flights.take();
        for sql in statements.iter().filter(|sql| *sql != date) {
            assert_eq!(c.execute(sql, (0,)).await.unwrap_err().sql_state(), Some(SqlState::DIVISION_BY_ZERO));
            assert_eq!(flights.take(), ["BES"]);
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn cache_06_a_statement_known_from_another_connection_may_fail_at_any_stage() {
    deadline(async {
        let database = shared().database().await;
        let mut first = database.connect().await;
        first
            .simple_query("CREATE TABLE t (a int4 CHECK (a > 0)); CREATE VIEW v AS SELECT * FROM t")
            .await
            .unwrap();
        let (read, insert) = ("SELECT 10 / a FROM v WHERE a = $1 OR true", "INSERT INTO v VALUES ($1)");
        assert_eq!(first.execute(read, (1,)).await.unwrap(), 0);
        let wrong = first.execute(insert, (0,)).await.unwrap_err();
        assert_eq!(wrong.sql_state(), Some(SqlState::CHECK_VIOLATION));
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        // At Execute.
        let wrong = c.execute(insert, (0,)).await.unwrap_err();
        assert_eq!(wrong.sql_state(), Some(SqlState::CHECK_VIOLATION));
        assert_eq!(flights.take(), ["PBDES"]);
        let wrong = c.execute(insert, (0,)).await.unwrap_err();
        assert_eq!(
            (wrong.sql_state(), flights.take()),
            (Some(SqlState::CHECK_VIOLATION), vec!["BES".to_owned()])
        );
        // At Parse: what the statement reads has gone, behind the back of all connections of this configuration.
        let apart = database.config().clone().options("-c application_name=stranger");
        Connection::connect(&apart).await.unwrap().simple_query("DROP VIEW v").await.unwrap();
        let gone = c.execute(read, (1,)).await.unwrap_err();
        assert_eq!(gone.sql_state(), Some(SqlState::UNDEFINED_TABLE));
        assert_eq!(flights.take(), ["PBDES", "PDS"]);
        assert_eq!(kept(&mut c).await, 1, "the insert alone, which the server still has");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn cache_08_parameters_that_do_not_fit_are_errors_that_name_them() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        c.simple_query("CREATE TYPE mood AS ENUM ('calm')").await.unwrap();
        let said = |error: cornac::Error| error.to_string();
        // Cold and warm alike.
        for _ in 0..2 {
            let sql = "SELECT $1::int4, $2::text";
            let count = c.execute(sql, (1,)).await.unwrap_err();
            assert_eq!(said(count), "the statement takes 2 parameters, and 1 were given");
            let count = c.execute(sql, (1, "a", 2)).await.unwrap_err();
            assert_eq!(said(count), "the statement takes 2 parameters, and 3 were given");
            let wrong_type = c.execute(sql, (true, "a")).await.unwrap_err();
            assert_eq!(said(wrong_type), "parameter $1 is int4, which bool cannot become");
            let range = c.execute(sql, (i64::MAX, "a")).await.unwrap_err();
            assert!(said(range).starts_with("parameter $1 is int4, which this i64 cannot become: 92233720"));
            let nul = c.execute(sql, (1, "a\0")).await.unwrap_err();
            assert!(said(nul).starts_with("parameter $2 is text, which this"));
            let null = c.fetch_one::<(i32, String), _>(sql, (1, None::<&str>)).await.unwrap_err();
            assert_eq!(
                said(null),
                r#"column 2 "text" is NULL, which String cannot hold; ask for Option<String>"#
            );
            let label = c.execute("SELECT $1::mood", ("angry",)).await.unwrap_err();
            assert_eq!(label.sql_state(), Some(SqlState::INVALID_TEXT_REPRESENTATION));
            assert!(label.server().unwrap().context().unwrap().starts_with("unnamed portal parameter $1"));
            let many: Vec<&(dyn Encode + Sync)> = vec![&1; 65_536];
            let many = c.execute("SELECT $1::int4", many.as_slice()).await.unwrap_err();
            assert_eq!(said(many), "65536 parameters in Bind, and the protocol has room for at most 65535");
        }
        // As many as the protocol has room for, and one more.
        for (count, fits) in [(65_535, true), (65_536, false)] {
            let list: Vec<String> = (1..=count).map(|number| format!("${number}::int4")).collect();
            let sql = format!("SELECT cardinality(ARRAY[{}])", list.join(","));
            let params = vec![7; count];
            match c.fetch_value::<i32, _>(&sql, params.as_slice()).await {
                Ok(cardinality) => assert!(fits && cardinality == 65_535),
                Err(error) => {
                    assert!(!fits, "{error}");
                    assert_eq!(error.delivery(), cornac::Delivery::NotSent, "{error}");
                }
            }
        }
        // Nothing of a statement leaves before its parameters are known to fit.
        flights.take();
        c.execute("SELECT $1::int4, $2::text", (1, "a\0")).await.unwrap_err();
        assert!(flights.take().iter().all(|flight| !flight.contains('B')));
        let big = vec!["x".repeat(1 << 20); 1100];
        let array = c.execute("SELECT $1::text[]", (&big,)).await.unwrap_err();
        assert_eq!(array.delivery(), cornac::Delivery::NotSent, "{array}");
        assert!(flights.take().iter().all(|flight| !flight.contains('B')));
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn cache_09_two_statements_are_refused_and_none_is_no_error() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        for _ in 0..2 {
            let two = c.execute("SELECT 1; SELECT 2", ()).await.unwrap_err();
            assert_eq!(two.sql_state(), Some(SqlState::SYNTAX_ERROR));
            for empty in ["", ";", "-- a comment", "/* /* nested */ */ ", " \n"] {
                assert_eq!(c.execute(empty, ()).await.unwrap(), 0, "{empty:?}");
                let typed = c.fetch_all::<(i32,), _>(empty, ()).await.unwrap_err();
                assert_eq!(typed.to_string(), "the statement returns no columns, and 1 were asked for");
                let mut rows = c.rows(empty, ()).await.unwrap();
                assert!(rows.columns().is_empty());
                assert!(rows.next().await.unwrap().is_none());
            }
        }
        flights.take();
        assert_eq!(c.execute("", ()).await.unwrap(), 0);
        assert_eq!(flights.take(), ["BES"], "an empty statement is a statement");
        still_usable(&mut c).await;
    })
    .await;
}

/// Makes functions that count in a sequence, which no rollback undoes, and then fail like a stale statement would.
const SIDE_EFFECTS: &str = "CREATE SEQUENCE calls;
    CREATE FUNCTION fail(code text) RETURNS int4 LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('calls'); RAISE EXCEPTION 'as told' USING ERRCODE = code; END $$;
    CREATE FUNCTION fail_while_planned(code text) RETURNS int4 IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('calls'); RAISE EXCEPTION 'as told' USING ERRCODE = code; END $$;
    CREATE FUNCTION fail_for_real() RETURNS int4 LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('calls'); EXECUTE 'EXECUTE gone'; RETURN 1; END $$;
    CREATE FUNCTION check_it(text) RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN PERFORM nextval('calls'); RAISE EXCEPTION 'as told' USING ERRCODE = '0A000'; END $$;
    CREATE DOMAIN checked AS text CHECK (check_it(VALUE))";

#[tokio::test]
async fn cache_11_what_a_function_raises_itself_is_not_answered_by_running_it_again() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query(SIDE_EFFECTS).await.unwrap();
        let calls = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM calls";
        let mut expected = 0;
        let failing = [
            ("SELECT fail('42883') + $1::int4", "42883"),
            ("SELECT fail('0A000') + $1::int4", "0A000"),
            ("SELECT fail('26000') + $1::int4", "26000"),
            ("SELECT fail_while_planned('26000') + $1::int4", "26000"),
            ("SELECT fail_while_planned('0A000') + $1::int4", "0A000"),
            ("SELECT fail_for_real() + $1::int4", "26000"),
            ("INSERT INTO none SELECT fail('26000') + $1::int4", "26000"),
        ];
        c.simple_query("CREATE TABLE none (i int4)").await.unwrap();
        for (sql, code) in failing {
            // Cold, warm, and on a connection that knows it from the other.
            let mut other = database.connect().await;
            for c in [&mut c, &mut other] {
                for _ in 0..2 {
                    let error = c.execute(sql, (1,)).await.unwrap_err();
                    assert_eq!(error.sql_state().unwrap().as_str(), code, "{error}");
                    expected += 1;
                    assert_eq!(c.fetch_value::<i64, _>(calls, ()).await.unwrap(), expected, "{sql}");
                }
            }
            still_usable(&mut other).await;
        }
        // A domain's check runs while a parameter is read.
        for _ in 0..2 {
            let error = c.execute("SELECT $1::checked", ("x",)).await.unwrap_err();
            assert_eq!(error.sql_state().unwrap().as_str(), "0A000");
            expected += 1;
            assert_eq!(c.fetch_value::<i64, _>(calls, ()).await.unwrap(), expected);
        }
        still_usable(&mut c).await;
    })
    .await;
}
