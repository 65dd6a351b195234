//! How a transaction is to run.

use std::fmt;
use std::sync::Arc;

/// What a transaction sees of others that run at the same time.
///
/// See [Transaction Isolation](https://www.postgresql.org/docs/current/transaction-iso.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// In PostgreSQL the same as [`ReadCommitted`](Self::ReadCommitted).
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first one began. An update of what others have changed since fails with
    /// [`SqlState::T_R_SERIALIZATION_FAILURE`](crate::SqlState::T_R_SERIALIZATION_FAILURE).
    RepeatableRead,
    /// As if transactions ran one after the other. Any of them may fail with
    /// [`SqlState::T_R_SERIALIZATION_FAILURE`](crate::SqlState::T_R_SERIALIZATION_FAILURE), and should then be begun anew.
    Serializable,
}

impl fmt::Display for IsolationLevel {
    /// As it stands in SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        })
    }
}

/// How a transaction is to run. What is not said is as the session has it (`default_transaction_isolation` and its like).
///
/// ```
/// use cornac_conn::TransactionOptions;
///
/// let report = TransactionOptions::new().serializable().read_only().deferrable();
/// assert_eq!(report.to_string(), "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE");
/// assert_eq!(TransactionOptions::new().to_string(), "BEGIN");
/// ```
///
/// See [BEGIN](https://www.postgresql.org/docs/current/sql-begin.html).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct TransactionOptions {
    isolation: Option<IsolationLevel>,
    read_only: Option<bool>,
    deferrable: Option<bool>,
}

impl TransactionOptions {
    /// Everything as the session has it.
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// assert_eq!(TransactionOptions::new().to_string(), "BEGIN");
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// At this isolation level.
    ///
    /// ```
    /// use cornac_conn::{IsolationLevel, TransactionOptions};
    ///
    /// let level = IsolationLevel::RepeatableRead; // as the application is configured, say
    /// let options = TransactionOptions::new().isolation(level).read_only();
    /// assert_eq!(options.to_string(), "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    /// ```
    pub fn isolation(self, level: IsolationLevel) -> Self {
        Self { isolation: Some(level), ..self }
    }

    /// At [`IsolationLevel::ReadUncommitted`].
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// let options = TransactionOptions::new().read_uncommitted();
    /// assert_eq!(options.to_string(), "BEGIN ISOLATION LEVEL READ UNCOMMITTED");
    /// ```
    pub fn read_uncommitted(self) -> Self {
        self.isolation(IsolationLevel::ReadUncommitted)
    }

    /// At [`IsolationLevel::ReadCommitted`].
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// // For a queue: each statement must see what others have taken, whatever the session's default is.
    /// let options = TransactionOptions::new().read_committed();
    /// assert_eq!(options.to_string(), "BEGIN ISOLATION LEVEL READ COMMITTED");
    /// ```
    pub fn read_committed(self) -> Self {
        self.isolation(IsolationLevel::ReadCommitted)
    }

    /// At [`IsolationLevel::RepeatableRead`].
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// // For a report of several queries, which see the same rows.
    /// let options = TransactionOptions::new().repeatable_read().read_only();
    /// assert_eq!(options.to_string(), "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    /// ```
    pub fn repeatable_read(self) -> Self {
        self.isolation(IsolationLevel::RepeatableRead)
    }

    /// At [`IsolationLevel::Serializable`].
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// // For bookings that first look whether there is room.
    /// let options = TransactionOptions::new().serializable();
    /// assert_eq!(options.to_string(), "BEGIN ISOLATION LEVEL SERIALIZABLE");
    /// ```
    pub fn serializable(self) -> Self {
        self.isolation(IsolationLevel::Serializable)
    }

    /// It only reads: the server refuses writes.
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// assert_eq!(TransactionOptions::new().read_only().to_string(), "BEGIN READ ONLY");
    /// ```
    pub fn read_only(self) -> Self {
        Self { read_only: Some(true), ..self }
    }

    /// It may write, even where the session's default is to read only.
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// assert_eq!(TransactionOptions::new().read_write().to_string(), "BEGIN READ WRITE");
    /// ```
    pub fn read_write(self) -> Self {
        Self { read_only: Some(false), ..self }
    }

    /// A serializable transaction that only reads waits at its beginning until it can run without a risk of failing. Without effect on others.
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// // For a dump of hours, which must not fail near its end.
    /// let options = TransactionOptions::new().serializable().read_only().deferrable();
    /// assert_eq!(options.to_string(), "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE");
    /// ```
    pub fn deferrable(self) -> Self {
        Self { deferrable: Some(true), ..self }
    }

    /// It does not wait at its beginning, even where that is the session's default.
    ///
    /// ```
    /// # use cornac_conn::TransactionOptions;
    /// assert_eq!(TransactionOptions::new().not_deferrable().to_string(), "BEGIN NOT DEFERRABLE");
    /// ```
    pub fn not_deferrable(self) -> Self {
        Self { deferrable: Some(false), ..self }
    }

    /// The statement that begins it.
    pub(crate) fn begin(self) -> Arc<str> {
        if self == Self::default() { "BEGIN".into() } else { self.to_string().into() }
    }
}

impl fmt::Display for TransactionOptions {
    /// The statement that begins such a transaction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BEGIN")?;
        let mut separator = " ";
        if let Some(level) = self.isolation {
            write!(f, "{separator}ISOLATION LEVEL {level}")?;
            separator = ", ";
        }
        let modes = [
            self.read_only.map(|is_so| if is_so { "READ ONLY" } else { "READ WRITE" }),
            self.deferrable.map(|is_so| if is_so { "DEFERRABLE" } else { "NOT DEFERRABLE" }),
        ];
        for mode in modes.into_iter().flatten() {
            write!(f, "{separator}{mode}")?;
            separator = ", ";
        }
        Ok(())
    }
}
