//! Bind, Execute and Sync of a statement that runs often, written with as little as possible.

use bytes::{BufMut, BytesMut};

use super::bind::{put_formats, put_parameters};
use super::{BindParameters, FormatCode};
use crate::error::EncodeError;
use crate::frame::fill_in_length;

/// The longest name that a [`BindHead`] holds, in bytes. A connection keeps one for each of its statements, which is why it is no longer
/// than two numbers behind a word need; PostgreSQL keeps 63.
pub const STATEMENT_NAME_MAX: usize = 34;

/// What stands in front of the parameters of a Bind of the unnamed portal: the name of a statement, checked once.
#[derive(Clone, Copy)]
pub struct BindHead {
    /// Tag, a length that is filled in later, the portal's empty name, the statement's name and its NUL.
    bytes: [u8; HEAD_MAX],
    len: u8,
}

const BEFORE_NAME: usize = 6;
const HEAD_MAX: usize = BEFORE_NAME + STATEMENT_NAME_MAX + 1;

impl BindHead {
    /// The head for the unnamed statement.
    pub const UNNAMED: Self = {
        let mut bytes = [0; HEAD_MAX];
        bytes[0] = b'B';
        Self { bytes, len: 7 }
    };

    /// The head for a statement; the empty name is that of the unnamed one.
    ///
    /// # Errors
    ///
    /// A NUL in the name, or more than [`STATEMENT_NAME_MAX`] bytes.
    pub fn new(statement: &str) -> Result<Self, EncodeError> {
        let (message, field) = ("Bind", "statement name");
        if let Some(position) = memchr::memchr(0, statement.as_bytes()) {
            return Err(EncodeError::InteriorNul { message, field, position });
        }
        let mut head = Self { bytes: [0; HEAD_MAX], len: 0 };
        let too_long = || EncodeError::TooLong { message, bytes: statement.len(), limit: STATEMENT_NAME_MAX };
        let end = BEFORE_NAME.saturating_add(statement.len());
        let place = head.bytes.get_mut(BEFORE_NAME..end).filter(|place| place.len() <= STATEMENT_NAME_MAX);
        place.ok_or_else(too_long)?.copy_from_slice(statement.as_bytes());
        if let Some(tag) = head.bytes.first_mut() {
            *tag = b'B';
        }
        head.len = u8::try_from(end.saturating_add(1)).map_err(|_| too_long())?;
        Ok(head)
    }

    /// The statement's name.
    pub fn statement(&self) -> &str {
        let end = usize::from(self.len).saturating_sub(1);
        std::str::from_utf8(self.bytes.get(BEFORE_NAME..end).unwrap_or_default()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl std::fmt::Debug for BindHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BindHead").field(&self.statement()).finish()
    }
}

/// Execute of the unnamed portal, without a limit, and behind it Sync.
const EXECUTE_SYNC: [u8; 15] = *b"E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";
const EXECUTE_LEN: usize = 10;

/// Bind and Execute of a statement, without a limit of rows, and a Sync behind them if `sync`.
///
/// # Errors
///
/// As [`bind`](super::bind); `out` is then as it was.
#[inline]
pub fn run<P: BindParameters>(
    out: &mut BytesMut,
    head: &BindHead,
    parameters: &P,
    result_formats: &[FormatCode],
    sync: bool,
) -> Result<(), P::Error> {
    let start = out.len();
    out.reserve(HEAD_MAX.saturating_add(EXECUTE_SYNC.len()).saturating_add(64));
    out.put_slice(head.as_bytes());
    let written = put_parameters(out, "Bind", parameters)
        .and_then(|()| Ok(put_formats(out, result_formats)?))
        .and_then(|()| Ok(fill_in_length(out, "Bind", start.saturating_add(1))?));
    if written.is_err() {
        out.truncate(start);
        return written;
    }
    let behind = if sync { EXECUTE_SYNC.as_slice() } else { EXECUTE_SYNC.split_at(EXECUTE_LEN).0 };
    out.put_slice(behind);
    Ok(())
}
