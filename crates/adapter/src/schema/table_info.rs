//! All that the catalogues say of one table.

use cornac_conn::SchemaError;
use cornac_types::Oid;

use super::finding::{Finding, Row, options};
use super::kind::{self, Persistence, TableKind};
use super::partition::{Relative, parts_of};
use super::{
    Check, Column, Exclusion, ForeignKey, Index, Key, NotNull, ObjectName, Partition, PartitionOf,
    Partitioning, column, constraint, foreign_key, index,
};

/// What a table, a view or a foreign table is: [`Schema::table_info`](super::Schema::table_info) asks the catalogues for it.
///
/// Expressions and definitions are texts as the server writes them: names that its `search_path` finds stand without their schema.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its schema and its name.
    pub name: ObjectName,
    /// Its OID, which stays the same when it is renamed.
    pub oid: Oid,
    /// What sort of table it is.
    pub kind: TableKind,
    /// How long it lives.
    pub persistence: Persistence,
    /// The role that owns it.
    pub owner: String,
    /// Its comment.
    pub comment: Option<String>,
    /// The access method that stores it (`heap`); `None` where nothing is stored.
    pub access_method: Option<String>,
    /// Its tablespace; `None` for the database's own.
    pub tablespace: Option<String>,
    /// Its storage parameters, and the options of a view: `fillfactor`, `security_barrier`, ...
    pub options: Vec<(String, String)>,
    /// Whether row security policies apply.
    pub row_security: bool,
    /// Whether they apply to the owner too.
    pub force_row_security: bool,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Its primary key.
    pub primary_key: Option<Key>,
    /// Its UNIQUE constraints, by name; indexes that are unique without a constraint are in [`indexes`](Self::indexes).
    pub unique_constraints: Vec<Key>,
    /// Its foreign keys, by name.
    pub foreign_keys: Vec<ForeignKey>,
    /// The foreign keys that refer to it, also from itself, by table and name. Those of partitions that come with one of the partitioned table
    /// are not repeated; a partition has those that refer to the tables above it.
    pub referenced_by: Vec<ForeignKey>,
    /// Its CHECK constraints, by name.
    pub check_constraints: Vec<Check>,
    /// Its NOT NULL constraints, by name (PostgreSQL 18 and newer; [`Column::is_nullable`] is there in every version).
    pub not_null_constraints: Vec<NotNull>,
    /// Its exclusion constraints, by name.
    pub exclusion_constraints: Vec<Exclusion>,
    /// Its indexes, by name.
    pub indexes: Vec<Index>,
    /// What it is a part of, if it is a partition.
    pub partition_of: Option<PartitionOf>,
    /// The tables that it INHERITS from, in their order.
    pub inherits: Vec<ObjectName>,
    /// The tables that INHERIT from it, by name.
    pub inherited_by: Vec<ObjectName>,
    /// How much room it takes.
    pub size: Size,
    /// How many rows there were when VACUUM, ANALYZE or CREATE INDEX last counted or guessed; `None` if none of them has yet, and for views. Of a
    /// partitioned table it is the sum for the partitions where it is known.
    pub row_estimate: Option<u64>,
}

/// How much room a table takes on the server's disk, in bytes; a partitioned table that of all its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Size {
    /// The rows, with values that are stored out of line, the free space map and the visibility map.
    pub table_bytes: u64,
    /// The indexes.
    pub index_bytes: u64,
    /// All together.
    pub total_bytes: u64,
}

