//! Why a handshake did not end in a session.

use crate::auth::ScramError;
use crate::error::{EncodeError, Violation};
use crate::message::{BackendTag, ServerMessage};

use super::policy::Method;

/// Why there is no session. The socket is to be closed: a server does not go on behind any of these.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The server said no: a wrong password, an unknown database, too many connections, ...
    #[error("{0}")]
    Refused(ServerMessage),
    /// The server broke the protocol.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// SCRAM failed, which is how a forged server shows.
    #[error("SCRAM authentication failed: {0}")]
    Scram(#[from] ScramError),
    /// The server asks for a method that the configuration forbids.
    #[error("the server asks for authentication method {asked}, which the configuration forbids")]
    MethodForbidden {
        /// What the server asked for.
        asked: Method,
    },
    /// The server let us in, or asked for a method, without the channel binding that the configuration requires.
    #[error("channel binding is required, and {what}")]
    ChannelBindingMissing {
        /// What stood in its place.
        what: &'static str,
    },
    /// The server asks for the password in clear over a transport that hides nothing.
    #[error(
        "the server asks for the password in clear, and the connection is not encrypted; use TLS or scram-sha-256"
    )]
    CleartextForbidden,
    /// The server asks for a bearer token, and there is no way to one.
    #[error("the server asks for a bearer token (OAUTHBEARER), and none is configured")]
    TokenMissing,
    /// A token with characters that cannot stand in one (RFC 6750, section 2.1).
    #[error("the bearer token contains characters that no token has")]
    TokenMalformed,
    /// The server does not take the token.
    #[error("{server}")]
    TokenRefused {
        /// What it said at last.
        server: ServerMessage,
        /// Its challenge (RFC 7628, section 3.2.2): JSON that says where tokens come from, and for what scope.
        challenge: String,
    },
    /// The server asks for GSSAPI or SSPI, which this program was built without.
    #[error(
        "the server asks for {asked}, and GSSAPI is not built in; the cargo feature \"gssapi\" of cornac or cornac-conn adds it"
    )]
    GssapiMissing {
        /// The server's request.
        asked: &'static str,
    },
    /// The server asks for a password, and there is none.
    #[error("the server asks for a password (method {method}), and none is configured")]
    PasswordMissing {
        /// What the server asked for.
        method: Method,
    },
    /// The server asks for a method that is not built in.
    #[error(
        "the server asks for {asked}, which is not supported; supported are trust, password, md5, scram-sha-256, oauth and gss"
    )]
    Unsupported {
        /// The server's request, and the mechanisms that it listed.
        asked: String,
    },
    /// The server offers a protocol version below the configured minimum.
    #[error("the server speaks protocol {newest} at most, and the configuration asks for {minimum} at least")]
    ProtocolTooOld {
        /// What the server speaks.
        newest: crate::message::ProtocolVersion,
        /// The configured minimum.
        minimum: crate::message::ProtocolVersion,
    },
    /// The server closed the connection.
    #[error("the server closed the connection {stage}{}", reading(*.partial))]
    Eof {
        /// How far the handshake had got, as a phrase.
        stage: &'static str,
        /// Which message had come in part.
        partial: Option<BackendTag>,
    },
    /// The startup packet cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

fn reading(partial: Option<BackendTag>) -> String {
    partial.map(|tag| format!(", in the middle of {tag}")).unwrap_or_default()
}
