//! Keys and other constraints, seen from both ends.

use cornac::copy::Table;
use cornac::schema::{
    Deferrability, ForeignKey, IndexConstraint, MatchType, ReferentialAction, Schema, Uniqueness,
};

use crate::schema::{on_each_server, qualified};

#[tokio::test]
async fn a_key_has_its_columns_in_its_own_order_and_those_that_are_included() {
    let setup = "CREATE TABLE t (a int4, b int4, \"C c\" text, d int4, e int4,
          CONSTRAINT \"the key\" PRIMARY KEY (\"C c\", a) INCLUDE (e, d), CONSTRAINT second UNIQUE (d, b) DEFERRABLE INITIALLY DEFERRED,
          CONSTRAINT first UNIQUE (b) DEFERRABLE);
        CREATE UNIQUE INDEX no_constraint ON t (e); COMMENT ON CONSTRAINT \"the key\" ON t IS 'of t'; CREATE TABLE none (a int4)";
    on_each_server(setup, async |_, c, version| {
        let info = c.table_info("t").await.unwrap();
        let key = info.primary_key.unwrap();
        assert_eq!((key.name.as_str(), key.comment.as_deref()), ("the key", Some("of t")));
        assert_eq!(
            (key.columns, key.include),
            (vec!["C c".to_owned(), "a".to_owned()], vec!["e".to_owned(), "d".to_owned()])
        );
        assert_eq!(key.deferrability, Deferrability::NotDeferrable);
        let told: Vec<_> = info
            .unique_constraints
            .iter()
            .map(|k| (k.name.as_str(), k.columns.join(","), k.deferrability))
            .collect();
        let expected = [
            ("first", "b".to_owned(), Deferrability::InitiallyImmediate),
            ("second", "d,b".to_owned(), Deferrability::InitiallyDeferred),
        ];
        assert_eq!(told, expected);
        assert!(info.unique_constraints.iter().all(|key| !key.nulls_not_distinct && !key.without_overlaps));
        let unique: Vec<_> = info
            .indexes
            .iter()
            .filter(|i| i.is_unique())
            .map(|i| (i.name.as_str(), i.constraint.clone(), i.is_primary()))
            .collect();
        let named = |kind: fn(String) -> IndexConstraint, name: &str| Some(kind(name.to_owned()));
        let expected = [
            ("first", named(IndexConstraint::Unique, "first"), false),
            ("no_constraint", None, false),
            ("second", named(IndexConstraint::Unique, "second"), false),
            ("the key", named(IndexConstraint::PrimaryKey, "the key"), true),
        ];
        assert_eq!(unique, expected);
        if version < 15 {
            return;
        }
        c.simple_query("ALTER TABLE t ADD CONSTRAINT nulls UNIQUE NULLS NOT DISTINCT (e)").await.unwrap();
        let info = c.table_info("t").await.unwrap();
        let nulls: Vec<_> =
            info.unique_constraints.iter().map(|k| (k.name.as_str(), k.nulls_not_distinct)).collect();
        assert_eq!(nulls, [("first", false), ("nulls", true), ("second", false)]);
        assert_eq!(
            info.indexes.iter().filter(|index| index.uniqueness == Uniqueness::NullsNotDistinct).count(),
            1
        );
        let none = c.table_info("none").await.unwrap();
        assert!(none.primary_key.is_none() && none.unique_constraints.is_empty() && none.indexes.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_foreign_key_pairs_its_columns_with_those_of_another_schema() {
    let setup = "CREATE SCHEMA shop; CREATE TABLE shop.maker (number int4, country text, gone int4, \"Code\" int4 UNIQUE, PRIMARY KEY (country, number));
        ALTER TABLE shop.maker DROP COLUMN gone;
        CREATE TABLE item (id int4 PRIMARY KEY, m int4, c text, code int4,
          CONSTRAINT made_by FOREIGN KEY (c, m) REFERENCES shop.maker MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
          CONSTRAINT coded FOREIGN KEY (code) REFERENCES shop.maker (\"Code\") ON DELETE RESTRICT ON UPDATE SET DEFAULT);
        COMMENT ON CONSTRAINT made_by ON item IS 'who'";
    on_each_server(setup, async |_, c, _| {
        let item = c.table_info("item").await.unwrap();
        let [coded, made_by] = item.foreign_keys.as_slice() else { panic!("{:?}", item.foreign_keys) };
        assert_eq!(
            (&made_by.table, &made_by.referenced_table),
            (&qualified("public", "item"), &qualified("shop", "maker"))
        );
        assert_eq!(
            (made_by.columns.join(","), made_by.referenced_columns.join(",")),
            ("c,m".to_owned(), "country,number".to_owned())
        );
        assert_eq!(
            (made_by.on_delete, made_by.on_update),
            (ReferentialAction::SetNull, ReferentialAction::Cascade)
        );
        assert_eq!(
            (made_by.match_type, made_by.deferrability),
            (MatchType::Full, Deferrability::InitiallyDeferred)
        );
        assert_eq!((made_by.comment.as_deref(), &made_by.on_delete_columns), (Some("who"), &Vec::new()));
        assert!(made_by.is_validated && made_by.is_enforced && !made_by.has_period);
        assert_eq!(
            (coded.columns.join(","), coded.referenced_columns.join(",")),
            ("code".to_owned(), "Code".to_owned())
        );
        assert_eq!(
            (coded.on_delete, coded.on_update),
            (ReferentialAction::Restrict, ReferentialAction::SetDefault)
        );
        assert_eq!(
            (coded.match_type, coded.deferrability),
            (MatchType::Simple, Deferrability::NotDeferrable)
        );

        let maker = c.table_info(Table::in_schema("shop", "maker")).await.unwrap();
        assert_eq!(maker.referenced_by, item.foreign_keys, "the same, from the other end");
        assert!(maker.foreign_keys.is_empty() && item.referenced_by.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_table_that_refers_to_itself_is_at_both_ends() {
    let setup = "CREATE TABLE node (id int4 PRIMARY KEY, parent int4 REFERENCES node); CREATE TABLE a (n int4 REFERENCES node ON DELETE NO ACTION)";
    on_each_server(setup, async |_, c, _| {
        let node = c.table_info("node").await.unwrap();
        assert_eq!(node.foreign_keys.len(), 1);
        let by: Vec<_> =
            node.referenced_by.iter().map(|key| (key.table.name.as_str(), key.name.as_str())).collect();
        assert_eq!(by, [("a", "a_n_fkey"), ("node", "node_parent_fkey")]);
        assert_eq!(node.referenced_by[1], node.foreign_keys[0]);
        assert_eq!(node.referenced_by[0].on_delete, ReferentialAction::NoAction);
    })
    .await;
}

fn only(keys: &[ForeignKey]) -> &ForeignKey {
    assert_eq!(keys.len(), 1, "{keys:?}");
    &keys[0]
}

#[tokio::test]
async fn constraints_that_do_not_hold_for_all_rows_say_so() {
    let setup = "CREATE TABLE p (id int4 PRIMARY KEY, tenant int4, UNIQUE (tenant, id)); CREATE TABLE t (a int4, b int4, tenant int4);
        ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (tenant, a) REFERENCES p (tenant, id) ON DELETE SET NULL NOT VALID;
        ALTER TABLE t ADD CONSTRAINT positive CHECK (b > 0 AND a <> b) NOT VALID, ADD CONSTRAINT alone CHECK (a > 0) NO INHERIT, ADD CHECK (true);
        COMMENT ON CONSTRAINT alone ON t IS 'not for children'";
    on_each_server(setup, async |_, c, version| {
        let info = c.table_info("t").await.unwrap();
        let fk = only(&info.foreign_keys);
        assert!(!fk.is_validated && fk.is_enforced);
        assert_eq!((fk.on_delete, fk.on_delete_columns.len()), (ReferentialAction::SetNull, 0));
        assert_eq!((fk.columns.join(","), fk.referenced_columns.join(",")), ("tenant,a".to_owned(), "tenant,id".to_owned()));
        let checks: Vec<_> = info
            .check_constraints
            .iter()
            .map(|k| (k.name.as_str(), k.expression.as_str(), k.columns.join(","), k.is_validated, k.no_inherit, k.comment.as_deref()))
            .collect();
        let expected = [
            ("alone", "(a > 0)", "a".to_owned(), true, true, Some("not for children")),
            ("positive", "((b > 0) AND (a <> b))", "b,a".to_owned(), false, false, None),
            ("t_check", "true", String::new(), true, false, None),
        ];
        assert_eq!(checks, expected);
        assert!(info.check_constraints.iter().all(|check| check.is_enforced));
        c.simple_query("ALTER TABLE t VALIDATE CONSTRAINT fk; ALTER TABLE t VALIDATE CONSTRAINT positive").await.unwrap();
        let info = c.table_info("t").await.unwrap();
        assert!(only(&info.foreign_keys).is_validated && info.check_constraints.iter().all(|check| check.is_validated));
        if version >= 15 {
            c.simple_query("ALTER TABLE t ADD CONSTRAINT apart FOREIGN KEY (tenant, a) REFERENCES p (tenant, id) ON DELETE SET NULL (a)").await.unwrap();
            let apart = &c.table_info("t").await.unwrap().foreign_keys[0];
            assert_eq!((apart.on_delete, apart.on_delete_columns.join(",")), (ReferentialAction::SetNull, "a".to_owned()));
            assert_eq!((apart.columns.join(","), apart.referenced_columns.len()), ("tenant,a".to_owned(), 2));
            c.simple_query("ALTER TABLE t DROP CONSTRAINT apart").await.unwrap();
        }
        if version >= 18 {
            c.simple_query("ALTER TABLE t ALTER CONSTRAINT fk NOT ENFORCED; ALTER TABLE t ADD CONSTRAINT lax CHECK (a > 9) NOT ENFORCED").await.unwrap();
            let info = c.table_info("t").await.unwrap();
            assert!(!only(&info.foreign_keys).is_enforced);
            let enforced: Vec<_> = info.check_constraints.iter().map(|k| (k.name.as_str(), k.is_enforced)).collect();
            assert_eq!(enforced, [("alone", true), ("lax", false), ("positive", true), ("t_check", true)]);
        }
    })
    .await;
}

#[tokio::test]
async fn not_null_constraints_have_names_where_the_server_gives_them_any() {
    let setup = "CREATE TABLE t (a int4 CONSTRAINT \"a is there\" NOT NULL, b int4 NOT NULL, c int4)";
    on_each_server(setup, async |_, c, version| {
        let info = c.table_info("t").await.unwrap();
        let nullable: Vec<_> = info.columns.iter().map(|column| column.is_nullable).collect();
        assert_eq!(nullable, [false, false, true]);
        if version < 18 {
            assert!(info.not_null_constraints.is_empty());
            return;
        }
        c.simple_query("ALTER TABLE t ADD CONSTRAINT c_later NOT NULL c NO INHERIT NOT VALID; COMMENT ON CONSTRAINT c_later ON t IS 'soon'").await.unwrap();
        let info = c.table_info("t").await.unwrap();
        let told: Vec<_> = info
            .not_null_constraints
            .iter()
            .map(|k| (k.name.as_str(), k.column.as_str(), k.is_validated, k.no_inherit, k.comment.as_deref()))
            .collect();
        let expected = [
            ("a is there", "a", true, false, None),
            ("c_later", "c", false, true, Some("soon")),
            ("t_b_not_null", "b", true, false, None),
        ];
        assert_eq!(told, expected);
    })
    .await;
}

#[tokio::test]
async fn an_exclusion_constraint_tells_what_it_compares_with_which_operator() {
    let setup = "CREATE TABLE stay (room int4range, during tsrange, \"Off\" bool,
          CONSTRAINT one_guest EXCLUDE USING gist (room WITH =, during WITH &&, (tsrange(lower(during), NULL)) WITH -|-) WHERE (NOT \"Off\") DEFERRABLE)";
    on_each_server(setup, async |_, c, _| {
        let info = c.table_info("stay").await.unwrap();
        let [exclusion] = info.exclusion_constraints.as_slice() else {
            panic!("{:?}", info.exclusion_constraints)
        };
        assert_eq!(
            (exclusion.name.as_str(), exclusion.deferrability),
            ("one_guest", Deferrability::InitiallyImmediate)
        );
        let told: Vec<_> =
            exclusion.comparisons.iter().map(|(what, operator)| (what.as_str(), operator.as_str())).collect();
        let expected = [
            ("room", "="),
            ("during", "&&"),
            ("tsrange(lower(during), NULL::timestamp without time zone)", "-|-"),
        ];
        assert_eq!(told, expected);
        assert!(
            exclusion.definition.starts_with("EXCLUDE USING gist (room WITH ="),
            "{}",
            exclusion.definition
        );
        assert!(exclusion.definition.contains("WHERE ((NOT \"Off\"))"), "{}", exclusion.definition);
        let index = &info.indexes[0];
        assert!(!index.is_unique() && !index.is_primary());
        assert_eq!(index.constraint, Some(IndexConstraint::Exclusion("one_guest".to_owned())));
        assert_eq!(index.constraint.as_ref().unwrap().name(), "one_guest");
        assert!(info.unique_constraints.is_empty() && info.check_constraints.is_empty());
    })
    .await;
}

#[tokio::test]
async fn keys_over_time_say_so() {
    on_each_server("SELECT 1", async |_, c, version| {
        if version < 18 {
            assert!(
                c.simple_query(
                    "CREATE TABLE t (a int4range, d daterange, PRIMARY KEY (a, d WITHOUT OVERLAPS))"
                )
                .await
                .is_err()
            );
            return;
        }
        c.simple_query(
            "CREATE TABLE t (a int4range, d daterange, PRIMARY KEY (a, d WITHOUT OVERLAPS));
             CREATE TABLE r (a int4range, d daterange, FOREIGN KEY (a, PERIOD d) REFERENCES t (a, PERIOD d))",
        )
        .await
        .unwrap();
        let t = c.table_info("t").await.unwrap();
        let key = t.primary_key.unwrap();
        assert!(key.without_overlaps);
        assert_eq!(key.columns, ["a", "d"]);
        assert!(only(&t.referenced_by).has_period);
        assert_eq!(only(&t.referenced_by).referenced_columns, ["a", "d"]);
        assert!(t.exclusion_constraints.is_empty());
    })
    .await;
}
