//! SQL whose parameters are inside: the value of `sql!`.

mod bound;
mod capture;

use std::borrow::Cow;
use std::fmt;

use bound::BoundValues;
use capture::Part;
pub use capture::{Capture, Captured, Peel, PeelBorrowed, PeelCopied};

use crate::Params;

/// A statement, or a part of one, together with its parameters: the value of `sql!`.
///
/// It borrows the values that it captured. Parts are put together with [`push`](Self::push), [`join`](Self::join), and by capturing them in
/// another `sql!`: then their parameters are numbered anew. There is no way to make one of text that is known at run time only.
///
/// A part is whole words: where two meet that are not separated, a space comes in between, so that neither changes what the other means. What
/// belongs together is put in parentheses where the parts are written.
///
/// ```
/// # macro_rules! sql { ($($t:tt)*) => { cornac_derive::sql!(cornac_types; $($t)*) } }
/// # let (limit, name) = (Some(100), None::<&str>);
/// let mut statement = sql!("SELECT * FROM item WHERE true");
/// if let Some(limit) = limit {
///     statement.push(sql!("AND price < {limit}"));
/// }
/// if let Some(name) = name {
///     statement.push(sql!("AND name = {name}"));
/// }
/// assert_eq!(statement.text(), "SELECT * FROM item WHERE true AND price < $1");
/// ```
///
/// The same shape is the same text each time, so that the statement cache knows it again.
#[derive(Clone, Default)]
pub struct Sql<'a> {
    text: Cow<'static, str>,
    /// Where the placeholders are, in their order.
    holes: Cow<'static, [Hole]>,
    values: BoundValues<'a>,
}

/// A placeholder in a text.
#[derive(Clone, Copy, Debug)]
pub struct Hole {
    /// The byte where its `$` stands.
    pub at: usize,
    /// Which parameter, counted from 0: the number behind the `$` is one more.
    pub index: usize,
}

/// What `sql!` makes of its text when it is compiled, as if everything in braces were a value.
#[derive(Debug)]
pub struct Template {
    /// The text, with placeholders.
    pub text: &'static str,
    /// Where those are.
    pub holes: &'static [Hole],
}

