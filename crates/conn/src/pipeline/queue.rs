//! What a pipeline is made of before it goes out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cornac_proto::message::check_parameter_count;
use cornac_proto::session::{ExecutionQueue, UnnamedParse};
use cornac_types::{Params, Type};

use super::COPY_MISPLACED;
use super::results::PipelineResults;
use crate::connection::Connection;
use crate::core::keyword::is_copy;
use crate::core::statements::Preparation;
use crate::error::{Delivery, Error, Result};
use crate::execution::{BindError, Bound};
use crate::given::{BOTH, Inside, misplaced};
use crate::prepared::{Prepared, SIMPLE_MODE};
use crate::statement::{IntoStatement, Statement, StatementMode, StatementRef};

/// Statements that go out together, each with a result of its own.
///
/// Made by [`Client::pipeline`](crate::Client::pipeline) or [`Client::atomic_pipeline`](crate::Client::atomic_pipeline). Statements are collected with [`push`](Self::push), which sends
/// nothing; [`run`](Self::run) sends them, while their results are read one after the other. However many they are, neither side waits
/// for the other, and only the requests themselves are kept in memory: results wait at the server until they are asked for.
///
/// ```no_run
/// use cornac_conn::{Client, Connection};
///
/// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
/// let mut pipeline = connection.pipeline();
/// for id in 0..1000_i64 {
///     pipeline.push("SELECT name FROM item WHERE id = $1", (id,));
/// }
/// let mut results = pipeline.run().await?;
/// while results.remaining() > 0 {
///     if let Some(Some(name)) = results.fetch_optional::<(String,)>().await?.ok()? {
///         println!("{}", name.0);
///     }
/// }
/// results.finish().await
/// # }
/// ```
///
/// See [Pipelining](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING).
#[derive(Debug)]
#[must_use = "a pipeline does nothing before it is run"]
pub struct Pipeline<'c, 'p> {
    connection: &'c mut Connection,
    atomic: bool,
    entries: VecDeque<Entry>,
    /// The requests of the entries that are ready.
    queue: ExecutionQueue,
    /// What could not be encoded when it was pushed, because its statement, or one in front of it, was not ready.
    deferred: Vec<Deferred<'p>>,
    /// Statements that the server has to be asked about.
    unready: Vec<Statement<'static>>,
    unready_places: HashMap<(Box<str>, Box<[Type]>), usize>,
}

/// One statement of a pipeline whose result has not been read.
#[derive(Debug)]
pub(super) enum Entry {
    /// It goes out, or has gone.
    Ready(Prepared),
    /// It cannot go out, for this reason.
    Invalid(Error),
}

struct Deferred<'p> {
    statement: Which,
    params: Box<dyn Params + Send + 'p>,
}

enum Which {
    Ready(Prepared),
    /// At this place among the unready.
    Unready(usize),
    Invalid(Error),
}

impl std::fmt::Debug for Deferred<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deferred")
    }
}

impl<'c, 'p> Pipeline<'c, 'p> {
    pub(crate) fn new(connection: &'c mut Connection, atomic: bool) -> Self {
        Self {
            connection,
            atomic,
            entries: VecDeque::new(),
            queue: ExecutionQueue::default(),
            deferred: Vec::new(),
            unready: Vec::new(),
            unready_places: HashMap::new(),
        }
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.entries.len() + self.deferred.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[expect(clippy::needless_pass_by_value, reason = "as every verb takes its statement")]
    /// Adds a statement. Parameters that do not fit it are found here or by [`run`](Self::run), and told as its result. One that has its
    /// parameters inside is added with [`push_sql`](Self::push_sql); here that is its result too.
    pub fn push<P: Params + Send + 'p>(&mut self, sql: impl IntoStatement, params: P) -> &mut Self {
        match sql.parameters() {
            None => self.add(sql.statement(), params),
            Some(_) => self.refuse(misplaced(PUSHED, &sql)),
        }
        self
    }

    /// Adds a statement that has its parameters inside: the value of `sql!`, or a [`Statement`] of it.
    pub fn push_sql(&mut self, sql: impl IntoStatement + 'p) -> &mut Self {
        self.push_request(sql, ());
        self
    }

    /// Adds a statement with parameters inside of it or beside it.
    pub(super) fn push_request<S: IntoStatement + 'p, P: Params + Send + 'p>(&mut self, sql: S, params: P) {
        match sql.parameters() {
            None => self.add(sql.statement(), params),
            Some(_) if params.count() > 0 => self.refuse(misplaced(BOTH, &sql)),
            Some(_) => {
                let sql = Arc::new(sql);
                self.add(sql.statement(), Inside(Arc::clone(&sql)));
            }
        }
    }

