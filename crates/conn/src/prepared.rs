//! Statements that a connection has prepared, and the names that they have at the server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cornac_proto::message::{
    Backend, BackendTag, FieldDescription, FormatCode, ParameterDescription, RowDescription, Target,
};
use cornac_types::{Column, Columns, Format, Oid, Type};

use crate::connection::Connection;
use crate::core::statements::{Key, OwnedKey, Preparation, SearchPath};
use crate::error::{Error, Result};
use crate::flight::Flight;
use crate::statement::{IntoStatement, StatementMode, StatementRef};

/// A statement that one connection has parsed: each use of it there is one round trip, and so is the first on any other
/// connection to the same database.
///
/// Made by [`Connection::prepare`]. As long as a clone is held, the statement stays parsed at the server, whatever else passes
/// through the statement cache.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None`: the unnamed statement, which is parsed in front of each Bind.
    name: Option<Arc<StatementName>>,
    sql: Arc<str>,
    key: OwnedKey,
    description: Arc<Description>,
    /// The server has forgotten it, or it no longer is what it was.
    stale: AtomicBool,
}

/// What the server said of a statement, and the formats in which its result is asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Description {
    pub(crate) parameters: Box<[Type]>,
    pub(crate) columns: Columns,
    pub(crate) result_formats: Box<[FormatCode]>,
}

impl Prepared {
    pub(crate) fn new(
        name: Option<Arc<StatementName>>,
        sql: Arc<str>,
        key: OwnedKey,
        description: Arc<Description>,
    ) -> Self {
        Self(Arc::new(Inner { name, sql, key, description, stale: AtomicBool::new(false) }))
    }

    /// The same statement, with another description.
    pub(crate) fn redescribed(&self, description: Description) -> Self {
        let Inner { name, sql, key, .. } = &*self.0;
        Self::new(name.clone(), Arc::clone(sql), key.clone(), Arc::new(description))
    }

    /// The SQL text.
    pub fn sql(&self) -> &str {
        &self.0.sql
    }

    /// The types of `$1`, `$2`, ...: those that were declared, or else as the server inferred them.
    pub fn parameter_types(&self) -> &[Type] {
        &self.0.description.parameters
    }

    /// The columns of the result; none when the statement returns no rows.
    pub fn columns(&self) -> &Columns {
        &self.0.description.columns
    }

    pub(crate) fn name(&self) -> &str {
        self.0.name.as_ref().map_or("", |name| name.as_str())
    }

    pub(crate) fn shared_sql(&self) -> &Arc<str> {
        &self.0.sql
    }

    pub(crate) fn declared(&self) -> &[Type] {
        self.0.key.declared()
    }

    pub(crate) fn description(&self) -> &Arc<Description> {
        &self.0.description
    }

    pub(crate) fn key<'k>(&'k self, path: &'k SearchPath) -> Key<'k> {
        Key { sql: &self.0.sql, declared: self.0.key.declared(), path }
    }

    pub(crate) fn is(&self, key: &Key<'_>) -> bool {
        *self.0.sql == *key.sql && self.0.key.is(key)
    }

    pub(crate) fn set_stale(&self) {
        // Relaxed: a hint. Whoever misses it hears from the server.
        self.0.stale.store(true, Ordering::Relaxed);
    }

