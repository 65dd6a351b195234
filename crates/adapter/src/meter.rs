//! Numbers for the `metrics` crate: what they are called stands in [`crate::metrics`].

use std::time::Duration;

use ::metrics::{
    Key, Label, Level, Metadata, SharedString, Unit, describe_counter, describe_gauge, describe_histogram,
    with_recorder,
};
use cornac_conn::{Config, Error, ErrorKind, Host, SqlState};
use cornac_pool::{CloseReason, Stats};
use tokio::time::Instant;

use crate::database::{Retries, error_kind};
use crate::metrics as names;

/// The operations that are told apart. What is none of these is the last.
const OPERATIONS: [&str; 33] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE", "CALL", "BATCH", "COPY",
    "SCRIPT", "CREATE", "ALTER", "DROP", "TRUNCATE", "COMMENT", "GRANT", "REVOKE", "SET", "RESET", "SHOW",
    "EXPLAIN", "ANALYZE", "VACUUM", "REINDEX", "CLUSTER", "REFRESH", "LOCK", "NOTIFY", "DO", "DISCARD",
    OTHER,
];

const OTHER: &str = "_OTHER";

static METADATA: Metadata<'static> = Metadata::new("cornac", Level::INFO, Some("cornac"));

/// Gives numbers to whatever recorder there is. Keys are made once: what is recorded often allocates nothing here.
#[derive(Debug)]
pub(crate) struct Meter {
    operations: Vec<Key>,
    /// By outcome.
    transactions: [Key; 3],
    creations: Key,
    waits: Key,
    uses: Key,
    namespace: SharedString,
    pool: SharedString,
}

impl Meter {
    pub(crate) const MEASURES: bool = true;

