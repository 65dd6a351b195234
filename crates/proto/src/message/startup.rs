//! The messages without a tag, with which a connection begins.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::frame::{counted, put_cstr};

use super::ProtocolVersion;

/// What stands in place of a version in the requests that are no StartupMessage.
pub(super) const CANCEL_REQUEST: u32 = 80_877_102;
pub(super) const SSL_REQUEST: u32 = 80_877_103;
pub(super) const GSS_ENC_REQUEST: u32 = 80_877_104;

/// How long the key of a CancelRequest may be, in bytes: 4 in protocol 3.0, up to 256 in 3.2.
pub(super) const SECRET_KEY_LENS: std::ops::RangeInclusive<usize> = 4..=256;

/// StartupMessage: opens a session. `parameters` are pairs such as `("user", "app")`.
///
/// # Errors
///
/// A NUL in a parameter, or a packet that does not fit; `out` is then as it was. So it is in all encoders here.
pub fn startup_message<'p>(
    out: &mut BytesMut,
    version: ProtocolVersion,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
) -> Result<(), EncodeError> {
    const NAME: &str = "StartupMessage";
    counted(out, NAME, |out| {
        out.put_u32(version.code());
        for (name, value) in parameters {
            if name.is_empty() {
                // An empty name would end the list, and what follows would be read as something else.
                let expected = "at least 1 byte";
                return Err(EncodeError::FieldLength { message: NAME, field: "name", length: 0, expected });
            }
            put_cstr(out, NAME, "name", name.as_bytes())?;
            put_cstr(out, NAME, "value", value.as_bytes())?;
        }
        out.put_u8(0);
        Ok(())
    })
}

/// SSLRequest: asks for TLS. The answer is one byte, `S` or `N`.
pub fn ssl_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(SSL_REQUEST);
}

/// GSSENCRequest: asks for GSSAPI encryption. The answer is one byte, `G` or `N`.
pub fn gss_enc_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(GSS_ENC_REQUEST);
}

/// CancelRequest: asks, on a connection of its own, to cancel what a backend is doing.
///
/// # Errors
///
/// A key that is not 4 to 256 bytes long.
pub fn cancel_request(out: &mut BytesMut, process_id: i32, secret_key: &[u8]) -> Result<(), EncodeError> {
    const NAME: &str = "CancelRequest";
    if !SECRET_KEY_LENS.contains(&secret_key.len()) {
        let (length, expected) = (secret_key.len(), "4 to 256 bytes");
        return Err(EncodeError::FieldLength { message: NAME, field: "secret key", length, expected });
    }
    counted(out, NAME, |out| {
        out.put_u32(CANCEL_REQUEST);
        out.put_i32(process_id);
        out.extend_from_slice(secret_key);
        Ok(())
    })
}
