//! What became of a commit whose answer was lost.

use std::time::Duration;

use cornac_conn::{Error, ErrorKind, Result, TransactionId, TransactionOutcome};
use tokio::time::{Instant, sleep, timeout_at};

use super::Database;

/// The longest pause between two attempts to find out.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Asks a server.
pub(super) struct Resolver {
    pub(super) database: Database,
    pub(super) limit: Duration,
}

impl Resolver {
    /// `Ok` if the transaction is committed; else what is known.
    pub(super) async fn resolve(self, lost: Error) -> Result<()> {
        let ErrorKind::CommitOutcomeUnknown(commit) = lost.kind() else { return Err(lost) };
        let Some(transaction) = commit.transaction.clone() else { return Err(lost) };
        match timeout_at(Instant::now() + self.limit, self.ask(&transaction)).await {
            Ok(TransactionOutcome::Committed) => Ok(()),
            Ok(TransactionOutcome::Aborted) => Err(lost.into_lost_commit()),
            _ => Err(lost),
        }
    }

    /// Asks until there is an answer. A connection of the pool may be as broken as that of the transaction, so that a new one is made.
    async fn ask(&self, transaction: &TransactionId) -> TransactionOutcome {
        let mut pause = Duration::from_millis(5);
        loop {
            match self.ask_once(transaction).await {
                Ok(TransactionOutcome::InProgress) => {}
                Ok(outcome) => return outcome,
                Err(error) if error.is_transient() => {
                    tracing::info!(target: "cornac::database", "what became of transaction {} cannot be asked yet: {error}", transaction.xid);
                }
                Err(error) => {
                    tracing::warn!(target: "cornac::database", "what became of transaction {} cannot be asked: {error}", transaction.xid);
                    return TransactionOutcome::Unknown;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn ask_once(&self, transaction: &TransactionId) -> Result<TransactionOutcome> {
        let mut connection = self.database.connect_apart().await?;
        let outcome = connection.transaction_outcome(transaction).await;
        // Whether the goodbye arrives is of no matter.
        let _ = connection.close().await;
        outcome
    }
}
