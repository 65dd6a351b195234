//! COPY on a real server: what goes in comes out.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use cornac::copy::{CopyError, CopyHeader, CopyOptions, CopyProgress, CopySource, Table};
use cornac::{Client, Connection, ErrorKind, FromRow};
use cornac_tests::{deadline, shared, still_usable};
use futures_core::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn with_items(connection: &mut Connection) {
    let sql = "CREATE TABLE item (id int4 PRIMARY KEY, name text, cost float8)";
    connection.simple_query(sql).await.unwrap();
}

async fn count(connection: &mut Connection) -> i64 {
    connection.fetch_value("SELECT count(*) FROM item", ()).await.unwrap()
}

#[tokio::test]
async fn records_go_in_and_come_out() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let records =
            (0..20_000).map(|id| (id, (id % 7 > 0).then(|| format!("item {id}")), f64::from(id) / 4.0));
        let count = c.copy_records_to_table("item", &["id", "name", "cost"], records.clone()).await.unwrap();
        assert_eq!(count, 20_000);
        let mut rows = c.copy_rows::<(i32, Option<String>, f64)>("item").await.unwrap();
        let mut expected = records;
        while let Some(row) = rows.next().await.unwrap() {
            assert_eq!(Some(row), expected.next());
        }
        assert_eq!((rows.rows(), expected.next()), (20_000, None));
        drop(rows);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn bytes_go_in_and_come_out() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let options = CopyOptions::csv().header(CopyHeader::Present);
        let mut copy = c.copy_in("item", &["name", "id"], &options).await.unwrap();
        assert!(!copy.is_binary());
        assert_eq!(copy.columns_len(), 2);
        for piece in ["na", "me,id\ntu", "sk,7\n\"how", "dah\",8\n"] {
            copy.send(piece).await.unwrap();
        }
        assert_eq!(copy.finish().await.unwrap(), 2);
        let mut out = Vec::new();
        let source = CopySource::query("SELECT id, name FROM item ORDER BY id -- all");
        assert_eq!(c.copy_to(source, &options, &mut out).await.unwrap(), 2);
        assert_eq!(String::from_utf8_lossy(&out), "id,name\n7,tusk\n8,howdah\n");
        assert_eq!(count(&mut c).await, 2);
        let reader = &b"9\ttrunk\n10\tear\n"[..];
        let copied = c
            .copy_from(Table::in_schema("public", "item"), &["id", "name"], &CopyOptions::text(), reader)
            .await;
        assert_eq!(copied.unwrap(), 2);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_copy_is_a_writer_a_reader_and_a_stream() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, mut other) = (database.connect().await, database.connect().await);
        with_items(&mut c).await;
        let options = CopyOptions::text();
        // Longer than one message, in one write.
        let data = (0..20_000).map(|id| format!("{id}\tan item\t0.5")).collect::<Vec<_>>().join("\n") + "\n";
        let mut copy = c.copy_in("item", &[], &options).await.unwrap();
        copy.write_all(data.as_bytes()).await.unwrap();
        copy.shutdown().await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), 20_000);
        let mut read = String::new();
        let mut copy = c.copy_out("item", &options).await.unwrap();
        copy.read_to_string(&mut read).await.unwrap();
        assert_eq!((read.len(), read == data), (data.len(), true));
        drop(copy);
        // From one connection to another, as it comes.
        other.simple_query("CREATE TABLE copied (LIKE item)").await.unwrap();
        let out = c.copy_out("item", &CopyOptions::binary()).await.unwrap();
        let mut copy = other.copy_in("copied", &[], &CopyOptions::binary()).await.unwrap();
        assert!(copy.is_binary());
        copy.send_stream(out).await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), 20_000);
        let sql = "SELECT count(*) FROM item NATURAL JOIN copied";
        assert_eq!(other.fetch_value::<i64, _>(sql, ()).await.unwrap(), 20_000);
        let mut rows = c.copy_rows::<(i32, String, f64)>("copied").await.unwrap();
        let mut count = 0;
        while let Some(row) = std::future::poll_fn(|cx| Pin::new(&mut rows).poll_next(cx)).await {
            assert_eq!(row.unwrap(), (count, "an item".to_owned(), 0.5));
            count += 1;
        }
        drop(rows);
        assert_eq!(count, 20_000);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn progress_is_told_as_it_is_made() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        with_items(&mut c).await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let watch = || {
            let told = Arc::clone(&told);
            move |progress: CopyProgress| told.lock().unwrap().push((progress.rows, progress.bytes))
        };
        let mut copy = c.copy_records("item", &[]).await.unwrap().on_progress(watch());
        copy.send_all((0..10_000).map(|id| (id, "an item of some length", 0.5))).await.unwrap();
        copy.finish().await.unwrap();
        let progress = std::mem::take(&mut *told.lock().unwrap());
        assert!(progress.len() > 5, "{progress:?}");
        assert!(progress.is_sorted(), "{progress:?}");
        // A header, and for each row a count, three lengths and the values; a trailer.
        assert_eq!(progress.last(), Some(&(Some(10_000), 19 + 10_000 * (2 + 3 * 4 + 4 + 22 + 8) + 2)));
        let copy = c.copy_out("item", &CopyOptions::text()).await.unwrap().on_progress(watch());
        let mut out = Vec::new();
        copy.write_to(&mut out).await.unwrap();
        let progress = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(progress.last(), Some(&(Some(10_000), out.len() as u64)));
        assert_eq!(progress[0].0, None, "nobody counts the rows of raw bytes");
        still_usable(&mut c).await;
    })
    .await;
}

