//! ReadyForQuery: a request is fully answered.

use std::fmt;

use crate::cursor::Cursor;
use crate::error::{Malformed, Problem};

/// What a ReadyForQuery says of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// `I`: no transaction block is open.
    Idle,
    /// `T`: in a transaction block.
    InTransaction,
    /// `E`: in a transaction block that has failed; everything but its end is refused.
    Failed,
}

impl TransactionStatus {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }

    /// From the byte on the wire.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::InTransaction),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }

    pub(crate) fn decode(body: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let byte = body.take_u8("transaction status")?;
        let unknown = || Malformed::new("transaction status", Problem::Code(byte.into()));
        Self::from_byte(byte).ok_or_else(unknown)
    }
}

impl fmt::Display for TransactionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::InTransaction => "in a transaction",
            Self::Failed => "in a failed transaction",
        })
    }
}
