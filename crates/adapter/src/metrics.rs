//! The numbers that cornac gives to the [`metrics`](https://docs.rs/metrics) crate, and what they are called. With the feature `metrics`.
//!
//! Whatever recorder the application has installed gets them: Prometheus', StatsD's, OpenTelemetry's. Names and labels are OpenTelemetry's for databases where it has one, and begin with `cornac.` where it has none.
//! (Exporters for Prometheus make `db_client_operation_duration` of `db.client.operation.duration`.)
//!
//! Two kinds of numbers:
//!
//! - what happens is recorded as it happens: durations of operations and transactions, failures, how long callers waited for a connection, held it, and how long it took to open one;
//! - how the pool *is*, and its own counters, are recorded by [`Database::record_metrics`](crate::Database::record_metrics): call that when the numbers are collected.
//!
//! Labels have few values, whatever the application does: statements are told apart by their first word if it is one of SQL's, failures by SQLSTATE if it is one of PostgreSQL's. The text of a statement, or a parameter, is in none of them.
//!
//! | label | on | what it is |
//! | --- | --- | --- |
//! | `db.system.name` | operations, transactions | `postgresql` |
//! | `db.namespace` | operations, transactions | the name of the database |
//! | `db.operation.name` | operations | `SELECT`, `INSERT`, ..., `BATCH` for `execute_many` and `execute_stream`, `COPY`, `SCRIPT` for `simple_query`, `_OTHER` |
//! | `error.type` | operations that failed | the class of the SQLSTATE (`23`: a constraint, `40`: a collision, ...), or `timeout`, `checkout`, `outcome_unknown`, `client`, `dropped` (nobody awaited the outcome), `_OTHER` |
//! | `db.response.status_code` | [`OPERATION_FAILURES`] | the SQLSTATE; empty without one, `_OTHER` for one that is not PostgreSQL's own |
//! | `outcome` | [`TRANSACTION_DURATION`] | `committed`, `failed`, `dropped` |
//! | `db.client.connection.pool.name` | connections | [`pool_name`](crate::DatabaseBuilder::pool_name), else `host:port/database`; ` readers` is added for the pool of [`read_only`](crate::Database::read_only) |
//! | `db.client.connection.state` | [`CONNECTION_COUNT`] | `idle`, `used` |
//! | `reason` | [`CONNECTIONS_CLOSED`] | [`CloseReason::name`](crate::CloseReason::name) |
//! | `what` | [`RETRIES`] | `statement`, `transaction` |

/// Histogram, seconds: an operation on a [`Database`](crate::Database), with the wait for its connection and all its tries. Those in a transaction are part of [`TRANSACTION_DURATION`].
pub const OPERATION_DURATION: &str = "db.client.operation.duration";

/// Counter: operations that failed.
pub const OPERATION_FAILURES: &str = "cornac.operation.failures";

/// Histogram, seconds: a [`transaction`](crate::Database::transaction) with a closure, with the wait for its connection and all its tries.
pub const TRANSACTION_DURATION: &str = "cornac.transaction.duration";

/// Histogram, seconds: how long it took to open a connection, without the hook `after_connect`.
pub const CONNECTION_CREATE_TIME: &str = "db.client.connection.create_time";

/// Histogram, seconds: how long a caller waited for a connection that it got.
pub const CONNECTION_WAIT_TIME: &str = "db.client.connection.wait_time";

/// Histogram, seconds: how long a caller held a connection.
pub const CONNECTION_USE_TIME: &str = "db.client.connection.use_time";

/// Gauge, by [`Database::record_metrics`](crate::Database::record_metrics), as all below: connections, by state.
pub const CONNECTION_COUNT: &str = "db.client.connection.count";

/// Gauge: how many connections there may be.
pub const CONNECTION_MAX: &str = "db.client.connection.max";

/// Gauge: callers that wait for a connection.
pub const CONNECTION_PENDING_REQUESTS: &str = "db.client.connection.pending_requests";

/// Counter: callers that waited for `acquire_timeout` in vain.
pub const CONNECTION_TIMEOUTS: &str = "db.client.connection.timeouts";

/// Gauge: connections that are being opened.
pub const CONNECTIONS_OPENING: &str = "cornac.connection.opening";

/// Counter: connections opened.
pub const CONNECTIONS_OPENED: &str = "cornac.connection.opened";

/// Counter: connections closed, by reason.
pub const CONNECTIONS_CLOSED: &str = "cornac.connection.closed";

/// Counter: attempts to open a connection that failed.
pub const CONNECTION_OPEN_FAILURES: &str = "cornac.connection.open_failures";

/// Counter: what was tried again.
pub const RETRIES: &str = "cornac.retries";

/// Upper bounds for histograms of these durations, in seconds: OpenTelemetry's for databases, and two below them, since a point query takes less than 1 ms.
pub const DURATION_BUCKETS: [f64; 11] =
    [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