    /// For a pool of connections as the configuration says. Without a name, it is called after where they go.
    pub(crate) fn new(config: &Config, name: Option<&str>, is_for_readers: bool) -> Self {
        describe();
        let mut pool = name.map_or_else(|| place(config), str::to_owned);
        if is_for_readers {
            pool.push_str(" readers");
        }
        let pool = SharedString::from_shared(pool.into());
        let namespace = SharedString::from_shared(config.dbname_ref().into());
        let of_pool = |name: &'static str| Key::from_parts(name, vec![pool_label(&pool)]);
        let operation = |operation: &&'static str| {
            let mut labels = labels_of_database(&namespace);
            labels.push(Label::from_static_parts("db.operation.name", operation));
            Key::from_parts(names::OPERATION_DURATION, labels)
        };
        let transaction = |outcome: &'static str| {
            let mut labels = labels_of_database(&namespace);
            labels.push(Label::from_static_parts("outcome", outcome));
            Key::from_parts(names::TRANSACTION_DURATION, labels)
        };
        Self {
            operations: OPERATIONS.iter().map(operation).collect(),
            transactions: ["committed", "failed", "dropped"].map(transaction),
            creations: of_pool(names::CONNECTION_CREATE_TIME),
            waits: of_pool(names::CONNECTION_WAIT_TIME),
            uses: of_pool(names::CONNECTION_USE_TIME),
            namespace,
            pool,
        }
    }

    /// Begins to time an operation, which is told by its first word.
    pub(crate) fn operation<'w>(&self, word: impl FnOnce() -> &'w str) -> Timer<'_> {
        let word = word();
        let known = OPERATIONS.iter().position(|operation| operation.eq_ignore_ascii_case(word));
        self.time(What::Operation(known.unwrap_or(OPERATIONS.len() - 1)))
    }

    /// Begins to time a transaction.
    pub(crate) fn transaction(&self) -> Timer<'_> {
        self.time(What::Transaction)
    }

    /// Begins to time the opening of a connection.
    pub(crate) fn creation(&self) -> Timer<'_> {
        self.time(What::Creation)
    }

    fn time(&self, what: What) -> Timer<'_> {
        Timer { meter: Some(self), began: Instant::now(), what }
    }

    /// A caller waited for so long, and has got a connection.
    pub(crate) fn waited(&self, time: Duration) {
        record(&self.waits, time);
    }

    /// A caller has held a connection for so long.
    pub(crate) fn used(&self, time: Duration) {
        record(&self.uses, time);
    }

    /// How the pool is.
    pub(crate) fn pool(&self, stats: &Stats) {
        let gauges = [
            (names::CONNECTION_COUNT, Some(("db.client.connection.state", "idle")), stats.idle),
            (names::CONNECTION_COUNT, Some(("db.client.connection.state", "used")), stats.in_use),
            (names::CONNECTION_MAX, None, stats.max_size),
            (names::CONNECTION_PENDING_REQUESTS, None, stats.waiting),
            (names::CONNECTIONS_OPENING, None, stats.opening),
        ];
        for (name, label, value) in gauges {
            // No pool has so many that a float would not hold them.
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            let key = self.key_of_pool(name, label);
            with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(f64::from(value)));
        }
        self.counter(names::CONNECTION_TIMEOUTS, None, stats.timed_out);
        self.counter(names::CONNECTIONS_OPENED, None, stats.opened);
        self.counter(names::CONNECTION_OPEN_FAILURES, None, stats.open_failures);
        for reason in CloseReason::ALL {
            let count = stats.closed.by(reason);
            self.counter(names::CONNECTIONS_CLOSED, Some(("reason", reason.name())), count);
        }
    }

    /// How often something was tried again.
    pub(crate) fn retries(&self, retries: Retries) {
        self.counter(names::RETRIES, Some(("what", "statement")), retries.statements);
        self.counter(names::RETRIES, Some(("what", "transaction")), retries.transactions);
    }

    fn counter(&self, name: &'static str, label: Option<(&'static str, &'static str)>, value: u64) {
        let key = self.key_of_pool(name, label);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA).absolute(value));
    }

    fn key_of_pool(&self, name: &'static str, label: Option<(&'static str, &'static str)>) -> Key {
        let mut labels = vec![pool_label(&self.pool)];
        labels.extend(label.map(|(name, value)| Label::from_static_parts(name, value)));
        Key::from_parts(name, labels)
    }

    fn operation_ended(&self, operation: usize, took: Duration, outcome: Result<(), Option<&Error>>) {
        match outcome {
            Ok(()) => record(&self.operations[operation], took),
            Err(error) => self.operation_failed(OPERATIONS[operation], took, error),
        }
    }

    /// Without an error, nobody awaited the outcome.
    #[cold]
    fn operation_failed(&self, operation: &'static str, took: Duration, error: Option<&Error>) {
        let state = error.and_then(Error::sql_state);
        let mut labels = labels_of_database(&self.namespace);
        labels.push(Label::from_static_parts("db.operation.name", operation));
        labels.push(Label::new("error.type", error_type(error)));
        record(&Key::from_parts(names::OPERATION_DURATION, labels.clone()), took);
        labels.push(Label::new("db.response.status_code", state.map_or(String::new(), status_code)));
        let key = Key::from_parts(names::OPERATION_FAILURES, labels);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA).increment(1));
    }
}

/// What is timed.
#[derive(Clone, Copy, Debug)]
enum What {
    /// By its place among [`OPERATIONS`].
    Operation(usize),
    Transaction,
    Creation,
}

/// Times something until it has [ended](Self::ended). Dropped before, it says so.
pub(crate) struct Timer<'m> {
    /// None once it has ended.
    meter: Option<&'m Meter>,
    began: Instant,
    what: What,
}

impl Timer<'_> {
    /// It worked, or has failed; with this error, if it is one of cornac's.
    pub(crate) fn ended(mut self, outcome: Result<(), Option<&Error>>) {
        let Some(meter) = self.meter.take() else { return };
        let took = self.began.elapsed();
        match (self.what, outcome) {
            (What::Operation(operation), outcome) => meter.operation_ended(operation, took, outcome),
            (What::Transaction, outcome) => record(&meter.transactions[usize::from(outcome.is_err())], took),
            (What::Creation, Ok(())) => record(&meter.creations, took),
            // The pool counts these.
            (What::Creation, Err(_)) => {}
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let Some(meter) = self.meter.take() else { return };
        let took = self.began.elapsed();
        match self.what {
            What::Operation(operation) => meter.operation_ended(operation, took, Err(None)),
            What::Transaction => record(&meter.transactions[2], took),
            What::Creation => {}
        }
    }
}

fn record(key: &Key, time: Duration) {
    with_recorder(|recorder| recorder.register_histogram(key, &METADATA).record(time.as_secs_f64()));
}

fn labels_of_database(namespace: &SharedString) -> Vec<Label> {
    vec![
        Label::from_static_parts("db.system.name", "postgresql"),
        Label::new("db.namespace", namespace.clone()),
    ]
}

