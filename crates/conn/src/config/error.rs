//! Why a configuration cannot be understood.

use std::io;
use std::path::PathBuf;

/// Why a configuration cannot be understood. No error shows what may be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither a URL nor `key=value` pairs.
    #[error("{problem}, at byte {position} of the connection string")]
    Syntax {
        /// What is wrong.
        problem: &'static str,
        /// Where, counted from 0.
        position: usize,
    },
    /// A `%` that is not followed by two hexadecimal digits, or stands for a byte that cannot be here.
    #[error("invalid percent-encoding in the {part} of the connection URL, at its byte {position}")]
    PercentEncoding {
        /// Which part of the URL.
        part: &'static str,
        /// Where in that part, counted from 0.
        position: usize,
    },
    /// A blank that is not encoded.
    #[error("a blank in the {part} of the connection URL; write it as %20")]
    Blank {
        /// Which part of the URL.
        part: &'static str,
    },
    /// A key that does not exist.
    #[error("unknown connection option {key:?}")]
    UnknownKey {
        /// The key as written.
        key: String,
    },
    /// A value that its key cannot have.
    #[error("connection option {key} cannot be {value:?}: {expected}")]
    InvalidValue {
        /// The key.
        key: &'static str,
        /// The value as written.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A secret value that its key cannot have.
    #[error("connection option {key} has a value that it cannot have: {expected}")]
    InvalidSecret {
        /// The key.
        key: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// Settings that contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// What libpq has and cornac has not.
    #[error("connection option {key} is not supported: {why}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// Lists of hosts, addresses and ports that do not fit together.
    #[error("{what} {count} values, and there are {hosts} hosts")]
    Count {
        /// Which list.
        what: &'static str,
        /// How long it is.
        count: usize,
        /// How many hosts there are.
        hosts: usize,
    },
    /// No role to connect as.
    #[error("no user is named, and the operating system's user is not known")]
    MissingUser,
    /// A value with a NUL inside, which no server could ever see.
    #[error("connection option {key} contains a NUL")]
    InteriorNul {
        /// The key.
        key: &'static str,
    },
    /// A service that is not defined in any service file.
    #[error("service {name:?} is not defined in a service file")]
    UnknownService {
        /// Its name.
        name: String,
    },
    /// A service file that cannot be understood.
    #[error("line {line} of service file {path:?}: {problem}")]
    ServiceFile {
        /// Where.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{what} {path:?} cannot be read: {source}")]
    File {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
