//! Names of what stands in a schema.

use std::fmt;

use cornac_conn::Table;
use cornac_types::quote_identifier;

/// A name and the schema that it stands in, each as it is, without quotes.
///
/// It can be given wherever a [`Table`] is asked for; `Display` writes it as it stands in SQL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The schema's name.
    pub schema: String,
    /// The name.
    pub name: String,
}

impl ObjectName {
    pub(super) fn new(schema: String, name: String) -> Self {
        Self { schema, name }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &str| quote_identifier(name).unwrap_or_default();
        write!(f, "{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

impl From<&ObjectName> for Table {
    fn from(name: &ObjectName) -> Self {
        Self::in_schema(name.schema.as_str(), name.name.as_str())
    }
}

impl From<ObjectName> for Table {
    fn from(name: ObjectName) -> Self {
        Self::in_schema(name.schema, name.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_it_stands_in_sql() {
        let name = ObjectName::new("shop".to_owned(), "a \"b\".c".to_owned());
        assert_eq!(name.to_string(), r#""shop"."a ""b"".c""#);
        assert_eq!(Table::from(&name).to_sql(), Ok(name.to_string()));
    }
}
