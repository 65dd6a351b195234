//! Partitioned tables, partitions, and tables that inherit.

use cornac::schema::{PartitionStrategy, Schema, TableKind};

use crate::schema::{on_each_server, qualified};

const SALES: &str = "\
CREATE SCHEMA parts;
CREATE TABLE sale (id int4, region text, sold date, PRIMARY KEY (region, sold, id)) PARTITION BY LIST (region);
CREATE TABLE parts.north PARTITION OF sale FOR VALUES IN ('n', 'ne', 'it''s') PARTITION BY RANGE (sold);
CREATE TABLE parts.rest PARTITION OF sale DEFAULT;
CREATE TABLE parts.\"North 2025\" PARTITION OF parts.north FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parts.north_old PARTITION OF parts.north FOR VALUES FROM (MINVALUE) TO ('2025-01-01')";

#[tokio::test]
async fn partitions_of_partitions_are_told_from_above_and_from_below() {
    on_each_server(SALES, async |_, c, _| {
        let sale = c.table_info("sale").await.unwrap();
        let partitioning = sale.partitioning().unwrap();
        assert_eq!(
            (partitioning.strategy, partitioning.key.as_str()),
            (PartitionStrategy::List, "LIST (region)")
        );
        assert_eq!(partitioning.columns, [Some("region".to_owned())]);
        let told: Vec<_> = partitioning
            .partitions
            .iter()
            .map(|p| (p.table.clone(), p.bound.as_str(), p.is_partitioned))
            .collect();
        let expected = [
            (qualified("parts", "north"), "FOR VALUES IN ('n', 'ne', 'it''s')", true),
            (qualified("parts", "rest"), "DEFAULT", false),
        ];
        assert_eq!(told, expected);
        assert!(partitioning.partitions.iter().all(|partition| !partition.is_detach_pending));
        assert!(sale.partition_of.is_none() && sale.inherited_by.is_empty());

        let north = c.table_info(&partitioning.partitions[0].table).await.unwrap();
        let of = north.partition_of.as_ref().unwrap();
        assert_eq!(
            (&of.parent, &of.bound),
            (&qualified("public", "sale"), &partitioning.partitions[0].bound)
        );
        let below = north.partitioning().unwrap();
        assert_eq!((below.strategy, below.key.as_str()), (PartitionStrategy::Range, "RANGE (sold)"));
        let told: Vec<_> =
            below.partitions.iter().map(|p| (p.table.name.as_str(), p.bound.as_str())).collect();
        let expected = [
            ("North 2025", "FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"),
            ("north_old", "FOR VALUES FROM (MINVALUE) TO ('2025-01-01')"),
        ];
        assert_eq!(told, expected);

        let leaf = c.table_info(&below.partitions[0].table).await.unwrap();
        assert_eq!(leaf.kind, TableKind::Table);
        assert_eq!(leaf.partition_of.unwrap().parent, qualified("parts", "north"));
        assert!(leaf.inherits.is_empty());
        assert_eq!(leaf.primary_key.unwrap().columns, ["region", "sold", "id"]);
    })
    .await;
}

#[tokio::test]
async fn keys_of_partitioning_can_be_expressions_and_hashes() {
    let setup = "CREATE TABLE r (a int4, gone int4, b text) PARTITION BY RANGE (b COLLATE \"C\", lower(b), a); ALTER TABLE r DROP COLUMN gone;
        CREATE TABLE h (a int4, b int4) PARTITION BY HASH (b, a); CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 4, REMAINDER 3);
        CREATE TABLE alone (a int4) PARTITION BY LIST (a)";
    on_each_server(setup, async |_, c, _| {
        let r = c.table_info("r").await.unwrap();
        let partitioning = r.partitioning().unwrap();
        assert_eq!(partitioning.key, "RANGE (b COLLATE \"C\", lower(b), a)");
        assert_eq!(partitioning.columns, [Some("b".to_owned()), None, Some("a".to_owned())]);
        assert!(partitioning.partitions.is_empty());
        let h = c.table_info("h").await.unwrap();
        let partitioning = h.partitioning().unwrap();
        assert_eq!(
            (partitioning.strategy, partitioning.key.as_str()),
            (PartitionStrategy::Hash, "HASH (b, a)")
        );
        assert_eq!(partitioning.partitions[0].bound, "FOR VALUES WITH (modulus 4, remainder 3)");
        let alone = c.table_info("alone").await.unwrap();
        assert_eq!((alone.row_estimate, alone.size.total_bytes), (None, 0));
    })
    .await;
}

#[tokio::test]
async fn what_a_partitioned_table_holds_is_what_its_partitions_hold() {
    on_each_server(SALES, async |_, c, _| {
        c.simple_query("CREATE INDEX by_id ON sale (id)").await.unwrap();
        c.simple_query(
            "INSERT INTO sale SELECT i, (ARRAY['n', 'w'])[1 + i % 2], '2024-07-01'::date + i FROM generate_series(1, 365) i;
             ANALYZE sale",
        )
        .await
        .unwrap();
        let sale = c.table_info("sale").await.unwrap();
        assert_eq!(sale.row_estimate, Some(365));
        let (mut rows, mut table, mut indexes, mut by_id) = (0, 0, 0, 0);
        for name in ["North 2025", "north_old", "rest"] {
            let leaf = c.table_info(cornac::copy::Table::in_schema("parts", name)).await.unwrap();
            assert!(leaf.size.table_bytes > 0);
            rows += leaf.row_estimate.unwrap();
            table += leaf.size.table_bytes;
            indexes += leaf.size.index_bytes;
            let of_id = leaf.indexes.iter().find(|index| index.keys[0].column.as_deref() == Some("id"));
            by_id += of_id.unwrap().size_bytes;
        }
        assert_eq!(rows, 365);
        assert_eq!((sale.size.table_bytes, sale.size.index_bytes), (table, indexes));
        assert_eq!(sale.size.total_bytes, table + indexes);
        let index = sale.indexes.iter().find(|index| index.name == "by_id").unwrap();
        assert_eq!(index.size_bytes, by_id);
        assert!(by_id > 0);
    })
    .await;
}

