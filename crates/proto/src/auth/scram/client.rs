//! The exchange, a state at a time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::attributes::{Attributes, shortened};
use super::key::{KEY_LEN, Pbkdf2, ScramKeys};
use super::{ScramError, ScramLimits};
use crate::auth::{ChannelBinding, Secret, saslprep};

/// The client's nonce: printable ASCII without a comma. It must be fresh and random for each exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientNonce(String);

impl ClientNonce {
    /// A nonce out of random bytes, as many as libpq takes. They must come from a generator fit for keys.
    pub fn from_random(random: &[u8; 18]) -> Self {
        Self(BASE64.encode(random))
    }

    /// A nonce as it shall stand in the messages, for repeating an exchange; `None` if it cannot stand there.
    pub fn from_printable(nonce: &str) -> Option<Self> {
        (!nonce.is_empty() && is_printable(nonce)).then(|| Self(nonce.to_owned()))
    }
}

/// RFC 5802's `printable`: ASCII without blanks, control characters and commas.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// What a client proves that it has.
#[derive(Clone, Debug)]
pub enum ScramCredentials {
    /// The password, from which the keys are derived.
    Password(Secret),
    /// The keys themselves.
    Keys(ScramKeys),
}

impl From<Secret> for ScramCredentials {
    fn from(password: Secret) -> Self {
        Self::Password(password)
    }
}

impl From<ScramKeys> for ScramCredentials {
    fn from(keys: ScramKeys) -> Self {
        Self::Keys(keys)
    }
}

/// The client's first message.
#[derive(Debug)]
pub struct ClientFirst {
    next: AwaitServerFirst,
    message: Vec<u8>,
}

impl ClientFirst {
    /// Begins an exchange. PostgreSQL ignores `user` and takes the role from the startup packet; `""` is what libpq sends.
    pub fn new(
        user: &str,
        credentials: impl Into<ScramCredentials>,
        nonce: ClientNonce,
        binding: ChannelBinding,
        limits: ScramLimits,
    ) -> Self {
        let header = match &binding {
            ChannelBinding::Unsupported => "n,,",
            ChannelBinding::NotOffered => "y,,",
            ChannelBinding::TlsServerEndPoint(_) => "p=tls-server-end-point,,",
        };
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={}", nonce.0);
        let message = format!("{header}{bare}").into_bytes();
        let mut bound = header.as_bytes().to_vec();
        if let ChannelBinding::TlsServerEndPoint(hash) = binding {
            bound.extend(hash);
        }
        let credentials = credentials.into();
        Self { next: AwaitServerFirst { credentials, nonce: nonce.0, bare, bound, limits }, message }
    }

    /// The next state, and the message that must be sent to get there.
    pub fn into_parts(self) -> (AwaitServerFirst, Vec<u8>) {
        (self.next, self.message)
    }
}

/// The client's first message was sent.
pub struct AwaitServerFirst {
    credentials: ScramCredentials,
    nonce: String,
    /// The client's first message without its header.
    bare: String,
    /// The header and the channel binding, which the client's last message repeats.
    bound: Vec<u8>,
    limits: ScramLimits,
}

impl AwaitServerFirst {
    /// Takes the server's first message: nonce, salt and iterations.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn handle(self, server_first: &[u8]) -> Result<Derivation, ScramError> {
        let mut attributes = Attributes::new(server_first)?;
        if let Some(reason) = attributes.take_if('e') {
            return Err(ScramError::Refused(shortened(reason)));
        }
        let nonce = attributes.take('r')?;
        self.check_nonce(nonce)?;
        let salt = parse_salt(attributes.take('s')?)?;
        let iterations = parse_iterations(attributes.take('i')?, self.limits)?;
        attributes.finish("rsi")?;

        let without_proof = format!("c={},r={nonce}", BASE64.encode(&self.bound));
        let server_first = String::from_utf8_lossy(server_first);
        let auth_message = format!("{},{server_first},{without_proof}", self.bare);
        let work = match self.credentials {
            ScramCredentials::Password(password) => {
                Work::Pbkdf2(Pbkdf2::new(saslprep(password.expose()).expose(), &salt, iterations))
            }
            ScramCredentials::Keys(keys) => Work::Done(keys),
        };
        Ok(Derivation { work, salt, iterations, auth_message, without_proof })
    }

    fn check_nonce(&self, nonce: &str) -> Result<(), ScramError> {
        if nonce.is_empty() {
            return Err(ScramError::NonceEmpty);
        }
        if !is_printable(nonce) {
            return Err(ScramError::NonceNotPrintable);
        }
        let (ours, theirs) = (self.nonce.as_bytes(), nonce.as_bytes());
        match theirs.split_at_checked(ours.len()) {
            None => Err(ScramError::NonceMismatch),
            Some((begin, _)) if bool::from(begin.ct_ne(ours)) => Err(ScramError::NonceMismatch),
            Some((_, [])) => Err(ScramError::NonceNotExtended),
            Some(_) => Ok(()),
        }
    }
}

