//! Parse: a statement is prepared.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::frame::{check_len, put_count, put_cstr, tagged};

/// Whether a Parse has room for `sql`, before anything else is done with it.
///
/// # Errors
///
/// Longer than a message can be.
pub fn check_statement_len(sql: &str) -> Result<(), EncodeError> {
    check_len("Parse", sql.len())
}

/// Parse: prepares `sql` as `statement` (empty: the unnamed one). A parameter type of 0 is left to the server.
///
/// # Errors
///
/// A NUL in a string, more than 65,535 types, or a message that does not fit.
pub fn parse(
    out: &mut BytesMut,
    statement: &str,
    sql: &str,
    parameter_types: &[u32],
) -> Result<(), EncodeError> {
    const NAME: &str = "Parse";
    tagged(out, NAME, b'P', |out| {
        put_cstr(out, NAME, "statement name", statement.as_bytes())?;
        put_cstr(out, NAME, "query", sql.as_bytes())?;
        put_count(out, NAME, "parameter types", parameter_types.len())?;
        for &oid in parameter_types {
            out.put_u32(oid);
        }
        Ok(())
    })
}
