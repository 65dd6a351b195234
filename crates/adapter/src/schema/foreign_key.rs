//! Foreign keys, seen from either end.

use cornac_conn::SchemaError;

use super::ObjectName;
use super::constraint::{Deferrability, column_names, constraint_comment};
use super::finding::Finding;

/// A FOREIGN KEY: rows of one table refer to rows of another, or of the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignKey {
    /// The name of the constraint.
    pub name: String,
    /// The table that has it.
    pub table: ObjectName,
    /// Its columns, in the order of the key.
    pub columns: Vec<String>,
    /// The table that is referred to.
    pub referenced_table: ObjectName,
    /// The columns there, in the same order.
    pub referenced_columns: Vec<String>,
    /// What happens to the rows when what they refer to is deleted.
    pub on_delete: ReferentialAction,
    /// The columns that a deletion sets to NULL or to their defaults, if not all of the key (PostgreSQL 15 and newer).
    pub on_delete_columns: Vec<String>,
    /// What happens to the rows when the key that they refer to is updated.
    pub on_update: ReferentialAction,
    /// What NULL in some of the columns means.
    pub match_type: MatchType,
    /// When it is checked.
    pub deferrability: Deferrability,
    /// Whether rows that were there before it were checked; false with NOT VALID.
    pub is_validated: bool,
    /// Whether it is checked at all; false with NOT ENFORCED (PostgreSQL 18 and newer).
    pub is_enforced: bool,
    /// Whether the last column is a PERIOD (PostgreSQL 18 and newer).
    pub has_period: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// What follows for rows whose referenced row is deleted or updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferentialAction {
    /// NO ACTION: an error, unless it is put right by the time of the check.
    NoAction,
    /// RESTRICT: an error at once.
    Restrict,
    /// CASCADE: they are deleted or updated too.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

/// How NULLs in a key of several columns are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchType {
    /// MATCH SIMPLE: with one NULL in it, the row refers to nothing.
    Simple,
    /// MATCH FULL: all are NULL, or none.
    Full,
    /// MATCH PARTIAL, which the catalogues provide for and no server has.
    Partial,
}

/// The foreign keys of the table, and those that refer to it.
///
/// A partitioned table's have rows for its partitions as well. Of the keys of a table, those are left out that only continue another of
/// its own on the partitions of what that refers to; of those that refer to it, the ones that continue another. A partition is referred to
/// through the tables above it.
pub(super) const SQL: &str = concat!(
    "\
SELECT r.direction,
       ARRAY[k.conname::text, n.nspname::text, c.relname::text, fn.nspname::text, f.relname::text,
             k.confdeltype::text, k.confupdtype::text, k.confmatchtype::text, e.description],
       '{}'::int8[],
       ARRAY[k.condeferrable, k.condeferred, k.convalidated,
             COALESCE((pg_catalog.to_jsonb(k) ->> 'conenforced')::bool, true),
             COALESCE((pg_catalog.to_jsonb(k) ->> 'conperiod')::bool, false)],
       pg_catalog.array_cat(",
    column_names!("k.conrelid", "k.conkey"),
    ", ARRAY(
         SELECT x.attname::text
         FROM pg_catalog.jsonb_array_elements_text(COALESCE((pg_catalog.to_jsonb(k) ->> 'confdelsetcols')::jsonb, '[]'::jsonb)) u(number)
         JOIN pg_catalog.pg_attribute x ON x.attrelid = k.conrelid AND x.attnum = u.number::int2 ORDER BY x.attnum)),
       ",
    column_names!("k.confrelid", "k.confkey"),
    "
FROM (
  SELECT 'foreign key', o.oid FROM target t
  JOIN pg_catalog.pg_constraint o ON o.conrelid = t.oid AND o.contype = 'f'
  LEFT JOIN pg_catalog.pg_constraint p ON p.oid = o.conparentid AND p.conrelid = o.conrelid
  WHERE p.oid IS NULL
  UNION ALL
  SELECT 'reference', o.oid FROM target t
  JOIN pg_catalog.pg_constraint o ON o.contype = 'f' AND o.conparentid = 0::oid AND o.confrelid = ANY (
    ARRAY(SELECT t.oid UNION SELECT a.relid::oid FROM pg_catalog.pg_partition_ancestors(t.oid) a(relid)))
) r(direction, oid)
JOIN pg_catalog.pg_constraint k ON k.oid = r.oid
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
",
    constraint_comment!()
);

const ACTIONS: [(&str, ReferentialAction); 5] = [
    ("a", ReferentialAction::NoAction),
    ("r", ReferentialAction::Restrict),
    ("c", ReferentialAction::Cascade),
    ("n", ReferentialAction::SetNull),
    ("d", ReferentialAction::SetDefault),
];

const MATCH_TYPES: [(&str, MatchType); 3] =
    [("s", MatchType::Simple), ("f", MatchType::Full), ("p", MatchType::Partial)];

pub(super) fn read(mut finding: Finding) -> Result<ForeignKey, SchemaError> {
    let referenced_columns = finding.others();
    let mut columns = finding.names();
    // There are as many of the one as of the other; what follows are those of ON DELETE SET.
    let on_delete_columns = columns.split_off(columns.len().min(referenced_columns.len()));
    Ok(ForeignKey {
        name: finding.text("foreign key")?,
        table: finding.name("foreign key")?,
        columns,
        referenced_table: finding.name("foreign key")?,
        referenced_columns,
        on_delete: finding.letter("foreign key's ON DELETE", &ACTIONS)?,
        on_delete_columns,
        on_update: finding.letter("foreign key's ON UPDATE", &ACTIONS)?,
        match_type: finding.letter("foreign key's MATCH", &MATCH_TYPES)?,
        deferrability: Deferrability::read(&mut finding)?,
        is_validated: finding.flag("foreign key")?,
        is_enforced: finding.flag("foreign key")?,
        has_period: finding.flag("foreign key")?,
        comment: finding.text_if_any(),
    })
}