impl<'a> Sql<'a> {
    /// Nothing yet: no text, no parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part behind what is there, with a space in between where that is needed.
    pub fn push(&mut self, part: Sql<'a>) -> &mut Self {
        if self.text.is_empty() {
            *self = part;
        } else if !part.text.is_empty() {
            let base = self.values.len();
            self.values.extend_from(&part.values);
            self.append(&part, base);
        }
        self
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that it can be written where it is wanted, as a `sql!`"
    )]
    /// All parts, with the separator between each two of them; those without text are left out. Nothing at all if there are none.
    pub fn join(parts: impl IntoIterator<Item = Sql<'a>>, separator: Sql<'a>) -> Self {
        let mut joined = Self::new();
        for (index, part) in parts.into_iter().filter(|part| !part.is_empty()).enumerate() {
            if index > 0 {
                joined.push(separator.clone());
            }
            joined.push(part);
        }
        joined
    }

    /// The SQL text, with placeholders `$1`, `$2`, ... for its parameters.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The parameters inside, `$1` first; `None` if there are none.
    pub fn parameters(&self) -> Option<&(dyn Params + Sync)> {
        (self.values.len() > 0).then_some(&self.values)
    }

    /// What `sql!` makes.
    #[doc(hidden)]
    #[inline]
    pub fn captured<const N: usize>(template: &'static Template, captured: [Captured<'a>; N]) -> Self {
        let Template { text, holes } = template;
        if !captured.iter().all(|captured| matches!(captured.0, Part::Value(_))) {
            return Self::compose(template, &captured);
        }
        let mut values = BoundValues::default();
        for captured in captured {
            if let Part::Value(value) = captured.0 {
                values.push(value);
            }
        }
        Self { text: Cow::Borrowed(text), holes: Cow::Borrowed(holes), values }
    }

    /// Puts names and fragments in the places of their placeholders; the parameters that are left are numbered anew.
    fn compose(template: &Template, captured: &[Captured<'a>]) -> Self {
        let mut sql = Self::new();
        // Where the parameters of each begin, once they have been taken: what stands in two places is captured once.
        let mut bases = vec![None; captured.len()];
        let mut copied = 0;
        let mut behind_fragment = false;
        for hole in template.holes {
            sql.push_text(between(template.text, copied, hole.at), behind_fragment);
            copied = hole.end();
            behind_fragment = false;
            let (Some(Captured(part)), Some(base)) = (captured.get(hole.index), bases.get_mut(hole.index))
            else {
                continue;
            };
            match part {
                Part::Name(name) => sql.push_text(name, false),
                Part::Value(value) => {
                    let index = *base.get_or_insert(sql.values.len());
                    if index == sql.values.len() {
                        sql.values.push(value.clone());
                    }
                    sql.push_placeholder(index);
                }
                Part::Fragment(fragment) => {
                    let base = *base.get_or_insert_with(|| {
                        let base = sql.values.len();
                        sql.values.extend_from(&fragment.values);
                        base
                    });
                    sql.append(fragment, base);
                    behind_fragment = true;
                }
            }
        }
        sql.push_text(between(template.text, copied, template.text.len()), behind_fragment);
        sql
    }

    /// Adds the text of a part whose parameters are there already, from `base` on.
    fn append(&mut self, part: &Sql<'_>, base: usize) {
        let (mut copied, mut apart) = (0, true);
        for hole in &*part.holes {
            let text = between(&part.text, copied, hole.at);
            self.push_text(text, apart);
            apart &= text.is_empty();
            if apart {
                self.separate('$');
                apart = false;
            }
            self.push_placeholder(base.saturating_add(hole.index));
            copied = hole.end();
        }
        self.push_text(between(&part.text, copied, part.text.len()), apart);
    }

    fn push_text(&mut self, text: &str, apart: bool) {
        let Some(first) = text.chars().next() else { return };
        if apart {
            self.separate(first);
        }
        self.text.to_mut().push_str(text);
    }

    fn push_placeholder(&mut self, index: usize) {
        self.holes.to_mut().push(Hole { at: self.text.len(), index });
        self.text.to_mut().push('$');
        self.text.to_mut().push_str(&index.saturating_add(1).to_string());
    }

    /// Makes sure that what comes does not become one word, number, string, comment or operator with what is there.
    fn separate(&mut self, next: char) {
        let Some(last) = self.text.chars().next_back() else { return };
        let is_apart = last.is_ascii_whitespace()
            || next.is_ascii_whitespace()
            || matches!(last, '(' | '[' | ',' | ';')
            || matches!(next, ')' | ']' | ',' | ';');
        if !is_apart {
            self.text.to_mut().push(' ');
        }
    }
}

impl Hole {
    /// The byte behind its number.
    fn end(self) -> usize {
        let digits = self.index.saturating_add(1).ilog10().saturating_add(1);
        self.at.saturating_add(1).saturating_add(usize::try_from(digits).unwrap_or_default())
    }
}

