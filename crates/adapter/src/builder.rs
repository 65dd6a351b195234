//! What can be chosen when a database is connected to.

use std::sync::Arc;
use std::time::Duration;

use cornac_conn::{Config, Connection, Result, SharedOptions, TargetSessionAttrs};

use crate::database::{Database, Settings};
use crate::manager::{Connections, Hook, HookFuture, Hooks, Role};
use crate::reset::Reset;
use crate::retry::RetryPolicy;

/// How long each hook may take unless the builder says otherwise, as the pool has it.
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the outcome of a commit is looked for whose answer was lost.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes a [`Database`]. Each method sets one option, and says its default.
///
/// ```no_run
/// use std::time::Duration;
/// use cornac::{Client, Database};
///
/// # async fn example() -> cornac::Result<()> {
/// let db = Database::builder()
///     .max_size(20)
///     .acquire_timeout(Duration::from_secs(5))
///     .after_connect(|connection| {
///         Box::pin(async move { connection.execute("SET TimeZone = 'UTC'", ()).await.map(drop) })
///     })
///     .connect("postgres://app@db.example/shop")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it connects"]
pub struct DatabaseBuilder {
    pool: cornac_pool::Builder,
    hook_timeout: Option<Duration>,
    after_connect: Hook,
    before_checkout: Hook,
    before_return: Hook,
    reset: Reset,
    statement_timeout: Option<Duration>,
    connect_retry: RetryPolicy,
    statement_retry: RetryPolicy,
    transaction_retry: Option<RetryPolicy>,
    resolve_commit: Option<Duration>,
    slow_statement: Option<Duration>,
    pool_name: Option<Arc<str>>,
    multiplex: Option<usize>,
    shared: SharedOptions,
}

