//! void: what functions give that give nothing.

use std::borrow::Cow;

use crate::{Decode, Format, Type, ValueError};

/// A function without a result gives an empty value, or NULL: that depends on the language that it is written in.
impl<'r> Decode<'r> for () {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::VOID
    }

    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        if value.is_empty() { Ok(()) } else { Err(super::length(value)) }
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        if text.is_empty() { Ok(()) } else { Err(super::not_a("a void", &text)) }
    }

    fn from_null() -> Result<Self, ValueError> {
        Ok(())
    }
}
