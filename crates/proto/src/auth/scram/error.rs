//! Why SCRAM failed.

use std::fmt;

use super::ScramLimits;

/// What is wrong with a server's SCRAM message. Each of these ends the attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScramError {
    /// A message longer than any honest server's.
    #[error("the server's message is {len} bytes long, and at most {limit} are accepted")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// A message that is not UTF-8, or has control characters in it.
    #[error("the server's message is not text")]
    NotText,
    /// An attribute is not where it belongs, is there twice, or is missing.
    #[error("the server's message has {found} where attribute {expected} belongs")]
    Attribute {
        /// The attribute that belongs there.
        expected: char,
        /// What stands there.
        found: String,
    },
    /// After the last attribute comes something that is no extension, or one of the attributes again.
    #[error("the server's message goes on with {0:?} after its last attribute")]
    Trailing(String),
    /// The server asks for an extension (`m=`) that must not be ignored.
    #[error("the server asks for a mandatory extension, and none is known")]
    MandatoryExtension,
    /// The server's nonce does not begin with the client's.
    #[error("the server's nonce does not begin with the client's: the answer is not to this request")]
    NonceMismatch,
    /// The server added nothing to the client's nonce.
    #[error("the server added nothing to the client's nonce")]
    NonceNotExtended,
    /// The server's nonce is empty.
    #[error("the server's nonce is empty")]
    NonceEmpty,
    /// The server's nonce has characters that cannot be in one.
    #[error("the server's nonce has characters that are not printable ASCII")]
    NonceNotPrintable,
    /// The salt is empty.
    #[error("the salt is empty")]
    SaltEmpty,
    /// The salt is not base64.
    #[error("the salt is not base64")]
    SaltEncoding,
    /// The iteration count is not a number.
    #[error("the iteration count {0:?} is not a number")]
    IterationsNotANumber(String),
    /// Fewer iterations than the configuration accepts.
    #[error("the server asks for {iterations} iterations, and at least {} are accepted", limits.iterations_min.max(1))]
    TooFewIterations {
        /// What the server asks for.
        iterations: u64,
        /// What is accepted.
        limits: ScramLimits,
    },
    /// More iterations than the configuration accepts.
    #[error("the server asks for {} iterations, and at most {} are accepted", Asked(*iterations), limits.iterations_max)]
    TooManyIterations {
        /// What the server asks for; `u64::MAX` if that, or even more.
        iterations: u64,
        /// What is accepted.
        limits: ScramLimits,
    },
    /// The server's signature is not base64.
    #[error("the server's signature is not base64")]
    SignatureEncoding,
    /// The server's signature is wrong: it does not know the password.
    #[error(
        "the server's signature is wrong: it does not know this role's password, so it is not the server it claims to be"
    )]
    SignatureWrong,
    /// The server refused the proof, in the words of RFC 5802.
    #[error("the server refused the proof: {0}")]
    Refused(String),
}

/// A count that may have been too long for its type.
struct Asked(u64);

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => write!(f, "{} or more", u64::MAX),
            iterations => iterations.fmt(f),
        }
    }
}
