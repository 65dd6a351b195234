//! Statements in mode simple: the same verbs, the same values, nothing but text on the wire.

use std::fmt::Debug;

use cornac::types::{Oid, Type};
use cornac::{
    Client, Connection, Decode, Delivery, Encode, ErrorKind, SqlState, Statement, StatementMode, Timestamptz,
};
use cornac_tests::{Flights, TestDatabase, connect_watched, deadline, newest, shared, still_usable};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config as ProptestConfig, TestRunner};

/// A connection in mode simple, on a database of its own.
async fn simple() -> (TestDatabase, Connection, Flights) {
    let database = shared().database().await;
    let config = database.config().clone().statement_mode(StatementMode::Simple);
    let (connection, flights) = connect_watched(&config).await.unwrap();
    (database, connection, flights)
}

/// A value comes back in mode simple as it does in the extended protocol: declared, and by its natural type.
async fn check<T>(c: &mut Connection, ty: &Type, value: T)
where
    T: Encode + Clone + Send + Sync + Debug + PartialEq + for<'r> Decode<'r> + Send,
{
    let sql = format!("SELECT $1::pg_catalog.\"{}\"", ty.name().unwrap());
    let types = [ty.clone()];
    let statement = Statement::new(&sql).parameter_types(&types);
    for mode in [StatementMode::Named, StatementMode::Simple] {
        c.set_statement_mode(mode);
        let back: T = c.fetch_value(&statement, (&value,)).await.unwrap();
        assert_eq!(back, value, "{value:?} as {ty} in {mode:?}");
        let back: T = c.fetch_value(&*sql, (&value,)).await.unwrap();
        assert_eq!(back, value, "{value:?} as {ty}, not declared, in {mode:?}");
        let back: Option<T> = c.fetch_value(&statement, (None::<T>,)).await.unwrap();
        assert_eq!(back, None);
        let back: Option<T> = c.fetch_value(&*sql, (None::<T>,)).await.unwrap();
        assert_eq!(back, None);
    }
    // Where nothing says what it is, it is what it naturally is.
    c.set_statement_mode(StatementMode::Simple);
    let natural = value.natural_type();
    if natural != Type::UNKNOWN {
        let sql = "SELECT pg_typeof($1)::oid";
        let oid: Oid = c.fetch_value(sql, (&value,)).await.unwrap();
        assert_eq!(oid, natural.oid(), "{value:?}");
    }
}

#[tokio::test]
async fn every_rust_type_is_the_same_in_mode_simple_and_in_the_extended_protocol() {
    for server in [shared(), newest()] {
        deadline(async {
            let database = server.database().await;
            let c = &mut database.connect().await;
            for value in [i16::MIN, -1, 0, i16::MAX] {
                check(c, &Type::INT2, value).await;
            }
            for value in [i32::MIN, -1, i32::MAX] {
                check(c, &Type::INT4, value).await;
            }
            for value in [i64::MIN, -1, i64::MAX] {
                check(c, &Type::INT8, value).await;
            }
            for value in [0, 9, 39, 92, 97, 127] {
                check::<i8>(c, &Type::CHAR, value).await;
            }
            check(c, &Type::OID, u32::MAX).await;
            check(c, &Type::OID, Oid(26)).await;
            check(c, &Type::BOOL, true).await;
            check(c, &Type::BOOL, false).await;
            for value in [0.1, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NEG_INFINITY] {
                check(c, &Type::FLOAT4, value).await;
            }
            for value in [0.1, 1.0 / 3.0, 5e-324, f64::MAX, -1e300, f64::INFINITY, f64::NEG_INFINITY] {
                check(c, &Type::FLOAT8, value).await;
            }
            for value in CORPUS {
                check(c, &Type::TEXT, value.to_owned()).await;
                check(c, &Type::VARCHAR, Box::<str>::from(value)).await;
            }
            check(c, &Type::BYTEA, (0..=255).collect::<Vec<u8>>()).await;
            check(c, &Type::BYTEA, Vec::<u8>::new()).await;
            for micros in [0, -1, -211_813_488_000_000_000, 9_223_371_331_199_999_999, i64::MAX, i64::MIN] {
                check(c, &Type::TIMESTAMPTZ, Timestamptz::from_postgres_micros(micros)).await;
            }
            check(c, &Type::INT4_ARRAY, vec![1, -2, i32::MAX]).await;
            check(c, &Type::INT4_ARRAY, Vec::<i32>::new()).await;
            check(c, &Type::INT8_ARRAY, vec![None, Some(-1_i64), None]).await;
            check(c, &Type::FLOAT8_ARRAY, vec![0.5, f64::INFINITY]).await;
            check(c, &Type::BOOL_ARRAY, vec![true, false]).await;
            check(c, &Type::BYTEA_ARRAY, vec![vec![0_u8, 39, 92, 255], vec![]]).await;
            check(c, &Type::TIMESTAMPTZ_ARRAY, vec![Timestamptz::INFINITY]).await;
            check(c, &Type::TEXT_ARRAY, CORPUS.map(str::to_owned).to_vec()).await;
            check(c, &Type::TEXT_ARRAY, vec![Some("NULL".to_owned()), None, Some(String::new())]).await;
            c.set_statement_mode(StatementMode::Named);
            still_usable(c).await;
        })
        .await;
    }
}

