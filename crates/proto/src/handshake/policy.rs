//! What a client is willing to do to prove who it is, checked at every authentication message.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A way to authenticate, under the name that libpq's `require_auth` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// The server lets us in without asking for anything.
    None,
    /// The password in clear.
    Password,
    /// The password hashed with MD5.
    Md5,
    /// SCRAM-SHA-256, with or without channel binding.
    ScramSha256,
    /// GSSAPI (Kerberos).
    Gss,
    /// SSPI.
    Sspi,
    /// A bearer token (OAUTHBEARER).
    Oauth,
}

impl Method {
    /// The name in `require_auth`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Password => "password",
            Self::Md5 => "md5",
            Self::ScramSha256 => "scram-sha-256",
            Self::Gss => "gss",
            Self::Sspi => "sspi",
            Self::Oauth => "oauth",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Password => 1 << 1,
            Self::Md5 => 1 << 2,
            Self::ScramSha256 => 1 << 3,
            Self::Gss => 1 << 4,
            Self::Sspi => 1 << 5,
            Self::Oauth => 1 << 6,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Methods(u8);

impl Methods {
    /// No method at all.
    pub const EMPTY: Self = Self(0);
    /// Every method that there is.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether `method` is in the set.
    pub const fn contains(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }

    /// The set without `method`.
    #[must_use]
    pub const fn without(self, method: Method) -> Self {
        Self(self.0 & !method.bit())
    }
}

impl From<Method> for Methods {
    fn from(method: Method) -> Self {
        Self(method.bit())
    }
}

impl BitOr<Method> for Methods {
    type Output = Self;

    fn bitor(self, method: Method) -> Self {
        Self(self.0 | method.bit())
    }
}

impl BitOrAssign<Method> for Methods {
    fn bitor_assign(&mut self, method: Method) {
        *self = *self | method;
    }
}

/// libpq's `channel_binding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBindingMode {
    /// Never bind SCRAM to the TLS channel.
    Disable,
    /// Bind where both sides can.
    #[default]
    Prefer,
    /// Take nothing but SCRAM-SHA-256-PLUS.
    Require,
}

/// What is accepted from a server that asks for authentication.
#[derive(Clone, Debug)]
pub struct AuthPolicy {
    /// The methods that may end in AuthenticationOk. All by default.
    pub methods: Methods,
    /// Whether the password, or a token, may go in clear: only where the transport hides it, or the caller has said so.
    /// False by default.
    pub cleartext: bool,
    /// Whether there is a way to a bearer token, which [`Step::FetchToken`](super::Step::FetchToken) then asks for. False by default.
    pub has_token: bool,
    /// Whether the owner can ask a GSSAPI library, as [`Step::AskGssapi`](super::Step::AskGssapi) then wants it to. False by default.
    pub has_gssapi: bool,
    /// Whether SCRAM must be bound to the channel.
    pub channel_binding: ChannelBindingMode,
    /// The hash of the server's certificate (RFC 5929, `tls-server-end-point`), where there is TLS and the
    /// certificate has one.
    pub tls_server_end_point: Option<Vec<u8>>,
}

impl Default for AuthPolicy {
    fn default() -> Self {
        Self {
            methods: Methods::ALL,
            cleartext: false,
            has_token: false,
            has_gssapi: false,
            channel_binding: ChannelBindingMode::Prefer,
            tls_server_end_point: None,
        }
    }
}
