//! From a configuration to a connection: addresses, socket, handshake.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use cornac_proto::auth::scram::{ClientNonce, Derivation};
use cornac_proto::handshake::{Established, Handshake, HandshakeConfig, HandshakeError, Step};
use cornac_proto::message::ServerMessage;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::config::{Config, Host};
use crate::connection::Connection;
use crate::error::Result;
use crate::mailbox::Mailboxes;
use crate::stream::Stream;

/// Iterations of PBKDF2 between two looks at whether anybody still waits for the result: about a millisecond.
const DERIVATION_SLICE: u32 = 2048;

/// Why no connection could be made: what was tried, in order, and how each attempt ended.
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<Attempt>,
}

/// One attempt to connect.
#[derive(Debug)]
pub struct Attempt {
    /// What was tried: a host with its port, or a socket file.
    pub target: String,
    /// How it ended.
    pub failure: ConnectFailure,
}

/// How an attempt to connect ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The host name has no address.
    #[error("the host name could not be resolved: {0}")]
    Resolve(io::Error),
    /// The socket could not be opened, or failed during the handshake.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The handshake failed.
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    /// It took too long.
    #[error("timed out after {limit:?}, {stage}")]
    Timeout {
        /// The configured limit.
        limit: Duration,
        /// How far it had got.
        stage: &'static str,
    },
    /// The operating system has no random numbers to give.
    #[error("no randomness for the SCRAM nonce: {0}")]
    Randomness(getrandom::Error),
    /// The platform has no such sockets.
    #[error("there are no Unix sockets on this platform")]
    NoUnixSockets,
}

impl ConnectError {
    /// What was tried, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// What the server that was tried last said, if it said no.
    pub(crate) fn server(&self) -> Option<&ServerMessage> {
        self.attempts.iter().rev().find_map(|attempt| match &attempt.failure {
            ConnectFailure::Handshake(HandshakeError::Refused(server)) => Some(server),
            _ => None,
        })
    }

    /// Whether trying again later could help.
    pub(crate) fn is_transient(&self) -> bool {
        self.attempts.iter().any(|attempt| match &attempt.failure {
            ConnectFailure::Resolve(_) | ConnectFailure::Io(_) | ConnectFailure::Timeout { .. } => true,
            ConnectFailure::Handshake(error) => matches!(error, HandshakeError::Eof { .. }),
            ConnectFailure::Randomness(_) | ConnectFailure::NoUnixSockets => false,
        })
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Attempt { target, failure }) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { "could not connect to " } else { "; " };
            write!(f, "{separator}{target}: {failure}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.attempts.last().and_then(|attempt| std::error::Error::source(&attempt.failure))
    }
}

impl Connection {
    /// Connects: opens a socket to each address of the host in turn until one answers, and authenticates.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) with how each attempt ended. Nothing takes longer in all than the
    /// configuration's `connect_timeout`.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed, and a key derivation in progress ends within about a millisecond.
    pub async fn connect(config: &Config) -> Result<Self> {
        config.check()?;
        let mut stage = "before the socket was open";
        let mut attempts = Vec::new();
        let connecting = connect_to_each(config, &mut stage, &mut attempts);
        let connected = match config.connect_timeout_limit() {
            None => connecting.await,
            Some(limit) => match timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => {
                    let failure = ConnectFailure::Timeout { limit, stage };
                    attempts.push(Attempt { target: target(config), failure });
                    None
                }
            },
        };
        connected.ok_or_else(|| ConnectError { attempts }.into())
    }

    /// Authenticates over a transport that is connected already: a tunnel, an in-memory pipe, a simulated network.
    ///
    /// The configuration's host and port are not used, but for the question whether a password may go in clear.
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
        let mut stage = "";
        let stream = Stream::Custom { transport: Box::new(transport), unflushed: false };
        let connecting = authenticate(stream, config, &mut stage);
        let connected = match config.connect_timeout_limit() {
            None => connecting.await,
            Some(limit) => match timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectFailure::Timeout { limit, stage }),
            },
        };
        connected.map_err(|failure| {
            let attempt = Attempt { target: "the given transport".to_owned(), failure };
            ConnectError { attempts: vec![attempt] }.into()
        })
    }
}

/// Tries one address after the other; `attempts` tells what became of those that failed.
async fn connect_to_each(
    config: &Config,
    stage: &mut &'static str,
    attempts: &mut Vec<Attempt>,
) -> Option<Connection> {
    let endpoints = match resolve(config).await {
        Ok(endpoints) => endpoints,
        Err(failure) => {
            attempts.push(Attempt { target: target(config), failure });
            return None;
        }
    };
    for endpoint in endpoints {
        *stage = "before the socket was open";
        let connected = match endpoint.open().await {
            Ok(stream) => authenticate(stream, config, stage).await,
            Err(failure) => Err(failure),
        };
        match connected {
            Ok(connection) => return Some(connection),
            Err(failure) => {
                // Another address of a server that said no would say no too.
                let refused = matches!(failure, ConnectFailure::Handshake(HandshakeError::Refused(_)));
                attempts.push(Attempt { target: endpoint.to_string(), failure });
                if refused {
                    return None;
                }
            }
        }
    }
    None
}

