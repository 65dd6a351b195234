//! The timeouts that a server has of its own, told apart.

use cornac_proto::SqlState;
use cornac_proto::message::ServerMessage;

/// A timeout of the server's own that ended a statement or a session. See [`Error::server_timeout`](crate::Error::server_timeout).
///
/// See [Statement Behavior](https://www.postgresql.org/docs/current/runtime-config-client.html#RUNTIME-CONFIG-CLIENT-STATEMENT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerTimeout {
    /// `statement_timeout`: the statement was cancelled, and the connection works on.
    Statement,
    /// `lock_timeout`: the statement was cancelled, and the connection works on.
    Lock,
    /// `idle_in_transaction_session_timeout`: the transaction was rolled back, and the session ended.
    IdleInTransaction,
    /// `idle_session_timeout` (PostgreSQL 14 and newer): the session was ended.
    IdleSession,
    /// `transaction_timeout` (PostgreSQL 17 and newer): the transaction was rolled back, and the session ended.
    Transaction,
}

impl ServerTimeout {
    /// The setting that has it.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Statement => "statement_timeout",
            Self::Lock => "lock_timeout",
            Self::IdleInTransaction => "idle_in_transaction_session_timeout",
            Self::IdleSession => "idle_session_timeout",
            Self::Transaction => "transaction_timeout",
        }
    }

    /// What the server's message is about. Where the SQLSTATE means other things too, the text decides, as nothing else differs.
    pub(crate) fn of(message: &ServerMessage) -> Option<Self> {
        Some(match message.code()? {
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Self::IdleInTransaction,
            SqlState::IDLE_SESSION_TIMEOUT => Self::IdleSession,
            SqlState::TRANSACTION_TIMEOUT => Self::Transaction,
            SqlState::QUERY_CANCELED if message.message().ends_with("due to statement timeout") => {
                Self::Statement
            }
            SqlState::LOCK_NOT_AVAILABLE if message.message().ends_with("due to lock timeout") => Self::Lock,
            _ => return None,
        })
    }

    /// Whether the session was ended while it idled, so that whatever was asked of it afterwards did not run.
    pub(crate) fn ended_idle_session(self) -> bool {
        matches!(self, Self::IdleInTransaction | Self::IdleSession)
    }

    /// Whether the session is gone, so that another one could take the same request.
    pub(crate) fn ended_session(self) -> bool {
        matches!(self, Self::IdleInTransaction | Self::IdleSession | Self::Transaction)
    }
}
