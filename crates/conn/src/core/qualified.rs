//! SQL of our own, that means the same under every `search_path`.

/// Makes the operators and casts of a statement those of `pg_catalog`, whatever the `search_path` is and whoever has made others there: so it can be
/// written plainly. Operators stand between spaces; tables and functions say their schema themselves.
///
/// What names no operator, and uses `=` all the same, has no place in such a statement: `CASE x WHEN`, `IN`, `NULLIF`, `USING`, `IS DISTINCT FROM`.
#[doc(hidden)]
pub fn qualified(sql: &str) -> String {
    let casts = sql.replace("::", "::pg_catalog.");
    ["=", "<>", "<", ">", "&", "->>"].into_iter().fold(casts, |sql, operator| {
        sql.replace(&format!(" {operator} "), &format!(" OPERATOR(pg_catalog.{operator}) "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_casts_say_their_schema() {
        let plain = "SELECT a::text FROM t WHERE a = ANY ($1) AND (b ->> 'x')::\"char\"[] <> c";
        let expected = "SELECT a::pg_catalog.text FROM t WHERE a OPERATOR(pg_catalog.=) ANY ($1) \
                        AND (b OPERATOR(pg_catalog.->>) 'x')::pg_catalog.\"char\"[] OPERATOR(pg_catalog.<>) c";
        assert_eq!(qualified(plain), expected);
    }
}
