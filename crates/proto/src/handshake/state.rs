//! The states between StartupMessage and ReadyForQuery: one struct each, consumed by value.

use crate::auth::scram::{self, ClientNonce, Derivation, ScramCredentials};
use crate::auth::{ChannelBinding, Secret, md5};
use crate::error::{Awaited, Violation};
use crate::message::{self, Authentication, Backend, ProtocolVersion, SaslMechanisms, ServerMessage};

use super::error::HandshakeError;
use super::gss::{AwaitGssContinue, AwaitGssToken};
use super::policy::{AuthPolicy, ChannelBindingMode, Method};
use super::{CancelKey, Context};

const SCRAM: &str = "SCRAM-SHA-256";
const OAUTHBEARER: &str = "OAUTHBEARER";

/// How much of a challenge is kept, in characters: it comes from a stranger, and goes into errors.
const CHALLENGE_LEN_MAX: usize = 4096;

const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Where the handshake stands.
pub(super) enum State {
    Request(AwaitRequest),
    ServerFirst(AwaitServerFirst),
    Deriving(Deriving),
    ServerFinal(AwaitServerFinal),
    Token(AwaitToken),
    TokenVerdict(AwaitTokenVerdict),
    TokenRefusal(AwaitTokenRefusal),
    GssToken(AwaitGssToken),
    GssContinue(AwaitGssContinue),
    Ok(AwaitOk),
    Ready(AwaitReady),
    /// It ended, well or badly.
    Over,
}

/// What a message led to.
pub(super) enum Next {
    State(State),
    /// A key must be derived before the next message can be written.
    Derive(Box<Derivation>),
    /// A bearer token must be fetched before the next message can be written.
    Token,
    /// A token of GSSAPI must be asked for before the next message can be written: what the server's last one was.
    Gss(Option<Vec<u8>>),
    /// ReadyForQuery.
    Done,
}

impl State {
    /// How far the handshake has got, to stand behind "the server closed the connection" or "timed out".
    pub(super) fn stage(&self) -> &'static str {
        match self {
            Self::Request(_) => "before it asked for authentication",
            Self::ServerFirst(_) | Self::Deriving(_) | Self::ServerFinal(_) => "during SCRAM authentication",
            Self::Token(_) | Self::TokenVerdict(_) | Self::TokenRefusal(_) => {
                "during OAUTHBEARER authentication"
            }
            Self::GssToken(_) | Self::GssContinue(_) => "during GSSAPI authentication",
            Self::Ok(_) => "before it accepted the authentication",
            Self::Ready(_) => "between authentication and ReadyForQuery",
            Self::Over => "after the handshake",
        }
    }

    pub(super) fn handle(self, message: &Backend<'_>, context: &mut Context) -> Result<Next, HandshakeError> {
        match self {
            Self::Request(state) => state.handle(message, context),
            Self::ServerFirst(state) => state.handle(message),
            Self::ServerFinal(state) => state.handle(message, context),
            Self::TokenVerdict(AwaitTokenVerdict) => AwaitTokenVerdict::handle(message, context),
            Self::TokenRefusal(_) => Err(unexpected(message, "ErrorResponse about the bearer token")),
            Self::Token(_) => Err(unexpected(message, "nothing: the client fetches a token")),
            Self::GssToken(_) => Err(unexpected(message, "nothing: the client asks for a token of GSSAPI")),
            Self::GssContinue(AwaitGssContinue) => AwaitGssContinue::handle(message),
            Self::Ok(AwaitOk) => AwaitOk::handle(message),
            Self::Ready(state) => state.handle(message, context),
            Self::Deriving(_) => Err(unexpected(message, "nothing: the client computes its SCRAM proof")),
            Self::Over => Err(unexpected(message, "nothing: the handshake is over")),
        }
    }
}

impl State {
    /// What it means that the server says no.
    pub(super) fn refused(self, server: ServerMessage) -> HandshakeError {
        match self {
            Self::TokenRefusal(AwaitTokenRefusal { challenge }) => {
                HandshakeError::TokenRefused { server, challenge }
            }
            _ => HandshakeError::Refused(server),
        }
    }
}

