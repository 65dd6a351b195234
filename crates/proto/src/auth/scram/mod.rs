//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side.
//!
//! One struct per state, consumed by value, so that a nonce cannot be used twice and no message be taken out of turn:
//! [`ClientFirst`] -> [`AwaitServerFirst`] -> [`Derivation`] -> [`AwaitServerFinal`].
//!
//! See [RFC 5802](https://www.rfc-editor.org/rfc/rfc5802), [RFC 7677](https://www.rfc-editor.org/rfc/rfc7677) and
//! [SASL Authentication](https://www.postgresql.org/docs/current/sasl-authentication.html).

mod attributes;
mod client;
mod error;
mod key;

pub use client::{
    AwaitServerFinal, AwaitServerFirst, ClientFirst, ClientNonce, Derivation, ScramCredentials,
};
pub use error::ScramError;
pub use key::ScramKeys;

/// How much work a server may ask for. It is a stranger when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScramLimits {
    /// The fewest iterations of PBKDF2. 1 by default, as in libpq: few of them make a stolen proof cheap to crack, yet are
    /// what some servers are set to.
    pub iterations_min: u32,
    /// The most iterations. 100,000 by default, about 50 ms of work; PostgreSQL's own default is 4,096.
    pub iterations_max: u32,
}

impl Default for ScramLimits {
    fn default() -> Self {
        Self { iterations_min: 1, iterations_max: 100_000 }
    }
}
