//! `sql!`.

mod lexer;
mod template;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, LitStr, Token};

use template::Template;

/// `path; "text", name = value, ...`: the path of the crate whose root has `Sql` and `derived`, and what the caller wrote.
pub(crate) struct Input {
    cornac: TokenStream,
    text: LitStr,
    arguments: Vec<Argument>,
}

struct Argument {
    name: Ident,
    value: Expr,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut cornac = TokenStream::new();
        while !input.peek(Token![;]) {
            cornac.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Token![;]>()?;
        if input.is_empty() {
            let what = "a statement is wanted: sql!(\"SELECT ... {name}\")";
            return Err(syn::Error::new(Span::call_site(), what));
        }
        let text = input.parse().map_err(|error| {
            let what = "a string literal is wanted: text that is known at run time only is never SQL";
            syn::Error::new(error.span(), what)
        })?;
        let mut arguments: Vec<Argument> = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let argument: Argument = input.parse()?;
            if arguments.iter().any(|other| other.name == argument.name) {
                return Err(syn::Error::new(argument.name.span(), "there is another value of this name"));
            }
            arguments.push(argument);
        }
        Ok(Self { cornac, text, arguments })
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !(input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==])) {
            return Err(input.error("values have names: name = value, for `{name}` in the text"));
        }
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        Ok(Self { name: name.unraw(), value: input.parse()? })
    }
}

pub(crate) fn expand(input: &Input) -> syn::Result<TokenStream> {
    let Input { cornac, text, arguments } = input;
    let template = Template::new(&text.value()).map_err(|error| syn::Error::new(text.span(), error))?;
    if let Some(unused) = arguments.iter().find(|argument| !template.captures(&argument.name)) {
        let what = format!("`{{{}}}` stands nowhere in the text", unused.name);
        return Err(syn::Error::new(unused.name.span(), what));
    }

    let mut values = Vec::new();
    let mut taken = Vec::new();
    let bindings: Vec<_> = (0..template.names.len())
        .map(|index| format_ident!("capture_{index}", span = Span::mixed_site()))
        .collect();
    for (name, binding) in template.names.iter().zip(&bindings) {
        let argument = arguments.iter().find(|argument| argument.name == name.as_str());
        let (value, span) = match argument {
            Some(Argument { value, .. }) => (quote!(#value), value.span()),
            None => {
                let variable = variable(name, text.span())?;
                (quote!(#variable), text.span())
            }
        };
        values.push(quote_spanned!(span=> &(#value)));
        let here = located(cornac, span);
        taken.push(quote_spanned!(span=>
            #here::derived::Capture::capture((&#here::derived::Peel(#binding)).peel())
        ));
    }

    let Template { text: sql, holes, .. } = &template;
    let holes = holes.iter().map(|(at, index)| quote!(#cornac::derived::Hole { at: #at, index: #index }));
    let template = quote!(&#cornac::derived::Template { text: #sql, holes: &[#(#holes),*] });
    if values.is_empty() {
        return Ok(quote!(#cornac::Sql::captured(#template, [])));
    }
    // What is captured stands in front, so that temporary values live as long as the statement that the macro stands in.
    Ok(quote! {
        match (#(#values,)*) {
            (#(#bindings,)*) => {
                #[allow(unused_imports)]
                use #cornac::derived::{PeelBorrowed as _, PeelCopied as _};
                #cornac::Sql::captured(#template, [#(#taken),*])
            }
        }
    })
}

/// The variable of this name, as if it stood where the text does.
fn variable(name: &str, span: Span) -> syn::Result<Ident> {
    let parsed = syn::parse_str::<Ident>(name).or_else(|_| syn::parse_str::<Ident>(&format!("r#{name}")));
    match parsed {
        Ok(mut ident) => {
            ident.set_span(span);
            Ok(ident)
        }
        // `self` is a keyword that can be a variable, and no raw name.
        Err(_) if name == "self" => Ok(Ident::new(name, span)),
        Err(_) => {
            Err(syn::Error::new(span, format!("`{{{name}}}` is no variable; give it a value: {name} = ...")))
        }
    }
}

/// The crate's path as it would be written at `span`: what does not hold is reported where its path stands.
fn located(cornac: &TokenStream, span: Span) -> TokenStream {
    let tokens = cornac.clone().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(span));
        token
    });
    tokens.collect()
}
