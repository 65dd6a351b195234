//! Describe: what a statement takes and gives.

use bytes::BytesMut;

use crate::error::EncodeError;
use crate::frame::tagged;

use super::Target;

/// Describe: asks for the parameters and columns of a statement, or the columns of a portal.
///
/// # Errors
///
/// A NUL in the name.
pub fn describe(out: &mut BytesMut, target: Target<'_>) -> Result<(), EncodeError> {
    tagged(out, "Describe", b'D', |out| target.put(out, "Describe"))
}
