//! `#[derive(FromRow)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, FieldsNamed, Lifetime, parse_quote};

use crate::attributes;

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let cornac = attributes::crate_path(&input.attrs)?;
    let fields = named_fields(input)?;
    let name = &input.ident;

    let row = row_lifetime(input)?;
    let mut generics = input.generics.clone();
    if input.generics.lifetimes().next().is_none() {
        generics.params.insert(0, parse_quote!(#row));
    }
    let types: Vec<_> = fields.named.iter().map(|field| &field.ty).collect();
    let bounds = generics.make_where_clause();
    for ty in &types {
        bounds.predicates.push(parse_quote!(#ty: #cornac::Decode<#row>));
    }
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();

    let idents: Vec<_> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
    let slots: Vec<_> = (0..idents.len()).map(|index| format_ident!("slot_{index}")).collect();
    let numbers = 0..idents.len();
    let columns = fields
        .named
        .iter()
        .map(|field| {
            let own_name = || field.ident.as_ref().map(|ident| ident.unraw().to_string());
            Ok(attributes::rename(&field.attrs)?.or_else(own_name).unwrap_or_default())
        })
        .collect::<syn::Result<Vec<_>>>()?;

    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #cornac::FromRow<#row> for #name #type_generics #where_clause {
            fn plan(columns: &#cornac::Columns) -> ::core::result::Result<#cornac::RowPlan, #cornac::PlanError> {
                #cornac::RowPlan::by_name(columns, &[#(#cornac::Field::new::<#types>(#columns)),*])
            }

            #[inline]
            fn from_row(
                row: #cornac::RowRef<#row>,
                plan: &#cornac::RowPlan,
            ) -> ::core::result::Result<Self, #cornac::DecodeError> {
                let mut walk = row.walk();
                let ::core::option::Option::Some(slots) = plan.slots() else {
                    return ::core::result::Result::Ok(Self { #(#idents: walk.decode()?),* });
                };
                #(let mut #slots = ::core::option::Option::None;)*
                for slot in slots {
                    match slot {
                        #(#numbers => #slots = ::core::option::Option::Some(walk.decode()?),)*
                        _ => walk.skip()?,
                    }
                }
                ::core::result::Result::Ok(Self { #(#idents: #cornac::filled(#slots)?),* })
            }
        }
    })
}

fn named_fields(input: &DeriveInput) -> syn::Result<&FieldsNamed> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields),
            _ => Err(syn::Error::new_spanned(
                &input.ident,
                "FromRow takes columns by name, so that it needs a struct with named fields; rows without names become tuples",
            )),
        },
        _ => Err(syn::Error::new_spanned(&input.ident, "FromRow can be derived for structs only")),
    }
}

/// The lifetime of the row: the struct's own, if it borrows.
fn row_lifetime(input: &DeriveInput) -> syn::Result<Lifetime> {
    let mut lifetimes = input.generics.lifetimes();
    match (lifetimes.next(), lifetimes.next()) {
        (None, _) => Ok(parse_quote!('cornac_row)),
        (Some(only), None) => Ok(only.lifetime.clone()),
        (Some(_), Some(second)) => Err(syn::Error::new_spanned(
            second,
            "a row is the only thing that a struct can borrow from, so that it can have one lifetime only",
        )),
    }
}
