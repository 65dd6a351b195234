//! Which statements may travel among those of strangers.

use super::SharedError;
use crate::core::keyword::first_keyword;
use crate::error::{Delivery, Error, ErrorKind, Result};

/// The words that a statement may begin with: those of statements that leave the session as it was, as far as can be seen.
const ALLOWED: [&str; 9] =
    ["select", "insert", "update", "delete", "with", "values", "table", "merge", "show"];

/// The length of the longest of them.
const WORD_MAX: usize = 6;

/// Refuses whatever could change the session for the other callers: BEGIN, SET, LISTEN, PREPARE, CREATE TEMP TABLE, COPY, ...
pub(super) fn check(sql: &str) -> Result<()> {
    // Most often, the word is all that stands in front of the first blank.
    let blank = sql.bytes().take(WORD_MAX + 1).position(|byte| byte == b' ');
    if blank.and_then(|blank| sql.get(..blank)).is_some_and(is_allowed) {
        return Ok(());
    }
    let keyword = first_keyword(sql);
    if is_allowed(keyword) {
        return Ok(());
    }
    let refused = SharedError::NotAllowed { keyword: keyword.into() };
    Err(Error::new(ErrorKind::Shared(refused), Delivery::NotSent).with_statement(sql))
}

fn is_allowed(word: &str) -> bool {
    ALLOWED.iter().any(|allowed| word.eq_ignore_ascii_case(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_leave_the_session_alone_are_taken() {
        let taken = [
            "SELECT 1",
            " /* BEGIN */ -- BEGIN\n (select 1)",
            "insert into t values (1)",
            "Update t SET x = 1",
            "DELETE FROM t",
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
            "VALUES (1)",
            "TABLE t",
            "WITH x AS (SELECT 1) TABLE x",
            "SHOW search_path",
        ];
        for sql in taken {
            assert!(check(sql).is_ok(), "{sql}");
        }
        let refused = [
            ("BEGIN", "BEGIN"),
            ("; begin", "BEGIN"),
            ("/* SELECT */ START TRANSACTION", "START"),
            ("COMMIT", "COMMIT"),
            ("ROLLBACK", "ROLLBACK"),
            ("SET search_path = x", "SET"),
            ("RESET ALL", "RESET"),
            ("DISCARD ALL", "DISCARD"),
            ("LISTEN x", "LISTEN"),
            ("PREPARE x AS SELECT 1", "PREPARE"),
            ("DEALLOCATE ALL", "DEALLOCATE"),
            ("DECLARE c CURSOR FOR SELECT 1", "DECLARE"),
            ("CREATE TEMP TABLE t ()", "CREATE"),
            ("COPY t FROM STDIN", "COPY"),
            ("LOCK TABLE t", "LOCK"),
            ("CALL p()", "CALL"),
            ("DO $$ BEGIN END $$", "DO"),
            ("SELECTED", "SELECTED"),
            ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
            ("", "a statement that begins with no word"),
            ("-- SELECT 1", "a statement that begins with no word"),
            ("\"select\" 1", "a statement that begins with no word"),
        ];
        for (sql, named) in refused {
            let error = check(sql).unwrap_err();
            assert_eq!(error.delivery(), Delivery::NotSent);
            let expected = format!(
                "a shared connection takes SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, WITH and SHOW; \
                 {named} belongs on a connection of its own"
            );
            assert_eq!(error.to_string(), expected, "{sql}");
        }
    }
}
