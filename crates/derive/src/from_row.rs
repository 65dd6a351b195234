//! `#[derive(FromRow)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Generics, Lifetime, Member, Path, Type};

use crate::attributes::{Container, Field};
use crate::generics::{bound, check, located, with_row_lifetime};

/// A field, and where its value comes from.
pub(crate) struct Target<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) source: Source,
}

pub(crate) enum Source {
    Column(Box<Column>),
    /// All columns: it is a row itself.
    Row,
    /// None: this is its value.
    Nowhere(TokenStream),
}

pub(crate) struct Column {
    pub(crate) name: String,
    /// What is decoded.
    pub(crate) decoded: TokenStream,
    /// What is converted into the field then.
    via: Option<Type>,
    /// What makes the field of it.
    pub(crate) unwrap: TokenStream,
    /// What the field is where there is no column.
    pub(crate) default: Option<TokenStream>,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let container = Container::new(input)?;
    Container::refuse(container.integer, "`integer` is for enums")?;
    let fields = fields(input)?;
    let by_name = matches!(fields, Fields::Named(_));
    if let (Some(span), false) = (container.default, by_name) {
        return Err(syn::Error::new(span, "columns that have no names are all there, or none is"));
    }
    let targets = targets(&container, fields)?;
    let (row, generics, check) = bounds(&container, input, &targets)?;
    refuse_doubled(fields, &targets)?;
    if targets.iter().all(|target| matches!(target.source, Source::Nowhere(_))) {
        return Err(syn::Error::new_spanned(&input.ident, "no field takes anything of a row"));
    }

    let cornac = &container.cornac;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    let name = &input.ident;
    let plan = plan(cornac, &targets, by_name);
    let read = read(cornac, &targets, by_name);
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl #impl_generics #cornac::FromRow<#row> for #name #type_generics #where_clause {
            fn plan(columns: &#cornac::Columns) -> ::core::result::Result<#cornac::RowPlan, #cornac::PlanError> {
                #plan
            }

            #[inline]
            fn from_row(
                row: #cornac::RowRef<#row>,
                plan: &#cornac::RowPlan,
            ) -> ::core::result::Result<Self, #cornac::DecodeError> {
                #read
            }
        }

        #check
    })
}

fn fields(input: &DeriveInput) -> syn::Result<&Fields> {
    match &input.data {
        Data::Struct(data) => Ok(&data.fields),
        _ => Err(syn::Error::new_spanned(&input.ident, "FromRow can be derived for structs only")),
    }
}

pub(crate) fn targets<'a>(container: &Container, fields: &'a Fields) -> syn::Result<Vec<Target<'a>>> {
    let by_name = matches!(fields, Fields::Named(_));
    let target = |(field, member): (&'a syn::Field, Member)| {
        let attributes = Field::new(&field.attrs)?;
        if !by_name {
            refuse_names(&attributes)?;
        }
        let source = if attributes.flatten.is_some() {
            Source::Row
        } else if attributes.skip.is_some() {
            let default = || quote_spanned!(field.ty.span()=> ::core::default::Default::default());
            Source::Nowhere(attributes.default.map_or_else(default, |default| default.value(&field.ty)))
        } else {
            Source::Column(Box::new(column(container, field, &member, &attributes)))
        };
        Ok(Target { member, ty: &field.ty, source })
    };
    fields.iter().zip(fields.members()).map(target).collect()
}

/// Refuses what concerns columns that are found by their names.
fn refuse_names(attributes: &Field) -> syn::Result<()> {
    let error = |span, what| Err(syn::Error::new(span, what));
    if let Some(rename) = &attributes.rename {
        return error(rename.span(), "a tuple struct takes columns in their order, whatever their names are");
    }
    if let Some(flatten) = attributes.flatten {
        return error(
            flatten,
            "a tuple struct takes columns in their order, and those of this field have none",
        );
    }
    match &attributes.default {
        Some(default) if attributes.skip.is_none() => {
            error(default.span(), "columns that have no names are all there, or none is")
        }
        _ => Ok(()),
    }
}

