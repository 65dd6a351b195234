//! From a configuration to a connection: hosts, addresses, sockets, TLS, handshake.

mod address;
mod error;
#[cfg(feature = "gssapi")]
mod gssapi;
#[cfg(not(feature = "gssapi"))]
#[path = "no_gssapi.rs"]
mod gssapi;
mod gssapi_service;
mod login;
#[cfg(unix)]
mod peer;
mod race;
mod session_attributes;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cornac_proto::SqlState;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::config::{Config, Host, HostSpec, LoadBalanceHosts, SslMode, TargetSessionAttrs};
use crate::connection::Connection;
use crate::error::Result;
use crate::stream::{Socket, Stream};
use crate::tls::{TlsClient, TlsError};
pub(crate) use address::SocketOptions;
use address::{Endpoint, resolve, target};
pub use error::{Attempt, ConnectError, ConnectFailure, GssapiError};
use login::{Channel, TlsRoute, authenticate};
use race::{Opened, race};

/// How long to wait before a server that is starting up is tried again: at first, and at most.
const STARTUP_WAIT_MIN: Duration = Duration::from_millis(50);
const STARTUP_WAIT_MAX: Duration = Duration::from_secs(1);

impl Connection {
    /// Connects: tries each address of each host in turn (addresses of one host with a head start each, as in RFC 8305), and
    /// authenticates. A server that is starting up is tried again until the `connect_timeout` is over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) with how each attempt ended. No attempt takes longer than the
    /// configuration's `connect_timeout`, and nothing longer in all than its `connect_deadline`.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed, and a key derivation in progress ends within about a millisecond.
    pub async fn connect(config: &Config) -> Result<Self> {
        config.check()?;
        let mut connecting = Connecting::new(config);
        // Boxed: callers' futures need not have room for a handshake.
        let Some(limit) = config.connect_deadline_limit() else {
            let connected = Box::pin(connecting.run()).await;
            return connected.ok_or_else(|| ConnectError::new(connecting.attempts).into());
        };
        match timeout(limit, Box::pin(connecting.run())).await {
            Ok(Some(connection)) => Ok(connection),
            Ok(None) => Err(ConnectError::new(connecting.attempts).into()),
            Err(_) => {
                let Connecting { stage, current, mut attempts, .. } = connecting;
                attempts.push(Attempt { target: current, failure: ConnectFailure::Timeout { limit, stage } });
                Err(ConnectError::new(attempts).into())
            }
        }
    }

    /// Authenticates over a transport that is connected already: a tunnel, an in-memory pipe, a simulated network.
    ///
    /// TLS is used as `sslmode` says, with the name of the configuration's first host; but there is no second attempt in another
    /// mode. Several hosts and `target_session_attrs` are not looked at, and there is no way to cancel.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// When dropped, the transport is dropped.
    pub async fn connect_over<T>(transport: T, config: &Config) -> Result<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        config.check()?;
        let mut connecting = Connecting::new(config);
        let spec = config.hosts().first().cloned().unwrap_or_default();
        let socket = Socket::Custom(Box::new(transport));
        let encryption = match config.ssl_options().mode {
            SslMode::Disable | SslMode::Allow => Encryption::Plain,
            _ => Encryption::Tls,
        };
        let deadline = config.connect_timeout_limit().map(|limit| Instant::now() + limit);
        let over_unix = matches!(spec.host, Some(Host::Unix(_)));
        let logging_in = connecting.log_in(socket, &spec, over_unix, encryption, deadline);
        Box::pin(logging_in).await.map_err(|failure| {
            let attempt = Attempt { target: "the given transport".to_owned(), failure };
            ConnectError::new(vec![attempt]).into()
        })
    }
}

/// Whether an attempt is made with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    Plain,
    Tls,
}

/// What follows from an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another address of the same host may do better.
    Address,
    /// Another host may do better.
    Host,
    /// A server has said no; so would the others.
    Stop,
}

/// How a connection was reached, so that a request to cancel can go the same way.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    endpoint: Endpoint,
    socket_options: SocketOptions,
    tls: Option<TlsRoute>,
    limit: Option<Duration>,
}