/// The startup packet is written; the server says how we are to prove who we are.
pub(super) struct AwaitRequest {
    pub(super) password: Option<Secret>,
    pub(super) scram: Option<ScramCredentials>,
    pub(super) nonce: ClientNonce,
    /// Whether NegotiateProtocolVersion has come: a server says it once.
    pub(super) negotiated: bool,
}

impl AwaitRequest {
    fn handle(self, message: &Backend<'_>, context: &mut Context) -> Result<Next, HandshakeError> {
        let request = match message {
            Backend::Authentication(request) => *request,
            Backend::NegotiateProtocolVersion(answer) if !self.negotiated => {
                negotiate(answer.newest(), answer.options_len(), context)?;
                return Ok(Next::State(State::Request(Self { negotiated: true, ..self })));
            }
            other => return Err(unexpected(other, "an authentication request")),
        };
        match request {
            Authentication::Ok => {
                permit(Method::None, &context.policy)?;
                Ok(Next::State(State::Ready(AwaitReady)))
            }
            Authentication::CleartextPassword => self.send_cleartext(context),
            Authentication::Md5Password { salt } => self.send_md5(salt, context),
            Authentication::Sasl(mechanisms) => self.begin_sasl(mechanisms, context),
            Authentication::SaslContinue(_)
            | Authentication::SaslFinal(_)
            | Authentication::GssContinue(_) => Err(unexpected(message, "an authentication request")),
            Authentication::Gss => begin_gss(Method::Gss, request.name(), context),
            // A server on Windows that asks for SSPI understands GSSAPI's tokens of Kerberos.
            Authentication::Sspi => begin_gss(Method::Sspi, request.name(), context),
            Authentication::KerberosV5 => {
                Err(HandshakeError::Unsupported { asked: request.name().to_owned() })
            }
        }
    }

    fn send_cleartext(self, context: &mut Context) -> Result<Next, HandshakeError> {
        permit(Method::Password, &context.policy)?;
        if !context.policy.cleartext {
            return Err(HandshakeError::CleartextForbidden);
        }
        let password = self.password.ok_or(HandshakeError::PasswordMissing { method: Method::Password })?;
        message::password_message(context.send.tail(), password.expose())?;
        Ok(Next::State(State::Ok(AwaitOk)))
    }

    fn send_md5(self, salt: [u8; 4], context: &mut Context) -> Result<Next, HandshakeError> {
        permit(Method::Md5, &context.policy)?;
        let password = self.password.ok_or(HandshakeError::PasswordMissing { method: Method::Md5 })?;
        let hashed = md5::password(context.user.as_bytes(), &password, salt);
        message::password_message(context.send.tail(), hashed.expose())?;
        Ok(Next::State(State::Ok(AwaitOk)))
    }

    fn begin_sasl(
        self,
        mechanisms: SaslMechanisms<'_>,
        context: &mut Context,
    ) -> Result<Next, HandshakeError> {
        let offered = |name: &str| mechanisms.iter().any(|mechanism| mechanism == *name);
        if offered(OAUTHBEARER) && !offered(SCRAM) && !offered(SCRAM_PLUS) {
            permit(Method::Oauth, &context.policy)?;
            if !context.policy.cleartext {
                return Err(HandshakeError::CleartextForbidden);
            }
            return if context.policy.has_token {
                Ok(Next::Token)
            } else {
                Err(HandshakeError::TokenMissing)
            };
        }
        if !context.policy.methods.contains(Method::ScramSha256) {
            return Err(HandshakeError::MethodForbidden { asked: Method::ScramSha256 });
        }
        let (mechanism, binding) = choose_mechanism(mechanisms, &context.policy)?;
        let credentials =
            self.scram.ok_or(HandshakeError::PasswordMissing { method: Method::ScramSha256 })?;
        // The server takes the role from the startup packet and ignores the name in here, as libpq knows too.
        let (scram, first) =
            scram::ClientFirst::new("", credentials, self.nonce, binding, context.scram_limits).into_parts();
        message::sasl_initial_response(context.send.tail(), mechanism, Some(&first))?;
        Ok(Next::State(State::ServerFirst(AwaitServerFirst { scram })))
    }
}

