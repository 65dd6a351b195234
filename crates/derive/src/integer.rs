//! Enums as integers: the discriminants of their variants.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, DataEnum, DeriveInput, Ident};

use crate::attributes::{Container, variant_rename};
use crate::generics::with_row_lifetime;
use crate::label::unit_variants;
use crate::value::Side;

/// What an enum may be represented as, and the integer type of PostgreSQL's that holds all of its values.
const REPRESENTATIONS: [(&str, &str); 8] = [
    ("i8", "i16"),
    ("u8", "i16"),
    ("i16", "i16"),
    ("u16", "i32"),
    ("i32", "i32"),
    ("u32", "i64"),
    ("i64", "i64"),
    ("isize", "i64"),
];

pub(crate) fn expand(
    input: &DeriveInput,
    data: &DataEnum,
    container: &Container,
    side: Side,
) -> syn::Result<TokenStream> {
    let (cornac, name) = (&container.cornac, &input.ident);
    let variants = unit_variants(input, data)?;
    for variant in &data.variants {
        if let Some(rename) = variant_rename(&variant.attrs)? {
            return Err(syn::Error::new(rename.span(), "an enum that is an integer has no labels"));
        }
    }
    let integer = integer(input)?;
    let (_, type_generics, _) = input.generics.split_for_impl();
    match side {
        Side::Decode => {
            let (row, generics) = with_row_lifetime(input)?;
            let (impl_generics, _, where_clause) = generics.split_for_impl();
            let value = quote!(<i64 as #cornac::Decode>);
            Ok(quote! {
                #[automatically_derived]
                impl #impl_generics #cornac::Decode<#row> for #name #type_generics #where_clause {
                    fn accepts(ty: &#cornac::Type, format: #cornac::Format) -> bool {
                        #value::accepts(ty, format)
                    }

                    fn from_binary(
                        ty: &#cornac::Type,
                        value: &#row [u8],
                    ) -> ::core::result::Result<Self, #cornac::ValueError> {
                        let value = #value::from_binary(ty, value)?;
                        #(if value == Self::#variants as i64 {
                            return ::core::result::Result::Ok(Self::#variants);
                        })*
                        ::core::result::Result::Err(#cornac::derived::no_discriminant(value))
                    }

                    fn from_text(
                        ty: &#cornac::Type,
                        text: ::std::borrow::Cow<#row, str>,
                    ) -> ::core::result::Result<Self, #cornac::ValueError> {
                        let value = #value::from_text(ty, text)?;
                        #(if value == Self::#variants as i64 {
                            return ::core::result::Result::Ok(Self::#variants);
                        })*
                        ::core::result::Result::Err(#cornac::derived::no_discriminant(value))
                    }
                }
            })
        }
        Side::Encode => {
            let (impl_generics, _, where_clause) = input.generics.split_for_impl();
            let value = quote!(match self { #(Self::#variants => Self::#variants as #integer),* });
            Ok(quote! {
                #[automatically_derived]
                impl #impl_generics #cornac::Encode for #name #type_generics #where_clause {
                    fn encode(
                        &self,
                        ty: &#cornac::Type,
                        out: &mut #cornac::derived::BytesMut,
                    ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                        #cornac::Encode::encode(&#value, ty, out)
                    }

                    fn natural_type(&self) -> #cornac::Type {
                        #cornac::Encode::natural_type(&#value)
                    }

                    fn encode_text(
                        &self,
                        ty: &#cornac::Type,
                        out: &mut ::std::string::String,
                    ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                        #cornac::Encode::encode_text(&#value, ty, out)
                    }
                }
            })
        }
    }
}

/// The integer that holds every discriminant: that of the representation, which is `isize` where none is written.
fn integer(input: &DeriveInput) -> syn::Result<Ident> {
    let mut integer = format_ident!("i64");
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        let represented = attribute.parse_args::<Ident>()?;
        let found = REPRESENTATIONS.iter().find(|(name, _)| represented == name);
        match found {
            Some((_, held_by)) => integer = format_ident!("{held_by}"),
            None => return Err(no_integer(attribute)),
        }
    }
    Ok(integer)
}

fn no_integer(attribute: &Attribute) -> syn::Error {
    syn::Error::new_spanned(
        attribute,
        "PostgreSQL has no integer type for all values of this; `repr(i64)` is the largest",
    )
}
