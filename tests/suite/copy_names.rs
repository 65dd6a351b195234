//! COPY of names and values at the edge: what is named is copied, and comes back as it was.

use cornac::copy::{CopyError, CopyOptions, CopySource, Table};
use cornac::types::copy::{CopyCsv, CopyText};
use cornac::types::quote_identifier;
use cornac::{Client, Connection, ErrorKind, SqlState};
use cornac_tests::{deadline, shared, still_usable};

/// Copies into a table, out of it in both ways, and looks whether that was the table.
async fn copies(connection: &mut Connection, table: Table, quoted: &str, column: &str) {
    let records = [(7, "x")];
    connection.copy_records_to_table(&table, &["id", column], records).await.unwrap();
    connection.copy_from(&table, &[column], &CopyOptions::csv(), &b"y\n"[..]).await.unwrap();
    let count: i64 = connection.fetch_value(format!("SELECT count(*) FROM {quoted}"), ()).await.unwrap();
    assert_eq!(count, 2, "{quoted}");
    let mut out = Vec::new();
    let source = CopySource::columns(&table, &[]);
    connection.copy_to(source, &CopyOptions::text(), &mut out).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&out), "7\tx\n\\N\ty\n", "{quoted}");
    let columns = [column];
    let mut rows = connection.copy_rows::<(String,)>(CopySource::columns(&table, &columns)).await.unwrap();
    assert_eq!(rows.columns().position(column), Some(0));
    assert_eq!(rows.next().await.unwrap(), Some(("x".to_owned(),)));
}

#[tokio::test]
async fn copy_09_a_name_is_the_name_of_what_is_copied_whatever_is_in_it() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let longest = "n".repeat(63);
        for name in [
            "select",
            "Order",
            "a\"b",
            "a.b",
            "größe",
            " ",
            "t; DROP TABLE t",
            "t\") FROM STDIN; DROP TABLE t --",
            "'; DROP TABLE t; --",
            "\\",
            "$$",
            &*longest,
        ] {
            let quoted = quote_identifier(name).unwrap();
            c.simple_query(&format!("CREATE TABLE {quoted} (id int4, {quoted} text)")).await.unwrap();
            copies(&mut c, Table::new(name), &quoted, name).await;
            c.simple_query(&format!(
                "CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} (id int4, {quoted} text)"
            ))
            .await
            .unwrap();
            copies(&mut c, Table::in_schema(name, name), &format!("{quoted}.{quoted}"), name).await;
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn copy_09_what_is_no_name_is_an_error_and_never_sql() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        // Cut at 63 bytes, this would be the name of another table.
        let cut = "n".repeat(63);
        c.simple_query(&format!("CREATE TABLE t (id int4); CREATE TABLE {cut} (id int4)")).await.unwrap();
        for injected in ["t; DROP TABLE t", "t FROM STDIN; DROP TABLE t; --", "\"t\"", "public.t", "T"] {
            let error = c.copy_in(injected, &[], &CopyOptions::text()).await.map(drop).unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::UNDEFINED_TABLE), "{error}");
            let error = c.copy_records_to_table(injected, &[], [(7,)]).await.unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::UNDEFINED_TABLE), "{error}");
            let columns = [injected];
            let error = c
                .copy_out(CopySource::columns("t", &columns), &CopyOptions::text())
                .await
                .map(drop)
                .unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::UNDEFINED_COLUMN), "{error}");
        }
        let too_long = "n".repeat(64);
        for (name, problem) in [
            ("", "is no name"),
            ("a\0b", "contains a NUL, which no name can"),
            (&*too_long, "is longer than the 63 bytes that a name can have"),
        ] {
            let columns = [name];
            for error in [
                c.copy_in(name, &[], &CopyOptions::text()).await.map(drop).unwrap_err(),
                c.copy_in(Table::in_schema(name, "t"), &[], &CopyOptions::text())
                    .await
                    .map(drop)
                    .unwrap_err(),
                c.copy_in("t", &[name], &CopyOptions::text()).await.map(drop).unwrap_err(),
                c.copy_in("t", &[], &CopyOptions::csv().force_null(&[name])).await.map(drop).unwrap_err(),
                c.copy_rows::<(i32,)>(name).await.map(drop).unwrap_err(),
                c.copy_out(CopySource::columns("t", &columns), &CopyOptions::text())
                    .await
                    .map(drop)
                    .unwrap_err(),
            ] {
                let ErrorKind::Copy(CopyError::Name { problem: found, .. }) = error.kind() else {
                    panic!("{error}")
                };
                assert_eq!(*found, problem);
            }
        }
        let there: i64 = c.fetch_value("SELECT count(*) FROM t", ()).await.unwrap();
        assert_eq!(there, 0);
        still_usable(&mut c).await;
    })
    .await;
}

