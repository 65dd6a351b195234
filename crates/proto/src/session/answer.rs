//! The answer that most statements have, taken as one.

use super::Session;
use super::run::{BIND_COMPLETE, complete_of_rows};
use crate::buffer::ReceiveBuffer;
use crate::cursor::Cursor;
use crate::frame::HEADER_LEN;
use crate::message::{BackendTag, DataRow, TransactionStatus};

/// What a statement has been answered with, as a whole.
struct Answer<'a> {
    row: Option<DataRow<'a>>,
    affected: u64,
    /// What ReadyForQuery says.
    status: Option<TransactionStatus>,
    len: usize,
}

impl Session {
    /// Takes the whole answer to the oldest statement that was [`run`](Self::run), if all of it has come and is like most: BindComplete, at
    /// most one row of `columns` values, the tag of a statement on rows, and ReadyForQuery if it was run with a Sync and `synced` says so.
    /// `read` is given the row, whose lengths have been checked, and the number in the tag.
    ///
    /// Everything else is left as it is, for [`poll_message`](Self::poll_message).
    #[inline]
    pub fn take_answer<R>(
        &mut self,
        columns: usize,
        synced: bool,
        read: impl FnOnce(Option<DataRow<'_>>, u64) -> R,
    ) -> Option<R> {
        if self.closed.is_some() || !self.ledger.is_run_next(synced) {
            return None;
        }
        let answer = Answer::of(&self.receive, columns, synced, self.limits.long)?;
        let Answer { row, affected, status, len } = answer;
        let made = read(row, affected);
        self.receive.take(len);
        self.ledger.settle_run(synced);
        if let Some(status) = status {
            self.status = status;
            if self.ledger.is_empty() {
                self.send.give_back();
                self.receive.give_back();
            }
        }
        Some(made)
    }

    /// Whether bytes have come that were not taken.
    #[inline]
    pub fn has_received(&self) -> bool {
        !self.receive.untaken().is_empty()
    }
}

impl<'a> Answer<'a> {
    #[inline]
    fn of(received: &'a ReceiveBuffer, columns: usize, synced: bool, limit: u32) -> Option<Self> {
        const ROW: u8 = BackendTag::DataRow.byte();
        let bytes = received.front_bytes()?;
        let mut rest = bytes.strip_prefix(BIND_COMPLETE)?;
        let mut row = None;
        if let Some((&[ROW, a, b, c, d], behind)) = rest.split_first_chunk::<HEADER_LEN>() {
            let length = u32::from_be_bytes([a, b, c, d]);
            if length > limit {
                return None;
            }
            let (body, behind) = behind.split_at_checked(usize::try_from(length.checked_sub(4)?).ok()?)?;
            let came = DataRow::decode(&mut Cursor::new(body)).ok()?;
            if usize::from(came.len()) != columns || !came.is_consistent() {
                return None;
            }
            row = Some(came);
            rest = behind;
        }
        let (affected, complete) = complete_of_rows(rest)?;
        rest = rest.get(complete..)?;
        let mut status = None;
        if synced {
            let (&[b'Z', 0, 0, 0, 5, byte], behind) = rest.split_first_chunk::<6>()? else { return None };
            status = Some(TransactionStatus::from_byte(byte)?);
            rest = behind;
        }
        Some(Self { row, affected, status, len: bytes.len().saturating_sub(rest.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::message::{BindHead, RawParameters};
    use crate::session::Parameters;

    fn answered(pieces: &[&[u8]]) -> (Session, Option<(Option<usize>, u64)>) {
        let status = TransactionStatus::Idle;
        let mut session =
            Session::new(ReceiveBuffer::default(), Parameters::default(), status, Limits::default());
        assert!(session.run(&BindHead::UNNAMED, &RawParameters::default(), &[], true).is_ok());
        session.handle_sent(session.unsent().len());
        for piece in pieces {
            session.handle_bytes(piece);
        }
        let answer =
            session.take_answer(1, true, |row, affected| (row.map(|row| row.values_bytes().len()), affected));
        (session, answer)
    }

    const ROW: &[u8] = b"D\0\0\0\x0b\0\x01\0\0\0\x01x";
    const ONE: &[u8] = b"C\0\0\0\x0dSELECT 1\0";
    const READY: &[u8] = b"Z\0\0\0\x05T";

    #[test]
    fn a_whole_answer_is_taken_as_one() {
        let (session, answer) = answered(&[BIND_COMPLETE, ROW, ONE, READY, b"N"]);
        assert_eq!(answer, Some((Some(5), 1)));
        assert!(session.is_settled() && session.has_received());
        assert_eq!(session.transaction_status(), TransactionStatus::InTransaction);
        let (session, answer) = answered(&[BIND_COMPLETE, b"C\0\0\0\x0dUPDATE 7\0", READY]);
        assert_eq!(answer, Some((None, 7)));
        assert!(session.is_settled() && !session.has_received());
    }

    #[test]
    fn answers_of_a_pipeline_are_taken_one_by_one() {
        let (mut session, _) = answered(&[]);
        for sync in [false, true] {
            assert!(session.run(&BindHead::UNNAMED, &RawParameters::default(), &[], sync).is_ok());
        }
        for bytes in [BIND_COMPLETE, ONE, READY, BIND_COMPLETE, ROW, ONE, BIND_COMPLETE, ONE, READY] {
            session.handle_bytes(bytes);
        }
        let mut take = |synced| session.take_answer(1, synced, |row, _| row.is_some());
        assert_eq!([true, true, false, true].map(&mut take), [Some(false), None, Some(true), Some(false)]);
        assert!(session.is_settled() && !session.has_received());
    }

    #[test]
    fn everything_else_is_left_as_it_is() {
        let two_columns = b"D\0\0\0\x10\0\x02\0\0\0\x01x\0\0\0\x01x";
        let inconsistent = b"D\0\0\0\x0b\0\x01\0\0\0\x02x";
        for pieces in [
            &[][..],
            &[BIND_COMPLETE],
            &[BIND_COMPLETE, ROW, ONE],
            &[BIND_COMPLETE, ROW, ROW, ONE, READY],
            &[BIND_COMPLETE, two_columns, ONE, READY],
            &[BIND_COMPLETE, inconsistent, ONE, READY],
            &[BIND_COMPLETE, ROW, b"C\0\0\0\x0aBEGIN\0", READY],
            &[BIND_COMPLETE, ROW, ONE, b"Z\0\0\0\x05x"],
            &[b"1\0\0\0\x04", BIND_COMPLETE, ROW, ONE, READY],
            &[ROW, ONE, READY],
        ] {
            let (session, answer) = answered(pieces);
            assert_eq!(answer, None, "{pieces:?}");
            assert_eq!(session.requests_unanswered(), 3);
            assert_eq!(session.has_received(), !pieces.is_empty());
        }
    }
}
