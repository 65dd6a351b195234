//! COPY on a real server: what goes in comes out, and nothing half.

use cornac::copy::{CopyHeader, CopyOptions, CopySource, Table};
use cornac::{Client, Connection};
use cornac_tests::{deadline, shared, still_usable};

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
