//! One connection to PostgreSQL over tokio: connect, authenticate, prepare, execute, read rows.
//!
//! A [`Connection`] is owned and exclusive: its methods take `&mut self`, and the caller's own task moves the
//! bytes. There is no background task, no channel and no lock between a query and its answer. What is decided is
//! decided in `cornac-proto`, without I/O; what stands here moves bytes and time.
//!
//! The verbs (`execute`, `fetch_one`, ...) are written once, in the trait [`Client`].
//!
//! ```no_run
//! use cornac_conn::{Client, Config, Connection};
//!
//! # async fn example() -> cornac_conn::Result<()> {
//! let config: Config = "postgres://app@db.example/shop".parse()?;
//! let mut connection = Connection::connect(&config).await?;
//! let names: Vec<(i32, String)> =
//!     connection.fetch_all("SELECT id, name FROM item WHERE price < $1", (100_i32,)).await?;
//! # Ok(())
//! # }
//! ```

mod advice;
mod cancel;
mod client;
mod config;
mod connect;
mod connection;
mod copy;
mod core;
mod credentials;
mod deadline;
mod error;
mod execution;
mod flight;
mod given;
mod health;
mod mailbox;
mod notifications;
mod owned_rows;
pub mod pipeline;
mod prepared;
mod quick;
mod row;
mod row_stream;
mod schema_error;
mod server_timeout;
mod shape;
mod shared;
mod simple;
mod simple_mode;
mod statement;
mod statement_name;
mod stream;
mod tls;
mod transaction;
mod type_lookup;

#[doc(hidden)]
pub use self::core::qualified::qualified;
pub use cancel::{CancelError, CancelToken};
pub use client::Client;
pub use config::{
    Config, ConfigError, Host, HostSpec, LoadBalanceHosts, OauthClient, SslCertMode, SslMode, SslNegotiation,
    SslOptions, SslRootCert, Surroundings, TargetSessionAttrs, TlsVersion,
};
pub use connect::{Attempt, ConnectError, ConnectFailure, GssapiError};
pub use connection::Connection;
pub use copy::{
    CopyError, CopyFormat, CopyHeader, CopyIn, CopyLogVerbosity, CopyOnError, CopyOptions, CopyOut,
    CopyProgress, CopyRecords, CopyRows, CopySource, Table,
};
pub use cornac_proto::SqlState;
pub use cornac_proto::auth::Secret;
pub use cornac_proto::auth::scram::ScramKeys;
pub use cornac_proto::handshake::{ChannelBindingMode, HandshakeError, Method, Methods, TlsRequestError};
pub use cornac_proto::message::{ProtocolVersion, ServerMessage, Severity, TransactionStatus};
pub use credentials::{CredentialError, CredentialProvider};
pub use error::{Delivery, Error, ErrorKind, LostCommit, Result, Unavailable};
pub use execution::Rows;
pub use mailbox::{Mail, NoticeHandler, Notification};
pub use notifications::Notifications;
pub use owned_rows::{OwnedRowStream, OwnedRows};
pub use pipeline::{Batch, Outcome, Pipeline, PipelineResults};
pub use prepared::Prepared;
pub use row::Row;
pub use row_stream::RowStream;
pub use schema_error::SchemaError;
pub use server_timeout::ServerTimeout;
pub use shared::{SharedConnection, SharedError, SharedOptions, SharedStatistics};
pub use simple::SimpleResult;
pub use statement::{IntoStatement, Statement, StatementMode, StatementRef, StatementText};
pub use tls::{CertificateFailure, TlsError};
pub use transaction::{
    Begun, IsolationLevel, Lender, Transaction, TransactionId, TransactionOptions, TransactionOutcome,
};
