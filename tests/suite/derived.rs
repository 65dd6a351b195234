//! Derived rows, parameters and values, to a real server and back.

use cornac::types::Record;
use cornac::{Client, Decode, Encode, FromRow, Params};
use cornac_tests::{deadline, shared, still_usable};

#[derive(Encode, Decode, Debug, PartialEq, Clone, Copy)]
#[cornac(rename_all = "snake_case")]
enum Mood {
    Calm,
    InMust,
}

#[derive(Encode, Decode, Debug, PartialEq, Clone, Copy)]
#[cornac(integer)]
#[repr(i16)]
enum Level {
    Low = 1,
    High = 10,
}

#[derive(Encode, Decode, Debug, PartialEq, Clone, Copy)]
struct KeeperId(i64);

#[derive(Encode, Decode, Debug, PartialEq, Clone)]
struct Tusk {
    length: f64,
    #[cornac(rename = "is_left")]
    left: bool,
}

#[derive(Encode, Decode, Debug, PartialEq, Clone)]
#[cornac(rename_all = "camelCase")]
struct Elephant {
    given_name: String,
    mood: Mood,
    moods: Vec<Option<Mood>>,
    tusks: Vec<Tusk>,
    keeper: Option<KeeperId>,
}

#[derive(FromRow, Params, Debug, PartialEq, Clone)]
struct Visit {
    id: i32,
    #[cornac(rename = "how")]
    level: Level,
    keeper: KeeperId,
    #[cornac(skip)]
    remembered: bool,
}

#[derive(FromRow, Debug, PartialEq)]
struct VisitOf {
    #[cornac(flatten)]
    visit: Visit,
    #[cornac(flatten)]
    keeper: Option<Keeper>,
    #[cornac(default)]
    weather: Option<String>,
}

#[derive(FromRow, Debug, PartialEq)]
struct Keeper {
    name: String,
    since: Option<i32>,
}

fn hathi() -> Elephant {
    Elephant {
        given_name: "Hathi, \"the old\"".to_owned(),
        mood: Mood::InMust,
        moods: vec![Some(Mood::Calm), None],
        tusks: vec![Tusk { length: 2.5, left: true }, Tusk { length: 0.1, left: false }],
        keeper: Some(KeeperId(7)),
    }
}

const TYPES: &str = r#"
    CREATE TYPE mood AS ENUM ('calm', 'in_must');
    CREATE DOMAIN keeper_id AS int8 CHECK (VALUE > 0);
    CREATE TYPE tusk AS (is_left bool, length float4);
    ALTER TYPE tusk ALTER ATTRIBUTE length TYPE float8;
    CREATE TYPE elephant AS (tusks tusk[], "givenName" text, keeper keeper_id, moods mood[], mood mood)
"#;

#[tokio::test]
async fn derived_values_come_back_as_they_went() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query(TYPES).await.unwrap();
        let hathi = hathi();
        let (back, text): (Elephant, String) =
            c.fetch_one("SELECT $1::elephant, $1::elephant::text", (&hathi,)).await.unwrap();
        assert_eq!(back, hathi);
        let expected = r#"("{""(t,2.5)"",""(f,0.1)""}","Hathi, ""the old""",7,"{calm,NULL}",in_must)"#;
        assert_eq!(text, expected);
        let herd = vec![hathi.clone(); 3];
        assert_eq!(c.fetch_value::<Vec<Elephant>, _>("SELECT $1::elephant[]", (&herd,)).await.unwrap(), herd);
        let (level, keeper): (Level, KeeperId) =
            c.fetch_one("SELECT $1::int8, $2::keeper_id", (Level::High, KeeperId(7))).await.unwrap();
        assert_eq!((level, keeper), (Level::High, KeeperId(7)));
        let tusk: Tusk = c.fetch_value("SELECT ROW(0.5::float8, true)", ()).await.unwrap();
        assert_eq!(tusk, Tusk { length: 0.5, left: true }, "a record has no names, and is taken in order");
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_derived_value_does_not_fit_is_named() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query(TYPES).await.unwrap();
        let failed = c.fetch_value::<Mood, _>("SELECT 'angry' AS mood", ()).await.unwrap_err();
        assert_eq!(
            failed.to_string(),
            r#"column 1 "mood" (text) has a value that Mood cannot hold: "angry" is none of calm, in_must"#
        );
        let failed = c.fetch_value::<Tusk, _>("SELECT ROW(NULL, 2.5)::tusk AS t", ()).await.unwrap_err();
        assert_eq!(
            failed.to_string(),
            r#"column 1 "t" (tusk) has a value that Tusk cannot hold: its field 1 "is_left" is NULL, which bool cannot hold"#
        );
        let failed = c.fetch_value::<Tusk, _>("SELECT 'calm'::mood AS t", ()).await.unwrap_err();
        assert_eq!(failed.to_string(), r#"column 1 "t" is mood, which Tusk cannot hold"#);
        let failed = c.execute("SELECT $1::mood", (Tusk { length: 1.0, left: true },)).await.unwrap_err();
        assert_eq!(failed.to_string(), "parameter $1 is mood, which Tusk cannot become");
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn a_struct_is_parameters_a_record_and_a_row() {
    deadline(async {
        let database = shared().database().await;
        let c = &mut database.connect().await;
        c.simple_query(
            "CREATE TABLE visit (id int4, how int2, keeper int8);
             CREATE TABLE keeper (keeper_id int8, name text, since int4);
             INSERT INTO keeper VALUES (7, 'Kala Nag', NULL)",
        )
        .await
        .unwrap();
        let visit = |id, keeper| Visit { id, level: Level::Low, keeper: KeeperId(keeper), remembered: false };
        c.execute("INSERT INTO visit VALUES ($1, $2, $3)", visit(1, 7)).await.unwrap();
        let copied = c.copy_records_to_table("visit", Visit::COLUMNS, [visit(2, 8), visit(3, 7)]).await.unwrap();
        assert_eq!(copied, 2);
        let rows: Vec<Visit> = c.fetch_all("SELECT * FROM visit ORDER BY id", ()).await.unwrap();
        assert_eq!(rows, [visit(1, 7), visit(2, 8), visit(3, 7)]);

        let sql = "SELECT name, keeper, how, id, since, keeper_id FROM visit LEFT JOIN keeper ON keeper = keeper_id ORDER BY id";
        let rows: Vec<VisitOf> = c.fetch_all(sql, ()).await.unwrap();
        let found = || Some(Keeper { name: "Kala Nag".to_owned(), since: None });
        let of = |visit, keeper| VisitOf { visit, keeper, weather: None };
        assert_eq!(rows, [of(visit(1, 7), found()), of(visit(2, 8), None), of(visit(3, 7), found())]);

        let failed = c.fetch_all::<VisitOf, _>("SELECT *, 'a' AS name FROM visit", ()).await.unwrap_err();
        assert!(failed.to_string().starts_with("the result has no column \"since\""), "{failed}");
        still_usable(c).await;
    })
    .await;
}
