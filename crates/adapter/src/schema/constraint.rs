//! Constraints on the rows of one table.

use cornac_conn::SchemaError;

use super::finding::Finding;

/// A primary key, or a UNIQUE constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// The name of the constraint, and of the index under it.
    pub name: String,
    /// The columns, in the order of the key.
    pub columns: Vec<String>,
    /// The columns that are only INCLUDEd in the index.
    pub include: Vec<String>,
    /// Whether NULLs are taken for equal (NULLS NOT DISTINCT, PostgreSQL 15 and newer).
    pub nulls_not_distinct: bool,
    /// Whether the last column is WITHOUT OVERLAPS (PostgreSQL 18 and newer).
    pub without_overlaps: bool,
    /// When it is checked.
    pub deferrability: Deferrability,
    /// Its comment.
    pub comment: Option<String>,
}

/// When a constraint is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deferrability {
    /// NOT DEFERRABLE: with each statement (a key: with each row).
    NotDeferrable,
    /// DEFERRABLE INITIALLY IMMEDIATE: with each statement, unless `SET CONSTRAINTS` defers it.
    InitiallyImmediate,
    /// DEFERRABLE INITIALLY DEFERRED: at COMMIT, unless `SET CONSTRAINTS` says otherwise.
    InitiallyDeferred,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What must not be false.
    pub expression: String,
    /// The columns that it speaks of.
    pub columns: Vec<String>,
    /// Whether rows that were there before it were checked; false with NOT VALID.
    pub is_validated: bool,
    /// Whether it is checked at all; false with NOT ENFORCED (PostgreSQL 18 and newer).
    pub is_enforced: bool,
    /// Whether child tables do not have it (NO INHERIT).
    pub no_inherit: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// A NOT NULL constraint, as PostgreSQL 18 and newer name it. [`Column::is_nullable`](super::Column::is_nullable) tells the fact for every version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotNull {
    /// Its name.
    pub name: String,
    /// The column.
    pub column: String,
    /// Whether rows that were there before it were checked; false with NOT VALID.
    pub is_validated: bool,
    /// Whether child tables do not have it (NO INHERIT).
    pub no_inherit: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// An exclusion constraint: no two rows for which all of its comparisons hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exclusion {
    /// The name of the constraint, and of the index under it.
    pub name: String,
    /// The whole constraint: `EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (...)`.
    pub definition: String,
    /// What is compared: a column or an expression as it stands in SQL, and the operator.
    pub comparisons: Vec<(String, String)>,
    /// When it is checked.
    pub deferrability: Deferrability,
    /// Its comment.
    pub comment: Option<String>,
}

/// SQL of the names of some columns: those of the relation `$relation` whose numbers are in `$numbers`, in their order.
macro_rules! column_names {
    ($relation:literal, $numbers:literal) => {
        concat!(
            "ARRAY(SELECT x.attname::text FROM pg_catalog.unnest(",
            $numbers,
            ") WITH ORDINALITY u(number, ordinal) JOIN pg_catalog.pg_attribute x ON x.attrelid = ",
            $relation,
            " AND x.attnum = u.number ORDER BY u.ordinal)"
        )
    };
}
pub(super) use column_names;

/// SQL of the comment of the constraint `k`, as `e`.
macro_rules! constraint_comment {
    () => {
        "LEFT JOIN pg_catalog.pg_description e
  ON e.objoid = k.oid AND e.classoid = 'pg_catalog.pg_constraint'::regclass AND e.objsubid = 0"
    };
}
pub(super) use constraint_comment;

