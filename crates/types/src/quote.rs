//! Names that come from outside, made safe to stand in SQL.

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
