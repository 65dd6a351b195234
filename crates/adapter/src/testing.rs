//! For tests of one's own: a database for each test, and a transaction that is always rolled back. With the feature `testing`.

use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc;
use std::time::Duration;

use cornac_conn::{Client, Config, Connection, CopyError, Result, SqlState, Transaction};
use cornac_types::Identifier;

use crate::database::Database;
use crate::retry::RetryPolicy;

/// How long the drop of a [`TestDatabase`] waits for the server.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// A database that only one test uses. It is dropped with this, whoever is still connected to it.
///
/// ```no_run
/// use cornac::testing::TestDatabase;
///
/// # async fn a_test() -> cornac::Result<()> {
/// // `shop_template` has the tables: copying it is faster than making them each time.
/// let database = TestDatabase::from_template("postgres://localhost/postgres", "shop_template").await?;
/// let db = database.connect().await?;
/// db.execute("INSERT INTO item (name) VALUES ('tusk')", ()).await?;
/// db.close().await?;
/// database.drop_now().await
/// # }
/// ```
#[derive(Debug)]
pub struct TestDatabase {
    /// Where databases are made and dropped.
    server: Config,
    config: Config,
    /// None once it was dropped.
    name: Option<String>,
}

impl TestDatabase {
    /// Makes an empty database, over the server and with the role that the URL names. The role needs the right to make databases.
    ///
    /// ```no_run
    /// # use cornac::testing::TestDatabase;
    /// # async fn a_test() -> cornac::Result<()> {
    /// let database = TestDatabase::create("postgres://localhost/postgres").await?;
    /// let db = database.connect().await?;
    /// // The migrations are what is tested.
    /// db.simple_query("CREATE TABLE item (id int8 PRIMARY KEY); ALTER TABLE item ADD COLUMN name text").await?;
    /// assert!(db.table_info("item").await?.column("name").is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's; the connection's.
    ///
    /// # Cancel safety
    ///
    /// When dropped, a database may be left that nobody drops.
    pub async fn create(url: &str) -> Result<Self> {
        Self::from_template(url, "template1").await
    }

    /// Makes a database as a copy of another one, to which nobody may be connected meanwhile; that somebody is waited out for some seconds.
    ///
    /// ```no_run
    /// # use cornac::testing::TestDatabase;
    /// # async fn a_test() -> cornac::Result<()> {
    /// let database = TestDatabase::from_template("postgres://localhost/postgres", "shop_template").await?;
    /// assert!(database.connect().await?.table_exists("item").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Cancel safety
    ///
    /// As [`create`](Self::create).
    pub async fn from_template(url: &str, template: &str) -> Result<Self> {
        Self::from_template_with(&url.parse()?, template).await
    }

    /// As [`from_template`](Self::from_template), as a configuration says.
    ///
    /// ```no_run
    /// # use {cornac::{Config, testing::TestDatabase}, std::time::Duration};
    /// # async fn a_test() -> cornac::Result<()> {
    /// let server: Config = "host=/run/postgresql user=postgres dbname=postgres".parse()?;
    /// let server = server.connect_timeout(Some(Duration::from_secs(1)));
    /// let database = TestDatabase::from_template_with(&server, "shop_template").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Cancel safety
    ///
    /// As [`create`](Self::create).
    pub async fn from_template_with(server: &Config, template: &str) -> Result<Self> {
        // By chance: other processes, on other machines too, may have the same server and the same process id.
        let name = format!("cornac_test_{:016x}", RandomState::new().hash_one(std::process::id()));
        let template = Identifier::new(template).map_err(CopyError::from)?;
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        let mut connection = Connection::connect(server).await?;
        let mut tries = RetryPolicy::new(20).cap(Duration::from_millis(500)).start();
        while let Err(error) = connection.simple_query(&create).await {
            // Two tests copy it at the same time.
            if error.sql_state() != Some(SqlState::OBJECT_IN_USE) || !tries.wait().await {
                return Err(error);
            }
        }
        connection.close().await?;
        let config = server.clone().dbname(name.as_str());
        Ok(Self { config, server: server.clone(), name: Some(name) })
    }