/// The pool's.
impl DatabaseBuilder {
    /// How many connections are kept open, used or not: 5, and no more than `max_size`.
    ///
    /// ```
    /// // A program that needs the database now and then keeps no connection open in between.
    /// let db = cornac::Database::builder().min_size(0).connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn min_size(self, connections: usize) -> Self {
        self.pool(|pool| pool.min_size(connections))
    }

    /// How many connections there may be: 100. That is as many as PostgreSQL takes by default, from all its clients together.
    ///
    /// ```
    /// // Four instances of a service share a server with `max_connections = 100`, and leave some for others.
    /// let db = cornac::Database::builder().max_size(20).connect_lazy("postgres://app@db.example/shop")?;
    /// assert_eq!(db.pool_stats().max_size, 20);
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn max_size(self, connections: usize) -> Self {
        self.pool(|pool| pool.max_size(connections))
    }

    /// How far [`Database::resize`] can go: twice `max_size`.
    ///
    /// ```
    /// let builder = cornac::Database::builder().max_size(20).max_capacity(50);
    /// let db = builder.connect_lazy("postgres://app@db.example/shop")?;
    /// assert!(db.resize(50).is_ok() && db.resize(51).is_err());
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn max_capacity(self, connections: usize) -> Self {
        self.pool(|pool| pool.max_capacity(connections))
    }

    /// How many callers may wait for a connection; another one fails at once. No limit.
    ///
    /// ```
    /// # use cornac::{CheckoutError, Database};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cornac::Result<()> {
    /// # use std::{error::Error, time::Duration};
    /// # let brief = Duration::from_millis(50);
    /// // Nothing answers at this port: the first caller waits, and there is no second seat.
    /// let builder = Database::builder().max_waiting(1).acquire_timeout(brief);
    /// let db = builder.connect_lazy("postgres://app@127.0.0.1:1/shop")?;
    /// let (_, second) = tokio::join!(db.checkout(), db.checkout());
    /// let refused = second.unwrap_err();
    /// let refused = refused.source().and_then(|source| source.downcast_ref::<CheckoutError>());
    /// assert!(matches!(refused, Some(CheckoutError::TooManyWaiting(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_waiting(self, callers: usize) -> Self {
        self.pool(|pool| pool.max_waiting(callers))
    }

    /// How many connections may be opened at one time: 8. After a refusal it is one, until one works.
    ///
    /// ```
    /// // A server behind a slow login (LDAP, say) is not asked for more than two at a time.
    /// let builder = cornac::Database::builder().max_opening(2);
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn max_opening(self, connections: usize) -> Self {
        self.pool(|pool| pool.max_opening(connections))
    }

    /// How long a verb waits for a connection: 30 s.
    ///
    /// ```
    /// # use {cornac::{Database, ErrorKind}, std::time::Duration};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cornac::Result<()> {
    /// let builder = Database::builder().acquire_timeout(Duration::from_millis(50));
    /// // Nothing answers at this port.
    /// let db = builder.connect_lazy("postgres://app@127.0.0.1:1/shop")?;
    /// let error = db.execute("SELECT 1", ()).await.unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Checkout(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(self, limit: Duration) -> Self {
        self.pool(|pool| pool.acquire_timeout(limit))
    }

    /// How long opening one connection may take in all: 30 s. [`Config::connect_timeout`] bounds it for each host.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // All hosts of the configuration together, whatever each of them may take.
    /// let builder = cornac::Database::builder().open_timeout(Duration::from_secs(5));
    /// let db = builder.connect_lazy("postgres://app@db1.example,db2.example/shop?connect_timeout=3")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn open_timeout(self, limit: Duration) -> Self {
        self.pool(|pool| pool.open_timeout(limit))
    }

    /// How long each hook may take: 10 s.
    ///
    /// ```
    /// # use {cornac::{Client, Database}, std::time::Duration};
    /// let builder = Database::builder().hook_timeout(Duration::from_secs(1)).after_connect(|connection| {
    ///     Box::pin(async move { connection.execute("SELECT warm_caches()", ()).await.map(drop) })
    /// });
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn hook_timeout(mut self, limit: Duration) -> Self {
        self.hook_timeout = Some(limit);
        self.pool(|pool| pool.hook_timeout(limit))
    }

    /// How long it may take to check a connection that has idled for long: 5 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // In the same rack: what does not answer in half a second is gone.
    /// let builder = cornac::Database::builder().check_timeout(Duration::from_millis(500));
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn check_timeout(self, limit: Duration) -> Self {
        self.pool(|pool| pool.check_timeout(limit))
    }

    /// How long cleaning a connection up may take ([`Reset`], and the hook `before_return`): 10 s. Then it is closed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // Rather a new connection than one whose large temporary tables take long to drop.
    /// let builder = cornac::Database::builder().recycle_timeout(Duration::from_secs(2));
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn recycle_timeout(self, limit: Duration) -> Self {
        self.pool(|pool| pool.recycle_timeout(limit))
    }

    /// After how much idling a connection is checked by a round trip before it is given out: 30 s; `None`: never. A connection that was closed is noticed in any case.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // A firewall in between forgets silent connections after a minute or so.
    /// let careful = cornac::Database::builder().check_after(Duration::from_secs(10));
    /// let trusting = cornac::Database::builder().check_after(None);
    /// # careful.connect_lazy("postgres://app@db.example/shop")?;
    /// # trusting.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn check_after(self, idle: impl Into<Option<Duration>>) -> Self {
        let idle = idle.into();
        self.pool(|pool| pool.check_after(idle))
    }

    /// After how much idling a connection beyond `min_size` is closed: 10 min; `None`: never.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // What the rush at noon has opened is given back soon.
    /// let builder = cornac::Database::builder().min_size(2).idle_timeout(Duration::from_secs(60));
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn idle_timeout(self, idle: impl Into<Option<Duration>>) -> Self {
        let idle = idle.into();
        self.pool(|pool| pool.idle_timeout(idle))
    }

    /// How old a connection gets before it is replaced: 30 min; `None`: any age.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // Passwords are valid for an hour, and a backend's caches grow with its age.
    /// let builder = cornac::Database::builder().max_lifetime(Duration::from_secs(50 * 60));
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn max_lifetime(self, age: impl Into<Option<Duration>>) -> Self {
        let age = age.into();
        self.pool(|pool| pool.max_lifetime(age))
    }

    /// Which part of `max_lifetime` is left to chance, from 0 to 1: 0.2. Each connection lives between 80 % and 100 % of it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // Any time between 30 min and 60 min, so that many are never replaced at once.
    /// let builder = cornac::Database::builder().max_lifetime(Duration::from_secs(3600)).lifetime_jitter(0.5);
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn lifetime_jitter(self, part: f64) -> Self {
        self.pool(|pool| pool.lifetime_jitter(part))
    }

    /// How long the pool waits after a failed attempt to open a connection: up to `base` after the first, then twice as long each time, up to `max`; half of each pause is left
    /// to chance. 100 ms and 10 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // A server that restarts within seconds is found again soon.
    /// let builder =
    ///     cornac::Database::builder().backoff(Duration::from_millis(20), Duration::from_millis(500));
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn backoff(self, base: Duration, max: Duration) -> Self {
        self.pool(|pool| pool.backoff(base, max))
    }

    fn pool(mut self, change: impl FnOnce(cornac_pool::Builder) -> cornac_pool::Builder) -> Self {
        self.pool = change(self.pool);
        self
    }
}

