//! Where servers may listen: names to addresses, addresses to sockets.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, lookup_host};

use super::error::ConnectFailure;
use crate::config::{Host, HostSpec};
use crate::stream::Socket;

/// One place where a server may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp {
        address: SocketAddr,
        /// The name that was resolved, where there was one.
        name: Option<String>,
    },
    Unix(PathBuf),
}

/// What a socket is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketOptions {
    pub(crate) keepalives: bool,
    /// `None` leaves it to the operating system, here and below.
    pub(crate) keepalives_idle: Option<Duration>,
    pub(crate) keepalives_interval: Option<Duration>,
    pub(crate) keepalives_count: Option<u32>,
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) require_peer: Option<String>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            keepalives: true,
            keepalives_idle: None,
            keepalives_interval: None,
            keepalives_count: None,
            tcp_user_timeout: None,
            require_peer: None,
        }
    }
}

/// The addresses of a host, those of both families in turn (RFC 8305, section 4).
pub(super) async fn resolve(spec: &HostSpec) -> Result<Vec<Endpoint>, ConnectFailure> {
    let tcp = |address, name| Endpoint::Tcp { address: SocketAddr::new(address, spec.port), name };
    match (&spec.host, spec.hostaddr) {
        (Some(Host::Unix(directory)), None) => Ok(vec![Endpoint::Unix(socket_path(directory, spec.port))]),
        (Some(Host::Tcp(name)), Some(address)) => Ok(vec![tcp(address, Some(name.clone()))]),
        (_, Some(address)) => Ok(vec![tcp(address, None)]),
        (Some(Host::Tcp(name)), None) => {
            if let Ok(address) = name.parse::<IpAddr>() {
                return Ok(vec![tcp(address, None)]);
            }
            let found = lookup_host((name.as_str(), spec.port)).await.map_err(ConnectFailure::Resolve)?;
            let endpoint = |address| Endpoint::Tcp { address, name: Some(name.clone()) };
            Ok(families_in_turn(found.collect()).into_iter().map(endpoint).collect())
        }
        (None, None) => Ok(default_endpoints(spec.port)),
    }
}

/// Where distributions put the socket, if no host is named.
#[cfg(unix)]
fn default_endpoints(port: u16) -> Vec<Endpoint> {
    let paths = ["/run/postgresql", "/var/run/postgresql", "/tmp"]
        .map(|directory| socket_path(Path::new(directory), port));
    let existing = paths.iter().find(|path| path.exists()).or(paths.last());
    existing.map(|path| Endpoint::Unix(path.clone())).into_iter().collect()
}

#[cfg(not(unix))]
fn default_endpoints(port: u16) -> Vec<Endpoint> {
    let localhost = IpAddr::from([127, 0, 0, 1]);
    vec![Endpoint::Tcp { address: SocketAddr::new(localhost, port), name: Some("localhost".to_owned()) }]
}

/// The resolver's order, but the two families alternate, so that one that leads nowhere costs one delay only.
fn families_in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

impl Endpoint {
    pub(crate) async fn open(&self, options: &SocketOptions) -> Result<Socket, ConnectFailure> {
        match self {
            Self::Tcp { address, .. } => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                options.apply(&SockRef::from(&socket))?;
                let stream = socket.connect(*address).await?;
                // Without it, the second of two small writes waits 40 ms for the server's acknowledgement.
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(in_namespace(path)).await?;
                if let Some(wanted) = &options.require_peer {
                    super::peer::check(&stream, wanted)?;
                }
                Ok(Socket::Unix(stream))
            }
            #[cfg(not(unix))]
            Self::Unix(_) => Err(ConnectFailure::NoUnixSockets),
        }
    }

    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl SocketOptions {
    fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_keepalive(self.keepalives)?;
        if self.keepalives {
            let mut keepalive = TcpKeepalive::new();
            if let Some(idle) = self.keepalives_idle {
                keepalive = keepalive.with_time(idle);
            }
            if let Some(interval) = self.keepalives_interval {
                keepalive = keepalive.with_interval(interval);
            }
            #[cfg(unix)]
            if let Some(count) = self.keepalives_count {
                keepalive = keepalive.with_retries(count);
            }
            socket.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(target_os = "linux")]
        if self.tcp_user_timeout.is_some() {
            socket.set_tcp_user_timeout(self.tcp_user_timeout)?;
        }
        Ok(())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, name: None } => write!(f, "{address}"),
            Self::Tcp { address, name: Some(name) } => write!(f, "{name} ({address})"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A host as it is configured, for messages about it as a whole.
pub(super) fn target(spec: &HostSpec) -> String {
    match (&spec.host, spec.hostaddr) {
        (Some(Host::Tcp(name)), _) => format!("{name}:{}", spec.port),
        (Some(Host::Unix(directory)), _) => socket_path(directory, spec.port).display().to_string(),
        (None, Some(address)) => SocketAddr::new(address, spec.port).to_string(),
        (None, None) => format!("the default socket, port {}", spec.port),
    }
}

fn socket_path(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

/// A name that begins with @ is in Linux's namespace of sockets without files, where it begins with a NUL.
#[cfg(unix)]
fn in_namespace(path: &Path) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(name) => PathBuf::from(format!("\0{name}")),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let mixed = families_in_turn(addresses.iter().map(|address| address.parse().unwrap()).collect());
        let shown = mixed.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
        assert_eq!(shown, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(families_in_turn(vec![]), []);
    }
}
