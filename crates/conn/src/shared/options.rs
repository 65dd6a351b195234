//! How much a shared connection takes upon itself.

/// Bounds of a [`SharedConnection`](crate::SharedConnection).
///
/// ```
/// let options = cornac_conn::SharedOptions::default().statements_max(256).result_bytes_max(4 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedOptions {
    pub(super) statements_max: usize,
    pub(super) result_bytes_max: usize,
}

impl Default for SharedOptions {
    fn default() -> Self {
        Self { statements_max: 1024, result_bytes_max: 1 << 20 }
    }
}

impl SharedOptions {
    /// How many statements wait or are in flight at a time, 1,024 by default and at least 1. Callers beyond that wait for their turn, first
    /// come, first served. A statement whose caller has gone counts until it is answered.
    #[must_use]
    pub fn statements_max(mut self, statements: usize) -> Self {
        self.statements_max = statements.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// How many bytes of rows are kept for one caller, 1 MiB by default. A larger result is read to its end and thrown away, and its
    /// caller gets [`SharedError::ResultTooLarge`](crate::SharedError::ResultTooLarge).
    #[must_use]
    pub fn result_bytes_max(mut self, bytes: usize) -> Self {
        self.result_bytes_max = bytes;
        self
    }
}