impl Route {
    /// A channel of its own to the same server, as the session has it: encrypted if that is.
    pub(crate) async fn open(&self) -> Result<Stream, ConnectFailure> {
        let mut stage = "before the socket was open";
        let opening = async {
            let socket = self.endpoint.open(&self.socket_options).await?;
            Ok(match &self.tls {
                None => Channel::plain(socket).stream,
                Some(tls) => tls.encrypt(socket, &mut stage).await?.stream,
            })
        };
        match self.limit {
            None => opening.await,
            Some(limit) => match timeout(limit, opening).await {
                Ok(opened) => opened,
                Err(_) => Err(ConnectFailure::Timeout { limit, stage }),
            },
        }
    }
}

/// One `connect`, from the first name to the session.
struct Connecting<'c> {
    config: &'c Config,
    socket_options: SocketOptions,
    /// Loaded when the first attempt needs it.
    tls: Option<Arc<TlsClient>>,
    attempts: Vec<Attempt>,
    /// What is being tried, and how far it has got.
    current: String,
    stage: &'static str,
    /// Whether the last attempt asked for TLS, and went on in plain since the server has none.
    went_on_in_plain: bool,
}

impl<'c> Connecting<'c> {
    fn new(config: &'c Config) -> Self {
        Self {
            config,
            socket_options: config.socket_options(),
            tls: None,
            attempts: Vec::new(),
            current: String::new(),
            stage: "before the socket was open",
            went_on_in_plain: false,
        }
    }

    /// Tries every host, again while one is starting up.
    async fn run(&mut self) -> Option<Connection> {
        let begun = Instant::now();
        let mut wait = STARTUP_WAIT_MIN;
        loop {
            self.attempts.clear();
            if let Some(connection) = self.round().await {
                return Some(connection);
            }
            let starting =
                |attempt: &Attempt| attempt.failure.sql_state() == Some(SqlState::CANNOT_CONNECT_NOW);
            let over =
                self.config.connect_timeout_limit().is_some_and(|limit| begun.elapsed() + wait > limit);
            if over || !self.attempts.iter().any(starting) {
                return None;
            }
            self.stage = "while the server was starting up";
            sleep(wait).await;
            wait = (wait * 2).min(STARTUP_WAIT_MAX);
        }
    }

    /// Tries every host once; with `prefer-standby` twice, since any server will do if there is no standby.
    async fn round(&mut self) -> Option<Connection> {
        let wanted = self.config.target_session_attrs_mode();
        if let Some(connection) = self.each_host(wanted).await {
            return Some(connection);
        }
        if wanted == TargetSessionAttrs::PreferStandby {
            return self.each_host(TargetSessionAttrs::Any).await;
        }
        None
    }

    async fn each_host(&mut self, wanted: TargetSessionAttrs) -> Option<Connection> {
        let mut hosts = self.config.hosts().to_vec();
        if self.config.load_balance_hosts_mode() == LoadBalanceHosts::Random {
            shuffle(&mut hosts);
        }
        for spec in &hosts {
            match self.each_address(spec, wanted).await {
                Ok(connection) => return Some(connection),
                Err(Next::Stop) => return None,
                Err(Next::Host | Next::Address) => {}
            }
        }
        None
    }

    async fn each_address(
        &mut self,
        spec: &HostSpec,
        wanted: TargetSessionAttrs,
    ) -> Result<Connection, Next> {
        self.current = target(spec);
        self.stage = "while its name was resolved";
        let mut endpoints = match self.within_limit(resolve(spec)).await {
            Ok(endpoints) => VecDeque::from(endpoints),
            Err(failure) => {
                self.attempts.push(Attempt { target: target(spec), failure });
                return Err(Next::Host);
            }
        };
        if self.config.load_balance_hosts_mode() == LoadBalanceHosts::Random {
            shuffle(endpoints.make_contiguous());
        }
        let limit = self.config.connect_timeout_limit();
        loop {
            self.stage = "before the socket was open";
            let opened = race(&mut endpoints, &self.socket_options, limit, &mut self.attempts).await;
            let Some(Opened { endpoint, socket, deadline }) = opened else { return Err(Next::Host) };
            self.current = endpoint.to_string();
            match self.each_encryption(socket, &endpoint, spec, wanted, deadline).await {
                Ok(connection) => return Ok(connection),
                Err(Next::Address) => {}
                Err(next) => return Err(next),
            }
        }
    }

