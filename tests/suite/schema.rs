//! Which table a name means, and what is said where it means none.

use cornac::copy::Table;
use cornac::schema::{ObjectName, Schema, SchemaError};
use cornac::types::quote_identifier;
use cornac::{Client, Connection, ErrorKind, SqlState, TransactionStatus};
use cornac_tests::{Server, TestDatabase, connect_watched, deadline, newest, shared, still_usable};

/// Tells a story on each kind of server, in a database that `setup` was run in. It is told which major version that is.
pub(crate) async fn on_each_server(setup: &str, story: impl AsyncFn(&TestDatabase, &mut Connection, u32)) {
    for server in [shared(), newest() as &'static Server] {
        deadline(async {
            let database = server.database().await;
            let mut c = database.connect().await;
            c.simple_query(setup).await.unwrap();
            let version = c.parameter("server_version").unwrap().split(['.', ' ']).next().unwrap();
            let version = version.parse().unwrap();
            story(&database, &mut c, version).await;
            still_usable(&mut c).await;
        })
        .await;
    }
}

pub(crate) fn qualified(schema: &str, name: &str) -> ObjectName {
    ObjectName { schema: schema.to_owned(), name: name.to_owned() }
}

fn no_such_table(error: &cornac::Error) -> &Table {
    match error.kind() {
        ErrorKind::Schema(SchemaError::NoSuchTable(table)) => table,
        _ => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_name_without_a_schema_is_looked_for_along_the_search_path() {
    let setup = "CREATE SCHEMA one; CREATE SCHEMA two;
        CREATE TABLE one.item (a int4); CREATE TABLE two.item (b int4); CREATE TABLE two.only (c int4)";
    on_each_server(setup, async |_, c, _| {
        assert!(!c.table_exists("item").await.unwrap());
        assert!(c.table_exists("pg_class").await.unwrap(), "pg_catalog is always on the path");
        for (path, schema, column) in [("one, two", "one", "a"), ("two, one", "two", "b")] {
            c.simple_query(&format!("SET search_path = {path}")).await.unwrap();
            assert!(c.table_exists("item").await.unwrap());
            let info = c.table_info("item").await.unwrap();
            assert_eq!(info.name, qualified(schema, "item"));
            assert_eq!(info.columns[0].name, column);
        }
        c.simple_query("SET search_path = one").await.unwrap();
        assert!(!c.table_exists("only").await.unwrap());
        assert!(c.table_exists(Table::in_schema("two", "only")).await.unwrap());
        let info = c.table_info(Table::in_schema("two", "item")).await.unwrap();
        assert_eq!(info.columns[0].name, "b");
        // What was told can be asked for again.
        assert_eq!(c.table_info(&info.name).await.unwrap(), info);
        assert!(!c.table_exists(Table::in_schema("three", "item")).await.unwrap());
        assert!(!c.table_exists(Table::in_schema("one", "only")).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_name_is_the_name_of_a_table_whatever_is_in_it() {
    on_each_server("SELECT 1", async |_, c, _| {
        let longest = "n".repeat(63);
        let names = [
            "select",
            "Order",
            "order",
            "a\"b",
            "a.b",
            "\"a\"",
            "größe",
            " ",
            "t; DROP TABLE t",
            "'; --",
            "\\",
            "$1",
            "{a,b}",
            "%s",
            "pg_temp",
            "🐘",
            &*longest,
        ];
        for name in names {
            assert!(!c.table_exists(name).await.unwrap(), "{name}");
            let quoted = quote_identifier(name).unwrap();
            c.simple_query(&format!("CREATE TABLE {quoted} ({quoted} int4 PRIMARY KEY)")).await.unwrap();
            let info = c.table_info(name).await.unwrap();
            assert_eq!(info.name, qualified("public", name));
            assert_eq!(info.columns[0].name, name);
            assert_eq!(info.primary_key.unwrap().columns, [name]);
            assert_eq!(info.indexes[0].keys[0].column.as_deref(), Some(name));
        }
        for name in names.into_iter().filter(|name| !name.starts_with("pg_")) {
            let quoted = quote_identifier(name).unwrap();
            c.simple_query(&format!("CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} (a int4)"))
                .await
                .unwrap();
            let table = Table::in_schema(name, name);
            assert!(c.table_exists(&table).await.unwrap(), "{name}");
            assert_eq!(c.table_info(&table).await.unwrap().name, qualified(name, name));
        }
        // None of these is taken apart, folded to lower case or freed of quotes.
        for name in ["public.Order", "\"Order\"", "ORDER", "Größe", "nn"] {
            assert!(!c.table_exists(name).await.unwrap(), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_can_be_no_name_is_an_error_and_nothing_is_sent() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        // The server would cut the longest one to the name of this table.
        c.simple_query(&format!("CREATE TABLE {} (a int4)", "n".repeat(63))).await.unwrap();
        flights.take();
        let too_long = "n".repeat(64);
        let no_names = [
            ("", "\"\" is no name"),
            ("a\0b", "\"a\\0b\" contains a NUL, which no name can"),
            (&*too_long, "is longer than the 63 bytes that a name can have"),
        ];
        for (name, expected) in no_names {
            for table in [Table::new(name), Table::in_schema(name, "t"), Table::in_schema("public", name)] {
                let errors =
                    [c.table_exists(&table).await.unwrap_err(), c.table_info(&table).await.unwrap_err()];
                for error in errors {
                    assert!(matches!(error.kind(), ErrorKind::Schema(SchemaError::Name { .. })), "{error}");
                    assert!(error.to_string().contains(expected), "{error}");
                }
            }
        }
        assert!(flights.take().is_empty());
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn that_there_is_no_such_table_is_an_error_with_which_a_transaction_goes_on() {
    on_each_server("CREATE TABLE item (a int4)", async |_, c, _| {
        let mut transaction = c.begin().await.unwrap();
        transaction.execute("INSERT INTO item VALUES (1)", ()).await.unwrap();
        let error = transaction.table_info("Item").await.unwrap_err();
        assert_eq!(no_such_table(&error), &Table::new("Item"));
        assert_eq!(error.to_string(), "there is no table \"Item\"");
        assert_eq!(error.sql_state(), None, "the server has not refused anything");
        assert!(!error.may_retry());
        let error = transaction.table_info(Table::in_schema("no", "item")).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no table \"no\".\"item\"");
        assert!(!transaction.table_exists("Item").await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(c.fetch_value::<i64, _>("SELECT count(*) FROM item", ()).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_table_is_not_taken_for_one() {
    let setup = "CREATE SCHEMA first; CREATE TABLE t (a int4 PRIMARY KEY, b text); CREATE SEQUENCE s; CREATE INDEX i ON t (b);
        CREATE TYPE pair AS (a int4, b int4); CREATE FUNCTION f() RETURNS int4 LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE first.t";
    on_each_server(setup, async |_, c, _| {
        for name in ["s", "i", "t_pkey", "pair", "f"] {
            assert!(!c.table_exists(name).await.unwrap(), "{name}");
            assert!(!c.table_exists(Table::in_schema("public", name)).await.unwrap(), "{name}");
            no_such_table(&c.table_info(name).await.unwrap_err());
        }
        let toast = "SELECT c.relname::text FROM pg_class t JOIN pg_class c ON c.oid = t.reltoastrelid WHERE t.relname = 't'";
        let toast: String = c.fetch_value(toast, ()).await.unwrap();
        assert!(!c.table_exists(Table::in_schema("pg_toast", toast)).await.unwrap());
        assert!(c.table_exists("t").await.unwrap());
        c.simple_query("SET search_path = first, public").await.unwrap();
        // A statement that says "t" speaks of the sequence too.
        assert!(!c.table_exists("t").await.unwrap());
        assert!(c.table_exists(Table::in_schema("public", "t")).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_temporary_table_hides_another_of_its_name_from_its_own_session() {
    on_each_server("CREATE TABLE item (a int4)", async |database, c, _| {
        let mut other = database.connect().await;
        c.simple_query("CREATE TEMPORARY TABLE item (b int4); CREATE TEMPORARY TABLE own (a int4)")
            .await
            .unwrap();
        let info = c.table_info("item").await.unwrap();
        assert_eq!(info.columns[0].name, "b");
        assert_eq!(info.persistence, cornac::schema::Persistence::Temporary);
        assert!(info.name.schema.starts_with("pg_temp_"), "{}", info.name);
        assert_eq!(c.table_info(Table::in_schema("pg_temp", "item")).await.unwrap(), info);
        assert_eq!(c.table_info(&info.name).await.unwrap(), info);
        assert_eq!(c.table_info(Table::in_schema("public", "item")).await.unwrap().columns[0].name, "a");
        assert!(c.table_exists("own").await.unwrap());

        assert_eq!(other.table_info("item").await.unwrap().columns[0].name, "a");
        assert!(!other.table_exists("own").await.unwrap());
        assert!(!other.table_exists(Table::in_schema("pg_temp", "item")).await.unwrap());
        // It is there all the same, and what is in it is nobody else's.
        assert_eq!(other.table_info(&info.name).await.unwrap().columns[0].name, "b");
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_sees_what_it_has_made_and_nobody_else_does() {
    on_each_server("SELECT 1", async |database, c, _| {
        let mut other = database.connect().await;
        let mut transaction = c.begin().await.unwrap();
        // Its BEGIN travels with the question.
        assert!(!transaction.table_exists("fresh").await.unwrap());
        assert_eq!(transaction.connection().transaction_status(), TransactionStatus::InTransaction);
        let make = "CREATE TYPE mood AS ENUM ('sad')";
        transaction.execute(make, ()).await.unwrap();
        transaction.execute("CREATE TABLE fresh (a int4 PRIMARY KEY, m mood)", ()).await.unwrap();
        let info = transaction.table_info("fresh").await.unwrap();
        assert_eq!(info.columns[1].ty.labels(), [Box::from("sad")]);
        assert!(!other.table_exists("fresh").await.unwrap());
        transaction.execute("ALTER TABLE fresh RENAME COLUMN a TO b", ()).await.unwrap();
        let info = transaction.table_info("fresh").await.unwrap();
        assert_eq!(info.primary_key.unwrap().columns, ["b"]);
        transaction.rollback().await.unwrap();
        no_such_table(&c.table_info("fresh").await.unwrap_err());

        let mut failed = c.begin().await.unwrap();
        failed.execute("SELECT 1/0", ()).await.unwrap_err();
        let error = failed.table_exists("fresh").await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        drop(failed);
        still_usable(&mut other).await;
    })
    .await;
}
