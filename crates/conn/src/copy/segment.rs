//! The end of requests that stand without a Sync.

use cornac_proto::message::{RawParameters, TransactionStatus};
use cornac_proto::session::CommandError;

use crate::connection::Connection;
use crate::flight::ABANDONED;

impl Connection {
    /// Ends a segment whose Sync was held back: a COPY that takes data is failed, and so is one that has not yet said that it does. Should the
    /// statement have been none, and have run, what it did is rolled back, unless a transaction of the caller's is open: nothing that nobody
    /// waited for is committed here.
    pub(crate) fn end_open_segment(&mut self, reason: &str) -> Result<(), CommandError> {
        let session = &mut self.session;
        session.take_back_copy_data();
        if !session.is_skipping() {
            let is_copy_in = session.takes_copy_data();
            session.fail_awaited_copy(reason)?;
            if !is_copy_in && session.transaction_status() == TransactionStatus::Idle {
                session.parse("", "ROLLBACK", &[])?;
                session.bind("", "", &RawParameters::default(), &[])?;
                session.execute("", 0)?;
            }
        }
        session.sync()
    }

    /// Ends a segment whose owner was leaked. It may have been half of a batch: a transaction around it can only be rolled back from here on.
    pub(crate) fn end_leaked_segment(&mut self) -> Result<(), CommandError> {
        let session = &mut self.session;
        if session.transaction_status() == TransactionStatus::InTransaction && !session.is_skipping() {
            session.take_back_copy_data();
            session.fail_awaited_copy(LEAKED)?;
            session.execute(ABANDONED, 0)?;
            return session.sync();
        }
        self.end_open_segment(LEAKED)
    }
}

const LEAKED: &str = "the client gave the request up";
