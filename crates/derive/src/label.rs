//! Enums as the labels of PostgreSQL's enums, or as text.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{DataEnum, DeriveInput, Fields, Ident};

use crate::attributes::{Container, variant_rename};
use crate::generics::with_row_lifetime;
use crate::value::Side;

pub(crate) fn expand(
    input: &DeriveInput,
    data: &DataEnum,
    container: &Container,
    side: Side,
) -> syn::Result<TokenStream> {
    let (cornac, name) = (&container.cornac, &input.ident);
    let variants = unit_variants(input, data)?;
    let mut labels: Vec<String> = Vec::new();
    for variant in &data.variants {
        let rename = variant_rename(&variant.attrs)?;
        let label = container.name(&variant.ident, rename.as_ref());
        if labels.contains(&label) {
            let what = format!("another variant has the label {label:?} already");
            return Err(syn::Error::new_spanned(variant, what));
        }
        labels.push(label);
    }
    let (_, type_generics, _) = input.generics.split_for_impl();
    match side {
        Side::Decode => {
            let (row, generics) = with_row_lifetime(input)?;
            let (impl_generics, _, where_clause) = generics.split_for_impl();
            Ok(quote! {
                #[automatically_derived]
                impl #impl_generics #cornac::Decode<#row> for #name #type_generics #where_clause {
                    fn accepts(ty: &#cornac::Type, format: #cornac::Format) -> bool {
                        #cornac::derived::accepts_label(ty, format)
                    }

                    fn from_binary(
                        ty: &#cornac::Type,
                        value: &#row [u8],
                    ) -> ::core::result::Result<Self, #cornac::ValueError> {
                        <Self as #cornac::Decode>::from_text(ty, #cornac::derived::label(value)?)
                    }

                    fn from_text(
                        _ty: &#cornac::Type,
                        text: ::std::borrow::Cow<#row, str>,
                    ) -> ::core::result::Result<Self, #cornac::ValueError> {
                        match &*text {
                            #(#labels => ::core::result::Result::Ok(Self::#variants),)*
                            other => ::core::result::Result::Err(
                                #cornac::derived::no_variant(other, &[#(#labels),*]),
                            ),
                        }
                    }
                }
            })
        }
        Side::Encode => {
            let (impl_generics, _, where_clause) = input.generics.split_for_impl();
            let label = if variants.is_empty() {
                quote!(match *self {})
            } else {
                quote!(match self { #(Self::#variants => #labels),* })
            };
            Ok(quote! {
                #[automatically_derived]
                impl #impl_generics #cornac::Encode for #name #type_generics #where_clause {
                    fn format(&self, ty: &#cornac::Type) -> #cornac::Format {
                        #cornac::derived::label_format(ty)
                    }

                    fn encode(
                        &self,
                        ty: &#cornac::Type,
                        out: &mut #cornac::derived::BytesMut,
                    ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                        let label: &str = #label;
                        #cornac::derived::encode_label(label, ty, out)
                    }

                    fn encode_text(
                        &self,
                        ty: &#cornac::Type,
                        out: &mut ::std::string::String,
                    ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                        let label: &str = #label;
                        #cornac::Encode::encode_text(label, ty, out)
                    }
                }
            })
        }
    }
}

/// The variants of an enum that holds nothing else.
pub(crate) fn unit_variants<'a>(input: &DeriveInput, data: &'a DataEnum) -> syn::Result<Vec<&'a Ident>> {
    if data.variants.is_empty() {
        return Err(syn::Error::new_spanned(&input.ident, "an enum without variants has no values"));
    }
    let unit = |variant: &'a syn::Variant| match variant.fields {
        Fields::Unit => Ok(&variant.ident),
        _ => Err(syn::Error::new_spanned(
            variant.fields.to_token_stream(),
            "an enum of PostgreSQL's has labels and nothing else, so that a variant cannot have fields",
        )),
    };
    data.variants.iter().map(unit).collect()
}
