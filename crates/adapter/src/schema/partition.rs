//! Partitions, and tables that inherit from others.

use cornac_conn::SchemaError;

use super::ObjectName;
use super::finding::Finding;

/// How a partitioned table is taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partitioning {
    /// By what its rows are told apart.
    pub strategy: PartitionStrategy,
    /// The key as it stands in SQL: `RANGE (sold_at, lower(region))`.
    pub key: String,
    /// The columns of the key; `None` for an expression.
    pub columns: Vec<Option<String>>,
    /// Its partitions, by name; those of its partitions are theirs.
    pub partitions: Vec<Partition>,
}

/// By what rows are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionStrategy {
    /// LIST: by the values of the key.
    List,
    /// RANGE: by ranges of the key.
    Range,
    /// HASH: by the remainder of a hash of the key.
    Hash,
}

/// A partition, as the table above it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// The table.
    pub table: ObjectName,
    /// Which rows stand in it: `FOR VALUES ...`, or `DEFAULT`.
    pub bound: String,
    /// Whether it is partitioned itself.
    pub is_partitioned: bool,
    /// Whether it is on its way out (DETACH PARTITION CONCURRENTLY, PostgreSQL 14 and newer).
    pub is_detach_pending: bool,
}

/// What a partition is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionOf {
    /// The table above it.
    pub parent: ObjectName,
    /// Which of its rows stand here: `FOR VALUES ...`, or `DEFAULT`.
    pub bound: String,
}

/// The tables right above, and those right below.
pub(super) const SQL: &str = "\
SELECT r.relation,
       ARRAY[n.nspname::text, c.relname::text, pg_catalog.pg_get_expr(b.relpartbound, b.oid)],
       ARRAY[r.ordinal],
       ARRAY[c.relkind = 'p', r.pending],
       '{}'::text[],
       '{}'::text[]
FROM (
  SELECT 'parent', h.inhparent, h.inhrelid, h.inhseqno::int8, false
  FROM target t JOIN pg_catalog.pg_inherits h ON h.inhrelid = t.oid
  UNION ALL
  SELECT 'child', h.inhrelid, h.inhrelid, 0::int8, COALESCE((pg_catalog.to_jsonb(h) ->> 'inhdetachpending')::bool, false)
  FROM target t JOIN pg_catalog.pg_inherits h ON h.inhparent = t.oid
) r(relation, oid, child, ordinal, pending)
JOIN pg_catalog.pg_class c ON c.oid = r.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class b ON b.oid = r.child";

/// SQL of the relations that `$root` is made of, as `part`: itself, and where it is a partitioned table or an index on one, all below it. `pg_partition_tree`
/// would lock them, and keep the locks: waiting for the next one then, it could be the other half of a deadlock.
macro_rules! parts_of {
    ($root:literal) => {
        concat!(
            "WITH RECURSIVE part(oid) AS (
    SELECT ",
            $root,
            "
    UNION ALL
    SELECT h.inhrelid
    FROM part
    JOIN pg_catalog.pg_class up ON up.oid = part.oid AND up.relkind = ANY ('{p,I}'::\"char\"[])
    JOIN pg_catalog.pg_inherits h ON h.inhparent = up.oid
  )"
        )
    };
}
pub(super) use parts_of;

const STRATEGIES: [(&str, PartitionStrategy); 3] =
    [("l", PartitionStrategy::List), ("r", PartitionStrategy::Range), ("h", PartitionStrategy::Hash)];

/// How a table is partitioned, if it is; its partitions are found by themselves.
pub(super) fn read_key(finding: &mut Finding) -> Result<Option<Partitioning>, SchemaError> {
    let strategy = finding.letter_if_any("partition strategy", &STRATEGIES)?;
    let key = finding.text_if_any().unwrap_or_default();
    let partitioning = |strategy| {
        let columns = finding.optional_others();
        Partitioning { strategy, key, columns, partitions: Vec::new() }
    };
    Ok(strategy.map(partitioning))
}

/// A table right above or below: a partition's if there is a bound, and otherwise one of plain inheritance.
#[derive(Debug)]
pub(super) struct Relative {
    pub(super) table: ObjectName,
    pub(super) bound: Option<String>,
    /// Where it stands among the parents.
    pub(super) ordinal: i64,
    is_partitioned: bool,
    is_detach_pending: bool,
}

impl Relative {
    pub(super) fn read(mut finding: Finding) -> Result<Self, SchemaError> {
        Ok(Self {
            table: finding.name("inheritance")?,
            bound: finding.text_if_any(),
            ordinal: finding.number("inheritance")?,
            is_partitioned: finding.flag("inheritance")?,
            is_detach_pending: finding.flag("inheritance")?,
        })
    }

    /// It as a partition, or else the name of a table that inherits.
    pub(super) fn into_partition(self) -> Result<Partition, ObjectName> {
        let Self { table, bound, is_partitioned, is_detach_pending, .. } = self;
        match bound {
            Some(bound) => Ok(Partition { table, bound, is_partitioned, is_detach_pending }),
            None => Err(table),
        }
    }
}
