//! From the first byte of a connection to its first ReadyForQuery.

mod error;
mod gss;
mod policy;
mod state;
mod tls_request;

use std::fmt;

use zeroize::Zeroizing;

use crate::auth::scram::{ClientNonce, Derivation, ScramCredentials, ScramKeys};
use crate::auth::{ScramLimits, Secret};
use crate::buffer::{ReceiveBuffer, SendBuffer};
use crate::error::Violation;
use crate::frame::{Limits, Phase};
use crate::message::{self, Backend, ProtocolVersion, ServerMessage, TransactionStatus};
use crate::session::{Parameters, Session};

pub use error::HandshakeError;
use gss::AwaitGssToken;
pub use policy::{AuthPolicy, ChannelBindingMode, Method, Methods};
use state::{AwaitRequest, AwaitToken, Deriving, Next, State};
pub use tls_request::{TlsAnswer, TlsRequest, TlsRequestError};

/// The handshake of one connection: startup packet, authentication, the server's first reports.
///
/// The owner moves bytes, derives keys and keeps time; this type decides. Its methods come in three kinds:
///
/// - [`receive_room`](Self::receive_room), [`handle_received`](Self::handle_received), [`handle_bytes`](Self::handle_bytes), [`handle_sent`](Self::handle_sent),
///   [`handle_derivation`](Self::handle_derivation), [`handle_token`](Self::handle_token),
///   [`handle_gss_token`](Self::handle_gss_token), [`handle_eof`](Self::handle_eof): what happened outside;
/// - [`poll_step`](Self::poll_step): what the owner must do next. Before that it sends all that is
///   [`unsent`](Self::unsent);
/// - getters, which change nothing.
///
/// After an error the handshake is over: there is no way on, and the socket is to be closed.
#[must_use = "a handshake does nothing until its bytes are moved"]
pub struct Handshake {
    receive: ReceiveBuffer,
    phase: Phase,
    state: State,
    context: Context,
}

/// What a handshake needs to know.
#[derive(Clone, Debug)]
pub struct HandshakeConfig {
    /// The role to become. It is hashed into an MD5 password, and sent in the startup packet.
    pub user: String,
    /// The password, if there is one.
    pub password: Option<Secret>,
    /// The keys of SCRAM, in place of the password.
    pub scram_keys: Option<ScramKeys>,
    /// What else stands in the startup packet: database, application_name, client_encoding, ...
    pub parameters: Vec<(String, String)>,
    /// The protocol version to ask for. 3.0 by default, as in libpq.
    pub version: ProtocolVersion,
    /// The oldest version to accept. 3.0 by default.
    pub minimum_version: ProtocolVersion,
    /// What may be asked of us to authenticate.
    pub policy: AuthPolicy,
    /// How much work SCRAM may ask for.
    pub scram_limits: ScramLimits,
    /// How long messages may be, here and in the session.
    pub limits: Limits,
}

impl HandshakeConfig {
    /// The defaults for a role, without a password.
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: None,
            scram_keys: None,
            parameters: Vec::new(),
            version: ProtocolVersion::V3_0,
            minimum_version: ProtocolVersion::V3_0,
            policy: AuthPolicy::default(),
            scram_limits: ScramLimits::default(),
            limits: Limits::default(),
        }
    }
}

/// What the owner of a handshake must do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// Send what is unsent, then read more.
    Read,
    /// Run [`Derivation::step`] until it is done, away from the reactor and under the connect deadline (or
    /// give it a remembered key), then pass it to [`Handshake::handle_derivation`].
    Derive(Box<Derivation>),
    /// Fetch a bearer token, and pass it to [`Handshake::handle_token`].
    FetchToken,
    /// Hand the server's token, if it has sent one, to a security context of the GSSAPI library, away from the reactor and under
    /// the connect deadline, and pass the outcome to [`Handshake::handle_gss_token`].
    AskGssapi(Option<Vec<u8>>),
    /// What was asked for has not come back: the derivation, or the token.
    AwaitOwner,
    /// The server has something to say; the handshake goes on.
    Notice(ServerMessage),
    /// The session is ready.
    Ready(Box<Established>),
}

