//! The Rust types that values become, one file a family.

mod array;
mod array_text;
mod bool;
mod bytea;
mod float;
mod int;
mod oid;
mod option;
mod text;
mod timestamptz;

pub use timestamptz::Timestamptz;

use crate::ValueError;

/// The bytes of a value that has a fixed size.
#[inline]
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], ValueError> {
    match <[u8; N]>::try_from(value) {
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(length(value)),
    }
}

#[cold]
fn length(value: &[u8]) -> ValueError {
    ValueError::malformed(format!("it has {} bytes", value.len()))
}

/// The error for text that is no value of its type. It shows the beginning of the text.
#[cold]
fn not_a(what: &str, text: &str) -> ValueError {
    let beginning: String = text.chars().take(40).collect();
    ValueError::malformed(format!("{beginning:?} is not {what}"))
}
