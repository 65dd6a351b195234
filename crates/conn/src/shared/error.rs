//! What can go wrong on a shared connection alone.

use std::time::Duration;

use cornac_proto::message::TransactionStatus;

/// Why a shared connection does not run a statement, or gives no answer to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// The statement could change the session that all callers have in common. Nothing was sent.
    #[error(
        "a shared connection takes SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, WITH and SHOW; {} belongs on a connection of its own",
        shown(.keyword)
    )]
    NotAllowed {
        /// The first word of the statement; empty if it begins with something else.
        keyword: Box<str>,
    },
    /// The result needs more room than one caller has. It was read to its end and thrown away; the statement has run.
    #[error(
        "the result takes more than the {limit} bytes that a shared connection keeps for one caller (SharedOptions::result_bytes_max)"
    )]
    ResultTooLarge {
        /// The limit, in bytes of rows as they come from the server.
        limit: usize,
    },
    /// The statement took longer than it may, and nobody waits for its answer any more. If it was sent it runs on: a request to cancel
    /// could have hit another caller's.
    #[error("the statement took longer than {limit:?}, and its answer is not waited for")]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// Behind a statement, the server was not idle: a transaction is open that nobody asked for. The connection is closed, and what was
    /// in flight may be rolled back.
    #[error(
        "the shared connection was closed: behind a statement, the server said {status:?} in place of idle"
    )]
    NotIdle {
        /// What the server said.
        status: TransactionStatus,
    },
}

fn shown(keyword: &str) -> String {
    if keyword.is_empty() {
        "a statement that begins with no word".to_owned()
    } else {
        keyword.to_uppercase()
    }
}
