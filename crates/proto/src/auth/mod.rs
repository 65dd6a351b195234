//! Proving who we are: passwords, MD5, SCRAM, and what SCRAM binds itself to.
//!
//! Nothing here reads a clock or makes randomness, and what is secret is wiped when it is dropped and does not print.

mod channel_binding;
pub mod md5;
mod saslprep;
pub mod scram;
mod secret;

pub use channel_binding::{ChannelBinding, SignatureHash, tls_server_end_point};
pub use saslprep::saslprep;
pub use scram::{ScramError, ScramLimits};
pub use secret::Secret;
