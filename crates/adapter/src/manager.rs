//! How the pool opens connections, and what it makes of one that comes back.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cornac_conn::{Config, Connection, Error, Result, SqlState, TargetSessionAttrs};
use cornac_pool::{Condition, Failure, Manager};
use tokio::time::timeout;

use crate::meter::Meter;
use crate::reset::Reset;

/// How long the replies that an abandoned request still has to come may take before it is cancelled at the server: nobody waits for them.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(200);

const HOOK_HANGS: &str = "the hook after_connect took longer than hook_timeout";

/// What a hook gives back: see [`DatabaseBuilder::after_connect`](crate::DatabaseBuilder::after_connect).
pub type HookFuture<'c> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'c>>;

/// Code of the application's that runs on a connection.
#[derive(Clone, Default)]
pub(crate) struct Hook(Option<Arc<HookFn>>);

type HookFn = dyn for<'c> Fn(&'c mut Connection) -> HookFuture<'c> + Send + Sync;

impl Hook {
    pub(crate) fn new(
        hook: impl for<'c> Fn(&'c mut Connection) -> HookFuture<'c> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(hook)))
    }

    fn is_set(&self) -> bool {
        self.0.is_some()
    }

    async fn run(&self, connection: &mut Connection) -> Result<()> {
        match &self.0 {
            Some(hook) => hook(connection).await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "Hook" } else { "none" })
    }
}

/// Which servers a pool wants, where there are several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Whatever the configuration names.
    #[default]
    Any,
    /// The one that takes writes. A connection to a server that does not, or no longer, is closed.
    Primary,
    /// One to read from.
    Reader,
}

/// Opens connections as a configuration says.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) after_connect: Hook,
    pub(crate) before_checkout: Hook,
    pub(crate) before_return: Hook,
}

/// What the pool has to know about connections.
#[derive(Debug)]
pub(crate) struct Connections {
    config: Config,
    role: Role,
    reset: Reset,
    hooks: Arc<Hooks>,
    statement_timeout: Option<Duration>,
    /// What the pool is called, if it has a name.
    name: Option<Arc<str>>,
    meter: Meter,
    /// The connection with which it was proven that there can be one: the first that the pool gets.
    proven: Mutex<Option<Connection>>,
    /// The backend of the proven connection, once the pool has it: it has been prepared.
    prepared: Mutex<Option<i32>>,
}

