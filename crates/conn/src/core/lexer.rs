//! Where the placeholders of a statement are, and where it ends: PostgreSQL's lexical rules, as far as that takes.
//!
//! Only mode simple needs it, in which values take the places of `$1`, `$2`, ... in the text. A placeholder is none inside of a string, a quoted
//! name, a dollar quote, a comment, or a name that has a `$` in it.
//!
//! See [Lexical Structure](https://www.postgresql.org/docs/current/sql-syntax-lexical.html).

use std::ops::Range;

/// What matters in the text of a statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Placeholders {
    /// The number of each placeholder (1 for `$1`), and the bytes where it stands.
    pub(crate) places: Vec<(usize, Range<usize>)>,
    /// Something stands behind a semicolon: there is more than one statement.
    pub(crate) several: bool,
}

/// Finds the placeholders in `sql`. In strings without a prefix a backslash stands for itself if `conforming`
/// (`standard_conforming_strings`), else it escapes what is behind it.
pub(crate) fn placeholders(sql: &str, conforming: bool) -> Placeholders {
    let mut lexer = Lexer { sql: sql.as_bytes(), at: 0, conforming };
    let mut found = Placeholders::default();
    let mut bodies = Bodies::default();
    let mut ended = false;
    while let Some(token) = lexer.next() {
        match token {
            Token::Blank => continue,
            Token::Semicolon => {
                ended |= !bodies.is_inside();
                continue;
            }
            Token::Placeholder(number, place) => found.places.push((number, place)),
            Token::Word(word) => bodies.handle_word(sql.get(word).unwrap_or_default()),
            Token::Open => bodies.parentheses = bodies.parentheses.saturating_add(1),
            Token::Close => bodies.parentheses = bodies.parentheses.saturating_sub(1),
            Token::Other => {}
        }
        found.several |= ended;
    }
    found
}

/// The kinds of tokens, as far as they differ here.
enum Token {
    /// White space or a comment.
    Blank,
    Semicolon,
    Open,
    Close,
    Placeholder(usize, Range<usize>),
    /// A name or keyword that is not quoted.
    Word(Range<usize>),
    Other,
}

/// Semicolons that end no statement: those of several commands in parentheses (CREATE RULE), and of the body of a function in SQL's own
/// syntax (BEGIN ATOMIC ... END).
#[derive(Default)]
struct Bodies {
    parentheses: u32,
    /// BEGINs and CASEs that wait for their END, in the definition of a function.
    blocks: u32,
    words: u32,
    defines: Defines,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Defines {
    #[default]
    Nothing,
    /// CREATE, perhaps with OR REPLACE.
    Something,
    Function,
}

impl Bodies {
    fn is_inside(&self) -> bool {
        self.parentheses > 0 || self.blocks > 0
    }

    fn handle_word(&mut self, word: &str) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        self.words = self.words.saturating_add(1);
        self.defines = match self.defines {
            Defines::Nothing if self.words == 1 && is("create") => Defines::Something,
            Defines::Something if is("function") || is("procedure") => Defines::Function,
            Defines::Something if is("or") || is("replace") => Defines::Something,
            Defines::Function => Defines::Function,
            _ => Defines::Nothing,
        };
        if self.defines != Defines::Function || self.parentheses > 0 {
            return;
        }
        if is("begin") || is("case") && self.blocks > 0 {
            self.blocks = self.blocks.saturating_add(1);
        } else if is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }
}

