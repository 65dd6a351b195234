//! Indexes, and how much room things take.

use cornac::Client;
use cornac::schema::{Index, Schema, TableInfo, Uniqueness};

use crate::schema::on_each_server;

fn index<'i>(info: &'i TableInfo, name: &str) -> &'i Index {
    let found = info.indexes.iter().find(|index| index.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {:?}", info.indexes))
}

fn keys(index: &Index) -> Vec<(&str, Option<&str>, bool, bool)> {
    let told = index.keys.iter();
    told.map(|key| (key.expression.as_str(), key.column.as_deref(), key.is_descending, key.nulls_first))
        .collect()
}

#[tokio::test]
async fn indexes_tell_their_keys_columns_and_predicates() {
    let setup = "CREATE TABLE t (a int4, \"B b\" text, gone int4, tags text[]); ALTER TABLE t DROP COLUMN gone;
        CREATE INDEX plain ON t (\"B b\", a DESC, (a + 1) NULLS FIRST) INCLUDE (tags);
        CREATE UNIQUE INDEX partial ON t (lower(\"B b\")) WHERE a > 10 AND \"B b\" IS NOT NULL;
        CREATE INDEX hashed ON t USING hash (a); CREATE INDEX \"In Tags\" ON t USING gin (tags); CREATE INDEX blocks ON t USING brin (a);
        COMMENT ON INDEX plain IS 'for lists'";
    on_each_server(setup, async |_, c, _| {
        let info = c.table_info("t").await.unwrap();
        let names: Vec<_> = info.indexes.iter().map(|i| (i.name.as_str(), i.method.as_str())).collect();
        let expected = [
            ("In Tags", "gin"),
            ("blocks", "brin"),
            ("hashed", "hash"),
            ("partial", "btree"),
            ("plain", "btree"),
        ];
        assert_eq!(names, expected);
        let plain = index(&info, "plain");
        let expected = [
            ("\"B b\"", Some("B b"), false, false),
            ("a", Some("a"), true, true),
            ("(a + 1)", None, false, true),
        ];
        assert_eq!(keys(plain), expected);
        assert_eq!((plain.include.join(","), plain.predicate.as_deref()), ("tags".to_owned(), None));
        assert_eq!(plain.comment.as_deref(), Some("for lists"));
        assert!(!plain.is_unique() && !plain.is_primary() && plain.is_valid && plain.constraint.is_none());
        let partial = index(&info, "partial");
        assert_eq!(keys(partial), [("lower(\"B b\")", None, false, false)]);
        assert_eq!(partial.predicate.as_deref(), Some("((a > 10) AND (\"B b\" IS NOT NULL))"));
        assert_eq!(partial.uniqueness, Uniqueness::Unique);
        // The definition makes the same index again.
        c.simple_query("DROP INDEX partial").await.unwrap();
        c.simple_query(&partial.definition).await.unwrap();
        let again = c.table_info("t").await.unwrap();
        assert_eq!(index(&again, "partial"), partial);
    })
    .await;
}

#[tokio::test]
async fn an_index_whose_building_failed_is_not_valid() {
    on_each_server("CREATE TABLE t (a int4); INSERT INTO t VALUES (1), (1)", async |_, c, _| {
        let failed = c.simple_query("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)").await.unwrap_err();
        assert_eq!(failed.sql_state(), Some(cornac::SqlState::UNIQUE_VIOLATION));
        c.simple_query("CREATE INDEX fine ON t (a)").await.unwrap();
        let info = c.table_info("t").await.unwrap();
        assert!(!index(&info, "broken").is_valid && index(&info, "fine").is_valid);
        c.simple_query("DELETE FROM t; REINDEX INDEX broken").await.unwrap();
        assert!(index(&c.table_info("t").await.unwrap(), "broken").is_valid);
    })
    .await;
}

#[tokio::test]
async fn the_index_that_rows_are_ordered_or_told_apart_by_is_marked() {
    let setup = "CREATE TABLE t (a int4 PRIMARY KEY, b int4 NOT NULL, c int4); CREATE UNIQUE INDEX by_b ON t (b); CREATE INDEX by_c ON t (c);
        CLUSTER t USING by_c; ALTER TABLE t REPLICA IDENTITY USING INDEX by_b";
    on_each_server(setup, async |_, c, _| {
        let info = c.table_info("t").await.unwrap();
        let told: Vec<_> = info
            .indexes
            .iter()
            .map(|i| (i.name.as_str(), i.is_primary(), i.is_clustered, i.is_replica_identity))
            .collect();
        assert_eq!(
            told,
            [("by_b", false, false, true), ("by_c", false, true, false), ("t_pkey", true, false, false)]
        );
    })
    .await;
}

#[tokio::test]
async fn sizes_are_those_of_the_files_and_add_up() {
    on_each_server(
        "CREATE TABLE t (a int4 PRIMARY KEY, b text); CREATE INDEX by_b ON t (b)",
        async |_, c, _| {
            let empty = c.table_info("t").await.unwrap();
            let rows = "INSERT INTO t SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 2000) i";
            c.execute(rows, ()).await.unwrap();
            c.execute(
                "INSERT INTO t SELECT 0, string_agg(md5(i::text), '') FROM generate_series(1, 10000) i",
                (),
            )
            .await
            .unwrap_err();
            c.execute("ANALYZE t", ()).await.unwrap();
            let full = c.table_info("t").await.unwrap();
            for info in [&empty, &full] {
                assert_eq!(info.size.total_bytes, info.size.table_bytes + info.size.index_bytes);
                assert_eq!(
                    info.size.index_bytes,
                    info.indexes.iter().map(|index| index.size_bytes).sum::<u64>()
                );
            }
            assert!(
                full.size.table_bytes > empty.size.table_bytes + 100_000,
                "{:?} {:?}",
                empty.size,
                full.size
            );
            assert!(index(&full, "t_pkey").size_bytes > index(&empty, "t_pkey").size_bytes);
            let sql = "SELECT pg_table_size('t'), pg_indexes_size('t'), pg_total_relation_size('t')";
            let (table, indexes, total): (i64, i64, i64) = c.fetch_one(sql, ()).await.unwrap();
            let size = full.size;
            assert_eq!(
                [size.table_bytes, size.index_bytes, size.total_bytes].map(u64::cast_signed),
                [table, indexes, total]
            );
        },
    )
    .await;
}

#[tokio::test]
async fn rows_are_estimated_once_somebody_has_counted_them() {
    on_each_server("CREATE TABLE t (a int4) WITH (autovacuum_enabled = off)", async |_, c, version| {
        assert_eq!(c.table_info("t").await.unwrap().row_estimate, None);
        c.execute("INSERT INTO t SELECT generate_series(1, 12345)", ()).await.unwrap();
        assert_eq!(c.table_info("t").await.unwrap().row_estimate, None);
        c.execute("ANALYZE t", ()).await.unwrap();
        assert_eq!(c.table_info("t").await.unwrap().row_estimate, Some(12_345));
        c.execute("DELETE FROM t", ()).await.unwrap();
        assert_eq!(c.table_info("t").await.unwrap().row_estimate, Some(12_345), "until the next time");
        c.execute("VACUUM t", ()).await.unwrap();
        // Before version 14, none counted and not counted look the same.
        assert_eq!(c.table_info("t").await.unwrap().row_estimate, (version >= 14).then_some(0));
    })
    .await;
}