fn begin_gss(method: Method, asked: &'static str, context: &Context) -> Result<Next, HandshakeError> {
    permit(method, &context.policy)?;
    if context.policy.has_gssapi { Ok(Next::Gss(None)) } else { Err(HandshakeError::GssapiMissing { asked }) }
}

/// Takes over the version that the server can speak, if it is one that was asked for.
fn negotiate(
    newest: ProtocolVersion,
    options_refused: usize,
    context: &mut Context,
) -> Result<(), HandshakeError> {
    if newest >= context.version {
        // A server negotiates because of its version or because of options; no option was asked for.
        return Err(Violation::Negotiation(
            "NegotiateProtocolVersion offers a version that is not older than the one asked for",
        )
        .into());
    }
    if options_refused > 0 {
        return Err(Violation::Negotiation(
            "NegotiateProtocolVersion refuses options that were not asked for",
        )
        .into());
    }
    if newest < context.minimum_version {
        return Err(HandshakeError::ProtocolTooOld { newest, minimum: context.minimum_version });
    }
    context.version = newest;
    Ok(())
}

/// Checks a method other than SCRAM against the policy.
fn permit(method: Method, policy: &AuthPolicy) -> Result<(), HandshakeError> {
    if policy.channel_binding == ChannelBindingMode::Require {
        let what = match method {
            Method::None => "the server accepted the connection without authentication",
            _ => "the server asks for a method that cannot be bound to the channel",
        };
        return Err(HandshakeError::ChannelBindingMissing { what });
    }
    if policy.methods.contains(method) {
        Ok(())
    } else {
        Err(HandshakeError::MethodForbidden { asked: method })
    }
}

fn choose_mechanism(
    mechanisms: SaslMechanisms<'_>,
    policy: &AuthPolicy,
) -> Result<(&'static str, ChannelBinding), HandshakeError> {
    let offered = |name: &str| mechanisms.iter().any(|mechanism| mechanism == *name);
    let (plain, plus) = (offered(SCRAM), offered(SCRAM_PLUS));
    let end_point = match policy.channel_binding {
        ChannelBindingMode::Disable => None,
        ChannelBindingMode::Prefer | ChannelBindingMode::Require => policy.tls_server_end_point.clone(),
    };
    match (end_point, policy.channel_binding) {
        (Some(hash), _) if plus => Ok((SCRAM_PLUS, ChannelBinding::TlsServerEndPoint(hash))),
        (Some(_), ChannelBindingMode::Require) => Err(HandshakeError::ChannelBindingMissing {
            what: "the server does not offer SCRAM-SHA-256-PLUS",
        }),
        (None, ChannelBindingMode::Require) => Err(HandshakeError::ChannelBindingMissing {
            what: "the connection has nothing to bind to: no TLS, or a certificate without a defined binding",
        }),
        // Says that we could have bound, so that a server that offered it notices that someone took the offer away.
        (Some(_), _) if plain => Ok((SCRAM, ChannelBinding::NotOffered)),
        (None, _) if plain => Ok((SCRAM, ChannelBinding::Unsupported)),
        _ => {
            let names = mechanisms.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
            Err(HandshakeError::Unsupported { asked: format!("SASL with {names}") })
        }
    }
}

/// The client-first message is written.
pub(super) struct AwaitServerFirst {
    scram: scram::AwaitServerFirst,
}

impl AwaitServerFirst {
    fn handle(self, message: &Backend<'_>) -> Result<Next, HandshakeError> {
        match message {
            Backend::Authentication(Authentication::SaslContinue(data)) => {
                let derivation = self.scram.handle(data)?;
                Ok(Next::Derive(Box::new(derivation)))
            }
            other => Err(unexpected(other, "AuthenticationSASLContinue")),
        }
    }
}

/// The owner derives the salted password, which takes a while.
pub(super) struct Deriving;

impl Deriving {
    pub(super) fn prove(derivation: Derivation, context: &mut Context) -> Result<State, HandshakeError> {
        let (scram, client_final) = derivation.finish();
        message::sasl_response(context.send.tail(), client_final.expose())?;
        Ok(State::ServerFinal(AwaitServerFinal { scram }))
    }
}

/// The client's proof is written; the server must now prove that it knows the password too.
pub(super) struct AwaitServerFinal {
    scram: scram::AwaitServerFinal,
}

