//! The simple query, and the messages without a body.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::frame::{put_cstr, tagged};

/// Query: one string of any number of statements.
///
/// # Errors
///
/// A NUL in the string, or one that does not fit.
pub fn query(out: &mut BytesMut, sql: &str) -> Result<(), EncodeError> {
    tagged(out, "Query", b'Q', |out| put_cstr(out, "Query", "query", sql.as_bytes()))
}

/// Sync: ends a segment of extended-query messages.
pub fn sync(out: &mut BytesMut) {
    bare(out, b'S');
}

/// Flush: asks for the replies that there are.
pub fn flush(out: &mut BytesMut) {
    bare(out, b'H');
}

/// Terminate: ends the session.
pub fn terminate(out: &mut BytesMut) {
    bare(out, b'X');
}

/// A message without a body.
pub(super) fn bare(out: &mut BytesMut, tag: u8) {
    out.put_slice(&[tag, 0, 0, 0, 4]);
}
