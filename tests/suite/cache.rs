//! Statements that change while they are remembered.

use std::fmt::Debug;

use cornac::types::Value;
use cornac::{
    Client, Connection, FromRow, IntoStatement, Params, SqlState, Statement, StatementMode, TransactionStatus,
};
use cornac_tests::{Server, TestDatabase, connect_watched, deadline, newest, shared, still_usable};

/// The shared server, and one of the newest version, which differs in what it reports of itself.
fn servers() -> [&'static Server; 2] {
    [shared(), newest()]
}

/// Runs a story on each server, in a database of its own, beside a connection that has nothing to do with cornac's caches: another
/// process, as it were.
async fn on_each_server(story: impl AsyncFn(&TestDatabase, &mut Connection)) {
    for server in servers() {
        let database = server.database().await;
        let mut stranger = stranger(&database).await;
        deadline(story(&database, &mut stranger)).await;
        still_usable(&mut stranger).await;
    }
}

/// A connection that shares no catalogue with those of the database's own configuration.
async fn stranger(database: &TestDatabase) -> Connection {
    let apart = database.config().clone().options("-c application_name=stranger");
    Connection::connect(&apart).await.unwrap()
}

async fn all<T>(c: &mut impl Client, sql: impl IntoStatement, params: impl Params + Send) -> Vec<T>
where
    T: for<'r> FromRow<'r> + Send + Debug,
{
    c.fetch_all(sql, params).await.unwrap()
}

/// The statements that the server keeps for a connection, but for the one that asks.
async fn kept(c: &mut Connection) -> Vec<String> {
    let sql = "SELECT statement FROM pg_prepared_statements ORDER BY prepare_time";
    c.fetch_values(Statement::new(sql).not_cached(), ()).await.unwrap()
}

const SETUP: &str =
    "DROP TABLE IF EXISTS t; CREATE TABLE t (a int4, b text); INSERT INTO t VALUES (1, 'one')";
const STAR: &str = "SELECT * FROM t";
const ADD_COLUMN: &str = "ALTER TABLE t ADD c int8";
const DROP_COLUMN: &str = "ALTER TABLE t DROP b, DROP c";
const RETYPE: &str = "ALTER TABLE t ALTER a TYPE int8";

#[tokio::test]
async fn cache_01_columns_that_come_go_and_change_their_type_are_seen_at_once() {
    on_each_server(async |database, stranger| {
        for by_stranger in [false, true] {
            let mut c = database.connect().await;
            c.simple_query(SETUP).await.unwrap();
            let held = c.prepare(STAR).await.unwrap();
            // Another connection remembers it too, and one comes later that knows it from them.
            let mut other = database.connect().await;
            let before = [(1, "one".to_owned())];
            assert_eq!(all::<(i32, String)>(&mut c, STAR, ()).await, before);
            assert_eq!(all::<(i32, String)>(&mut other, STAR, ()).await, before);
            alter(by_stranger, &mut c, stranger, ADD_COLUMN).await;
            for c in [&mut database.connect().await, &mut c, &mut other] {
                let with_c = [(1, "one".to_owned(), None)];
                assert_eq!(all::<(i32, String, Option<i64>)>(c, STAR, ()).await, with_c);
            }
            alter(by_stranger, &mut c, stranger, DROP_COLUMN).await;
            for c in [&mut database.connect().await, &mut c, &mut other] {
                assert_eq!(all::<(i32,)>(c, STAR, ()).await, [(1,)]);
                assert_eq!(all::<(i32,)>(c, &held, ()).await, [(1,)], "by the handle from before");
            }
            alter(by_stranger, &mut c, stranger, RETYPE).await;
            for c in [&mut database.connect().await, &mut c, &mut other] {
                assert_eq!(all::<(i64,)>(c, STAR, ()).await, [(1,)]);
                still_usable(c).await;
            }
        }
    })
    .await;
}

async fn alter(by_stranger: bool, c: &mut Connection, stranger: &mut Connection, sql: &str) {
    let by = if by_stranger { stranger } else { c };
    by.execute(Statement::new(sql).not_cached(), ()).await.unwrap();
}

