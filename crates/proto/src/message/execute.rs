//! Execute: a portal runs.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::frame::{put_cstr, tagged};

/// Execute: runs `portal` for at most `max_rows` rows; 0 means all.
///
/// # Errors
///
/// A NUL in the name, or more than 2,147,483,647 rows.
pub fn execute(out: &mut BytesMut, portal: &str, max_rows: u32) -> Result<(), EncodeError> {
    const NAME: &str = "Execute";
    tagged(out, NAME, b'E', |out| {
        put_cstr(out, NAME, "portal name", portal.as_bytes())?;
        let too_many = EncodeError::TooMany {
            message: NAME,
            items: "rows",
            count: usize::try_from(max_rows).unwrap_or(usize::MAX),
            limit: usize::try_from(i32::MAX).unwrap_or(usize::MAX),
        };
        out.put_i32(i32::try_from(max_rows).map_err(|_| too_many)?);
        Ok(())
    })
}