/// Values that a format could take for something else.
fn values() -> Vec<Option<String>> {
    let every = (1..=0xff).map(|code| char::from_u32(code).unwrap());
    let mut values: Vec<Option<String>> = every.clone().map(|c| Some(c.to_string())).collect();
    values.push(Some(every.collect()));
    let edges = [
        "", "\\.", "\\N", "NULL", "null", "\\\\N", "\"\"", "\"", "'", "a\nb", "\n", "\r\n", "a\r", "\n\\.\n",
        "a\tb", ",", ",\"", " a ", "\\x41", "\\101", "€", "🐘",
    ];
    values.extend(edges.map(|edge| Some(edge.to_owned())));
    values.push(None);
    values
}

#[tokio::test]
async fn copy_06_every_value_comes_back_in_text_and_csv() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let values = values();
        let texts = [
            (CopyText::new(), CopyOptions::text()),
            (
                CopyText::new().with_delimiter(b'|').unwrap().with_null("NULL").unwrap(),
                CopyOptions::text().delimiter('|').null("NULL"),
            ),
        ];
        let csvs = [
            (CopyCsv::new(), CopyOptions::csv()),
            (CopyCsv::new().with_null("NULL").unwrap(), CopyOptions::csv().null("NULL")),
            (
                CopyCsv::new().with_marks(b';', b'\'', b'\\').unwrap().with_null("\\N").unwrap(),
                CopyOptions::csv().delimiter(';').quote('\'').escape('\\').null("\\N"),
            ),
        ];
        // A single column too: there, a line can be nothing but the value.
        for columns in [&["one"][..], &["one", "two"]] {
            let row = |value: &'_ Option<String>| columns.iter().map(|_| value.clone()).collect::<Vec<_>>();
            for (format, options) in &texts {
                let mut data = Vec::new();
                for value in &values {
                    format
                        .write_row(row(value).iter().map(|v| v.as_deref().map(str::as_bytes)), &mut data)
                        .unwrap();
                }
                let out = there_and_back(&mut c, columns, options, &data, &values).await;
                let back: Vec<_> = format.rows(&out).map(|row| owned(row.unwrap())).collect();
                // The server itself does not tell a value from a NULL marker that is a word.
                let marked = *format != CopyText::new();
                let told = |value: &&Option<String>| !marked || value.as_deref() != Some("NULL");
                let expected = values.iter().map(|value| row(Some(value).filter(told).unwrap_or(&None)));
                assert_eq!(back, expected.collect::<Vec<_>>());
            }
            for (format, options) in &csvs {
                let mut data = Vec::new();
                for value in &values {
                    format.write_row(row(value).iter().map(|v| v.as_deref().map(str::as_bytes)), &mut data);
                }
                let out = there_and_back(&mut c, columns, options, &data, &values).await;
                let back: Vec<_> = format.rows(&out).map(|row| owned(row.unwrap())).collect();
                assert_eq!(back, values.iter().map(row).collect::<Vec<_>>());
            }
        }
        still_usable(&mut c).await;
    })
    .await;
}

fn owned(row: cornac::types::copy::CopyRow<'_>) -> Vec<Option<String>> {
    row.into_iter().map(|value| value.map(|value| String::from_utf8(value.into_owned()).unwrap())).collect()
}

/// Loads `data`, which must become `values` in the table, and gives what the server makes of that.
async fn there_and_back(
    c: &mut Connection,
    columns: &[&str],
    options: &CopyOptions,
    data: &[u8],
    values: &[Option<String>],
) -> Vec<u8> {
    let sql = "DROP TABLE IF EXISTS value; CREATE TABLE value (id serial PRIMARY KEY, one text, two text)";
    c.simple_query(sql).await.unwrap();
    let loaded = c.copy_from("value", columns, options, data).await.unwrap();
    assert_eq!(loaded, u64::try_from(values.len()).unwrap(), "{options:?}");
    let there: Vec<Option<String>> = c.fetch_values("SELECT one FROM value ORDER BY id", ()).await.unwrap();
    assert_eq!(there, values, "{options:?}");
    let mut out = Vec::new();
    let query = format!("SELECT {} FROM value ORDER BY id", columns.join(", "));
    c.copy_to(CopySource::query(&query), options, &mut out).await.unwrap();
    out
}

#[tokio::test]
async fn copy_06_bytes_that_are_no_text_are_refused_with_their_line() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE value (one text)").await.unwrap();
        for bytes in [&b"ok\n\xff\n"[..], b"ok\n\xc3\n", b"ok\n\xed\xa0\x80\n", b"ok\n\\xff\n"] {
            let error = c.copy_from("value", &[], &CopyOptions::text(), bytes).await.unwrap_err();
            assert_eq!(error.sql_state(), Some(SqlState::CHARACTER_NOT_IN_REPERTOIRE), "{error}");
            let context = error.server().and_then(|server| server.context()).unwrap();
            assert!(context.starts_with("COPY value, line 2"), "{context}");
        }
        let error = c.copy_records_to_table("value", &[], [("a\0b",)]).await.unwrap_err();
        let shown = "row 1, column 1 \"one\" is text, which this str cannot become: PostgreSQL's text has no NUL, and there is one at byte 1";
        assert_eq!(error.to_string(), shown);
        let rows: i64 = c.fetch_value("SELECT count(*) FROM value", ()).await.unwrap();
        assert_eq!(rows, 0);
        still_usable(&mut c).await;
    })
    .await;
}