/// The connections'.
impl DatabaseBuilder {
    /// Runs on each connection after it was opened, before anyone gets it: for settings. If it fails, so does opening.
    ///
    /// ```
    /// # use cornac::{Client, Database};
    /// let builder = Database::builder().after_connect(|connection| {
    ///     Box::pin(async move { connection.execute("SET search_path = shop, public", ()).await.map(drop) })
    /// });
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn after_connect<H>(mut self, hook: H) -> Self
    where
        H: for<'c> Fn(&'c mut Connection) -> HookFuture<'c> + Send + Sync + 'static,
    {
        self.after_connect = Hook::new(hook);
        self
    }

    /// Runs each time before a connection is given out; the caller waits for it. If it fails, the connection is closed, and the caller hears why.
    ///
    /// ```
    /// // Behind a proxy that loses connections without a word: a round trip each time.
    /// let builder = cornac::Database::builder().before_checkout(|connection| Box::pin(connection.ping()));
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn before_checkout<H>(mut self, hook: H) -> Self
    where
        H: for<'c> Fn(&'c mut Connection) -> HookFuture<'c> + Send + Sync + 'static,
    {
        self.before_checkout = Hook::new(hook);
        self
    }

    /// Runs each time a connection comes back, after it was cleaned up; nobody waits for it. If it fails, the connection is closed.
    ///
    /// ```
    /// # use cornac::{Client, Database};
    /// // Locks of the session, taken by a function, are what `Reset::Changed` does not see.
    /// let builder = Database::builder().before_return(|connection| {
    ///     Box::pin(async move { connection.execute("SELECT pg_advisory_unlock_all()", ()).await.map(drop) })
    /// });
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn before_return<H>(mut self, hook: H) -> Self
    where
        H: for<'c> Fn(&'c mut Connection) -> HookFuture<'c> + Send + Sync + 'static,
    {
        self.before_return = Hook::new(hook);
        self
    }

    /// What is done to a connection that comes back: [`Reset::Changed`].
    ///
    /// ```
    /// # use cornac::{Database, Reset};
    /// // The application calls `set_config` for its tenants, which is not seen.
    /// let builder = Database::builder().reset(Reset::Always);
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// How long each statement may take that does not say it itself; then it is cancelled at the server. `None`, the default: as long as it takes.
    ///
    /// ```no_run
    /// # use {cornac::{Database, Statement}, std::time::Duration};
    /// # async fn example() -> cornac::Result<()> {
    /// let builder = Database::builder().statement_timeout(Duration::from_secs(2));
    /// let db = builder.connect("postgres://app@db.example/shop").await?;
    /// // One that may take longer says so.
    /// let report = Statement::new("SELECT count(*) FROM purchase").timeout(Duration::from_secs(60));
    /// let purchases: i64 = db.fetch_value(report, ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn statement_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.statement_timeout = limit.into();
        self
    }
}

