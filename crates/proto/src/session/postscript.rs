//! Questions of the driver's own, behind what a caller asks.

use super::ledger::{Output, Owed};
use super::{CommandError, Session};
use crate::message;

impl Session {
    /// As [`query`](Self::query), for a question that the owner of the session asks behind the requests of a caller's, who is not to see the answer. Whose turn it is tells
    /// [`is_postscript_next`](Self::is_postscript_next).
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn postscript(&mut self, sql: &str) -> Result<(), CommandError> {
        let position = self.send.position_written();
        self.request(Owed::Postscript(Output::Awaited), |out| message::query(out, sql))
            .inspect(|()| self.postscript = position)
    }

    /// Whether the next reply belongs to a [`postscript`](Self::postscript).
    #[inline]
    pub fn is_postscript_next(&self) -> bool {
        self.ledger.is_postscript()
    }

    /// Whether the newest request is a [`postscript`](Self::postscript), not fully answered.
    pub fn ends_with_postscript(&self) -> bool {
        self.ledger.ends_with_postscript()
    }
}

#[cfg(test)]
mod tests {
    use crate::session::copy::tests::settled;
    use crate::session::{CloseReason, Progress};

    const QUERY: usize = b"Q\0\0\0\x0dSELECT 1\0".len();

    #[test]
    fn a_request_is_sent_when_its_own_bytes_are() {
        let mut session = settled();
        let checkpoint = session.checkpoint();
        session.query("SELECT 1").unwrap();
        session.postscript("SELECT 2").unwrap();
        assert_eq!(session.progress(checkpoint), Progress::Unsent);
        session.handle_sent(QUERY - 1);
        assert_eq!(session.progress(checkpoint), Progress::PartlySent);
        session.handle_sent(1);
        assert_eq!(session.progress(checkpoint), Progress::Sent);
        session.handle_sent(1);
        assert_eq!(session.take_back(checkpoint), Progress::Sent, "half of the other one is there");
        // What is asked behind it is not sent before it.
        let later = session.checkpoint();
        session.query("SELECT 3").unwrap();
        session.handle_sent(QUERY - 1);
        assert_eq!(session.progress(later), Progress::Unsent);
        session.handle_sent(1);
        assert_eq!(session.progress(later), Progress::PartlySent);
        session.handle_sent(QUERY - 1);
        assert_eq!(session.progress(later), Progress::Sent);
    }

    #[test]
    fn a_question_is_not_answered_with_a_copy() {
        for copy in [b"G\0\0\0\x07\0\0\0", b"H\0\0\0\x07\0\0\0"] {
            let mut session = settled();
            session.postscript("SELECT 2").unwrap();
            session.handle_sent(QUERY);
            session.handle_bytes(copy);
            let closed = session.poll_message().unwrap_err();
            assert!(matches!(closed.reason(), CloseReason::Violation(_)), "{closed}");
        }
    }
}
