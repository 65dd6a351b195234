//! Tables, views and foreign tables, and what only some of them have.

use cornac::schema::{Persistence, Schema, TableInfo, TableKind, View};
use cornac::types::Type;
use cornac::{Client, Connection};

use crate::schema::{on_each_server, qualified};

#[tokio::test]
async fn a_table_tells_owner_comment_options_and_row_security() {
    let setup = "CREATE TABLE t (a int4) WITH (fillfactor = 70, autovacuum_enabled = off); COMMENT ON TABLE t IS 'it''s';
        CREATE UNLOGGED TABLE u (a int4); ALTER TABLE u ENABLE ROW LEVEL SECURITY; ALTER TABLE u FORCE ROW LEVEL SECURITY;
        ALTER TABLE u OWNER TO pg_signal_backend; CREATE TABLE plain ()";
    on_each_server(setup, async |_, c, _| {
        let t = c.table_info("t").await.unwrap();
        let (oid, owner): (cornac::types::Oid, String) =
            c.fetch_one("SELECT 't'::regclass::oid, current_user::text", ()).await.unwrap();
        assert_eq!((t.oid, &t.owner, &t.name), (oid, &owner, &qualified("public", "t")));
        assert_eq!(
            (&t.kind, t.persistence, t.comment.as_deref()),
            (&TableKind::Table, Persistence::Permanent, Some("it's"))
        );
        let options =
            [("fillfactor", "70"), ("autovacuum_enabled", "off")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(t.options, options);
        assert_eq!((t.access_method.as_deref(), t.tablespace.as_deref()), (Some("heap"), None));
        assert!(!t.row_security && !t.force_row_security);
        assert!(
            t.partition_of.is_none()
                && t.inherits.is_empty()
                && t.inherited_by.is_empty()
                && t.partitioning().is_none()
        );
        let u = c.table_info("u").await.unwrap();
        assert_eq!((u.persistence, u.owner.as_str()), (Persistence::Unlogged, "pg_signal_backend"));
        assert!(u.row_security && u.force_row_security && u.options.is_empty() && u.comment.is_none());
        let plain = c.table_info("plain").await.unwrap();
        assert!(plain.columns.is_empty());
        assert_eq!(c.table_info("pg_database").await.unwrap().tablespace.as_deref(), Some("pg_global"));
        // It can be kept, compared and shown.
        assert_eq!(plain.clone(), plain);
        assert_ne!(plain, t);
        assert!(format!("{plain:?}").contains("TableInfo"));
        c.simple_query("ALTER TABLE plain RENAME TO renamed").await.unwrap();
        let renamed = c.table_info("renamed").await.unwrap();
        assert_eq!(renamed.oid, plain.oid);
    })
    .await;
}

async fn view(c: &mut Connection, name: &str) -> (TableInfo, View) {
    let info = c.table_info(name).await.unwrap();
    match info.kind.clone() {
        TableKind::View(view) => (info, view),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_view_tells_its_query_and_whether_it_takes_writes() {
    let setup = "CREATE TABLE t (a int4 PRIMARY KEY, b varchar(9) DEFAULT 'x'); CREATE VIEW simple WITH (security_barrier) AS SELECT a, b AS \"B\" FROM t WHERE a > 0;
        CREATE VIEW joined AS SELECT count(*) AS n, lower('X') AS l FROM t; ALTER VIEW simple ALTER COLUMN a SET DEFAULT 7; COMMENT ON VIEW simple IS 'some';
        CREATE VIEW ruled AS SELECT 1 AS one; CREATE RULE add AS ON INSERT TO ruled DO INSTEAD INSERT INTO t VALUES (NEW.one)";
    on_each_server(setup, async |_, c, _| {
        assert!(c.table_exists("simple").await.unwrap());
        let (info, simple) = view(c, "simple").await;
        assert!(simple.is_insertable && simple.is_updatable);
        let flat = simple.definition.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.starts_with("SELECT") && flat.contains("AS \"B\" FROM t WHERE"), "{flat}");
        let told: Vec<_> = info
            .columns
            .iter()
            .map(|c| (c.name.as_str(), c.type_name.as_str(), c.default.as_deref()))
            .collect();
        assert_eq!(told, [("a", "integer", Some("7")), ("B", "character varying(9)", None)]);
        assert_eq!(info.options, [("security_barrier".to_owned(), "true".to_owned())]);
        assert_eq!(
            (info.comment.as_deref(), info.access_method, info.row_estimate),
            (Some("some"), None, None)
        );
        assert_eq!((info.size.total_bytes, info.primary_key, info.indexes.len()), (0, None, 0));
        let (info, joined) = view(c, "joined").await;
        assert!(!joined.is_insertable && !joined.is_updatable);
        assert_eq!(info.columns.iter().map(|c| c.ty.clone()).collect::<Vec<_>>(), [Type::INT8, Type::TEXT]);
        let (_, ruled) = view(c, "ruled").await;
        assert!(ruled.is_insertable && !ruled.is_updatable);
    })
    .await;
}

#[tokio::test]
async fn a_materialized_view_tells_whether_it_holds_its_rows() {
    let setup = "CREATE MATERIALIZED VIEW m AS SELECT i AS id, i * 2 AS double FROM generate_series(1, 100) i WITH NO DATA;
        CREATE UNIQUE INDEX by_id ON m (id); COMMENT ON MATERIALIZED VIEW m IS 'kept'";
    on_each_server(setup, async |_, c, _| {
        for populated in [false, true] {
            let info = c.table_info("m").await.unwrap();
            let TableKind::MaterializedView(m) = &info.kind else { panic!("{:?}", info.kind) };
            assert_eq!(m.is_populated, populated);
            assert!(m.definition.contains("generate_series"), "{}", m.definition);
            assert_eq!((info.indexes[0].name.as_str(), info.comment.as_deref()), ("by_id", Some("kept")));
            assert_eq!(info.row_estimate, populated.then_some(100));
            c.simple_query("REFRESH MATERIALIZED VIEW m; ANALYZE m").await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_foreign_table_tells_its_server_and_options_though_nobody_answers_there() {
    let setup = "CREATE FOREIGN DATA WRAPPER nobody; CREATE SERVER \"Far Away\" FOREIGN DATA WRAPPER nobody;
        CREATE FOREIGN TABLE f (id int4 OPTIONS (column_name 'the id', key 'true') NOT NULL, name text, CHECK (id > 0))
          SERVER \"Far Away\" OPTIONS (schema_name 'a=b', table_name '');
        COMMENT ON FOREIGN TABLE f IS 'there'";
    on_each_server(setup, async |_, c, _| {
        assert!(c.table_exists("f").await.unwrap());
        let info = c.table_info("f").await.unwrap();
        let TableKind::ForeignTable(foreign) = &info.kind else { panic!("{:?}", info.kind) };
        assert_eq!(foreign.server, "Far Away");
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(foreign.options, pairs(&[("schema_name", "a=b"), ("table_name", "")]));
        assert_eq!(info.columns[0].foreign_options, pairs(&[("column_name", "the id"), ("key", "true")]));
        assert!(info.columns[1].foreign_options.is_empty() && !info.columns[0].is_nullable);
        assert_eq!((info.check_constraints.len(), info.comment.as_deref()), (1, Some("there")));
        assert_eq!((info.size.total_bytes, info.row_estimate), (0, None));
    })
    .await;
}

#[tokio::test]
async fn a_table_of_another_server_is_told_as_it_is_declared_here() {
    on_each_server("CREATE TABLE real (id int4 PRIMARY KEY, name text)", async |_, c, _| {
        let there: i64 =
            c.fetch_value("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'", ()).await.unwrap();
        assert_eq!(there, 1, "the contrib modules belong to the servers that are tested on");
        c.simple_query(
            "CREATE EXTENSION postgres_fdw; CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'nowhere');
             CREATE USER MAPPING FOR CURRENT_USER SERVER loop OPTIONS (password 'hush'); CREATE SCHEMA far;
             CREATE FOREIGN TABLE far.real (id int4 NOT NULL, name text) SERVER loop OPTIONS (table_name 'real');
             CREATE VIEW over AS SELECT * FROM far.real",
        )
        .await
        .unwrap();
        let info = c.table_info(cornac::copy::Table::in_schema("far", "real")).await.unwrap();
        assert!(matches!(&info.kind, TableKind::ForeignTable(foreign) if foreign.server == "loop"));
        assert!(info.primary_key.is_none(), "keys are the other server's");
        assert!(!format!("{info:?}").contains("hush"));
        let (_, over) = view(c, "over").await;
        assert!(over.is_updatable);
    })
    .await;
}
