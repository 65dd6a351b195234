//! What comes from outside: names, literals and values mean what they are, and nothing else.

use cornac::types::{Column, Type};
use cornac::{
    Client, Connection, Delivery, ErrorKind, Identifier, QualifiedName, Sql, SqlState, Statement,
    StatementMode, quote_identifier, quote_literal, sql,
};
use cornac_tests::{TestDatabase, deadline, newest, shared, still_usable};

/// Texts that try to be more than a name or a value.
const CORPUS: [&str; 34] = [
    "'",
    "''",
    "\"",
    "\"\"",
    "\\",
    "\\'",
    "'\\",
    "\\\\'",
    "'; DROP TABLE victim; --",
    "\"; DROP TABLE victim; --",
    "\\'; DROP TABLE victim; --",
    "\\\"; DROP TABLE victim; --",
    "x'; DROP TABLE victim; SELECT 'x",
    "1; DROP TABLE victim",
    "' OR '1'='1",
    "' OR 1=1 --",
    "1 OR 1=1",
    "') OR ('1'='1",
    "' UNION SELECT 'x",
    "'||(SELECT 'x')||'",
    "$$",
    "$$; DROP TABLE victim; $$",
    "$1",
    "{x}",
    "--",
    "/*",
    "*/",
    "\n' --",
    "E'",
    "U&'\\0027",
    "%",
    "\u{2019}\u{02bc}\u{ff07}",
    "¿'; DROP TABLE victim; --",
    "\u{bf}\u{27}\u{5c}\u{8160}\u{fffd}'",
];

/// How a server can be told to read strings: `standard_conforming_strings` and `backslash_quote`. But for the first, a backslash in a plain string
/// escapes what is behind it.
const STRINGS: [(&str, &str); 4] =
    [("on", "safe_encoding"), ("off", "safe_encoding"), ("off", "on"), ("off", "off")];

async fn read_strings_as(c: &mut Connection, (conforming, backslash_quote): (&str, &str)) {
    let sql = format!(
        "SET standard_conforming_strings = {conforming}; SET backslash_quote = {backslash_quote}; SET escape_string_warning = off"
    );
    c.simple_query(&sql).await.unwrap();
    assert_eq!(c.parameter("standard_conforming_strings"), Some(conforming));
}

async fn with_victim() -> (TestDatabase, Connection) {
    let database = shared().database().await;
    let mut c = database.connect().await;
    c.simple_query(
        "CREATE TABLE victim (id int4, name text); INSERT INTO victim VALUES (1, 'tusk'), (2, 'ivory')",
    )
    .await
    .unwrap();
    (database, c)
}

async fn is_unharmed(c: &mut Connection) {
    let names: Vec<String> = c.fetch_values("SELECT name FROM victim ORDER BY id", ()).await.unwrap();
    assert_eq!(names, ["tusk", "ivory"]);
    still_usable(c).await;
}

/// Every character of one byte and of two, some longer ones, each alone and between those that could end a string or a name.
fn characters() -> Vec<String> {
    let all = (1..=0x7ff).chain([0x2019, 0x20ac, 0x8160, 0xfeff, 0xff07, 0xfffd, 0x1_f418, 0x10_ffff]);
    let all = all.filter_map(char::from_u32);
    let around = |character| [format!("{character}"), format!("\\{character}'\"{character}\\")];
    all.flat_map(around).chain(CORPUS.map(str::to_owned)).collect()
}

#[tokio::test]
async fn input_02_a_literal_is_the_string_that_it_was_made_of() {
    for server in [shared(), newest()] {
        deadline(async {
            let database = server.database().await;
            let mut c = database.connect().await;
            let characters = characters();
            for strings in STRINGS {
                read_strings_as(&mut c, strings).await;
                for texts in characters.chunks(200) {
                    let literals: Vec<_> = texts.iter().map(|text| quote_literal(text).unwrap()).collect();
                    let select = Statement::new(format!("SELECT ARRAY[{}]", literals.join(","))).not_cached();
                    let back: Vec<String> = c.fetch_value(&select, ()).await.unwrap();
                    assert_eq!(back, texts, "{strings:?}");
                    // The server's own function writes the same.
                    let quote =
                        "SELECT quote_literal(t) FROM unnest($1::text[]) WITH ORDINALITY u(t, n) ORDER BY n";
                    let servers: Vec<String> = c.fetch_values(quote, (texts,)).await.unwrap();
                    assert_eq!(literals, servers, "{strings:?}");
                }
            }
            read_strings_as(&mut c, STRINGS[0]).await;
            still_usable(&mut c).await;
        })
        .await;
    }
}

