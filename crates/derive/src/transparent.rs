//! Newtypes: a struct is what its only field is.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Fields};

use crate::attributes::{Container, Field};
use crate::generics::{bound, check, located, with_row_lifetime};
use crate::value::Side;

pub(crate) fn expand(
    input: &DeriveInput,
    fields: &Fields,
    container: &Container,
    side: Side,
) -> syn::Result<TokenStream> {
    let (cornac, name) = (&container.cornac, &input.ident);
    let Some((field, member)) = fields.iter().zip(fields.members()).next() else {
        return Ok(TokenStream::new());
    };
    let attributes = Field::new(&field.attrs)?;
    Container::refuse(attributes.skip.or(attributes.flatten), "the only field is the value")?;
    let ty = &field.ty;
    let span = ty.span();
    let here = located(cornac, span);
    let (_, type_generics, _) = input.generics.split_for_impl();
    match side {
        Side::Decode => {
            let (row, mut generics) = with_row_lifetime(input)?;
            bound(&mut generics, quote_spanned!(span=> #ty: #here::Decode<#row>))?;
            let asked = quote_spanned!(span=> <#ty as #here::Decode<#row>>::accepts);
            let check = check(input, &row, &[(quote!(#ty), asked)]);
            let (impl_generics, _, where_clause) = generics.split_for_impl();
            Ok(quote! {
                #check

                #[automatically_derived]
                #[allow(unused_qualifications)]
                impl #impl_generics #cornac::Decode<#row> for #name #type_generics #where_clause {
                    fn accepts(ty: &#cornac::Type, format: #cornac::Format) -> bool {
                        <#ty as #cornac::Decode<#row>>::accepts(ty, format)
                    }

                    #[inline]
                    fn from_binary(
                        ty: &#cornac::Type,
                        value: &#row [u8],
                    ) -> ::core::result::Result<Self, #cornac::ValueError> {
                        #cornac::Decode::from_binary(ty, value).map(|value| Self { #member: value })
                    }

                    fn from_text(
                        ty: &#cornac::Type,
                        text: ::std::borrow::Cow<#row, str>,
                    ) -> ::core::result::Result<Self, #cornac::ValueError> {
                        #cornac::Decode::from_text(ty, text).map(|value| Self { #member: value })
                    }

                    #[inline]
                    fn from_null() -> ::core::result::Result<Self, #cornac::ValueError> {
                        #cornac::Decode::from_null().map(|value| Self { #member: value })
                    }
                }
            })
        }
        Side::Encode => {
            let mut generics = input.generics.clone();
            bound(&mut generics, quote_spanned!(span=> #ty: #here::Encode))?;
            let (impl_generics, _, where_clause) = generics.split_for_impl();
            Ok(quote! {
                #[automatically_derived]
                #[allow(unused_qualifications)]
                impl #impl_generics #cornac::Encode for #name #type_generics #where_clause {
                    fn format(&self, ty: &#cornac::Type) -> #cornac::Format {
                        #cornac::Encode::format(&self.#member, ty)
                    }

                    #[inline]
                    fn encode(
                        &self,
                        ty: &#cornac::Type,
                        out: &mut #cornac::derived::BytesMut,
                    ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                        #cornac::Encode::encode(&self.#member, ty, out)
                    }

                    fn natural_type(&self) -> #cornac::Type {
                        #cornac::Encode::natural_type(&self.#member)
                    }

                    fn encode_text(
                        &self,
                        ty: &#cornac::Type,
                        out: &mut ::std::string::String,
                    ) -> ::core::result::Result<#cornac::IsNull, #cornac::EncodeError> {
                        #cornac::Encode::encode_text(&self.#member, ty, out)
                    }
                }
            })
        }
    }
}
