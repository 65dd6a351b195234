//! Statements that a connection has prepared, and what the server said of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cornac_proto::message::{
    Backend, BackendTag, BindHead, FieldDescription, FormatCode, ParameterDescription, RowDescription,
    ServerMessage, Target,
};
use cornac_types::{Column, Columns, Format, Oid, Type};

use crate::connection::Connection;
use crate::core::keyword::first_keyword;
use crate::core::statements::{Key, OwnedKey, Preparation, SearchPath};
use crate::error::{Delivery, Error, Result};
use crate::flight::Flight;
use crate::given::check_none_inside;
use crate::statement::{IntoStatement, Statement, StatementMode, StatementRef};
use crate::statement_name::{StatementName, StatementNames};

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
    known: Arc<Known>,
    /// The server has forgotten it, or it no longer is what it was.
    stale: AtomicBool,
}

/// A statement, and what was said of it: the part that all connections share on which it means the same.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) sql: Arc<str>,
    pub(crate) key: OwnedKey,
    pub(crate) description: Arc<Description>,
    /// What its command tag says is all that there is to say of its end.
    is_plain: bool,
}

impl Known {
    pub(crate) fn new(sql: Arc<str>, key: OwnedKey, description: Description) -> Self {
        // CREATE TABLE AS and SELECT INTO have the tag of a query, and return nothing.
        let is_plain = !description.columns.is_empty()
            || ["INSERT", "UPDATE", "DELETE", "MERGE"]
                .iter()
                .any(|keyword| first_keyword(&sql).eq_ignore_ascii_case(keyword));
        Self { sql, key, description: Arc::new(description), is_plain }
    }

    pub(crate) fn is(&self, key: &Key<'_>) -> bool {
        *self.sql == *key.sql && self.key.is(key)
    }
}

/// What the server said of a statement, and the formats in which its result is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Description {
    pub(crate) parameters: Box<[Type]>,
    pub(crate) columns: Columns,
    pub(crate) result_formats: Box<[FormatCode]>,
    pub(crate) currency: Currency,
}

/// How long a description's types are what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Currency {
    /// For good: they are built in.
    #[default]
    Lasting,
    /// In this epoch of the catalogue.
    Epoch(u64),
    /// Nobody has asked yet what they are.
    Unasked,
}

impl Prepared {
    pub(crate) fn new(name: Option<Arc<StatementName>>, known: Arc<Known>) -> Self {
        Self(Arc::new(Inner { name, known, stale: AtomicBool::new(false) }))
    }

    /// The same statement, with another description.
    pub(crate) fn redescribed(&self, description: Description) -> Self {
        let Known { sql, key, .. } = &*self.0.known;
        self.sharing(Arc::new(Known::new(Arc::clone(sql), key.clone(), description)))
    }

    /// The same statement, with what others know of it too.
    pub(crate) fn sharing(&self, known: Arc<Known>) -> Self {
        Self::new(self.0.name.clone(), known)
    }

    /// The SQL text.
    pub fn sql(&self) -> &str {
        &self.0.known.sql
    }

    /// The types of `$1`, `$2`, ...: those that were declared, or else as the server inferred them.
    pub fn parameter_types(&self) -> &[Type] {
        &self.0.known.description.parameters
    }