#[tokio::test]
async fn cache_01_parameters_are_those_of_the_column_as_it_is_now() {
    on_each_server(async |database, stranger| {
        for by_stranger in [false, true] {
            let mut c = database.connect().await;
            c.simple_query(SETUP).await.unwrap();
            let insert = "INSERT INTO t (a) VALUES ($1)";
            c.execute(insert, (2,)).await.unwrap();
            let too_big = c.execute(insert, (i64::MAX,)).await.unwrap_err();
            assert_eq!(too_big.delivery(), cornac::Delivery::NotSent);
            alter(by_stranger, &mut c, stranger, RETYPE).await;
            for c in [&mut c, &mut database.connect().await] {
                assert_eq!(c.execute(insert, (i64::MAX,)).await.unwrap(), 1);
            }
            alter(by_stranger, &mut c, stranger, "ALTER TABLE t ALTER a TYPE text").await;
            for c in [&mut c, &mut database.connect().await] {
                assert_eq!(c.execute(insert, ("text",)).await.unwrap(), 1);
                still_usable(c).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn cache_01_inside_a_transaction_the_change_is_an_error_and_the_next_one_works() {
    on_each_server(async |database, stranger| {
        let mut c = database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        assert_eq!(all::<(i32, String)>(&mut c, STAR, ()).await.len(), 1);
        let mut transaction = c.begin().await.unwrap();
        transaction.execute("SELECT 1", ()).await.unwrap();
        stranger.execute(ADD_COLUMN, ()).await.unwrap();
        let changed = transaction.fetch_all::<(i32, String), _>(STAR, ()).await.unwrap_err();
        assert_eq!(changed.sql_state(), Some(SqlState::FEATURE_NOT_SUPPORTED), "{changed}");
        assert_eq!(transaction.connection().transaction_status(), TransactionStatus::Failed);
        transaction.rollback().await.unwrap();
        let mut transaction = c.begin().await.unwrap();
        assert_eq!(all::<(i32, String, Option<i64>)>(&mut transaction, STAR, ()).await.len(), 1);
        transaction.commit().await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn cache_01_a_change_that_is_rolled_back_is_nobodys() {
    on_each_server(async |database, _| {
        let mut c = database.connect().await;
        let mut other = database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        let sum = "SELECT a + $1 FROM t";
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(RETYPE, ()).await.unwrap();
        assert_eq!(all::<(i64,)>(&mut transaction, sum, (1_i64,)).await, [(2,)]);
        transaction.rollback().await.unwrap();
        // Were the description from inside of the transaction shared, the parameter would be int8, and the sum too.
        assert_eq!(all::<(i32,)>(&mut other, sum, (1,)).await, [(2,)]);
        assert_eq!(all::<(i32,)>(&mut c, sum, (1,)).await, [(2,)]);
        let mut transaction = c.begin().await.unwrap();
        transaction.execute("SAVEPOINT before", ()).await.unwrap();
        transaction.execute(RETYPE, ()).await.unwrap();
        assert_eq!(all::<(i64,)>(&mut transaction, sum, (1_i64,)).await, [(2,)]);
        transaction.execute("ROLLBACK TO before", ()).await.unwrap();
        assert_eq!(all::<(i32,)>(&mut transaction, sum, (1,)).await, [(2,)]);
        transaction.commit().await.unwrap();
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

/// Ways in which the server forgets what was prepared. The last one cannot be seen from outside.
const FORGETTING: [&str; 4] =
    ["DEALLOCATE ALL", "DISCARD ALL", "DISCARD PLANS", "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"];

#[tokio::test]
async fn cache_02_statements_that_the_server_was_told_to_forget_work_on() {
    on_each_server(async |database, _| {
        let mut c = database.connect().await;
        let sql = "SELECT $1::int4 + 1";
        let held = c.prepare(sql).await.unwrap();
        for forgetting in FORGETTING {
            for simple in [false, true] {
                assert_eq!(all::<(i32,)>(&mut c, sql, (1,)).await, [(2,)]);
                if simple {
                    c.simple_query(forgetting).await.unwrap();
                } else {
                    c.execute(Statement::new(forgetting).not_cached(), ()).await.unwrap();
                }
                assert_eq!(all::<(i32,)>(&mut c, &held, (1,)).await, [(2,)], "{forgetting}");
                assert_eq!(all::<(i32,)>(&mut c, sql, (1,)).await, [(2,)], "{forgetting}");
            }
        }
        // One of ours, by its name.
        let name =
            Statement::new("SELECT name FROM pg_prepared_statements WHERE statement = $1").not_cached();
        let name: String = c.fetch_value(&name, (sql,)).await.unwrap();
        c.simple_query(&format!("DEALLOCATE {name}")).await.unwrap();
        assert_eq!(all::<(i32,)>(&mut c, sql, (1,)).await, [(2,)]);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn cache_02_inside_a_transaction_a_lost_statement_is_an_error_with_advice() {
    on_each_server(async |database, _| {
        let mut c = database.connect().await;
        let sql = "SELECT $1::int4 + 1";
        assert_eq!(all::<(i32,)>(&mut c, sql, (1,)).await, [(2,)]);
        let mut transaction = c.begin().await.unwrap();
        transaction.execute(FORGETTING[3], ()).await.unwrap();
        let lost = transaction.fetch_all::<(i32,), _>(sql, (1,)).await.unwrap_err();
        assert_eq!(lost.sql_state(), Some(SqlState::INVALID_SQL_STATEMENT_NAME), "{lost}");
        assert!(lost.to_string().contains("set statement_mode to Unnamed"), "{lost}");
        assert!(lost.advice().is_some());
        transaction.rollback().await.unwrap();
        let mut transaction = c.begin().await.unwrap();
        assert_eq!(all::<(i32,)>(&mut transaction, sql, (1,)).await, [(2,)]);
        transaction.commit().await.unwrap();
        // Somebody else's statement that does not exist is no matter of ours.
        let other = c.execute("EXECUTE nothing", ()).await.unwrap_err();
        assert_eq!((other.sql_state(), other.advice()), (Some(SqlState::INVALID_SQL_STATEMENT_NAME), None));
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn cache_03_a_table_made_anew_is_read_as_what_it_is_now() {
    on_each_server(async |database, stranger| {
        for by_stranger in [false, true] {
            let mut c = database.connect().await;
            c.simple_query(SETUP).await.unwrap();
            let sql = "SELECT a, b FROM t WHERE a IS NOT NULL OR a = $1";
            assert_eq!(all::<(i32, String)>(&mut c, sql, (1,)).await, [(1, "one".to_owned())]);
            assert_eq!(all::<(i32, String)>(&mut c, STAR, ()).await, [(1, "one".to_owned())]);
            let anew = "DROP TABLE t; CREATE TABLE t (a float8, b int8); INSERT INTO t VALUES (0.5, 7)";
            let by = if by_stranger { &mut *stranger } else { &mut c };
            by.simple_query(anew).await.unwrap();
            // First one that knows it only from the others, as it was.
            for c in [&mut database.connect().await, &mut c] {
                assert_eq!(all::<(f64, i64)>(c, STAR, ()).await, [(0.5, 7)]);
                assert_eq!(all::<(f64, i64)>(c, sql, (0.5,)).await, [(0.5, 7)]);
                still_usable(c).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn cache_03_enums_and_composites_that_change_give_right_values() {
    on_each_server(async |database, stranger| {
        for by_stranger in [false, true] {
            let mut c = database.connect().await;
            let setup = "DROP TABLE IF EXISTS herd; DROP TYPE IF EXISTS mood; DROP TYPE IF EXISTS size;
                         CREATE TYPE mood AS ENUM ('calm', 'must'); CREATE TYPE size AS (height int4, weight int8);
                         CREATE TABLE herd (mood mood, size size); INSERT INTO herd VALUES ('must', '(3, 5000)')";
            c.simple_query(setup).await.unwrap();
            let read = "SELECT mood, size FROM herd WHERE mood = $1";
            let text = |a: &str, b: &str| [(a.to_owned(), b.to_owned())];
            let rows = all::<(String, Value)>(&mut c, read, ("must",)).await;
            assert_eq!((&*rows[0].0, rows[0].1.to_string()), ("must", "(3,5000)".to_owned()));
            let changes = [
                ("ALTER TYPE mood RENAME VALUE 'must' TO 'wild'", "wild", "(3,5000)"),
                ("ALTER TYPE size ADD ATTRIBUTE age int2 CASCADE", "wild", "(3,5000,)"),
                ("ALTER TYPE size DROP ATTRIBUTE weight CASCADE", "wild", "(3,)"),
                (
                    // The same names, other OIDs.
                    "DROP TABLE herd; DROP TYPE mood; DROP TYPE size; CREATE TYPE mood AS ENUM ('new');
                     CREATE TYPE size AS (name text); CREATE TABLE herd (mood mood, size size);
                     INSERT INTO herd VALUES ('new', '(tusk)')",
                    "new",
                    "(tusk)",
                ),
            ];
            for (change, mood, size) in changes {
                let by = if by_stranger { &mut *stranger } else { &mut c };
                by.simple_query(change).await.unwrap();
                for c in [&mut c, &mut database.connect().await] {
                    let rows = all::<(String, Value)>(c, read, (mood,)).await;
                    let rows: Vec<_> = rows.into_iter().map(|(mood, size)| (mood, size.to_string())).collect();
                    assert_eq!(rows, text(mood, size), "{change}");
                    still_usable(c).await;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn cache_03_a_column_that_becomes_one_of_another_format_is_never_read_wrongly() {
    on_each_server(async |database, stranger| {
        let mut c = database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        assert_eq!(all::<(i32, String)>(&mut c, STAR, ()).await.len(), 1);
        // All were asked for in binary; aclitem comes only as text.
        stranger.execute("ALTER TABLE t ADD acl aclitem DEFAULT 'postgres=r/postgres'", ()).await.unwrap();
        let acl = "postgres=r/postgres".to_owned();
        assert_eq!(
            all::<(i32, String, String)>(&mut c, STAR, ()).await,
            [(1, "one".to_owned(), acl.clone())]
        );
        // A new connection knows three columns with a format each, and there are four.
        stranger.execute("ALTER TABLE t ADD d int4", ()).await.unwrap();
        let mut late = database.connect().await;
        let four = [(1, "one".to_owned(), acl, None)];
        assert_eq!(all::<(i32, String, String, Option<i32>)>(&mut late, STAR, ()).await, four);
        still_usable(&mut c).await;
        still_usable(&mut late).await;
    })
    .await;
}

/// Two schemas with a table of one name, whose columns differ.
const SCHEMAS: &str = "CREATE SCHEMA one; CREATE TABLE one.t (a int4); INSERT INTO one.t VALUES (1);
                       CREATE SCHEMA two; CREATE TABLE two.t (a text); INSERT INTO two.t VALUES ('two')";

/// Were the parameter of the one table's type, the other would get 7, and neither an error nor the result's type would say so.
const WRITE: &str = "INSERT INTO t VALUES ($1) RETURNING a::text";

async fn is_one(c: &mut impl Client) {
    assert_eq!(all::<(String,)>(c, WRITE, ("007",)).await, [("7".to_owned(),)]);
}

async fn is_two(c: &mut impl Client) {
    assert_eq!(all::<(String,)>(c, WRITE, ("007",)).await, [("007".to_owned(),)]);
}

async fn is_none(c: &mut impl Client) {
    let none = c.fetch_all::<(String,), _>(WRITE, ("007",)).await.unwrap_err();
    assert_eq!(none.sql_state(), Some(SqlState::UNDEFINED_TABLE), "{none}");
}

#[tokio::test]
async fn cache_04_another_search_path_means_another_statement() {
    on_each_server(async |database, stranger| {
        stranger.simple_query(SCHEMAS).await.unwrap();
        let mut c = database.connect().await;
        let switches =
            ["SET search_path TO", "set Search_Path =", "SET SESSION search_path TO", "SET SCHEMA"];
        for switch in switches {
            c.simple_query(&format!("{switch} 'one'")).await.unwrap();
            is_one(&mut c).await;
            c.execute(Statement::new(format!("{switch} 'two'")).not_cached(), ()).await.unwrap();
            is_two(&mut c).await;
        }
        // A function of SQL, which only PostgreSQL 18 lets us see.
        c.simple_query("SELECT set_config('search_path', 'one', false)").await.unwrap();
        is_one(&mut c).await;
        c.simple_query("SET search_path TO two").await.unwrap();
        is_two(&mut c).await;
        c.simple_query("RESET search_path").await.unwrap();
        is_none(&mut c).await;
        still_usable(&mut c).await;
    })
    .await;
}

/// The table of the schema of this name.
async fn is(c: &mut impl Client, schema: &str) {
    match schema {
        "one" => is_one(c).await,
        _ => is_two(c).await,
    }
}

#[tokio::test]
async fn cache_04_a_search_path_ends_with_its_transaction() {
    on_each_server(async |database, stranger| {
        stranger.simple_query(SCHEMAS).await.unwrap();
        for (outside, inside) in [("one", "two"), ("two", "one")] {
            let mut c = database.connect().await;
            c.simple_query(&format!("SET search_path TO {outside}")).await.unwrap();
            is(&mut c, outside).await;
            for (set, commits) in [("SET LOCAL", true), ("SET", false), ("SET LOCAL", false)] {
                let mut transaction = c.begin().await.unwrap();
                transaction.execute(&*format!("{set} search_path TO {inside}"), ()).await.unwrap();
                is(&mut transaction, inside).await;
                if commits {
                    transaction.commit().await.unwrap();
                } else {
                    transaction.rollback().await.unwrap();
                }
                is(&mut c, outside).await;
            }
            let mut transaction = c.begin().await.unwrap();
            transaction.execute("SAVEPOINT s", ()).await.unwrap();
            transaction.execute(&*format!("SET LOCAL search_path TO {inside}"), ()).await.unwrap();
            is(&mut transaction, inside).await;
            transaction.execute("ROLLBACK TO s", ()).await.unwrap();
            is(&mut transaction, outside).await;
            drop(transaction);
            is(&mut c, outside).await;
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn cache_04_another_role_means_another_statement() {
    on_each_server(async |database, stranger| {
        let roles =
            "CREATE SCHEMA trusted; CREATE TABLE trusted.t (a int4); INSERT INTO trusted.t VALUES (1);
                     CREATE SCHEMA clear; CREATE TABLE clear.t (a text); INSERT INTO clear.t VALUES ('two');
                     GRANT ALL ON SCHEMA trusted, clear TO PUBLIC; GRANT ALL ON trusted.t, clear.t TO PUBLIC";
        stranger.simple_query(roles).await.unwrap();
        let mut c = database.connect().await;
        let mut other = database.connect().await;
        for set in ["SET ROLE", "SET LOCAL ROLE", "SET SESSION AUTHORIZATION", "SET role TO"] {
            let prefix = if set.contains("LOCAL") { "BEGIN; " } else { "" };
            c.simple_query(&format!("{prefix}{set} trusted")).await.unwrap();
            is_one(&mut c).await;
            other.simple_query(&format!("{prefix}{set} clear")).await.unwrap();
            is_two(&mut other).await;
            if set.contains("LOCAL") {
                c.simple_query("COMMIT").await.unwrap();
                other.simple_query("COMMIT").await.unwrap();
            } else {
                c.simple_query("RESET SESSION AUTHORIZATION; RESET ROLE").await.unwrap();
                other.simple_query("DISCARD ALL").await.unwrap();
            }
            is_none(&mut c).await;
            is_none(&mut other).await;
        }
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn cache_04_connections_share_only_what_means_the_same_to_both() {
    deadline(async {
        for server in servers() {
            let database = server.database().await;
            stranger(&database).await.simple_query(SCHEMAS).await.unwrap();
            let config = database.config().clone();
            let (mut one, _) = connect_watched(&config).await.unwrap();
            let (mut two, flights) = connect_watched(&config).await.unwrap();
            one.simple_query("SET search_path TO one").await.unwrap();
            two.simple_query("SET search_path TO two").await.unwrap();
            is_one(&mut one).await;
            flights.take();
            is_two(&mut two).await;
            assert_eq!(flights.take(), ["PDS", "BES"], "the other's description is of no use");
            // Paths that were asked for at startup are another matter of a configuration, reported or not.
            let (mut three, flights) =
                connect_watched(&config.clone().options("-c search_path=one")).await.unwrap();
            is_one(&mut three).await;
            let (mut four, fours) =
                connect_watched(&config.clone().options("-c search_path=one")).await.unwrap();
            is_one(&mut four).await;
            let (mut five, fives) =
                connect_watched(&config.clone().options("-c search_path=two")).await.unwrap();
            is_two(&mut five).await;
            assert_eq!(flights.take(), ["PDS", "BES"]);
            assert_eq!(fours.take(), ["PBDES"], "the same options share");
            assert_eq!(fives.take(), ["PDS", "BES"]);
            for c in [&mut one, &mut two, &mut three, &mut four, &mut five] {
                still_usable(c).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn cache_04_a_server_that_reports_its_search_path_keeps_statements_warm_across_changes() {
    deadline(async {
        let database = newest().database().await;
        stranger(&database).await.simple_query(SCHEMAS).await.unwrap();
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        for round in 0..3 {
            c.simple_query("SET search_path TO one").await.unwrap();
            flights.take();
            is_one(&mut c).await;
            assert_eq!(flights.take().len(), if round == 0 { 2 } else { 1 });
            c.simple_query("SET search_path TO two").await.unwrap();
            is_two(&mut c).await;
        }
        assert_eq!(kept(&mut c).await, [WRITE, WRITE]);
        let (mut other, flights) = connect_watched(database.config()).await.unwrap();
        other.simple_query("SET search_path TO two").await.unwrap();
        flights.take();
        is_two(&mut other).await;
        assert_eq!(flights.take(), ["PBDES"], "a path that is reported may be shared");
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn cache_04_a_search_path_that_was_set_by_a_dropped_future_counts() {
    on_each_server(async |database, stranger| {
        stranger.simple_query(SCHEMAS).await.unwrap();
        stranger.simple_query("CREATE TABLE public.t (a int4)").await.unwrap();
        let mut c = database.connect().await;
        // On the path that all connections begin with.
        is_one(&mut c).await;
        let mut other = database.connect().await;
        is_one(&mut other).await;
        {
            let mut setting = std::pin::pin!(other.simple_query("SET search_path TO two"));
            let waker = std::task::Waker::noop();
            let polled = setting.as_mut().poll(&mut std::task::Context::from_waker(waker));
            assert!(polled.is_pending(), "it is sent, and not answered");
        }
        is_two(&mut other).await;
        is_one(&mut c).await;
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn cache_04_temporary_tables_are_their_connections_own() {
    on_each_server(async |database, stranger| {
        stranger.simple_query("CREATE TABLE t (a int4); INSERT INTO t VALUES (1)").await.unwrap();
        let mut c = database.connect().await;
        let mut other = database.connect().await;
        c.simple_query("CREATE TEMP TABLE t (a int8)").await.unwrap();
        c.execute("INSERT INTO t VALUES ($1)", (i64::MAX,)).await.unwrap();
        let sum = "SELECT a + $1 FROM t";
        assert_eq!(all::<(i64,)>(&mut c, sum, (-1_i64,)).await, [(i64::MAX - 1,)]);
        assert_eq!(all::<(i32,)>(&mut other, sum, (1,)).await, [(2,)]);
        assert_eq!(all::<(i64,)>(&mut c, sum, (-1_i64,)).await, [(i64::MAX - 1,)]);
        c.simple_query("DISCARD ALL").await.unwrap();
        assert_eq!(all::<(i32,)>(&mut c, sum, (1,)).await, [(2,)]);
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn cache_03_a_parameter_follows_its_column_to_a_type_that_it_does_not_go_with() {
    on_each_server(async |database, stranger| {
        let mut c = database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        let find = "SELECT b FROM t WHERE a = $1";
        assert_eq!(all::<(String,)>(&mut c, find, ("1",)).await, [("one".to_owned(),)]);
        stranger.execute("ALTER TABLE t ALTER a TYPE text", ()).await.unwrap();
        // There is no text = int4: the server finds out when it reads the statement anew, at Bind.
        assert_eq!(all::<(String,)>(&mut c, find, ("1",)).await, [("one".to_owned(),)]);
        stranger.execute("ALTER TABLE t DROP b", ()).await.unwrap();
        let gone = c.execute(find, ("1",)).await.unwrap_err();
        assert_eq!(gone.sql_state(), Some(SqlState::UNDEFINED_COLUMN), "{gone}");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_text_whose_strings_end_elsewhere_is_another_statement() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        // One string and no parameter; or, with backslashes that escape, a string and a parameter.
        let sql = r"SELECT 'a\'', $1::text --'";
        let on = r"a\', $1::text --".to_owned();
        for mode in [StatementMode::Named, StatementMode::Unnamed, StatementMode::Simple] {
            c.set_statement_mode(mode);
            c.execute("SET standard_conforming_strings = on", ()).await.unwrap();
            assert_eq!(all::<(String,)>(&mut c, sql, ()).await, [(on.clone(),)], "{mode:?}");
            c.execute("SET standard_conforming_strings = off", ()).await.unwrap();
            let off = [("a'".to_owned(), "b".to_owned())];
            assert_eq!(all::<(String, String)>(&mut c, sql, ("b",)).await, off, "{mode:?}");
        }
        c.execute("SET standard_conforming_strings = on", ()).await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}
