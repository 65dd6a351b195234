//! The queries: one for whether a table is there, one for all that is known of it.

use std::sync::LazyLock;

use cornac_conn::{
    Client, Connection, Error, Result, SchemaError, SqlState, Statement, Table, TransactionStatus, qualified,
};
use cornac_types::{Oid, Type};

use super::finding::Row;
use super::kind::relkinds;
use super::{TableInfo, column, constraint, foreign_key, index, partition, table_info};

/// The table that is meant by `$1`, a name in quotes: what a statement would find along the `search_path`, temporary tables among it, where no schema
/// is given; and else the table in the schema, whether or not the role may look into that. (A planner that is told `$1` asks `to_regclass` in advance, which refuses
/// to look into such a schema: it must not see what it would ask.)
const TARGET: &str = concat!(
    "\
WITH named(names) AS MATERIALIZED (
  SELECT pg_catalog.parse_ident($1)
), target(oid) AS MATERIALIZED (
  SELECT c.oid FROM named CROSS JOIN pg_catalog.pg_class c
  WHERE c.relkind = ANY (",
    relkinds!(),
    ") AND c.oid = CASE
    WHEN named.names[2] IS NULL THEN pg_catalog.to_regclass(CASE WHEN named.names[2] IS NULL THEN $1 END)::oid
    ELSE (
      SELECT r.oid FROM pg_catalog.pg_class r
      WHERE r.relname = named.names[2]::name AND r.relnamespace = CASE
        WHEN named.names[1] = 'pg_temp' THEN pg_catalog.pg_my_temp_schema()
        ELSE (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = named.names[1]::name)
      END
    )
  END
)
"
);

static EXISTS: LazyLock<String> =
    LazyLock::new(|| qualified(&format!("{TARGET}SELECT EXISTS (SELECT FROM target)")));

/// Everything in one statement, so that it is of one moment, and one round trip. The table itself comes last: the definition of a view locks the tables
/// below it, after which nothing must be waited for any more.
static INFO: LazyLock<String> = LazyLock::new(|| {
    let parts = [column::SQL, constraint::SQL, foreign_key::SQL, index::SQL, partition::SQL, table_info::SQL];
    qualified(&format!("{TARGET}{}", parts.join("\nUNION ALL\n")))
});

/// The types of the query's columns: with them, it is one round trip even the first time.
const ROW: [Type; 6] =
    [Type::TEXT, Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::BOOL_ARRAY, Type::TEXT_ARRAY, Type::TEXT_ARRAY];

/// How often the question is asked in all, while others drop what it is about.
const ATTEMPTS: u32 = 5;

pub(super) async fn table_exists(connection: &mut Connection, table: &Table) -> Result<bool> {
    let asked = Statement::typed(EXISTS.as_str(), &[Type::TEXT], &[Type::BOOL]);
    connection.fetch_value(asked, (table.to_sql()?,)).await
}

pub(super) async fn table_info(connection: &mut Connection, table: &Table) -> Result<TableInfo> {
    let mut rows = ask(connection, table).await;
    for _ in 1..ATTEMPTS {
        if !rows.as_ref().is_err_and(|error| fell_into_a_drop(connection, error)) {
            break;
        }
        rows = ask(connection, table).await;
    }
    let found = TableInfo::assemble(rows?)?;
    let mut info = found.ok_or_else(|| SchemaError::NoSuchTable(table.clone()))?;
    let oids: Vec<Oid> = info.columns.iter().map(|column| column.ty.oid()).collect();
    for (column, ty) in info.columns.iter_mut().zip(connection.types(&oids).await?) {
        column.ty = ty;
    }
    Ok(info)
}

async fn ask(connection: &mut Connection, table: &Table) -> Result<Vec<Row>> {
    // Long, and seldom asked: not worth its place in the statement cache, nor the memory of its plan.
    let asked = Statement::typed(INFO.as_str(), &[Type::TEXT], &ROW).not_cached();
    connection.fetch_all(asked, (table.to_sql()?,)).await
}

/// Whether something was dropped in the moment in which the server worked out its definition ("cache lookup failed"), and the question may be asked
/// again. A transaction is over with the error.
fn fell_into_a_drop(connection: &Connection, error: &Error) -> bool {
    error.sql_state() == Some(SqlState::INTERNAL_ERROR)
        && connection.transaction_status() == TransactionStatus::Idle
}