type Texts = (String, String, String, String, String);

/// Texts that try to be more than a value.
const CORPUS: [&str; 24] = [
    "",
    "'",
    "''",
    "\\",
    "\\'",
    "'\\",
    "\\\\'",
    "'; DROP TABLE victim; --",
    "\\'; DROP TABLE victim; --",
    "$$",
    "$$; DROP TABLE victim; $$",
    "$1",
    "$2",
    "--",
    "/*",
    "*/",
    "\n' --",
    "{\"',\\}",
    "::int4",
    "1) OR (true",
    "E'",
    "\u{2019}\u{02bc}\u{ff07}",
    "象\u{1f418}é\u{0301}",
    "\t\r\n\u{1}\u{7f}",
];

#[tokio::test]
async fn input_03_no_value_is_ever_more_than_a_value() {
    deadline(async {
        let (database, mut c, flights) = simple().await;
        let mut observer = database.connect().await;
        observer.simple_query("CREATE TABLE victim (id int4)").await.unwrap();
        for conforming in ["on", "off"] {
            for sql in [
                format!("SET standard_conforming_strings = {conforming}"),
                "SET backslash_quote = on".to_owned(),
                "SET escape_string_warning = off".to_owned(),
            ] {
                c.execute(&*sql, ()).await.unwrap();
            }
            assert_eq!(c.parameter("standard_conforming_strings"), Some(conforming));
            for one in CORPUS {
                for two in CORPUS {
                    let sql =
                        "SELECT $1::text, '$1', $2::text, /* $2 */ $$ $1 '$$, $1::text || $2::text -- $1";
                    let back: Texts = c.fetch_one(sql, (one, two)).await.unwrap();
                    let expected = (one, "$1", two, " $1 '", &*format!("{one}{two}"));
                    assert_eq!((&*back.0, &*back.1, &*back.2, &*back.3, &*back.4), expected, "{conforming}");
                }
                let length: i64 = c.fetch_value("SELECT length($1)::int8", (one,)).await.unwrap();
                assert_eq!(usize::try_from(length).unwrap(), one.chars().count());
                let array: Vec<String> = c.fetch_value("SELECT $1::text[]", (vec![one, "x"],)).await.unwrap();
                assert_eq!(array, [one, "x"]);
            }
            // A minus in front of a placeholder makes no comment with the one of a negative number, and takes no part of it.
            let numbers: (i32, i32, i64, f64, i32) = c
                .fetch_one("SELECT 1-$1, -$1, 7 -$2, - $3, $1::int4-$1", (-1, i64::from(i32::MIN), -0.5))
                .await
                .unwrap();
            assert_eq!(numbers, (2, 1, 7 + (1 << 31), 0.5, 0));
            let power: f64 = c.fetch_value("SELECT $1 ^ 2", (-2.0,)).await.unwrap();
            assert!((power - 4.0).abs() < f64::EPSILON, "the sign belongs to the value");
            let concatenated: String = c.fetch_value("SELECT 'a'\n||$1", ("b",)).await.unwrap();
            assert_eq!(concatenated, "ab");
            // A string, a line end and a placeholder do not become one string.
            let glued = c.fetch_value::<String, _>("SELECT 'a'\n$1", ("b",)).await.unwrap_err();
            assert_eq!(glued.sql_state(), Some(SqlState::SYNTAX_ERROR), "{glued}");
        }
        let there: i64 = observer.fetch_value("SELECT count(*) FROM victim", ()).await.unwrap();
        assert_eq!(there, 0, "the table is there");
        assert!(flights.take().iter().all(|flight| flight == "Q"), "nothing but simple queries");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn rows_counts_and_errors_are_those_of_the_extended_protocol() {
    deadline(async {
        let (_database, mut c, flights) = simple().await;
        assert_eq!(c.execute("CREATE TABLE t (id int4 PRIMARY KEY, name text)", ()).await.unwrap(), 0);
        let insert = "INSERT INTO t SELECT n, $1 FROM generate_series(1, $2) n";
        assert_eq!(c.execute(insert, ("tusk", 1000)).await.unwrap(), 1000);
        let read = Statement::new("SELECT id, name FROM t WHERE id > $1 ORDER BY id").fetch_size(10);
        flights.take();
        let all: Vec<(i32, String)> = c.fetch_all(&read, (0,)).await.unwrap();
        assert_eq!((all.len(), &all[999]), (1000, &(1000, "tusk".to_owned())));
        assert_eq!(flights.take(), ["Q"], "a fetch size has no effect");
        let mut rows = c.rows(&read, (0,)).await.unwrap();
        assert_eq!(rows.columns().get(1).unwrap().name(), "name");
        let first: i32 = rows.next().await.unwrap().unwrap().get(0).unwrap();
        assert_eq!(first, 1);
        drop(rows);
        let none = c.fetch_one::<(i32,), _>("SELECT id FROM t WHERE id = $1", (0,)).await.unwrap_err();
        assert!(matches!(none.kind(), ErrorKind::NoRows));
        let many = c.fetch_one::<(i32,), _>("SELECT id FROM t", ()).await.unwrap_err();
        assert!(matches!(many.kind(), ErrorKind::TooManyRows));
        let doubled = c.execute("INSERT INTO t VALUES ($1)", (1,)).await.unwrap_err();
        assert_eq!(
            (doubled.sql_state(), doubled.constraint()),
            (Some(SqlState::UNIQUE_VIOLATION), Some("t_pkey"))
        );
        let mut failing = c.rows("SELECT 10 / (5 - n) FROM generate_series(1, $1) n", (9,)).await.unwrap();
        for _ in 1..5 {
            assert!(failing.next().await.unwrap().is_some());
        }
        let zero = failing.next().await.unwrap_err();
        assert_eq!(zero.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
        drop(failing);
        for empty in ["", ";", "-- nothing", "/* ; */ ;"] {
            assert_eq!(c.execute(empty, ()).await.unwrap(), 0, "{empty:?}");
        }
        for copy in ["COPY t FROM STDIN", "COPY t TO STDOUT"] {
            let misplaced = c.execute(copy, ()).await.unwrap_err();
            assert!(matches!(misplaced.kind(), ErrorKind::Usage(_)), "{misplaced}");
            still_usable(&mut c).await;
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_simple_statement_that_takes_too_long_is_cancelled() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let slow = Statement::new("SELECT pg_sleep($1)").mode(StatementMode::Simple);
        let late = c.execute(&slow.timeout(std::time::Duration::from_millis(50)), (60.0,)).await.unwrap_err();
        assert!(matches!(late.kind(), ErrorKind::Timeout { .. }), "{late}");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_is() {
    deadline(async {
        let (_database, mut c, flights) = simple().await;
        c.execute("CREATE TABLE t (id int4)", ()).await.unwrap();
        flights.take();
        let several = c.execute("INSERT INTO t VALUES ($1); DELETE FROM t", (1,)).await.unwrap_err();
        assert!(matches!(several.kind(), ErrorKind::Usage(_)), "{several}");
        assert_eq!(several.statement(), Some("INSERT INTO t VALUES ($1); DELETE FROM t"));
        let count = c.execute("INSERT INTO t VALUES ($2)", (1,)).await.unwrap_err();
        assert_eq!(count.to_string(), "the statement takes 2 parameters, and 1 were given");
        let nul = c.execute("SELECT $1::text", ("a\0b",)).await.unwrap_err();
        assert!(matches!(nul.kind(), ErrorKind::Parameter(_)), "{nul}");
        let typed = Statement::new("SELECT $1").parameter_types(&[Type::INT2]);
        let range = c.execute(&typed, (70_000,)).await.unwrap_err();
        assert!(range.to_string().ends_with("70000 is out of its range"), "{range}");
        for error in [several, count, nul, range] {
            assert_eq!(error.delivery(), Delivery::NotSent);
        }
        assert!(flights.take().is_empty());
        assert_eq!(c.fetch_value::<i64, _>("SELECT count(*) FROM t;", ()).await.unwrap(), 0);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn an_error_points_into_the_callers_text_and_shows_no_value() {
    deadline(async {
        let (_database, mut c, _) = simple().await;
        let wrong = c.execute("SELECT $1::text, $2::int4 + nonsense", ("a secret", 7)).await.unwrap_err();
        let shown = format!("{wrong:#}");
        let expected =
            "\n  statement: SELECT $1::text, $2::int4 + nonsense\n                                         ^";
        assert!(shown.ends_with(expected), "{shown}");
        assert!(!shown.contains("secret") && !format!("{wrong:?}").contains("secret"), "{shown}");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_prepared_statement_and_a_transaction_work_in_mode_simple() {
    deadline(async {
        let (_database, mut c, flights) = simple().await;
        c.execute("CREATE TABLE t (id int2)", ()).await.unwrap();
        let insert = c.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
        flights.take();
        let mut transaction = c.begin().await.unwrap();
        assert_eq!(transaction.execute(&insert, (7_i64,)).await.unwrap(), 1);
        let range = transaction.execute(&insert, (70_000_i64,)).await.unwrap_err();
        assert!(matches!(range.kind(), ErrorKind::Parameter(_)), "its types are known: {range}");
        transaction.rollback().await.unwrap();
        assert_eq!(flights.take(), ["Q", "Q", "Q"]);
        assert_eq!(c.fetch_value::<i64, _>("SELECT count(*) FROM t", ()).await.unwrap(), 0);
        still_usable(&mut c).await;
    })
    .await;
}

/// Pieces of SQL that a lexer can stumble over.
fn piece() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "'", "''", "\\", "\\'", "E'", "e'", "U&'", "N'", "B'", "X'", "\"", "$$", "$a$", "$", "$1", "$2",
        "--", "/*", "*/", "\n", "\r", " ", "a", "a$1", "é", "1", "1e", ";", "(", ")", "-", "/", "*", "+",
        ",", "||", "'x'", "E'\\n'", "E'a''", "E'a'\n'", "begin", "$1$",
    ];
    proptest::sample::select(PARTS).prop_map(str::to_owned)
}

/// The lexer beside the server. What the lexer takes for a placeholder, the server must take for a parameter, and the other way round: in
/// an extended query, the server says how many parameters there are.
#[tokio::test]
async fn input_03_the_lexer_finds_the_placeholders_that_the_server_finds() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.set_statement_mode(StatementMode::Simple);
        let pieces = proptest::collection::vec(piece(), 1..12).prop_map(|pieces| pieces.concat());
        let mut runner =
            TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
        let (mut valid, mut with_parameters) = (0, 0);
        for number in 0..6000 {
            let random = pieces.new_tree(&mut runner).unwrap().current();
            // What is random stands in a list, so that much of it is valid SQL.
            let sql = match number % 3 {
                0 => format!("SELECT {random}"),
                1 => format!("SELECT 'a', {random}, $1::text"),
                _ => format!("SELECT $1::text || {random}"),
            };
            for conforming in ["on", "off"] {
                c.simple_query(&format!("SET standard_conforming_strings = {conforming}")).await.unwrap();
                let Ok(prepared) = c.prepare(Statement::new(&*sql)).await else { continue };
                let taken = prepared.parameter_types().len();
                let text = "it's \\ $1 -- /* ' \" $$";
                let types = vec![Type::TEXT; taken];
                let params = vec![text; taken];
                let statement = Statement::new(&*sql).parameter_types(&types);
                // In the extended protocol, and in mode simple: the same rows, or the same error.
                let rows = async |c: &mut Connection, mode| {
                    let rows = c.rows(statement.clone().mode(mode), params.as_slice()).await;
                    let mut rows = rows.map_err(|error| error.sql_state())?;
                    let columns = rows.columns().clone();
                    let mut found = Vec::new();
                    while let Some(row) = rows.next().await.map_err(|error| error.sql_state())? {
                        for index in 0..columns.len() {
                            found.push(row.get::<Option<String>>(index).ok());
                        }
                    }
                    Ok::<_, Option<SqlState>>((columns.len(), found))
                };
                let extended = rows(&mut c, StatementMode::Unnamed).await;
                let simple = rows(&mut c, StatementMode::Simple).await;
                let agree = match (&extended, &simple) {
                    (Ok((columns, found)), Ok((also_columns, also_found))) => {
                        // What is no text is binary in one of them.
                        columns == also_columns
                            && found.iter().zip(also_found).all(|(one, other)| one.is_none() || one == other)
                    }
                    (one, other) => one == other,
                };
                assert!(agree, "{sql:?}, {conforming}: {extended:?} and {simple:?}");
                valid += 1;
                with_parameters += i32::from(taken > 0);
            }
        }
        println!("{valid} valid statements, {with_parameters} of them with parameters");
        assert!(valid > 300 && with_parameters > 100, "{valid}, {with_parameters}");
        c.simple_query("SET standard_conforming_strings = on").await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}
