//! Quotes in the texts of arrays, ranges and composites.

use std::borrow::Cow;

/// Takes what stands behind an opening quote, up to the closing one, and that. A backslash makes the next character mean itself, and a
/// doubled quote is one.
pub(super) fn take_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    let (value, behind) = text.split_at_checked(plain)?;
    if let Some(behind) = behind.strip_prefix('"').filter(|behind| !behind.starts_with('"')) {
        return Some((Cow::Borrowed(value), behind));
    }
    let mut value = value.to_owned();
    let mut characters = behind.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?),
            '"' => match characters.as_str().strip_prefix('"') {
                Some(behind) => {
                    value.push('"');
                    characters = behind.chars();
                }
                None => return Some((value.into(), characters.as_str())),
            },
            character => value.push(character),
        }
    }
    None
}

/// Takes backslashes out: each makes the next character mean itself.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut characters = text.chars();
    let mut unescaped = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        if character == '\\' {
            unescaped.extend(characters.next());
        } else {
            unescaped.push(character);
        }
    }
    unescaped.into()
}

/// What the server takes for white space where it decides on quotes.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// Appends a text in quotes, as composites and ranges have them: quotes and backslashes are doubled.
pub(super) fn put_doubled(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push(character);
        }
        out.push(character);
    }
    out.push('"');
}