    fn add<P: Params + Send + 'p>(&mut self, statement: StatementRef<'_>, params: P) {
        let counted = check_parameter_count(params.count()).map_err(|error| Error::command(error.into()));
        if let Err(error) = statement.check_len().and(counted) {
            self.refuse(error);
            return;
        }
        let mode = self.connection.statements.mode_of(&statement);
        let refusal = match mode {
            StatementMode::Simple => Some(SIMPLE_MODE),
            _ => is_copy(statement.sql()).then_some(COPY_MISPLACED),
        };
        if let Some(refusal) = refusal {
            self.refuse(Error::usage(refusal, Delivery::NotSent).with_statement(statement.sql()));
            return;
        }
        match self.connection.statements.look_up(&statement, mode) {
            Preparation::Parsed(prepared) if self.deferred.is_empty() => self.encode(prepared, &params),
            Preparation::Parsed(prepared) => self.defer(Which::Ready(prepared), params),
            Preparation::Described(prepared)
                if mode == StatementMode::Unnamed && self.deferred.is_empty() =>
            {
                self.encode(prepared, &params);
            }
            Preparation::Described(_) | Preparation::Unknown => {
                let place = self.unready_place(&statement);
                self.defer(Which::Unready(place), params);
            }
        }
    }

    /// Sends the statements. Those that the connection has not parsed are parsed and described first, all in one round trip.
    ///
    /// # Errors
    ///
    /// The connection's, when it is lost. In an atomic pipeline also the first error that is found before anything was sent.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first byte was sent, nothing of it ever runs. An atomic one is rolled back, or complete if its end was on the
    /// way; of others, the statements that were sent run, each as a whole.
    pub async fn run(mut self) -> Result<PipelineResults<'c>> {
        self.connection.settle().await?;
        self.connection.start_deadline(None);
        if !self.deferred.is_empty() {
            let unready = std::mem::take(&mut self.unready);
            let described = self.connection.describe_all(&unready).await?;
            for Deferred { statement, params } in std::mem::take(&mut self.deferred) {
                match statement {
                    Which::Ready(prepared) => self.encode(prepared, &&*params),
                    Which::Invalid(error) => self.entries.push_back(Entry::Invalid(error)),
                    Which::Unready(place) => match described.get(place) {
                        Some(Ok(prepared)) => self.encode(prepared.clone(), &&*params),
                        Some(Err(server)) => {
                            let sql = unready.get(place).map(|statement| statement.statement().sql());
                            let error = Error::server_refused(server.clone());
                            self.entries
                                .push_back(Entry::Invalid(error.with_statement(sql.unwrap_or_default())));
                        }
                        None => {}
                    },
                }
            }
        }
        if !self.atomic && !self.entries.is_empty() {
            // On their own, statements would run although the BEGIN in front of the first had failed.
            self.connection.run_pending_begin().await?;
        }
        let Self { connection, atomic, mut entries, queue, .. } = self;
        if atomic {
            let invalid = entries.iter().position(|entry| matches!(entry, Entry::Invalid(_)));
            if let Some(Entry::Invalid(error)) = invalid.and_then(|place| entries.remove(place)) {
                return Err(error);
            }
        }
        PipelineResults::begin(connection, atomic, entries, queue)
    }

    fn encode<P: Params>(&mut self, prepared: Prepared, params: &P) {
        let description = prepared.description();
        let bound = Bound::new(params, &description.parameters);
        let types: Vec<u32>;
        let parse = if prepared.is_unnamed() {
            types = description.parameters.iter().map(|ty| ty.oid().0).collect();
            Some(UnnamedParse { sql: prepared.sql(), parameter_types: &types })
        } else {
            None
        };
        let (formats, sync) = (&description.result_formats, !self.atomic);
        let entry = match self.queue.push(parse, prepared.head(), &bound, formats, sync) {
            Ok(()) => Entry::Ready(prepared),
            Err(error) => Entry::Invalid(BindError::into_error(error).with_statement(prepared.sql())),
        };
        self.entries.push_back(entry);
    }

    fn defer<P: Params + Send + 'p>(&mut self, statement: Which, params: P) {
        self.deferred.push(Deferred { statement, params: Box::new(params) });
    }

    /// A statement that cannot go out, in its place.
    fn refuse(&mut self, error: Error) {
        if self.deferred.is_empty() {
            self.entries.push_back(Entry::Invalid(error));
        } else {
            self.defer(Which::Invalid(error), ());
        }
    }

    fn unready_place(&mut self, statement: &StatementRef<'_>) -> usize {
        let key = (statement.sql().into(), statement.parameter_types().into());
        let next = self.unready.len();
        let place = *self.unready_places.entry(key).or_insert(next);
        if place == next {
            self.unready.push(statement.to_statement());
        }
        place
    }
}

const PUSHED: &str = "the statement has its parameters inside: it goes into a pipeline with push_sql, which keeps them until they are sent";
