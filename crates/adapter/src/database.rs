//! What an application holds.

use std::sync::Arc;

use cornac_conn::{Client, Config, Connection, IntoStatement, Result};
use cornac_types::{Decode, FromRow, Params};
use tokio::sync::{Mutex, MutexGuard};

/// A database, as an application holds it: cheap to clone, usable from any number of tasks.
///
/// It stands over one connection for now, which the tasks take in turn, first come, first served.
///
/// ```no_run
/// # async fn example() -> cornac::Result<()> {
/// let db = cornac::Database::connect("postgres://app@db.example/shop").await?;
/// let name: String = db.fetch_value("SELECT name FROM item WHERE id = $1", (7_i64,)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Database {
    connection: Arc<Mutex<Connection>>,
}

impl Database {
    /// Connects to the server that the URL names, and authenticates.
    ///
    /// # Errors
    ///
    /// When the URL cannot be understood, and when no connection can be made.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(&url.parse::<Config>()?).await
    }

    /// Connects as a configuration says.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(config: &Config) -> Result<Self> {
        let connection = Connection::connect(config).await?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs a statement, throws its rows away, and says how many rows it affected (or returned, for a SELECT).
    ///
    /// # Errors
    ///
    /// As every verb of [`Client`].
    ///
    /// # Cancel safety
    ///
    /// As every verb of [`Client`]; so too below.
    pub async fn execute<P: Params + Send>(&self, sql: impl IntoStatement, params: P) -> Result<u64> {
        self.checkout().await.execute(sql, params).await
    }

    /// The one row that there must be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoRows`](crate::ErrorKind::NoRows), [`ErrorKind::TooManyRows`](crate::ErrorKind::TooManyRows), and
    /// as every verb of [`Client`].
    pub async fn fetch_one<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<T>
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        self.checkout().await.fetch_one(sql, params).await
    }

    /// The row if there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyRows`](crate::ErrorKind::TooManyRows), and as every verb of [`Client`].
    pub async fn fetch_optional<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        self.checkout().await.fetch_optional(sql, params).await
    }

    /// All rows.
    ///
    /// # Errors
    ///
    /// As every verb of [`Client`].
    pub async fn fetch_all<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        self.checkout().await.fetch_all(sql, params).await
    }

    /// The first column of the one row that there must be. NULL fits only into an `Option`.
    ///
    /// # Errors
    ///
    /// As [`fetch_one`](Self::fetch_one).
    pub async fn fetch_value<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<T>
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        self.checkout().await.fetch_value(sql, params).await
    }

    /// The first column of all rows.
    ///
    /// # Errors
    ///
    /// As every verb of [`Client`].
    pub async fn fetch_values<T, P>(&self, sql: impl IntoStatement, params: P) -> Result<Vec<T>>
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        self.checkout().await.fetch_values(sql, params).await
    }

    /// Says goodbye to the server, once the verbs in progress are done. Later uses of any clone fail.
    ///
    /// # Errors
    ///
    /// When the goodbye could not be delivered; the connection is closed all the same.
    pub async fn close(&self) -> Result<()> {
        self.checkout().await.disconnect().await
    }

    async fn checkout(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().await
    }
}
