//! `host=db.example dbname='my shop' ...`, as libpq reads it.
//!
//! See [Keyword/Value Connection Strings](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE).

use super::error::ConfigError;
use super::settings::Settings;

pub(super) fn parse(text: &str) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let position = text.len() - rest.len();
        let key_len = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(key_len);
        let Some(behind) = behind.trim_start_matches(is_space).strip_prefix('=') else {
            return Err(ConfigError::Syntax { problem: "an option has no =", position });
        };
        let behind = behind.trim_start_matches(is_space);
        let (value, behind) = match behind.strip_prefix('\'') {
            Some(quoted) => quoted_value(quoted).ok_or(ConfigError::Syntax {
                problem: "a quoted value does not end",
                position: text.len() - behind.len(),
            })?,
            None => plain_value(behind),
        };
        settings.put(key, value)?;
        rest = behind.trim_start_matches(is_space);
    }
    Ok(settings)
}

/// C's isspace.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// A value up to the next blank. A backslash makes the next character an ordinary one.
fn plain_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            c if is_space(c) => break,
            '\\' => value.extend(characters.next()),
            c => value.push(c),
        }
    }
    (value, characters.as_str())
}

/// A value up to the closing quote; `None` if there is none.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '\'' => return Some((value, characters.as_str())),
            '\\' => value.extend(characters.next()),
            c => value.push(c),
        }
    }
}
