//! The text of an array: `{1,NULL,"a \"b\""}`.

use std::borrow::Cow;

use super::not_a;
use crate::ValueError;

/// The elements of a one-dimensional array; `None` is NULL. Elements without escapes are lent.
///
/// See [Array Input and Output Syntax](https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
pub(super) fn elements(text: &str) -> Result<Vec<Option<Cow<'_, str>>>, ValueError> {
    // Bounds other than 1 stand in front: `[0:2]={1,2,3}`.
    let body = match text.strip_prefix('[') {
        Some(bounds) => bounds.split_once('=').map_or("", |(_, body)| body),
        None => text,
    };
    let inside = body.strip_prefix('{').and_then(|body| body.strip_suffix('}'));
    let mut rest = inside.ok_or_else(|| not_a("an array", text))?;
    let mut elements = Vec::new();
    if rest.is_empty() {
        return Ok(elements);
    }
    loop {
        let (element, behind) = element(rest).ok_or_else(|| not_a("an array of one dimension", text))?;
        elements.push(element);
        match behind.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if behind.is_empty() => return Ok(elements),
            None => return Err(not_a("an array", text)),
        }
    }
}

/// Appends an element that is not NULL, in quotes, so that it is itself whatever is in it.
pub(super) fn put_element(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// Takes an element off the front.
fn element(text: &str) -> Option<(Option<Cow<'_, str>>, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, behind) = quoted_element(quoted)?;
        return Some((Some(value), behind));
    }
    let end = text.find(',').unwrap_or(text.len());
    let (value, behind) = text.split_at_checked(end)?;
    if value.is_empty() || value.contains(['{', '}', '"']) {
        return None;
    }
    match value {
        "NULL" => Some((None, behind)),
        _ if value.contains('\\') => Some((Some(unescape(value).into()), behind)),
        value => Some((Some(Cow::Borrowed(value)), behind)),
    }
}

/// Takes what stands in front of the closing quote, and the quote.
fn quoted_element(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped = false;
    let mut has_escapes = false;
    let end = text.find(|character| match character {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            has_escapes = true;
            false
        }
        character => character == '"',
    })?;
    let (value, behind) = text.split_at_checked(end)?;
    let value = if has_escapes { unescape(value).into() } else { Cow::Borrowed(value) };
    Some((value, behind.strip_prefix('"')?))
}

/// A backslash makes the next character mean itself.
fn unescape(text: &str) -> String {
    let mut characters = text.chars();
    let mut unescaped = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        if character == '\\' {
            unescaped.extend(characters.next());
        } else {
            unescaped.push(character);
        }
    }
    unescaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let shown = match elements(text) {
            Ok(elements) => format!("{elements:?}"),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn quotes_escapes_and_nulls_are_read() {
        check("{}", &expect!["[]"]);
        check("{1,2,NULL}", &expect![[r#"[Some("1"), Some("2"), None]"#]]);
        check(
            r#"{"NULL","a,b","c\"d\\e",""}"#,
            &expect![[r#"[Some("NULL"), Some("a,b"), Some("c\"d\\e"), Some("")]"#]],
        );
        check("[0:1]={a,b}", &expect![[r#"[Some("a"), Some("b")]"#]]);
    }

    #[test]
    fn what_is_no_array_of_one_dimension_is_refused() {
        check("", &expect![[r#""" is not an array"#]]);
        check("{{1},{2}}", &expect![[r#""{{1},{2}}" is not an array of one dimension"#]]);
        check("{1,}", &expect![[r#""{1,}" is not an array of one dimension"#]]);
        check(r#"{"a"#, &expect![[r#""{\"a" is not an array"#]]);
        check(r#"{"a}"#, &expect![[r#""{\"a}" is not an array of one dimension"#]]);
        check(r#"{"a"b}"#, &expect![[r#""{\"a\"b}" is not an array"#]]);
        check("[0:1]", &expect![[r#""[0:1]" is not an array"#]]);
    }
}
