//! The way of a statement that runs often: its requests, and the replies that they most often have, each looked at once.
//!
//! What does not look like them is left to the general way ([`Session::poll_message`]), untouched.

use super::ledger::{Output, Owed};
use super::{CommandError, Session};
use crate::message::{self, BindHead, BindParameters, FormatCode, TransactionStatus};

pub(super) const BIND_COMPLETE: &[u8] = b"2\0\0\0\x04";

impl Session {
    /// Bind and Execute of a statement, without a limit of rows, and a Sync behind them if `sync`.
    ///
    /// # Errors
    ///
    /// As every command, and those of encoding a parameter.
    pub fn run<P: BindParameters>(
        &mut self,
        head: &BindHead,
        parameters: &P,
        result_formats: &[FormatCode],
        sync: bool,
    ) -> Result<(), P::Error>
    where
        P::Error: From<CommandError>,
    {
        self.check_takes_requests()?;
        message::run(self.send.tail(), head, parameters, result_formats, sync)?;
        self.ledger.push_run(sync);
        Ok(())
    }

    /// Takes a BindComplete, if that stands at the front and is due.
    #[inline]
    pub fn take_bind_complete(&mut self) -> bool {
        let due = self.closed.is_none() && self.ledger.front() == Some(Owed::Bind);
        if due && self.receive.starts_with(BIND_COMPLETE) {
            self.receive.take(BIND_COMPLETE.len());
            self.ledger.settle_front(false);
            return true;
        }
        false
    }

    /// Takes the end of a statement that touched rows and nothing else (SELECT, INSERT, UPDATE, DELETE), if that stands at the front as a
    /// whole, with the ReadyForQuery behind it if a Sync is behind it. Gives the number of rows in its tag.
    #[inline]
    pub fn take_end(&mut self, synced: bool) -> Option<u64> {
        let runs = matches!(self.ledger.front(), Some(Owed::Execute(Output::Awaited | Output::Rows)));
        if self.closed.is_some() || !runs || (synced && !self.ledger.is_sync_next()) {
            return None;
        }
        let (rows, len) = complete_of_rows(self.receive.front_bytes()?)?;
        let mut taken = len;
        let mut status = self.status;
        if synced {
            let ready = self.receive.front_bytes()?.get(len..)?;
            let (&[b'Z', 0, 0, 0, 5, byte], _) = ready.split_first_chunk::<6>()? else { return None };
            status = TransactionStatus::from_byte(byte)?;
            taken = taken.saturating_add(6);
        }
        self.receive.take(taken);
        self.ledger.settle_front(synced);
        if synced {
            self.status = status;
            if self.ledger.is_empty() {
                self.send.give_back();
                self.receive.give_back();
            }
        }
        Some(rows)
    }

    #[inline]
    pub(super) fn check_takes_requests(&self) -> Result<(), CommandError> {
        self.check_open()?;
        if self.takes_copy_data() { Err(CommandError::CopyIn) } else { Ok(()) }
    }
}

/// Reads a CommandComplete such as `SELECT 1` off the front: the number, and how many bytes it has.
#[inline]
pub(super) fn complete_of_rows(bytes: &[u8]) -> Option<(u64, usize)> {
    let (&[b'C', 0, 0, 0, length], body) = bytes.split_first_chunk::<5>()? else { return None };
    let body = body.get(..usize::from(length).checked_sub(4)?)?;
    let number = match body.split_first_chunk::<7>()? {
        (b"SELECT " | b"UPDATE " | b"DELETE ", number) => number,
        (b"INSERT ", rest) => rest.strip_prefix(b"0 ")?,
        _ => return None,
    };
    let (&0, digits) = number.split_last()? else { return None };
    // 18 digits always fit.
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut rows = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        rows = rows.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')));
    }
    Some((rows, usize::from(length).saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ends_of_statements_on_rows_are_taken_quickly() {
        assert_eq!(complete_of_rows(b"C\0\0\0\x0dSELECT 1\0Z"), Some((1, 14)));
        assert_eq!(complete_of_rows(b"C\0\0\0\x10INSERT 0 12\0"), Some((12, 17)));
        for other in [
            &b"C\0\0\0\x0dSELECT 1"[..],
            b"C\0\0\0\x0dSELECT x\0",
            b"C\0\0\0\x0cSELECT \0",
            b"C\0\0\0\x0fINSERT 7 1\0",
            b"C\0\0\0\x11CREATE TABLE\0",
            b"C\0\0\0\x03",
            b"D\0\0\0\x0dSELECT 1\0",
            b"",
        ] {
            assert_eq!(complete_of_rows(other), None, "{other:?}");
        }
    }
}