#[tokio::test]
async fn input_02_a_name_is_the_name_of_what_is_made_with_it() {
    for server in [shared(), newest()] {
        deadline(async {
            let database = server.database().await;
            let mut c = database.connect().await;
            for strings in [STRINGS[0], STRINGS[3]] {
                read_strings_as(&mut c, strings).await;
                for names in characters().chunks(500) {
                    let names: Vec<_> = names.iter().map(|name| Identifier::new(&**name).unwrap()).collect();
                    let columns = names.iter().map(|name| sql!("{name} int4"));
                    let columns = Sql::join(columns, sql!(", "));
                    c.execute(sql!("CREATE TABLE wide ({columns})"), ()).await.unwrap();
                    let there: Vec<String> = c
                        .fetch_values(
                            "SELECT attname::text FROM pg_attribute
                             WHERE attrelid = 'wide'::regclass AND attnum > 0 ORDER BY attnum",
                            (),
                        )
                        .await
                        .unwrap();
                    assert!(there.iter().eq(names.iter().map(Identifier::as_str)), "{strings:?}");
                    // As the columns of a result, and as `format!` writes them.
                    let listed: Vec<_> = names.iter().map(Identifier::to_string).collect();
                    let select =
                        Statement::new(format!("SELECT {} FROM wide", listed.join(", "))).not_cached();
                    let rows = c.rows(&select, ()).await.unwrap();
                    assert!(rows.columns().iter().map(Column::name).eq(names.iter().map(Identifier::as_str)));
                    drop(rows);
                    let quoted: Vec<_> =
                        names.iter().map(|name| quote_identifier(name.as_str()).unwrap()).collect();
                    assert_eq!(quoted, listed);
                    c.execute("DROP TABLE wide", ()).await.unwrap();
                }
            }
            read_strings_as(&mut c, STRINGS[0]).await;
            still_usable(&mut c).await;
        })
        .await;
    }
}

