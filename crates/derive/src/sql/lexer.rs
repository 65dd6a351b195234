//! The text of `sql!` as PostgreSQL's lexer sees it, as far as that decides what a brace means.
//!
//! What is quoted (strings, names, dollar quotes) and comments go as they stand; braces mean something elsewhere only. See
//! [Lexical Structure](https://www.postgresql.org/docs/current/sql-syntax-lexical.html).

use std::fmt;

/// A part of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// It goes as it stands.
    Text(&'t str),
    /// A brace that was written twice.
    Brace(char),
    /// What stands between braces.
    Capture(&'t str),
}

/// What keeps braces from meaning anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    String,
    Name,
    Dollar,
    Comment,
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "a string constant",
            Self::Name => "a quoted name",
            Self::Dollar => "a dollar-quoted string",
            Self::Comment => "a comment",
        })
    }
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Where the text that has not been given yet begins.
    start: usize,
    /// The text ends inside of a comment that the next line would end.
    ends_in_comment: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, start: 0, ends_in_comment: false }
    }

    /// All parts of the text, or what is wrong with it.
    pub(super) fn tokens(&mut self) -> Result<Vec<Token<'t>>, String> {
        if self.text.contains('\0') {
            return Err("a NUL is in it, which no statement can have".to_owned());
        }
        let mut tokens = Vec::new();
        while let Some(next) = self.peek() {
            match next {
                '{' | '}' => {
                    let text = &self.text[self.start..self.at];
                    if !text.is_empty() {
                        tokens.push(Token::Text(text));
                    }
                    tokens.push(self.brace(next)?);
                    self.start = self.at;
                }
                '\'' => self.string()?,
                '"' => {
                    self.take(1);
                    self.until("\"", Quote::Name)?;
                }
                '$' => self.dollar()?,
                '-' if self.rest().starts_with("--") => self.line_comment()?,
                '/' if self.rest().starts_with("/*") => self.comment()?,
                _ => self.take(next.len_utf8()),
            }
        }
        let text = &self.text[self.start..];
        if !text.is_empty() {
            tokens.push(Token::Text(text));
        }
        Ok(tokens)
    }

    /// Whether a comment at the end would go on with what is put behind.
    pub(super) fn ends_in_comment(&self) -> bool {
        self.ends_in_comment
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// A brace outside of quotes.
    fn brace(&mut self, brace: char) -> Result<Token<'t>, String> {
        self.take(1);
        if self.peek() == Some(brace) {
            self.take(1);
            return Ok(Token::Brace(brace));
        }
        if brace == '}' {
            return Err("a `}` stands alone: write `}}` for a brace".to_owned());
        }
        let rest = self.rest();
        match rest.find(['{', '}']) {
            Some(end) if rest[end..].starts_with('}') => {
                self.take(end + 1);
                Ok(Token::Capture(rest[..end].trim()))
            }
            _ => Err("a `{` is not closed: write `{{` for a brace".to_owned()),
        }
    }

    /// A string, and those behind line ends that continue it.
    fn string(&mut self) -> Result<(), String> {
        let before = &self.text[..self.at];
        let mut behind = before.chars().rev();
        let escapes = matches!(behind.next(), Some('e' | 'E')) && !behind.next().is_some_and(continues_word);
        loop {
            self.take(1);
            let start = self.at;
            if escapes {
                self.until_unescaped()?;
            } else {
                self.until("'", Quote::String)?;
                if self.text[start..self.at].contains("\\'") {
                    return Err("a backslash stands in front of a quote, which means another thing where \
                                standard_conforming_strings is off: write the string as E'...'"
                        .to_owned());
                }
            }
            if self.peek() == Some('\'') {
                continue;
            }
            match self.continuation() {
                Some(quote) => self.at = quote,
                None => return Ok(()),
            }
        }
    }

    fn until_unescaped(&mut self) -> Result<(), String> {
        let start = self.at;
        while let Some(next) = self.peek() {
            self.take(next.len_utf8());
            match next {
                '\'' => return check_quoted(&self.text[start..self.at], Quote::String),
                '\\' => self.take(self.peek().map_or(0, char::len_utf8)),
                _ => {}
            }
        }
        Err(unclosed(Quote::String))
    }

    /// Where the quote stands that continues a string: behind blanks and comments with a line end among them.
    fn continuation(&self) -> Option<usize> {
        let mut has_line_end = false;
        let mut at = self.at;
        loop {
            let rest = &self.text[at..];
            match rest.chars().next()? {
                '\n' | '\r' => has_line_end = true,
                ' ' | '\t' | '\x0b' | '\x0c' => {}
                '-' if rest.starts_with("--") => {
                    at += rest.find(['\n', '\r'])?;
                    continue;
                }
                '\'' if has_line_end => return Some(at),
                _ => return None,
            }
            at += 1;
        }
    }

    /// Goes behind the next `end`.
    fn until(&mut self, end: &str, quote: Quote) -> Result<(), String> {
        let rest = self.rest();
        let Some(found) = rest.find(end) else { return Err(unclosed(quote)) };
        self.take(found + end.len());
        check_quoted(&rest[..found], quote)
    }

    fn dollar(&mut self) -> Result<(), String> {
        let within_word = self.text[..self.at].chars().next_back().is_some_and(continues_word);
        self.take(1);
        if within_word {
            return Ok(());
        }
        let rest = self.rest();
        if rest.starts_with(|next: char| next.is_ascii_digit()) {
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return Err(format!(
                "`${number}` is a placeholder, and here those are made of captures: write `{{name}}`"
            ));
        }
        let tag = rest.find(|next: char| !continues_word(next) || next == '$').unwrap_or(rest.len());
        if !rest[tag..].starts_with('$') {
            return Ok(());
        }
        let delimiter = format!("${}$", &rest[..tag]);
        self.take(tag + 1);
        self.until(&delimiter, Quote::Dollar)
    }

    fn line_comment(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let comment = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
        self.take(comment.len());
        self.ends_in_comment = self.rest().is_empty();
        check_quoted(comment, Quote::Comment)
    }

    /// A comment that may have others inside.
    fn comment(&mut self) -> Result<(), String> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else { return Err(unclosed(Quote::Comment)) };
            if rest.starts_with("/*") {
                depth += 1;
                self.take(2);
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.take(2);
            } else {
                self.take(next.len_utf8());
            }
            if depth == 0 {
                return check_quoted(&self.text[start..self.at], Quote::Comment);
            }
        }
    }
}