struct Lexer<'s> {
    sql: &'s [u8],
    at: usize,
    conforming: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let byte = *self.sql.get(start)?;
        self.at = self.at.saturating_add(1);
        Some(match (byte, self.peek()) {
            (b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c', _) => Token::Blank,
            (b'-', Some(b'-')) => {
                self.skip_line();
                Token::Blank
            }
            (b'/', Some(b'*')) => {
                self.at = self.at.saturating_add(1);
                self.skip_comment();
                Token::Blank
            }
            (b';', _) => Token::Semicolon,
            (b'(', _) => Token::Open,
            (b')', _) => Token::Close,
            (b'\'', _) => {
                self.skip_string(!self.conforming);
                Token::Other
            }
            (b'e' | b'E', Some(b'\'')) => {
                self.at = self.at.saturating_add(1);
                self.skip_string(true);
                Token::Other
            }
            // Bits and bytes: a quote behind the first ends them, whatever comes then.
            (b'b' | b'B' | b'x' | b'X', Some(b'\'')) => {
                self.at = self.at.saturating_add(1);
                self.skip_past(b'\'');
                Token::Other
            }
            (b'"', _) => {
                // A doubled quote ends one name and begins another here, which comes to the same.
                self.skip_past(b'"');
                Token::Other
            }
            (b'$', Some(b'0'..=b'9')) => {
                self.skip_while(|byte| byte.is_ascii_digit());
                let place = start..self.at;
                match self.number(start.saturating_add(1)) {
                    Some(number) if number > 0 => Token::Placeholder(number, place),
                    _ => Token::Other,
                }
            }
            (b'$', _) => {
                self.skip_dollar_quote(start);
                Token::Other
            }
            (byte, _) if begins_word(byte) => {
                self.skip_while(|byte| begins_word(byte) || byte.is_ascii_digit() || byte == b'$');
                Token::Word(start..self.at)
            }
            _ => Token::Other,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.sql.get(self.at).copied()
    }

    fn skip_while(&mut self, mut fits: impl FnMut(u8) -> bool) {
        while self.peek().is_some_and(&mut fits) {
            self.at = self.at.saturating_add(1);
        }
    }

    /// Goes behind the next `byte`, or to the end.
    fn skip_past(&mut self, byte: u8) {
        self.skip_while(|other| other != byte);
        self.at = self.at.saturating_add(1);
    }

    fn skip_line(&mut self) {
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
    }

    /// Goes behind a comment whose `/*` has been read. Such comments nest.
    fn skip_comment(&mut self) {
        let mut depth = 1_u32;
        while depth > 0 {
            let Some(byte) = self.peek() else { return };
            self.at = self.at.saturating_add(1);
            match (byte, self.peek()) {
                (b'*', Some(b'/')) => depth = depth.saturating_sub(1),
                (b'/', Some(b'*')) => depth = depth.saturating_add(1),
                _ => continue,
            }
            self.at = self.at.saturating_add(1);
        }
    }

    /// Goes behind a string whose first quote has been read.
    fn skip_string(&mut self, escapes: bool) {
        loop {
            match self.peek() {
                None => return,
                Some(b'\\') if escapes => self.at = self.at.saturating_add(2),
                Some(b'\'') => {
                    self.at = self.at.saturating_add(1);
                    // A doubled quote is one quote of the string. One on another line continues it, with the same escapes.
                    match self.peek() {
                        Some(b'\'') => self.at = self.at.saturating_add(1),
                        _ => match self.continuation() {
                            Some(behind) => self.at = behind,
                            None => return,
                        },
                    }
                }
                Some(_) => self.at = self.at.saturating_add(1),
            }
        }
    }

    /// The place behind the quote that continues a string, if nothing but blanks with a line end among them stands in front of it.
    fn continuation(&self) -> Option<usize> {
        let mut ahead = Self { at: self.at, ..*self };
        let mut has_line_end = false;
        loop {
            let byte = ahead.peek()?;
            ahead.at = ahead.at.saturating_add(1);
            match (byte, ahead.peek()) {
                (b'\n' | b'\r', _) => has_line_end = true,
                (b' ' | b'\t' | b'\x0b' | b'\x0c', _) => {}
                (b'-', Some(b'-')) => ahead.skip_line(),
                (b'\'', _) if has_line_end => return Some(ahead.at),
                _ => return None,
            }
        }
    }

    /// Goes behind a dollar quote whose first `$` stands at `start`, or behind that `$` alone if it begins none.
    fn skip_dollar_quote(&mut self, start: usize) {
        let mut ahead = Self { at: self.at, ..*self };
        if ahead.peek().is_some_and(begins_word) {
            ahead.skip_while(|byte| begins_word(byte) || byte.is_ascii_digit());
        }
        if ahead.peek() != Some(b'$') {
            return;
        }
        let body = ahead.at.saturating_add(1);
        let delimiter = self.sql.get(start..body).unwrap_or_default();
        let rest = self.sql.get(body..).unwrap_or_default();
        let end = memchr::memmem::find(rest, delimiter).map(|end| body.saturating_add(end));
        self.at = end.map_or(self.sql.len(), |end| end.saturating_add(delimiter.len()));
    }

    /// The number whose digits stand from `start` to where the lexer is.
    fn number(&self, start: usize) -> Option<usize> {
        let digits = self.sql.get(start..self.at)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// Whether a name can begin with this byte; all of a character beyond ASCII can.
fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sql: &str) -> Vec<&str> {
        placeholders(sql, true).places.into_iter().map(|(_, place)| &sql[place]).collect()
    }

    #[test]
    fn placeholders_are_found_and_nothing_else() {
        let cases: [(&str, &[&str]); 32] = [
            ("SELECT $1, $22+$3::int4", &["$1", "$22", "$3"]),
            ("SELECT '$1', '''$1', '' '$2', $3", &["$3"]),
            (r"SELECT '\', $1", &["$1"]),
            (r"SELECT E'\', $1'', $2', $3", &["$3"]),
            (r"SELECT e'\\', $1", &["$1"]),
            (r"SELECT E'a''\' $1', $2", &["$2"]),
            ("SELECT E'a'\n'\\'$1', $2", &["$2"]),
            ("SELECT E'a' -- it's\n  '\\'$1', $2", &["$2"]),
            ("SELECT E'a' '\\', $1", &["$1"]),
            ("SELECT 'a'\n'\\', $1", &["$1"]),
            (r"SELECT nameE'\', $1", &["$1"]),
            (r"SELECT U&'\0061$1', u&'$2', $3", &["$3"]),
            ("SELECT B'01', X'ff', N'$1', $2", &["$2"]),
            (r#"SELECT "a$1", "a""$1", U&"$1", $2"#, &["$2"]),
            ("SELECT a$1, é$1, _$1, $2", &["$2"]),
            ("SELECT $$ $1 $$, $2", &["$2"]),
            ("SELECT $tag$ $1 $$ $x$ $tag$, $2", &["$2"]),
            ("SELECT $é_1$ $1 $é_1$, $2", &["$2"]),
            ("SELECT $$ $a$$, $1", &["$1"]),
            ("SELECT a$$1, $2", &["$2"]),
            ("SELECT $1$2$3", &["$1", "$2", "$3"]),
            ("SELECT 1-- $1 '\n, $2", &["$2"]),
            ("SELECT 1 /* $1 /* ' */ $2 */ , $3", &["$3"]),
            ("SELECT 1 /*/ $1 */ , $2", &["$2"]),
            ("SELECT 1 /* **/ , $2", &["$2"]),
            ("SELECT 1 */* $1 */ $2", &["$2"]),
            ("SELECT 1 +-- $1\r $2", &["$2"]),
            ("SELECT $0, $99999999999999999999999, $2", &["$2"]),
            ("SELECT '$1", &[]),
            ("SELECT /* $1", &[]),
            ("SELECT $a$ $1", &[]),
            ("$", &[]),
        ];
        for (sql, expected) in cases {
            assert_eq!(found(sql), expected, "{sql}");
        }
    }

    #[test]
    fn backslashes_escape_where_strings_do_not_conform() {
        let sql = r"SELECT '\', $1', $2";
        let places = |conforming| placeholders(sql, conforming).places.len();
        assert_eq!((places(false), places(true)), (1, 1));
        assert_eq!(placeholders(sql, false).places[0].0, 2);
        assert_eq!(placeholders(sql, true).places[0].0, 1);
    }

    #[test]
    fn a_second_statement_is_noticed() {
        let several = |sql: &str| placeholders(sql, true).several;
        for one in [
            "SELECT 1",
            "SELECT 1; ; -- over\n /* ; */ ;",
            "",
            ";",
            "SELECT ';', $$;$$",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM u; DELETE FROM v)",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
            "create or replace procedure p() begin atomic delete from t; end;",
        ] {
            assert!(!several(one), "{one}");
        }
        for two in [
            "SELECT 1; SELECT 2",
            "SELECT 1;$1",
            "BEGIN; DELETE FROM t; END",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; DROP TABLE t",
            "CREATE TABLE function (a int); DROP TABLE t",
            "CREATE VIEW v AS SELECT 1 AS begin; DROP TABLE t",
        ] {
            assert!(several(two), "{two}");
        }
    }
}
