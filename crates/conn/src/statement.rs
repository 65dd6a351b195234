//! What can stand where SQL is asked for.

use std::borrow::Cow;
use std::time::Duration;

use cornac_proto::message::check_statement_len;
use cornac_types::{Column, Params, Sql, Type};

use crate::error::{Error, Result};
use crate::prepared::{Description, Prepared};

/// How statements travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatementMode {
    /// Parsed once on each connection, under a name, and kept in the statement cache. The fastest; it needs the same server
    /// process behind the connection from one statement to the next.
    #[default]
    Named,
    /// Parsed anew in front of each use, in the same flight, and nothing is left behind at the server: for poolers in transaction
    /// mode that do not keep track of prepared statements (PgBouncer before 1.21).
    Unnamed,
    /// The simple query protocol: parameters become quoted literals, results come as text. For what stands in between and
    /// does not speak the extended protocol.
    Simple,
}

/// SQL with options for its execution.
///
/// ```
/// use std::time::Duration;
/// use cornac_conn::{Statement, StatementMode};
/// use cornac_types::Type;
///
/// let report = Statement::new("SELECT * FROM sales WHERE day = $1").timeout(Duration::from_secs(30)).not_cached();
/// let typed = Statement::typed("SELECT name FROM item WHERE id = $1", &[Type::INT8], &[Type::TEXT]);
/// let through_a_pooler = Statement::new("SELECT 1").mode(StatementMode::Unnamed);
/// ```
#[derive(Clone, Debug)]
pub struct Statement<'s> {
    sql: StatementText<'s>,
    parameter_types: Cow<'s, [Type]>,
    result_types: Option<Cow<'s, [Type]>>,
    options: Options,
}

#[derive(Clone, Copy, Debug, Default)]
struct Options {
    mode: Option<StatementMode>,
    timeout: Option<Duration>,
    fetch_size: u32,
    not_cached: bool,
    idempotent: bool,
}

/// What a [`Statement`] is made of: SQL text, or the value of `sql!`.
#[derive(Clone, Debug)]
pub struct StatementText<'s>(Text<'s>);

#[derive(Clone, Debug)]
enum Text<'s> {
    Plain(Cow<'s, str>),
    /// With its parameters inside.
    Sql(Box<Sql<'s>>),
}

impl StatementText<'_> {
    fn as_str(&self) -> &str {
        match &self.0 {
            Text::Plain(text) => text,
            Text::Sql(sql) => sql.text(),
        }
    }
}

impl<'s> From<&'s str> for StatementText<'s> {
    fn from(sql: &'s str) -> Self {
        Self(Text::Plain(Cow::Borrowed(sql)))
    }
}

impl<'s> From<&'s String> for StatementText<'s> {
    fn from(sql: &'s String) -> Self {
        sql.as_str().into()
    }
}

impl From<String> for StatementText<'_> {
    fn from(sql: String) -> Self {
        Self(Text::Plain(Cow::Owned(sql)))
    }
}

impl<'s> From<Cow<'s, str>> for StatementText<'s> {
    fn from(sql: Cow<'s, str>) -> Self {
        Self(Text::Plain(sql))
    }
}

impl<'s> From<&Sql<'s>> for StatementText<'s> {
    fn from(sql: &Sql<'s>) -> Self {
        sql.clone().into()
    }
}

impl<'s> From<Sql<'s>> for StatementText<'s> {
    fn from(sql: Sql<'s>) -> Self {
        Self(Text::Sql(Box::new(sql)))
    }
}

impl<'s> Statement<'s> {
    /// A statement without options: as its text alone, or as the value of `sql!`, whose parameters stay inside.
    pub fn new(sql: impl Into<StatementText<'s>>) -> Self {
        let (parameter_types, result_types) = (Cow::Borrowed(&[][..]), None);
        Self { sql: sql.into(), parameter_types, result_types, options: Options::default() }
    }

    /// A statement whose parameters and columns are of known types: even its first use is one round trip.
    ///
    /// The server takes the parameters' types as declared. The columns' types only decide in which format they are asked for:
    /// what comes is decoded by the description that comes with it.
    pub fn typed(sql: impl Into<StatementText<'s>>, parameters: &'s [Type], results: &'s [Type]) -> Self {
        Self { result_types: Some(Cow::Borrowed(results)), ..Self::new(sql).parameter_types(parameters) }
    }

    /// Declares the types of `$1`, `$2`, ... in place of those that the server would infer. A statement of one text is another
    /// statement with other types.
    #[must_use]
    pub fn parameter_types(mut self, types: &'s [Type]) -> Self {
        self.parameter_types = Cow::Borrowed(types);
        self
    }

    /// How it travels, in place of the connection's own mode.
    #[must_use]
    pub fn mode(mut self, mode: StatementMode) -> Self {
        self.options.mode = Some(mode);
        self
    }

    /// How long it may take, in place of the connection's own limit: then it is cancelled at the server.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// How many rows the server makes at a time; 0, the default, makes all. With a limit the server keeps the rest to itself until
    /// it is asked for, so that a large result that is not read to its end costs it little; but it runs no part of the statement in
    /// parallel. Without effect in the simple protocol.
    #[must_use]
    pub fn fetch_size(mut self, rows: u32) -> Self {
        self.options.fetch_size = rows;
        self
    }