fn pool_label(pool: &SharedString) -> Label {
    Label::new("db.client.connection.pool.name", pool.clone())
}

/// Where connections go: the first host, as OpenTelemetry has it.
fn place(config: &Config) -> String {
    let Some(first) = config.hosts().first() else { return config.dbname_ref().to_owned() };
    let host = match &first.host {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(directory)) => directory.display().to_string(),
        None => String::new(),
    };
    format!("{host}:{}/{}", first.port, config.dbname_ref())
}

/// How an operation failed, in few words.
fn error_type(error: Option<&Error>) -> String {
    let Some(error) = error else { return "dropped".to_owned() };
    // That it took too long, or may have happened, says more than the state with which the server ended it.
    if error.outcome_unknown() || matches!(error.kind(), ErrorKind::Timeout { .. }) {
        return error_kind(error).replace(' ', "_");
    }
    error.sql_state().map_or_else(|| error_kind(error).replace(' ', "_"), class)
}

/// The class of an SQLSTATE. Whoever writes functions can raise what they like.
fn class(state: SqlState) -> String {
    let class = state.class();
    let [first, second, ..] = state.as_str().as_bytes() else { return OTHER.to_owned() };
    let condition = SqlState::parse(&[*first, *second, b'0', b'0', b'0']);
    let is_known = condition.is_some_and(|condition| condition.name().is_some());
    if is_known { class.as_str().to_owned() } else { OTHER.to_owned() }
}

fn status_code(state: SqlState) -> String {
    if state.name().is_some() { state.as_str().to_owned() } else { OTHER.to_owned() }
}

/// Says what the numbers are to a recorder that wants to know.
pub(crate) fn describe() {
    describe_histogram!(names::OPERATION_DURATION, Unit::Seconds, "Duration of database operations");
    describe_counter!(names::OPERATION_FAILURES, "Database operations that failed");
    describe_histogram!(
        names::TRANSACTION_DURATION,
        Unit::Seconds,
        "Duration of transactions with a closure"
    );
    describe_histogram!(names::CONNECTION_CREATE_TIME, Unit::Seconds, "Time to open a connection");
    describe_histogram!(
        names::CONNECTION_WAIT_TIME,
        Unit::Seconds,
        "Time that callers waited for a connection"
    );
    describe_histogram!(names::CONNECTION_USE_TIME, Unit::Seconds, "Time that callers held a connection");
    describe_gauge!(names::CONNECTION_COUNT, "Connections, by state");
    describe_gauge!(names::CONNECTION_MAX, "Connections that there may be");
    describe_gauge!(names::CONNECTION_PENDING_REQUESTS, "Callers that wait for a connection");
    describe_counter!(names::CONNECTION_TIMEOUTS, "Callers that waited for a connection in vain");
    describe_gauge!(names::CONNECTIONS_OPENING, "Connections that are being opened");
    describe_counter!(names::CONNECTIONS_OPENED, "Connections opened");
    describe_counter!(names::CONNECTIONS_CLOSED, "Connections closed, by reason");
    describe_counter!(names::CONNECTION_OPEN_FAILURES, "Attempts to open a connection that failed");
    describe_counter!(names::RETRIES, "Statements and transactions that were tried again");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_raises_makes_no_labels() {
        let state = |code: &str| SqlState::parse(code.as_bytes()).expect("it is one");
        let cases = [
            ("23505", "23", "23505"),
            ("23ABC", "23", OTHER),
            ("ABCDE", OTHER, OTHER),
            ("40001", "40", "40001"),
        ];
        for (code, its_class, shown) in cases {
            assert_eq!(
                (class(state(code)).as_str(), status_code(state(code)).as_str()),
                (its_class, shown),
                "{code}"
            );
        }
    }

    #[test]
    fn pools_are_called_after_where_they_go() {
        let config = |url: &str| url.parse::<Config>().expect("it is one");
        let named = |url: &str, name, readers| Meter::new(&config(url), name, readers).pool.to_string();
        let url = "postgres://app:secret@db1.example:6000,db2.example/shop";
        assert_eq!(named(url, None, false), "db1.example:6000/shop");
        assert_eq!(named(url, None, true), "db1.example:6000/shop readers");
        assert_eq!(named(url, Some("web"), false), "web");
    }
}