#[derive(Debug, PartialEq, FromRow)]
struct Item {
    name: String,
    id: i32,
}

#[tokio::test]
async fn columns_are_those_that_are_copied() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        let sql = "CREATE TABLE item (id int4, twice int4 GENERATED ALWAYS AS (id * 2) STORED, name text, dropped int4);
                   ALTER TABLE item DROP COLUMN dropped";
        c.simple_query(sql).await.unwrap();
        // All columns, generated ones among them, are described; only the others are copied.
        let error = c.copy_records_to_table("item", &[], [(7, "tusk")]).await.unwrap_err();
        let ErrorKind::Copy(CopyError::Columns { copied: 2, described: 3 }) = error.kind() else { panic!("{error}") };
        let error = c.copy_rows::<Item>("item").await.map(drop).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Copy(CopyError::Columns { .. })), "{error}");
        let items = [(7, "tusk"), (8, "howdah")];
        assert_eq!(c.copy_records_to_table("item", &["id", "name"], items).await.unwrap(), 2);
        let mut rows = c.copy_rows::<Item>(CopySource::query("SELECT * FROM item ORDER BY twice")).await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some(Item { name: "tusk".to_owned(), id: 7 }));
        let lent = rows.next_row().await.unwrap().unwrap();
        assert_eq!((lent.get::<i32>(1).unwrap(), lent.get_by_name::<&str>("name").unwrap()), (16, "howdah"));
        drop(rows);
        let error = c.copy_rows::<(i32,)>(CopySource::query("SELECT 1, 2")).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "the result has 2 columns, and 1 were asked for");
        // A value that does not fit is one row's error, and the next row is there.
        let query = CopySource::query("VALUES (1), (NULL), (3)");
        let mut rows = c.copy_rows::<(i32,)>(query).await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some((1,)));
        let null = rows.next().await.unwrap_err();
        assert_eq!(null.to_string(), "column 1 \"column1\" is NULL, which i32 cannot hold; ask for Option<i32>");
        assert_eq!(rows.next().await.unwrap(), Some((3,)));
        assert_eq!(rows.next().await.unwrap(), None);
        drop(rows);
        let error = c.copy_out(CopySource::query("SELECT 1 / 0"), &CopyOptions::text()).await.map(drop).unwrap_err();
        assert_eq!(error.sql_state(), Some(cornac::SqlState::DIVISION_BY_ZERO), "{error}");
        still_usable(&mut c).await;
    })
    .await;
}
