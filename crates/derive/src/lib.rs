//! The macros of cornac: the derives, and what `cornac::sql!` calls.
//!
//! What they generate names the crate `cornac`, which re-exports everything that it needs; `#[cornac(crate = path)]` names
//! another crate that has `types`' items in its root.

mod attributes;
mod case;
mod composite;
mod from_row;
mod generics;
mod integer;
mod label;
mod params;
mod sql;
mod transparent;
mod value;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use value::Side;

#[doc = include_str!("from_row.md")]
#[proc_macro_derive(FromRow, attributes(cornac))]
pub fn derive_from_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    from_row::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[doc = include_str!("params.md")]
#[proc_macro_derive(Params, attributes(cornac))]
pub fn derive_params(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    params::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[doc = include_str!("encode.md")]
#[proc_macro_derive(Encode, attributes(cornac))]
pub fn derive_encode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    value::expand(&input, Side::Encode).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[doc = include_str!("decode.md")]
#[proc_macro_derive(Decode, attributes(cornac))]
pub fn derive_decode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    value::expand(&input, Side::Decode).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// What `cornac::sql!` calls, with the path of the crate that has `Sql` in front.
#[doc(hidden)]
#[proc_macro]
pub fn sql(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as sql::Input);
    sql::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
