//! NULL.

use std::borrow::Cow;

use crate::{Decode, Format, Type, ValueError};

impl<'r, T: Decode<'r>> Decode<'r> for Option<T> {
    fn accepts(ty: &Type, format: Format) -> bool {
        T::accepts(ty, format)
    }

    #[inline]
    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        T::from_binary(ty, value).map(Some)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        T::from_text(ty, text).map(Some)
    }

    #[inline]
    fn from_null() -> Result<Self, ValueError> {
        Ok(None)
    }
}
