//! Names and strings that come from outside, made safe to stand in SQL.

/// A name in double quotes, so that it is one name whatever is in it; `None` if it contains a NUL, which no name can.
///
/// The server cuts names at 63 bytes. See
/// [Identifiers](https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS).
///
/// ```
/// use cornac_types::quote_identifier;
///
/// assert_eq!(quote_identifier("Größe in \"cm\"").as_deref(), Some(r#""Größe in ""cm""""#));
/// assert_eq!(quote_identifier("a\0b"), None);
/// ```
pub fn quote_identifier(name: &str) -> Option<String> {
    (!name.contains('\0')).then(|| format!("\"{}\"", name.replace('"', "\"\"")))
}

/// A string constant in quotes, that is this string whatever is in it and however `standard_conforming_strings` is set; `None` if it contains
/// a NUL, which no string can. For options of statements that take no parameters; everywhere else a value belongs into a parameter.
///
/// See [String Constants](https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS).
///
/// ```
/// use cornac_types::quote_literal;
///
/// assert_eq!(quote_literal("it's").as_deref(), Some("'it''s'"));
/// assert_eq!(quote_literal("\\N").as_deref(), Some("E'\\\\N'"));
/// assert_eq!(quote_literal("a\0b"), None);
/// ```
pub fn quote_literal(text: &str) -> Option<String> {
    if text.contains('\0') {
        return None;
    }
    let doubled = text.replace('\'', "''");
    Some(if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    })
}
