//! What a connection goes through between two users.

/// What is done to a connection of a pool when it comes back, so that its next user finds the session as the first one did.
///
/// Replies that are still to come are read in any case (what takes longer than 200 ms is cancelled at the server), and an open transaction is rolled back. The rest is what this says. It
/// happens when the connection comes back, and nobody waits for it; a connection on which it fails is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// The default: if a command was seen that leaves something behind (SET, LISTEN, LOAD, DECLARE CURSOR, CREATE TEMP, ...), as [`Always`](Self::Always). What functions leave behind,
    /// such as `set_config` and `pg_advisory_lock`, is not seen.
    #[default]
    Changed,
    /// One round trip each time: settings, role, cursors, channels, advisory locks, temporary objects and sequences are reset; then the hook
    /// [`after_connect`](crate::DatabaseBuilder::after_connect) runs again.
    Always,
    /// Nothing is reset. What a user leaves behind, the next one finds.
    Never,
    /// This SQL each time, in place of what [`Always`](Self::Always) does.
    Sql(String),
}
