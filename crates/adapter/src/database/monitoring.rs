//! How a database is doing.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use cornac_conn::Result;
use cornac_pool::Stats;
use tokio::time::Instant;

use super::Database;

/// What a look at a database has found. Made by [`Database::health`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// How long it took to get a connection.
    pub checkout: Duration,
    /// How long a round trip without any SQL took.
    pub round_trip: Duration,
    /// The server's version, such as `18.4`.
    pub server_version: String,
    /// Whether the server is a standby, where it says so (PostgreSQL 14 and newer).
    pub in_hot_standby: Option<bool>,
    /// The pool.
    pub pool: Stats,
}

impl Database {
    /// The version of the server, such as `18.4 (Debian 18.4-1)`.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// println!("connected to PostgreSQL {}", db.server_version().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no connection to be had.
    ///
    /// # Cancel safety
    ///
    /// As [`checkout`](Self::checkout).
    #[track_caller]
    pub fn server_version(&self) -> impl Future<Output = Result<String>> + Send {
        let location = Location::caller();
        async move {
            let connection = self.checkout_at(location).await?;
            Ok(connection.parameter("server_version").unwrap_or_default().to_owned())
        }
    }

    /// Gives the pool's numbers to the recorder of the `metrics` crate: see [`metrics`](crate::metrics). For whoever collects them; it costs some microseconds.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) {
    /// // In the handler of `/metrics`, or every few seconds for a recorder that pushes:
    /// db.record_metrics();
    /// # }
    /// ```
    #[cfg(feature = "metrics")]
    pub fn record_metrics(&self) {
        crate::meter::describe();
        self.meter().pool(&self.pool_stats());
        self.meter().retries(self.retries());
        if let Some(readers) = self.inner.readers.get() {
            readers.record_metrics();
        }
    }

    /// Proves that the database answers, by a round trip without any SQL: for the health check of a service.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let health = db.health().await?;
    /// println!("PostgreSQL {} answers in {:?}", health.server_version, health.round_trip);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no connection to be had, or the one that is does not work.
    ///
    /// # Cancel safety
    ///
    /// As [`checkout`](Self::checkout).
    #[track_caller]
    pub fn health(&self) -> impl Future<Output = Result<Health>> + Send {
        let location = Location::caller();
        async move {
            let began = Instant::now();
            let mut connection = self.checkout_at(location).await?;
            let checkout = began.elapsed();
            let began = Instant::now();
            connection.ping().await?;
            Ok(Health {
                checkout,
                round_trip: began.elapsed(),
                server_version: connection.parameter("server_version").unwrap_or_default().to_owned(),
                in_hot_standby: connection.parameter("in_hot_standby").map(|value| value == "on"),
                pool: self.pool_stats(),
            })
        }
    }
}
