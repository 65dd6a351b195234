//! Results that are asked for as what they are not: errors that name the column, its number, PostgreSQL's type and the Rust type.

use cornac::types::{PlanProblem, Type, ValueError};
use cornac::{Client, Connection, Decode, Error, ErrorKind, FromRow};
use cornac_tests::{deadline, shared, still_usable};

#[derive(Debug, FromRow)]
#[expect(dead_code, reason = "what is looked at is the error")]
struct Item {
    id: i32,
    name: String,
}

async fn error_of<T>(c: &mut Connection, sql: &str) -> Error
where
    T: for<'r> FromRow<'r> + Send + std::fmt::Debug,
{
    let error = c.fetch_one::<T, _>(sql, ()).await.unwrap_err();
    still_usable(c).await;
    error
}

async fn value_error_of<T>(c: &mut Connection, sql: &str) -> String
where
    T: for<'r> Decode<'r> + Send + std::fmt::Debug,
{
    let error = c.fetch_value::<T, _>(sql, ()).await.unwrap_err();
    still_usable(c).await;
    error.to_string()
}

#[tokio::test]
async fn input_05_the_wrong_rust_type_is_named_beside_the_column_and_its_type() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        let error = error_of::<(i32, String)>(c, "SELECT 1 AS id, 2.5 AS price").await;
        assert_eq!(error.to_string(), "column 2 \"price\" is numeric, which String cannot hold");
        let ErrorKind::Columns(plan) = error.kind() else { panic!("{error:?}") };
        let PlanProblem::Type { index, column, ty, rust_type } = plan.problem() else { panic!("{plan:?}") };
        assert_eq!((*index, &**column, ty), (1, "price", &Type::NUMERIC));
        assert!(rust_type.ends_with("String"), "{rust_type}");
        let error = error_of::<Item>(c, "SELECT 'a' AS name, '7' AS id").await;
        assert_eq!(error.to_string(), "column 2 \"id\" is text, which i32 cannot hold");
        c.simple_query("CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int4, b text)")
            .await
            .unwrap();
        for (sql, expected) in [
            ("SELECT 'sad'::mood AS x", "column 1 \"x\" is mood, which i32 cannot hold"),
            ("SELECT ARRAY['sad'::mood] AS x", "column 1 \"x\" is mood[], which i32 cannot hold"),
            ("SELECT ROW(1, 'a')::pair AS x", "column 1 \"x\" is pair, which i32 cannot hold"),
            ("SELECT 'empty'::int4range AS x", "column 1 \"x\" is int4range, which i32 cannot hold"),
        ] {
            assert_eq!(value_error_of::<i32>(c, sql).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn input_05_an_integer_that_may_be_too_large_is_refused_before_a_value_is() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        for (sql, expected) in [
            ("SELECT 1::int8 AS n", "column 1 \"n\" is int8, which i32 cannot hold"),
            ("SELECT 1::numeric AS n", "column 1 \"n\" is numeric, which i32 cannot hold"),
            ("SELECT '{1}'::int8[] AS n", "column 1 \"n\" is int8[], which i32 cannot hold"),
        ] {
            assert_eq!(value_error_of::<i32>(c, sql).await, expected);
        }
        assert_eq!(
            value_error_of::<Vec<i16>>(c, "SELECT '{1}'::int4[] AS n").await,
            "column 1 \"n\" is int4[], which Vec<i16> cannot hold"
        );
        assert_eq!(c.fetch_value::<i64, _>("SELECT 7::int2", ()).await.unwrap(), 7, "a larger one holds it");
        let refused = c.execute("SELECT $1::int2", (40_000,)).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "parameter $1 is int2, which this i32 cannot become: 40000 is out of its range"
        );
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn input_05_a_missing_and_a_doubled_column_are_named() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        let error = error_of::<Item>(c, "SELECT 1 AS id, 'a' AS title").await;
        assert_eq!(error.to_string(), "the result has no column \"name\"; it has \"id\", \"title\"");
        let error = error_of::<Item>(c, "SELECT 1 AS id, 'a' AS name, 'b' AS name").await;
        assert_eq!(error.to_string(), "the result has two columns \"name\"; rename one with AS");
        let error = error_of::<(i32,)>(c, "SELECT 1, 2").await;
        assert_eq!(error.to_string(), "the result has 2 columns, and 1 were asked for");
        let row = c.simple_query("SELECT 1 AS id").await.unwrap()[0].rows[0].clone();
        let error = row.get::<i32>(3).unwrap_err();
        assert_eq!((error.index(), error.column()), (3, None), "{error}");
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn input_05_null_names_its_column_unless_an_option_takes_it() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        let error = error_of::<(i32, String)>(c, "SELECT 1 AS id, NULL::text AS name").await;
        let expected = "column 2 \"name\" is NULL, which String cannot hold; ask for Option<String>";
        assert_eq!(error.to_string(), expected);
        let ErrorKind::Value(value) = error.kind() else { panic!("{error:?}") };
        assert_eq!((value.index(), value.column()), (1, Some("name")));
        assert_eq!(value.value_error(), &ValueError::Null);
        let error = error_of::<Item>(c, "SELECT NULL::text AS name, 1 AS id").await;
        assert_eq!(error.to_string(), expected.replace("column 2", "column 1"));
        let none: Option<String> = c.fetch_value("SELECT NULL::text", ()).await.unwrap();
        assert_eq!(none, None);
        still_usable(c).await;
    })
    .await;
}
