//! Any number of tasks over one socket.
//!
//! - [`connection`]: the type that callers hold, and its verbs;
//! - [`run`]: a statement from its text to its result;
//! - [`call`]: one flight of one caller, and what becomes of it when the caller goes;
//! - [`queue`]: what was asked and not sent; [`slot`]: where a caller finds its answer;
//! - [`wire`]: reading and writing for all, by whoever finds the wire free; [`bell`]: who is called to do so when the socket is ready;
//! - [`replies`]: what the server says to one statement;
//! - [`state`]: what the clones have in common.

mod allowed;
mod bell;
mod call;
mod connection;
mod error;
mod options;
mod queue;
mod replies;
mod run;
mod slot;
mod state;
mod wire;

pub use connection::{SharedConnection, SharedStatistics};
pub use error::SharedError;
pub use options::SharedOptions;