/// Keys, checks, NOT NULL and exclusion constraints, each under its letter. What only newer servers have is taken from the row as JSON, which
/// has no such field elsewhere.
pub(super) const SQL: &str = concat!(
    "\
SELECT k.contype::text,
       ARRAY[k.conname::text, e.description,
             CASE WHEN k.contype = 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid)
                  WHEN k.contype = 'x' THEN pg_catalog.pg_get_constraintdef(k.oid) END],
       '{}'::int8[],
       ARRAY[k.condeferrable, k.condeferred, k.convalidated, k.connoinherit,
             COALESCE((pg_catalog.to_jsonb(k) ->> 'conenforced')::bool, true),
             COALESCE((pg_catalog.to_jsonb(k) ->> 'conperiod')::bool, false),
             COALESCE((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false)],
       CASE WHEN k.contype = 'x'
            THEN ARRAY(SELECT pg_catalog.pg_get_indexdef(k.conindid, s.number, true)
                       FROM pg_catalog.generate_series(1, i.indnkeyatts) s(number) ORDER BY s.number)
            ELSE ",
    column_names!("k.conrelid", "k.conkey"),
    " END,
       CASE WHEN k.contype = 'x'
            THEN ARRAY(SELECT o.oprname::text FROM pg_catalog.unnest(k.conexclop) WITH ORDINALITY u(oid, ordinal)
                       JOIN pg_catalog.pg_operator o ON o.oid = u.oid ORDER BY u.ordinal)
            ELSE ARRAY(SELECT x.attname::text FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY u(number, ordinal)
                       JOIN pg_catalog.pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = u.number
                       WHERE u.ordinal > i.indnkeyatts ORDER BY u.ordinal) END
FROM target t
JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype = ANY ('{p,u,c,n,x}'::\"char\"[])
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid
",
    constraint_comment!()
);

/// What all kinds of constraints say.
struct Constraint {
    name: String,
    comment: Option<String>,
    text: Option<String>,
    deferrability: Deferrability,
    hold: Hold,
    key: KeyTraits,
    names: Vec<String>,
    others: Vec<String>,
}

/// For which rows it holds.
struct Hold {
    is_validated: bool,
    no_inherit: bool,
    is_enforced: bool,
}

/// What only a key says.
struct KeyTraits {
    without_overlaps: bool,
    nulls_not_distinct: bool,
}

impl Constraint {
    fn read(mut finding: Finding) -> Result<Self, SchemaError> {
        Ok(Self {
            name: finding.text("constraint")?,
            comment: finding.text_if_any(),
            text: finding.text_if_any(),
            deferrability: Deferrability::read(&mut finding)?,
            hold: Hold {
                is_validated: finding.flag("constraint")?,
                no_inherit: finding.flag("constraint")?,
                is_enforced: finding.flag("constraint")?,
            },
            key: KeyTraits {
                without_overlaps: finding.flag("constraint")?,
                nulls_not_distinct: finding.flag("constraint")?,
            },
            names: finding.names(),
            others: finding.others(),
        })
    }
}

impl Deferrability {
    pub(super) fn read(finding: &mut Finding) -> Result<Self, SchemaError> {
        let (deferrable, deferred) = (finding.flag("constraint")?, finding.flag("constraint")?);
        Ok(match (deferrable, deferred) {
            (false, _) => Self::NotDeferrable,
            (true, false) => Self::InitiallyImmediate,
            (true, true) => Self::InitiallyDeferred,
        })
    }
}

pub(super) fn read_key(finding: Finding) -> Result<Key, SchemaError> {
    let found = Constraint::read(finding)?;
    Ok(Key {
        name: found.name,
        columns: found.names,
        include: found.others,
        nulls_not_distinct: found.key.nulls_not_distinct,
        without_overlaps: found.key.without_overlaps,
        deferrability: found.deferrability,
        comment: found.comment,
    })
}

/// A CHECK constraint; `None` if it was dropped while it was looked at, since definitions are of the present.
pub(super) fn read_check(finding: Finding) -> Result<Option<Check>, SchemaError> {
    let found = Constraint::read(finding)?;
    Ok(found.text.map(|expression| Check {
        name: found.name,
        expression,
        columns: found.names,
        is_validated: found.hold.is_validated,
        is_enforced: found.hold.is_enforced,
        no_inherit: found.hold.no_inherit,
        comment: found.comment,
    }))
}

pub(super) fn read_not_null(finding: Finding) -> Result<NotNull, SchemaError> {
    let found = Constraint::read(finding)?;
    Ok(NotNull {
        name: found.name,
        column: found.names.into_iter().next().unwrap_or_default(),
        is_validated: found.hold.is_validated,
        no_inherit: found.hold.no_inherit,
        comment: found.comment,
    })
}

/// An exclusion constraint, or `None` as for a check.
pub(super) fn read_exclusion(finding: Finding) -> Result<Option<Exclusion>, SchemaError> {
    let found = Constraint::read(finding)?;
    let is_whole = found.names.len() == found.others.len();
    Ok(found.text.filter(|_| is_whole).map(|definition| Exclusion {
        name: found.name,
        definition,
        comparisons: found.names.into_iter().zip(found.others).collect(),
        deferrability: found.deferrability,
        comment: found.comment,
    }))
}
