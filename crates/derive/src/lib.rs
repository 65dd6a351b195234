//! The derive macros of cornac.
//!
//! What they generate names the crate `cornac`, which re-exports everything that it needs; `#[cornac(crate = path)]` names
//! another crate that has `types`' items in its root.

mod attributes;
mod from_row;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct out of a row, each field from the column of its name.
///
/// A column that no field takes is skipped; a field without a column, or with two, is an error before the first row. Fields are of
/// any type that implements `Decode`; those that borrow (`&'r str`) borrow from the row.
///
/// Attributes: `#[cornac(rename = "column")]` on a field; `#[cornac(crate = path)]` on the struct.
///
/// ```
/// use cornac_types::{Column, Columns, Format, FromRow, RowRef, Type};
///
/// #[derive(cornac_derive::FromRow, Debug, PartialEq)]
/// #[cornac(crate = cornac_types)]
/// struct Item<'r> {
///     #[cornac(rename = "label")]
///     name: &'r str,
///     id: i64,
/// }
///
/// let columns: Columns = [("id", Type::INT4), ("price", Type::INT4), ("label", Type::TEXT)]
///     .into_iter()
///     .map(|(name, ty)| Column::new(name, ty, Format::Binary))
///     .collect();
/// let row = RowRef::new(&columns, b"\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\0\0\x04tusk");
/// let plan = Item::plan(&columns)?;
/// assert_eq!(Item::from_row(row, &plan)?, Item { name: "tusk", id: 7 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Only structs with named fields can be made of rows:
///
/// ```compile_fail
/// #[derive(cornac_derive::FromRow)]
/// #[cornac(crate = cornac_types)]
/// struct Pair(i32, i32);
/// ```
///
/// An attribute that does not exist is an error:
///
/// ```compile_fail
/// #[derive(cornac_derive::FromRow)]
/// #[cornac(crate = cornac_types)]
/// struct Item {
///     #[cornac(renamed = "label")]
///     name: String,
/// }
/// ```
#[proc_macro_derive(FromRow, attributes(cornac))]
pub fn derive_from_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    from_row::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
