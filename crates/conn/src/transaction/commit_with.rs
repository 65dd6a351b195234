//! The last statements of a transaction and its COMMIT, in one flight.

use cornac_proto::message::TransactionStatus;
use cornac_proto::session::Progress;

use super::{ENDED_BY_SQL, Transaction, rolled_back};
use crate::client::Client as _;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::pipeline::Requests;

impl Transaction<'_> {
    /// Runs statements and commits, in one round trip: [`commit`](Self::commit) costs none of its own. BEGIN rides too if nothing has run before, so
    /// that a whole transaction can be one round trip. Behind a statement that fails, the others are not run, and nothing is committed.
    ///
    /// In a transaction in another one, and for statements that the connection has not prepared yet, it is two.
    ///
    /// ```no_run
    /// use cornac_conn::{Client, Connection, pipeline};
    ///
    /// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
    /// let mut transaction = connection.begin().await?;
    /// transaction.execute("UPDATE account SET balance = balance - $1 WHERE id = $2", (10_i64, 1)).await?;
    /// let update = "UPDATE account SET balance = balance + $1 WHERE id = $2 RETURNING balance";
    /// let (balance,) = transaction.commit_with((pipeline::fetch_value::<i64, _, _>(update, (10_i64, 2)),)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of a statement, or that of the commit: then nothing of the transaction stays. As [`commit`](Self::commit) when a statement has failed before, or the transaction was ended by
    /// SQL. A result that does not fit its type is an error too, but the transaction is committed, as [`Error::outcome_unknown`] and the kind of the error tell.
    /// [`ErrorKind::CommitOutcomeUnknown`](crate::ErrorKind::CommitOutcomeUnknown) when the connection is lost on the way, and when it turns out that it was committed but the results are lost.
    /// Statements in simple mode are refused.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end was sent, the transaction is rolled back; later, it may be committed.
    pub async fn commit_with<'p, R: Requests<'p> + Send>(mut self, requests: R) -> Result<R::Results> {
        if !self.has_something_to_end().await? {
            let refused = self.connection().transaction.failure.take();
            if refused.is_some() {
                self.set_over();
                return Err(rolled_back(refused));
            }
        } else if self.connection().transaction_status() == TransactionStatus::Failed {
            // It cannot be committed, and says why.
            return Err(self.commit().await.err().unwrap_or_else(|| rolled_back(None)));
        }
        if self.savepoint.is_some() {
            let results = self.connection().run_atomically(requests).await?;
            return self.commit().await.map(|()| results);
        }
        let begun = self.begun;
        let connection = self.connection();
        let id = connection.transaction.tracking.take().and_then(|tracking| tracking.id);
        let mut pipeline = connection.atomic_pipeline();
        requests.push(&mut pipeline);
        pipeline.push("COMMIT", ());
        let mut results = pipeline.run().await?;
        let (outcomes, finished) = match R::outcomes(&mut results).await {
            Ok(outcomes) => (Some(outcomes), results.finish().await),
            Err(lost) => {
                drop(results);
                (None, Err(lost))
            }
        };
        let ended = self.connection().transaction.ended;
        if self.connection().transaction_status() == TransactionStatus::Idle {
            self.set_over();
        }
        match finished {
            Ok(()) => {}
            Err(error) if error.outcome_unknown() => {
                // For when it was committed, and its results cannot be had any more.
                let without_results = match error.kind() {
                    ErrorKind::Closed(closed) => Error::lost(closed.clone(), Progress::Sent),
                    _ => return Err(error),
                };
                let without_results = without_results.into_unknown_commit(id.clone());
                self.set_over();
                self.resolve(error.into_unknown_commit(id)).await?;
                let results = outcomes.map(R::results).transpose()?.flatten();
                return results.ok_or(without_results);
            }
            Err(error) => {
                // A statement's comes before that of the end.
                outcomes.map(R::results).transpose()?;
                return Err(error);
            }
        }
        let results = outcomes.map(R::results).transpose()?.flatten();
        let is_committed = ended == begun.0 + 1;
        results.filter(|_| is_committed).ok_or_else(|| Error::usage(ENDED_BY_SQL, Delivery::Answered))
    }
}