/// Whether a name, a number or a placeholder goes on with this character.
pub(super) fn continues_word(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_' || next == '$' || !next.is_ascii()
}

/// Refuses what looks like a capture where nothing can be captured.
fn check_quoted(text: &str, quote: Quote) -> Result<(), String> {
    for (open, _) in text.match_indices('{') {
        let inside = &text[open + 1..];
        let Some(end) = inside.find('}') else { return Ok(()) };
        let name = inside[..end].trim();
        if is_name(name) {
            return Err(format!(
                "`{{{name}}}` stands inside of {quote}, where no parameter can be; braces mean nothing there, and none is doubled"
            ));
        }
    }
    Ok(())
}

/// Whether it is what a capture is called.
pub(super) fn is_name(text: &str) -> bool {
    let text = text.strip_prefix("r#").unwrap_or(text);
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && text.chars().all(|next| next.is_alphanumeric() || next == '_')
}

fn unclosed(quote: Quote) -> String {
    format!("{quote} is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(text: &str) -> Vec<&str> {
        let tokens = Lexer::new(text).tokens().unwrap_or_else(|error| panic!("{text}: {error}"));
        let names = tokens.into_iter().filter_map(|token| match token {
            Token::Capture(name) => Some(name),
            _ => None,
        });
        names.collect()
    }

    #[test]
    fn braces_mean_something_outside_of_quotes_alone() {
        for text in [
            "SELECT '{}', {x}",
            "SELECT '{{1,2},{3,4}}'::int[], {x}",
            r#"SELECT '{"a": {"b": [1]}}'::jsonb, {x}"#,
            "SELECT 'it''s {}', {x}",
            r"SELECT E'\'{}', {x}",
            r"SELECT e'\\', {x}",
            "SELECT E'a'\n '\\'{}', {x}",
            "SELECT E'a' -- it's\n '\\'{}', {x}",
            "SELECT nameE'{}', {x}",
            "SELECT \"a{}\"\"b\", {x}",
            "SELECT $$ {} ' $$, {x}",
            "SELECT $a_1$ {} $$ $a_1$, {x}",
            "SELECT a$b$, {x}",
            "SELECT 1 -- {} '\n, {x}",
            "SELECT 1 /* {} /* ' */ \" */, {x}",
            "SELECT 1 - -{x}",
            "SELECT { x }",
            "SELECT B'01', X'ff', N'{}', U&'{}', {x}",
        ] {
            assert_eq!(captures(text), ["x"], "{text}");
        }
    }

    #[test]
    fn what_is_open_or_looks_like_a_capture_is_said() {
        for (text, error) in [
            ("SELECT {x", "a `{` is not closed: write `{{` for a brace"),
            ("SELECT {x {y}", "a `{` is not closed: write `{{` for a brace"),
            ("SELECT x}", "a `}` stands alone: write `}}` for a brace"),
            ("SELECT 'a", "a string constant is not closed"),
            ("SELECT E'a\\'", "a string constant is not closed"),
            ("SELECT \"a", "a quoted name is not closed"),
            ("SELECT $a$ $b$", "a dollar-quoted string is not closed"),
            ("SELECT /* /* */", "a comment is not closed"),
            ("SELECT $1, {x}", "`$1` is a placeholder, and here those are made of captures: write `{name}`"),
            ("SELECT '\0'", "a NUL is in it, which no statement can have"),
        ] {
            assert_eq!(Lexer::new(text).tokens(), Err(error.to_owned()), "{text}");
        }
        for (text, quote) in [
            ("SELECT '%{x}%'", "a string constant"),
            ("SELECT 'a''{x}'", "a string constant"),
            ("SELECT E'\\'{x}'", "a string constant"),
            ("SELECT '{ x }'", "a string constant"),
            ("SELECT '{{x}}'", "a string constant"),
            ("SELECT \"{x}\"", "a quoted name"),
            ("SELECT $$ {x} $$", "a dollar-quoted string"),
            ("SELECT 1 -- {x}", "a comment"),
            ("SELECT /* /* {x} */ */ 1", "a comment"),
        ] {
            let error = Lexer::new(text).tokens().unwrap_err();
            let expected = format!("`{{x}}` stands inside of {quote}, where");
            assert!(error.starts_with(&expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_string_that_settings_could_make_longer_is_refused() {
        for text in [
            r"SELECT 'a\'",
            r"SELECT 'a\'', {x}'",
            r"SELECT 'a'
            'b\'",
        ] {
            let error = Lexer::new(text).tokens().unwrap_err();
            assert!(error.contains("standard_conforming_strings"), "{text}: {error}");
        }
        assert_eq!(captures(r"SELECT 'a\b', '\\x', '\ ', {x}"), ["x"]);
    }

    #[test]
    fn a_comment_at_the_end_is_noticed() {
        let ends = |text| {
            let mut lexer = Lexer::new(text);
            lexer.tokens().unwrap();
            lexer.ends_in_comment()
        };
        for text in ["SELECT 1 -- x", "--", "SELECT {x} --", "SELECT 1 -- 'it", "SELECT 1 -- a -- b"] {
            assert!(ends(text), "{text}");
        }
        for text in [
            "SELECT 1 -- x\n",
            "SELECT '--'",
            "SELECT /* -- */ 1",
            "SELECT $$--$$",
            "SELECT \"--\"",
            "--\n1",
            "",
        ] {
            assert!(!ends(text), "{text}");
        }
    }
}