fn parse_salt(encoded: &str) -> Result<Vec<u8>, ScramError> {
    let salt = BASE64.decode(encoded).map_err(|_| ScramError::SaltEncoding)?;
    if salt.is_empty() { Err(ScramError::SaltEmpty) } else { Ok(salt) }
}

/// Digits and nothing else: no sign, no blank.
fn parse_iterations(text: &str, limits: ScramLimits) -> Result<u32, ScramError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ScramError::IterationsNotANumber(shortened(text)));
    }
    // A number too long for 64 bits is too many iterations all the same.
    let iterations = text.parse::<u64>().unwrap_or(u64::MAX);
    if iterations < u64::from(limits.iterations_min).max(1) {
        return Err(ScramError::TooFewIterations { iterations, limits });
    }
    match u32::try_from(iterations) {
        Ok(accepted) if accepted <= limits.iterations_max => Ok(accepted),
        _ => Err(ScramError::TooManyIterations { iterations, limits }),
    }
}

/// The work that turns the password into a key: PBKDF2, in slices, so that a deadline can end it. It is self-contained, and
/// can be done in another thread.
pub struct Derivation {
    work: Work,
    salt: Vec<u8>,
    iterations: u32,
    auth_message: String,
    without_proof: String,
}

enum Work {
    Pbkdf2(Pbkdf2),
    Done(ScramKeys),
}

impl Derivation {
    /// The server's salt: with [`iterations`](Self::iterations) and the password, it decides the result.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How many iterations the server asks for.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Goes on for at most `iterations`, each about half a microsecond; true when it is done.
    pub fn step(&mut self, iterations: u32) -> bool {
        match &mut self.work {
            Work::Pbkdf2(pbkdf2) => pbkdf2.step(iterations),
            Work::Done(_) => true,
        }
    }

    /// Takes keys that were remembered for this salt and number of iterations in place of the work.
    pub fn use_keys(&mut self, remembered: ScramKeys) {
        self.work = Work::Done(remembered);
    }

    /// Does what is left of the work, and gives the next state, and the message that must be sent to get there.
    pub fn finish(self) -> (AwaitServerFinal, Secret) {
        let keys = match self.work {
            Work::Pbkdf2(pbkdf2) => pbkdf2.finish(),
            Work::Done(keys) => keys,
        };
        let auth_message = self.auth_message.as_bytes();
        // Whoever sees a proof can try passwords against it, so no copy of it is left behind.
        let proof = Zeroizing::new(BASE64.encode(keys.client_proof(auth_message).as_slice()));
        let message = [self.without_proof.as_bytes(), b",p=", proof.as_bytes()].concat();
        let expected = Secret::new(keys.server_signature(auth_message).to_vec());
        (AwaitServerFinal { keys, expected }, Secret::new(message))
    }
}

/// The client's proof was sent; the server must prove itself in turn.
pub struct AwaitServerFinal {
    keys: ScramKeys,
    expected: Secret,
}

impl AwaitServerFinal {
    /// Takes the server's last message: its signature, or its refusal. Gives the keys, to be remembered.
    ///
    /// # Errors
    ///
    /// What is wrong with it. The signature is compared in constant time.
    pub fn handle(self, server_final: &[u8]) -> Result<ScramKeys, ScramError> {
        let mut attributes = Attributes::new(server_final)?;
        if let Some(reason) = attributes.take_if('e') {
            return Err(ScramError::Refused(shortened(reason)));
        }
        let signature = BASE64.decode(attributes.take('v')?).map_err(|_| ScramError::SignatureEncoding)?;
        attributes.finish("v")?;
        let right = signature.len() == KEY_LEN && bool::from(signature.ct_eq(self.expected.expose()));
        if right { Ok(self.keys) } else { Err(ScramError::SignatureWrong) }
    }
}

impl fmt::Debug for AwaitServerFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwaitServerFirst(***)")
    }
}

impl fmt::Debug for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derivation").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl fmt::Debug for AwaitServerFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwaitServerFinal(***)")
    }
}