    /// Tries one address as `sslmode` says: for `allow` and `prefer` in one way and then, perhaps, in the other.
    async fn each_encryption(
        &mut self,
        socket: Socket,
        endpoint: &Endpoint,
        spec: &HostSpec,
        wanted: TargetSessionAttrs,
        deadline: Option<Instant>,
    ) -> Result<Connection, Next> {
        let (first, second) = match self.config.ssl_options().mode {
            _ if endpoint.is_unix() => (Encryption::Plain, None),
            SslMode::Disable => (Encryption::Plain, None),
            SslMode::Allow => (Encryption::Plain, Some(Encryption::Tls)),
            SslMode::Prefer => (Encryption::Tls, Some(Encryption::Plain)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Encryption::Tls, None),
        };
        let failed = match self.attempt(socket, endpoint, spec, first, wanted, deadline).await {
            Ok(connection) => return Ok(connection),
            Err(failure) => self.record(endpoint, failure),
        };
        // Where TLS was refused, the attempt has been one in plain already.
        let is_open = failed.other_encryption && !self.went_on_in_plain;
        let (Some(second), true) = (second, is_open) else { return Err(failed.next) };
        tracing::warn!(
            target: "cornac::tls",
            "{endpoint}: the attempt {} failed; trying {}, as sslmode={} allows",
            first.described(),
            second.described(),
            self.config.ssl_options().mode.name()
        );
        self.stage = "before the socket was open";
        let options = self.socket_options.clone();
        let connected = match self.within(deadline, endpoint.open(&options)).await {
            Ok(socket) => self.attempt(socket, endpoint, spec, second, wanted, deadline).await,
            Err(failure) => Err(failure),
        };
        connected.map_err(|failure| self.record(endpoint, failure).next)
    }

    async fn attempt(
        &mut self,
        socket: Socket,
        endpoint: &Endpoint,
        spec: &HostSpec,
        encryption: Encryption,
        wanted: TargetSessionAttrs,
        deadline: Option<Instant>,
    ) -> Result<Connection, ConnectFailure> {
        let mut connection = self.log_in(socket, spec, endpoint.is_unix(), encryption, deadline).await?;
        let tls = if connection.stream.is_tls() { Some(self.tls_route(spec).await?) } else { None };
        connection.set_route(Route {
            endpoint: endpoint.clone(),
            socket_options: self.socket_options.clone(),
            // A session that is encrypted is not cancelled in clear.
            tls: tls.map(|tls| TlsRoute { mode: tls.mode.max(SslMode::Require), ..tls }),
            limit: self.config.connect_timeout_limit(),
        });
        self.stage = "while it was asked whether it takes writes";
        self.within(deadline, session_attributes::check(&mut connection, wanted)).await?;
        Ok(connection)
    }

    async fn log_in(
        &mut self,
        socket: Socket,
        spec: &HostSpec,
        over_unix: bool,
        encryption: Encryption,
        deadline: Option<Instant>,
    ) -> Result<Connection, ConnectFailure> {
        let tls = match encryption {
            Encryption::Plain => None,
            Encryption::Tls => Some(self.tls_route(spec).await?),
        };
        let config = self.config;
        let mut stage = self.stage;
        let mut went_on_in_plain = false;
        let logging_in = async {
            let channel = match tls {
                None => Channel::plain(socket),
                Some(tls) => {
                    let channel = tls.encrypt(socket, &mut stage).await?;
                    went_on_in_plain = !channel.stream.is_tls();
                    channel
                }
            };
            authenticate(channel, config, spec, over_unix, &mut stage).await
        };
        let logged_in = match (config.connect_timeout_limit(), deadline) {
            (Some(limit), Some(deadline)) => timeout_at(deadline, logging_in).await.map_err(|_| limit),
            _ => Ok(logging_in.await),
        };
        self.stage = stage;
        self.went_on_in_plain = went_on_in_plain;
        match logged_in {
            Ok(logged_in) => logged_in.map(|(stream, established, mailboxes)| {
                let statements = config.statements(target(spec));
                Connection::new(stream, established, mailboxes, statements)
            }),
            Err(limit) => Err(ConnectFailure::Timeout { limit, stage }),
        }
    }

