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
        Self::from_code(<[u8; 5]>::try_from(code).ok()?)
    }

    /// As [`parse`](Self::parse), for constants: the codes that a function of one's own raises.
    ///
    /// ```
    /// use cornac_proto::SqlState;
    ///
    /// const OUT_OF_STOCK: SqlState = SqlState::from_code(*b"UX001").unwrap();
    /// assert_eq!(OUT_OF_STOCK.name(), None);
    /// ```
    pub const fn from_code(code: [u8; 5]) -> Option<Self> {
        let mut rest = code.as_slice();
        while let [first, others @ ..] = rest {
            if !first.is_ascii_digit() && !first.is_ascii_uppercase() {
                return None;
            }
            rest = others;
        }
        Some(Self(code))
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

        /// Each question, and the class that answers yes.
        #[cfg(test)]
        const PREDICATES: &[(&str, [u8; 2], fn(SqlState) -> bool)] =
            &[$((stringify!($name), *$class, SqlState::$name),)*];
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
    /// Class 0B: a transaction cannot begin here.
    is_invalid_transaction_initiation: b"0B",
    /// Class 0F: a locator.
    is_locator_exception: b"0F",
    /// Class 0L: this role cannot grant.
    is_invalid_grantor: b"0L",
    /// Class 0P: no such role, or not this one.
    is_invalid_role_specification: b"0P",
    /// Class 0Z: diagnostics that are not there.
    is_diagnostics_exception: b"0Z",
    /// Class 10: XQuery.
    is_xquery_error: b"10",
    /// Class 20: no branch of a CASE applies.
    is_case_not_found: b"20",
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
    /// Class 27: a trigger changed what the statement was changing.
    is_triggered_data_change_violation: b"27",
    /// Class 28: who is it?
    is_invalid_authorization_specification: b"28",
    /// Class 2B: other privileges depend on this one.
    is_dependent_privilege_descriptors_still_exist: b"2B",
    /// Class 2D: a transaction cannot end here.
    is_invalid_transaction_termination: b"2D",
    /// Class 2F: a function in SQL.
    is_sql_routine_exception: b"2F",
    /// Class 34: no such cursor.
    is_invalid_cursor_name: b"34",
    /// Class 38: a function in another language.
    is_external_routine_exception: b"38",
    /// Class 39: the call of a function in another language, a trigger's included.
    is_external_routine_invocation_exception: b"39",
    /// Class 3B: no such savepoint.
    is_savepoint_exception: b"3B",
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
    /// Class 72: rows that a snapshot needs are gone (PostgreSQL 16 and older).
    is_snapshot_failure: b"72",
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

    /// Code, constant and condition name of each line of the table.
    fn table() -> impl Iterator<Item = (SqlState, &'static str, &'static str)> {
        let lines = include_str!("../../errcodes.tsv").lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            (SqlState::parse(fields[0].as_bytes()).unwrap(), fields[2], fields[3])
        })
    }

    #[test]
    fn every_code_of_the_table_has_its_name() {
        let mut seen = 0;
        for (state, constant, name) in table() {
            let main_name = state.name().unwrap_or_else(|| panic!("{constant} has no name"));
            assert!(name.is_empty() || name == main_name, "{constant}: {main_name}");
            seen += 1;
        }
        assert_eq!(seen, 269);
    }

    #[test]
    fn codes_that_older_and_newer_servers_have_are_known() {
        for (code, name, state) in [
            (b"72000", "snapshot_too_old", SqlState::SNAPSHOT_TOO_OLD),
            (b"25P04", "transaction_timeout", SqlState::TRANSACTION_TIMEOUT),
            (b"58P03", "file_name_too_long", SqlState::FILE_NAME_TOO_LONG),
        ] {
            assert_eq!((SqlState::parse(code), state.name()), (Some(state), Some(name)));
        }
    }

    #[test]
    fn conditions_of_one_name_are_told_apart() {
        assert_eq!(SqlState::STRING_DATA_RIGHT_TRUNCATION.as_str(), "22001");
        assert_eq!(SqlState::WARNING_STRING_DATA_RIGHT_TRUNCATION.as_str(), "01004");
        assert_eq!(
            SqlState::STRING_DATA_RIGHT_TRUNCATION.name(),
            SqlState::WARNING_STRING_DATA_RIGHT_TRUNCATION.name()
        );
    }

    #[test]
    fn every_code_is_of_exactly_one_class() {
        for (state, constant, _) in table() {
            let of: Vec<_> = PREDICATES.iter().filter(|(_, _, is)| is(state)).collect();
            assert_eq!(of.len(), 1, "{constant}: {of:?}");
            assert_eq!(Class::new(of[0].1), state.class(), "{constant}: {}", of[0].0);
        }
        for (name, class, _) in PREDICATES {
            assert!(table().any(|(state, ..)| state.class() == Class::new(*class)), "{name} is of no use");
        }
    }

    #[test]
    fn an_unknown_code_survives_as_itself() {
        let state = SqlState::parse(b"ZZ999").unwrap();
        assert_eq!((state.name(), state.to_string().as_str()), (None, "ZZ999"));
        assert_eq!(
            format!("{state:?} {:?}", SqlState::UNIQUE_VIOLATION),
            "SqlState(ZZ999) SqlState(23505 unique_violation)"
        );
        assert!(PREDICATES.iter().all(|(_, _, is)| !is(state)));
    }

    #[test]
    fn what_is_no_code_is_none() {
        for bytes in [&b""[..], b"2350", b"235050", b"2350\xff", b"2350a", b"2350 ", b"2350\0"] {
            assert_eq!(SqlState::parse(bytes), None, "{bytes:?}");
        }
    }
}
