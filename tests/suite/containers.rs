//! Arrays, ranges and composites to a real server and back, by types that are known beforehand.

use std::fmt::Debug;
use std::ops::Bound;

use cornac::types::{Array, Composite, Date, Dimension, Multirange, Numeric, Range};
use cornac::{Client, Connection, Decode, Encode, StatementMode};
use cornac_tests::{deadline, shared, still_usable};

const SETUP: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'happy', 'it''s \"fine\", {really}');
    CREATE DOMAIN scores AS int4[];
    CREATE TYPE pair AS (a int4, b text);
    CREATE TYPE nested AS (pairs pair[], scores scores, during daterange);
    CREATE TYPE moodrange AS RANGE (subtype = mood);
    CREATE TYPE rights AS (who text, acl aclitem)";

/// Sends `value` as `ty` in every mode; it comes back as it went, and the server sees `literal` in it.
async fn check<T>(c: &mut Connection, ty: &str, value: T, literal: &str)
where
    T: Encode + Send + Sync + Debug + PartialEq + for<'r> Decode<'r>,
{
    let sql = format!("SELECT $1::{ty}, $1::{ty}::text IS NOT DISTINCT FROM {literal}::{ty}::text");
    for mode in [StatementMode::Named, StatementMode::Unnamed] {
        c.set_statement_mode(mode);
        let (back, same): (T, bool) = c.fetch_one(&sql, (&value,)).await.expect(literal);
        assert_eq!(back, value, "{literal}::{ty}");
        assert!(same, "the server sees {literal}::{ty} in {value:?}");
    }
    c.set_statement_mode(StatementMode::Named);
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn arrays_come_back_as_they_went() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        check(c, "int4[]", Vec::<i32>::new(), "'{}'").await;
        check(c, "int4[]", vec![i32::MIN, 0, i32::MAX], "'{-2147483648,0,2147483647}'").await;
        check(c, "int2[]", vec![Some(1_i16), None], "'{1,NULL}'").await;
        check(c, "int8[]", [1_i64, 2, 3], "'{1,2,3}'").await;
        check(c, "float8[]", vec![0.1, f64::INFINITY], "'{0.1,Infinity}'").await;
        check(c, "text[]", texts(&["", "NULL", "a,b", "\"\\"]), r#"'{"","NULL","a,b","\"\\"}'"#).await;
        check(c, "scores", vec![1, 2], "'{1,2}'").await;
        check(c, "mood[]", texts(&["sad", "it's \"fine\", {really}"]), r#"'{sad,"it''s \"fine\", {really}"}'"#).await;
        let grid = [Dimension { len: 2, lower_bound: 0 }, Dimension { len: 1, lower_bound: -5 }];
        let grid = Array::new(&grid, vec![Some(1), None]).unwrap();
        check(c, "int4[]", grid, "'[0:1][-5:-5]={{1},{NULL}}'").await;
        check(c, "int4range[]", vec![Range::from(1..3), Range::Empty], r#"'{"[1,3)",empty}'"#).await;
        check(c, "aclitem[]", texts(&["postgres=r/postgres"]), "'{postgres=r/postgres}'").await;
        // What is given as text goes as text, as a whole.
        let days: Vec<Date> = c.fetch_value("SELECT $1::date[]", (vec!["2000-01-01", "infinity"],)).await.unwrap();
        assert_eq!(days.len(), 2);
        // Lower bounds are not for Vec, and cost it nothing.
        assert_eq!(c.fetch_value::<Vec<i64>, _>("SELECT '[5:6]={1,2}'::int4[]", ()).await.unwrap(), [1, 2]);
        for (sql, error) in [
            (
                "SELECT '{{1},{2}}'::int4[] AS x",
                "column 1 \"x\" (int4[]) has a value that Vec<i32> cannot hold: it has 2 dimensions, and only one fits; ask for Array",
            ),
            (
                "SELECT '{1,NULL}'::int4[] AS x",
                "column 1 \"x\" (int4[]) has a value that Vec<i32> cannot hold: its element 2 is NULL, which i32 cannot hold; ask for Option<i32>",
            ),
        ] {
            let refused = c.fetch_value::<Vec<i32>, _>(sql, ()).await.unwrap_err();
            assert_eq!(refused.to_string(), error);
            let text = c.simple_query(sql).await.unwrap();
            assert_eq!(text[0].rows[0].get::<Vec<i32>>(0).unwrap_err().to_string(), error, "in text");
        }
        let refused = c.fetch_value::<[i32; 3], _>("SELECT '{1,2}'::int4[] AS x", ()).await.unwrap_err();
        let expected = "column 1 \"x\" (int4[]) has a value that [i32; 3] cannot hold: it has 2 elements, and 3 are asked for";
        assert_eq!(refused.to_string(), expected);
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn ranges_come_back_as_they_went() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        check(c, "int4range", Range::from(1..10), "'[1,10)'").await;
        check(c, "int8range", Range::<i64>::Empty, "'empty'").await;
        check(c, "int8range", Range::from(..5_i64), "'(,5)'").await;
        check(c, "int4range", Range::<i32>::from(..), "'(,)'").await;
        let numeric = |text: &str| text.parse::<Numeric>().unwrap();
        let mixed = Range::Between(Bound::Excluded(numeric("-1.50")), Bound::Included(numeric("2")));
        check(c, "numrange", mixed, "'(-1.50,2]'").await;
        check(c, "int4multirange", Multirange(vec![Range::from(1..3), Range::from(5..)]), "'{[1,3),[5,)}'")
            .await;
        check(c, "int4multirange", Multirange::<i32>(vec![]), "'{}'").await;
        let feeling = Range::from("sad".to_owned().."it's \"fine\", {really}".to_owned());
        check(c, "moodrange", feeling, r#"'[sad,"it''s ""fine"", {really}")'"#).await;
        // The server has its own way to write those of discrete types.
        let week: Range<i32> = c.fetch_value("SELECT $1::int4range", (Range::from(1..=7),)).await.unwrap();
        assert_eq!(week, Range::from(1..8));
        let null = Range::Between(Bound::Included(None::<i32>), Bound::Unbounded);
        let refused = c.execute("SELECT $1::int4range", (null,)).await.unwrap_err();
        assert!(refused.to_string().contains("a bound of a range cannot be NULL"), "{refused}");
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn composites_come_back_as_they_went() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        let pair = |a, b: &str| Composite((a, b.to_owned()));
        check(c, "pair", pair(Some(1), "x, \"y\""), r#"'(1,"x, ""y""")'"#).await;
        check(c, "pair", pair(None, ""), r#"'(,"")'"#).await;
        check(c, "pair[]", vec![pair(Some(1), "a")], r#"'{"(1,a)"}'"#).await;
        let nested = Composite((vec![pair(Some(1), "a")], Some(vec![7]), None::<Range<Date>>));
        check(c, "nested", nested, r#"'("{""(1,a)""}",{7},)'"#).await;
        let rights = Composite(("me".to_owned(), "postgres=r/postgres".to_owned()));
        check(c, "rights", rights, "'(me,postgres=r/postgres)'").await;
        let record: Composite<(i32, Option<String>)> = c.fetch_value("SELECT ROW(1, NULL::text)", ()).await.unwrap();
        assert_eq!(record, Composite((1, None)));
        let rows: Vec<Composite<(i32, String)>> =
            c.fetch_value("SELECT ARRAY(SELECT (n, n::text) FROM generate_series(1, 2) n)", ()).await.unwrap();
        assert_eq!(rows, [Composite((1, "1".to_owned())), Composite((2, "2".to_owned()))]);
        for (sql, error) in [
            (
                "SELECT ROW(1, 2) AS x",
                "column 1 \"x\" (record) could not be read as Composite<(i32, String)>: its field 2 is int4, which String cannot hold",
            ),
            (
                "SELECT ROW(1, NULL::text) AS x",
                "column 1 \"x\" (record) has a value that Composite<(i32, String)> cannot hold: its field 2 is NULL, which String cannot hold",
            ),
            (
                "SELECT ROW(1, 'a'::text, 3) AS x",
                "column 1 \"x\" (record) has a value that Composite<(i32, String)> cannot hold: it has 3 fields, and 2 were asked for",
            ),
            (
                "SELECT ROW(NULL, 'a')::pair AS x",
                "column 1 \"x\" (pair) has a value that Composite<(i32, String)> cannot hold: its field 1 \"a\" is NULL, which i32 cannot hold",
            ),
        ] {
            let refused = c.fetch_value::<Composite<(i32, String)>, _>(sql, ()).await.unwrap_err();
            assert_eq!(refused.to_string(), error);
        }
        let refused = c.execute("SELECT $1::pair", (Composite((1, 2)),)).await.unwrap_err();
        let expected = "parameter $1 is pair, which this Composite<(i32, i32)> cannot become: its field \"b\" is text, which i32 cannot become";
        assert_eq!(refused.to_string(), expected);
        let refused = c.execute("SELECT $1::pair", (Composite((1,)),)).await.unwrap_err();
        let expected = "parameter $1 is pair, which this Composite<(i32,)> cannot become: pair has 2 fields, and this value has 1";
        assert_eq!(refused.to_string(), expected);
        still_usable(c).await;
    })
    .await;
}