#[tokio::test]
async fn input_02_a_hostile_name_is_a_table_like_any_other() {
    deadline(async {
        let (_database, mut c) = with_victim().await;
        for text in CORPUS {
            let schema = Identifier::new(text).unwrap();
            let table = QualifiedName::from((schema.clone(), schema.clone()));
            let id = 7;
            c.execute(sql!("CREATE SCHEMA {schema}"), ()).await.unwrap();
            c.execute(sql!("CREATE TABLE {table} ({schema} int4)"), ()).await.unwrap();
            let inserted = c.execute(sql!("INSERT INTO {table} ({schema}) VALUES ({id})"), ()).await.unwrap();
            assert_eq!(inserted, 1);
            let found: i32 = c
                .fetch_value(sql!("SELECT t.{schema} FROM {table} AS t WHERE {schema} = {id}"), ())
                .await
                .unwrap();
            assert_eq!(found, 7, "{text}");
            let copied = c.copy_records_to_table(&table, &[text], [(8,)]).await.unwrap();
            assert_eq!(copied, 1);
            c.execute(sql!("DROP SCHEMA {schema} CASCADE"), ()).await.unwrap();
        }
        is_unharmed(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn input_02_what_cannot_be_a_name_or_a_literal_is_said_and_not_sent() {
    deadline(async {
        let (_database, mut c) = with_victim().await;
        for (name, problem) in [
            ("", "is no name"),
            ("a\0b", "contains a NUL, which no name can"),
            (&*"n".repeat(64), "is longer than the 63 bytes that a name can have"),
            (&*"é".repeat(32), "is longer than the 63 bytes that a name can have"),
        ] {
            assert_eq!(Identifier::new(name).unwrap_err().problem(), problem);
        }
        // The longest name is not cut: it is told apart from one that differs in its last byte.
        let longest = |last: &str| Identifier::new("é".repeat(31) + last).unwrap();
        let (one, other) = (longest("a"), longest("b"));
        c.execute(sql!("CREATE TABLE {one} (id int4)"), ()).await.unwrap();
        let missing = c.execute(sql!("SELECT * FROM {other}"), ()).await.unwrap_err();
        assert_eq!(missing.sql_state(), Some(SqlState::UNDEFINED_TABLE));

        assert_eq!(quote_literal("a\0b"), None);
        assert_eq!(quote_identifier("a\0b"), None);
        let name = "a\0b";
        for mode in [StatementMode::Named, StatementMode::Unnamed, StatementMode::Simple] {
            c.set_statement_mode(mode);
            let refused = c.execute(sql!("SELECT * FROM victim WHERE name = {name}"), ()).await.unwrap_err();
            assert!(matches!(refused.kind(), ErrorKind::Parameter(_)), "{refused}");
            assert_eq!(refused.delivery(), Delivery::NotSent);
        }
        c.set_statement_mode(StatementMode::Named);
        is_unharmed(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn input_02_bytes_that_are_no_text_never_become_part_of_a_statement() {
    deadline(async {
        let (_database, mut c) = with_victim().await;
        for strings in [STRINGS[0], STRINGS[3]] {
            read_strings_as(&mut c, strings).await;
            for lead in 0x80..=0xff_u8 {
                // The beginning of a character swallows the quote behind it where text is not checked.
                for attack in [
                    &b"'; DROP TABLE victim; --"[..],
                    b"\\'; DROP TABLE victim; --",
                    b"\"; DROP TABLE victim; --",
                ] {
                    let bytes = [&[lead], attack].concat();
                    let bytes = &*bytes;
                    assert!(std::str::from_utf8(bytes).is_err(), "{lead:x}");
                    let back: Vec<u8> = c.fetch_value(sql!("SELECT {bytes}::bytea"), ()).await.unwrap();
                    assert_eq!(back, bytes);
                    let text = String::from_utf8_lossy(bytes);
                    let literal = quote_literal(&text).unwrap();
                    let select = Statement::new(format!("SELECT {literal}::text")).not_cached();
                    assert_eq!(c.fetch_value::<String, _>(&select, ()).await.unwrap(), text);
                    let column = Identifier::new(&*text).unwrap();
                    let rows =
                        c.rows(Statement::new(sql!("SELECT 1 AS {column}")).not_cached(), ()).await.unwrap();
                    assert_eq!(rows.columns().get(0).unwrap().name(), text);
                }
            }
        }
        let no_text = &b"\xbf'; DROP TABLE victim; --"[..];
        for mode in [StatementMode::Named, StatementMode::Simple] {
            let statement = sql!("SELECT * FROM victim WHERE name = {no_text}::text");
            let statement = Statement::new(statement).parameter_types(&[Type::TEXT]).mode(mode);
            c.execute(statement, ()).await.unwrap_err();
        }
        is_unharmed(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn input_02_other_encodings_of_the_server_change_no_meaning() {
    deadline(async {
        let (database, mut admin) = with_victim().await;
        let is_common = |text: &String| !text.contains(|c| ('\u{180}'..='\u{7ff}').contains(&c));
        let texts: Vec<_> = characters().into_iter().filter(is_common).collect();
        for encoding in ["LATIN1", "EUC_JP", "EUC_KR", "SQL_ASCII"] {
            let other = Identifier::new(format!(
                "{}_{encoding}",
                admin.fetch_value::<String, _>("SELECT current_database()::text", ()).await.unwrap()
            ))
            .unwrap();
            let create = format!(
                "CREATE DATABASE {other} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            );
            admin.simple_query(&create).await.unwrap();
            let mut c = Connection::connect(&database.config().clone().dbname(other.as_str())).await.unwrap();
            let mut there = 0;
            for text in &texts {
                let literal = quote_literal(text).unwrap();
                let name = Identifier::new(&**text).unwrap();
                let select = Statement::new(format!("SELECT {literal}::text AS {name}")).not_cached();
                match c.fetch_value::<String, _>(&select, ()).await {
                    Ok(back) => {
                        // Some characters have another for a neighbour there; ASCII is what it was, and where it was.
                        let ascii =
                            |text: &str| text.chars().map(|c| c.is_ascii().then_some(c)).collect::<Vec<_>>();
                        assert_eq!(ascii(&back), ascii(text), "{encoding}");
                        let bound = Statement::new(sql!("SELECT {text}::text AS {name}")).not_cached();
                        let mut rows = c.rows(bound, ()).await.unwrap();
                        assert_eq!(rows.columns().get(0).unwrap().name(), back, "{encoding}");
                        let bound: String = rows.next().await.unwrap().unwrap().get(0).unwrap();
                        assert_eq!(bound, back, "{encoding}");
                        there += 1;
                    }
                    Err(error) => {
                        assert_eq!(
                            error.sql_state(),
                            Some(SqlState::UNTRANSLATABLE_CHARACTER),
                            "{encoding} {text}: {error}"
                        );
                    }
                }
            }
            println!("{encoding}: {there} of {} texts exist there", texts.len());
            assert!(there >= 200, "{encoding}: all of ASCII at least");
            still_usable(&mut c).await;
            c.close().await.unwrap();
            admin.simple_query(&format!("DROP DATABASE {other}")).await.unwrap();
        }
        is_unharmed(&mut admin).await;
    })
    .await;
}

#[tokio::test]
async fn input_02_a_connection_whose_encoding_changes_is_closed_before_anything_is_quoted_for_it() {
    deadline(async {
        let (database, mut observer) = with_victim().await;
        for encoding in ["SJIS", "BIG5", "GBK", "GB18030", "LATIN1"] {
            let mut c = database.connect().await;
            let set = format!("SET client_encoding = '{encoding}'");
            let closed = c.execute(&*set, ()).await.unwrap_err();
            assert!(closed.is_closed(), "{closed}");
            let name = "\u{8160}'; DROP TABLE victim; --";
            let refused = c.execute(sql!("SELECT {name}::text"), ()).await.unwrap_err();
            assert_eq!((refused.is_closed(), refused.delivery()), (true, Delivery::NotSent), "{refused}");
        }
        is_unharmed(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn input_02_the_injection_corpus_finds_nothing() {
    deadline(async {
        let (_database, mut c) = with_victim().await;
        for strings in STRINGS {
            read_strings_as(&mut c, strings).await;
            for mode in [StatementMode::Named, StatementMode::Unnamed, StatementMode::Simple] {
                c.set_statement_mode(mode);
                for name in CORPUS {
                    let found: i64 = c
                        .fetch_value(sql!("SELECT count(*) FROM victim WHERE name = {name}"), ())
                        .await
                        .unwrap();
                    assert_eq!(found, 0, "{name} in {mode:?}, {strings:?}");
                    let condition = sql!("name = {name} OR name = {name} || 'x'");
                    let names = vec![name, "nobody"];
                    let mut statement = sql!("SELECT count(*) FROM victim WHERE ({condition})");
                    statement.push(sql!("AND name = ANY({names})"));
                    assert_eq!(
                        c.fetch_value::<i64, _>(&statement, ()).await.unwrap(),
                        0,
                        "{name} in {mode:?}"
                    );
                    let back: (String, String) = c
                        .fetch_one(sql!("SELECT {name}::text, 'a' || {name} || '\"' /* ' */ -- it's"), ())
                        .await
                        .unwrap();
                    assert_eq!(back, (name.to_owned(), format!("a{name}\"")), "in {mode:?}, {strings:?}");
                }
            }
        }
        c.set_statement_mode(StatementMode::Named);
        is_unharmed(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn input_03_what_stands_beside_a_capture_changes_no_meaning() {
    deadline(async {
        let (_database, mut c) = with_victim().await;
        let (one, two) = (-1, -2.0);
        for mode in [StatementMode::Named, StatementMode::Unnamed, StatementMode::Simple] {
            c.set_statement_mode(mode);
            // A minus in front of a negative number makes no comment with its sign, and takes no part of it.
            let numbers: (i32, i32, f64, f64) = c
                .fetch_one(
                    sql!(
                        "SELECT 1-{one}::int4, -{one}::int4, -{two}::float8 , 1 - -{two}::float8 ^ 2 /*{{*/"
                    ),
                    (),
                )
                .await
                .unwrap();
            assert_eq!(numbers, (2, 1, 2.0, -3.0), "{mode:?}");
            // Neither do parts whose text does.
            let negative = sql!("-{one}::int4");
            let numbers: (i32, i32) =
                c.fetch_one(sql!("SELECT 1 -{negative}, 7 /{negative}"), ()).await.unwrap();
            assert_eq!(numbers, (0, 7), "{mode:?}");
            let mut statement = sql!("SELECT 1 -");
            statement.push(sql!("-{one}::int4"));
            assert_eq!(c.fetch_value::<i32, _>(&statement, ()).await.unwrap(), 0, "{mode:?}");
            let star = sql!("* {one}::int4");
            let refused = c.execute(sql!("SELECT 7 /{star} */"), ()).await.unwrap_err();
            assert_eq!(refused.sql_state(), Some(SqlState::SYNTAX_ERROR), "no comment: {refused}");
            // Two strings do not become one with a quote in it, two names neither, nor a placeholder and a digit another placeholder.
            let (left, right) = (sql!("'a'"), sql!("'b'"));
            let glued = c.execute(sql!("SELECT {left} {right}"), ()).await.unwrap_err();
            assert_eq!(glued.sql_state(), Some(SqlState::SYNTAX_ERROR), "{glued}");
            let mut strings = sql!("SELECT 'a'");
            strings.push(sql!("'b'"));
            let glued = c.execute(&strings, ()).await.unwrap_err();
            assert_eq!(glued.sql_state(), Some(SqlState::SYNTAX_ERROR), "{glued}");
            let continued = "b";
            let glued = c.execute(sql!("SELECT 'a'\n{continued}"), ()).await.unwrap_err();
            assert_eq!(glued.sql_state(), Some(SqlState::SYNTAX_ERROR), "in {mode:?}: {glued}");
            let mut digits = sql!("SELECT {one}::int4 + {one}");
            digits.push(sql!("1"));
            let glued = c.execute(&digits, ()).await.unwrap_err();
            assert!(matches!(glued.kind(), ErrorKind::Server(_)), "$1 and 1 are not $11: {glued}");
            // A comment at the end of a part takes in nothing of the next one.
            let owner = "nobody";
            let mut statement = sql!("SELECT count(*) FROM victim WHERE true -- all of them");
            statement.push(sql!("AND name = {owner}"));
            assert_eq!(c.fetch_value::<i64, _>(&statement, ()).await.unwrap(), 0, "{mode:?}");
            let all = sql!("true -- of them");
            let statement = sql!("SELECT count(*) FROM victim WHERE {all} AND name = {owner}");
            assert_eq!(c.fetch_value::<i64, _>(&statement, ()).await.unwrap(), 0, "{mode:?}");
        }
        c.set_statement_mode(StatementMode::Named);
        is_unharmed(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn input_07_text_in_place_of_a_name_is_a_parameter() {
    deadline(async {
        let (_database, mut c) = with_victim().await;
        for text in CORPUS.into_iter().chain(["victim", "public.victim", "victim; DROP TABLE victim"]) {
            let owned = text.to_owned();
            for (statement, sent) in [
                (sql!("SELECT * FROM {text}"), "SELECT * FROM $1"),
                (sql!("SELECT * FROM {owned}"), "SELECT * FROM $1"),
                (sql!("DROP TABLE {text}"), "DROP TABLE $1"),
                (sql!("INSERT INTO {text} VALUES (1)"), "INSERT INTO $1 VALUES (1)"),
                (sql!("SELECT id FROM victim ORDER BY id {text}"), "SELECT id FROM victim ORDER BY id $1"),
                (sql!("SELECT * FROM victim {text}"), "SELECT * FROM victim $1"),
            ] {
                assert_eq!(statement.text(), sent);
                let refused = c.execute(&statement, ()).await.unwrap_err();
                assert_eq!(refused.sql_state(), Some(SqlState::SYNTAX_ERROR), "{sent}");
                // In mode simple a literal in parentheses behind a name asks for a function of that name.
                let simple = Statement::new(statement).mode(StatementMode::Simple);
                let refused = c.execute(simple, ()).await.unwrap_err();
                let states = [SqlState::SYNTAX_ERROR, SqlState::UNDEFINED_FUNCTION].map(Some);
                assert!(states.contains(&refused.sql_state()), "{sent}: {refused}");
            }
            // Where a value may stand, it is one: each row has the same, and they are not sorted by it.
            let rows: Vec<(i32, String)> = c
                .fetch_all(sql!("SELECT id, {text} FROM victim ORDER BY {text}, id DESC"), ())
                .await
                .unwrap();
            assert_eq!(rows, [(2, text.to_owned()), (1, text.to_owned())]);
        }
        is_unharmed(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn input_07_braces_are_captures_or_what_they_are() {
    deadline(async {
        let (_database, mut c) = with_victim().await;
        let id = 1;
        let (one, json, array, braces, escaped, dollars): (i32, String, Vec<i32>, String, String, String) = c
            .fetch_one(
                sql!(
                    r#"SELECT {id}::int4, '{"a": {}}'::jsonb::text, '{1,2}'::int4[], '{{}}', E'{\'}', $a${}$a$ -- {}"#
                ),
                (),
            )
            .await
            .unwrap();
        assert_eq!((one, array), (1, vec![1, 2]));
        assert_eq!([json, braces, escaped, dollars], [r#"{"a": {}}"#, "{{}}", "{'}", "{}"]);
        // Outside of quotes the server knows no braces, and says so.
        let refused = c.execute(sql!("SELECT {{id}}"), ()).await.unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::SYNTAX_ERROR));
        assert_eq!(refused.statement(), Some("SELECT {id}"));
        // What is captured is not looked at again.
        let name = "{id} {} {{ }} $1 $2";
        let back: (String, i32) = c.fetch_one(sql!("SELECT {name}::text, {id}::int4"), ()).await.unwrap();
        assert_eq!(back, (name.to_owned(), 1));
        is_unharmed(&mut c).await;
    })
    .await;
}