    /// The server has refused to parse it: there is nothing to close.
    pub(crate) fn set_never_parsed(&self) {
        if let Some(name) = &self.0.name {
            // Relaxed: read by the drop of the last handle, which has seen all that the others did.
            name.never_parsed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it is parsed on the connection of `names`, as far as is known.
    pub(crate) fn is_valid(&self, names: &StatementNames) -> bool {
        let here = self.0.name.as_ref().is_some_and(|name| name.is_of(names));
        here && !self.0.stale.load(Ordering::Relaxed)
    }
}

/// How long a name may be: the prefix and eleven digits of base 32.
const NAME_MAX: usize = PREFIX.len() + 13 + 1 + 11;

const PREFIX: &str = "cornac_";

/// A name at the server, which is retired when it is dropped: also when the future that was to prepare it is.
#[derive(Debug)]
pub(crate) struct StatementName {
    name: [u8; NAME_MAX],
    len: u8,
    never_parsed: AtomicBool,
    era: u32,
    retired: Arc<Retired>,
}

impl StatementName {
    pub(crate) fn as_str(&self) -> &str {
        let name = self.name.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn is_of(&self, names: &StatementNames) -> bool {
        Arc::ptr_eq(&self.retired, &names.retired) && self.era == names.era
    }
}

impl Drop for StatementName {
    fn drop(&mut self) {
        if !*self.never_parsed.get_mut() {
            self.retired.push(self.as_str().into());
        }
    }
}

/// The names of statements whose last handle has gone, to be closed with the next request.
#[derive(Debug, Default)]
struct Retired {
    /// Whether `names` holds any: a request looks at this first, and takes no lock when there is none.
    any: AtomicBool,
    names: Mutex<Vec<Box<str>>>,
}

impl Retired {
    fn push(&self, name: Box<str>) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        // Release: pairs with the Acquire in `take`, so that whoever sees the flag sees the name.
        self.any.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<Box<str>> {
        // Acquire: pairs with the Release in `push`. A name that is missed is found by the next request.
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Gives each statement of a connection a name that no other statement ever had.
#[derive(Debug)]
pub(crate) struct StatementNames {
    next: u64,
    /// Names of earlier eras may be gone at the server.
    era: u32,
    retired: Arc<Retired>,
}

impl StatementNames {
    pub(crate) fn new() -> Self {
        Self { next: 1, era: 0, retired: Arc::default() }
    }

    /// A name behind a prefix that is random for each process: a pooler's server connection may still hold what a
    /// stranger left, and that must not be taken for ours.
    pub(crate) fn fresh(&mut self) -> StatementName {
        let mut name = [0; NAME_MAX];
        let digits = [(process_prefix(), "_"), (self.next, "")];
        let written = digits.iter().fold(PREFIX.as_bytes().to_vec(), |mut written, (number, behind)| {
            write_base_32(*number, &mut written);
            written.extend_from_slice(behind.as_bytes());
            written
        });
        let len = written.len().min(NAME_MAX);
        for (place, byte) in name.iter_mut().zip(&written) {
            *place = *byte;
        }
        self.next = self.next.wrapping_add(1);
        let len = u8::try_from(len).unwrap_or_default();
        let (never_parsed, era) = (AtomicBool::new(false), self.era);
        StatementName { name, len, never_parsed, era, retired: Arc::clone(&self.retired) }
    }

    /// Every name that was given may be gone at the server. They are closed there all the same, which is no error.
    pub(crate) fn invalidate(&mut self) {
        self.era = self.era.wrapping_add(1);
    }

    /// The names to close with the next request.
    pub(crate) fn take_retired(&self) -> Vec<Box<str>> {
        self.retired.take()
    }

    /// Names whose Close was not sent after all.
    pub(crate) fn retire_again(&self, names: Vec<Box<str>>) {
        for name in names {
            self.retired.push(name);
        }
    }
}

fn write_base_32(mut number: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let start = out.len();
    loop {
        let digit = usize::try_from(number % 32).unwrap_or_default();
        out.extend(DIGITS.get(digit));
        number /= 32;
        if number == 0 {
            break;
        }
    }
    out.get_mut(start..).unwrap_or_default().reverse();
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
    /// Has the server parse `sql` once, for any number of uses on this connection. One round trip, or none if it is parsed there
    /// already.
    ///
    /// The parameters' types are those that the server infers, unless the [`Statement`](crate::Statement) declares them. See
    /// [Extended Query](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY).
    ///
    /// # Errors
    ///
    /// The server's, when the statement is wrong; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// When dropped, a statement that was parsed all the same is closed with the connection's next request.
    pub async fn prepare(&mut self, sql: impl IntoStatement) -> Result<Prepared> {
        let statement = sql.statement();
        if let Preparation::Parsed(prepared) = self.statements.look_up(&statement, StatementMode::Named) {
            return Ok(prepared);
        }
        self.settle().await?;
        self.start_deadline(statement.timeout());
        self.describe(&statement, StatementMode::Named).await
    }

    /// Parse, Describe, Sync: asks the server for everything about a statement. The connection is settled.
    pub(crate) async fn describe(
        &mut self,
        statement: &StatementRef<'_>,
        mode: StatementMode,
    ) -> Result<Prepared> {
        let asked = self.statements.undescribed(statement, mode);
        let declared: Vec<u32> = asked.declared().iter().map(|ty| ty.oid().0).collect();
        let mut flight = Flight::new(self);
        flight.close_retired_statements()?;
        flight.session.parse(asked.name(), asked.sql(), &declared).map_err(Error::command)?;
        flight.session.describe(Target::Statement(asked.name())).map_err(Error::command)?;
        flight.session.sync().map_err(Error::command)?;
        let described = read_description(flight, &asked).await;
        let prepared = asked.redescribed(described.map_err(|error| error.with_statement(asked.sql()))?);
        self.statements.parsed(&prepared);
        self.statements.described(&prepared);
        Ok(prepared)
    }
}

async fn read_description(mut flight: Flight<'_>, asked: &Prepared) -> Result<Description> {
    let mut parameters: Box<[Type]> = Box::new([]);
    let mut columns = Columns::default();
    let mut refused = None;
    let mut parsed = false;
    loop {
        let tag = flight.wait_for_message().await;
        let progress = flight.progress();
        let tag = tag.map_err(|closed| Error::lost(closed, progress))?;
        match flight.poll_message().map_err(|closed| Error::lost(closed, progress))? {
            Some(Backend::ParameterDescription(description)) => parameters = parameter_types(description),
            Some(Backend::RowDescription(description)) => {
                columns = described_columns(description, |ty, _| ty.binary_format());
            }
            Some(Backend::ParseComplete) => parsed = true,
            Some(Backend::ErrorResponse(error)) => {
                if !parsed {
                    asked.set_never_parsed();
                }
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

fn parameter_types(description: ParameterDescription<'_>) -> Box<[Type]> {
    description.types().map(|oid| Type::from_oid(Oid(oid))).collect()
}

impl Description {
    /// Chooses the format of each column: binary, but for types that have no binary form.
    pub(crate) fn new(parameters: Box<[Type]>, columns: Columns) -> Self {
        let formats = columns.iter().map(|column| format_code(column.format()));
        let result_formats: Box<[FormatCode]> = if columns.iter().all(|c| c.format() == Format::Binary) {
            // One code stands for all columns, and none is needed where there are none.
            formats.take(1).collect()
        } else {
            formats.collect()
        };
        Self { parameters, columns, result_formats }
    }
}

/// The columns that the server describes, with the format that `format` makes of type and format code. A statement's
/// description says text for every column, since formats are chosen at Bind; a portal's says what will come.
pub(crate) fn described_columns(
    description: RowDescription<'_>,
    format: impl Fn(&Type, FormatCode) -> Format,
) -> Columns {
    let column = |field: FieldDescription<'_>| {
        let ty = Type::from_oid(Oid(field.type_oid));
        let format = format(&ty, field.format);
        Column::new(field.name.to_lossy(), ty, format)
    };
    description.fields().map(column).collect()
}

/// The columns of a portal, where they are not the ones that are `known`: most often they are, and then nothing is made.
pub(crate) fn changed_columns(known: &Columns, description: Option<RowDescription<'_>>) -> Option<Columns> {
    let Some(description) = description else {
        return (!known.is_empty()).then(Columns::default);
    };
    let same = |(field, column): (FieldDescription<'_>, &Column)| {
        field.type_oid == column.ty().oid().0
            && field.format == format_code(column.format())
            && field.name.as_bytes() == column.name().as_bytes()
    };
    let unchanged =
        usize::from(description.len()) == known.len() && description.fields().zip(known).all(same);
    (!unchanged).then(|| described_columns(description, format_sent))
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