pub(super) const SQL: &str = concat!(
    "\
SELECT 'table'::text,
       ARRAY[n.nspname::text, c.relname::text, c.relkind::text,
             CASE WHEN c.relkind = ANY ('{v,m}'::\"char\"[]) THEN pg_catalog.pg_get_viewdef(c.oid) END, f.srvname::text,
             k.partstrat::text, pg_catalog.pg_get_partkeydef(k.partrelid),
             c.relpersistence::text, pg_catalog.pg_get_userbyid(c.relowner)::text, e.description, m.amname::text, s.spcname::text],
       ARRAY[c.oid::int8, z.heap, z.indexes, z.total, z.estimate],
       ARRAY[c.relispopulated, (u.events & 8) <> 0, (u.events & 20) = 20, c.relrowsecurity, c.relforcerowsecurity],
       COALESCE(c.reloptions, '{}'::text[]),
       COALESCE(ft.ftoptions, ARRAY(
         SELECT x.attname::text FROM pg_catalog.unnest(k.partattrs) WITH ORDINALITY v(number, ordinal)
         LEFT JOIN pg_catalog.pg_attribute x ON x.attrelid = c.oid AND x.attnum = v.number ORDER BY v.ordinal))
FROM target t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_foreign_table ft ON ft.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server f ON f.oid = ft.ftserver
LEFT JOIN pg_catalog.pg_partitioned_table k ON k.partrelid = c.oid
LEFT JOIN pg_catalog.pg_description e
  ON e.objoid = c.oid AND e.classoid = 'pg_catalog.pg_class'::regclass AND e.objsubid = 0
-- A foreign table would be asked through its wrapper, which may not even be there.
CROSS JOIN LATERAL (
  SELECT CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_relation_is_updatable(c.oid, false) ELSE 0 END
) u(events)
CROSS JOIN LATERAL (
  ",
    parts_of!("c.oid"),
    "
  SELECT pg_catalog.sum(pg_catalog.pg_table_size(p.oid))::int8,
         pg_catalog.sum(pg_catalog.pg_indexes_size(p.oid))::int8,
         pg_catalog.sum(pg_catalog.pg_total_relation_size(p.oid))::int8,
         pg_catalog.sum(CASE
           WHEN p.reltuples < 0::float4 THEN NULL
           -- Before version 14, a table that was never counted looks like one that is empty.
           WHEN p.reltuples = 0::float4 AND p.relpages = 0
                AND pg_catalog.current_setting('server_version_num')::int4 < 140000 THEN NULL
           ELSE p.reltuples::float8 END)::int8
  FROM part JOIN pg_catalog.pg_class p ON p.oid = part.oid AND p.relkind = ANY ('{r,m,f}'::\"char\"[])
) z(heap, indexes, total, estimate)"
);

impl TableInfo {
    /// The column of this name.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// // A program that is newer than its schema.
    /// if db.table_info("item").await?.column("weight").is_none() {
    ///     db.execute("ALTER TABLE item ADD COLUMN weight float8", ()).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// How it is partitioned, if it is.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let purchase = db.table_info("purchase").await?;
    /// if let Some(partitioning) = purchase.partitioning() {
    ///     println!("{} partitions by {}", partitioning.partitions.len(), partitioning.key);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn partitioning(&self) -> Option<&Partitioning> {
        match &self.kind {
            TableKind::PartitionedTable(partitioning) => Some(partitioning),
            _ => None,
        }
    }

    /// What the rows of the query say; `None` if there is no row. The columns' types are known by their OIDs alone then.
    pub(super) fn assemble(rows: Vec<Row>) -> Result<Option<Self>, SchemaError> {
        let mut info = None;
        let mut findings: Vec<_> = rows.into_iter().map(Finding::new).collect();
        // The table itself comes first, and what it has is added to that.
        findings.sort_by_key(|(about, _)| about != "table");
        let mut parents = Vec::new();
        for (about, finding) in findings {
            match &mut info {
                None => info = Some(Self::read(finding)?),
                Some(_) if about == "parent" => parents.push(Relative::read(finding)?),
                Some(info) => info.add(about, finding)?,
            }
        }
        parents.sort_by_key(|parent| parent.ordinal);
        Ok(info.map(|info| parents.into_iter().fold(info, Self::with_parent).sorted()))
    }

    fn read(mut finding: Finding) -> Result<Self, SchemaError> {
        let name = finding.name("name")?;
        Ok(Self {
            name,
            kind: kind::read(&mut finding)?,
            persistence: kind::read_persistence(&mut finding)?,
            owner: finding.text("owner")?,
            comment: finding.text_if_any(),
            access_method: finding.text_if_any(),
            tablespace: finding.text_if_any(),
            options: options(finding.names()),
            row_security: finding.flag("row security")?,
            force_row_security: finding.flag("row security")?,
            oid: Oid(finding.number("OID")?),
            size: Size {
                table_bytes: finding.number_if_any("size")?.unwrap_or_default(),
                index_bytes: finding.number_if_any("size")?.unwrap_or_default(),
                total_bytes: finding.number_if_any("size")?.unwrap_or_default(),
            },
            row_estimate: finding.number_if_any("row estimate")?,
            columns: Vec::new(),
            primary_key: None,
            unique_constraints: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
            check_constraints: Vec::new(),
            not_null_constraints: Vec::new(),
            exclusion_constraints: Vec::new(),
            indexes: Vec::new(),
            partition_of: None,
            inherits: Vec::new(),
            inherited_by: Vec::new(),
        })
    }

    fn add(&mut self, about: String, finding: Finding) -> Result<(), SchemaError> {
        match about.as_str() {
            "column" => self.columns.push(column::read(finding)?),
            "p" => self.primary_key = Some(constraint::read_key(finding)?),
            "u" => self.unique_constraints.push(constraint::read_key(finding)?),
            "c" => self.check_constraints.extend(constraint::read_check(finding)?),
            "n" => self.not_null_constraints.push(constraint::read_not_null(finding)?),
            "x" => self.exclusion_constraints.extend(constraint::read_exclusion(finding)?),
            "foreign key" => self.foreign_keys.push(foreign_key::read(finding)?),
            "reference" => self.referenced_by.push(foreign_key::read(finding)?),
            "index" => self.indexes.extend(index::read(finding)?),
            "child" => self.add_child(Relative::read(finding)?),
            _ => return Err(SchemaError::Unknown { what: "parts", found: about.into() }),
        }
        Ok(())
    }

    fn add_child(&mut self, child: Relative) {
        match (child.into_partition(), &mut self.kind) {
            (Ok(partition), TableKind::PartitionedTable(partitioning)) => {
                partitioning.partitions.push(partition);
            }
            // It was dropped while it was looked at.
            (Err(_), TableKind::PartitionedTable(_)) => {}
            (Ok(Partition { table, .. }) | Err(table), _) => self.inherited_by.push(table),
        }
    }

    fn with_parent(mut self, parent: Relative) -> Self {
        match parent.bound {
            Some(bound) => self.partition_of = Some(PartitionOf { parent: parent.table, bound }),
            None => self.inherits.push(parent.table),
        }
        self
    }

    /// The same, with everything in an order that does not depend on the server's.
    fn sorted(mut self) -> Self {
        self.columns.sort_by_key(|column| column.position);
        self.unique_constraints.sort_by(|a, b| a.name.cmp(&b.name));
        self.check_constraints.sort_by(|a, b| a.name.cmp(&b.name));
        self.not_null_constraints.sort_by(|a, b| a.name.cmp(&b.name));
        self.exclusion_constraints.sort_by(|a, b| a.name.cmp(&b.name));
        self.foreign_keys.sort_by(|a, b| a.name.cmp(&b.name));
        self.referenced_by.sort_by(|a, b| (&a.table, &a.name).cmp(&(&b.table, &b.name)));
        self.indexes.sort_by(|a, b| a.name.cmp(&b.name));
        self.inherited_by.sort();
        if let TableKind::PartitionedTable(partitioning) = &mut self.kind {
            partitioning.partitions.sort_by(|a, b| a.table.cmp(&b.table));
        }
        self
    }
}
