//! Each option of COPY, on the oldest and the newest server that the tests run on.

use cornac::copy::{CopyHeader, CopyLogVerbosity, CopyOnError, CopyOptions, CopySource};
use cornac::{Client, Connection};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, provision, still_usable};

/// What a COPY in gives: the rows as text, or the SQLSTATE and the server's word for what it does not know.
async fn copy_in(c: &mut Connection, options: &CopyOptions, data: &str) -> String {
    c.simple_query("DROP TABLE IF EXISTS item; CREATE TABLE item (id int4, name text DEFAULT 'new')")
        .await
        .unwrap();
    match c.copy_from("item", &["id", "name"], options, data.as_bytes()).await {
        Ok(_) => {
            let rows = "SELECT coalesce(string_agg(id || '=' || coalesce(quote_literal(name), 'NULL'), ' '), '') FROM item";
            c.fetch_value(rows, ()).await.unwrap()
        }
        Err(error) => refusal(&error),
    }
}

async fn copy_out(c: &mut Connection, options: &CopyOptions) -> String {
    let mut out = Vec::new();
    let query = CopySource::query("SELECT 7 AS id, 'a b' AS name, NULL AS none");
    match c.copy_to(query, options, &mut out).await {
        Ok(_) => String::from_utf8_lossy(&out).into_owned(),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &cornac::Error) -> String {
    let server = error.server().unwrap_or_else(|| panic!("the server says so itself: {error}"));
    format!("{}: {}", server.code().unwrap(), server.message())
}

/// An option, the data, and what comes of it before and since a version.
type Case = (CopyOptions, &'static str, &'static str, u32, &'static str);

fn cases() -> Vec<Case> {
    let always = |options, data, expected| (options, data, expected, 0, expected);
    let (text, csv) = (CopyOptions::text, CopyOptions::csv);
    vec![
        always(text(), "7\tx\n8\t\\N\n", "7='x' 8=NULL"),
        always(text().delimiter('|'), "7|x\n", "7='x'"),
        always(text().delimiter('\''), "7'x\n", "7='x'"),
        always(text().null("it's \\N"), "7\tit's \\N\n8\t\n", "7=NULL 8=''"),
        always(text().header(CopyHeader::Present), "id\tname\n7\tx\n", "7='x'"),
        always(text().header(CopyHeader::Absent), "7\tx\n", "7='x'"),
        always(csv(), "7,x\n8,\n9,\"\"\n", "7='x' 8=NULL 9=''"),
        always(csv().header(CopyHeader::Match), "id,name\n7,x\n", "7='x'"),
        always(
            csv().header(CopyHeader::Match),
            "id,nom\n7,x\n",
            "22P04: column name mismatch in header line field 2: got \"nom\", expected \"name\"",
        ),
        always(
            csv().delimiter(';').quote('\'').escape('\\').null("-"),
            "7;'a\\'b'\n8;-\n",
            "7='a''b' 8=NULL",
        ),
        always(csv().force_null(&["name"]), "7,\"\"\n", "7=NULL"),
        always(csv().force_not_null(&["name"]), "7,\n", "7=''"),
        (
            csv().force_null_all(),
            "7,\"\"\n",
            "22023: argument to option \"force_null\" must be a list of column names",
            17,
            "7=NULL",
        ),
        (
            csv().force_not_null_all().null("-"),
            "7,-\n",
            "22023: argument to option \"force_not_null\" must be a list of column names",
            17,
            "7='-'",
        ),
        (text().default_marker("\\D"), "7\t\\D\n", "42601: option \"default\" not recognized", 16, "7='new'"),
        (
            text().on_error(CopyOnError::Ignore),
            "x\ty\n7\tx\n",
            "42601: option \"on_error\" not recognized",
            17,
            "7='x'",
        ),
        (
            text().on_error(CopyOnError::Stop),
            "x\ty\n",
            "42601: option \"on_error\" not recognized",
            17,
            "22P02: invalid input syntax for type integer: \"x\"",
        ),
        (
            text().on_error(CopyOnError::Ignore).reject_limit(1),
            "x\ty\nz\ty\n7\tx\n",
            "42601: option \"on_error\" not recognized",
            18,
            "22P02: skipped more than REJECT_LIMIT (1) rows due to data type incompatibility",
        ),
        (
            text().on_error(CopyOnError::Ignore).log_verbosity(CopyLogVerbosity::Verbose),
            "x\ty\n7\tx\n",
            "42601: option \"on_error\" not recognized",
            17,
            "7='x'",
        ),
        (
            text().on_error(CopyOnError::Ignore).log_verbosity(CopyLogVerbosity::Silent),
            "x\ty\n7\tx\n",
            "42601: option \"on_error\" not recognized",
            18,
            "7='x'",
        ),
        always(text().delimiter('€'), "", "0A000: COPY delimiter must be a single one-byte character"),
        always(text().quote('x'), "", "0A000: COPY QUOTE requires CSV mode"),
    ]
}

#[tokio::test]
async fn every_option_means_what_the_server_makes_of_it() {
    deadline(async {
        for major in [15_u32, 18] {
            let binaries = Some(provision(Some(&major.to_string())).unwrap());
            let cluster = Cluster::start(&ClusterOptions { binaries, ..ClusterOptions::default() }).unwrap();
            assert!(cluster.version().starts_with(&major.to_string()));
            let mut c = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
            for (options, data, before, since, expected) in cases() {
                let expected = if major < since { before } else { expected };
                let found = copy_in(&mut c, &options, data).await;
                // The words for the same refusal differ between versions.
                let (found, expected) = if expected.starts_with("0A000") {
                    (found.split(':').next().unwrap().replace("42601", "0A000"), "0A000".to_owned())
                } else {
                    (found, expected.to_owned())
                };
                assert_eq!(found, expected, "PostgreSQL {major}: {options:?}");
            }
            for (options, expected) in [
                (CopyOptions::text(), "7\ta b\t\\N\n"),
                (
                    CopyOptions::csv().force_quote_all().header(CopyHeader::Present),
                    "id,name,none\n\"7\",\"a b\",\n",
                ),
                (CopyOptions::csv().force_quote(&["name"]).null("-"), "7,\"a b\",-\n"),
                (CopyOptions::csv().quote('\'').delimiter(' '), "7 'a b' \n"),
            ] {
                assert_eq!(copy_out(&mut c, &options).await, expected, "PostgreSQL {major}: {options:?}");
            }
            frozen(&mut c).await;
            // Binary is the same both ways.
            let mut data = Vec::new();
            c.simple_query("TRUNCATE item; INSERT INTO item VALUES (7, 'x'), (8, NULL)").await.unwrap();
            c.copy_to("item", &CopyOptions::binary(), &mut data).await.unwrap();
            assert_eq!(c.copy_from("item", &[], &CopyOptions::binary(), &data[..]).await.unwrap(), 2);
            still_usable(&mut c).await;
        }
    })
    .await;
}

/// FREEZE is for a table of the same transaction.
async fn frozen(c: &mut Connection) {
    let options = CopyOptions::csv().freeze(true);
    let refused = c.copy_from("item", &[], &options, &b"7,x\n"[..]).await.unwrap_err();
    assert!(refusal(&refused).starts_with("55000"), "{refused}");
    c.simple_query("BEGIN; TRUNCATE item").await.unwrap();
    assert_eq!(c.copy_from("item", &[], &options, &b"7,x\n"[..]).await.unwrap(), 1);
    c.simple_query("COMMIT").await.unwrap();
}