/// One place where a server may listen.
enum Endpoint {
    Tcp(SocketAddr, String),
    Unix(PathBuf),
}

async fn resolve(config: &Config) -> Result<Vec<Endpoint>, ConnectFailure> {
    let port = config.port_number();
    match config.host_ref() {
        Host::Unix(directory) => Ok(vec![Endpoint::Unix(socket_path(directory, port))]),
        Host::Tcp(name) => {
            let addresses = lookup_host((name.as_str(), port)).await.map_err(ConnectFailure::Resolve)?;
            Ok(addresses.map(|address| Endpoint::Tcp(address, name.clone())).collect())
        }
    }
}

impl Endpoint {
    async fn open(&self) -> Result<Stream, ConnectFailure> {
        match self {
            Self::Tcp(address, _) => {
                let socket = if address.is_ipv4() {
                    tokio::net::TcpSocket::new_v4()?
                } else {
                    tokio::net::TcpSocket::new_v6()?
                };
                socket.set_keepalive(true)?;
                let stream = socket.connect(*address).await?;
                // Without it, the second of two small writes waits 40 ms for the server's acknowledgement.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(path) => Ok(Stream::Unix(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(ConnectFailure::NoUnixSockets),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address, name) if *name == address.ip().to_string() => write!(f, "{address}"),
            Self::Tcp(address, name) => write!(f, "{name} ({address})"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

fn target(config: &Config) -> String {
    match config.host_ref() {
        Host::Tcp(name) => format!("{name}:{}", config.port_number()),
        Host::Unix(directory) => socket_path(directory, config.port_number()).display().to_string(),
    }
}

fn socket_path(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

/// Drives the handshake: moves its bytes, derives its key.
async fn authenticate(
    mut stream: Stream,
    config: &Config,
    stage: &mut &'static str,
) -> Result<Connection, ConnectFailure> {
    let mut handshake = Handshake::new(handshake_config(config), fresh_nonce()?)?;
    let mut mailboxes = Mailboxes::default();
    loop {
        *stage = handshake.stage();
        match handshake.poll_step()? {
            Step::Read => exchange(&mut stream, &mut handshake).await?,
            Step::Derive(derivation) => {
                let derivation = derive(*derivation).await?;
                handshake.handle_derivation(derivation)?;
            }
            Step::Notice(notice) => mailboxes.notices.put(notice),
            Step::Ready(established) => {
                let established: Established = *established;
                return Ok(Connection::new(stream, established, mailboxes));
            }
            // Whoever polls hands every derivation back first, so that nothing else can come here.
            other => {
                let what = format!("the handshake asks for {other:?}");
                return Err(ConnectFailure::Io(io::Error::other(what)));
            }
        }
    }
}

fn handshake_config(config: &Config) -> HandshakeConfig {
    let mut handshake = HandshakeConfig::new(config.user());
    handshake.password = config.password_secret().cloned();
    handshake.parameters = config.startup_parameters();
    handshake.policy.cleartext = config.permits_cleartext();
    handshake
}

fn fresh_nonce() -> Result<ClientNonce, ConnectFailure> {
    let mut random = [0; 18];
    getrandom::fill(&mut random).map_err(ConnectFailure::Randomness)?;
    Ok(ClientNonce::from_random(&random))
}

/// Sends what is unsent, then reads something.
async fn exchange(stream: &mut Stream, handshake: &mut Handshake) -> Result<(), ConnectFailure> {
    let count = poll_fn(|cx| {
        while !handshake.unsent().is_empty() {
            match ready!(stream.poll_write(cx, handshake.unsent()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => handshake.handle_sent(count),
            }
        }
        ready!(stream.poll_flush(cx))?;
        stream.poll_read(cx, handshake.receive_buffer())
    })
    .await?;
    if count == 0 { Err(handshake.handle_eof().into()) } else { Ok(()) }
}

/// Runs PBKDF2 away from the reactor, in slices, until it is done or nobody waits for it any more.
async fn derive(mut derivation: Derivation) -> Result<Derivation, ConnectFailure> {
    let awaited = Awaited(Arc::new(AtomicBool::new(true)));
    let still_awaited = Arc::clone(&awaited.0);
    let derived = tokio::task::spawn_blocking(move || {
        // Relaxed: the flag guards nothing but time.
        while still_awaited.load(Ordering::Relaxed) && !derivation.step(DERIVATION_SLICE) {}
        derivation
    });
    derived.await.map_err(|error| ConnectFailure::Io(io::Error::other(error)))
}

/// Tells a thread that the future which waits for its result has been dropped.
struct Awaited(Arc<AtomicBool>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