    /// Whether what its command tag says is all that there is to say of its end. A statement that makes a table out of a query says no more than the query.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.0.known.is_plain
    }

    /// The columns of the result; none when the statement returns no rows.
    pub fn columns(&self) -> &Columns {
        &self.0.known.description.columns
    }

    /// Whether its parameters are of the same types as another's, and those are defined in the same way.
    pub(crate) fn has_parameters_of(&self, other: &Self) -> bool {
        let (one, other) = (self.parameter_types(), other.parameter_types());
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_defined_as(other))
    }

    pub(crate) fn name(&self) -> &str {
        self.0.name.as_ref().map_or("", |name| name.as_str())
    }

    /// The name as a Bind begins with it.
    pub(crate) fn head(&self) -> &BindHead {
        self.0.name.as_ref().map_or(&BindHead::UNNAMED, |name| name.head())
    }

    /// Whether it is the unnamed statement, which is parsed in front of each Bind.
    pub(crate) fn is_unnamed(&self) -> bool {
        self.0.name.is_none()
    }

    pub(crate) fn known(&self) -> &Arc<Known> {
        &self.0.known
    }

    pub(crate) fn declared(&self) -> &[Type] {
        self.0.known.key.declared()
    }

    pub(crate) fn description(&self) -> &Arc<Description> {
        &self.0.known.description
    }

    pub(crate) fn key<'k>(&'k self, path: &'k SearchPath) -> Key<'k> {
        Key { sql: self.sql(), declared: self.declared(), path }
    }

    pub(crate) fn is(&self, key: &Key<'_>) -> bool {
        self.0.known.is(key)
    }

    pub(crate) fn set_stale(&self) {
        // Relaxed: a hint. Whoever misses it hears from the server.
        self.0.stale.store(true, Ordering::Relaxed);
    }

    /// A Parse is written, so that there may be something to close; or the server has refused it, and there is nothing.
    pub(crate) fn set_may_be_parsed(&self, may_be: bool) {
        if let Some(name) = &self.0.name {
            name.set_may_be_parsed(may_be);
        }
    }

    /// Whether it is parsed on the connection of `names`, as far as is known.
    pub(crate) fn is_valid(&self, names: &StatementNames) -> bool {
        let here = self.0.name.as_ref().is_some_and(|name| name.is_of(names));
        here && !self.0.stale.load(Ordering::Relaxed)
    }
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
    /// The server's, when the statement is wrong; the connection's, when it is lost; [`ErrorKind::Usage`](crate::ErrorKind::Usage) when
    /// the statement has parameters inside.
    ///
    /// # Cancel safety
    ///
    /// When dropped, a statement that was parsed all the same is closed with the connection's next request.
    pub async fn prepare(&mut self, sql: impl IntoStatement) -> Result<Prepared> {
        check_none_inside(&sql)?;
        let statement = sql.statement();
        statement.check_len()?;
        if let Preparation::Parsed(prepared) = self.statements.look_up(&statement, StatementMode::Named) {
            return Ok(prepared);
        }
        self.settle().await?;
        self.start_deadline(statement.timeout());
        self.describe(&statement, StatementMode::Named).await
    }

    /// A statement that can be bound as it is, by any number of Binds: parsed here, or, in mode unnamed, just described.
    pub(crate) async fn ready_statement(&mut self, statement: &StatementRef<'_>) -> Result<Prepared> {
        statement.check_len()?;
        self.settle().await?;
        self.start_deadline(statement.timeout());
        let mode = self.statements.mode_of(statement);
        if mode == StatementMode::Simple {
            return Err(Error::usage(SIMPLE_MODE, Delivery::NotSent).with_statement(statement.sql()));
        }
        match self.statements.look_up(statement, mode) {
            Preparation::Parsed(prepared) => Ok(prepared),
            Preparation::Described(_) | Preparation::Unknown => self.describe(statement, mode).await,
        }
    }

    /// Parse, Describe, Sync: asks the server for everything about a statement. The connection is settled.
    pub(crate) async fn describe(
        &mut self,
        statement: &StatementRef<'_>,
        mode: StatementMode,
    ) -> Result<Prepared> {
        let asked = self.statements.undescribed(statement, mode);
        let mut flight = Flight::new(self);
        flight.close_retired_statements()?;
        // A statement that cannot be parsed is the end of its transaction, be it the first one or not, known or not.
        let begins = flight.has_pending_begin();
        if begins {
            flight.write_pending_begin()?;
        }
        flight.write_describe(&asked)?;
        let described = flight.read_description(&asked, begins).await;
        drop(flight);
        let described = described.and_then(|described| described.map_err(|server| self.refusal(server)));
        let completed = match described {
            Ok(mut description) => self.complete_types(&mut [&mut description]).await.map(|()| description),
            Err(error) => Err(error),
        };
        match completed {
            Ok(description) => Ok(self.statements.learn(&asked, description)),
            Err(error) => Err(error.with_statement(asked.sql())),
        }
    }

    /// Asks the server about many statements in one flight, each of which stands on its own. The connection is settled.
    pub(crate) async fn describe_all(
        &mut self,
        statements: &[Statement<'_>],
    ) -> Result<Vec<Result<Prepared, ServerMessage>>> {
        let mut asked = Vec::with_capacity(statements.len());
        let mut flight = Flight::new(self);
        flight.close_retired_statements()?;
        for statement in statements {
            let statement = statement.statement();
            let mode = flight.statements.mode_of(&statement);
            let undescribed = flight.statements.undescribed(&statement, mode);
            flight.write_describe(&undescribed)?;
            asked.push(undescribed);
        }
        let mut answers = Vec::with_capacity(asked.len());
        for asked in &asked {
            answers.push(flight.read_description(asked, false).await?);
        }
        drop(flight);
        let mut descriptions: Vec<_> = answers.iter_mut().filter_map(|answer| answer.as_mut().ok()).collect();
        self.complete_types(&mut descriptions).await?;
        let learn = |(asked, answer): (_, Result<_, _>)| {
            answer.map(|description| self.statements.learn(asked, description))
        };
        Ok(asked.iter().zip(answers).map(learn).collect())
    }
}