impl AwaitServerFinal {
    fn handle(self, message: &Backend<'_>, context: &mut Context) -> Result<Next, HandshakeError> {
        match message {
            Backend::Authentication(Authentication::SaslFinal(data)) => {
                context.scram_keys = Some(self.scram.handle(data)?);
                Ok(Next::State(State::Ok(AwaitOk)))
            }
            other => Err(unexpected(other, "AuthenticationSASLFinal with the server's signature")),
        }
    }
}

/// The owner fetches a bearer token, which may take a person's while.
pub(super) struct AwaitToken;

impl AwaitToken {
    /// Writes the client's first message of RFC 7628, section 3.1.
    pub(super) fn send(token: &Secret, context: &mut Context) -> Result<State, HandshakeError> {
        let trimmed = token.expose().iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
        let (characters, _padding) = token.expose().split_at_checked(trimmed).unwrap_or_default();
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
        if characters.is_empty() || !characters.iter().all(is_token) {
            return Err(HandshakeError::TokenMalformed);
        }
        let first = Secret::new([b"n,,\x01auth=Bearer ", token.expose(), b"\x01\x01"].concat());
        message::sasl_initial_response(context.send.tail(), OAUTHBEARER, Some(first.expose()))?;
        Ok(State::TokenVerdict(AwaitTokenVerdict))
    }
}

/// The token is written; the server takes it or not.
pub(super) struct AwaitTokenVerdict;

impl AwaitTokenVerdict {
    fn handle(message: &Backend<'_>, context: &mut Context) -> Result<Next, HandshakeError> {
        match message {
            Backend::Authentication(Authentication::Ok) => Ok(Next::State(State::Ready(AwaitReady))),
            Backend::Authentication(Authentication::SaslContinue(challenge)) => {
                // The empty answer after which the server says no in words.
                message::sasl_response(context.send.tail(), b"\x01")?;
                let challenge = String::from_utf8_lossy(challenge).chars().take(CHALLENGE_LEN_MAX).collect();
                Ok(Next::State(State::TokenRefusal(AwaitTokenRefusal { challenge })))
            }
            other => Err(unexpected(other, "AuthenticationOk or a challenge")),
        }
    }
}

/// The server has refused the token, and will say so.
pub(super) struct AwaitTokenRefusal {
    challenge: String,
}

/// All was said; the server accepts it or not.
pub(super) struct AwaitOk;

impl AwaitOk {
    fn handle(message: &Backend<'_>) -> Result<Next, HandshakeError> {
        match message {
            Backend::Authentication(Authentication::Ok) => Ok(Next::State(State::Ready(AwaitReady))),
            other => Err(unexpected(other, "AuthenticationOk")),
        }
    }
}

/// We are in; the server reports its settings.
pub(super) struct AwaitReady;

impl AwaitReady {
    fn handle(self, message: &Backend<'_>, context: &mut Context) -> Result<Next, HandshakeError> {
        match message {
            Backend::ParameterStatus(report) => context.parameters.record(*report)?,
            Backend::BackendKeyData(data) if context.cancel_key.is_none() => {
                let secret_key = data.secret_key();
                if context.version < ProtocolVersion::V3_2 && secret_key.len() != 4 {
                    return Err(Violation::Negotiation(
                        "BackendKeyData of protocol 3.0 has a key that is not 4 bytes long",
                    )
                    .into());
                }
                context.cancel_key = Some(CancelKey::new(data.process_id(), secret_key));
            }
            Backend::ReadyForQuery(status) => {
                context.status = *status;
                return Ok(Next::Done);
            }
            other => return Err(unexpected(other, "ParameterStatus, BackendKeyData or ReadyForQuery")),
        }
        Ok(Next::State(State::Ready(self)))
    }
}

pub(super) fn unexpected(message: &Backend<'_>, replies: &'static str) -> HandshakeError {
    // `requests` is for sessions; a handshake has one exchange at a time.
    let awaited = Awaited { replies, requests: 0 };
    match message {
        Backend::Authentication(request) => {
            Violation::UnexpectedAuthentication { came: request.name(), awaited }.into()
        }
        other => Violation::Unexpected { came: other.tag(), awaited }.into(),
    }
}
