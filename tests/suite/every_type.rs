//! Every type that a server has: its values are read in binary, sent back, and shown as the server shows them.

use std::collections::{BTreeMap, HashMap};

use cornac::types::{Value, quote_identifier, quote_literal};
use cornac::{Client, Connection, Encode, Statement};
use cornac_tests::{Server, deadline, newest, shared, still_usable};

use crate::every_type_literals::literals;

/// Types of all kinds, nested in one another, beside those that the server brings along.
const SETUP: &str = "\
CREATE SCHEMA own;
CREATE TYPE own.mood AS ENUM ('sad', 'happy', 'it''s \"fine\", {really}');
CREATE DOMAIN own.email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN own.work_email AS own.email;
CREATE DOMAIN own.scores AS numeric[];
CREATE TYPE own.person AS (name text, mail own.work_email, moods own.mood[], scores own.scores, box box[]);
CREATE DOMAIN own.adult AS own.person;
CREATE TYPE own.moodrange AS RANGE (subtype = own.mood);
CREATE TYPE own.span AS (during tstzrange, at int8multirange, feeling own.moodrange, who own.person, grown own.adult, people own.person[]);
CREATE DOMAIN own.day AS daterange;
CREATE TYPE own.rights AS (who text, acl aclitem, acls aclitem[]);
CREATE TYPE own.nothing AS ();
CREATE TABLE own.t (id int4 PRIMARY KEY, gone int8, kind char(3), span own.span, day own.day, raw bytea, tags name[]);
ALTER TABLE own.t DROP COLUMN gone;
CREATE TABLE own.defaulted (a int4 DEFAULT 1 + 1, b int4);
INSERT INTO own.defaulted SELECT 1, 1 FROM generate_series(1, 100);
CREATE STATISTICS own.statistics (ndistinct, dependencies, mcv) ON a, b FROM own.defaulted;
ANALYZE own.defaulted;
SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET lc_monetary = 'C'; SET bytea_output = 'hex'";

/// One row of pg_type, and what it is made of.
struct Described {
    oid: u32,
    schema: String,
    name: String,
    /// `pg_type.typtype`, with `a` for an array.
    sort: String,
    part: u32,
    fields: Vec<u32>,
    labels: Vec<String>,
}

type Row = (u32, String, String, String, u32, Vec<u32>, Vec<String>);

struct Types(BTreeMap<u32, Described>);

/// What is known in the end.
#[derive(Default)]
struct Findings {
    verified: usize,
    values: usize,
    /// Types that the server itself does not read, with its own words.
    refused: BTreeMap<String, String>,
    uncovered: Vec<String>,
}