    /// The TLS side of an attempt at `spec`. Files are looked at once for all attempts, away from the reactor, and read if they
    /// are not what they were when another connection was made.
    async fn tls_route(&mut self, spec: &HostSpec) -> Result<TlsRoute, ConnectFailure> {
        let options = self.config.ssl_options();
        let client = match &self.tls {
            Some(client) => Arc::clone(client),
            None => {
                let (options, memory) = (options.clone(), self.config.tls_memory().clone());
                let loaded = tokio::task::spawn_blocking(move || memory.load(&options)).await;
                Arc::clone(self.tls.insert(loaded.map_err(std::io::Error::other)??))
            }
        };
        let host = match &spec.host {
            Some(Host::Tcp(name)) => Some(name.clone()),
            _ => None,
        };
        Ok(TlsRoute { client, host, negotiation: options.negotiation, mode: options.mode })
    }

    fn record(&mut self, endpoint: &Endpoint, failure: ConnectFailure) -> Failed {
        let failed = Failed::from(&failure);
        self.attempts.push(Attempt { target: endpoint.to_string(), failure });
        failed
    }

    async fn within_limit<T>(
        &self,
        step: impl Future<Output = Result<T, ConnectFailure>>,
    ) -> Result<T, ConnectFailure> {
        let deadline = self.config.connect_timeout_limit().map(|limit| Instant::now() + limit);
        self.within(deadline, step).await
    }

    async fn within<T>(
        &self,
        deadline: Option<Instant>,
        step: impl Future<Output = Result<T, ConnectFailure>>,
    ) -> Result<T, ConnectFailure> {
        match (self.config.connect_timeout_limit(), deadline) {
            (Some(limit), Some(deadline)) => match timeout_at(deadline, step).await {
                Ok(done) => done,
                Err(_) => Err(ConnectFailure::Timeout { limit, stage: self.stage }),
            },
            _ => step.await,
        }
    }
}

impl Encryption {
    fn described(self) -> &'static str {
        match self {
            Self::Plain => "without TLS",
            Self::Tls => "with TLS",
        }
    }
}

/// What follows from a failure.
struct Failed {
    next: Next,
    /// Whether libpq's rule for `allow` and `prefer` lets the same address be tried in the other way: the server does not let
    /// us in like this (SQLSTATE 28000, which is what pg_hba.conf causes), or TLS did not come about.
    other_encryption: bool,
}

impl From<&ConnectFailure> for Failed {
    fn from(failure: &ConnectFailure) -> Self {
        if let Some(server) = failure.server() {
            let state = server.code();
            let next = if state == Some(SqlState::CANNOT_CONNECT_NOW) { Next::Host } else { Next::Stop };
            let other_encryption = state == Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
            return Self { next, other_encryption };
        }
        match failure {
            ConnectFailure::Credential(_) | ConnectFailure::Randomness(_) => {
                Self { next: Next::Stop, other_encryption: false }
            }
            ConnectFailure::Tls(error) if !matches!(error, TlsError::Refused { .. }) => {
                Self { next: Next::Address, other_encryption: true }
            }
            // A refusal under prefer went on in plain already; and a server that breaks off is not asked in plain.
            _ => Self { next: Next::Address, other_encryption: false },
        }
    }
}

/// A random order, so that many clients spread over the hosts. It need not be fit for keys.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let random = getrandom::u64().unwrap_or_default();
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(last, usize::try_from(random % bound).unwrap_or(last));
    }
}