pub(crate) const SIMPLE_MODE: &str =
    "in mode simple, each statement travels on its own: there are neither batches nor pipelines";

impl Flight<'_> {
    fn write_describe(&mut self, asked: &Prepared) -> Result<()> {
        let declared: Vec<u32> = asked.declared().iter().map(|ty| ty.oid().0).collect();
        self.session.parse(asked.name(), asked.sql(), &declared).map_err(Error::command)?;
        asked.set_may_be_parsed(true);
        self.session.describe(Target::Statement(asked.name())).map_err(Error::command)?;
        self.session.sync().map_err(Error::command)
    }

    /// Reads what the server says of a statement, up to ReadyForQuery. First comes what it says to a BEGIN, if that travels in front.
    async fn read_description(
        &mut self,
        asked: &Prepared,
        mut begins: bool,
    ) -> Result<Result<Description, ServerMessage>> {
        let mut parameters: Box<[Type]> = Box::new([]);
        let mut columns = Columns::default();
        let mut refused = None;
        let mut parsed = false;
        loop {
            let tag = self.wait_for_message().await;
            let progress = self.progress();
            let lost = |closed| Error::lost(closed, progress).with_statement(asked.sql());
            let tag = tag.map_err(lost)?;
            match self.poll_message().map_err(lost)? {
                Some(Backend::ParameterDescription(description)) => parameters = parameter_types(description),
                Some(Backend::RowDescription(description)) => {
                    columns = described_columns(description, |ty, _| ty.binary_format());
                }
                Some(Backend::ParseComplete) => parsed = !begins,
                Some(Backend::CommandComplete(_)) => {
                    begins = false;
                    self.pending_begin_has_run();
                }
                Some(Backend::ErrorResponse(error)) => {
                    asked.set_may_be_parsed(parsed);
                    refused = refused.or_else(|| Some(ServerMessage::from(error)));
                }
                _ => {}
            }
            if tag == BackendTag::ReadyForQuery {
                return Ok(refused.map_or_else(|| Ok(Description::new(parameters, columns)), Err));
            }
        }
    }
}

pub(crate) fn parameter_types(description: ParameterDescription<'_>) -> Box<[Type]> {
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
        let lasting = parameters.iter().chain(columns.iter().map(Column::ty)).all(Type::is_built_in);
        let currency = if lasting { Currency::Lasting } else { Currency::Unasked };
        Self { parameters, columns, result_formats, currency }
    }

    /// The types of which nothing is known but the OID.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = Oid> {
        let types = self.parameters.iter().chain(self.columns.iter().map(Column::ty));
        types.filter(|ty| ty.has_unknown()).map(Type::oid)
    }

    /// Puts types that `find` knows in place of those that are known by their OIDs alone, or as they were; columns come in the formats of
    /// theirs, unless they have been sent already.
    pub(crate) fn set_types(&mut self, find: impl Fn(Oid) -> Option<Type>, sent: bool) {
        let found = |ty: &Type| if ty.is_built_in() { None } else { find(ty.oid()) };
        for ty in &mut self.parameters {
            if let Some(found) = found(ty) {
                *ty = found;
            }
        }
        if !self.columns.iter().any(|column| found(column.ty()).is_some()) {
            return;
        }
        let columns = self.columns.iter().map(|column| match found(column.ty()) {
            Some(ty) => {
                let format = if sent { column.format() } else { ty.base().binary_format() };
                Column::new(column.name(), ty, format)
            }
            None => column.clone(),
        });
        *self = Self::new(std::mem::take(&mut self.parameters), columns.collect());
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
