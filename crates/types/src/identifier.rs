//! Names that come from outside, checked once, so that they can stand in SQL.

use std::fmt;
use std::str::FromStr;

use crate::quote_identifier;

/// The longest name that a server keeps apart from others (`NAMEDATALEN` - 1), in bytes.
const LEN_MAX: usize = 63;

/// The name of a table, a column or anything else that has one in PostgreSQL: 1 to 63 bytes, without a NUL.
///
/// It is one name, whatever is in it, and never taken apart. `Display` writes it as it stands in SQL, in quotes; so do `format!` and
/// `sql!`. Quoted, it means what it says: `Identifier::new("Item")` is not the table `item`.
///
/// ```
/// use cornac_types::Identifier;
///
/// let name = Identifier::new("Größe in \"cm\"")?;
/// assert_eq!(name.to_string(), r#""Größe in ""cm""""#);
/// assert_eq!(name.as_str(), "Größe in \"cm\"");
/// assert!(Identifier::new("a\0b").is_err());
/// # Ok::<(), cornac_types::IdentifierError>(())
/// ```
///
/// See [Identifiers](https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Box<str>);

impl Identifier {
    /// Checks a name. It is taken as it is: quotes in it are part of it.
    ///
    /// # Errors
    ///
    /// When it is empty, contains a NUL, or is longer than 63 bytes: the server would cut it, and what is left could be the name of
    /// something else.
    pub fn new(name: impl Into<Box<str>>) -> Result<Self, IdentifierError> {
        let name = name.into();
        let problem = match name.len() {
            0 => "is no name",
            1..=LEN_MAX if name.contains('\0') => "contains a NUL, which no name can",
            1..=LEN_MAX => return Ok(Self(name)),
            _ => "is longer than the 63 bytes that a name can have",
        };
        Err(IdentifierError { name: name.chars().take(80).collect(), problem })
    }

    /// The name itself, without quotes: for comparing it with names that the server tells, never for SQL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_identifier(&self.0).ok_or(fmt::Error)?)
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identifier").field(&self.0).finish()
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(name: &str) -> Result<Self, IdentifierError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Identifier {
    type Error = IdentifierError;

    fn try_from(name: &str) -> Result<Self, IdentifierError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Identifier {
    type Error = IdentifierError;

    fn try_from(name: String) -> Result<Self, IdentifierError> {
        Self::new(name)
    }
}

/// The name of something that may be in a schema: a table, a view, a type, a function.
///
/// ```
/// use cornac_types::{Identifier, QualifiedName};
///
/// assert_eq!(QualifiedName::in_schema("shop", "item")?.to_string(), r#""shop"."item""#);
/// // A dot in a name is part of it.
/// assert_eq!(QualifiedName::new("shop.item")?.to_string(), r#""shop.item""#);
/// # Ok::<(), cornac_types::IdentifierError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedName {
    schema: Option<Identifier>,
    name: Identifier,
}

impl QualifiedName {
    /// A name that is looked up along the `search_path`. It is one name: it is not taken apart at dots.
    ///
    /// # Errors
    ///
    /// As [`Identifier::new`].
    pub fn new(name: impl Into<Box<str>>) -> Result<Self, IdentifierError> {
        Identifier::new(name).map(Self::from)
    }

    /// A name in a schema.
    ///
    /// # Errors
    ///
    /// As [`Identifier::new`], for either.
    pub fn in_schema(
        schema: impl Into<Box<str>>,
        name: impl Into<Box<str>>,
    ) -> Result<Self, IdentifierError> {
        Ok(Self { schema: Some(Identifier::new(schema)?), name: Identifier::new(name)? })
    }

    /// The schema, where one was named.
    pub fn schema(&self) -> Option<&Identifier> {
        self.schema.as_ref()
    }

    /// The name within its schema.
    pub fn name(&self) -> &Identifier {
        &self.name
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        write!(f, "{}", self.name)
    }
}

impl fmt::Debug for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QualifiedName({self})")
    }
}

impl From<Identifier> for QualifiedName {
    fn from(name: Identifier) -> Self {
        Self { schema: None, name }
    }
}

impl From<(Identifier, Identifier)> for QualifiedName {
    /// The schema, and the name in it.
    fn from((schema, name): (Identifier, Identifier)) -> Self {
        Self { schema: Some(schema), name }
    }
}

/// A string that nothing in PostgreSQL can have for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierError {
    name: Box<str>,
    problem: &'static str,
}

impl IdentifierError {
    /// The string, as far as it is worth showing: 80 characters at most.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with it, as the end of a sentence that begins with it.
    pub fn problem(&self) -> &'static str {
        self.problem
    }
}

impl fmt::Display for IdentifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.name, self.problem)
    }
}

impl std::error::Error for IdentifierError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused_and_said_to_be() {
        let longest = "é".repeat(31) + "n";
        assert_eq!(Identifier::new(&*longest).unwrap().as_str(), longest);
        for (name, error) in [
            ("", "\"\" is no name"),
            ("a\0", "\"a\\0\" contains a NUL, which no name can"),
            (&*"é".repeat(32), "is longer than the 63 bytes that a name can have"),
        ] {
            let shown = Identifier::new(name).unwrap_err().to_string();
            assert!(shown.ends_with(error), "{shown}");
            assert!(QualifiedName::in_schema(name, "item").is_err());
            assert!(QualifiedName::in_schema("shop", name).is_err());
        }
    }

    #[test]
    fn a_name_prints_itself_in_quotes() {
        let shown = |name: &str| Identifier::new(name).unwrap().to_string();
        assert_eq!(shown("item"), r#""item""#);
        assert_eq!(shown(r#"a"; DROP TABLE t; --"#), r#""a""; DROP TABLE t; --""#);
        assert_eq!(shown(r#"""#), r#""""""#);
        let qualified = QualifiedName::in_schema("a.b", "c\"d").unwrap();
        assert_eq!(qualified.to_string(), r#""a.b"."c""d""#);
    }
}
