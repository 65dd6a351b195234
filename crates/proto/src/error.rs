//! What can be wrong with bytes: those that came ([`Malformed`], [`Violation`]) and those that were to be
//! sent ([`EncodeError`]).

use std::fmt;

use crate::message::BackendTag;

/// A message whose bytes contradict its layout: the peer is broken, or is no PostgreSQL server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    message: &'static str,
    field: &'static str,
    problem: Problem,
}

/// What contradicts the layout of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The field needs more bytes than the message has left.
    Truncated {
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// The message goes on after its last field.
    Trailing {
        /// Bytes that are left over.
        bytes: usize,
    },
    /// A string does not end before the message does.
    Unterminated {
        /// Bytes that were searched for the NUL.
        available: usize,
    },
    /// A length that cannot be: negative, or outside of the bounds of its field.
    Length(i64),
    /// A count that the rest of the message cannot hold, or a negative one.
    Count(i64),
    /// A code that the protocol does not define.
    Code(u32),
}

impl Malformed {
    pub(crate) const fn new(field: &'static str, problem: Problem) -> Self {
        Self { message: "message", field, problem }
    }

    pub(crate) const fn in_message(self, message: &'static str) -> Self {
        Self { message, ..self }
    }

    /// The message's name in PostgreSQL's manual.
    pub fn message(&self) -> &'static str {
        self.message
    }

    /// The field that is wrong.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Problem {
        self.problem
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, field, problem } = self;
        write!(f, "malformed {message}: {field} ")?;
        match problem {
            Problem::Truncated { needed, available } => {
                let bytes = if *needed == 1 { "byte" } else { "bytes" };
                let are = if *available == 1 { "is" } else { "are" };
                write!(f, "needs {needed} {bytes} and {available} {are} there")
            }
            Problem::Trailing { bytes: 1 } => f.write_str("is followed by 1 byte too many"),
            Problem::Trailing { bytes } => write!(f, "is followed by {bytes} bytes too many"),
            Problem::Unterminated { .. } => f.write_str("has no NUL at its end"),
            Problem::Length(length) => write!(f, "has the impossible length {length}"),
            Problem::Count(count) => write!(f, "has the impossible count {count}"),
            Problem::Code(code) => write!(f, "has the unknown code {code}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The peer broke the protocol. The connection on which it happened is closed and never used again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message's bytes contradict its layout.
    #[error("protocol violation: {0}")]
    Malformed(#[from] Malformed),
    /// A tag that no message of a server has.
    #[error("protocol violation: unknown message tag {} (0x{tag:02x}) while {awaited} was awaited", tag.escape_ascii())]
    UnknownTag {
        /// The byte that stood where a tag belongs.
        tag: u8,
        /// What was awaited.
        awaited: &'static str,
    },
    /// A message length that is impossible, or above the limit of its kind and phase.
    #[error(
        "protocol violation: {tag} announces a length of {length} bytes, which must be from 4 to {limit}"
    )]
    Length {
        /// The message.
        tag: BackendTag,
        /// The announced length, the length field included.
        length: i32,
        /// The largest length that is accepted here.
        limit: u32,
    },
    /// A well-formed message that nothing asked for.
    #[error("protocol violation: {came} came while {awaited}")]
    Unexpected {
        /// The message that came.
        came: BackendTag,
        /// What was awaited, in words.
        awaited: Awaited,
    },
    /// A well-formed authentication message at the wrong moment.
    #[error("protocol violation: {came} came while {awaited}")]
    UnexpectedAuthentication {
        /// The message's name in PostgreSQL's manual.
        came: &'static str,
        /// What was awaited, in words.
        awaited: Awaited,
    },
    /// A row that does not have as many columns as its description said.
    #[error("protocol violation: DataRow has {came} columns, its description {described}")]
    ColumnCount {
        /// Columns in the row.
        came: u16,
        /// Columns in the description.
        described: usize,
    },
    /// The data of a COPY in binary format is not what that format is.
    #[error("protocol violation: the COPY data {0}")]
    CopyData(&'static str),
    /// The server reported so many parameters that it cannot be in earnest.
    #[error("protocol violation: more than {limit} distinct parameters reported")]
    TooManyParameters {
        /// The largest number that is kept.
        limit: usize,
    },
    /// The server answered with a protocol version, or refused an option, that had not been asked for.
    #[error("protocol violation: {0}")]
    Negotiation(&'static str),
    /// The server switched to an encoding that is not UTF8.
    #[error(
        "the server set client_encoding to {encoding:?}; only UTF8 is spoken here, so the connection is closed"
    )]
    ClientEncoding {
        /// What the server reported.
        encoding: String,
    },
}

/// What a session was waiting for when something else came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The replies that would have been right, as a phrase.
    pub replies: &'static str,
    /// Requests that were still unanswered, the one at whose turn it happened included; 0 when idle.
    pub requests: usize,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.requests {
            0 => write!(f, "{} was awaited", self.replies),
            1 => write!(f, "{} was awaited (1 request unanswered)", self.replies),
            requests => write!(f, "{} was awaited ({requests} requests unanswered)", self.replies),
        }
    }
}

/// A request that cannot be put into bytes. Nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The message would be longer than a server takes.
    #[error(
        "{message} would be {bytes} bytes long or more, and PostgreSQL takes messages of at most {limit} bytes"
    )]
    TooLong {
        /// The message's name.
        message: &'static str,
        /// Its length as far as it was counted.
        bytes: usize,
        /// The largest length that fits.
        limit: usize,
    },
    /// More items than their count field can hold.
    #[error("{count} {items} in {message}, and the protocol has room for at most {limit}")]
    TooMany {
        /// The message's name.
        message: &'static str,
        /// What is counted, in the plural.
        items: &'static str,
        /// How many there are.
        count: usize,
        /// How many fit.
        limit: usize,
    },
    /// A string with a NUL inside: the protocol's strings end at the first one.
    #[error("the {field} of {message} contains a NUL byte at position {position}")]
    InteriorNul {
        /// The message's name.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Where the NUL stands, counted from 0.
        position: usize,
    },
    /// A field outside of the bounds that the protocol sets for it.
    #[error("the {field} of {message} is {length} bytes long, and must have {expected}")]
    FieldLength {
        /// The message's name.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// What it must have, as a phrase.
        expected: &'static str,
    },
}
