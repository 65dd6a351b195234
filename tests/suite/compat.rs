//! Types of crates that were written for rust-postgres, through `Compat`.

use std::collections::HashMap;
use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use cornac::types::{Compat, Oid, Type};
use cornac::{Client, Connection, Decode, Encode};
use cornac_tests::{deadline, shared, still_usable};
use postgres_types::{FromSql, ToSql};
use rust_decimal::Decimal;

/// Sends `value` as `ty`; it comes back as it went, and the server sees `literal` in it.
async fn check<T>(connection: &mut Connection, ty: &str, value: T, literal: &str)
where
    T: ToSql + for<'a> FromSql<'a> + Send + Sync + Debug + PartialEq,
{
    let sql = format!("SELECT $1::{ty}, $1::{ty}::text IS NOT DISTINCT FROM {literal}::{ty}::text");
    let value = Compat(value);
    let (back, same): (Compat<T>, bool) = connection.fetch_one(&sql, (&value,)).await.expect(literal);
    assert_eq!(back, value, "{literal}::{ty}");
    assert!(same, "the server sees {literal}::{ty} in {value:?}");
}

#[tokio::test]
async fn types_of_other_crates_come_back_as_they_went() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        let date = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
        check(c, "date", date, "'2024-02-29'").await;
        check(c, "time", NaiveTime::from_hms_micro_opt(12, 34, 56, 789).unwrap(), "'12:34:56.000789'").await;
        let instant: DateTime<Utc> = "2024-02-29T12:34:56.000789Z".parse().unwrap();
        check(c, "timestamptz", instant, "'2024-02-29 12:34:56.000789Z'").await;
        check(c, "timestamp", instant.naive_utc(), "'2024-02-29 12:34:56.000789'").await;
        let uuid = uuid::Uuid::from_u128(0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11);
        check(c, "uuid", uuid, "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'").await;
        check(c, "uuid", None::<uuid::Uuid>, "NULL").await;
        check(c, "uuid[]", vec![Some(uuid), None], "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'").await;
        check(c, "jsonb", serde_json::json!({"a": [1, null]}), r#"'{"a": [1, null]}'"#).await;
        check(c, "numeric", Decimal::new(-19_900, 3), "'-19.900'").await;

        // What is an array there is one here: of values, and as a value.
        let dates: Vec<Compat<NaiveDate>> = vec![Compat(date); 2];
        let back: Vec<Compat<NaiveDate>> = c.fetch_value("SELECT $1::date[]", (&dates,)).await.unwrap();
        assert_eq!(back, dates);

        // Records of a COPY are parameters like others.
        c.simple_query("CREATE TABLE visit (day date, id uuid)").await.unwrap();
        let record = (Compat(date), Compat(uuid));
        assert_eq!(c.copy_records_to_table("visit", &["day", "id"], [record]).await.unwrap(), 1);
        let back: (Compat<NaiveDate>, Compat<uuid::Uuid>) =
            c.fetch_one("SELECT * FROM visit", ()).await.unwrap();
        assert_eq!(back, record);
        still_usable(c).await;
    })
    .await;
}

#[derive(Debug, PartialEq, Clone, ToSql, FromSql)]
#[postgres(name = "mood", rename_all = "snake_case")]
enum Mood {
    Calm,
    InMust,
}

#[derive(Debug, PartialEq, Clone, ToSql, FromSql)]
#[postgres(name = "elephant")]
struct Elephant {
    name: String,
    mood: Mood,
    tusks: Vec<f64>,
}

#[tokio::test]
async fn types_that_a_server_defines_are_known_there_by_name_and_by_what_they_are_made_of() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query(
            "CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('calm', 'in_must');
             CREATE TYPE elephant AS (name text, mood mood, tusks float8[])",
        )
        .await
        .unwrap();
        check(c, "mood", Mood::InMust, "'in_must'").await;
        check(c, "mood[]", vec![Mood::InMust, Mood::Calm], "'{in_must,calm}'").await;
        let elephant = Elephant { name: "Hathi".into(), mood: Mood::Calm, tusks: vec![1.5, 2.0] };
        check(c, "elephant", elephant.clone(), r#"'(Hathi,calm,"{1.5,2}")'"#).await;
        let pairs = HashMap::from([("a".to_owned(), Some("1".to_owned()))]);
        check(c, "hstore", pairs, r#"'"a"=>"1"'"#).await;
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_there_is_an_error_here() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        let failed = c.execute("SELECT $1::int4", (Compat(NaiveDate::MIN),)).await.unwrap_err();
        assert_eq!(failed.to_string(), "parameter $1 is int4, which Compat<NaiveDate> cannot become");
        let failed = c.fetch_value::<Compat<NaiveDate>, _>("SELECT 7 AS day", ()).await.unwrap_err();
        assert_eq!(failed.to_string(), "column 1 \"day\" is int4, which Compat<NaiveDate> cannot hold");
        let failed = c.fetch_value::<Compat<NaiveDate>, _>("SELECT NULL::date AS day", ()).await.unwrap_err();
        assert!(failed.to_string().starts_with("column 1 \"day\" is NULL"), "{failed}");
        let failed =
            c.fetch_value::<Compat<Decimal>, _>("SELECT 'NaN'::numeric AS price", ()).await.unwrap_err();
        assert!(failed.to_string().starts_with("column 1 \"price\" (numeric) could not be read"), "{failed}");
        let results = c.simple_query("SELECT DATE '2024-02-29' AS day").await.unwrap();
        let failed = results[0].rows[0].get::<Compat<NaiveDate>>(0).unwrap_err();
        assert!(failed.to_string().contains("the types do not fit"), "it is text: {failed}");
        still_usable(c).await;
    })
    .await;
}

#[test]
fn vectors_are_read_by_their_name() {
    let ty = Type::new(cornac::types::Definition {
        oid: Oid(16_400),
        schema: "public".into(),
        name: "vector".into(),
        kind: cornac::types::Kind::Base,
        binary: true,
    });
    let vector = Compat(pgvector::Vector::from(vec![1.0, -2.5]));
    let mut out = bytes::BytesMut::new();
    vector.encode(&ty, &mut out).unwrap();
    assert!(Compat::<pgvector::Vector>::accepts(&ty, cornac::types::Format::Binary));
    assert_eq!(Compat::<pgvector::Vector>::from_binary(&ty, &out), Ok(vector.clone()));
    assert_eq!(vector.encode(&Type::BYTEA, &mut out), Err(cornac::types::EncodeError::WrongType));
}
