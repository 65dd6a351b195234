//! Statements that a connection has prepared, and the names that they have at the server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cornac_proto::message::{
    Backend, BackendTag, FieldDescription, FormatCode, ParameterDescription, RowDescription, Target,
};
use cornac_types::{Column, Columns, Format, Oid, Type};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::flight::Flight;

/// A statement that one connection has parsed under a name: each use of it is one round trip.
///
/// Made by [`Connection::prepare`]. It works on the connection that made it, and on no other. When the last clone is
/// dropped, the server forgets the statement with the connection's next request.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: StatementName,
    sql: Box<str>,
    description: Description,
}

/// What the server said of a statement, and the formats in which its result is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) parameters: Arc<[Type]>,
    pub(crate) columns: Columns,
    pub(crate) result_formats: Arc<[FormatCode]>,
}

impl Prepared {
    /// The SQL text.
    pub fn sql(&self) -> &str {
        &self.0.sql
    }

    /// The types of `$1`, `$2`, ... as the server inferred them.
    pub fn parameter_types(&self) -> &[Type] {
        &self.0.description.parameters
    }

    /// The columns of the result; none when the statement returns no rows.
    pub fn columns(&self) -> &Columns {
        &self.0.description.columns
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name.name
    }

    pub(crate) fn description(&self) -> &Description {
        &self.0.description
    }

    /// Whether `names` are those of the connection that prepared this.
    pub(crate) fn belongs_to(&self, names: &StatementNames) -> bool {
        Arc::ptr_eq(&self.0.name.retired, &names.retired)
    }
}

/// A name at the server, which is retired when it is dropped: also when the future that was to prepare it is.
#[derive(Debug)]
struct StatementName {
    name: String,
    retired: Arc<Retired>,
}

impl Drop for StatementName {
    fn drop(&mut self) {
        self.retired.push(std::mem::take(&mut self.name));
    }
}

/// The names of statements whose last handle has gone, to be closed with the next request.
#[derive(Debug, Default)]
struct Retired {
    /// Whether `names` holds any: a request looks at this first, and takes no lock when there is none.
    any: AtomicBool,
    names: Mutex<Vec<String>>,
}

