//! What tables there are, and what they are like: [`Schema::table_exists`] and [`Schema::table_info`].
//!
//! ```no_run
//! use cornac::schema::Schema;
//! use cornac::{Connection, copy::Table};
//!
//! # async fn example(connection: &mut Connection) -> cornac::Result<()> {
//! if connection.table_exists("item").await? {
//!     let info = connection.table_info(Table::in_schema("shop", "item")).await?;
//!     for column in &info.columns {
//!         println!("{} {} default {:?}", column.name, column.type_name, column.default);
//!     }
//!     let key = info.primary_key.map(|key| key.columns);
//!     println!("key {key:?}, some {:?} rows in {} bytes", info.row_estimate, info.size.total_bytes);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Each kind of thing that a table has stands in a file of its own, with its part of the one query; `query` puts them together, and `finding` takes
//! the rows apart.

mod column;
mod constraint;
mod finding;
mod foreign_key;
mod index;
mod kind;
mod name;
mod partition;
mod query;
mod table_info;

use std::future::Future;

use cornac_conn::{Client, Result};

pub use column::{Column, Generated, GeneratedStorage, Identity};
pub use constraint::{Check, Deferrability, Exclusion, Key, NotNull};
pub use cornac_conn::{SchemaError, Table};
pub use foreign_key::{ForeignKey, MatchType, ReferentialAction};
pub use index::{Index, IndexConstraint, IndexKey, Uniqueness};
pub use kind::{ForeignTable, MaterializedView, Persistence, TableKind, View};
pub use name::ObjectName;
pub use partition::{Partition, PartitionOf, PartitionStrategy, Partitioning};
pub use table_info::{Size, TableInfo};

/// Questions about the schema, for everything that has a connection.
///
/// A name is that of a table, a partitioned table, a view, a materialized view or a foreign table: `"item"` is looked for along the
/// `search_path`, as a statement would, and finds temporary tables; [`Table::in_schema`] says the schema (`pg_temp` is that of the session's temporary
/// tables). Names are taken as they are: without quotes, in upper and lower case as they stand, and never taken apart at dots. No privilege on
/// the table is needed.
///
/// # Errors
///
/// [`SchemaError::Name`] for what can be no name: empty, longer than 63 bytes, or with a NUL in it; and as every verb of [`Client`].
///
/// # Cancel safety
///
/// As every verb of [`Client`]; nothing is changed.
pub trait Schema: Client {
    /// Whether there is such a table, view or foreign table. One round trip.
    ///
    /// ```no_run
    /// use cornac::Connection;
    /// use cornac::schema::Schema;
    ///
    /// # async fn example(connection: &mut Connection) -> cornac::Result<()> {
    /// if !connection.table_exists("item").await? {
    ///     connection.simple_query("CREATE TABLE item (id int8 PRIMARY KEY, name text NOT NULL)").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    fn table_exists(&mut self, table: impl Into<Table>) -> impl Future<Output = Result<bool>> + Send {
        let table = table.into();
        async move { query::table_exists(self.connection(), &table).await }
    }

    /// What is known of a table, view or foreign table: its columns, keys, constraints, indexes, partitions, size, ...
    ///
    /// That there is none is an error that the server knows nothing of, so that a transaction goes on: [`SchemaError::NoSuchTable`].
    ///
    /// It is of one moment, and takes one round trip; another, if there are columns of types that are not built in. Sizes and
    /// definitions are not to be had while another session holds an ACCESS EXCLUSIVE lock on the table: it waits for that.
    /// Where another session drops an index or a constraint at the very moment in which the server writes down its definition, the server fails with
    /// an internal error (XX000); outside of a transaction the question is then asked again.
    ///
    /// ```no_run
    /// use cornac::schema::{Schema, SchemaError};
    /// use cornac::{Connection, ErrorKind};
    ///
    /// # async fn example(connection: &mut Connection) -> cornac::Result<()> {
    /// match connection.table_info("item").await {
    ///     Ok(info) => println!("{} has {} columns", info.name, info.columns.len()),
    ///     Err(error) if matches!(error.kind(), ErrorKind::Schema(SchemaError::NoSuchTable(_))) => println!("{error}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    fn table_info(&mut self, table: impl Into<Table>) -> impl Future<Output = Result<TableInfo>> + Send {
        let table = table.into();
        async move { query::table_info(self.connection(), &table).await }
    }
}

impl<C: Client + ?Sized> Schema for C {}
