//! Scalar types of extensions, which are known by their names, and types whose values are text.

use cornac::types::{
    Cube, HalfVector, Hstore, JsonPath, JsonText, Lquery, Ltree, Ltxtquery, Oid, SparseVector, Vector,
};
use cornac::{Client, Connection};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, pgvector, provision, still_usable};

use crate::scalars::Equality::{Server, Text};
use crate::scalars::{check, on_both_versions};

#[tokio::test]
async fn contrib_types_survive() {
    on_both_versions(async |_, c| {
        for extension in ["hstore", "ltree", "cube", "citext"] {
            c.simple_query(&format!("CREATE EXTENSION {extension}")).await.unwrap();
        }
        let pairs =
            ["", "a=>1", r#""a b"=>NULL, b=>"NULL", "d\"\\"=>"=>, ""#, r#"""=>"""#, "Größe=>象, aa=>2, c=>3"];
        check::<Hstore>(c, "hstore", Server, &pairs).await;
        check::<Ltree>(c, "ltree", Server, &["", "Top", "Top.Science.Astronomy"]).await;
        check::<Lquery>(c, "lquery", Text, &["Top.*", "*{1,2}.a@|b*.!c", "*"]).await;
        check::<Ltxtquery>(c, "ltxtquery", Text, &["Europe & Russia*@ & !Transportation", "a | b"]).await;
        check::<Cube>(c, "cube", Server, &["()", "1", "(1,2.5,-3)", "(0,0),(1,1e20)", "(1),(1)"]).await;
        check::<String>(c, "citext", Server, &["", "Tusk", "Größe, 'a' \\"]).await;
    })
    .await;
}

#[tokio::test]
async fn vectors_survive() {
    let pgvector = pgvector().unwrap();
    let path = |before: &str| format!("{before}:{}", pgvector.display());
    let settings = vec![
        ("extension_control_path".to_owned(), path("$system")),
        ("dynamic_library_path".to_owned(), path("$libdir")),
    ];
    let binaries = Some(provision(Some("18")).unwrap());
    let cluster =
        Cluster::start(&ClusterOptions { binaries, settings, ..ClusterOptions::default() }).unwrap();
    deadline(async {
        let mut c = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        c.simple_query("CREATE EXTENSION vector").await.unwrap();
        let vectors = ["[0]", "[1,2.5,-3e10]", "[0.1,1e-7,67108900,16777216,3e-38]"];
        check::<Vector>(&mut c, "vector", Server, &vectors).await;
        check::<HalfVector>(&mut c, "halfvec", Server, &["[0]", "[1,2.5,-65504]", "[0.1,6e-8,1e-5,2049]"])
            .await;
        check::<SparseVector>(&mut c, "sparsevec", Server, &["{}/3", "{1:1.5,3:-2}/5", "{16000:0.1}/16000"])
            .await;
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn texts_survive() {
    on_both_versions(async |_, c| {
        let texts = ["", " ", "tusk", "Größe, 象, \u{1f418}, '\\ \"x\"\n\t"];
        check::<String>(c, "text", Server, &texts).await;
        check::<String>(c, "varchar", Server, &texts).await;
        check::<String>(c, "bpchar", Server, &["", "tusk"]).await;
        check::<String>(c, "name", Server, &["", "tusk"]).await;
        check::<String>(c, "refcursor", Text, &texts).await;
        check::<String>(c, "aclitem", Server, &["postgres=r/postgres", "=UC/postgres"]).await;
        let documents =
            ["null", "1", r#""a\u00e9 \\ \"""#, r#"{"b": [1, 2.50, {}], "a": null}"#, "[]", "1e400"];
        check::<JsonText>(c, "jsonb", Server, &documents).await;
        check::<JsonText>(c, "json", Text, &documents).await;
        let paths = ["$", "$.a[*] ? (@ > 1)", r#"strict $."a b".size()"#];
        check::<JsonPath>(c, "jsonpath", Text, &paths).await;
        let borrowed: Vec<(bool, i32)> =
            c.fetch_all("SELECT true, length($1::jsonb::text)", (JsonText("[1]"),)).await.unwrap();
        assert_eq!(borrowed, [(true, 3)]);
    })
    .await;
}

#[tokio::test]
async fn what_has_a_name_is_an_oid_in_binary_and_a_name_in_text() {
    on_both_versions(async |_, c| {
        for (ty, name, oid) in [
            ("regclass", "pg_class", 1259),
            ("regtype", "integer", 23),
            ("regproc", "now", 1299),
            ("regprocedure", "now()", 1299),
            ("regoper", "pg_catalog.||/", 597),
            ("regoperator", "!~(text,text)", 642),
            ("regconfig", "simple", 3748),
            ("regdictionary", "simple", 3765),
            ("regnamespace", "pg_catalog", 11),
            ("regrole", "postgres", 10),
            ("regcollation", "\"C\"", 950),
            ("regclass", "-", 0),
        ] {
            let sql = format!("SELECT '{name}'::{ty}, $1::{ty}::text, $1::{ty} = '{name}'::{ty}");
            let row: (Oid, String, bool) = c.fetch_one(&sql, (Oid(oid),)).await.expect(name);
            assert_eq!(row, (Oid(oid), name.replace("pg_catalog.|", "|"), true), "{ty}");
            let results = c.simple_query(&format!("SELECT '{name}'::{ty}")).await.unwrap();
            let row = &results[0].rows[0];
            assert_eq!(row.get::<String>(0).unwrap(), name.replace("pg_catalog.|", "|"), "{ty}");
            assert!(row.get::<Oid>(0).is_err(), "{ty} in text is a name");
        }
    })
    .await;
}

#[tokio::test]
async fn functions_that_give_nothing_give_nothing() {
    on_both_versions(async |_, c| {
        c.simple_query("CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS 'SELECT 1'").await.unwrap();
        c.fetch_value::<(), _>("SELECT pg_sleep(0)", ()).await.unwrap();
        c.fetch_value::<(), _>("SELECT nothing()", ()).await.unwrap();
        let results = c.simple_query("SELECT pg_sleep(0)").await.unwrap();
        results[0].rows[0].get::<()>(0).unwrap();
        let wrong = c.fetch_value::<(), _>("SELECT 1", ()).await.unwrap_err();
        assert_eq!(wrong.to_string(), "column 1 \"?column?\" is int4, which () cannot hold");
    })
    .await;
}
