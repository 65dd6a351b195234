//! What sort of table it is.

use cornac_conn::SchemaError;

use super::finding::{Finding, missing, options};
use super::partition::{self, Partitioning};

/// What sort of table it is, and what only those of its sort have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableKind {
    /// A table with rows of its own. It may be a partition: [`TableInfo::partition_of`](super::TableInfo::partition_of) says so.
    Table,
    /// A partitioned table: its rows are in its partitions.
    PartitionedTable(Partitioning),
    /// A view.
    View(View),
    /// A materialized view.
    MaterializedView(MaterializedView),
    /// A foreign table, whose rows are on another server.
    ForeignTable(ForeignTable),
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// Its query.
    pub definition: String,
    /// Whether INSERT works on it without a trigger, since the view is simple or has a rule for it.
    pub is_insertable: bool,
    /// Whether UPDATE and DELETE work on it without a trigger.
    pub is_updatable: bool,
}

/// A materialized view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaterializedView {
    /// Its query.
    pub definition: String,
    /// Whether it holds the rows; false after WITH NO DATA, until it is refreshed.
    pub is_populated: bool,
}

/// A foreign table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignTable {
    /// The foreign server.
    pub server: String,
    /// The options that the table has for its wrapper.
    pub options: Vec<(String, String)>,
}

/// How long a table lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Persistence {
    /// It is there to stay, and survives a crash.
    Permanent,
    /// UNLOGGED: empty after a crash.
    Unlogged,
    /// TEMPORARY: gone with its session, and seen by that alone.
    Temporary,
}

#[derive(Clone, Copy)]
enum Letter {
    Table,
    Partitioned,
    View,
    Materialized,
    Foreign,
}

/// The kinds of `pg_class.relkind` that are tables, as a literal of SQL has them: sequences, indexes, composite types and TOAST tables are not.
macro_rules! relkinds {
    () => {
        "'{r,p,v,m,f}'::\"char\"[]"
    };
}
pub(super) use relkinds;

const LETTERS: [(&str, Letter); 5] = [
    ("r", Letter::Table),
    ("p", Letter::Partitioned),
    ("v", Letter::View),
    ("m", Letter::Materialized),
    ("f", Letter::Foreign),
];

const PERSISTENCES: [(&str, Persistence); 3] =
    [("p", Persistence::Permanent), ("u", Persistence::Unlogged), ("t", Persistence::Temporary)];

/// The next facts are about the kind.
pub(super) fn read(finding: &mut Finding) -> Result<TableKind, SchemaError> {
    let letter = finding.letter("kind", &LETTERS)?;
    let definition = finding.text_if_any().unwrap_or_default();
    let server = finding.text_if_any().unwrap_or_default();
    let partitioning = partition::read_key(finding)?;
    let is_populated = finding.flag("kind")?;
    let is_insertable = finding.flag("kind")?;
    let is_updatable = finding.flag("kind")?;
    Ok(match letter {
        Letter::Table => TableKind::Table,
        Letter::Partitioned => {
            TableKind::PartitionedTable(partitioning.ok_or_else(|| missing("partition key"))?)
        }
        Letter::View => TableKind::View(View { definition, is_insertable, is_updatable }),
        Letter::Materialized => TableKind::MaterializedView(MaterializedView { definition, is_populated }),
        Letter::Foreign => {
            TableKind::ForeignTable(ForeignTable { server, options: options(finding.others()) })
        }
    })
}

pub(super) fn read_persistence(finding: &mut Finding) -> Result<Persistence, SchemaError> {
    finding.letter("persistence", &PERSISTENCES)
}
