//! Structs as composite types: by the names of their fields, or by their order where they have none.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Fields};

use crate::attributes::{Container, Field};
use crate::from_row::{Source, Target, bounds, refuse_doubled, targets};
use crate::generics::{bound, check, located, with_row_lifetime};
use crate::params::written;
use crate::value::Side;

pub(crate) fn expand(
    input: &DeriveInput,
    fields: &Fields,
    container: &Container,
    side: Side,
) -> syn::Result<TokenStream> {
    for field in fields {
        let why =
            "a field of a composite type is one value: what is made of several is a composite type itself";
        Container::refuse(Field::new(&field.attrs)?.flatten, why)?;
    }
    match (side, fields) {
        (Side::Decode, Fields::Named(_)) => decode(input, fields, container),
        (Side::Encode, Fields::Named(_)) => encode(input, fields, container),
        (Side::Decode, _) => decode_in_order(input, fields, container),
        (Side::Encode, _) => encode_in_order(input, fields, container),
    }
}

fn decode(input: &DeriveInput, fields: &Fields, container: &Container) -> syn::Result<TokenStream> {
    let targets = targets(container, fields)?;
    refuse_doubled(fields, &targets)?;
    let (row, generics, check) = bounds(container, input, &targets)?;
    let (cornac, name) = (&container.cornac, &input.ident);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();

    let mut names = Vec::new();
    let (mut required, mut optional) = (Vec::new(), Vec::new());
    let (mut slots, mut decoded, mut filled) = (Vec::new(), Vec::new(), Vec::new());
    for Target { member, source, .. } in &targets {
        let value = match source {
            Source::Column(column) => {
                let (column_name, as_type, unwrap) = (&column.name, &column.decoded, &column.unwrap);
                let slot = format_ident!("slot_{}", slots.len());
                let accepts = quote!((#column_name, <#as_type as #cornac::Decode<#row>>::accepts));
                let value = match &column.default {
                    None => {
                        required.push(accepts);
                        quote!(reader.filled(#column_name, #slot)?#unwrap)
                    }
                    Some(default) => {
                        optional.push(accepts);
                        quote! {
                            match #slot {
                                ::core::option::Option::Some(value) => value #unwrap,
                                ::core::option::Option::None => #default,
                            }
                        }
                    }
                };
                names.push(column_name);
                decoded.push(as_type);
                slots.push(slot);
                value
            }
            Source::Nowhere(value) => value.clone(),
            Source::Row => continue,
        };
        filled.push(quote!(#member: #value));
    }
    let numbers = 0..slots.len();
    let read = quote! {
        #(let mut #slots = ::core::option::Option::None;)*
        while let ::core::option::Option::Some(field) = reader.next()? {
            match field.place(&[#(#names),*]) {
                #(::core::option::Option::Some(#numbers) => {
                    #slots = ::core::option::Option::Some(field.decode::<#decoded>()?);
                })*
                _ => {}
            }
        }
        ::core::result::Result::Ok(Self { #(#filled),* })
    };
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl #impl_generics #cornac::Decode<#row> for #name #type_generics #where_clause {
            fn accepts(ty: &#cornac::Type, format: #cornac::Format) -> bool {
                #cornac::accepts_composite(ty, format, &[#(#required),*])
                    && #cornac::derived::accepts_optional(ty, format, &[#(#optional),*])
            }

            fn from_binary(
                ty: &#cornac::Type,
                value: &#row [u8],
            ) -> ::core::result::Result<Self, #cornac::ValueError> {
                let mut reader = #cornac::CompositeReader::binary(ty, value)?;
                #read
            }

            fn from_text(
                ty: &#cornac::Type,
                text: ::std::borrow::Cow<#row, str>,
            ) -> ::core::result::Result<Self, #cornac::ValueError> {
                let mut reader = #cornac::CompositeReader::text(ty, text)?;
                #read
            }
        }

        #check
    })
}

fn encode(input: &DeriveInput, fields: &Fields, container: &Container) -> syn::Result<TokenStream> {
    let (cornac, name) = (&container.cornac, &input.ident);
    let written = written(container, fields)?;
    let mut generics = input.generics.clone();
    let mut values = Vec::new();
    for field in &written {
        let (ty, span) = (&field.ty, field.ty.span());
        let here = located(cornac, span);
        bound(&mut generics, quote_spanned!(span=> #ty: #here::Encode))?;
        let (name, value) = (field.name.as_deref().unwrap_or_default(), &field.value);
        values.push(quote!((#name, #value)));
    }
    let count = values.len();
    let values = quote! {
        let fields: [(&str, &dyn #cornac::Encode); #count] = [#(#values),*];
    };
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl #impl_generics #cornac::Encode for #name #type_generics #where_clause {
            fn format(&self, ty: &#cornac::Type) -> #cornac::Format {
                #values
                #cornac::composite_format(ty, &fields)
            }

            fn encode(
                &self,
                ty: &#cornac::Type,
                out: &mut #cornac::derived::BytesMut,
            ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                #values
                #cornac::encode_composite(ty, &fields, out)
            }

            fn encode_text(
                &self,
                ty: &#cornac::Type,
                out: &mut ::std::string::String,
            ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                #values
                #cornac::encode_composite_text(ty, &fields, out)
            }
        }
    })
}

/// A tuple struct is what a tuple is in `Composite`.
fn decode_in_order(input: &DeriveInput, fields: &Fields, container: &Container) -> syn::Result<TokenStream> {
    refuse_attributes(fields)?;
    let (cornac, name) = (&container.cornac, &input.ident);
    let (row, mut generics) = with_row_lifetime(input)?;
    let mut checks = Vec::new();
    for field in fields {
        let (ty, span) = (&field.ty, field.ty.span());
        let here = located(cornac, span);
        bound(&mut generics, quote_spanned!(span=> #ty: #here::Decode<#row>))?;
        checks.push((quote!(#ty), quote_spanned!(span=> <#ty as #here::Decode<#row>>::accepts)));
    }
    let check = check(input, &row, &checks);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    let types = fields.iter().map(|field| &field.ty);
    let (values, again): (Vec<_>, Vec<_>) = (0..fields.len())
        .map(|index| (format_ident!("value_{index}"), format_ident!("value_{index}")))
        .unzip();
    let tuple = quote!(<#cornac::Composite<(#(#types,)*)> as #cornac::Decode<#row>>);
    let unpack = quote!(.map(|#cornac::Composite((#(#values,)*))| Self(#(#again),*)));
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl #impl_generics #cornac::Decode<#row> for #name #type_generics #where_clause {
            fn accepts(ty: &#cornac::Type, format: #cornac::Format) -> bool {
                #tuple::accepts(ty, format)
            }

            fn from_binary(
                ty: &#cornac::Type,
                value: &#row [u8],
            ) -> ::core::result::Result<Self, #cornac::ValueError> {
                #tuple::from_binary(ty, value)#unpack
            }

            fn from_text(
                ty: &#cornac::Type,
                text: ::std::borrow::Cow<#row, str>,
            ) -> ::core::result::Result<Self, #cornac::ValueError> {
                #tuple::from_text(ty, text)#unpack
            }
        }

        #check
    })
}

fn encode_in_order(input: &DeriveInput, fields: &Fields, container: &Container) -> syn::Result<TokenStream> {
    refuse_attributes(fields)?;
    let (cornac, name) = (&container.cornac, &input.ident);
    let mut generics = input.generics.clone();
    for field in fields {
        let (ty, span) = (&field.ty, field.ty.span());
        let here = located(cornac, span);
        bound(&mut generics, quote_spanned!(span=> #ty: #here::Encode))?;
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let members = fields.members();
    let tuple = quote!(#cornac::Composite((#(&self.#members,)*)));
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl #impl_generics #cornac::Encode for #name #type_generics #where_clause {
            fn format(&self, ty: &#cornac::Type) -> #cornac::Format {
                #cornac::Encode::format(&#tuple, ty)
            }

            fn encode(
                &self,
                ty: &#cornac::Type,
                out: &mut #cornac::derived::BytesMut,
            ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                #cornac::Encode::encode(&#tuple, ty, out)
            }

            fn encode_text(
                &self,
                ty: &#cornac::Type,
                out: &mut ::std::string::String,
            ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                #cornac::Encode::encode_text(&#tuple, ty, out)
            }
        }
    })
}

/// The fields of a tuple struct are those of the type, one for one.
fn refuse_attributes(fields: &Fields) -> syn::Result<()> {
    for field in fields {
        let Field { rename, default, skip, try_from, json, .. } = Field::new(&field.attrs)?;
        let span = rename.map(|rename| rename.span()).or(default.map(|default| default.span()));
        let span = span.or(skip).or(try_from.map(|ty| ty.span())).or(json);
        Container::refuse(span, "the fields of a tuple struct are those of the composite type, one for one")?;
    }
    Ok(())
}
