//! Close: a statement or a portal is forgotten.

use bytes::BytesMut;

use crate::error::EncodeError;
use crate::frame::tagged;

use super::Target;

/// Close: forgets a statement or a portal. One that does not exist is no error.
///
/// # Errors
///
/// A NUL in the name.
pub fn close(out: &mut BytesMut, target: Target<'_>) -> Result<(), EncodeError> {
    tagged(out, "Close", b'C', |out| target.put(out, "Close"))
}