#[tokio::test]
async fn foreign_keys_of_partitioned_tables_are_told_once() {
    let setup = "CREATE TABLE p (id int4 PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
        CREATE TABLE f (a int4 REFERENCES p, b int4) PARTITION BY LIST (b);
        CREATE TABLE f1 (b int4, a int4); ALTER TABLE f ATTACH PARTITION f1 FOR VALUES IN (1); CREATE TABLE f2 PARTITION OF f FOR VALUES IN (2);
        ALTER TABLE f2 ADD CONSTRAINT own FOREIGN KEY (b) REFERENCES p";
    on_each_server(setup, async |_, c, _| {
        let names = |keys: &[cornac::schema::ForeignKey]| {
            let told = keys
                .iter()
                .map(|key| (key.table.name.clone(), key.name.clone(), key.referenced_table.name.clone()));
            told.map(|(table, name, to)| format!("{table}.{name} -> {to}")).collect::<Vec<_>>()
        };
        let f = c.table_info("f").await.unwrap();
        assert_eq!(names(&f.foreign_keys), ["f.f_a_fkey -> p"]);
        let f1 = c.table_info("f1").await.unwrap();
        assert_eq!(names(&f1.foreign_keys), ["f1.f_a_fkey -> p"]);
        assert_eq!(f1.foreign_keys[0].columns, ["a"]);
        let f2 = c.table_info("f2").await.unwrap();
        assert_eq!(names(&f2.foreign_keys), ["f2.f_a_fkey -> p", "f2.own -> p"]);
        for name in ["p", "p1"] {
            let p = c.table_info(name).await.unwrap();
            assert_eq!(names(&p.referenced_by), ["f.f_a_fkey -> p", "f2.own -> p"], "{name}");
            assert!(p.foreign_keys.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn an_index_that_a_partition_lacks_is_not_valid_above() {
    let setup = "CREATE TABLE p (a int4, b int4) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        CREATE INDEX by_b ON ONLY p (b); CREATE INDEX p1_by_b ON p1 (b)";
    on_each_server(setup, async |_, c, _| {
        assert!(!c.table_info("p").await.unwrap().indexes[0].is_valid);
        c.simple_query("ALTER INDEX by_b ATTACH PARTITION p1_by_b").await.unwrap();
        assert!(c.table_info("p").await.unwrap().indexes[0].is_valid);
    })
    .await;
}

#[tokio::test]
async fn a_partition_on_its_way_out_says_so() {
    on_each_server(SALES, async |database, c, version| {
        if version < 14 {
            return;
        }
        // The second half of DETACH CONCURRENTLY waits for whoever may still see the partition.
        let mut reader = database.connect().await;
        let mut transaction = reader.begin().await.unwrap();
        cornac::Client::execute(&mut transaction, "SELECT FROM parts.north", ()).await.unwrap();
        c.set_statement_timeout(Some(std::time::Duration::from_millis(500)));
        c.simple_query("ALTER TABLE parts.north DETACH PARTITION parts.north_old CONCURRENTLY")
            .await
            .unwrap_err();
        c.set_statement_timeout(None);
        let north = c.table_info(cornac::copy::Table::in_schema("parts", "north")).await.unwrap();
        let pending: Vec<_> =
            north.partitioning().unwrap().partitions.iter().map(|p| p.is_detach_pending).collect();
        assert_eq!(pending, [false, true]);
        transaction.rollback().await.unwrap();
        c.simple_query("ALTER TABLE parts.north DETACH PARTITION parts.north_old FINALIZE").await.unwrap();
        let old = c.table_info(cornac::copy::Table::in_schema("parts", "north_old")).await.unwrap();
        assert!(old.partition_of.is_none());
        cornac_tests::still_usable(&mut reader).await;
    })
    .await;
}

#[tokio::test]
async fn tables_that_inherit_name_their_parents_in_order() {
    let setup = "CREATE SCHEMA other; CREATE TABLE z (a int4 CHECK (a > 0)); CREATE TABLE other.b (b int4); CREATE TABLE child (c int4) INHERITS (z, other.b);
        CREATE TABLE another () INHERITS (z)";
    on_each_server(setup, async |_, c, _| {
        let child = c.table_info("child").await.unwrap();
        assert_eq!(child.inherits, [qualified("public", "z"), qualified("other", "b")]);
        assert_eq!(child.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((child.check_constraints.len(), child.partition_of), (1, None));
        let z = c.table_info("z").await.unwrap();
        assert_eq!(z.inherited_by, [qualified("public", "another"), qualified("public", "child")]);
        assert_eq!((z.kind, z.partition_of), (TableKind::Table, None));
    })
    .await;
}
