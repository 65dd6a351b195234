//! What a statement that ran did to the ones that were prepared before it.

use super::keyword::first_keyword;

/// What is no longer certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing that was remembered is touched.
    None,
    /// The server may have forgotten statements.
    StatementsForgotten,
    /// Tables, types or functions are not what they were, for all connections.
    SchemaChanged,
    /// Names may mean what no other connection sees: a temporary object, which comes before all others.
    TemporaryMade,
    /// Names may be looked up in other schemas than before.
    SearchPathChanged,
    /// `"$user"` in a search path may stand for another schema, and what may be seen is another's.
    RoleChanged,
    /// Everything is as it was when the connection began, and all statements are forgotten.
    Reset,
    /// What a transaction has changed is undone, back to a savepoint or its beginning.
    RolledBack,
}

/// What a command leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aftermath {
    pub(crate) effects: &'static [Effect],
    /// The transaction in which it ran is over, whether or not another one began with it.
    pub(crate) ends_transaction: bool,
    /// The session has something that another user of the connection would not expect: settings, temporary objects, channels, cursors.
    pub(crate) changes_session: bool,
}

/// Reads it off a command tag, and where that says too little off the text of the statement (or statements).
pub(crate) fn of_command(tag: &[u8], sql: &str) -> Aftermath {
    let none = Aftermath { effects: &[], ends_transaction: false, changes_session: false };
    match tag.first() {
        Some(b'S' | b'R' | b'D' | b'A' | b'C' | b'I' | b'L' | b'P') => {}
        _ => return none,
    }
    let effect = effect_of(tag, sql);
    let ends_transaction = match tag {
        b"COMMIT" | b"PREPARE TRANSACTION" => true,
        b"ROLLBACK" => !has_word(sql, "to"),
        _ => false,
    };
    let changes_session = match verb_of(tag) {
        b"LISTEN" | b"LOAD" | b"DECLARE" | b"RESET" | b"DISCARD" => true,
        b"SET" => {
            let ends_with_transaction = begins_with(sql, "set local") || begins_with(sql, "set transaction");
            // Behind another one, a statement is not the one that the text begins with.
            tag != b"SET CONSTRAINTS" && !(ends_with_transaction && is_one_statement(sql))
        }
        _ => effect == Effect::TemporaryMade,
    };
    Aftermath { effects: one(effect), ends_transaction, changes_session }
}

fn verb_of(tag: &[u8]) -> &[u8] {
    tag.split(|&byte| byte == b' ').next().unwrap_or_default()
}

fn one(effect: Effect) -> &'static [Effect] {
    match effect {
        Effect::None => &[],
        Effect::StatementsForgotten => &[Effect::StatementsForgotten],
        Effect::SchemaChanged => &[Effect::SchemaChanged],
        Effect::TemporaryMade => &[Effect::TemporaryMade],
        Effect::SearchPathChanged => &[Effect::SearchPathChanged],
        Effect::RoleChanged => &[Effect::RoleChanged],
        Effect::Reset => &[Effect::Reset],
        Effect::RolledBack => &[Effect::RolledBack],
    }
}

fn effect_of(tag: &[u8], sql: &str) -> Effect {
    let verb = verb_of(tag);
    match verb {
        b"SELECT" => made_by_a_query(sql),
        b"CREATE" => created(sql),
        b"ALTER" | b"DROP" | b"IMPORT" => Effect::SchemaChanged,
        b"DISCARD" if tag == b"DISCARD ALL" => Effect::Reset,
        b"DEALLOCATE" | b"DISCARD" => Effect::StatementsForgotten,
        b"SET" | b"RESET" => setting_changed(verb, sql),
        b"ROLLBACK" => Effect::RolledBack,
        _ => Effect::None,
    }
}

/// As [`of_command`], where the text is not known: all that it may have been.
pub(crate) fn of_abandoned_command(tag: &[u8]) -> Aftermath {
    let effects: &[Effect] = match verb_of(tag) {
        b"ALTER" | b"DROP" | b"IMPORT" => &[Effect::SchemaChanged],
        b"CREATE" => &[Effect::SchemaChanged, Effect::TemporaryMade],
        b"DISCARD" if tag == b"DISCARD ALL" => &[Effect::Reset],
        b"DEALLOCATE" | b"DISCARD" => &[Effect::StatementsForgotten],
        b"SET" | b"RESET" => &[Effect::SearchPathChanged, Effect::RoleChanged],
        b"ROLLBACK" => &[Effect::RolledBack],
        _ => &[],
    };
    let ends_transaction = matches!(tag, b"COMMIT" | b"PREPARE TRANSACTION");
    let changes_session = matches!(verb_of(tag), b"CREATE" | b"SET" | b"LISTEN" | b"LOAD" | b"DECLARE");
    Aftermath { effects, ends_transaction, changes_session }
}

fn created(sql: &str) -> Effect {
    if has_word(sql, "temp") || has_word(sql, "temporary") {
        Effect::TemporaryMade
    } else {
        Effect::SchemaChanged
    }
}

/// What a SET or RESET with this text may change: `search_path` itself, also as `SET SCHEMA`, or the role.
fn setting_changed(verb: &[u8], sql: &str) -> Effect {
    if has_word(sql, "role") || has_word(sql, "authorization") || has_word(sql, "session_authorization") {
        Effect::RoleChanged
    } else if has_word(sql, "search_path")
        || has_word(sql, "schema")
        || verb == b"RESET" && has_word(sql, "all")
    {
        Effect::SearchPathChanged
    } else {
        Effect::None
    }
}

