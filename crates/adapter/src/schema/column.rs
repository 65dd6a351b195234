//! Columns.

use cornac_conn::SchemaError;
use cornac_types::{Oid, Type};

use super::ObjectName;
use super::finding::{Finding, options};

/// A column of a table or view.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its number in the table (`pg_attribute.attnum`), from 1. Columns that were dropped leave gaps.
    pub position: i16,
    /// Its type, with the elements, labels, fields or base type that it is made of.
    pub ty: Type,
    /// Its type as SQL has it, with its modifier: `numeric(10,2)`, `character varying(80)[]`, `shop.mood`. What stands in
    /// no schema of the `search_path` has its schema in front.
    pub type_name: String,
    /// The modifier of its type as PostgreSQL encodes it (`atttypmod`); `None` for a type without one.
    pub type_modifier: Option<i32>,
    /// Whether it can hold NULL: it has no NOT NULL constraint, or one that older rows were not checked against, and its type is no domain
    /// that is NOT NULL. Columns of views are always nullable.
    pub is_nullable: bool,
    /// The expression of its DEFAULT. A column that is generated or an identity has none.
    pub default: Option<String>,
    /// What it is computed from, if it is generated.
    pub generated: Option<Generated>,
    /// Whether it is GENERATED AS IDENTITY, and how.
    pub identity: Option<Identity>,
    /// The sequence that belongs to it: that of an identity column, of a `serial`, or one that is OWNED BY it.
    pub sequence: Option<ObjectName>,
    /// Its collation, where that is not its type's own.
    pub collation: Option<ObjectName>,
    /// Its comment.
    pub comment: Option<String>,
    /// The options of a foreign table's column.
    pub foreign_options: Vec<(String, String)>,
}

/// `GENERATED ALWAYS AS (expression)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generated {
    /// The expression.
    pub expression: String,
    /// Whether its values are stored, or computed when they are read (PostgreSQL 18 and newer).
    pub storage: GeneratedStorage,
}

/// When a generated column is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GeneratedStorage {
    /// STORED: when the row is written.
    Stored,
    /// VIRTUAL: when it is read.
    Virtual,
}

/// `GENERATED ... AS IDENTITY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// ALWAYS: an INSERT that gives a value is refused, unless it says OVERRIDING SYSTEM VALUE.
    Always,
    /// BY DEFAULT: a value that is given is taken.
    ByDefault,
}

pub(super) const SQL: &str = "\
SELECT 'column',
       ARRAY[a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.pg_get_expr(d.adbin, d.adrelid),
             a.attgenerated::text, a.attidentity::text, q.schema, q.name, kn.nspname::text, k.collname::text, e.description],
       ARRAY[a.attnum::int8, a.atttypid::int8, a.atttypmod::int8],
       ARRAY[NOT a.attnotnull AND NOT EXISTS (
               WITH RECURSIVE domain(oid) AS (
                 SELECT a.atttypid
                 UNION ALL
                 SELECT b.typbasetype FROM domain JOIN pg_catalog.pg_type b ON b.oid = domain.oid WHERE b.typtype = 'd'
               )
               SELECT FROM domain JOIN pg_catalog.pg_type b ON b.oid = domain.oid WHERE b.typnotnull
             )
             OR EXISTS (
               SELECT FROM pg_catalog.pg_constraint n
               WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey[1] = a.attnum AND NOT n.convalidated
             )],
       COALESCE(a.attfdwoptions, '{}'::text[]),
       '{}'::text[]
FROM target t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation AND k.oid <> y.typcollation
LEFT JOIN pg_catalog.pg_namespace kn ON kn.oid = k.collnamespace
LEFT JOIN pg_catalog.pg_description e
  ON e.objoid = a.attrelid AND e.classoid = 'pg_catalog.pg_class'::regclass AND e.objsubid = a.attnum
LEFT JOIN LATERAL (
  SELECT n.nspname::text, s.relname::text
  FROM pg_catalog.pg_depend p
  JOIN pg_catalog.pg_class s ON s.oid = p.objid AND s.relkind = 'S'
  JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
  WHERE p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum
    AND p.classid = 'pg_catalog.pg_class'::regclass AND p.deptype = ANY ('{a,i}'::\"char\"[])
  ORDER BY p.deptype DESC, s.oid LIMIT 1
) q(schema, name) ON true";

/// A column, of whose type only the OID is looked at yet.
pub(super) fn read(mut finding: Finding) -> Result<Column, SchemaError> {
    let name = finding.text("column")?;
    let type_name = finding.text("type")?;
    let expression = finding.text_if_any();
    let stored = [("", None), ("s", Some(GeneratedStorage::Stored)), ("v", Some(GeneratedStorage::Virtual))];
    let storage = finding.letter("generated column", &stored)?;
    let identities = [("", None), ("a", Some(Identity::Always)), ("d", Some(Identity::ByDefault))];
    let (default, generated) = match storage {
        Some(storage) => (None, Some(Generated { expression: expression.unwrap_or_default(), storage })),
        None => (expression, None),
    };
    Ok(Column {
        name,
        type_name,
        default,
        generated,
        identity: finding.letter("identity column", &identities)?,
        sequence: finding.name_if_any(),
        collation: finding.name_if_any(),
        comment: finding.text_if_any(),
        position: finding.number("column's position")?,
        ty: Type::from_oid(Oid(finding.number("column's type")?)),
        type_modifier: finding
            .number("column's type modifier")
            .map(|modifier| Some(modifier).filter(|m| *m >= 0))?,
        is_nullable: finding.flag("column's nullability")?,
        foreign_options: options(finding.names()),
    })
}
