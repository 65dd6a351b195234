//! Why no connection could be made: each attempt, and how it ended.

use std::fmt;
use std::io;
use std::time::Duration;

use cornac_proto::SqlState;
use cornac_proto::handshake::{HandshakeError, TlsRequestError};
use cornac_proto::message::ServerMessage;

use crate::credentials::CredentialError;
use crate::tls::TlsError;

/// Why no connection could be made: what was tried, in order, and how each attempt ended.
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<Attempt>,
}

/// One attempt to connect.
#[derive(Debug)]
pub struct Attempt {
    /// What was tried: a host with its address and port, or a socket file.
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
    /// The socket failed while the handshake was going on.
    #[error("{error}, {stage}")]
    Broken {
        /// What the operating system said.
        error: io::Error,
        /// How far the handshake had got.
        stage: &'static str,
    },
    /// The server's answer to the question whether it speaks TLS.
    #[error("{0}")]
    TlsRequest(#[from] TlsRequestError),
    /// There is no encrypted channel.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The handshake failed.
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    /// GSSAPI failed on our side of it.
    #[error("{0}")]
    Gssapi(#[from] GssapiError),
    /// The server is not of the kind that `target_session_attrs` asks for.
    #[error("{what}, and target_session_attrs={wanted} was asked for")]
    SessionAttributes {
        /// What the server is.
        what: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The server could not be asked whether it is of that kind.
    #[error("the server could not be asked whether it takes writes: {0}")]
    SessionQuery(Box<crate::Error>),
    /// The process at the other end of a Unix socket belongs to another user than `requirepeer` says.
    #[error("the server at the other end runs as {actual}, and requirepeer={wanted:?} was asked for")]
    Peer {
        /// The user that was asked for.
        wanted: String,
        /// The user that it is.
        actual: String,
    },
    /// It took too long.
    #[error("timed out after {limit:?}, {stage}")]
    Timeout {
        /// The configured limit.
        limit: Duration,
        /// How far it had got.
        stage: &'static str,
    },
    /// The caller's own function that gives the password, or the token, failed.
    #[error("no password or token: {0}")]
    Credential(CredentialError),
    /// The operating system has no random numbers to give.
    #[error("no randomness for the SCRAM nonce: {0}")]
    Randomness(getrandom::Error),
    /// The platform has no such sockets.
    #[error("there are no Unix sockets on this platform")]
    NoUnixSockets,
}

/// Why GSSAPI did not prove who is who.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GssapiError {
    /// Kerberos knows a server by the name of its host, and none is configured: a Unix socket has none.
    #[error("the server asks for GSSAPI, which needs a host name, and there is none for a Unix socket")]
    NoHost,
    /// The library failed: no ticket, an unknown service, a Kerberos server that cannot be reached, a token that is not the server's.
    #[error("GSSAPI: {doing}: {said}")]
    Library {
        /// What it was doing, as a sentence.
        doing: &'static str,
        /// What it says.
        said: String,
    },
    /// The library would go on without the server's proof of who it is.
    #[error("GSSAPI: the server did not prove who it is (no mutual authentication)")]
    NotMutual,
}

impl ConnectError {
    pub(crate) fn new(attempts: Vec<Attempt>) -> Self {
        Self { attempts }
    }

    /// What was tried, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// What was tried, in order, as values of one's own.
    pub fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }

    /// What the server that was tried last said, if it said no.
    pub(crate) fn server(&self) -> Option<&ServerMessage> {
        self.attempts.iter().rev().find_map(|attempt| attempt.failure.server())
    }

    /// Whether trying again later could help.
    pub(crate) fn is_transient(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.failure.is_transient())
    }
}

impl ConnectFailure {
    /// What the server said, if it said no.
    pub fn server(&self) -> Option<&ServerMessage> {
        match self {
            Self::Handshake(HandshakeError::Refused(server)) => Some(server),
            _ => None,
        }
    }

    /// The SQLSTATE with which the server said no.
    pub(super) fn sql_state(&self) -> Option<SqlState> {
        self.server().and_then(ServerMessage::code)
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Io(_)
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::SessionAttributes { .. }
            | Self::SessionQuery(_) => true,
            Self::TlsRequest(error) => *error == TlsRequestError::Eof,
            Self::Handshake(error) => matches!(error, HandshakeError::Eof { .. }),
            _ => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts.is_empty() {
            return f.write_str("there is no address to connect to");
        }
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
