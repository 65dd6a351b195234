//! What a statement that ran did to the ones that were prepared before it.

/// What is no longer certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing that was remembered is touched.
    None,
    /// The server may have forgotten statements, or tables and types are not what they were.
    StatementsForgotten,
    /// Names may be looked up in other schemas than before.
    SearchPathChanged,
}

/// Reads it off a command tag, and for settings off the text of the statement (or statements).
pub(crate) fn of_command(tag: &[u8], sql: &str) -> Effect {
    match tag.first() {
        Some(b'S' | b'R' | b'D' | b'A' | b'C' | b'I') => {}
        _ => return Effect::None,
    }
    let verb = tag.split(|&byte| byte == b' ').next().unwrap_or_default();
    match verb {
        b"DEALLOCATE" | b"ALTER" | b"CREATE" | b"DROP" | b"IMPORT" => Effect::StatementsForgotten,
        b"DISCARD" => match tag {
            b"DISCARD ALL" => Effect::SearchPathChanged,
            _ => Effect::StatementsForgotten,
        },
        b"SET" if may_change_search_path(sql) => Effect::SearchPathChanged,
        b"RESET" if may_change_search_path(sql) || contains(sql, "all") => Effect::SearchPathChanged,
        _ => Effect::None,
    }
}

/// Whether a SET or RESET with this text may change in which schemas names are looked up: `search_path` itself, its other
/// spelling `SET SCHEMA`, and the role, which `"$user"` stands for.
fn may_change_search_path(sql: &str) -> bool {
    ["search_path", "schema", "role", "authorization"].iter().any(|word| contains(sql, word))
}

fn contains(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_texts_tell_what_is_no_longer_certain() {
        use Effect::{None as Nothing, SearchPathChanged, StatementsForgotten};
        let cases = [
            ("SELECT 1", "SELECT 1", Nothing),
            ("INSERT 0 1", "INSERT INTO t VALUES (1)", Nothing),
            ("DELETE 3", "DELETE FROM t", Nothing),
            ("DISCARD ALL", "DISCARD ALL", SearchPathChanged),
            ("DISCARD PLANS", "DISCARD PLANS", StatementsForgotten),
            ("DEALLOCATE", "DEALLOCATE a", StatementsForgotten),
            ("DEALLOCATE ALL", "DEALLOCATE ALL", StatementsForgotten),
            ("ALTER TABLE", "ALTER TABLE t ADD x int", StatementsForgotten),
            ("CREATE TABLE", "CREATE TABLE t ()", StatementsForgotten),
            ("SET", "SET TimeZone = 'UTC'", Nothing),
            ("SET", "set Search_Path to shop", SearchPathChanged),
            ("SET", "SET SCHEMA 'shop'", SearchPathChanged),
            ("SET", "SET LOCAL ROLE app", SearchPathChanged),
            ("SET", "SET SESSION AUTHORIZATION app", SearchPathChanged),
            ("RESET", "RESET ALL", SearchPathChanged),
            ("ROLLBACK", "ROLLBACK", Nothing),
        ];
        for (tag, sql, effect) in cases {
            assert_eq!(of_command(tag.as_bytes(), sql), effect, "{tag}: {sql}");
        }
    }
}
