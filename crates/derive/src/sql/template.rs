//! The text of `sql!` with placeholders in the places of its captures.

use proc_macro2::Ident;

use super::lexer::{Lexer, Token, continues_word, is_name};

/// What the macro makes of the text, as if everything in braces were a value.
#[derive(Debug, Default)]
pub(super) struct Template {
    /// The text with `$1`, `$2`, ...
    pub(super) text: String,
    /// Where each `$` stands, and which of the names that is, counted from 0.
    pub(super) holes: Vec<(usize, usize)>,
    /// What is captured, each name once, in the order of the numbers.
    pub(super) names: Vec<String>,
}

impl Template {
    pub(super) fn new(sql: &str) -> Result<Self, String> {
        let mut template = Self::default();
        let mut lexer = Lexer::new(sql);
        // The name that was captured right in front.
        let mut behind = None;
        for token in lexer.tokens()? {
            match token {
                Token::Capture(name) => {
                    if let Some(other) = behind {
                        return Err(format!("nothing stands between `{{{other}}}` and `{{{name}}}`"));
                    }
                    template.capture(name)?;
                    behind = Some(name);
                    continue;
                }
                Token::Text(text) => {
                    if let Some(name) = behind {
                        check_behind(name, text)?;
                    }
                    template.text.push_str(text);
                }
                Token::Brace(brace) => template.text.push(brace),
            }
            behind = None;
        }
        if lexer.ends_in_comment() {
            // What is put behind it is no part of the comment.
            template.text.push('\n');
        }
        Ok(template)
    }

    /// Whether a value of this name is wanted.
    pub(super) fn captures(&self, name: &Ident) -> bool {
        self.names.iter().any(|captured| name == captured.as_str())
    }

    fn capture(&mut self, written: &str) -> Result<(), String> {
        check_name(written)?;
        let name = written.strip_prefix("r#").unwrap_or(written);
        check_before(name, &self.text)?;
        let index = match self.names.iter().position(|other| other == name) {
            Some(index) => index,
            None => {
                self.names.push(name.to_owned());
                self.names.len() - 1
            }
        };
        self.holes.push((self.text.len(), index));
        self.text.push('$');
        self.text.push_str(&(index + 1).to_string());
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if is_name(name) {
        return Ok(());
    }
    let begins_name = name.split([':', '.', '[', '(', '?']).next().filter(|begin| is_name(begin.trim()));
    Err(match begins_name {
        _ if name.is_empty() => {
            "`{}` has no name: write `{name}`, for a variable or for name = value".to_owned()
        }
        Some(begin) if name[begin.len()..].starts_with(':') => {
            format!("`{{{name}}}`: a parameter has no format; write `{{{}}}`", begin.trim())
        }
        Some(_) => {
            format!("`{{{name}}}` is more than a name; write `{{value}}`, and value = {name} behind the text")
        }
        None => format!("`{{{name}}}` is no name: write `{{name}}`, for a variable or for name = value"),
    })
}

/// A capture is a word of its own: what stands right in front of it does not change what it means.
fn check_before(name: &str, text: &str) -> Result<(), String> {
    let mut before = text.chars().rev();
    match before.next() {
        Some(last) if continues_word(last) || matches!(last, '"' | '\'') => Err(touches(name, last)),
        // U&"..." is another kind of name.
        Some('&')
            if matches!(before.next(), Some('u' | 'U')) && !before.next().is_some_and(continues_word) =>
        {
            Err(touches(name, '&'))
        }
        _ => Ok(()),
    }
}

fn check_behind(name: &str, text: &str) -> Result<(), String> {
    match text.chars().next() {
        Some(next) if continues_word(next) || matches!(next, '"' | '\'') => Err(touches(name, next)),
        _ => Ok(()),
    }
}

fn touches(name: &str, other: char) -> String {
    format!(
        "`{{{name}}}` touches {other:?}: a capture is a whole word, and no part of a name, a number or a string"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str) -> String {
        Template::new(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).text
    }

    #[test]
    fn each_name_is_one_parameter() {
        let template = Template::new("SELECT {a}, {b} + {a}, {r#type}").unwrap();
        assert_eq!(template.text, "SELECT $1, $2 + $1, $3");
        assert_eq!(template.names, ["a", "b", "type"]);
        assert_eq!(template.holes, [(7, 0), (11, 1), (16, 0), (20, 2)]);
    }

    #[test]
    fn doubled_braces_are_braces_and_quoted_ones_stay() {
        assert_eq!(text("SELECT {{x}} {a} '{{}}'"), "SELECT {x} $1 '{{}}'");
    }

    #[test]
    fn a_comment_at_the_end_ends_there() {
        assert_eq!(text("SELECT {a} -- it"), "SELECT $1 -- it\n");
        assert_eq!(text("SELECT {a} -- it\n"), "SELECT $1 -- it\n");
    }

    #[test]
    fn a_capture_is_a_word_of_its_own() {
        for sql in
            ["({a})", "-{a}::int", "{a}.{b}", "x={a}", "[{a}]", "a &{b}", "{a}, {b}", "'x' {a}", "xu&{a}"]
        {
            assert!(Template::new(sql).is_ok(), "{sql}");
        }
        for sql in [
            "a{a}", "1{a}", "{a}1", "{a}b", "{a}$", "é{a}", "\"x\"{a}", "{a}\"x\"", "'x'{a}", "{a}'x'",
            "U&{a}", "u&{a}",
        ] {
            let error = Template::new(sql).unwrap_err();
            assert!(error.starts_with("`{a}` touches "), "{sql}: {error}");
        }
        assert_eq!(Template::new("{a}{b}").unwrap_err(), "nothing stands between `{a}` and `{b}`");
    }

    #[test]
    fn what_is_no_name_is_told_how_to_be_written() {
        for (sql, error) in [
            ("{}", "`{}` has no name: write `{name}`, for a variable or for name = value"),
            ("{0}", "`{0}` is no name: write `{name}`, for a variable or for name = value"),
            ("{a:?}", "`{a:?}`: a parameter has no format; write `{a}`"),
            ("{a.b}", "`{a.b}` is more than a name; write `{value}`, and value = a.b behind the text"),
            ("{a()}", "`{a()}` is more than a name; write `{value}`, and value = a() behind the text"),
            ("{:?}", "`{:?}` is no name: write `{name}`, for a variable or for name = value"),
        ] {
            assert_eq!(Template::new(sql).unwrap_err(), error);
        }
    }
}
