//! `#[derive(Params)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Member};

use crate::attributes::{Container, Field};
use crate::from_row::option_argument;
use crate::generics::{bound, located};

/// A field that is written.
pub(crate) struct Written {
    pub(crate) name: Option<String>,
    /// What is encoded, and its type.
    pub(crate) value: TokenStream,
    pub(crate) ty: TokenStream,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let container = Container::new(input)?;
    Container::refuse(container.integer, "`integer` is for enums")?;
    let written = written(&container, fields(input)?)?;
    let cornac = &container.cornac;

    let mut generics = input.generics.clone();
    for Written { ty, .. } in &written {
        let span = ty.span();
        let here = located(cornac, span);
        bound(&mut generics, quote_spanned!(span=> #ty: #here::Encode))?;
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let name = &input.ident;
    let values: Vec<_> = written.iter().map(|field| &field.value).collect();
    let bindings: Vec<_> = (0..values.len()).map(|index| format_ident!("value_{index}")).collect();
    let count = values.len();
    let record = record(&container, input, &generics, &written);
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl #impl_generics #cornac::Params for #name #type_generics #where_clause {
            #[inline]
            fn count(&self) -> usize {
                #count
            }

            fn formats(&self, types: &[#cornac::Type], put: &mut dyn ::core::ops::FnMut(#cornac::Format)) {
                #(let #bindings = #values;)*
                #cornac::derived::formats(&[#(#bindings),*], types, put)
            }

            #[inline]
            fn all_binary(&self, types: &[#cornac::Type]) -> bool {
                let mut types = types.iter();
                #(
                    types.next().is_none_or(|ty| {
                        #cornac::Encode::format(#values, ty) == #cornac::Format::Binary
                    }) &&
                )*
                true
            }

            #[inline]
            fn encode(
                &self,
                types: &[#cornac::Type],
                out: &mut #cornac::derived::BytesMut,
            ) -> ::core::result::Result<(), #cornac::ParamError> {
                let mut writer = #cornac::derived::ParamWriter::new(types, #count, out)?;
                #(writer.put(#values)?;)*
                ::core::result::Result::Ok(())
            }

            fn for_each(&self, visit: &mut dyn ::core::ops::FnMut(&dyn #cornac::Encode)) {
                #(visit(#values);)*
            }
        }

        #record
    })
}

fn fields(input: &DeriveInput) -> syn::Result<&Fields> {
    match &input.data {
        Data::Struct(data) => Ok(&data.fields),
        _ => Err(syn::Error::new_spanned(&input.ident, "Params can be derived for structs only")),
    }
}

pub(crate) fn written(container: &Container, fields: &Fields) -> syn::Result<Vec<Written>> {
    let cornac = &container.cornac;
    let mut written: Vec<Written> = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
        let attributes = Field::new(&field.attrs)?;
        if attributes.skip.is_some() {
            continue;
        }
        Container::refuse(
            attributes.flatten,
            "each field is one parameter: name those of this struct in the outer one",
        )?;
        let name = match &member {
            Member::Named(ident) => Some(container.name(ident, attributes.rename.as_ref())),
            Member::Unnamed(_) => None,
        };
        if name.is_some() && written.iter().any(|other| other.name == name) {
            let what =
                format!("another field is written to the column {:?} already", name.unwrap_or_default());
            return Err(syn::Error::new_spanned(field, what));
        }
        let ty = &field.ty;
        let (value, ty) = match (attributes.json, option_argument(ty)) {
            (None, _) => (quote!(&self.#member), quote!(#ty)),
            (Some(span), None) => (
                quote_spanned!(span=> &#cornac::Json(&self.#member)),
                quote_spanned!(span=> for<'v> #cornac::Json<&'v #ty>),
            ),
            (Some(span), Some(inside)) => (
                quote_spanned!(span=> &self.#member.as_ref().map(#cornac::Json)),
                quote_spanned!(span=> for<'v> #cornac::Json<&'v #inside>),
            ),
        };
        written.push(Written { name, value, ty });
    }
    Ok(written)
}

/// Fields with names have columns.
fn record(
    container: &Container,
    input: &DeriveInput,
    generics: &syn::Generics,
    written: &[Written],
) -> TokenStream {
    let Some(names) = written.iter().map(|field| field.name.as_deref()).collect::<Option<Vec<_>>>() else {
        return TokenStream::new();
    };
    let (cornac, name) = (&container.cornac, &input.ident);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl #impl_generics #cornac::Record for #name #type_generics #where_clause {
            const COLUMNS: &'static [&'static str] = &[#(#names),*];
        }
    }
}
