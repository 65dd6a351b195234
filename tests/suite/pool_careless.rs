//! What is leaked, and what panics, between a `Database` and its user.

use std::mem::forget;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::BytesMut;
use cornac::copy::CopyOptions;
use cornac::types::{DecodeError, EncodeError, IsNull, PlanError, RowPlan, Type};
use cornac::{Client, Columns, Database, Encode, FromRow, RowRef};
use cornac_tests::{TestDatabase, deadline, shared, still_usable};

use crate::pool_waiting::{nothing_is_lost, until};

async fn with_ledger(size: usize) -> (TestDatabase, Database) {
    let database = shared().database().await;
    let builder = Database::builder().min_size(0).max_size(size).acquire_timeout(Duration::from_secs(10));
    let db = builder.connect_with(database.config()).await.unwrap();
    db.simple_query("CREATE TABLE ledger (id int4)").await.unwrap();
    (database, db)
}

/// Nothing is open on the connection that the next user gets, and nothing was entered.
async fn next_user_finds_it_clean(db: &Database, what: &str) {
    let mut connection = db.checkout().await.unwrap();
    still_usable(&mut connection).await;
    let sql = "SELECT pg_current_xact_id_if_assigned() IS NULL AND NOT EXISTS (SELECT FROM ledger)";
    assert!(connection.fetch_value::<bool, _>(sql, ()).await.unwrap(), "{what}");
}

#[tokio::test]
async fn drop_06_what_is_leaked_from_a_connection_is_cleaned_before_the_next_user() {
    deadline(async {
        let (_database, db) = with_ledger(1).await;
        let options = CopyOptions::text();
        for leak in
            ["BEGIN alone", "transaction", "nested", "COPY in", "COPY records", "COPY out", "rows", "batch"]
        {
            let mut connection = db.checkout().await.unwrap();
            match leak {
                "BEGIN alone" => forget(connection.begin().await.unwrap()),
                "transaction" => {
                    let mut transaction = connection.begin().await.unwrap();
                    transaction.execute("INSERT INTO ledger VALUES (1)", ()).await.unwrap();
                    forget(transaction);
                }
                "nested" => {
                    let mut transaction = connection.begin().await.unwrap();
                    transaction.execute("INSERT INTO ledger VALUES (1)", ()).await.unwrap();
                    let mut inner = transaction.begin().await.unwrap();
                    inner.execute("INSERT INTO ledger VALUES (2)", ()).await.unwrap();
                    forget(inner);
                    forget(transaction);
                }
                "COPY in" => {
                    let mut copy = connection.copy_in("ledger", &["id"], &options).await.unwrap();
                    copy.send("1\n").await.unwrap();
                    copy.flush().await.unwrap();
                    forget(copy);
                }
                "COPY records" => {
                    let mut copy = connection.copy_records("ledger", &["id"]).await.unwrap();
                    copy.send((1,)).await.unwrap();
                    forget(copy);
                }
                "COPY out" => {
                    let source = cornac::copy::CopySource::query("SELECT generate_series(1, 1000000)");
                    let mut copy = connection.copy_out(source, &options).await.unwrap();
                    copy.next().await.unwrap();
                    forget(copy);
                }
                "rows" => {
                    let mut rows = connection.rows("SELECT generate_series(1, 1000000)", ()).await.unwrap();
                    rows.next().await.unwrap();
                    forget(rows);
                }
                _ => {
                    let mut batch = connection.batch("INSERT INTO ledger VALUES ($1)").await.unwrap();
                    batch.send((1,)).await.unwrap();
                    forget(batch);
                }
            }
            drop(connection);
            next_user_finds_it_clean(&db, leak).await;
        }
        nothing_is_lost(&db).await;
        println!("8 things leaked on a connection that then came back: closed {:?}", db.pool_stats().closed);
    })
    .await;
}

#[tokio::test]
async fn drop_06_what_is_leaked_together_with_its_connection_is_seen_and_never_lent() {
    deadline(async {
        let (_database, db) = with_ledger(5).await;
        let mut transaction = db.begin().await.unwrap();
        transaction.execute("INSERT INTO ledger VALUES (1)", ()).await.unwrap();
        forget(transaction);
        forget(db.begin().await.unwrap());
        let mut rows = db.rows("SELECT generate_series(1, 1000000)", ()).await.unwrap();
        rows.next().await.unwrap();
        forget(rows);
        let mut connection = db.checkout().await.unwrap();
        connection.execute("SET work_mem = '123kB'", ()).await.unwrap();
        forget(connection);
        // They are lost to the pool, which says who has them, and lends what is left.
        let leaked = db.holders();
        assert_eq!((leaked.len(), db.pool_stats().in_use), (4, 4));
        assert!(
            leaked.iter().all(|holder| holder.location.file().ends_with("pool_careless.rs")),
            "{leaked:?}"
        );
        for _ in 0..50 {
            let clean =
                "SELECT current_setting('work_mem') <> '123kB' AND pg_current_xact_id_if_assigned() IS NULL";
            assert!(db.fetch_value::<bool, _>(clean, ()).await.unwrap());
        }
        next_user_finds_it_clean(&db, "four connections leaked").await;
        // There is a way out: more room, or an end that does not wait for them.
        db.resize(6).unwrap();
        let more = [db.checkout().await.unwrap(), db.checkout().await.unwrap()];
        drop(more);
        let error = db.close_within(Duration::from_millis(200)).await.unwrap_err();
        println!("4 connections leaked: {error}; {leaked:?}");
        until(&db, |stats| stats.open == 4).await;
    })
    .await;
}

