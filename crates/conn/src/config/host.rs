//! Servers: how each is reached, which kind is wanted, in which order they are tried.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host name or an IP address, over TCP.
    Tcp(String),
    /// The directory of a Unix socket; the socket's name in it follows from the port.
    Unix(PathBuf),
}

impl Host {
    /// As libpq reads it: what begins with a slash (or, for Linux's abstract sockets, with an @) is a directory of sockets.
    pub fn parse(host: impl Into<String>) -> Self {
        let host = host.into();
        if host.starts_with(['/', '@']) { Self::Unix(PathBuf::from(host)) } else { Self::Tcp(host) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name) => f.write_str(name),
            Self::Unix(directory) => write!(f, "{}", directory.display()),
        }
    }
}

/// One server of several, as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSpec {
    /// Its name, or the directory of its socket. `None`: the platform's default socket, or only an address.
    pub host: Option<Host>,
    /// Its address, which saves looking its name up.
    pub hostaddr: Option<IpAddr>,
    /// The TCP port, or the number in the name of the Unix socket.
    pub port: u16,
}

impl fmt::Display for HostSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.hostaddr) {
            (Some(host), _) => write!(f, "{host}:{}", self.port),
            (None, Some(address)) => write!(f, "{address}:{}", self.port),
            (None, None) => write!(f, "the default socket, port {}", self.port),
        }
    }
}

/// What kind of server is wanted (`target_session_attrs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any.
    #[default]
    Any,
    /// One that takes writes by default.
    ReadWrite,
    /// One that takes none by default.
    ReadOnly,
    /// One that is not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

impl TargetSessionAttrs {
    /// The name in `target_session_attrs`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

/// In which order hosts and their addresses are tried (`load_balance_hosts`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBalanceHosts {
    /// As they are listed.
    #[default]
    Disable,
    /// In a random order, another one for each connection.
    Random,
}
