//! Values of any type as JSON, beside the server's own `to_json`.

use cornac::Client;
use cornac::types::{Value, quote_literal};
use cornac_tests::{deadline, shared, still_usable};

const VALUES: [(&str, &str); 31] = [
    ("bool", "t"),
    ("int2", "-32768"),
    ("int8", "9223372036854775807"),
    ("float4", "0.1"),
    ("float8", "-1.5e-300"),
    ("float8", "NaN"),
    ("float8", "-Infinity"),
    ("numeric", "-0.100"),
    ("numeric", "123456789012345678901234567890.5"),
    ("numeric", "NaN"),
    ("text", "quoted \"so\" \\ and\n"),
    ("\"char\"", "x"),
    ("bytea", "\\x00ff"),
    ("date", "2024-02-29"),
    ("date", "0044-03-15 BC"),
    ("time", "24:00:00"),
    ("timestamp", "2024-02-29 12:34:56.789"),
    ("timestamp", "infinity"),
    ("timestamp", "0044-03-15 12:00:00 BC"),
    ("timestamptz", "2024-02-29 12:34:56+02"),
    ("interval", "1 mon -3 days 04:05:06.7"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("inet", "10.0.0.1/8"),
    ("json", "{\"a\" : [1, null]}"),
    ("jsonb", "{\"a\": 1.10}"),
    ("int4[]", "{{1,NULL},{3,4}}"),
    ("int4[]", "{}"),
    ("text[]", "[2:3]={a,\"b c\"}"),
    ("numrange", "[1.5,2)"),
    ("oid", "7"),
    ("thing", "(7,\"so, so\",\"{1,2}\")"),
];

#[tokio::test]
async fn values_become_the_json_that_the_server_makes_of_them() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("SET TimeZone = 'UTC'; CREATE TYPE thing AS (id int4, \"Name\" text, numbers int4[])")
            .await
            .unwrap();
        for (ty, text) in VALUES {
            let value = format!("{}::{ty}", quote_literal(text).unwrap());
            let sql = format!("SELECT v, to_json(v)::text FROM (SELECT {value}) AS made (v)");
            let (value, said): (Value, String) = c.fetch_one(&sql, ()).await.unwrap();
            let ours = serde_json::to_value(&value).unwrap();
            assert_eq!(ours, serde_json::from_str::<serde_json::Value>(&said).unwrap(), "{ty} {text}");
        }
        // Without names of their own.
        let record: Value = c.fetch_value("SELECT ROW(1, 'two'::text, NULL::bool)", ()).await.unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"f1":1,"f2":"two","f3":null}"#);
        let row: Vec<Value> = c.fetch_one("SELECT 1, 0.10, NULL::text", ()).await.unwrap();
        assert_eq!(serde_json::to_string(&row).unwrap(), "[1,0.10,null]");
        still_usable(&mut c).await;
    })
    .await;
}