/// What can be seen from outside.
///
/// Each verb of [`Database`] that runs one statement has a `tracing` span at level DEBUG, of target `cornac::statement`, with the fields of OpenTelemetry's conventions for databases (`db.system.name`,
/// `db.query.text`, `db.response.status_code`, ...). Values of parameters are in none of them. While no subscriber takes that level, none is made, and so no log
/// record of one either (tracing's feature `log`).
impl DatabaseBuilder {
    /// From how long on a statement of such a verb is slow, with the wait for its connection: a warning of target `cornac::slow` then shows its text. `None`, the default: none is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // What is expected to take milliseconds, and does not, is in the log.
    /// let builder = cornac::Database::builder().slow_statement(Duration::from_millis(200));
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn slow_statement(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.slow_statement = limit.into();
        self
    }

    /// What the pool is called in the numbers of the feature `metrics`: `host:port/database` of the first host, unless it is said here. Pools of one process to one database need names of their own, or their numbers are mixed up.
    ///
    /// ```
    /// let reports = cornac::Database::builder().max_size(2).pool_name("reports");
    /// # reports.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn pool_name(mut self, name: &str) -> Self {
        self.pool_name = Some(name.into());
        self
    }
}

/// How often things are tried.
impl DatabaseBuilder {
    /// How [`connect`](Self::connect) tries again when the server cannot be reached, or does not take connections yet: 3 tries. A wrong password and its like are not tried again. (A
    /// checkout keeps trying until `acquire_timeout`, with pauses as `backoff` has them.)
    ///
    /// ```
    /// # use cornac::{Database, RetryPolicy};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // A program for the command line says at once that there is no server.
    /// let builder = Database::builder().connect_retry(RetryPolicy::none());
    /// let error = builder.connect("postgres://app@127.0.0.1:1/shop").await.unwrap_err();
    /// assert!(error.is_transient());
    /// # }
    /// ```
    pub fn connect_retry(mut self, policy: RetryPolicy) -> Self {
        self.connect_retry = policy;
        self
    }

    /// How single statements on [`Database`] are tried again on another connection: 3 tries. Only what is proven not to have run is (its connection was closed before it was sent), and what is marked
    /// [`idempotent`](crate::Statement::idempotent).
    ///
    /// ```no_run
    /// # use cornac::{Database, RetryPolicy, Statement};
    /// # async fn example() -> cornac::Result<()> {
    /// let builder = Database::builder().statement_retry(RetryPolicy::new(5));
    /// let db = builder.connect("postgres://app@db.example/shop").await?;
    /// // Reading twice does no harm, even if the connection is lost on the way.
    /// let count = Statement::new("SELECT count(*) FROM item").idempotent();
    /// let items: i64 = db.fetch_value(count, ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn statement_retry(mut self, policy: RetryPolicy) -> Self {
        self.statement_retry = policy;
        self
    }

    /// How [`Database::transaction`] begins anew after a serialization failure or a deadlock. By default it does not.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database, RetryPolicy};
    /// # async fn example() -> cornac::Result<()> {
    /// let builder = Database::builder().transaction_retry(RetryPolicy::new(5));
    /// let db = builder.connect("postgres://app@db.example/shop").await?;
    /// db.transaction(|mut transaction| async move {
    ///     transaction.execute("UPDATE stock SET number = number - 1 WHERE item = 7", ()).await
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transaction_retry(mut self, policy: RetryPolicy) -> Self {
        self.transaction_retry = Some(policy);
        self
    }
}

