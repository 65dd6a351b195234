//! The text of ranges: `[1,10)`, `empty`, `(,"a b"]`.

use std::borrow::Cow;
use std::ops::Bound;

use super::quoted::{is_space, put_doubled, take_quoted, unescape};
use crate::{EncodeError, IsNull};

/// A range's text, taken apart: `None` is the empty range.
pub(crate) type RangeText<'t> = Option<(Bound<Cow<'t, str>>, Bound<Cow<'t, str>>)>;

/// Takes a range off the front of a text.
///
/// See [Range Input/Output](https://www.postgresql.org/docs/current/rangetypes.html#RANGETYPES-IO).
pub(crate) fn take_range(text: &str) -> Option<(RangeText<'_>, &str)> {
    if let Some(behind) = text.strip_prefix("empty") {
        return Some((None, behind));
    }
    let (lower_included, rest) = match text.strip_prefix('[') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('(')?),
    };
    let (lower, rest) = take_bound(rest)?;
    let (upper, rest) = take_bound(rest.strip_prefix(',')?)?;
    let (upper_included, rest) = match rest.strip_prefix(']') {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(')')?),
    };
    let bound = |value, included| match value {
        None => Bound::Unbounded,
        Some(value) if included => Bound::Included(value),
        Some(value) => Bound::Excluded(value),
    };
    Some((Some((bound(lower, lower_included), bound(upper, upper_included))), rest))
}

fn take_bound(text: &str) -> Option<(Option<Cow<'_, str>>, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, behind) = take_quoted(quoted)?;
        return Some((Some(value), behind));
    }
    let end = text.find([',', ')', ']', '"'])?;
    let (value, behind) = text.split_at_checked(end)?;
    Some(((!value.is_empty()).then(|| unescape(value)), behind))
}

/// Appends a range whose bounds `put` appends; `None` is the empty one.
pub(crate) fn put_range_text<T>(
    bounds: Option<(Bound<&T>, Bound<&T>)>,
    out: &mut String,
    put: impl Fn(&T, &mut String) -> Result<IsNull, EncodeError>,
) -> Result<(), EncodeError> {
    let Some((lower, upper)) = bounds else {
        out.push_str("empty");
        return Ok(());
    };
    out.push(if matches!(lower, Bound::Included(_)) { '[' } else { '(' });
    put_bound(lower, out, &put)?;
    out.push(',');
    put_bound(upper, out, &put)?;
    out.push(if matches!(upper, Bound::Included(_)) { ']' } else { ')' });
    Ok(())
}

fn put_bound<T>(
    bound: Bound<&T>,
    out: &mut String,
    put: impl Fn(&T, &mut String) -> Result<IsNull, EncodeError>,
) -> Result<(), EncodeError> {
    let (Bound::Included(value) | Bound::Excluded(value)) = bound else { return Ok(()) };
    let mut text = String::new();
    if put(value, &mut text)? == IsNull::Yes {
        return Err(super::range::null_bound());
    }
    let is_special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',') || is_space(c);
    if text.is_empty() || text.contains(is_special) {
        put_doubled(&text, out);
    } else {
        out.push_str(&text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let shown = match take_range(text) {
            Some((range, "")) => {
                let mut again = String::new();
                let bounds = range.as_ref().map(|(lower, upper)| (lower.as_ref(), upper.as_ref()));
                put_range_text(bounds, &mut again, |value, out| {
                    out.push_str(value);
                    Ok(IsNull::No)
                })
                .unwrap();
                assert_eq!(again, text, "it is written as it was");
                format!("{range:?}")
            }
            Some((_, rest)) => format!("{rest:?} is left"),
            None => "none".to_owned(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn bounds_quotes_and_the_empty_range_are_read() {
        check("empty", &expect!["None"]);
        check("[1,10)", &expect![[r#"Some((Included("1"), Excluded("10")))"#]]);
        check("(,)", &expect!["Some((Unbounded, Unbounded))"]);
        check(r#"["a, b","c""d\\e"]"#, &expect![[r#"Some((Included("a, b"), Included("c\"d\\e")))"#]]);
        check(r#"["",)"#, &expect![[r#"Some((Included(""), Unbounded))"#]]);
        for text in ["", "[", "[1", "[1,2", "[1,2,3)", r#"["1,2)"#, "1,2)", "[1\"2\",)"] {
            check(text, &expect!["none"]);
        }
    }
}