/// A handshake that succeeded.
#[derive(Debug)]
pub struct Established {
    /// The session. Bytes that came behind ReadyForQuery are in it.
    pub session: Session,
    /// What cancels its statements. Some poolers give none.
    pub cancel_key: Option<CancelKey>,
    /// The version that is spoken.
    pub version: ProtocolVersion,
    /// The keys of SCRAM, where that was the way in: to be remembered for the salt and the iterations of its derivation.
    pub scram_keys: Option<ScramKeys>,
}

/// What a CancelRequest needs to name a backend, and to prove that it may.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelKey {
    process_id: i32,
    secret_key: Zeroizing<Vec<u8>>,
}

impl CancelKey {
    /// `secret_key` is 4 bytes long in protocol 3.0, and 4 to 256 in 3.2.
    pub fn new(process_id: i32, secret_key: &[u8]) -> Self {
        Self { process_id, secret_key: Zeroizing::new(secret_key.to_vec()) }
    }

    /// The backend's process id.
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The key that proves the right to cancel.
    pub fn secret_key(&self) -> &[u8] {
        &self.secret_key
    }
}

impl fmt::Debug for CancelKey {
    /// Hides the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKey").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}

/// What the states share.
struct Context {
    send: SendBuffer,
    user: String,
    policy: AuthPolicy,
    scram_limits: ScramLimits,
    version: ProtocolVersion,
    minimum_version: ProtocolVersion,
    parameters: Parameters,
    cancel_key: Option<CancelKey>,
    scram_keys: Option<ScramKeys>,
    status: TransactionStatus,
    limits: Limits,
}

impl Handshake {
    /// Writes the startup packet. `nonce` is for SCRAM, and must be fresh and random.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Encode`] when a parameter cannot be written (it contains a NUL, or is too long).
    pub fn new(config: HandshakeConfig, nonce: ClientNonce) -> Result<Self, HandshakeError> {
        let mut send = SendBuffer::default();
        let user = std::iter::once(("user", &*config.user));
        let parameters = config.parameters.iter().map(|(name, value)| (&**name, &**value));
        message::startup_message(send.tail(), config.version, user.chain(parameters))?;
        // No server lets anybody in with an empty password, and libpq takes it for none.
        let password = config.password.filter(|password| !password.expose().is_empty());
        let scram = config.scram_keys.map(ScramCredentials::Keys);
        let scram = scram.or_else(|| password.clone().map(ScramCredentials::Password));
        let request = AwaitRequest { password, scram, nonce, negotiated: false };
        Ok(Self {
            receive: ReceiveBuffer::default(),
            phase: Phase::Unauthenticated,
            state: State::Request(request),
            context: Context {
                send,
                user: config.user,
                policy: config.policy,
                scram_limits: config.scram_limits,
                version: config.version,
                minimum_version: config.minimum_version,
                parameters: Parameters::default(),
                cancel_key: None,
                scram_keys: None,
                status: TransactionStatus::Idle,
                limits: config.limits,
            },
        })
    }

    /// Room to read into, of sensible size; [`handle_received`](Self::handle_received) says how much of it was filled.
    #[inline]
    pub fn receive_room(&mut self) -> &mut [u8] {
        self.receive.room()
    }

    /// The first `count` bytes of [`receive_room`](Self::receive_room) were filled.
    #[inline]
    pub fn handle_received(&mut self, count: usize) {
        self.receive.handle_received(count);
    }

    /// Takes bytes that came, however they were split.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.receive.append(bytes);
    }

    /// `count` bytes of [`unsent`](Self::unsent) were sent.
    pub fn handle_sent(&mut self, count: usize) {
        self.context.send.handle_sent(count);
    }

