//! The first word of a statement, which says what sort of statement it is.

/// The first keyword behind blanks, comments and opening parentheses, as it is written; empty if there is none.
pub(crate) fn first_keyword(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '(' || c == ';');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once(['\n', '\r']).map_or("", |(_, behind)| behind);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            return rest.get(..end).unwrap_or_default();
        }
    }
}

/// What stands behind a comment whose `/*` has been read. Such comments nest.
fn behind_comment(mut rest: &str) -> &str {
    let mut depth = 1_u32;
    while depth > 0 {
        let Some(place) = rest.find(['*', '/']) else { return "" };
        rest = rest.get(place..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("/*") {
            depth += 1;
            rest = behind;
        } else {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    rest
}

/// Whether the statement is a COPY.
pub(crate) fn is_copy(sql: &str) -> bool {
    // Most statements begin with another letter.
    let may_be =
        sql.bytes().next().is_some_and(|first| matches!(first, b'c' | b'C') || !first.is_ascii_alphabetic());
    may_be && first_keyword(sql).eq_ignore_ascii_case("copy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_whatever_stands_in_front() {
        let cases = [
            ("SELECT 1", "SELECT"),
            ("  \n(( select 1))", "select"),
            ("-- COPY\nTABLE t", "TABLE"),
            ("/* a /* nested */ COPY */ copy t FROM STDIN", "copy"),
            ("/* without an end", ""),
            ("--", ""),
            ("", ""),
            ("; INSERT INTO t VALUES (1)", "INSERT"),
            ("WITH\tx AS (SELECT 1) SELECT", "WITH"),
            ("\"quoted\"", ""),
            ("/**//***/VALUES(1)", "VALUES"),
            ("é", ""),
        ];
        for (sql, keyword) in cases {
            assert_eq!(first_keyword(sql), keyword, "{sql}");
        }
        assert!(is_copy("/**/ Copy t TO STDOUT") && !is_copy("copying"));
    }
}
