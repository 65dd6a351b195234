//! A connection of the pool, in the hands of a caller.

use std::ops::{Deref, DerefMut};

use cornac_conn::{Client, Connection};
use cornac_pool::Pooled;

use crate::manager::Connections;

/// A connection of a [`Database`](crate::Database)'s pool, for as long as this is held: it has the verbs of [`Client`], and everything else that a
/// [`Connection`] has.
///
/// Dropped, it goes back at once, without waiting. What is unfinished (rows that were not read, a transaction, a COPY) and what was changed
/// is cleaned up off the caller's path: see [`Reset`](crate::Reset).
///
/// ```no_run
/// # use cornac::{Client, Database};
/// # async fn example(db: Database) -> cornac::Result<()> {
/// let mut connection = db.checkout().await?;
/// connection.execute("SET work_mem = '1GB'", ()).await?;
/// connection.execute("REFRESH MATERIALIZED VIEW sales", ()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a connection that is not held goes back into the pool"]
pub struct PooledConnection(Pooled<Connections>);

impl PooledConnection {
    pub(crate) fn new(pooled: Pooled<Connections>) -> Self {
        Self(pooled)
    }

    /// Takes the connection out of the pool, for good.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// // For a thread that keeps it for its life; the pool may open another one.
    /// let mut connection = db.checkout().await?.detach();
    /// connection.execute("SET synchronous_commit = off", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(self) -> Connection {
        Pooled::detach(self.0)
    }

    /// Gives the connection back to be closed.
    ///
    /// ```no_run
    /// # use cornac::{Client, Database};
    /// # async fn example(db: Database) -> cornac::Result<()> {
    /// let mut connection = db.checkout().await?;
    /// // What a function loads into its session stays there, and no reset removes it.
    /// connection.execute("SELECT load_model('prices')", ()).await?;
    /// connection.retire();
    /// # Ok(())
    /// # }
    /// ```
    pub fn retire(self) {
        Pooled::retire(self.0);
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    #[inline]
    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for PooledConnection {
    #[inline]
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Client for PooledConnection {
    #[inline]
    fn connection(&mut self) -> &mut Connection {
        self
    }
}
