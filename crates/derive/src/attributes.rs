//! What stands in `#[cornac(...)]`.

use syn::{Attribute, LitStr, Path, parse_quote};

/// The path of the crate whose root has `FromRow`, `RowPlan` and the others.
pub(crate) fn crate_path(attributes: &[Attribute]) -> syn::Result<Path> {
    let mut path = parse_quote!(::cornac::types);
    for attribute in cornac_attributes(attributes) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("a struct knows only `crate = path`"));
            }
            path = meta.value()?.call(Path::parse_mod_style)?;
            Ok(())
        })?;
    }
    Ok(path)
}

/// The column of a field, where it is not of the field's name.
pub(crate) fn rename(attributes: &[Attribute]) -> syn::Result<Option<String>> {
    let mut column = None;
    for attribute in cornac_attributes(attributes) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename") {
                return Err(meta.error("a field knows only `rename = \"column\"`"));
            }
            column = Some(meta.value()?.parse::<LitStr>()?.value());
            Ok(())
        })?;
    }
    Ok(column)
}

fn cornac_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cornac"))
}
