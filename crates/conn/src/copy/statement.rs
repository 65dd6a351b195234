//! The text of a COPY.

use super::error::CopyError;
use super::options::CopyOptions;
use super::table::{CopySource, Table, quoted_names};

/// `COPY table (columns) FROM STDIN WITH (options)`.
pub(super) fn copy_from(table: &Table, columns: &[&str], options: &CopyOptions) -> Result<String, CopyError> {
    let (table, options) = (table.quoted()?, options.to_sql()?);
    Ok(format!("COPY {table}{} FROM STDIN{options}", listed(columns)?))
}

/// `COPY source TO STDOUT WITH (options)`.
pub(super) fn copy_to(source: &CopySource<'_>, options: &CopyOptions) -> Result<String, CopyError> {
    let options = options.to_sql()?;
    Ok(match source {
        CopySource::Table { table, columns } => {
            format!("COPY {}{} TO STDOUT{options}", table.quoted()?, listed(columns)?)
        }
        // The line break ends a comment that the query may end with.
        CopySource::Query(sql) => format!("COPY ({sql}\n) TO STDOUT{options}"),
    })
}

/// A statement whose description is that of what is copied. It is parsed, and never runs.
pub(super) fn described(source: &CopySource<'_>) -> Result<String, CopyError> {
    Ok(match source {
        CopySource::Table { table, columns: [] } => format!("SELECT * FROM {}", table.quoted()?),
        CopySource::Table { table, columns } => {
            format!("SELECT {} FROM {}", quoted_names(columns)?, table.quoted()?)
        }
        CopySource::Query(sql) => (*sql).to_owned(),
    })
}

fn listed(columns: &[&str]) -> Result<String, CopyError> {
    if columns.is_empty() { Ok(String::new()) } else { Ok(format!(" ({})", quoted_names(columns)?)) }
}

/// Whether the first word of `sql`, behind space and comments, is COPY.
pub(super) fn is_copy(sql: &str) -> bool {
    let mut rest = sql;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, behind)| behind);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            break;
        }
    }
    let word = rest.split(|character: char| !character.is_alphanumeric() && character != '_').next();
    word.is_some_and(|word| word.eq_ignore_ascii_case("copy"))
}

/// What stands behind the end of a comment, which may have others inside.
fn behind_comment(mut rest: &str) -> &str {
    let mut depth = 1_usize;
    while depth > 0 {
        let Some(mark) = rest.find("*/").into_iter().chain(rest.find("/*")).min() else { return "" };
        depth = if rest[mark..].starts_with("*/") { depth - 1 } else { depth + 1 };
        rest = &rest[mark + 2..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_wherever_they_stand() {
        let source = CopySource::columns(Table::in_schema("a.b", "t; DROP TABLE t"), &["Order", "x\")"]);
        assert_eq!(
            copy_to(&source, &CopyOptions::text()).unwrap(),
            r#"COPY "a.b"."t; DROP TABLE t" ("Order", "x"")") TO STDOUT"#
        );
        assert_eq!(described(&source).unwrap(), r#"SELECT "Order", "x"")" FROM "a.b"."t; DROP TABLE t""#);
        assert_eq!(
            copy_from(&"item".into(), &[], &CopyOptions::binary()).unwrap(),
            r#"COPY "item" FROM STDIN WITH (FORMAT binary)"#
        );
    }

    #[test]
    fn the_first_word_is_found_behind_space_and_comments() {
        for sql in [
            "COPY t FROM STDIN",
            " \n copy(SELECT 1) TO STDOUT",
            "-- x\nCopy t",
            "/* a /* b */ */ COPY t",
            "copy\"t\" to stdout",
        ] {
            assert!(is_copy(sql), "{sql}");
        }
        for sql in ["", "SELECT 1", "-- COPY", "/* COPY", "copyright", "/* */", "copy_t", "(COPY t)"] {
            assert!(!is_copy(sql), "{sql}");
        }
    }
}