    /// The server closed its side.
    pub fn handle_eof(&mut self) -> HandshakeError {
        let stage = self.stage();
        self.state = State::Over;
        HandshakeError::Eof { stage, partial: self.receive.partial() }
    }

    /// The derivation that [`Step::Derive`] handed out is done; writes the client's proof. A derivation that
    /// is not done is finished here, which takes as long as it takes.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Encode`], which cannot happen with messages of SCRAM's sizes.
    pub fn handle_derivation(&mut self, derivation: Derivation) -> Result<(), HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Deriving(Deriving) => self.state = Deriving::prove(derivation, &mut self.context)?,
            other => self.state = other,
        }
        Ok(())
    }

    /// The token that [`Step::FetchToken`] asked for; writes it.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::TokenMalformed`]; the handshake is then over.
    pub fn handle_token(&mut self, token: &Secret) -> Result<(), HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Token(AwaitToken) => self.state = AwaitToken::send(token, &mut self.context)?,
            other => self.state = other,
        }
        Ok(())
    }

    /// The token that [`Step::AskGssapi`] asked for, which may be empty; writes it. `is_established` says that the library has nothing
    /// more to hear: the server has proven who it is.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Encode`] for a token that is longer than a message.
    pub fn handle_gss_token(&mut self, token: &[u8], is_established: bool) -> Result<(), HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::GssToken(AwaitGssToken) => {
                self.state = AwaitGssToken::send(token, is_established, &mut self.context)?;
            }
            other => self.state = other,
        }
        Ok(())
    }

    /// What to do next.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the handshake is then over.
    pub fn poll_step(&mut self) -> Result<Step, HandshakeError> {
        self.step().inspect_err(|_| self.state = State::Over)
    }

    fn step(&mut self) -> Result<Step, HandshakeError> {
        loop {
            if matches!(self.state, State::Deriving(_) | State::Token(_) | State::GssToken(_)) {
                return Ok(Step::AwaitOwner);
            }
            let Some(frame) = self.receive.take_frame(&self.context.limits, self.phase)? else {
                return Ok(Step::Read);
            };
            let message = Backend::decode(frame).map_err(Violation::from)?;
            match message {
                Backend::ErrorResponse(error) => {
                    let state = std::mem::replace(&mut self.state, State::Over);
                    return Err(state.refused(error.into()));
                }
                Backend::NoticeResponse(notice) => return Ok(Step::Notice(notice.into())),
                _ => {}
            }
            let state = std::mem::replace(&mut self.state, State::Over);
            match state.handle(&message, &mut self.context)? {
                Next::State(state) => {
                    if matches!(state, State::Ready(_)) {
                        self.phase = Phase::Authenticated;
                    }
                    self.state = state;
                }
                Next::Derive(derivation) => {
                    self.state = State::Deriving(Deriving);
                    return Ok(Step::Derive(derivation));
                }
                Next::Token => {
                    self.state = State::Token(AwaitToken);
                    return Ok(Step::FetchToken);
                }
                Next::Gss(token) => {
                    self.state = State::GssToken(AwaitGssToken);
                    return Ok(Step::AskGssapi(token));
                }
                Next::Done => return Ok(Step::Ready(Box::new(self.establish()))),
            }
        }
    }

    /// Bytes that must go out, all of them and in order.
    pub fn unsent(&self) -> &[u8] {
        self.context.send.unsent()
    }

    /// How far the handshake has got, as a phrase that stands behind "the server did not answer".
    pub fn stage(&self) -> &'static str {
        self.state.stage()
    }

    fn establish(&mut self) -> Established {
        let context = &mut self.context;
        Established {
            session: Session::new(
                std::mem::take(&mut self.receive),
                std::mem::take(&mut context.parameters),
                context.status,
                context.limits,
            ),
            cancel_key: context.cancel_key.take(),
            version: context.version,
            scram_keys: context.scram_keys.take(),
        }
    }
}

impl fmt::Debug for Handshake {
    /// Shows where the handshake stands, never what is in its buffers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("user", &self.context.user)
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}
