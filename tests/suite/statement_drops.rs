//! Statements, cold and warm, and transactions, dropped at every byte.

use std::mem::forget;

use cornac::types::Type;
use cornac::{Client, Connection, Result, Statement, StatementMode, TransactionStatus, pipeline};
use cornac_conn::SslMode;
use cornac_tests::{connect_watched, deadline, shared, still_usable};

use crate::drops::dropped_everywhere_over;

const INSERT: &str = "INSERT INTO ledger VALUES ($1)";

async fn dropped_everywhere(name: &str, all: i64, verb: impl AsyncFn(&mut Connection, i64) -> Result<()>) {
    let ran = dropped_everywhere_over(SslMode::Disable, name, all, verb).await;
    // Points between the last byte of what commits and the last of its answer were among them.
    assert!(ran > 0, "no drop came after the commit");
}

/// A statement that takes the same way on a connection that was replaced as on one that was not, so that each number of polls is another
/// point of one and the same exchange.
fn uncached(sql: &str) -> Statement<'_> {
    Statement::new(sql).not_cached()
}

#[tokio::test]
async fn drop_01_a_statement_that_is_new_each_time_can_be_dropped_at_every_byte() {
    dropped_everywhere("cold statement", 1, async |connection, id| {
        // A text of its own, which nobody has described before: two round trips.
        connection.execute(&*format!("{INSERT} -- {id}"), (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_01_a_statement_that_is_parsed_anew_can_be_dropped_at_every_byte() {
    dropped_everywhere("unnamed statement", 1, async |connection, id| {
        connection.execute(Statement::new(INSERT).mode(StatementMode::Unnamed), (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_01_a_typed_statement_can_be_dropped_at_every_byte() {
    dropped_everywhere("typed statement", 1, async |connection, id| {
        let sql = format!("{INSERT} -- {id}");
        let typed = Statement::typed(sql, &[Type::INT8], &[]);
        connection.execute(&typed, (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_01_a_simple_statement_can_be_dropped_at_every_byte() {
    dropped_everywhere("statement in mode simple", 1, async |connection, id| {
        let sql = "WITH new AS (INSERT INTO ledger VALUES ($1) RETURNING id) SELECT id, n FROM new, generate_series(1, 20) n";
        let statement = Statement::new(sql).mode(StatementMode::Simple);
        let rows: Vec<(i64, i32)> = connection.fetch_all(&statement, (id,)).await?;
        assert_eq!(rows, (1..=20).map(|n| (id, n)).collect::<Vec<_>>(), "no row of another query");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn drop_01_preparing_can_be_dropped_at_every_byte() {
    dropped_everywhere("prepare", 1, async |connection, id| {
        let insert = connection.prepare(&*format!("{INSERT} -- {id}")).await?;
        assert_eq!(insert.parameter_types(), [Type::INT8]);
        let again = connection.prepare(&*format!("{INSERT} -- {id}")).await?;
        connection.execute(&again, (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_01_what_gives_way_to_others_can_be_dropped_at_every_byte() {
    dropped_everywhere("statements that are closed", 1, async |connection, id| {
        // Handles whose statements are not cached: each is closed with the next request, or the one after that was dropped.
        for number in 0..2 {
            let sql = format!("SELECT {number} + $1::int8 -- {id}");
            let held = connection.prepare(&*sql).await?;
            connection.execute(uncached("DEALLOCATE ALL"), ()).await?;
            assert_eq!(connection.fetch_value::<i64, _>(&held, (id,)).await?, id + number);
        }
        connection.execute(uncached(INSERT), (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_02_a_transaction_can_be_dropped_at_every_byte() {
    dropped_everywhere("transaction", 2, async |connection, id| {
        let mut transaction = connection.begin().await?;
        transaction.execute(uncached(INSERT), (id,)).await?;
        transaction.execute(&*format!("{INSERT} -- {id}"), (id,)).await?;
        transaction.commit().await
    })
    .await;
}

#[tokio::test]
async fn drop_02_a_tracked_transaction_can_be_dropped_at_every_byte() {
    dropped_everywhere("tracked transaction", 3, async |connection, id| {
        let mut transaction = connection.begin().await?;
        transaction.track();
        // The question behind a statement that writes nothing yet, one that does, a simple one, and none behind the last.
        let sum: i64 = transaction.fetch_value(uncached("SELECT $1::int8 + 1"), (id,)).await?;
        assert_eq!(sum, id + 1, "no answer of another statement");
        transaction.execute(uncached(INSERT), (id,)).await?;
        transaction.execute(Statement::new(INSERT).mode(StatementMode::Simple), (id,)).await?;
        transaction.execute(uncached(INSERT), (id,)).await?;
        transaction.commit().await
    })
    .await;
}

#[tokio::test]
async fn drop_02_a_commit_with_the_last_statements_can_be_dropped_at_every_byte() {
    dropped_everywhere("commit with the last statements", 3, async |connection, id| {
        let mut transaction = connection.begin().await?;
        transaction.execute(uncached(INSERT), (id,)).await?;
        let requests = (pipeline::execute(INSERT, (id,)), pipeline::execute(INSERT, (id,)));
        assert_eq!(transaction.commit_with(requests).await?, (1, 1));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn drop_02_a_tracked_transaction_that_is_left_can_be_dropped_at_every_byte() {
    dropped_everywhere("tracked transaction that is left", 1, async |connection, id| {
        let mut transaction = connection.begin().await?;
        transaction.track();
        transaction.execute(uncached(INSERT), (id,)).await?;
        drop(transaction);
        connection.execute(uncached(INSERT), (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_02_a_transaction_that_is_rolled_back_can_be_dropped_at_every_byte() {
    dropped_everywhere("rollback", 1, async |connection, id| {
        let mut transaction = connection.begin().await?;
        transaction.execute(uncached(INSERT), (id,)).await?;
        transaction.rollback().await?;
        connection.execute(uncached(INSERT), (id,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn drop_02_a_transaction_that_is_left_can_be_dropped_at_every_byte() {
    dropped_everywhere("transaction that is left", 1, async |connection, id| {
        let mut transaction = connection.begin().await?;
        transaction.execute(uncached(INSERT), (id,)).await?;
        drop(transaction);
        let mut transaction = connection.begin().await?;
        transaction.execute(uncached("SELECT 1 / $1::int8"), (0_i64,)).await.unwrap_err();
        drop(transaction);
        let mut transaction = connection.begin().await?;
        transaction.execute(Statement::new(INSERT).mode(StatementMode::Simple), (id,)).await?;
        transaction.commit().await
    })
    .await;
}

const MANY: &str = "WITH new AS (INSERT INTO ledger VALUES ($1) RETURNING id) SELECT id, n FROM new, generate_series(1, 20) n";

async fn in_portions(connection: &mut Connection, id: i64) -> Result<()> {
    let rows: Vec<(i64, i32)> = connection.fetch_all(uncached(MANY).fetch_size(7), (id,)).await?;
    assert_eq!(rows, (1..=20).map(|n| (id, n)).collect::<Vec<_>>(), "no row of another query");
    Ok(())
}

#[tokio::test]
async fn drop_01_rows_in_portions_can_be_dropped_at_every_byte() {
    dropped_everywhere("rows with a fetch size", 1, in_portions).await;
}

#[tokio::test]
async fn drop_02_rows_in_portions_inside_of_a_transaction_can_be_dropped_at_every_byte() {
    dropped_everywhere("rows with a fetch size in a transaction", 1, async |connection, id| {
        let mut transaction = connection.begin().await?;
        in_portions(transaction.connection(), id).await?;
        transaction.commit().await
    })
    .await;
}

#[tokio::test]
async fn rows_that_are_left_in_the_middle_leave_their_transaction_as_it_was() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE t (i int4)").await.unwrap();
        for fetch_size in [0, 2] {
            let mut transaction = c.begin().await.unwrap();
            transaction.execute("INSERT INTO t VALUES (1)", ()).await.unwrap();
            let statement = Statement::new("SELECT generate_series(1, 1000)").fetch_size(fetch_size);
            let mut rows = transaction.rows(&statement, ()).await.unwrap();
            for number in 1..=3_i32 {
                assert_eq!(rows.next().await.unwrap().unwrap().get::<i32>(0).unwrap(), number);
            }
            drop(rows);
            transaction.execute("INSERT INTO t VALUES (2)", ()).await.unwrap();
            // Also while the answer to the first request is on its way.
            let mut first = Box::pin(transaction.rows(&statement, ()));
            let waker = std::task::Waker::noop();
            assert!(first.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
            drop(first);
            transaction.execute("INSERT INTO t VALUES (3)", ()).await.unwrap();
            transaction.commit().await.unwrap();
            let kept: Vec<i32> = c.fetch_values("DELETE FROM t RETURNING i", ()).await.unwrap();
            assert_eq!(kept, [1, 2, 3], "with a fetch size of {fetch_size}");
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn drop_06_a_transaction_that_is_leaked_before_its_first_statement_is_no_idle_connection() {
    deadline(async {
        let database = shared().database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        forget(c.begin().await.unwrap());
        assert!(!c.is_idle(), "its BEGIN would ride on the next statement of whoever comes");
        assert!(flights.take().is_empty());
        // Who goes on all the same goes on in that transaction.
        c.execute("SELECT 1", ()).await.unwrap();
        assert_eq!(c.transaction_status(), TransactionStatus::InTransaction);
        c.execute("ROLLBACK", ()).await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}
