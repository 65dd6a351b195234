//! The text of composites: `(1,"a b",)`.

use std::borrow::Cow;

use super::not_a;
use super::quoted::{is_space, put_doubled, take_quoted, unescape};
use crate::ValueError;

/// The fields of a composite; `None` is NULL. Those without escapes are lent.
///
/// See [Composite Type Input and Output Syntax](https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX).
pub(crate) fn fields(text: &str) -> Result<Vec<Option<Cow<'_, str>>>, ValueError> {
    split(text).ok_or_else(|| not_a("a composite", text))
}

fn split(text: &str) -> Option<Vec<Option<Cow<'_, str>>>> {
    let mut rest = text.strip_prefix('(')?;
    let mut fields = Vec::new();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (value, behind) = take_quoted(quoted)?;
            fields.push(Some(value));
            rest = behind;
        } else {
            let end = rest.find([',', ')', '"', '('])?;
            let (value, behind) = rest.split_at_checked(end)?;
            fields.push((!value.is_empty()).then(|| unescape(value)));
            rest = behind;
        }
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return (rest == ")").then_some(fields),
        }
    }
}

/// Appends a field that is not NULL, in quotes where it would not be itself without.
pub(crate) fn put_field(text: &str, out: &mut String) {
    let is_special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | ',') || is_space(c);
    if text.is_empty() || text.contains(is_special) { put_doubled(text, out) } else { out.push_str(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let shown = match fields(text) {
            Ok(fields) => format!("{fields:?}"),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn quotes_and_nulls_are_read() {
        check("()", &expect!["[None]"]);
        check("(1,,\"\")", &expect![[r#"[Some("1"), None, Some("")]"#]]);
        check(
            r#"("a ""b""","c\\d","(x,y)")"#,
            &expect![[r#"[Some("a \"b\""), Some("c\\d"), Some("(x,y)")]"#]],
        );
        for text in ["", "(", "(1", "(1))", "1,2)", "(\"1)", "(\"1\"2)", "((1))"] {
            assert!(fields(text).is_err(), "{text}");
        }
    }
}
