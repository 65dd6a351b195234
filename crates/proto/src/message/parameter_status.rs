//! ParameterStatus: a setting as the server has it now.

use crate::cursor::Cursor;
use crate::error::Malformed;

use super::WireStr;

/// ParameterStatus: sent at the start of a session, and whenever a reported setting changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    name: WireStr<'a>,
    value: WireStr<'a>,
}

impl<'a> ParameterStatus<'a> {
    /// A report.
    pub fn new(name: impl Into<WireStr<'a>>, value: impl Into<WireStr<'a>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }

    /// The setting.
    pub fn name(&self) -> WireStr<'a> {
        self.name
    }

    /// Its value.
    pub fn value(&self) -> WireStr<'a> {
        self.value
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let name = WireStr::new(body.take_cstr("name")?);
        let value = WireStr::new(body.take_cstr("value")?);
        Ok(Self { name, value })
    }
}
