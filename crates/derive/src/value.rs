//! `#[derive(Encode)]` and `#[derive(Decode)]`: what kind of item becomes what kind of value.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields};

use crate::attributes::Container;
use crate::{composite, integer, label, transparent};

/// Which of the two is derived.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Encode,
    Decode,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Encode => "Encode",
            Self::Decode => "Decode",
        }
    }
}

pub(crate) fn expand(input: &DeriveInput, side: Side) -> syn::Result<TokenStream> {
    let container = Container::new(input)?;
    match &input.data {
        Data::Enum(data) => {
            Container::refuse(container.transparent, "`transparent` is for structs of one field")?;
            Container::refuse(
                container.default,
                "a label that no variant has is an error, and not a default",
            )?;
            match container.integer {
                Some(_) => integer::expand(input, data, &container, side),
                None => label::expand(input, data, &container, side),
            }
        }
        Data::Struct(data) => {
            Container::refuse(container.integer, "`integer` is for enums")?;
            let one = data.fields.len() == 1;
            match (&data.fields, container.transparent) {
                (_, Some(span)) if !one => {
                    let why = "`transparent` is for structs of one field: its value is the struct's";
                    Err(syn::Error::new(span, why))
                }
                (fields, Some(_)) => transparent::expand(input, fields, &container, side),
                (fields @ Fields::Unnamed(_), None) if one => {
                    transparent::expand(input, fields, &container, side)
                }
                (fields, None) if fields.is_empty() => {
                    Err(syn::Error::new_spanned(&input.ident, "a struct without fields has no value"))
                }
                (fields, None) => composite::expand(input, fields, &container, side),
            }
        }
        Data::Union(_) => {
            let what = format!("{} can be derived for enums and structs only", side.name());
            Err(syn::Error::new_spanned(&input.ident, what))
        }
    }
}
