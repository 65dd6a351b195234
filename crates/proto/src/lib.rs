//! PostgreSQL's frontend/backend protocol, versions 3.0 and 3.2, as a library of decisions.
//!
//! Bytes go in and messages come out, requests go in and bytes come out. There is no I/O here, nothing
//! async, no clock and no randomness: whoever owns the socket feeds this crate and carries out what it says.
//!
//! - [`message`]: every message, decoded borrowed and encoded in place;
//! - [`auth`]: passwords, MD5 and SCRAM;
//! - [`handshake`]: from the first byte to ReadyForQuery;
//! - [`session`]: what was asked, and what the server therefore still owes.
//!
//! Everything is total: any bytes, split anywhere, give a message, "need more" or a typed error.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod auth;
mod buffer;
mod copy_binary;
mod cursor;
mod error;
mod frame;
pub mod handshake;
pub mod message;
pub mod session;
mod sqlstate;

pub use copy_binary::{COPY_SIGNATURE, CopyPart, CopyReader, put_copy_header, put_copy_trailer};
pub use error::{Awaited, EncodeError, Malformed, Problem, Violation};
pub use frame::{Frame, Framing, Limits, MESSAGE_LEN_MAX, Phase, SERVER_MESSAGE_LEN_MAX, frame};
pub use sqlstate::{Class, SqlState};