    /// How to connect to it.
    ///
    /// ```no_run
    /// # use cornac::{Connection, testing::TestDatabase};
    /// # async fn a_test(database: TestDatabase) -> cornac::Result<()> {
    /// // One connection, with an option that is under test.
    /// let config = database.config().clone().statement_cache_capacity(0);
    /// let mut connection = Connection::connect(&config).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A pool over it, of few connections.
    ///
    /// ```no_run
    /// # use cornac::testing::TestDatabase;
    /// # async fn a_test(database: TestDatabase) -> cornac::Result<()> {
    /// let db = database.connect().await?;
    /// db.execute("INSERT INTO item (name) VALUES ('tusk')", ()).await?;
    /// assert_eq!(db.fetch_value::<i64, _>("SELECT count(*) FROM item", ()).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection can be made.
    ///
    /// # Cancel safety
    ///
    /// As [`Database::connect`].
    pub async fn connect(&self) -> Result<Database> {
        Database::builder().min_size(0).max_size(5).connect_with(&self.config).await
    }

    /// Drops it now, and tells what goes wrong.
    ///
    /// ```no_run
    /// # use cornac::testing::TestDatabase;
    /// # async fn a_test(database: TestDatabase) -> cornac::Result<()> {
    /// let db = database.connect().await?;
    /// db.close().await?;
    /// // A test that fails before this has its database dropped too, but does not hear whether that worked.
    /// database.drop_now().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's; the connection's.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the database may be left.
    pub async fn drop_now(mut self) -> Result<()> {
        match self.name.take() {
            Some(name) => drop_database(&self.server, &name).await,
            None => Ok(()),
        }
    }
}

async fn drop_database(server: &Config, name: &str) -> Result<()> {
    let mut connection = Connection::connect(server).await?;
    connection.simple_query(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    connection.close().await
}

impl Drop for TestDatabase {
    /// Over a runtime and in a thread of its own, since a drop cannot wait for a future. That is waited for, for 2 seconds.
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        let server = self.server.clone();
        let (done, is_done) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            let _done = done;
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                // Who cares about a database that stays behind calls `drop_now`.
                let _ = runtime.block_on(drop_database(&server, &name));
            }
        });
        let _ = is_done.recv_timeout(DROP_TIMEOUT);
    }
}

/// A transaction that can only be rolled back. It is given to code that takes a [`Client`].
///
/// ```no_run
/// use cornac::{Client, Database, testing};
///
/// async fn add_item(client: &mut impl Client, name: &str) -> cornac::Result<i64> {
///     client.fetch_value("INSERT INTO item (name) VALUES ($1) RETURNING id", (name,)).await
/// }
///
/// # async fn a_test(db: Database) -> cornac::Result<()> {
/// let mut transaction = testing::rolled_back(&db).await?;
/// let id = add_item(&mut transaction, "tusk").await?;
/// assert!(id > 0);
/// // What it has done is undone here.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "what is dropped at once has nothing to roll back"]
pub struct RolledBack(Transaction<'static>);

/// Begins a transaction that can only be rolled back.
///
/// ```no_run
/// # use cornac::{Client, Database, testing};
/// # async fn a_test(db: Database) -> cornac::Result<()> {
/// let mut transaction = testing::rolled_back(&db).await?;
/// transaction.execute("DELETE FROM item", ()).await?;
/// drop(transaction);
/// assert!(db.fetch_value::<i64, _>("SELECT count(*) FROM item", ()).await? > 0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`Database::begin`].
///
/// # Cancel safety
///
/// As [`Database::begin`].
pub async fn rolled_back(db: &Database) -> Result<RolledBack> {
    Ok(RolledBack(db.begin().await?))
}

impl RolledBack {
    /// Begins a transaction within this one, for code that commits.
    ///
    /// ```no_run
    /// # use cornac::{Client, testing::RolledBack};
    /// # async fn a_test(mut test: RolledBack) -> cornac::Result<()> {
    /// let mut order = test.begin().await?;
    /// order.execute("INSERT INTO purchase (item) VALUES ($1)", (7,)).await?;
    /// // A savepoint's end: it is undone with the rest when `test` is dropped.
    /// order.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Transaction::begin`].
    ///
    /// # Cancel safety
    ///
    /// As [`Transaction::begin`].
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        self.0.begin().await
    }
}

impl Client for RolledBack {
    fn connection(&mut self) -> &mut Connection {
        self.0.connection()
    }
}
