//! COPY: data in bulk, both ways.

use bytes::BytesMut;

use crate::cursor::Cursor;
use crate::error::{EncodeError, Malformed, Problem};
use crate::frame::{put_bytes, put_cstr, tagged};

use super::FormatCode;
use super::query::bare;

/// CopyData: a piece of the data. Where it is cut does not matter.
///
/// # Errors
///
/// [`EncodeError::TooLong`].
pub fn copy_data(out: &mut BytesMut, data: &[u8]) -> Result<(), EncodeError> {
    tagged(out, "CopyData", b'd', |out| put_bytes(out, "CopyData", data))
}

/// CopyDone: that was all.
pub fn copy_done(out: &mut BytesMut) {
    bare(out, b'c');
}

/// CopyFail: the server shall fail the COPY, and say why with these words.
///
/// # Errors
///
/// A NUL in the reason.
pub fn copy_fail(out: &mut BytesMut, reason: &str) -> Result<(), EncodeError> {
    tagged(out, "CopyFail", b'f', |out| put_cstr(out, "CopyFail", "reason", reason.as_bytes()))
}

/// CopyInResponse, CopyOutResponse or CopyBothResponse: COPY begins, in these formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyResponse<'a> {
    format: FormatCode,
    /// Two bytes a column.
    columns: &'a [u8],
}

impl<'a> CopyResponse<'a> {
    /// Whether the data as a whole is text (CSV too) or binary.
    pub fn format(&self) -> FormatCode {
        self.format
    }

    /// How many columns there are.
    pub fn columns_len(&self) -> usize {
        self.columns.len() / 2
    }

    /// The format of each column.
    pub fn column_formats(&self) -> impl Iterator<Item = FormatCode> + use<'a> {
        let mut rest = Cursor::new(self.columns);
        std::iter::from_fn(move || FormatCode::from_code(rest.take_u16("column format").ok()?))
    }

    /// The formats as they stand on the wire.
    #[cfg(feature = "server")]
    pub(super) fn columns(&self) -> &'a [u8] {
        self.columns
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let code = body.take_u8("format")?;
        let unknown = Malformed::new("format", Problem::Code(code.into()));
        let format = FormatCode::from_code(code.into()).ok_or(unknown)?;
        let count = body.take_i16("columns")?;
        let impossible = Malformed::new("columns", Problem::Count(count.into()));
        let count = usize::try_from(count).map_err(|_| impossible)?;
        if body.remaining() != count.saturating_mul(2) {
            return Err(impossible);
        }
        let response = Self { format, columns: body.rest() };
        let mut rest = Cursor::new(response.columns);
        while !rest.is_empty() {
            let code = rest.take_u16("column format")?;
            let known = FormatCode::from_code(code);
            // Text as a whole has no binary columns.
            if known.is_none() || (known == Some(FormatCode::Binary) && format == FormatCode::Text) {
                return Err(Malformed::new("column format", Problem::Code(code.into())));
            }
        }
        Ok(response)
    }
}
