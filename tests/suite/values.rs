//! Values to a real server and back, in both formats.

use std::fmt::Debug;

use cornac::types::Oid;
use cornac::{Client, Connection, Decode, Encode, Timestamptz};
use cornac_tests::{deadline, shared, still_usable};

/// Sends `value` as `ty`; it comes back as it went, in binary, and in text by the simple protocol, and the server sees `literal` in it.
async fn check<T>(connection: &mut Connection, ty: &str, value: T, literal: &str)
where
    T: Encode + Send + Sync + Debug + PartialEq + for<'r> Decode<'r>,
{
    let sql = format!("SELECT $1::{ty}, $1::{ty}::text IS NOT DISTINCT FROM {literal}::{ty}::text");
    let (back, same): (T, bool) = connection.fetch_one(&sql, (&value,)).await.expect(literal);
    assert_eq!(back, value, "{literal}::{ty} in binary");
    assert!(same, "the server sees {literal}::{ty} in {value:?}");
    let results = connection.simple_query(&format!("SELECT {literal}::{ty}")).await.expect(literal);
    let text: T = results[0].rows[0].get(0).expect(literal);
    assert_eq!(text, value, "{literal}::{ty} in text");
}

#[tokio::test]
async fn values_come_back_as_they_went() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query("SET TimeZone = 'Asia/Kathmandu'").await.unwrap();

        check(c, "bool", true, "true").await;
        check(c, "bool", false, "false").await;
        check(c, "int2", i16::MIN, "'-32768'").await;
        check(c, "int4", i32::MAX, "2147483647").await;
        check(c, "int8", i64::MIN, "'-9223372036854775808'").await;
        check(c, "oid", Oid(u32::MAX), "4294967295").await;
        check(c, "oid", 26_u32, "26").await;
        check(c, "float4", 0.1_f32, "0.1").await;
        check(c, "float4", f32::INFINITY, "'Infinity'").await;
        check(c, "float8", 0.1_f64, "0.1").await;
        check(c, "float8", f64::MIN_POSITIVE, "2.2250738585072014e-308").await;
        check(c, "float8", f64::NEG_INFINITY, "'-Infinity'").await;
        check(c, r#""char""#, 97_i8, "'a'").await;
        check(c, "text", "Größe, 象, \u{1f418}, '\\".to_owned(), "E'Größe, 象, \u{1f418}, \\'\\\\'").await;
        check(c, "text", String::new(), "''").await;
        check(c, "varchar(10)", "tusk".to_owned(), "'tusk'").await;
        check(c, "bpchar(6)", "tusk  ".to_owned(), "'tusk'").await;
        check(c, "name", "tusk".to_owned(), "'tusk'").await;
        check(c, "bytea", vec![0_u8, 1, 127, 128, 255], r"'\x00017f80ff'").await;
        check(c, "bytea", Vec::<u8>::new(), "''").await;
        check(c, "int4", None::<i32>, "NULL").await;
        check(c, "text", Some("tusk".to_owned()), "'tusk'").await;
        check(c, "timestamptz", Timestamptz::from_postgres_micros(0), "'2000-01-01 00:00:00+00'").await;
        check(c, "timestamptz", Timestamptz::from_postgres_micros(-1), "'1999-12-31 23:59:59.999999+00'")
            .await;
        check(c, "timestamptz", Timestamptz::INFINITY, "'infinity'").await;
        check(c, "timestamptz", Timestamptz::NEG_INFINITY, "'-infinity'").await;
        let first = Timestamptz::from_postgres_micros(-211_813_488_000_000_000);
        check(c, "timestamptz", first, "'4714-11-24 00:00:00+00 BC'").await;
        let last = Timestamptz::from_postgres_micros(9_223_371_331_199_999_999);
        check(c, "timestamptz", last, "'294276-12-31 23:59:59.999999+00'").await;
        let nan: f64 = c.fetch_value("SELECT $1::float8", (f64::NAN,)).await.unwrap();
        assert!(nan.is_nan());
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn arrays_come_back_as_they_went() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        check(c, "int4[]", vec![1, -2, i32::MAX], "'{1,-2,2147483647}'").await;
        check(c, "int4[]", Vec::<i32>::new(), "'{}'").await;
        check(c, "int8[]", vec![Some(1_i64), None], "'{1,NULL}'").await;
        check(c, "bool[]", vec![true, false], "'{t,f}'").await;
        check(c, "float8[]", vec![0.5, f64::INFINITY], "'{0.5,Infinity}'").await;
        check(c, "bytea[]", vec![vec![0_u8, 255], vec![]], r#"'{"\\x00ff",""}'"#).await;
        check(c, "timestamptz[]", vec![Timestamptz::INFINITY], "'{infinity}'").await;
        let words = vec![Some("plain".to_owned()), Some("a,\"b\"\\ {c}".to_owned()), None, Some("NULL".to_owned())];
        check(c, "text[]", words, r#"'{plain,"a,\"b\"\\ {c}",NULL,"NULL"}'"#).await;

        let borrowed: Vec<(i32, String)> = c
            .fetch_all("SELECT * FROM unnest($1::int4[], $2::text[]) u", (vec![1, 2], vec!["a", "b"]))
            .await
            .unwrap();
        assert_eq!(borrowed, [(1, "a".to_owned()), (2, "b".to_owned())]);
        let two = c.fetch_value::<Vec<i32>, _>("SELECT '{{1},{2}}'::int4[]", ()).await.unwrap_err();
        let expected = "column 1 \"int4\" (int4[]) has a value that Vec<i32> cannot hold: it has 2 dimensions, and only one fits; ask for Array";
        assert_eq!(two.to_string(), expected);
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_an_error_that_names_both_types() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        let said = |error: cornac::Error| error.to_string();
        let failed = c.execute("SELECT $1::int4", (i64::MAX,)).await.unwrap_err();
        assert_eq!(failed.delivery(), cornac::Delivery::NotSent);
        assert_eq!(
            said(failed),
            "parameter $1 is int4, which this i64 cannot become: 9223372036854775807 is out of its range"
        );
        let failed = c.execute("SELECT $1::text, $2::bool", ("a", 1)).await.unwrap_err();
        assert_eq!(said(failed), "parameter $2 is bool, which i32 cannot become");
        let failed = c.execute("SELECT $1::text", ("a\0b",)).await.unwrap_err();
        assert!(said(failed).ends_with("PostgreSQL's text has no NUL, and there is one at byte 1"));
        let failed = c.execute("SELECT $1::int4", ()).await.unwrap_err();
        assert_eq!(said(failed), "the statement takes 1 parameters, and 0 were given");
        let failed = c.fetch_value::<i32, _>("SELECT 1::int8 AS big", ()).await.unwrap_err();
        assert_eq!(said(failed), "column 1 \"big\" is int8, which i32 cannot hold");
        let wide: i64 = c.fetch_value("SELECT 7::int2", ()).await.unwrap();
        assert_eq!(wide, 7);
        let narrow: i16 = c.fetch_value("SELECT $1::int2", (7_i64,)).await.unwrap();
        assert_eq!(narrow, 7);
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn types_that_nobody_knows_travel_as_text() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query("CREATE TYPE mood AS ENUM ('calm', 'must'); CREATE DOMAIN price AS numeric(8, 2)")
            .await
            .unwrap();
        let mood: String = c.fetch_value("SELECT $1::mood", ("must",)).await.unwrap();
        assert_eq!(mood, "must");
        let wrong = c.fetch_value::<String, _>("SELECT $1::mood", ("angry",)).await.unwrap_err();
        assert_eq!(wrong.sql_state(), Some(cornac::SqlState::INVALID_TEXT_REPRESENTATION));
        let items: String = c.fetch_value("SELECT '{postgres=r/postgres}'::aclitem[]", ()).await.unwrap();
        assert_eq!(items, "{postgres=r/postgres}");
        let date: bool = c.fetch_value("SELECT $1::date = DATE '2024-02-29'", ("2024-02-29",)).await.unwrap();
        assert!(date);
        still_usable(c).await;
    })
    .await;
}
