//! Bind: a portal is made of a statement and its parameters.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::frame::{put_count, put_cstr, put_value, tagged};
use crate::session::CommandError;

/// How a value is written: as text, or in the binary form of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FormatCode {
    /// As text, the way `psql` shows it.
    Text,
    /// As the type's send and receive functions have it.
    Binary,
}

impl FormatCode {
    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    /// From the number on the wire.
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Binary),
            _ => None,
        }
    }
}

/// The parameters of a Bind, which write themselves into the message.
pub trait BindParameters {
    /// What writing can fail with, beside what the message itself fails with.
    type Error: From<EncodeError>;

    /// How many parameters there are.
    fn count(&self) -> usize;

    /// Whether all of them are written in binary, which is then said once.
    fn all_binary(&self) -> bool {
        false
    }

    /// Passes their formats to `put`: none (all are text), one (for all of them), or one for each.
    fn formats(&self, put: &mut dyn FnMut(FormatCode));

    /// Appends each of them: its length as a 4-byte number (-1 for NULL), and its bytes.
    ///
    /// # Errors
    ///
    /// When a value cannot be written. What was appended is then taken back.
    fn encode(&self, out: &mut BytesMut) -> Result<(), Self::Error>;
}

/// Parameters that are bytes already.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawParameters<'a> {
    /// Their formats: none, one for all, or one for each.
    pub formats: &'a [FormatCode],
    /// Their values; `None` is NULL.
    pub values: &'a [Option<&'a [u8]>],
}

impl BindParameters for RawParameters<'_> {
    /// That of a session's commands, so that raw parameters can be bound there.
    type Error = CommandError;

    fn count(&self) -> usize {
        self.values.len()
    }

    fn formats(&self, put: &mut dyn FnMut(FormatCode)) {
        self.formats.iter().copied().for_each(put);
    }

    fn encode(&self, out: &mut BytesMut) -> Result<(), CommandError> {
        Ok(self.values.iter().try_for_each(|value| put_value(out, BIND, *value))?)
    }
}

const BIND: &str = "Bind";

/// Bind: makes `portal` out of `statement` and `parameters`. The results come in `result_formats`: none (all are text), one
/// for all columns, or one for each.
///
/// # Errors
///
/// More than 65,535 parameters, a NUL in a name, a message that does not fit, and those of the parameters.
pub fn bind<P: BindParameters>(
    out: &mut BytesMut,
    portal: &str,
    statement: &str,
    parameters: &P,
    result_formats: &[FormatCode],
) -> Result<(), P::Error> {
    tagged(out, BIND, b'B', |out| {
        put_cstr(out, BIND, "portal name", portal.as_bytes())?;
        put_cstr(out, BIND, "statement name", statement.as_bytes())?;
        put_parameters(out, BIND, parameters)?;
        Ok(put_formats(out, result_formats)?)
    })
}

/// The formats of the result: none (all are text), one (for all of them), or one for each.
#[inline]
pub(super) fn put_formats(out: &mut BytesMut, result_formats: &[FormatCode]) -> Result<(), EncodeError> {
    match result_formats {
        [] => out.put_u16(0),
        [one] => out.put_u32((1 << 16) | u32::from(one.code())),
        many => {
            put_count(out, BIND, "result formats", many.len())?;
            for format in many {
                out.put_u16(format.code());
            }
        }
    }
    Ok(())
}

/// Whether a Bind has room for `count` parameters, before anything is asked of the server that depends on it.
///
/// # Errors
///
/// More than 65,535.
pub fn check_parameter_count(count: usize) -> Result<(), EncodeError> {
    let limit = usize::from(u16::MAX);
    if count > limit {
        return Err(EncodeError::TooMany { message: BIND, items: "parameters", count, limit });
    }
    Ok(())
}

/// Formats, count and values, as Bind and FunctionCall have them.
#[inline]
pub(super) fn put_parameters<P: BindParameters>(
    out: &mut BytesMut,
    message: &'static str,
    parameters: &P,
) -> Result<(), P::Error> {
    let count = parameters.count();
    if let (true, Ok(short)) = (parameters.all_binary(), u16::try_from(count)) {
        // One format, binary, and the count.
        let [high, low] = short.to_be_bytes();
        out.put_slice(&[0, 1, 0, 1, high, low]);
        return parameters.encode(out);
    }
    let place = out.len();
    put_count(out, message, "parameters", count)?;
    let mut formats: usize = 0;
    parameters.formats(&mut |format| {
        formats = formats.saturating_add(1);
        if formats <= count.max(1) {
            out.put_u16(format.code());
        }
    });
    if formats > 1 && formats != count {
        let (items, limit) = ("parameter formats that are neither one for all nor one for each", count);
        return Err(EncodeError::TooMany { message, items, count: formats, limit }.into());
    }
    fill_in_count(out, place, formats);
    put_count(out, message, "parameters", count)?;
    parameters.encode(out)
}

/// The number of formats is known when they have been written. It is at most the number of parameters, or 1.
fn fill_in_count(out: &mut BytesMut, place: usize, count: usize) {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    if let Some(bytes) = out.get_mut(place..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        *bytes = count.to_be_bytes();
    }
}