impl Connections {
    pub(crate) fn new(
        config: Config,
        role: Role,
        reset: Reset,
        hooks: Arc<Hooks>,
        statement_timeout: Option<Duration>,
        name: Option<Arc<str>>,
    ) -> Self {
        let meter = Meter::new(&config, name.as_deref(), role == Role::Reader);
        Self {
            config,
            role,
            reset,
            hooks,
            statement_timeout,
            name,
            meter,
            proven: Mutex::default(),
            prepared: Mutex::default(),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The same, to read from: standbys if there are any, else whatever there is.
    pub(crate) fn for_readers(&self) -> Self {
        // A setting of the session's beginning is one that RESET goes back to.
        let config = self.config.clone().setting("default_transaction_read_only", "on");
        let config = config.target_session_attrs(TargetSessionAttrs::PreferStandby);
        let hooks = Arc::clone(&self.hooks);
        Self::new(config, Role::Reader, self.reset.clone(), hooks, self.statement_timeout, self.name.clone())
    }

    /// Whether it is for those who only read.
    pub(crate) fn is_for_readers(&self) -> bool {
        self.role == Role::Reader
    }

    /// Makes the settings that every user of a connection finds.
    async fn prepare(&self, connection: &mut Connection) -> Result<()> {
        connection.set_statement_timeout(self.statement_timeout);
        self.hooks.after_connect.run(connection).await?;
        connection.keep();
        Ok(())
    }

    /// Proves that there can be a connection, and keeps it for the pool. The hook may take as long as `limit`.
    pub(crate) async fn prove(&self, limit: Duration) -> Result<()> {
        let mut connection = self.connect().await?;
        match timeout(limit, self.prepare(&mut connection)).await {
            Ok(prepared) => prepared?,
            Err(_) => return Err(Error::unavailable(HOOK_HANGS, false, None)),
        }
        *lock(&self.proven) = Some(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<Connection> {
        let timer = self.meter.creation();
        let outcome = Connection::connect(&self.config).await;
        timer.ended(outcome.as_ref().map(drop).map_err(Some));
        outcome
    }

    /// Closes the proven connection, if the pool has not taken it yet.
    pub(crate) fn forget_proven(&self) {
        drop(self.take_proven());
    }

    fn take_proven(&self) -> Option<Connection> {
        lock(&self.proven).take()
    }

    /// Whether only a server that takes writes will do.
    pub(crate) fn wants_primary(&self) -> bool {
        self.role == Role::Primary
    }

    /// Whether the server has turned out not to be the one that is wanted.
    fn is_elsewhere(&self, connection: &Connection) -> bool {
        self.role == Role::Primary && connection.parameter("in_hot_standby") == Some("on")
    }

    fn needs_reset(&self, connection: &Connection) -> bool {
        match self.reset {
            Reset::Never => false,
            Reset::Changed => connection.is_session_changed(),
            Reset::Always | Reset::Sql(_) => true,
        }
    }
}

impl Manager for Connections {
    type Connection = Connection;
    type Error = Error;

    const MEASURES: bool = Meter::MEASURES;

    async fn open(&self) -> Result<Connection> {
        // It may have been lost while nobody looked at it.
        match self.take_proven().and_then(|mut proven| proven.peek().then_some(proven)) {
            Some(connection) => {
                *lock(&self.prepared) = connection.process_id();
                Ok(connection)
            }
            None => self.connect().await,
        }
    }

    fn is_permanent(&self, error: &Error) -> bool {
        !error.is_transient()
    }

    async fn check(&self, connection: &mut Connection) -> Result<()> {
        connection.ping().await
    }

    #[inline]
    fn peek(&self, connection: &mut Connection) -> bool {
        connection.peek() && !self.is_elsewhere(connection)
    }

    #[inline]
    fn condition(&self, connection: &mut Connection) -> Condition {
        if connection.is_closed() || self.is_elsewhere(connection) {
            Condition::Broken
        } else if connection.is_idle() && !self.needs_reset(connection) && !self.hooks.before_return.is_set()
        {
            connection.restore();
            Condition::Clean
        } else {
            Condition::Dirty
        }
    }

    async fn recycle(&self, connection: &mut Connection) -> Result<()> {
        connection.set_drain_timeout(Some(DRAIN_TIMEOUT));
        connection.clear().await?;
        connection.restore();
        if self.needs_reset(connection) {
            match &self.reset {
                Reset::Sql(sql) => {
                    connection.simple_query(sql).await?;
                }
                _ => connection.reset().await?,
            }
            // Settings that it has made in the session are gone.
            self.prepare(connection).await?;
        }
        self.hooks.before_return.run(connection).await
    }

    async fn close(&self, connection: Connection) {
        // Whoever the goodbye does not reach sees the socket closed.
        let _ = connection.close().await;
    }

    async fn after_connect(&self, connection: &mut Connection) -> Result<()> {
        let prepared = lock(&self.prepared).take_if(|backend| connection.process_id() == Some(*backend));
        if prepared.is_some() { Ok(()) } else { self.prepare(connection).await }
    }

    #[inline]
    fn has_before_checkout(&self) -> bool {
        self.hooks.before_checkout.is_set()
    }

    fn before_checkout(&self, connection: &mut Connection) -> impl Future<Output = Result<()>> + Send {
        self.hooks.before_checkout.run(connection)
    }

    fn observe(&self, failure: &Failure<Error>) {
        let cause = failure.manager_error().map(ToString::to_string).unwrap_or_default();
        let is_shutdown =
            failure.manager_error().and_then(Error::sql_state) == Some(SqlState::ADMIN_SHUTDOWN);
        if is_shutdown {
            tracing::info!(target: "cornac::pool", "{failure}: {cause}");
        } else {
            tracing::warn!(target: "cornac::pool", "{failure}: {cause}");
        }
    }

    fn observe_wait(&self, waited: Duration) {
        self.meter.waited(waited);
    }

    fn observe_use(&self, held_for: Duration) {
        self.meter.used(held_for);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
