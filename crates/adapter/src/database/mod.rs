//! What an application holds.

mod monitoring;
mod resolver;
mod transactions;
mod verbs;
mod watch;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cornac_conn::{Config, Connection, Error, Result, SharedOptions};
use cornac_pool::{Holder, OutOfRange, Pool, Stats};
use tokio::time::{Instant, timeout_at};

pub use self::monitoring::Health;
pub use self::transactions::Retrying;
#[cfg(feature = "metrics")]
pub(crate) use self::watch::error_kind;
use crate::builder::DatabaseBuilder;
use crate::manager::Connections;
use crate::meter::Meter;
use crate::multiplex::Multiplex;
use crate::pooled::PooledConnection;
use crate::retry::RetryPolicy;
use crate::unavailable::unavailable;

/// How long [`Database::close`] waits for connections that are in use.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A database, as an application holds it: a pool of connections, cheap to clone, usable from any number of tasks.
///
/// Each verb takes a connection of the pool for as long as it runs; which one is of no matter. What belongs together goes into a [transaction](Self::begin),
/// or over one connection that is [checked out](Self::checkout).
///
/// ```no_run
/// # async fn example() -> cornac::Result<()> {
/// let db = cornac::Database::connect("postgres://app@db.example/shop").await?;
/// let name: String = db.fetch_value("SELECT name FROM item WHERE id = $1", (7_i64,)).await?;
/// # Ok(())
/// # }
/// ```
///
/// The pool is closed when the last clone is dropped. It may be kept in a `static` and used by one runtime after another.
///
/// # Errors
///
/// Every verb may fail with [`ErrorKind::Checkout`](crate::ErrorKind::Checkout) when there is no connection to be had, and as the verbs of [`Client`](crate::Client).
///
/// # Cancel safety
///
/// Every future may be dropped at any moment. A statement of which no byte was sent never runs; one that was sent runs on at the server, until its connection has been cleaned up.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool<Connections>,
    settings: Settings,
    retries: RetryCounters,
    /// Shared connections for single statements, if there are to be any.
    multiplex: Option<Multiplex>,
    /// How the pools are made.
    options: cornac_pool::Builder,
    /// The pool of connections to read from, once it is wanted.
    readers: OnceLock<Database>,
}

/// How a database is used, as its builder says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) statement_retry: RetryPolicy,
    pub(crate) transaction_retry: RetryPolicy,
    /// For how long the outcome of a commit is looked for whose answer was lost, if it is.
    pub(crate) resolve_commit: Option<Duration>,
    /// From how long on a statement is slow.
    pub(crate) slow_statement: Option<Duration>,
    /// How many shared connections there are for single statements, and how they are used.
    pub(crate) multiplex: Option<(usize, SharedOptions)>,
}

#[derive(Debug, Default)]
struct RetryCounters {
    statements: AtomicU64,
    transactions: AtomicU64,
}

/// How often something was tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retries {
    /// Single statements, on another connection.
    pub statements: u64,
    /// Transactions that were begun anew.
    pub transactions: u64,
}

