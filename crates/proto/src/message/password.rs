//! What a client answers to a request for authentication. All of these share the tag `p`.

use bytes::BytesMut;

use crate::error::EncodeError;
use crate::frame::{put_bytes, put_cstr, put_value, tagged};

const TAG: u8 = b'p';

/// PasswordMessage: a password in clear, or hashed with MD5.
///
/// # Errors
///
/// A NUL in the password.
pub fn password_message(out: &mut BytesMut, password: &[u8]) -> Result<(), EncodeError> {
    const NAME: &str = "PasswordMessage";
    tagged(out, NAME, TAG, |out| put_cstr(out, NAME, "password", password))
}

/// SASLInitialResponse: chooses a mechanism, with the client's first message if the mechanism lets the client begin.
///
/// # Errors
///
/// A NUL in the name of the mechanism.
pub fn sasl_initial_response(
    out: &mut BytesMut,
    mechanism: &str,
    data: Option<&[u8]>,
) -> Result<(), EncodeError> {
    const NAME: &str = "SASLInitialResponse";
    tagged(out, NAME, TAG, |out| {
        put_cstr(out, NAME, "mechanism", mechanism.as_bytes())?;
        put_value(out, NAME, data)
    })
}

/// SASLResponse: the client's next message.
///
/// # Errors
///
/// [`EncodeError::TooLong`].
pub fn sasl_response(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    raw(out, "SASLResponse", data)
}

/// GSSResponse: a token of GSSAPI or SSPI.
///
/// # Errors
///
/// [`EncodeError::TooLong`].
pub fn gss_response(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    raw(out, "GSSResponse", data)
}

fn raw(out: &mut BytesMut, name: &'static str, data: &[u8]) -> Result<(), EncodeError> {
    tagged(out, name, TAG, |out| put_bytes(out, name, data))
}
