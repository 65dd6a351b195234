//! What stands in `#[cornac(...)]`.
//!
//! One vocabulary for all derives: a struct may derive several of them, and each takes what concerns it.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Expr, Ident, LitStr, Path, Type, parse_quote};

use crate::case::Case;

/// What stands on the struct or enum.
pub(crate) struct Container {
    /// The path of the crate whose root has `FromRow`, `RowPlan` and the others.
    pub(crate) cornac: Path,
    pub(crate) rename_all: Option<Case>,
    /// Whether a field without a column takes its value from the struct's own `Default`.
    pub(crate) default: Option<Span>,
    pub(crate) transparent: Option<Span>,
    pub(crate) integer: Option<Span>,
}

impl Container {
    pub(crate) fn new(input: &DeriveInput) -> syn::Result<Self> {
        let mut container = Self {
            cornac: parse_quote!(::cornac::types),
            rename_all: None,
            default: None,
            transparent: None,
            integer: None,
        };
        for_each(&input.attrs, |meta| {
            let span = name_span(meta);
            if meta.path.is_ident("crate") {
                container.cornac = meta.value()?.call(Path::parse_mod_style)?;
            } else if meta.path.is_ident("rename_all") {
                once(meta, &mut container.rename_all, Case::parse(&meta.value()?.parse()?)?)?;
            } else if meta.path.is_ident("default") {
                once(meta, &mut container.default, span)?;
            } else if meta.path.is_ident("transparent") {
                once(meta, &mut container.transparent, span)?;
            } else if meta.path.is_ident("integer") {
                once(meta, &mut container.integer, span)?;
            } else {
                let known = "there are `crate = path`, `rename_all = \"case\"`, `default`, `transparent` and `integer`";
                return Err(meta.error(format!("a struct or an enum has no such attribute; {known}")));
            }
            Ok(())
        })?;
        Ok(container)
    }

    /// The name that a field or variant has in PostgreSQL.
    pub(crate) fn name(&self, ident: &Ident, rename: Option<&LitStr>) -> String {
        match (rename, self.rename_all) {
            (Some(rename), _) => rename.value(),
            (None, Some(case)) => case.apply(&ident.unraw().to_string()),
            (None, None) => ident.unraw().to_string(),
        }
    }

    /// Refuses what only makes sense for the other kinds of items.
    pub(crate) fn refuse(span: Option<Span>, why: &str) -> syn::Result<()> {
        span.map_or(Ok(()), |span| Err(syn::Error::new(span, why)))
    }
}

/// What stands on a field.
#[derive(Default)]
pub(crate) struct Field {
    pub(crate) rename: Option<LitStr>,
    pub(crate) default: Option<Fallback>,
    pub(crate) flatten: Option<Span>,
    pub(crate) skip: Option<Span>,
    pub(crate) try_from: Option<Type>,
    pub(crate) json: Option<Span>,
}

/// `default` or `default = expression`.
pub(crate) enum Fallback {
    Trait(Span),
    Expression(Expr),
}

impl Field {
    pub(crate) fn new(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut field = Self::default();
        for_each(attributes, |meta| {
            let span = name_span(meta);
            if meta.path.is_ident("rename") {
                once(meta, &mut field.rename, meta.value()?.parse()?)
            } else if meta.path.is_ident("default") {
                let default = match meta.value() {
                    Ok(value) => Fallback::Expression(value.parse()?),
                    Err(_) => Fallback::Trait(span),
                };
                once(meta, &mut field.default, default)
            } else if meta.path.is_ident("flatten") {
                once(meta, &mut field.flatten, span)
            } else if meta.path.is_ident("skip") {
                once(meta, &mut field.skip, span)
            } else if meta.path.is_ident("try_from") {
                once(meta, &mut field.try_from, meta.value()?.parse::<LitStr>()?.parse()?)
            } else if meta.path.is_ident("json") {
                once(meta, &mut field.json, span)
            } else {
                let known = "there are `rename = \"name\"`, `default`, `flatten`, `skip`, `try_from = \"Type\"` and `json`";
                Err(meta.error(format!("a field has no such attribute; {known}")))
            }
        })?;
        field.check()?;
        Ok(field)
    }

    /// Refuses what contradicts itself.
    fn check(&self) -> syn::Result<()> {
        let rename = self.rename.as_ref().map(LitStr::span);
        let default = self.default.as_ref().map(Fallback::span);
        let try_from = self.try_from.as_ref().map(syn::spanned::Spanned::span);
        if self.skip.is_some() {
            let column = rename.or(self.flatten).or(try_from).or(self.json);
            Container::refuse(column, "a field that is skipped has no column")?;
        }
        if self.flatten.is_some() {
            let column = rename.or(try_from).or(self.json);
            Container::refuse(column, "a field that is flattened has no column of its own: its fields have")?;
            let why = "which columns of a flattened struct may be missing is said by its own fields";
            Container::refuse(default, why)?;
        }
        match (try_from, self.json) {
            (Some(_), Some(json)) => Err(syn::Error::new(
                json,
                "a column is read either as JSON or by `try_from`; `try_from = \"Json<T>\"` does both",
            )),
            _ => Ok(()),
        }
    }
}

impl Fallback {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Trait(span) => *span,
            Self::Expression(expression) => syn::spanned::Spanned::span(expression),
        }
    }

    /// The value.
    pub(crate) fn value(&self, ty: &Type) -> TokenStream {
        match self {
            Self::Trait(span) => quote::quote_spanned!(*span=> <#ty as ::core::default::Default>::default()),
            Self::Expression(expression) => expression.to_token_stream(),
        }
    }
}

/// What stands on a variant.
pub(crate) fn variant_rename(attributes: &[Attribute]) -> syn::Result<Option<LitStr>> {
    let mut rename = None;
    for_each(attributes, |meta| {
        if meta.path.is_ident("rename") {
            once(meta, &mut rename, meta.value()?.parse()?)
        } else {
            Err(meta.error("a variant has no such attribute; there is `rename = \"label\"`"))
        }
    })?;
    Ok(rename)
}

fn for_each(
    attributes: &[Attribute],
    mut each: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cornac")) {
        attribute.parse_nested_meta(|meta| each(&meta))?;
    }
    Ok(())
}

fn once<T>(meta: &ParseNestedMeta<'_>, place: &mut Option<T>, value: T) -> syn::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(syn::Error::new(name_span(meta), "this is said twice")),
    }
}

fn name_span(meta: &ParseNestedMeta<'_>) -> Span {
    syn::spanned::Spanned::span(&meta.path)
}