impl Retired {
    fn push(&self, name: String) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        // Release: pairs with the Acquire in `take`, so that whoever sees the flag sees the name.
        self.any.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<String> {
        // Acquire: pairs with the Release in `push`. A name that is missed is found by the next request.
        if !self.any.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Gives each statement of a connection a name that no other statement ever had.
#[derive(Debug)]
pub(crate) struct StatementNames {
    next: u64,
    retired: Arc<Retired>,
}

impl StatementNames {
    pub(crate) fn new() -> Self {
        Self { next: 1, retired: Arc::default() }
    }

    /// A name behind a prefix that is random for each process: a pooler's server connection may still hold what a
    /// stranger left, and that must not be taken for ours.
    fn fresh(&mut self) -> StatementName {
        let name = format!("cornac_{:016x}_{}", process_prefix(), self.next);
        self.next = self.next.wrapping_add(1);
        StatementName { name, retired: Arc::clone(&self.retired) }
    }
}

fn process_prefix() -> u64 {
    static PREFIX: OnceLock<u64> = OnceLock::new();
    static FALLBACK: AtomicU64 = AtomicU64::new(0);
    *PREFIX.get_or_init(|| {
        // Without randomness the process id still keeps processes of one machine apart.
        getrandom::u64().unwrap_or_else(|_| {
            u64::from(std::process::id()).wrapping_add(FALLBACK.fetch_add(1, Ordering::Relaxed))
        })
    })
}

impl Connection {
    /// Has the server parse `sql` once, for any number of uses on this connection. One round trip.
    ///
    /// The parameters' types are those that the server infers. See
    /// [Extended Query](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY).
    ///
    /// # Errors
    ///
    /// The server's, when the statement is wrong; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// When dropped, a statement that was parsed all the same is closed with the connection's next request.
    pub async fn prepare(&mut self, sql: &str) -> Result<Prepared> {
        let name = self.statement_names.fresh();
        let description = self.describe_statement(&name.name, sql).await?;
        Ok(Prepared(Arc::new(Inner { name, sql: sql.into(), description })))
    }

    /// Parse, Describe, Sync.
    pub(crate) async fn describe_statement(&mut self, name: &str, sql: &str) -> Result<Description> {
        self.settle().await?;
        self.start_deadline();
        let mut flight = Flight::new(self);
        flight.close_retired_statements()?;
        flight.session.parse(name, sql, &[]).map_err(Error::command)?;
        flight.session.describe(Target::Statement(name)).map_err(Error::command)?;
        flight.session.sync().map_err(Error::command)?;
        read_description(flight).await.map_err(|error| error.with_statement(sql))
    }

    /// Closes, at the front of a flight, the statements whose handles have gone.
    pub(crate) fn close_retired_statements(&mut self) -> Result<()> {
        for name in self.statement_names.retired.take() {
            self.session.close(Target::Statement(&name)).map_err(Error::command)?;
        }
        Ok(())
    }
}

async fn read_description(mut flight: Flight<'_>) -> Result<Description> {
    let mut parameters: Arc<[Type]> = Arc::new([]);
    let mut columns = Vec::new();
    let mut refused = None;
    loop {
        let tag = flight.wait_for_message().await;
        let progress = flight.progress();
        let tag = tag.map_err(|closed| Error::lost(closed, progress))?;
        match flight.poll_message().map_err(|closed| Error::lost(closed, progress))? {
            Some(Backend::ParameterDescription(description)) => parameters = parameter_types(description),
            Some(Backend::RowDescription(description)) => {
                columns = described_columns(description, |ty, _| ty.binary_format());
            }
            Some(Backend::ErrorResponse(error)) => {
                let server = error.into();
                refused = refused.or_else(|| Some(flight.refusal(server)));
            }
            _ => {}
        }
        if tag == BackendTag::ReadyForQuery {
            return match refused {
                Some(error) => Err(error),
                None => Ok(Description::new(parameters, columns)),
            };
        }
    }
}

fn parameter_types(description: ParameterDescription<'_>) -> Arc<[Type]> {
    description.types().map(|oid| Type::from_oid(Oid(oid))).collect()
}

impl Description {
    /// Chooses the format of each column: binary, but for types that have no binary form.
    fn new(parameters: Arc<[Type]>, columns: Vec<Column>) -> Self {
        let formats = columns.iter().map(|column| format_code(column.format()));
        let result_formats: Arc<[FormatCode]> = if columns.iter().all(|c| c.format() == Format::Binary) {
            // One code stands for all columns, and none is needed where there are none.
            formats.take(1).collect()
        } else {
            formats.collect()
        };
        Self { parameters, columns: columns.into_iter().collect(), result_formats }
    }
}

/// The columns that the server describes, with the format that `format` makes of type and format code. A statement's
/// description says text for every column, since formats are chosen at Bind; a portal's says what will come.
pub(crate) fn described_columns(
    description: RowDescription<'_>,
    format: impl Fn(&Type, FormatCode) -> Format,
) -> Vec<Column> {
    let column = |field: FieldDescription<'_>| {
        let ty = Type::from_oid(Oid(field.type_oid));
        let format = format(&ty, field.format);
        Column::new(field.name.to_lossy(), ty, format)
    };
    description.fields().map(column).collect()
}

pub(crate) fn format_code(format: Format) -> FormatCode {
    match format {
        Format::Text => FormatCode::Text,
        Format::Binary => FormatCode::Binary,
    }
}

pub(crate) fn format_sent(_: &Type, code: FormatCode) -> Format {
    match code {
        FormatCode::Text => Format::Text,
        FormatCode::Binary => Format::Binary,
    }
}
