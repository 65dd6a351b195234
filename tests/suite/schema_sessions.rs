//! Questions about the schema under all sorts of circumstances: modes, roles, search paths, other sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cornac::copy::Table;
use cornac::schema::{Schema, TableInfo};
use cornac::{Client, Connection, ErrorKind, StatementMode};
use cornac_tests::{connect_watched, deadline, newest, shared, still_usable};

use crate::schema::on_each_server;

/// Something of everything.
const EVERYTHING: &str = "\
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'it''s {\"fine\"}');
CREATE DOMAIN shop.email AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE shop.maker (country text, number int4, PRIMARY KEY (country, number));
CREATE TABLE shop.item (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int4, \"Näme\" varchar(80) COLLATE \"C\" DEFAULT E'it''s\\n' NOT NULL,
  moods shop.mood[], mail shop.email, price numeric(10, 2) CHECK (price > 0), double numeric GENERATED ALWAYS AS (price * 2) STORED,
  country text, maker int4, parent int8 REFERENCES shop.item ON DELETE CASCADE, during tsrange,
  FOREIGN KEY (country, maker) REFERENCES shop.maker MATCH FULL ON UPDATE SET NULL DEFERRABLE,
  UNIQUE (\"Näme\", price), EXCLUDE USING gist (during WITH &&)
);
ALTER TABLE shop.item DROP COLUMN gone;
CREATE INDEX partial ON shop.item (lower(\"Näme\") DESC, price) WHERE price > 10;
COMMENT ON TABLE shop.item IS 'what is sold';
COMMENT ON COLUMN shop.item.price IS E'with\\ntaxes';
INSERT INTO shop.item (\"Näme\", price) SELECT 'item ' || i, i FROM generate_series(1, 100) i;
ANALYZE shop.item";

fn item() -> Table {
    Table::in_schema("shop", "item")
}

/// What is told of the table, whose types are compared down to what they are made of.
async fn told(c: &mut Connection) -> (TableInfo, Vec<String>) {
    let info = c.table_info(item()).await.unwrap();
    let kinds = info.columns.iter().map(|column| format!("{:?}", column.ty.kind())).collect();
    (info, kinds)
}

#[tokio::test]
async fn the_answer_is_the_same_in_every_statement_mode() {
    on_each_server(EVERYTHING, async |_, c, _| {
        let expected = told(c).await;
        assert_eq!(expected.0.columns.len(), 10);
        assert_eq!(expected.0.columns[2].ty.element().unwrap().labels()[1].as_ref(), "it's {\"fine\"}");
        for mode in [StatementMode::Unnamed, StatementMode::Simple] {
            c.set_statement_mode(mode);
            assert_eq!(told(c).await, expected, "{mode:?}");
            assert!(c.table_exists(item()).await.unwrap());
            assert!(!c.table_exists("it's $1 \\ \"no\"").await.unwrap());
            let info = c.table_info("pg_class").await.unwrap();
            assert_eq!(info.column("relname").unwrap().type_name, "name");
        }
        c.set_statement_mode(StatementMode::Named);
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_one_round_trip_and_another_for_types_that_are_not_built_in() {
    deadline(async {
        for server in [shared(), newest()] {
            let database = server.database().await;
            let (mut c, flights) = connect_watched(database.config()).await.unwrap();
            c.simple_query(EVERYTHING).await.unwrap();
            flights.take();
            c.table_info(Table::in_schema("shop", "maker")).await.unwrap();
            assert_eq!(flights.take(), ["PBDES"]);
            c.table_exists("maker").await.unwrap();
            assert_eq!(flights.take(), ["PBDES"]);
            c.table_exists("maker").await.unwrap();
            assert_eq!(flights.take(), ["BES"], "this one is kept");
            for _ in 0..2 {
                c.table_info(item()).await.unwrap();
                assert_eq!(flights.take(), ["PBDES", "PBDES"], "types are asked for anew each time");
            }
            c.set_statement_mode(StatementMode::Simple);
            c.table_info(item()).await.unwrap();
            assert_eq!(flights.take(), ["Q", "Q"]);
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_role_that_may_neither_read_the_table_nor_use_its_schema_is_told_everything() {
    on_each_server(EVERYTHING, async |_, c, _| {
        let expected = told(c).await;
        c.simple_query("SET ROLE pg_signal_backend").await.unwrap();
        let refused = c.execute("SELECT FROM shop.item", ()).await.unwrap_err();
        assert_eq!(refused.sql_state().unwrap().as_str(), "42501", "{refused}");
        assert!(c.table_exists(item()).await.unwrap());
        assert_eq!(told(c).await, expected);
        // Along the search_path nothing is found that the role may not use.
        c.simple_query("SET search_path = shop").await.unwrap();
        assert!(!c.table_exists("item").await.unwrap());
        c.simple_query("RESET ROLE").await.unwrap();
        assert!(c.table_exists("item").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn operators_and_functions_of_strangers_are_never_called() {
    let hostile = "\
CREATE SCHEMA evil;
CREATE FUNCTION evil.trap(anyelement, anyelement) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
DO $$
DECLARE operator text; ty text;
BEGIN
  FOREACH ty IN ARRAY ARRAY['oid', 'name', 'text', '\"char\"', 'int2', 'int4', 'int8', 'float4', 'bool', 'regclass'] LOOP
    EXECUTE format('CREATE FUNCTION evil.trap(%1$s, %1$s) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN RAISE ''trapped''; END $f$', ty);
    FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '&'] LOOP
      EXECUTE format('CREATE OPERATOR evil.%1$s (FUNCTION = evil.trap, LEFTARG = %2$s, RIGHTARG = %2$s)', operator, ty);
    END LOOP;
  END LOOP;
END $$;
CREATE FUNCTION evil.trap(jsonb, text) RETURNS text LANGUAGE plpgsql AS $f$ BEGIN RAISE 'trapped'; END $f$;
CREATE OPERATOR evil.->> (FUNCTION = evil.trap, LEFTARG = jsonb, RIGHTARG = text);
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.name AS pg_catalog.name CHECK (false);
CREATE DOMAIN evil.int8 AS pg_catalog.int8 CHECK (false);
CREATE TABLE evil.pg_class (oid pg_catalog.int8);
CREATE TABLE evil.pg_attribute (attrelid pg_catalog.int8)";
    on_each_server(EVERYTHING, async |database, c, _| {
        let (expected, kinds) = told(c).await;
        c.simple_query(hostile).await.unwrap();
        c.simple_query("SET search_path = evil, pg_catalog, public").await.unwrap();
        let trapped = c.simple_query("SELECT 1 = 1").await.unwrap_err();
        assert_eq!(trapped.server().unwrap().message(), "trapped");
        assert!(c.table_exists(item()).await.unwrap());
        assert!(c.table_exists("pg_class").await.unwrap());
        assert_eq!(c.table_info("pg_class").await.unwrap().name.schema, "evil");
        let (found, found_kinds) = told(c).await;
        assert_eq!(found_kinds, kinds);
        assert_eq!(found.referenced_by, expected.referenced_by);
        assert_eq!(found.foreign_keys, expected.foreign_keys);
        assert_eq!(found.primary_key, expected.primary_key);
        assert_eq!(found.size, expected.size);
        assert_eq!(found.indexes.len(), expected.indexes.len());
        c.simple_query("RESET search_path").await.unwrap();

        // A statement whose types nobody has looked up yet asks the catalogues too.
        let apart = database.config().clone().options("-c search_path=evil,pg_catalog,public");
        let mut stranger = Connection::connect(&apart).await.unwrap();
        let prepared = stranger.prepare("SELECT moods FROM shop.item").await.unwrap();
        let types: Vec<_> = prepared.columns().iter().map(|column| column.ty().to_string()).collect();
        assert_eq!(types, ["mood[]"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_told_is_of_one_moment_while_others_change_the_table() {
    on_each_server("CREATE TABLE t (a int4 PRIMARY KEY)", async |database, c, _| {
        let mut other = database.connect().await;
        let enough = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&enough);
        let renaming = tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                other.simple_query("ALTER TABLE t RENAME COLUMN a TO b").await.unwrap();
                other.simple_query("ALTER TABLE t RENAME COLUMN b TO a").await.unwrap();
            }
            still_usable(&mut other).await;
        });
        let mut seen = BTreeMap::new();
        while seen.len() < 2 || seen.values().sum::<i32>() < 100 {
            let info = c.table_info("t").await.unwrap();
            let column = &info.columns[0].name;
            assert_eq!(&info.primary_key.unwrap().columns, &[column.as_str()]);
            assert_eq!(info.indexes[0].keys[0].column.as_ref(), Some(column));
            *seen.entry(column.clone()).or_insert(0) += 1;
        }
        enough.store(true, Ordering::Relaxed);
        renaming.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_locked_is_there_and_its_size_is_waited_for() {
    on_each_server("CREATE TABLE t (a int4)", async |database, c, _| {
        let mut other = database.connect().await;
        let mut transaction = other.begin().await.unwrap();
        transaction.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", ()).await.unwrap();
        assert!(c.table_exists("t").await.unwrap(), "without waiting");
        c.set_statement_timeout(Some(Duration::from_millis(200)));
        let waited = c.table_info("t").await.unwrap_err();
        assert!(matches!(waited.kind(), ErrorKind::Timeout { .. }), "{waited}");
        c.set_statement_timeout(None);
        transaction.rollback().await.unwrap();
        assert_eq!(c.table_info("t").await.unwrap().columns.len(), 1);
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn a_question_that_is_given_up_leaves_the_connection_as_it_was() {
    on_each_server(EVERYTHING, async |_, c, _| {
        for polls in 1..8 {
            let mut left = polls;
            let mut asked = std::pin::pin!(c.table_info(item()));
            let given_up = std::future::poll_fn(|cx| match asked.as_mut().poll(cx) {
                std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
                std::task::Poll::Pending => {
                    left -= 1;
                    if left == 0 { std::task::Poll::Ready(None) } else { std::task::Poll::Pending }
                }
            })
            .await;
            if let Some(done) = given_up {
                assert_eq!(done.unwrap().name.name, "item");
            }
        }
        assert!(c.table_exists(item()).await.unwrap());
        assert_eq!(c.table_info(item()).await.unwrap().row_estimate, Some(100));
    })
    .await;
}

#[tokio::test]
async fn what_comes_and_goes_while_it_is_looked_at_is_there_or_not_and_no_error() {
    let setup = "CREATE TABLE t (a int4, during tsrange) PARTITION BY LIST (a); CREATE TABLE plain (a int4, during tsrange)";
    on_each_server(setup, async |database, c, _| {
        let mut other = database.connect().await;
        let enough = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&enough);
        let changing = tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                for sql in [
                    "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)",
                    "CREATE INDEX by_a ON t (a)",
                    "CREATE INDEX plain_by_a ON plain (a) WHERE a > 0",
                    "ALTER TABLE plain ADD CONSTRAINT positive CHECK (a > 0), ADD CONSTRAINT apart EXCLUDE USING gist (during WITH &&)",
                    "CREATE TABLE child () INHERITS (plain)",
                    "DROP TABLE t1",
                    "DROP INDEX by_a, plain_by_a",
                    "ALTER TABLE plain DROP CONSTRAINT positive, DROP CONSTRAINT apart",
                    "DROP TABLE child",
                ] {
                    other.simple_query(sql).await.unwrap();
                }
            }
            still_usable(&mut other).await;
        });
        let (mut with, mut without) = (0, 0);
        while with < 20 || without < 20 {
            for table in ["t", "plain"] {
                let info = c.table_info(table).await.unwrap();
                assert!(info.indexes.iter().all(|index| !index.definition.is_empty()));
                assert!(info.check_constraints.iter().all(|check| check.expression == "(a > 0)"));
                assert_eq!(info.inherited_by.len() * usize::from(table == "t"), 0);
                if info.indexes.is_empty() { without += 1 } else { with += 1 }
            }
        }
        enough.store(true, Ordering::Relaxed);
        changing.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_spawned_task_can_ask_within_a_transaction() {
    on_each_server(EVERYTHING, async |database, _, _| {
        let mut other = database.connect().await;
        let task = tokio::spawn(async move {
            let mut transaction = other.begin().await?;
            let found = (transaction.table_exists("item").await?, transaction.table_info(item()).await?);
            transaction.commit().await?;
            still_usable(&mut other).await;
            Ok::<_, cornac::Error>(found)
        });
        let (along_the_path, info) = task.await.unwrap().unwrap();
        assert!(!along_the_path);
        assert_eq!(info.referenced_by.len(), 1);
    })
    .await;
}
