//! A PostgreSQL driver for Rust, written from the wire up.
//!
//! ```no_run
//! use cornac::Database;
//!
//! # async fn example() -> cornac::Result<()> {
//! let db = Database::connect("postgres://app@db.example/shop").await?;
//! let id: i64 = db.fetch_value("INSERT INTO item (name) VALUES ($1) RETURNING id", ("tusk",)).await?;
//! let cheap: Vec<(i64, String)> =
//!     db.fetch_all("SELECT id, name FROM item WHERE price < $1", (100_i32,)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Database`] is what an application holds. [`Connection`] is one connection, for those who want to own it; both have the
//! same verbs. Rows become tuples or structs with [`#[derive(FromRow)]`](derive@FromRow), enums and newtypes become values with
//! [`#[derive(Encode, Decode)]`](derive@Decode).

mod builder;
mod database;
mod listener;
mod manager;
#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "no_meter.rs"]
mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
mod multiplex;
mod pooled;
mod reset;
mod retry;
pub mod schema;
mod sql;
#[cfg(feature = "testing")]
pub mod testing;
mod unavailable;

/// What a [`Config`] is made of beside text: TLS, hosts, credentials.
pub mod config {
    pub use cornac_conn::{
        ChannelBindingMode, CredentialError, CredentialProvider, HostSpec, LoadBalanceHosts, Method, Methods,
        OauthClient, ProtocolVersion, ScramKeys, Secret, SslCertMode, SslMode, SslNegotiation, SslOptions,
        SslRootCert, Surroundings, TargetSessionAttrs, TlsVersion,
    };
}

/// COPY: what [`Client::copy_in`], [`Client::copy_out`] and their like take and give.
pub mod copy {
    pub use cornac_conn::{
        CopyError, CopyFormat, CopyHeader, CopyIn, CopyLogVerbosity, CopyOnError, CopyOptions, CopyOut,
        CopyProgress, CopyRecords, CopyRows, CopySource, Table,
    };
}

/// Pipelines: what [`Client::run_pipeline`] and [`Client::pipeline`] take and give.
pub mod pipeline {
    pub use cornac_conn::pipeline::*;
}

/// One connection for any number of tasks: [`SharedConnection`](shared::SharedConnection).
pub mod shared {
    pub use cornac_conn::{SharedConnection, SharedError, SharedOptions, SharedStatistics};
}

pub use builder::DatabaseBuilder;
pub use cornac_conn::{
    CancelToken, Client, Config, ConfigError, Connection, Delivery, Error, ErrorKind, Host, IntoStatement,
    IsolationLevel, Lender, LostCommit, Mail, NoticeHandler, Notification, OwnedRowStream, OwnedRows,
    Prepared, Result, Row, RowStream, Rows, ServerMessage, ServerTimeout, Severity, SimpleResult, SqlState,
    Statement, StatementMode, Transaction, TransactionId, TransactionOptions, TransactionOutcome,
    TransactionStatus, Unavailable,
};
#[doc(hidden)]
pub use cornac_derive::sql as __sql;
pub use cornac_derive::{Decode, Encode, FromRow, Params};
pub use cornac_pool::{CloseReason, Closed, Holder, Stats, StillInUse, TimedOut, Waits};
pub use cornac_types as types;
pub use cornac_types::{
    Columns, Decode, Encode, FromRow, Identifier, IdentifierError, Params, QualifiedName, RowRef, Sql,
    Timestamptz, quote_identifier, quote_literal,
};
pub use database::{Database, Health, Retries, Retrying};
pub use listener::{ListenEvent, Listener, ListenerStream};
pub use manager::HookFuture;
pub use pooled::PooledConnection;
pub use reset::Reset;
pub use retry::RetryPolicy;
pub use schema::{Schema, TableInfo};
pub use unavailable::CheckoutError;

/// The programs of the page on COPY compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/copy.md")]
struct CopyPage;

/// The programs of the page on SQL compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/sql.md")]
struct SqlPage;

/// The programs of the production guide compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/production-guide.md")]
struct ProductionGuide;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