/// CREATE TABLE AS and SELECT INTO have the tag of their query.
fn made_by_a_query(sql: &str) -> Effect {
    match first_keyword(sql) {
        keyword if keyword.eq_ignore_ascii_case("create") => created(sql),
        _ if has_word(sql, "into") && (has_word(sql, "temp") || has_word(sql, "temporary")) => {
            Effect::TemporaryMade
        }
        _ => Effect::None,
    }
}

/// Whether a text is one statement for certain.
fn is_one_statement(sql: &str) -> bool {
    let blank = |letter: char| letter == ';' || letter.is_whitespace();
    !sql.trim_end_matches(blank).contains(';')
}

fn begins_with(text: &str, word: &str) -> bool {
    let beginning = text.trim_start().as_bytes().get(..word.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a word stands in a text, in letters of any case, and not as part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
    text.as_bytes().split(|byte| !is_part(byte)).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_texts_tell_what_is_no_longer_certain() {
        use Effect::{
            None as Nothing, Reset, RoleChanged, RolledBack, SchemaChanged, SearchPathChanged,
            StatementsForgotten, TemporaryMade,
        };
        let cases = [
            ("SELECT 1", "SELECT 1", Nothing),
            ("INSERT 0 1", "INSERT INTO t VALUES (1)", Nothing),
            ("DELETE 3", "DELETE FROM t", Nothing),
            ("DISCARD ALL", "DISCARD ALL", Reset),
            ("DISCARD PLANS", "DISCARD PLANS", StatementsForgotten),
            ("DEALLOCATE", "DEALLOCATE a", StatementsForgotten),
            ("DEALLOCATE ALL", "DEALLOCATE ALL", StatementsForgotten),
            ("ALTER TABLE", "ALTER TABLE t ADD x int", SchemaChanged),
            ("CREATE TABLE", "CREATE TABLE template ()", SchemaChanged),
            ("CREATE TABLE", "create temp table t ()", TemporaryMade),
            ("CREATE VIEW", "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1", TemporaryMade),
            ("SELECT 1", " CREATE TEMP TABLE t AS SELECT 1", TemporaryMade),
            ("SELECT 1", "/* c */ CREATE TEMP TABLE t AS SELECT 1", TemporaryMade),
            ("SELECT 1", "SELECT 1 AS x INTO TEMP t", TemporaryMade),
            ("SELECT 1", "SELECT 'create temp'", Nothing),
            ("SET", "SET TimeZone = 'UTC'", Nothing),
            ("SET", "set Search_Path to shop", SearchPathChanged),
            ("SET", "SET SCHEMA 'shop'", SearchPathChanged),
            ("SET", "SET LOCAL ROLE app", RoleChanged),
            ("SET", "SET SESSION AUTHORIZATION app", RoleChanged),
            ("SET", "SET session_authorization TO app", RoleChanged),
            ("RESET", "RESET role", RoleChanged),
            ("RESET", "RESET ALL", SearchPathChanged),
            ("RESET", "RESET work_mem", Nothing),
            ("ROLLBACK", "ROLLBACK TO s", RolledBack),
            ("COMMIT", "COMMIT", Nothing),
        ];
        for (tag, sql, effect) in cases {
            assert_eq!(of_command(tag.as_bytes(), sql).effects, one(effect), "{tag}: {sql}");
        }
    }

    #[test]
    fn a_transaction_ends_with_some_commands_and_a_session_changes_with_others() {
        let cases = [
            ("COMMIT", "COMMIT AND CHAIN", true, false),
            ("ROLLBACK", "rollback", true, false),
            ("ROLLBACK", "ROLLBACK TO SAVEPOINT s", false, false),
            ("PREPARE TRANSACTION", "PREPARE TRANSACTION 'x'", true, false),
            ("PREPARE", "PREPARE p AS SELECT 1", false, false),
            ("BEGIN", "BEGIN", false, false),
            ("SET", "SET work_mem = '1MB'", false, true),
            ("SET", "SET LOCAL work_mem = '1MB'", false, false),
            ("SET", "SET LOCAL work_mem = '1MB'; ", false, false),
            ("SET", "SET LOCAL work_mem = '1MB'; SET work_mem = '2MB'", false, true),
            ("SET", "SET TRANSACTION READ ONLY", false, false),
            ("SET CONSTRAINTS", "SET CONSTRAINTS ALL DEFERRED", false, false),
            ("RESET", "RESET ALL", false, true),
            ("DISCARD ALL", "DISCARD ALL", false, true),
            ("LISTEN", "LISTEN a", false, true),
            ("DECLARE CURSOR", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", false, true),
            ("CREATE TABLE", "CREATE TEMP TABLE t ()", false, true),
            ("CREATE TABLE", "CREATE TABLE t ()", false, false),
            ("SELECT 1", "SELECT 1", false, false),
            ("INSERT 0 1", "INSERT INTO t VALUES (1)", false, false),
        ];
        for (tag, sql, ends_transaction, changes_session) in cases {
            let aftermath = of_command(tag.as_bytes(), sql);
            assert_eq!(
                (aftermath.ends_transaction, aftermath.changes_session),
                (ends_transaction, changes_session),
                "{tag}: {sql}"
            );
        }
    }
}
