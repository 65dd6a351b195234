//! How a value is written.

/// The two forms in which PostgreSQL writes a value.
///
/// See [Formats and Format Codes](https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// As text, the way `psql` shows it.
    Text,
    /// As the type's send and receive functions have it.
    Binary,
}