/// Multiplexing.
impl DatabaseBuilder {
    /// Sends single statements on [`Database`] over so many shared connections (beside `max_size`), in place of one of the pool for each: several times the statements a second of a busy service, from a few
    /// connections. 0, the default: off.
    ///
    /// It is for statements that are short. Results are read as a whole, of up to [`SharedOptions::result_bytes_max`](crate::shared::SharedOptions::result_bytes_max) bytes; a statement that runs for longer than a few
    /// milliseconds is noticed, and others then keep away from its connection, and use the pool if need be. Functions that change the session (`set_config`,
    /// `pg_advisory_lock`) must not be called. Everything but `execute` and the `fetch_` verbs has a connection of its own: transactions, rows, streams, batches, COPY; and so have statements that are no SELECT,
    /// INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, WITH or SHOW. The hooks `before_checkout` and `before_return` do not run for statements on shared connections.
    ///
    /// ```no_run
    /// # async fn example() -> cornac::Result<()> {
    /// let builder = cornac::Database::builder().multiplex(4);
    /// let db = builder.connect("postgres://app@db.example/shop").await?;
    /// // Any number of tasks do so at the same time, over four connections.
    /// let price: f64 = db.fetch_value("SELECT price FROM item WHERE id = $1", (7_i64,)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn multiplex(mut self, connections: usize) -> Self {
        self.multiplex = (connections > 0).then_some(connections);
        self
    }

    /// How shared connections are used.
    ///
    /// ```
    /// # use cornac::{Database, shared::SharedOptions};
    /// let options = SharedOptions::default().result_bytes_max(64 << 10);
    /// let builder = Database::builder().multiplex(4).multiplex_options(options);
    /// # builder.connect_lazy("postgres://app@db.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn multiplex_options(mut self, options: SharedOptions) -> Self {
        self.shared = options;
        self
    }
}

/// Commits.
impl DatabaseBuilder {
    /// Whether a COMMIT whose answer was lost is looked into: the server is asked, over another connection, what became of the transaction, for at most 10 s. Then [`commit`](crate::Transaction::commit)
    /// is `Ok`, or an [`ErrorKind::CommitLost`](crate::ErrorKind::CommitLost), which says that it was rolled back. Only what no server can say stays
    /// [`ErrorKind::CommitOutcomeUnknown`](crate::ErrorKind::CommitOutcomeUnknown): of a transaction that wrote nothing, after a failover, or when there is no server to be had in time. A server that has crashed meanwhile can say for certain that it is committed only with
    /// `track_commit_timestamp = on`, since it gives numbers out again that it had not written to disk. Off by default.
    ///
    /// It costs no round trip, but some work at the server: behind the statements of a transaction, its number is asked for until it has one.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database, ErrorKind};
    /// # async fn example() -> cornac::Result<()> {
    /// let db = Database::builder().resolve_commit(true).connect("postgres://app@db.example/shop").await?;
    /// let mut payment = db.begin().await?;
    /// payment.execute("UPDATE account SET balance = balance - 10 WHERE id = 1", ()).await?;
    /// match payment.commit().await {
    ///     Err(error) if matches!(error.kind(), ErrorKind::CommitLost(_)) => println!("not paid, for certain"),
    ///     other => other?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolve_commit(self, resolves: bool) -> Self {
        self.resolve_commit_within(resolves.then_some(RESOLVE_TIMEOUT))
    }

    /// As [`resolve_commit`](Self::resolve_commit), with a limit of one's own; `None`: off.
    ///
    /// ```
    /// # use std::time::Duration;
    /// // A failover takes half a minute here, and payments wait for it.
    /// let builder = cornac::Database::builder().resolve_commit_within(Duration::from_secs(60));
    /// # builder.connect_lazy("postgres://app@db1.example,db2.example/shop")?;
    /// # Ok::<(), cornac::Error>(())
    /// ```
    pub fn resolve_commit_within(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.resolve_commit = limit.into();
        self
    }
}

impl DatabaseBuilder {
    /// Connects to the server that a URL (or libpq's `key=value` string) names.
    ///
    /// ```no_run
    /// # async fn example() -> cornac::Result<()> {
    /// let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is set");
    /// let db = cornac::Database::builder().max_size(20).connect(&url).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL cannot be understood, and as [`connect_with`](Self::connect_with).
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn connect(self, url: &str) -> Result<Database> {
        self.connect_with(&url.parse::<Config>()?).await
    }

