//! Values that are made of other values: arrays, ranges and composites, in both formats, one file each.
//!
//! Every count and length is compared with the bytes that are there before anything is allocated for it.

mod array;
mod array_text;
mod composite;
mod composite_text;
mod elements;
#[cfg(test)]
mod hostile;
mod multirange;
mod quoted;
mod range;
mod range_text;
mod vec;

pub use array::{Array, Dimension};
pub use composite::{
    Accepts, Composite, CompositeReader, accepts_composite, composite_format, encode_composite,
    encode_composite_text,
};
pub use elements::Elements;
pub use multirange::Multirange;
pub use range::Range;

pub(crate) use array_text::ArrayText;
pub(crate) use composite::FieldValue;
pub(crate) use composite_text::put_field as put_text_field;
pub(crate) use elements::ArrayHeader;
pub(crate) use multirange::{ranges as multirange_ranges, split as split_multirange};
pub(crate) use range::BinaryRange;
pub(crate) use range_text::{put_range_text, take_range};

use elements::put_array;
use range_text::RangeText;

use std::borrow::Cow;

use bytes::BytesMut;

use crate::params::check_len;
use crate::{Encode, EncodeError, IsNull, Type, ValueError};

/// Takes so many bytes off the front.
#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ValueError> {
    match rest.split_first_chunk::<N>() {
        Some((chunk, behind)) => {
            *rest = behind;
            Ok(*chunk)
        }
        None => Err(ValueError::malformed("it is cut off")),
    }
}

fn take_i32(rest: &mut &[u8]) -> Result<i32, ValueError> {
    take(rest).map(i32::from_be_bytes)
}

/// The error for text that is no value of its type. It shows the beginning of the text.
#[cold]
fn not_a(what: &str, text: &str) -> ValueError {
    let beginning: String = text.chars().take(40).collect();
    ValueError::malformed(format!("{beginning:?} is not {what}"))
}

/// Parts of a text, which are lent if the text is. `read` is told their index.
fn lent<'r, T>(
    text: Cow<'r, str>,
    split: impl for<'t> Fn(&'t str) -> Result<Vec<Option<Cow<'t, str>>>, ValueError>,
    read: impl Fn(usize, Option<Cow<'r, str>>) -> Result<T, ValueError>,
) -> Result<Vec<T>, ValueError> {
    match text {
        Cow::Borrowed(text) => {
            split(text)?.into_iter().enumerate().map(|(index, part)| read(index, part)).collect()
        }
        Cow::Owned(text) => {
            let parts = split(&text)?.into_iter().map(|part| part.map(|part| Cow::Owned(part.into_owned())));
            parts.enumerate().map(|(index, part)| read(index, part)).collect()
        }
    }
}

/// Writes a value as text where a parameter is sent: for what has a part without a binary form.
fn encode_as_text<T: Encode + ?Sized>(
    value: &T,
    ty: &Type,
    out: &mut BytesMut,
) -> Result<IsNull, EncodeError> {
    let mut text = String::new();
    if value.encode_text(ty, &mut text)? == IsNull::Yes {
        return Ok(IsNull::Yes);
    }
    check_len(text.len())?;
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(EncodeError::out_of_range("PostgreSQL's text has no NUL, and there is one in it"));
    }
    out.extend_from_slice(text.as_bytes());
    Ok(IsNull::No)
}