impl Database {
    /// Connects to the server that a URL (or libpq's `key=value` string) names, with all defaults of [`DatabaseBuilder`].
    ///
    /// ```no_run
    /// # async fn example() -> cornac::Result<()> {
    /// let db = cornac::Database::connect("postgres://app@db.example/shop?sslmode=verify-full").await?;
    /// let items: i64 = db.fetch_value("SELECT count(*) FROM item", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL cannot be understood, and when no connection can be made.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder().connect(url).await
    }

    /// Connects as a configuration says, with all defaults of [`DatabaseBuilder`].
    ///
    /// ```no_run
    /// # use cornac::{Config, Database};
    /// # async fn example() -> cornac::Result<()> {
    /// let config = "postgres://app@db.example/shop".parse::<Config>()?.application_name("checkout desk");
    /// let db = Database::connect_with(&config).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(config: &Config) -> Result<Self> {
        Self::builder().connect_with(config).await
    }

    /// As [`connect`](Self::connect), without connecting: for a `static`, or where the server may come later.
    ///
    /// ```
    /// # use cornac::Database;
    /// use std::sync::LazyLock;
    ///
    /// static SHOP: LazyLock<Database> =
    ///     LazyLock::new(|| Database::connect_lazy("postgres://app@db.example/shop").expect("the URL is right"));
    ///
    /// assert_eq!(SHOP.pool_stats().opened, 0);
    /// assert!(Database::connect_lazy("postgres://app@db.example/shop?sslmod=require").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL cannot be understood.
    pub fn connect_lazy(url: &str) -> Result<Self> {
        Self::builder().connect_lazy(url)
    }

    /// Everything that can be chosen.
    ///
    /// ```
    /// let builder = cornac::Database::builder().min_size(2).max_size(20);
    /// let db = builder.connect_lazy("postgres://app@db.example/shop")?;
    /// assert_eq!(db.pool_stats().max_size, 20);
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn builder() -> DatabaseBuilder {
        DatabaseBuilder::default()
    }

    pub(crate) fn new(pool: Pool<Connections>, options: cornac_pool::Builder, settings: Settings) -> Self {
        let retries = RetryCounters::default();
        let multiplex = settings.multiplex.map(|(connections, options)| Multiplex::new(connections, options));
        let readers = OnceLock::new();
        Self { inner: Arc::new(Inner { pool, settings, retries, multiplex, options, readers }) }
    }

    /// The same database, to read from: over a pool of its own, of the same size, whose connections go to standbys if the configuration names any that can be reached, and else to the primary. Writes are
    /// refused by the server ([`SqlState::READ_ONLY_SQL_TRANSACTION`](crate::SqlState::READ_ONLY_SQL_TRANSACTION)) on either.
    ///
    /// That they are refused is a setting of the connection's startup, which poolers such as `PgBouncer` do not pass on: behind one, name a database of the pooler's that is read-only itself.
    ///
    /// A standby shows what was committed on the primary a moment ago, or longer ago.
    ///
    /// ```no_run
    /// # async fn example() -> cornac::Result<()> {
    /// let db = cornac::Database::connect("postgres://app@db1.example,db2.example/shop").await?;
    /// db.execute("UPDATE item SET price = 2 WHERE id = 7", ()).await?;
    /// let items: i64 = db.read_only().fetch_value("SELECT count(*) FROM item", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn read_only(&self) -> Self {
        let Inner { pool, settings, options, readers, .. } = &*self.inner;
        if pool.manager().is_for_readers() {
            return self.clone();
        }
        let make = || match options.clone().build(pool.manager().for_readers()) {
            Ok(pool) => Self::new(pool, options.clone(), *settings),
            // Options that have made a pool make another one.
            Err(_) => self.clone(),
        };
        readers.get_or_init(make).clone()
    }

    /// Takes a connection of the pool, until it is dropped.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// // A temporary table is its session's, and so this is all over one connection.
    /// let mut connection = db.checkout().await?;
    /// connection.execute("CREATE TEMP TABLE sold (item int8)", ()).await?;
    /// connection.copy_records_to_table("sold", &["item"], (1..=1_000_i64).map(|item| (item,))).await?;
    /// connection.execute("DELETE FROM stock USING sold WHERE stock.item = sold.item", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Checkout`](crate::ErrorKind::Checkout), with a [`CheckoutError`](crate::CheckoutError) as its source.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nobody's turn is lost.
    #[track_caller]
    pub fn checkout(&self) -> impl Future<Output = Result<PooledConnection>> + Send {
        self.checkout_at(Location::caller())
    }

    #[inline]
    async fn checkout_at(&self, location: &'static Location<'static>) -> Result<PooledConnection> {
        match self.inner.pool.checkout_at(location).await {
            Ok(pooled) => Ok(PooledConnection::new(pooled)),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Opens a connection that is not of the pool: for LISTEN, say, or for what takes days.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// // It takes hours, and takes nobody's place in the pool.
    /// let mut apart = db.connect_apart().await?;
    /// apart.simple_query("VACUUM (ANALYZE) purchase").await?;
    /// apart.close().await?;
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
    /// When dropped, the socket is closed.
    pub async fn connect_apart(&self) -> Result<Connection> {
        Connection::connect(self.config()).await
    }

    /// Opens connections until there are so many (`max_size` at most), and waits for that: before an application takes its first requests.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// db.warm_up(10, Duration::from_secs(5)).await?;
    /// println!("ready, with {} connections", db.pool_stats().open);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Why they cannot be opened, at once or when `limit` has passed.
    ///
    /// # Cancel safety
    ///
    /// What has been opened stays.
    pub async fn warm_up(&self, connections: usize, limit: Duration) -> Result<()> {
        self.inner.pool.warm_up(connections, limit).await.map_err(unavailable)
    }

    /// Changes how many connections there may be. Too many idle ones are closed, those in use when they come back.
    ///
    /// ```
    /// let builder = cornac::Database::builder().max_size(20).max_capacity(50);
    /// let db = builder.connect_lazy("postgres://app@db.example/shop")?;
    /// db.resize(50)?;
    /// assert_eq!(db.pool_stats().max_size, 50);
    /// assert!(db.resize(0).is_err());
    /// # Ok::<(), cornac::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// For 0, and for more than `max_capacity`.
    pub fn resize(&self, max_size: usize) -> Result<()> {
        self.inner.pool.resize(max_size).map_err(|error: OutOfRange| Error::unavailable(error, false, None))
    }

    /// Replaces all connections that exist now: idle ones are closed, those in use when they come back. After a failover, or a change of settings at the server.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// db.execute("ALTER ROLE app SET statement_timeout = '5s'", ()).await?;
    /// // Sessions read it when they begin.
    /// db.retire_all();
    /// # Ok(())
    /// # }
    /// ```
    pub fn retire_all(&self) {
        self.inner.pool.manager().forget_proven();
        self.inner.pool.retire_all();
        if let Some(multiplex) = &self.inner.multiplex {
            multiplex.retire_all();
        }
        if let Some(readers) = self.inner.readers.get() {
            readers.retire_all();
        }
    }

    /// How the pool is doing.
    ///
    /// ```
    /// fn is_overloaded(db: &cornac::Database) -> bool {
    ///     let stats = db.pool_stats();
    ///     stats.in_use == stats.max_size && stats.waiting > 0
    /// }
    ///
    /// let db = cornac::Database::connect_lazy("postgres://app@db.example/shop")?;
    /// assert!(!is_overloaded(&db));
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn pool_stats(&self) -> Stats {
        self.inner.pool.stats()
    }

    /// Who holds a connection, and for how long; whoever does so for longest comes first.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn example(db: &cornac::Database) {
    /// for holder in db.holders().iter().take_while(|holder| holder.held_for > Duration::from_secs(60)) {
    ///     eprintln!("a connection is not given back: {holder}"); // src/report.rs:17:24 for 61.3s
    /// }
    /// # }
    /// ```
    pub fn holders(&self) -> Vec<Holder> {
        self.inner.pool.holders()
    }

    /// How often something was tried again.
    ///
    /// ```
    /// # use cornac::{Database, Retries};
    /// let db = Database::connect_lazy("postgres://app@db.example/shop")?;
    /// let Retries { statements, transactions, .. } = db.retries();
    /// println!("tried again: {statements} statements, {transactions} transactions");
    /// assert_eq!((statements, transactions), (0, 0));
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn retries(&self) -> Retries {
        let RetryCounters { statements, transactions } = &self.inner.retries;
        Retries { statements: statements.load(Relaxed), transactions: transactions.load(Relaxed) }
    }

    /// Closes the pool: no connection is given out any more, who waits is told, and connections are closed as they come back. Waits until all are closed, for 30 s at most.
    ///
    /// ```
    /// # use cornac::{Database, ErrorKind};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cornac::Result<()> {
    /// # let db = Database::connect_lazy("postgres://app@127.0.0.1:1/shop")?;
    /// // After the last request, at the end of `main`:
    /// db.close().await?;
    /// let error = db.execute("SELECT 1", ()).await.unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Checkout(_)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When some are still in use then; its [source](std::error::Error::source) is a [`StillInUse`](crate::StillInUse), which says whose. The pool is closed all the same.
    ///
    /// # Cancel safety
    ///
    /// The pool is closed once this was polled; only the waiting ends.
    pub async fn close(&self) -> Result<()> {
        self.close_within(CLOSE_TIMEOUT).await
    }

    /// As [`close`](Self::close), with a limit of one's own.
    ///
    /// ```no_run
    /// # use cornac::StillInUse;
    /// # use std::{error::Error, time::Duration};
    /// # async fn example(db: cornac::Database) {
    /// // Whoever stops the process gives it 5 s.
    /// if let Err(error) = db.close_within(Duration::from_secs(4)).await {
    ///     let in_use = error.source().and_then(|source| source.downcast_ref::<StillInUse>());
    ///     for holder in in_use.iter().flat_map(|in_use| &in_use.holders) {
    ///         eprintln!("cut off: {holder}");
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// As [`close`](Self::close).
    pub async fn close_within(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let readers = match self.inner.readers.get() {
            Some(readers) => Box::pin(readers.close_within(limit)).await,
            None => Ok(()),
        };
        if let Some(multiplex) = &self.inner.multiplex {
            // What is left of them then is closed with the last who waits for an answer.
            let _ = timeout_at(deadline, multiplex.close()).await;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let closed = self.inner.pool.close(left).await;
        closed.map_err(|error| Error::unavailable(error, false, None)).and(readers)
    }

    pub(crate) fn config(&self) -> &Config {
        self.inner.pool.manager().config()
    }

    fn meter(&self) -> &Meter {
        self.inner.pool.manager().meter()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("pool", &self.inner.pool).finish_non_exhaustive()
    }
}
