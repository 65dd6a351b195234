//! SQLSTATE: the five characters that say what went wrong.

mod codes;

use std::fmt;

/// An error code of PostgreSQL. A code that nobody knows survives as itself.
///
/// The constants have PostgreSQL's own names:
///
/// ```
/// use cornac_proto::SqlState;
///
/// let state = SqlState::parse(b"23505").unwrap();
/// assert_eq!(state, SqlState::UNIQUE_VIOLATION);
/// assert_eq!(state.name(), Some("unique_violation"));
/// assert!(state.is_integrity_constraint_violation());
/// ```
///
/// See [PostgreSQL Error Codes](https://www.postgresql.org/docs/current/errcodes-appendix.html).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// The code in these bytes, if they are five digits or upper-case letters of ASCII.
    pub fn parse(code: &[u8]) -> Option<Self> {
        let code = <[u8; 5]>::try_from(code).ok()?;
        let in_alphabet = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        code.iter().all(in_alphabet).then_some(Self(code))
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The condition's name in the manual, such as `unique_violation`; `None` for a code that is not in it.
    pub fn name(self) -> Option<&'static str> {
        let found = codes::NAMES.binary_search_by_key(&self.0, |(code, _)| *code).ok()?;
        codes::NAMES.get(found).map(|(_, name)| *name)
    }

    /// The first two characters, which codes of one kind share.
    pub const fn class(self) -> Class {
        let [first, second, ..] = self.0;
        Class([first, second])
    }
}

/// The class of an error code: what codes of one kind have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class([u8; 2]);

impl Class {
    /// The class of these two characters.
    pub const fn new(class: [u8; 2]) -> Self {
        Self(class)
    }

    /// The two characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

macro_rules! class_predicates {
    ($($(#[$doc:meta])* $name:ident: $class:literal,)*) => {
        impl SqlState {
            $(
                $(#[$doc])*
                pub const fn $name(self) -> bool {
                    matches!(self, Self([first, second, ..]) if matches!(&[first, second], $class))
                }
            )*
        }
    };
}

class_predicates! {
    /// Class 00: it worked.
    is_successful_completion: b"00",
    /// Class 01: it worked, but.
    is_warning: b"01",
    /// Class 02: there was nothing to work on.
    is_no_data: b"02",
    /// Class 03: the statement has not ended.
    is_sql_statement_not_yet_complete: b"03",
    /// Class 08: the connection.
    is_connection_exception: b"08",
    /// Class 09: a trigger.
    is_triggered_action_exception: b"09",
    /// Class 0A: the server cannot do that.
    is_feature_not_supported: b"0A",
    /// Class 21: more rows or columns than there may be.
    is_cardinality_violation: b"21",
    /// Class 22: a value.
    is_data_exception: b"22",
    /// Class 23: a constraint.
    is_integrity_constraint_violation: b"23",
    /// Class 24: a cursor is not where it should be.
    is_invalid_cursor_state: b"24",
    /// Class 25: not in this state of the transaction.
    is_invalid_transaction_state: b"25",
    /// Class 26: no such prepared statement.
    is_invalid_sql_statement_name: b"26",
    /// Class 28: who is it?
    is_invalid_authorization_specification: b"28",
    /// Class 34: no such cursor.
    is_invalid_cursor_name: b"34",
    /// Class 3D: no such database.
    is_invalid_catalog_name: b"3D",
    /// Class 3F: no such schema.
    is_invalid_schema_name: b"3F",
    /// Class 40: the transaction was rolled back, and may work when it is tried again.
    is_transaction_rollback: b"40",
    /// Class 42: the statement is wrong, or not allowed.
    is_syntax_error_or_access_rule_violation: b"42",
    /// Class 44: a view does not take such rows.
    is_with_check_option_violation: b"44",
    /// Class 53: the server has not enough of something.
    is_insufficient_resources: b"53",
    /// Class 54: larger than the server can handle.
    is_program_limit_exceeded: b"54",
    /// Class 55: not in this state of an object.
    is_object_not_in_prerequisite_state: b"55",
    /// Class 57: somebody intervened.
    is_operator_intervention: b"57",
    /// Class 58: the server's operating system.
    is_system_error: b"58",
    /// Class F0: the server's configuration.
    is_config_file_error: b"F0",
    /// Class HV: a foreign data wrapper.
    is_fdw_error: b"HV",
    /// Class P0: PL/pgSQL.
    is_plpgsql_error: b"P0",
    /// Class XX: a bug in the server, or damaged data.
    is_internal_error: b"XX",
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "SqlState({} {name})", self.as_str()),
            None => write!(f, "SqlState({})", self.as_str()),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Class({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_name() {
        let table = include_str!("../../errcodes.tsv");
        let mut seen = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split('\t').collect();
            let state = SqlState::parse(fields[0].as_bytes()).unwrap();
            assert_eq!(state.to_string(), fields[0]);
            if !fields[3].is_empty() {
                assert_eq!(state.name(), Some(fields[3]));
            }
            seen += 1;
        }
        assert!(seen > 260, "{seen}");
    }

    #[test]
    fn an_unknown_code_survives_as_itself() {
        let state = SqlState::parse(b"ZZ999").unwrap();
        assert_eq!((state.name(), state.to_string().as_str()), (None, "ZZ999"));
        assert_eq!(SqlState::parse(b"2350"), None);
        assert_eq!(SqlState::parse(b"2350\xff"), None);
    }
}