fn column(container: &Container, field: &syn::Field, member: &Member, attributes: &Field) -> Column {
    let (cornac, ty) = (&container.cornac, &field.ty);
    let name = match member {
        Member::Named(ident) => container.name(ident, attributes.rename.as_ref()),
        Member::Unnamed(index) => index.index.to_string(),
    };
    let default = match &attributes.default {
        Some(default) => Some(default.value(ty)),
        None => container
            .default
            .map(|span| quote_spanned!(span=> <Self as ::core::default::Default>::default().#member)),
    };
    let (decoded, unwrap) = match (&attributes.try_from, attributes.json) {
        (Some(via), _) => (quote!(#cornac::derived::Converted<#ty, #via>), quote!(.0)),
        (None, Some(span)) => json(cornac, ty, span),
        (None, None) => (quote!(#ty), quote!()),
    };
    Column { name, decoded, via: attributes.try_from.clone(), unwrap, default }
}

/// An `Option` is what NULL becomes; any other type is read from the JSON alone.
fn json(cornac: &Path, ty: &Type, span: proc_macro2::Span) -> (TokenStream, TokenStream) {
    match option_argument(ty) {
        Some(inside) => (
            quote_spanned!(span=> ::core::option::Option<#cornac::Json<#inside>>),
            quote!(.map(|json| json.0)),
        ),
        None => (quote_spanned!(span=> #cornac::Json<#ty>), quote!(.0)),
    }
}

/// `T` of what is written as `Option<T>`.
pub(crate) fn option_argument(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inside) if last.ident == "Option" && arguments.args.len() == 1 => {
            Some(inside)
        }
        _ => None,
    }
}

/// What has to hold of the fields' types, said at each of them: as bounds, and as code that asks for it.
pub(crate) fn bounds(
    container: &Container,
    input: &DeriveInput,
    targets: &[Target<'_>],
) -> syn::Result<(Lifetime, Generics, TokenStream)> {
    let (row, mut generics) = with_row_lifetime(input)?;
    let mut checks = Vec::new();
    let mut require = |ty: TokenStream, name: TokenStream, item: TokenStream, span| -> syn::Result<()> {
        let cornac = located(&container.cornac, span);
        checks.push((ty.clone(), quote_spanned!(span=> <#ty as #cornac::#name<#row>>::#item)));
        bound(&mut generics, quote_spanned!(span=> #ty: #cornac::#name<#row>))
    };
    for Target { ty, source, .. } in targets {
        let span = ty.span();
        match source {
            Source::Nowhere(_) => {}
            Source::Row => require(quote!(#ty), quote_spanned!(span=> FromRow), quote!(plan), span)?,
            Source::Column(column) => match &column.via {
                None => {
                    require(column.decoded.clone(), quote_spanned!(span=> Decode), quote!(accepts), span)?;
                }
                Some(via) => {
                    require(quote!(#via), quote_spanned!(via.span()=> Decode), quote!(accepts), via.span())?;
                }
            },
        }
    }
    for Target { ty, source, .. } in targets {
        let Source::Column(column) = source else { continue };
        if let Some(via) = &column.via {
            let (span, both) = (ty.span(), quote!(#ty, #via));
            let try_from = quote_spanned!(span=> ::core::convert::TryFrom<#via>);
            checks.push((both, quote_spanned!(span=> <#ty as #try_from>::try_from)));
            bound(&mut generics, quote_spanned!(span=> #ty: #try_from))?;
            bound(&mut generics, quote_spanned!(span=> <#ty as #try_from>::Error: ::core::fmt::Display))?;
        }
    }
    let check = check(input, &row, &checks);
    Ok((row, generics, check))
}

/// Two fields cannot have the same column: only one would get its value.
pub(crate) fn refuse_doubled(fields: &Fields, targets: &[Target<'_>]) -> syn::Result<()> {
    let mut seen = Vec::new();
    for (field, target) in fields.iter().zip(targets) {
        let Source::Column(column) = &target.source else { continue };
        if seen.contains(&&column.name) {
            let what = format!("another field takes the column {:?} already", column.name);
            return Err(syn::Error::new_spanned(field, what));
        }
        seen.push(&column.name);
    }
    Ok(())
}

fn plan(cornac: &Path, targets: &[Target<'_>], by_name: bool) -> TokenStream {
    let fields = targets.iter().filter_map(|target| match &target.source {
        Source::Column(column) => {
            let Column { name, decoded, .. } = &**column;
            let new = if column.default.is_some() { quote!(optional) } else { quote!(new) };
            Some(quote!(#cornac::Field::#new::<#decoded>(#name)))
        }
        _ => None,
    });
    let fields = quote!(&[#(#fields),*]);
    let parts: Vec<_> = targets
        .iter()
        .filter(|target| matches!(target.source, Source::Row))
        .map(|target| {
            let ty = target.ty;
            quote!(<#ty as #cornac::FromRow>::plan)
        })
        .collect();
    match (by_name, parts.is_empty()) {
        (false, _) => quote!(#cornac::RowPlan::by_position(columns, #fields)),
        (true, true) => quote!(#cornac::RowPlan::by_name(columns, #fields)),
        (true, false) => quote!(#cornac::RowPlan::with_parts(columns, #fields, &[#(#parts),*])),
    }
}

fn read(cornac: &Path, targets: &[Target<'_>], by_name: bool) -> TokenStream {
    let members = || targets.iter().map(|target| &target.member);
    let has_parts = targets.iter().any(|target| matches!(target.source, Source::Row));

    let slot = |index: usize| format_ident!("slot_{}", index);
    let mut slots = Vec::new();
    let mut decoded = Vec::new();
    let mut in_order = Vec::new();
    let mut mapped = Vec::new();
    let mut parts = 0_usize;
    for target in targets {
        let ty = target.ty;
        match &target.source {
            Source::Column(column) => {
                let (own_slot, as_type, unwrap) = (slot(slots.len()), &column.decoded, &column.unwrap);
                in_order.push(quote!(walk.decode::<#as_type>()?#unwrap));
                mapped.push(match &column.default {
                    None => quote!(#cornac::derived::filled(#own_slot)?#unwrap),
                    Some(default) => quote! {
                        match #own_slot {
                            ::core::option::Option::Some(value) => value #unwrap,
                            ::core::option::Option::None => #default,
                        }
                    },
                });
                decoded.push(as_type);
                slots.push(own_slot);
            }
            Source::Row => {
                mapped.push(quote! {
                    <#ty as #cornac::FromRow>::from_row(row, #cornac::derived::part::<#ty>(plan, #parts)?)?
                });
                parts += 1;
            }
            Source::Nowhere(value) => {
                in_order.push(value.clone());
                mapped.push(value.clone());
            }
        }
    }
    let (members, again) = (members(), members());
    if !by_name {
        return quote! {
            let _ = plan;
            let mut walk = row.walk();
            ::core::result::Result::Ok(Self { #(#members: #in_order),* })
        };
    }
    let numbers = 0..slots.len();
    // The plan of a struct with fields that are rows is never in order.
    let shortcut = if has_parts {
        quote!(let slots = plan.slots().unwrap_or_default();)
    } else {
        quote! {
            let ::core::option::Option::Some(slots) = plan.slots() else {
                return ::core::result::Result::Ok(Self { #(#again: #in_order),* });
            };
        }
    };
    let walk = if slots.is_empty() {
        quote!()
    } else {
        quote! {
            for slot in slots {
                match slot {
                    #(#numbers => #slots = ::core::option::Option::Some(walk.decode::<#decoded>()?),)*
                    _ => walk.skip()?,
                }
            }
        }
    };
    let begin = if slots.is_empty() { quote!() } else { quote!(let mut walk = row.walk(); #shortcut) };
    quote! {
        #begin
        #(let mut #slots = ::core::option::Option::None;)*
        #walk
        ::core::result::Result::Ok(Self { #(#members: #mapped),* })
    }
}