fn between(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

impl fmt::Debug for Sql<'_> {
    /// Shows the text and what its parameters are, never their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").field("text", &self.text).field("parameters", &self.values).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identifier, QualifiedName};

    macro_rules! sql {
        ($($sql:tt)*) => {
            cornac_derive::sql!(crate; $($sql)*)
        };
    }

    /// The text, and how many parameters there are; each placeholder is where it is remembered to be.
    fn check(sql: &Sql<'_>, text: &str, parameters: usize) {
        assert_eq!((sql.text(), sql.values.len()), (text, parameters));
        assert_eq!(sql.parameters().is_some(), parameters > 0);
        for hole in &*sql.holes {
            assert_eq!(between(text, hole.at, hole.end()), format!("${}", hole.index + 1), "{text}");
            assert!(hole.index < parameters, "{text}");
        }
        assert_eq!(sql.holes.len(), text.matches('$').count(), "{text}");
    }

    #[test]
    fn values_alone_leave_the_text_as_it_was_compiled() {
        let (one, two) = (1, "two");
        let sql = sql!("SELECT {one}, {two}, {one}");
        check(&sql, "SELECT $1, $2, $1", 2);
        assert!(matches!(sql.text, Cow::Borrowed(_)));
        check(&sql!("SELECT 1"), "SELECT 1", 0);
        check(&Sql::new(), "", 0);
    }

    #[test]
    fn what_is_captured_twice_is_there_once() {
        let (one, part) = (1, Identifier::new("n").unwrap());
        let part = sql!("{part} = {one}");
        check(&sql!("{one} {part} {one} {part}"), "$1 \"n\" = $2 $1 \"n\" = $2", 2);
        check(&sql!("{part} {one}"), "\"n\" = $1 $2", 2);
    }

    #[test]
    fn numbers_of_several_digits_are_found_again() {
        let text_of = |first: usize| {
            let list: Vec<_> = (first..first + 101).map(|n| format!("${n}")).collect();
            format!("({list}) ${} ({list})", first + 101, list = list.join(","))
        };
        let list = Sql::join((0..101).map(|n| sql!("{n}")), sql!(","));
        let last = 7;
        let nested = sql!("({list}) {last} ({list})");
        check(&sql!("{last} {nested}"), &format!("$1 {}", text_of(2)), 103);
        check(&nested, &text_of(1), 102);
    }

    #[test]
    fn parts_stay_apart() {
        let n = 1;
        let pushed = |mut one: Sql<'static>, other: Sql<'static>| {
            one.push(other);
            one.text().to_owned()
        };
        for (one, other, expected) in [
            (sql!("a"), sql!("b"), "a b"),
            (sql!("a "), sql!("b"), "a b"),
            (sql!("a"), sql!("\nb"), "a\nb"),
            (sql!("a"), sql!("{n}"), "a $1"),
            (sql!("{n}"), sql!("1"), "$1 1"),
            (sql!("{n}"), sql!("{n}"), "$1 $2"),
            (sql!("-"), sql!("-1"), "- -1"),
            (sql!("/"), sql!("* 2"), "/ * 2"),
            (sql!("'a'"), sql!("'b'"), "'a' 'b'"),
            (sql!("\"a\""), sql!("\"b\""), "\"a\" \"b\""),
            (sql!("U&"), sql!("\"b\""), "U& \"b\""),
            (sql!("f("), sql!("{n}"), "f($1"),
            (sql!("f"), sql!(")"), "f)"),
            (sql!("{n}"), sql!(", {n}"), "$1, $2"),
            (sql!("a -- all"), sql!("b"), "a -- all\nb"),
            (sql!(""), sql!("b"), "b"),
            (sql!("a"), sql!(""), "a"),
        ] {
            assert_eq!(pushed(one, other), expected);
        }
        let (minus, empty) = (sql!("-"), sql!(""));
        check(&sql!("1 -{minus}-1"), "1 - - -1", 0);
        check(&sql!("1 -{empty}-1"), "1 - -1", 0);
        check(&sql!("f({minus})"), "f(-)", 0);
    }

    #[test]
    fn names_are_written_in_quotes() {
        let (name, table) = (Identifier::new("a\"b").unwrap(), QualifiedName::in_schema("s", "t").unwrap());
        let n = 1;
        let sql = sql!("SELECT {name}, {n} FROM {table}.{name} WHERE {name} = {n}");
        check(&sql, r#"SELECT "a""b", $1 FROM "s"."t"."a""b" WHERE "a""b" = $1"#, 1);
    }

    #[test]
    fn joining_puts_the_separator_between() {
        let parts = |count: i32| (0..count).map(|n| sql!("{n}"));
        check(&Sql::join(parts(0), sql!(", ")), "", 0);
        check(&Sql::join(parts(1), sql!(", ")), "$1", 1);
        check(&Sql::join(parts(3), sql!("OR")), "$1 OR $2 OR $3", 3);
        check(&Sql::join([sql!(""), sql!("a"), sql!(""), sql!("b")], sql!(" AND ")), "a AND b", 0);
        let n = 7;
        check(&Sql::join(parts(2), sql!(" + {n} + ")), "$1 + $2 + $3", 3);
    }
}
