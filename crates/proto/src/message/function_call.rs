//! FunctionCall: the deprecated way to call a function by its OID.

use bytes::{BufMut, BytesMut};

use crate::cursor::Cursor;
use crate::error::Malformed;
use crate::frame::tagged;

use super::bind::{BindParameters, FormatCode, put_parameters};

/// FunctionCall: calls the function with the OID `function`.
///
/// # Errors
///
/// As [`bind`](super::bind()).
pub fn function_call<P: BindParameters>(
    out: &mut BytesMut,
    function: u32,
    arguments: &P,
    result_format: FormatCode,
) -> Result<(), P::Error> {
    tagged(out, "FunctionCall", b'F', |out| {
        out.put_u32(function);
        put_parameters(out, "FunctionCall", arguments)?;
        out.put_u16(result_format.code());
        Ok(())
    })
}

/// FunctionCallResponse: what the function returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionCallResponse<'a> {
    value: Option<&'a [u8]>,
}

impl<'a> FunctionCallResponse<'a> {
    /// A response with this value; `None` is NULL.
    pub fn new(value: Option<&'a [u8]>) -> Self {
        Self { value }
    }

    /// The value in the format that was asked for; `None` is NULL.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        Ok(Self { value: body.take_value("value")? })
    }
}