impl Types {
    async fn load(c: &mut Connection) -> Self {
        let sql = "
            SELECT t.oid, n.nspname::text, t.typname::text,
                   CASE WHEN e.oid IS NULL THEN t.typtype::text ELSE 'a' END,
                   COALESCE(NULLIF(t.typbasetype, 0), e.oid, r.rngsubtype, m.rngtypid, 0),
                   ARRAY(SELECT a.atttypid FROM pg_attribute a
                         WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
                   ARRAY(SELECT l.enumlabel::text FROM pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
            FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
            LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
            LEFT JOIN pg_range r ON r.rngtypid = t.oid
            LEFT JOIN pg_range m ON m.rngmultitypid = t.oid
            WHERE t.typtype IN ('b', 'd', 'e', 'm', 'r', 'c') AND n.nspname <> 'pg_toast'";
        let rows: Vec<Row> = c.fetch_all(sql, ()).await.unwrap();
        let described = rows.into_iter().map(|(oid, schema, name, sort, part, fields, labels)| {
            (oid, Described { oid, schema, name, sort, part, fields, labels })
        });
        Self(described.collect())
    }

    fn name(&self, oid: u32) -> String {
        let Described { schema, name, .. } = &self.0[&oid];
        format!("{}.{}", quote_identifier(schema).unwrap(), quote_identifier(name).unwrap())
    }

    /// SQL of some values of a type, none of them NULL; none where the server refuses to make any.
    fn expressions(&self, oid: u32, version: i32, refused: &HashMap<u32, String>) -> Vec<String> {
        let Some(ty) = self.0.get(&oid).filter(|_| !refused.contains_key(&oid)) else { return Vec::new() };
        let name = self.name(oid);
        let cast = |text: &str| format!("{}::{name}", quote_literal(text).unwrap());
        let part = || self.expressions(ty.part, version, refused);
        match ty.sort.as_str() {
            "e" => ty.labels.iter().map(|label| cast(label)).collect(),
            "d" => {
                let own = literals(&ty.name, version);
                if own.is_empty() {
                    part().into_iter().map(|value| format!("({value})::{name}")).collect()
                } else {
                    own.iter().map(|text| cast(text)).collect()
                }
            }
            "a" => {
                let mut values = vec![cast("{}")];
                if let Some(first) = part().first() {
                    let last = part().pop().unwrap();
                    values.push(format!("ARRAY[{first}, NULL, {last}]::{name}"));
                    values.push(format!("('[0:1][-1:0]=' || ARRAY[ARRAY[{first}, {last}], ARRAY[NULL, {first}]]::{name}::text)::{name}"));
                    values.push(format!("ARRAY[NULL, NULL]::{name}"));
                }
                values
            }
            "r" => {
                let mut values = vec![cast("empty"), cast("(,)")];
                if let Some(first) = part().first() {
                    let last = part().pop().unwrap();
                    values.push(format!("{name}(LEAST({first}, {last}), GREATEST({first}, {last}), '[)')"));
                    values.push(format!("{name}(NULL, {first}, '()')"));
                    values.push(format!("{name}({last}, NULL, '[)')"));
                }
                values
            }
            "m" => {
                let mut values = vec![cast("{}")];
                let ranges = part();
                values.extend(ranges.iter().map(|range| format!("{name}({range})")));
                values
            }
            "c" => {
                let nulls: Vec<_> = ty.fields.iter().map(|_| "NULL".to_owned()).collect();
                let last = |field: &u32| self.expressions(*field, version, refused).pop();
                let first = |field: &u32| self.expressions(*field, version, refused).into_iter().next();
                let row = |fields: Vec<String>| format!("ROW({})::{name}", fields.join(", "));
                let or_null = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
                let mut values = vec![row(ty.fields.iter().map(|field| or_null(first(field))).collect())];
                // Domains that take no NULL stand among those of the information schema.
                if ty.schema != "information_schema" {
                    values.push(row(nulls));
                    values.push(row(ty.fields.iter().map(|field| or_null(last(field))).collect()));
                }
                values
            }
            _ => match ty.name.as_str() {
                "aclitem" => {
                    vec!["(SELECT acl FROM (SELECT makeaclitem(10, 10, 'SELECT', false) AS acl) a)".into()]
                }
                // What stands for nothing is shown as its number.
                name if name.starts_with("reg") => vec![cast("4000000000")],
                _ => literals(&ty.name, version).iter().map(|text| cast(text)).collect(),
            },
        }
    }
}

/// Values of a type that can be read and not be made.
fn read_only(name: &str) -> Option<&'static str> {
    Some(match name {
        "pg_node_tree" => "(SELECT adbin FROM pg_attrdef LIMIT 1)",
        "pg_ndistinct" => "(SELECT stxdndistinct FROM pg_statistic_ext_data LIMIT 1)",
        "pg_dependencies" => "(SELECT stxddependencies FROM pg_statistic_ext_data LIMIT 1)",
        "pg_mcv_list" => "(SELECT stxdmcv FROM pg_statistic_ext_data LIMIT 1)",
        _ => return None,
    })
}

/// Reads values in both formats, compares what is shown with what the server writes, and sends them back.
async fn verify(c: &mut Connection, name: &str, is_reg: bool, values: &[String], send: bool) {
    let sql = format!("SELECT {}", values.join(", "));
    let binary: Vec<Value> = c
        .fetch_one(Statement::new(&*sql).not_cached(), ())
        .await
        .unwrap_or_else(|e| panic!("{name}: {e}\n{sql}"));
    // The names that such OIDs stand for are not known here.
    let shown = |value: &String| if is_reg { format!("({value})::oid") } else { value.clone() };
    let sql = format!("SELECT {}", values.iter().map(shown).collect::<Vec<_>>().join(", "));
    let text = c.simple_query(&sql).await.unwrap();
    let row = &text[0].rows[0];
    for (index, (value, sql)) in binary.iter().zip(values).enumerate() {
        let text: Option<String> = row.get(index).unwrap();
        assert_eq!(value.is_null(), text.is_none(), "{sql}");
        assert_eq!(value.to_string(), text.unwrap_or_default(), "{sql} is shown as the server shows it");
        let from_text: Value = row.get(index).unwrap();
        assert_eq!(from_text.to_string(), value.to_string(), "{sql} in text");
    }
    let sent: Vec<_> = binary.iter().zip(values).filter(|(value, _)| send || value.is_null()).collect();
    let same = |(index, (_, sql)): (usize, &(&Value, &String))| {
        let number = index + 1;
        format!(
            "(${number}::{name})::text IS NOT DISTINCT FROM ({sql})::text, (${number}::{name})::text IS NULL"
        )
    };
    let same: Vec<_> = sent.iter().enumerate().map(same).collect();
    let params: Vec<&(dyn Encode + Sync)> =
        sent.iter().map(|(value, _)| -> &(dyn Encode + Sync) { *value }).collect();
    let sql = format!("SELECT {}", same.join(", "));
    let answer: Vec<Value> = c
        .fetch_one(Statement::new(&*sql).not_cached(), params.as_slice())
        .await
        .unwrap_or_else(|e| panic!("{name}: {e}\n{sql}"));
    for ((value, sql), same) in sent.iter().zip(answer.chunks(2)) {
        assert_eq!(
            same,
            [Value::Bool(true), Value::Bool(value.is_null())],
            "{sql} is sent back as it came: {value:?}"
        );
    }
}

async fn check(server: &'static Server, sorts: &str) {
    let database = server.database().await;
    deadline(async {
        let mut c = database.connect().await;
        c.simple_query(SETUP).await.unwrap();
        let version: i32 =
            c.fetch_value("SELECT current_setting('server_version_num')::int4 / 10000", ()).await.unwrap();
        for extension in ["hstore", "ltree", "citext", "cube"] {
            let sql = "SELECT count(*) FROM pg_available_extensions WHERE name = $1";
            if c.fetch_value::<i64, _>(sql, (extension,)).await.unwrap() == 0 {
                println!("PostgreSQL {version} here has no files of {extension}");
            } else {
                c.simple_query(&format!("CREATE EXTENSION {extension} SCHEMA own")).await.unwrap();
            }
        }
        let types = Types::load(&mut c).await;
        let mut refused = HashMap::new();
        let mut findings = Findings::default();
        // First it shows which types the server does not read at all.
        for ty in types.0.values().filter(|ty| ty.sort == "b") {
            let text = literals(&ty.name, version).first().copied().unwrap_or_default();
            let sql = format!("SELECT {}::{}", quote_literal(text).unwrap(), types.name(ty.oid));
            if let Err(error) = c.execute(Statement::new(&*sql).not_cached(), ()).await {
                // Some say it less formally.
                let is_informal = error.server().is_some_and(|said| said.message() == "Not implemented");
                if is_informal || error.sql_state() == Some(cornac::SqlState::FEATURE_NOT_SUPPORTED) {
                    let said = error.server().unwrap().message().to_owned();
                    refused.insert(ty.oid, said.clone());
                    findings.refused.insert(ty.name.clone(), said);
                }
            }
        }
        for ty in types.0.values().filter(|ty| sorts.contains(&ty.sort)) {
            let name = types.name(ty.oid);
            let mut values = vec![format!("NULL::{name}")];
            let is_refused = refused.contains_key(&ty.oid);
            let is_reg = ty.schema == "pg_catalog" && ty.sort == "b" && ty.name.starts_with("reg");
            if is_refused {
                values.extend(read_only(&ty.name).map(str::to_owned));
            } else {
                values.extend(types.expressions(ty.oid, version, &refused));
            }
            if is_reg {
                let text = literals(&ty.name, version)[0];
                values.push(format!("{}::{name}", quote_literal(text).unwrap()));
            }
            if values.len() == 1 && !is_refused {
                findings.uncovered.push(format!("{}.{}", ty.schema, ty.name));
            }
            verify(&mut c, &name, is_reg, &values, !is_refused).await;
            findings.verified += 1;
            findings.values += values.len();
        }
        let Findings { verified, values, refused, uncovered } = findings;
        println!("PostgreSQL {version}, kinds {sorts:?}: {values} values of {verified} types");
        if sorts.contains('b') {
            for (name, said) in refused {
                println!("  read only: {name}: {said}");
            }
        }
        println!("  not covered: {uncovered:?}");
        assert!(uncovered.is_empty(), "{uncovered:?}");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn base_types_enums_domains_and_ranges_of_postgresql_15_come_and_go() {
    check(shared(), "bedrm").await;
}

#[tokio::test]
async fn base_types_enums_domains_and_ranges_of_postgresql_18_come_and_go() {
    check(newest(), "bedrm").await;
}

#[tokio::test]
async fn arrays_of_postgresql_15_come_and_go() {
    check(shared(), "a").await;
}

#[tokio::test]
async fn arrays_of_postgresql_18_come_and_go() {
    check(newest(), "a").await;
}

#[tokio::test]
async fn composites_of_postgresql_15_come_and_go() {
    check(shared(), "c").await;
}

#[tokio::test]
async fn composites_of_postgresql_18_come_and_go() {
    check(newest(), "c").await;
}