    /// Connects as a configuration says: proves that one connection can be made, and keeps it. The others are opened as they are needed.
    ///
    /// ```no_run
    /// # use cornac::{Config, Database};
    /// # async fn example(secret: String) -> cornac::Result<()> {
    /// // The password comes from elsewhere than the rest.
    /// let config = "postgres://app@db.example/shop".parse::<Config>()?.password(secret);
    /// let db = Database::builder().max_size(20).connect_with(&config).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection can be made, and when `max_size` is 0 or above `max_capacity`.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn connect_with(self, config: &Config) -> Result<Database> {
        let connections = self.connections(config);
        let mut tries = self.connect_retry.start();
        tries.begin();
        let hook_timeout = self.hook_timeout.unwrap_or(HOOK_TIMEOUT);
        while let Err(error) = connections.prove(hook_timeout).await {
            if !error.is_transient() || !tries.wait().await {
                return Err(error);
            }
            tracing::info!(target: "cornac::database", "connecting once more after {error}");
        }
        self.build(connections)
    }

    /// As [`connect`](Self::connect), without connecting: the first connection is opened when it is needed, or, within a runtime, as soon as there is time.
    ///
    /// ```
    /// # use cornac::Database;
    /// let url = "postgres://app@db.example/shop";
    /// let db = Database::builder().max_size(20).connect_lazy(url)?;
    /// assert_eq!(db.pool_stats().open, 0);
    /// assert!(Database::builder().max_size(0).connect_lazy(url).is_err());
    /// # Ok::<(), cornac::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL cannot be understood, and when `max_size` is 0 or above `max_capacity`.
    pub fn connect_lazy(self, url: &str) -> Result<Database> {
        self.connect_lazy_with(&url.parse::<Config>()?)
    }

    /// As [`connect_with`](Self::connect_with), without connecting.
    ///
    /// ```
    /// # use cornac::{Config, Database, Host};
    /// // Over the server's socket on the same machine.
    /// let config = Config::new(Host::parse("/run/postgresql"), "app").dbname("shop");
    /// let db = Database::builder().max_size(20).connect_lazy_with(&config)?;
    /// assert_eq!(db.pool_stats().open, 0);
    /// # Ok::<(), cornac::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `max_size` is 0 or above `max_capacity`.
    pub fn connect_lazy_with(self, config: &Config) -> Result<Database> {
        let connections = self.connections(config);
        self.build(connections)
    }

    fn connections(&self, config: &Config) -> Connections {
        let hooks = Hooks {
            after_connect: self.after_connect.clone(),
            before_checkout: self.before_checkout.clone(),
            before_return: self.before_return.clone(),
        };
        let several = config.hosts().len() > 1;
        let (config, role) = match config.wanted_session_attrs() {
            // Writes need the primary, wherever that is at the moment.
            TargetSessionAttrs::Any if several => {
                (config.clone().target_session_attrs(TargetSessionAttrs::ReadWrite), Role::Primary)
            }
            TargetSessionAttrs::ReadWrite | TargetSessionAttrs::Primary => (config.clone(), Role::Primary),
            _ => (config.clone(), Role::Any),
        };
        let (reset, name) = (self.reset.clone(), self.pool_name.clone());
        Connections::new(config, role, reset, Arc::new(hooks), self.statement_timeout, name)
    }

    fn build(self, connections: Connections) -> Result<Database> {
        let settings = Settings {
            statement_retry: self.statement_retry,
            transaction_retry: self.transaction_retry.unwrap_or_else(RetryPolicy::none),
            resolve_commit: self.resolve_commit,
            slow_statement: self.slow_statement,
            multiplex: self.multiplex.map(|connections| (connections, self.shared)),
        };
        let pool = self.pool.clone().build(connections);
        let pool = pool.map_err(|error| cornac_conn::Error::unavailable(error, false, None))?;
        Ok(Database::new(pool, self.pool, settings))
    }
}
