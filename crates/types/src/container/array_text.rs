//! The text of an array: `{1,NULL,"a \"b\""}`, `[0:1][2:3]={{1,2},{3,4}}`.

use std::borrow::Cow;
use std::fmt::Write;

use super::elements::DIMENSIONS;
use super::quoted::{is_space, take_quoted, unescape};
use super::{Dimension, not_a};
use crate::params::check_len;
use crate::{EncodeError, IsNull, Type, ValueError};

/// An array's text, taken apart.
///
/// See [Array Input and Output Syntax](https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
pub(crate) struct ArrayText<'t> {
    pub(crate) dimensions: Vec<Dimension>,
    /// In the order in which they are stored; `None` is NULL. Those without escapes are lent.
    pub(crate) elements: Vec<Option<Cow<'t, str>>>,
}

struct Parser<'t> {
    rest: &'t str,
    delimiter: char,
    /// The number of members that the braces of each depth have.
    counts: Vec<Option<usize>>,
    /// How deep elements stand.
    leaf: Option<usize>,
    elements: Vec<Option<Cow<'t, str>>>,
}

impl<'t> ArrayText<'t> {
    /// What stands between the elements of a type (`pg_type.typdelim`).
    pub(crate) fn delimiter(element: &Type) -> char {
        if *element.base() == Type::BOX { ';' } else { ',' }
    }

    pub(crate) fn new(text: &'t str, delimiter: char) -> Result<Self, ValueError> {
        Self::parse(text, delimiter).ok_or_else(|| not_a("an array", text))
    }

    fn parse(text: &'t str, delimiter: char) -> Option<Self> {
        let (bounds, body) = match text.strip_prefix('[') {
            Some(_) => {
                let (bounds, body) = text.split_once('=')?;
                (Some(lower_bounds(bounds)?), body)
            }
            None => (None, text),
        };
        let mut parser =
            Parser { rest: body, delimiter, counts: Vec::new(), leaf: None, elements: Vec::new() };
        parser.level(0)?;
        if !parser.rest.is_empty() {
            return None;
        }
        let Parser { counts, elements, .. } = parser;
        let mut dimensions = Vec::new();
        if !elements.is_empty() {
            for (depth, len) in counts.into_iter().enumerate() {
                let lower_bound = match &bounds {
                    Some(bounds) => *bounds.get(depth)?,
                    None => 1,
                };
                dimensions.push(Dimension { len: len?, lower_bound });
            }
        }
        Some(Self { dimensions, elements })
    }

    /// Writes an array whose elements `put` appends.
    pub(crate) fn put<T>(
        dimensions: &[Dimension],
        values: &[T],
        delimiter: char,
        out: &mut String,
        put: impl Fn(&T, &mut String) -> Result<IsNull, EncodeError>,
    ) -> Result<(), EncodeError> {
        if values.is_empty() {
            out.push_str("{}");
            return Ok(());
        }
        if dimensions.iter().any(|dimension| dimension.lower_bound != 1) {
            for Dimension { len, lower_bound } in dimensions {
                let last = i64::from(*lower_bound).saturating_add(i64::try_from(*len).unwrap_or(i64::MAX));
                // Writing to a String cannot fail.
                let _ = write!(out, "[{lower_bound}:{}]", last.saturating_sub(1));
            }
            out.push('=');
        }
        let start = out.len();
        let mut text = String::new();
        for (index, value) in values.iter().enumerate() {
            // A brace opens and closes where the places behind it begin anew.
            let begun = starting(dimensions, index);
            if index > 0 {
                out.extend((0..begun).map(|_| '}'));
                out.push(delimiter);
            }
            out.extend((0..begun).map(|_| '{'));
            text.clear();
            match put(value, &mut text)? {
                IsNull::Yes => out.push_str("NULL"),
                IsNull::No => put_element(&text, delimiter, out),
            }
            check_len(out.len().saturating_sub(start))?;
        }
        out.extend(dimensions.iter().map(|_| '}'));
        Ok(())
    }
}

/// How many of the innermost dimensions begin at the element of this index.
fn starting(dimensions: &[Dimension], index: usize) -> usize {
    let mut size = 1_usize;
    let begins = |dimension: &&Dimension| {
        size = size.saturating_mul(dimension.len);
        size > 0 && index % size == 0
    };
    dimensions.iter().rev().take_while(begins).count()
}