/// A row whose third one panics.
#[derive(Debug)]
struct Grumpy;

static MAPPED: AtomicU32 = AtomicU32::new(0);

impl<'r> FromRow<'r> for Grumpy {
    fn plan(columns: &Columns) -> Result<RowPlan, PlanError> {
        <(i32,)>::plan(columns)
    }

    fn from_row(row: RowRef<'r>, plan: &RowPlan) -> Result<Self, DecodeError> {
        let (number,) = <(i32,)>::from_row(row, plan)?;
        MAPPED.fetch_add(1, Relaxed);
        assert!(number < 3, "the row mapper panics");
        Ok(Self)
    }
}

/// A parameter that panics in the middle of what it writes.
#[derive(Clone, Copy, Debug)]
struct Unspeakable;

impl Encode for Unspeakable {
    fn encode(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        out.extend_from_slice(b"half");
        panic!("the encoder panics");
    }
}

/// A record of which every fifth panics.
#[derive(Clone, Copy, Debug)]
struct Sometimes(i32);

impl Encode for Sometimes {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        assert!(self.0 % 5 != 4, "the encoder panics");
        self.0.encode(ty, out)
    }
}

const NUMBERS: &str =
    "WITH new AS (INSERT INTO ledger VALUES (1)) SELECT generate_series(1, 100000) LIMIT 100000";

async fn play(db: Database, panic: &str) {
    let records = || (0..10).map(|id| (Sometimes(id),));
    match panic {
        "FromRow in fetch_all" => {
            drop(db.fetch_all::<Grumpy, _>("SELECT generate_series(1, 100000)", ()).await);
        }
        "FromRow in fetch_one" => drop(db.fetch_one::<Grumpy, _>("SELECT 3", ()).await),
        "FromRow in stream_query" => {
            let mut rows =
                db.stream_query::<Grumpy, _>("SELECT generate_series(1, 100000)", ()).await.unwrap();
            while rows.next().await.unwrap().is_some() {}
        }
        "FromRow in a transaction" => {
            let mut transaction = db.begin().await.unwrap();
            drop(transaction.fetch_all::<Grumpy, _>(NUMBERS, ()).await);
        }
        "FromRow in a transaction's closure" => {
            let run = db.transaction(|mut transaction| async move {
                transaction.fetch_all::<Grumpy, _>(NUMBERS, ()).await.map(drop)
            });
            drop(run.await);
        }
        "Encode in execute" => drop(db.execute("INSERT INTO ledger VALUES ($1)", (Unspeakable,)).await),
        "Encode in a transaction" => {
            let mut transaction = db.begin().await.unwrap();
            transaction.execute("INSERT INTO ledger VALUES (1)", ()).await.unwrap();
            drop(transaction.execute("INSERT INTO ledger VALUES ($1)", (Unspeakable,)).await);
        }
        "Encode in execute_many" => drop(db.execute_many("INSERT INTO ledger VALUES ($1)", records()).await),
        "Encode in copy_records" => drop(db.copy_records_to_table("ledger", &["id"], records()).await),
        "the source of execute_many" => {
            let sets = (0..10_i32).map(|id| if id < 7 { (id,) } else { panic!("the source panics") });
            drop(db.execute_many("INSERT INTO ledger VALUES ($1)", sets).await);
        }
        _ => {
            let rows = (0..10_i32).map(|id| if id < 7 { (id,) } else { panic!("the source panics") });
            drop(db.copy_records_to_table("ledger", &["id"], rows).await);
        }
    }
}

#[tokio::test]
async fn drop_07_a_panic_in_a_row_mapper_or_an_encoder_unwinds_and_harms_nobody() {
    deadline(async {
        let (_database, db) = with_ledger(1).await;
        let panics = [
            "FromRow in fetch_all",
            "FromRow in fetch_one",
            "FromRow in stream_query",
            "FromRow in a transaction",
            "FromRow in a transaction's closure",
            "Encode in execute",
            "Encode in a transaction",
            "Encode in execute_many",
            "Encode in copy_records",
            "the source of execute_many",
            "the source of copy_records",
        ];
        for panic in panics {
            // Cold and warm.
            for round in 0..2 {
                let unwound = tokio::spawn(play(db.clone(), panic)).await.unwrap_err();
                assert!(unwound.is_panic(), "{panic}, {round}: {unwound}");
                next_user_finds_it_clean(&db, panic).await;
                nothing_is_lost(&db).await;
            }
        }
        let stats = db.pool_stats();
        println!(
            "{} panics, {} rows mapped: opened {}, closed {:?}",
            2 * panics.len(),
            MAPPED.load(Relaxed),
            stats.opened,
            stats.closed
        );
        assert!(MAPPED.load(Relaxed) > 10);
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}
