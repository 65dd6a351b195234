//! What a struct may borrow from, and what has to hold of its fields.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::{DeriveInput, GenericParam, Generics, Lifetime, Path, parse_quote};

/// The lifetime of what is read from: the item's own, if it borrows; and its generics with that lifetime among them.
pub(crate) fn with_row_lifetime(input: &DeriveInput) -> syn::Result<(Lifetime, Generics)> {
    let mut generics = input.generics.clone();
    let mut lifetimes = input.generics.lifetimes();
    match (lifetimes.next(), lifetimes.next()) {
        (None, _) => {
            let row: Lifetime = parse_quote!('cornac_row);
            generics.params.insert(0, parse_quote!(#row));
            Ok((row, generics))
        }
        (Some(only), None) => Ok((only.lifetime.clone(), generics)),
        (Some(_), Some(second)) => Err(syn::Error::new_spanned(
            second,
            "a row is the only thing that a struct can borrow from, so that it can have one lifetime only",
        )),
    }
}

/// The crate's path as it would be written at `span`: a bound that does not hold is reported where its path stands.
pub(crate) fn located(cornac: &Path, span: Span) -> Path {
    let mut cornac = cornac.clone();
    cornac.leading_colon = cornac.leading_colon.map(|_| syn::Token![::](span));
    for segment in &mut cornac.segments {
        segment.ident.set_span(segment.ident.span().located_at(span));
    }
    cornac
}

/// Adds a bound.
pub(crate) fn bound(generics: &mut Generics, bound: TokenStream) -> syn::Result<()> {
    generics.make_where_clause().predicates.push(syn::parse2(bound)?);
    Ok(())
}

/// Code outside of the impl that asks for what `checks` name, for types that need no parameter of the item's. Bounds alone do not: one that
/// has a lifetime in it is believed where the item is, and found wrong only where it is used.
pub(crate) fn check(
    input: &DeriveInput,
    row: &Lifetime,
    checks: &[(TokenStream, TokenStream)],
) -> TokenStream {
    let generic = |ty: &TokenStream| {
        let parameters = input.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
            GenericParam::Const(parameter) => Some(parameter.ident.to_string()),
            GenericParam::Lifetime(_) => None,
        });
        let names: Vec<_> = parameters.chain(["Self".to_owned()]).collect();
        mentions(ty.clone(), &names)
    };
    let checks: Vec<_> = checks.iter().filter(|(ty, _)| !generic(ty)).map(|(_, check)| check).collect();
    if checks.is_empty() {
        return TokenStream::new();
    }
    quote! {
        const _: () = {
            #[allow(dead_code, unused_qualifications, clippy::extra_unused_lifetimes)]
            fn check<#row>() {
                #(let _ = #checks;)*
            }
        };
    }
}

/// Whether one of `names` stands anywhere.
fn mentions(tokens: TokenStream, names: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => names.iter().any(|name| ident == name),
        TokenTree::Group(group) => mentions(group.stream(), names),
        _ => false,
    })
}