/// Appends an element that is not NULL, in quotes where it would not be itself without.
fn put_element(text: &str, delimiter: char, out: &mut String) {
    let is_special = |c: char| matches!(c, '"' | '\\' | '{' | '}') || c == delimiter || is_space(c);
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(is_special) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// Reads `[0:1][-2:3]`.
fn lower_bounds(text: &str) -> Option<Vec<i32>> {
    let bound = |dimension: &str| dimension.strip_prefix('[')?.split_once(':')?.0.parse().ok();
    let inside = text.strip_suffix(']')?;
    inside.split(']').map(bound).collect()
}

impl Parser<'_> {
    fn level(&mut self, depth: usize) -> Option<()> {
        self.rest = self.rest.strip_prefix('{')?;
        if depth >= DIMENSIONS {
            return None;
        }
        if self.counts.len() == depth {
            self.counts.push(None);
        }
        let mut count = 0_usize;
        if let Some(behind) = self.rest.strip_prefix('}') {
            self.rest = behind;
        } else {
            loop {
                if self.rest.starts_with('{') {
                    self.level(depth.checked_add(1)?)?;
                } else {
                    if *self.leaf.get_or_insert(depth) != depth {
                        return None;
                    }
                    self.element()?;
                }
                count = count.checked_add(1)?;
                if let Some(behind) = self.rest.strip_prefix(self.delimiter) {
                    self.rest = behind;
                } else {
                    self.rest = self.rest.strip_prefix('}')?;
                    break;
                }
            }
        }
        let known = self.counts.get_mut(depth)?;
        (*known.get_or_insert(count) == count).then_some(())
    }

    /// Takes an element off the front.
    fn element(&mut self) -> Option<()> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (value, behind) = take_quoted(quoted)?;
            self.rest = behind;
            self.elements.push(Some(value));
            return Some(());
        }
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = !escaped && (c == self.delimiter || matches!(c, '{' | '}' | '"'));
            escaped = !escaped && c == '\\';
            ends
        })?;
        let (value, behind) = self.rest.split_at_checked(end)?;
        self.rest = behind;
        self.elements.push(match value {
            "" => return None,
            "NULL" => None,
            value => Some(unescape(value)),
        });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let shown = match ArrayText::new(text, ',') {
            Ok(ArrayText { dimensions, elements }) => {
                let bounds: Vec<_> = dimensions.iter().map(|d| (d.lower_bound, d.len)).collect();
                let mut again = String::new();
                let put = |element: &Option<Cow<'_, str>>, out: &mut String| match element {
                    Some(text) => {
                        out.push_str(text);
                        Ok(IsNull::No)
                    }
                    None => Ok(IsNull::Yes),
                };
                ArrayText::put(&dimensions, &elements, ',', &mut again, put).unwrap();
                assert_eq!(again, text, "it is written as it was");
                format!("{bounds:?} {elements:?}")
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn quotes_escapes_and_nulls_are_read() {
        check("{}", &expect!["[] []"]);
        check("{1,2,NULL}", &expect![[r#"[(1, 3)] [Some("1"), Some("2"), None]"#]]);
        check(
            r#"{"NULL","a,b","c\"d\\e",""}"#,
            &expect![[r#"[(1, 4)] [Some("NULL"), Some("a,b"), Some("c\"d\\e"), Some("")]"#]],
        );
    }

    #[test]
    fn dimensions_and_bounds_are_read() {
        check("[0:1]={a,b}", &expect![[r#"[(0, 2)] [Some("a"), Some("b")]"#]]);
        check(
            "{{1,2,3},{4,5,NULL}}",
            &expect![[r#"[(1, 2), (1, 3)] [Some("1"), Some("2"), Some("3"), Some("4"), Some("5"), None]"#]],
        );
        check(
            "[-1:-1][1:2][3:3]={{{a},{b}}}",
            &expect![[r#"[(-1, 1), (1, 2), (3, 1)] [Some("a"), Some("b")]"#]],
        );
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in [
            "",
            "{1,}",
            r#"{"a"#,
            r#"{"a}"#,
            r#"{"a"b}"#,
            "[0:1]",
            "{{1},2}",
            "{{1},{2,3}}",
            "{1}x",
            "[0:1]={{1}}",
            "{{{{{{{1}}}}}}}",
            "[:={1}",
            "{\\",
            "{,}",
        ] {
            assert!(ArrayText::new(text, ',').is_err(), "{text}");
        }
        let endless = "{".repeat(100_000);
        assert!(ArrayText::new(&endless, ',').is_err());
    }
}
