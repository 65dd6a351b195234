//! Indexes.

use cornac_conn::SchemaError;

use super::finding::Finding;
use super::partition::parts_of;

/// An index of a table, whoever made it: `CREATE INDEX`, or a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Index {
    /// Its name; it stands in the schema of its table.
    pub name: String,
    /// The statement that would make it.
    pub definition: String,
    /// The access method: `btree`, `hash`, `gin`, `gist`, ...
    pub method: String,
    /// What is indexed, in the order of the index.
    pub keys: Vec<IndexKey>,
    /// The columns that are only INCLUDEd.
    pub include: Vec<String>,
    /// The predicate of a partial index.
    pub predicate: Option<String>,
    /// Whether two entries can be equal.
    pub uniqueness: Uniqueness,
    /// The constraint that it is there for.
    pub constraint: Option<IndexConstraint>,
    /// Whether queries can use it. A `CREATE INDEX CONCURRENTLY` that failed leaves one that is not valid, and so does an index on a partitioned
    /// table that some partition does not have yet.
    pub is_valid: bool,
    /// Whether the table was last CLUSTERed by it.
    pub is_clustered: bool,
    /// Whether it is the table's REPLICA IDENTITY.
    pub is_replica_identity: bool,
    /// Its size in bytes; of an index on a partitioned table that of all its parts.
    pub size_bytes: u64,
    /// Its comment.
    pub comment: Option<String>,
}

/// Whether two entries of an index can be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Uniqueness {
    /// They can.
    NotUnique,
    /// They cannot, but NULLs are never equal.
    Unique,
    /// They cannot, and NULLs are equal (NULLS NOT DISTINCT, PostgreSQL 15 and newer).
    NullsNotDistinct,
}

/// A constraint that has an index under it, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexConstraint {
    /// The primary key.
    PrimaryKey(String),
    /// A UNIQUE constraint.
    Unique(String),
    /// An exclusion constraint.
    Exclusion(String),
}

/// What is indexed: a column or an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexKey {
    /// It as it stands in SQL: a name, in quotes where that needs them, or an expression.
    pub expression: String,
    /// The column's name, where it is a column.
    pub column: Option<String>,
    /// Whether the order is descending.
    pub is_descending: bool,
    /// Whether NULLs come first.
    pub nulls_first: bool,
}

pub(super) const SQL: &str = concat!(
    "\
SELECT 'index',
       ARRAY[c.relname::text, pg_catalog.pg_get_indexdef(i.indexrelid), m.amname::text,
             pg_catalog.pg_get_expr(i.indpred, i.indrelid), k.contype::text, k.conname::text, e.description],
       pg_catalog.array_cat(
         ARRAY[COALESCE((
  ",
    parts_of!("c.oid"),
    "
  SELECT pg_catalog.sum(pg_catalog.pg_total_relation_size(part.oid))::int8 FROM part
         ), 0::int8)],
         ARRAY(SELECT o.bits::int8 FROM pg_catalog.unnest(i.indoption) WITH ORDINALITY o(bits, ordinal) ORDER BY o.ordinal)),
       ARRAY[i.indisunique, COALESCE((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false),
             i.indisvalid, i.indisclustered, i.indisreplident],
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, s.number, true)
             FROM pg_catalog.generate_series(1, i.indnatts) s(number) ORDER BY s.number),
       ARRAY(SELECT x.attname::text FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY u(number, ordinal)
             LEFT JOIN pg_catalog.pg_attribute x ON x.attrelid = i.indrelid AND x.attnum = u.number ORDER BY u.ordinal)
FROM target t
JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = ANY ('{p,u,x}'::\"char\"[])
LEFT JOIN pg_catalog.pg_description e
  ON e.objoid = c.oid AND e.classoid = 'pg_catalog.pg_class'::regclass AND e.objsubid = 0"
);

/// The bits of `pg_index.indoption`.
const DESCENDING: i64 = 1;
const NULLS_FIRST: i64 = 2;

/// An index; `None` if it was dropped while it was looked at, since definitions are of the present.
pub(super) fn read(mut finding: Finding) -> Result<Option<Index>, SchemaError> {
    let columns = finding.optional_others();
    let expressions: Option<Vec<_>> = finding.optional_names().into_iter().collect();
    let name = finding.text("index")?;
    let (Some(definition), Some(expressions)) = (finding.text_if_any(), expressions) else { return Ok(None) };
    let mut attributes = expressions.into_iter().zip(columns);
    let size_bytes = finding.number("index's size")?;
    let mut keys = Vec::new();
    // Only what is a key has options.
    while let Some(bits) = finding.number_if_any::<i64>("index's options")? {
        let Some((expression, column)) = attributes.next() else { break };
        let (is_descending, nulls_first) = (bits & DESCENDING != 0, bits & NULLS_FIRST != 0);
        keys.push(IndexKey { expression, column, is_descending, nulls_first });
    }
    Ok(Some(Index {
        name,
        definition,
        keys,
        include: attributes.filter_map(|(_, column)| column).collect(),
        size_bytes,
        method: finding.text("index's method")?,
        predicate: finding.text_if_any(),
        constraint: read_constraint(&mut finding)?,
        comment: finding.text_if_any(),
        uniqueness: match (finding.flag("index")?, finding.flag("index")?) {
            (false, _) => Uniqueness::NotUnique,
            (true, false) => Uniqueness::Unique,
            (true, true) => Uniqueness::NullsNotDistinct,
        },
        is_valid: finding.flag("index")?,
        is_clustered: finding.flag("index")?,
        is_replica_identity: finding.flag("index")?,
    }))
}

fn read_constraint(finding: &mut Finding) -> Result<Option<IndexConstraint>, SchemaError> {
    let kinds = [
        ("p", IndexConstraint::PrimaryKey as fn(String) -> _),
        ("u", IndexConstraint::Unique),
        ("x", IndexConstraint::Exclusion),
    ];
    let kind = finding.letter_if_any("index's constraint", &kinds)?;
    let name = finding.text_if_any();
    Ok(kind.zip(name).map(|(kind, name)| kind(name)))
}

impl Index {
    /// Whether no two entries are equal, with or without a constraint that says so.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// // An upsert needs one that is unique over just this column.
    /// let account = db.table_info("account").await?;
    /// let by_email = account.indexes.iter().find(|index| {
    ///     let is_whole = index.predicate.is_none();
    ///     index.is_unique() && is_whole && index.keys.len() == 1 && index.keys[0].expression == "email"
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_unique(&self) -> bool {
        self.uniqueness != Uniqueness::NotUnique
    }

    /// Whether it is the primary key's.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let item = db.table_info("item").await?;
    /// let others = item.indexes.iter().filter(|index| !index.is_primary());
    /// println!("{} bytes beside the primary key's", others.map(|index| index.size_bytes).sum::<u64>());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_primary(&self) -> bool {
        matches!(self.constraint, Some(IndexConstraint::PrimaryKey(_)))
    }
}

impl IndexConstraint {
    /// Its name.
    ///
    /// ```
    /// # use cornac::schema::IndexConstraint;
    /// let unique = IndexConstraint::Unique("item_name_key".to_owned());
    /// assert_eq!(unique.name(), "item_name_key");
    /// ```
    pub fn name(&self) -> &str {
        match self {
            Self::PrimaryKey(name) | Self::Unique(name) | Self::Exclusion(name) => name,
        }
    }
}