    /// Keeps it out of the statement cache: for SQL that is made up for one use.
    #[must_use]
    pub fn not_cached(mut self) -> Self {
        self.options.not_cached = true;
        self
    }

    /// Says that running it twice does no more than running it once, so that it may be retried after its outcome was lost.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.options.idempotent = true;
        self
    }
}

/// A statement as the verbs see it: its text, and what was said about it.
#[derive(Clone, Copy, Debug)]
pub struct StatementRef<'s> {
    sql: &'s str,
    parameter_types: &'s [Type],
    result_types: Option<&'s [Type]>,
    prepared: Option<&'s Prepared>,
    options: Options,
}

impl<'s> StatementRef<'s> {
    /// A statement of this text, without options.
    pub fn new(sql: &'s str) -> Self {
        let options = Options::default();
        Self { sql, parameter_types: &[], result_types: None, prepared: None, options }
    }

    /// The SQL text.
    pub fn sql(&self) -> &'s str {
        self.sql
    }

    /// Refuses what no server takes, before it is looked up, kept or asked about.
    pub(crate) fn check_len(&self) -> Result<()> {
        check_statement_len(self.sql).map_err(|error| Error::command(error.into()))
    }

    /// The types that were declared for its parameters; none if they are left to the server.
    pub fn parameter_types(&self) -> &'s [Type] {
        self.parameter_types
    }

    /// How long it may take, where it has a limit of its own.
    pub fn timeout(&self) -> Option<Duration> {
        self.options.timeout
    }

    /// Whether it may be retried after its outcome was lost.
    pub fn is_idempotent(&self) -> bool {
        self.options.idempotent
    }

    /// The same statement, as a value of its own.
    pub fn to_statement(&self) -> Statement<'static> {
        Statement {
            sql: self.sql.to_owned().into(),
            parameter_types: Cow::Owned(self.parameter_types.to_vec()),
            result_types: self.result_types.map(|types| Cow::Owned(types.to_vec())),
            options: self.options,
        }
    }

    pub(crate) fn mode(&self) -> Option<StatementMode> {
        self.options.mode
    }

    pub(crate) fn is_cached(&self) -> bool {
        !self.options.not_cached
    }

    pub(crate) fn fetch_size(&self) -> u32 {
        self.options.fetch_size
    }

    pub(crate) fn prepared(&self) -> Option<&'s Prepared> {
        self.prepared
    }

    /// Whether the caller has said which columns come.
    pub(crate) fn declares_results(&self) -> bool {
        self.result_types.is_some()
    }

    /// The same statement, without what the caller has said of its columns.
    pub(crate) fn without_results(self) -> Self {
        Self { result_types: None, ..self }
    }

    /// The description that the caller has given, if it is whole.
    pub(crate) fn declared_description(&self) -> Option<Description> {
        let results = self.result_types?;
        let columns = results.iter().map(|ty| Column::new("?column?", ty.clone(), ty.binary_format()));
        Some(Description::new(self.parameter_types.into(), columns.collect()))
    }
}

/// Anything that can stand where a verb asks for a statement: SQL text, a [`Statement`] with options, a [`Prepared`], or the value of
/// `sql!`, whose parameters are inside.
///
/// SQL has placeholders `$1`, `$2`, ... for its parameters. Values never become part of the text.
pub trait IntoStatement: Send + Sync {
    /// The statement.
    fn statement(&self) -> StatementRef<'_>;

    /// The parameters that are inside, if there are any: then the verb is given none beside.
    fn parameters(&self) -> Option<&(dyn Params + Sync)> {
        None
    }
}

impl IntoStatement for &str {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::new(self)
    }
}

impl IntoStatement for &String {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::new(self)
    }
}

impl IntoStatement for String {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::new(self)
    }
}

impl IntoStatement for Prepared {
    fn statement(&self) -> StatementRef<'_> {
        let parameter_types = self.declared();
        StatementRef { prepared: Some(self), parameter_types, ..StatementRef::new(self.sql()) }
    }
}

impl IntoStatement for &Prepared {
    fn statement(&self) -> StatementRef<'_> {
        (**self).statement()
    }
}

impl IntoStatement for Statement<'_> {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef {
            sql: self.sql.as_str(),
            parameter_types: &self.parameter_types,
            result_types: self.result_types.as_deref(),
            prepared: None,
            options: self.options,
        }
    }

    fn parameters(&self) -> Option<&(dyn Params + Sync)> {
        match &self.sql.0 {
            Text::Plain(_) => None,
            Text::Sql(sql) => sql.parameters(),
        }
    }
}

impl IntoStatement for &Statement<'_> {
    fn statement(&self) -> StatementRef<'_> {
        (**self).statement()
    }

    fn parameters(&self) -> Option<&(dyn Params + Sync)> {
        (**self).parameters()
    }
}

impl IntoStatement for Sql<'_> {
    fn statement(&self) -> StatementRef<'_> {
        StatementRef::new(self.text())
    }

    fn parameters(&self) -> Option<&(dyn Params + Sync)> {
        self.parameters()
    }
}

impl IntoStatement for &Sql<'_> {
    fn statement(&self) -> StatementRef<'_> {
        (**self).statement()
    }

    fn parameters(&self) -> Option<&(dyn Params + Sync)> {
        (**self).parameters()
    }
}

impl IntoStatement for StatementRef<'_> {
    fn statement(&self) -> StatementRef<'_> {
        *self
    }
}
