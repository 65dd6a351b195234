//! `transaction` with a closure, as services write it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cornac::{Client, Database, Error, ErrorKind, RetryPolicy, SqlState, TransactionOptions};
use cornac_tests::{deadline, shared};

static CALLS: AtomicU32 = AtomicU32::new(0);

async fn with_accounts(db: &Database) {
    let sql = "CREATE TABLE account (id int4 PRIMARY KEY, balance int8 NOT NULL CHECK (balance >= 0));
               INSERT INTO account SELECT id, 100 FROM generate_series(1, 10) id";
    db.simple_query(sql).await.unwrap();
}

async fn total(db: &Database) -> i64 {
    db.fetch_value("SELECT sum(balance)::int8 FROM account", ()).await.unwrap()
}

#[tokio::test]
async fn ok_commits_and_err_rolls_back() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let moved: u64 = db
            .transaction(|mut tx| async move {
                tx.execute("UPDATE account SET balance = balance - 10 WHERE id = 1", ()).await?;
                tx.execute("UPDATE account SET balance = balance + 10 WHERE id = 2", ()).await
            })
            .await
            .unwrap();
        assert_eq!(moved, 1);
        let failed = db
            .transaction(|mut tx| async move {
                tx.execute("UPDATE account SET balance = 0", ()).await?;
                anyhow::bail!("the customer has changed her mind")
            })
            .await;
        let failed: anyhow::Result<()> = failed;
        assert_eq!(failed.unwrap_err().to_string(), "the customer has changed her mind");
        assert_eq!(total(&db).await, 1000);
        let balances: Vec<i64> =
            db.fetch_values("SELECT balance FROM account WHERE id < 3 ORDER BY id", ()).await.unwrap();
        assert_eq!(balances, [90, 110]);
    })
    .await;
}

#[tokio::test]
async fn it_borrows_locals_in_a_spawned_task() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let handle = db.clone();
        let task = tokio::spawn(async move {
            let ids = vec![1, 2, 3];
            let changed = handle
                .transaction(|mut tx| {
                    let ids = &ids;
                    async move {
                        let mut changed = 0;
                        for id in ids {
                            changed +=
                                tx.execute("UPDATE account SET balance = 1 WHERE id = $1", (id,)).await?;
                        }
                        // Rows lent by the transaction, and a transaction in it.
                        let mut rows = tx.rows("SELECT id FROM account", ()).await?;
                        while let Some(row) = rows.next().await? {
                            let _: i32 = row.get(0)?;
                        }
                        drop(rows);
                        let mut inner = tx.begin().await?;
                        inner.execute("DELETE FROM account", ()).await?;
                        inner.rollback().await?;
                        anyhow::Ok(changed)
                    }
                })
                .await?;
            anyhow::Ok((changed, ids.len()))
        });
        assert_eq!(task.await.unwrap().unwrap(), (3, 3));
        assert_eq!(total(&db).await, 703);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_failed_unseen_is_no_commit() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let outcome = db
            .transaction(|mut tx| async move {
                tx.execute("UPDATE account SET balance = 5 WHERE id = 1", ()).await?;
                // An error that the closure keeps to itself.
                let _ = tx.execute("UPDATE account SET balance = -1 WHERE id = 1", ()).await;
                Ok::<_, Error>(())
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RolledBack(Some(_))), "{error}");
        assert_eq!(error.sql_state(), Some(SqlState::CHECK_VIOLATION));
        assert!(error.to_string().contains("account_balance_check"), "{error}");
        assert_eq!(total(&db).await, 1000);
    })
    .await;
}

#[tokio::test]
async fn the_closure_may_end_the_transaction_itself() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        db.transaction(|mut tx| async move {
            tx.execute("UPDATE account SET balance = 0 WHERE id = 1", ()).await?;
            tx.commit().await
        })
        .await
        .unwrap();
        db.transaction(|mut tx| async move {
            tx.execute("UPDATE account SET balance = 0", ()).await?;
            tx.rollback().await
        })
        .await
        .unwrap();
        assert_eq!(total(&db).await, 900);
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_is_kept_is_an_error_and_its_connection_is_closed() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().max_size(1).connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let mut kept = None;
        let outcome: cornac::Result<()> = db
            .transaction(|mut tx| {
                let kept = &mut kept;
                let run = async move { tx.execute("UPDATE account SET balance = 0", ()).await.map(|_| tx) };
                let run = Box::pin(run);
                async move {
                    let _ = kept;
                    run.await.map(std::mem::forget)
                }
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        kept.get_or_insert(());
        assert_eq!(db.pool_stats().in_use, 1);
    })
    .await;
}

#[tokio::test]
async fn drop_07_a_panic_in_the_closure_rolls_back_and_gives_the_connection_back() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().max_size(1).connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let handle = db.clone();
        let task = tokio::spawn(async move {
            handle
                .transaction(|mut tx| async move {
                    tx.execute("UPDATE account SET balance = 0", ()).await?;
                    assert!(tx.connection().is_idle(), "a bug of the application's");
                    Ok::<_, Error>(())
                })
                .await
        });
        assert!(task.await.unwrap_err().is_panic());
        // There is one connection, and it is clean.
        assert_eq!(total(&db).await, 1000);
        let stats = db.pool_stats();
        assert_eq!((stats.open, stats.in_use), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_closure_that_is_dropped_rolls_back() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().max_size(1).connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let slow = db.transaction(|mut tx| async move {
            tx.execute("UPDATE account SET balance = 0", ()).await?;
            tx.execute("SELECT pg_sleep(60)", ()).await
        });
        tokio::select! {
            outcome = slow => panic!("it sleeps: {outcome:?}"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        // The keeper cancels the sleep and rolls back; whoever waits is then served.
        assert_eq!(total(&db).await, 1000);
    })
    .await;
}

#[tokio::test]
async fn tx_05_money_moves_between_accounts_under_serializable_and_none_is_lost() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().max_size(16).connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let policy = RetryPolicy::new(1_000)
            .base(Duration::from_millis(1))
            .cap(Duration::from_millis(50))
            .budget(Duration::from_secs(50));
        let tasks: Vec<_> = (0..16)
            .map(|task: i32| {
                let db = db.clone();
                tokio::spawn(async move {
                    let mut moved = 0_u32;
                    for round in 0..10 {
                        let (from, to) = ((task * 7 + round) % 10 + 1, (task * 3 + round * 5 + 1) % 10 + 1);
                        let outcome = db
                            .retry(policy)
                            .transaction_with(TransactionOptions::new().serializable(), |mut tx| async move {
                                CALLS.fetch_add(1, Ordering::Relaxed);
                                let balance: i64 = tx
                                    .fetch_value("SELECT balance FROM account WHERE id = $1", (from,))
                                    .await?;
                                if balance == 0 || from == to {
                                    return Ok::<_, Error>(0);
                                }
                                tx.execute(
                                    "UPDATE account SET balance = $1 WHERE id = $2",
                                    (balance - 1, from),
                                )
                                .await?;
                                let balance: i64 = tx
                                    .fetch_value("SELECT balance FROM account WHERE id = $1", (to,))
                                    .await?;
                                tx.execute(
                                    "UPDATE account SET balance = $1 WHERE id = $2",
                                    (balance + 1, to),
                                )
                                .await?;
                                Ok(1)
                            })
                            .await;
                        moved += outcome.unwrap();
                    }
                    moved
                })
            })
            .collect();
        let mut moved = 0;
        for task in tasks {
            moved += task.await.unwrap();
        }
        assert_eq!(total(&db).await, 1000);
        let retried = db.retries().transactions;
        let calls = u64::from(CALLS.load(Ordering::Relaxed));
        println!(
            "160 transactions of 16 tasks, {moved} of which moved money: {calls} tries, {retried} retries"
        );
        assert_eq!(calls, 160 + retried, "every try is counted");
        assert!(retried > 0, "they got in each other's way");
    })
    .await;
}

#[tokio::test]
async fn tx_05_deadlocks_are_begun_anew_and_the_budget_is_kept() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        with_accounts(&db).await;
        let crosswise = |first: i32, second: i32| {
            let db = db.clone();
            let meet = std::sync::Arc::new(AtomicU32::new(0));
            async move {
                let mut tries = 0;
                let outcome = db
                    .retry(RetryPolicy::new(20))
                    .transaction(|mut tx| {
                        tries += 1;
                        let meet = &meet;
                        async move {
                            meet.fetch_add(1, Ordering::Relaxed);
                            tx.execute("SET LOCAL deadlock_timeout = '20ms'", ()).await?;
                            let sql = "UPDATE account SET balance = balance + 1 WHERE id = $1";
                            tx.execute(sql, (first,)).await?;
                            tx.execute("SELECT pg_sleep(0.05)", ()).await?;
                            tx.execute(sql, (second,)).await
                        }
                    })
                    .await;
                (outcome, tries)
            }
        };
        let ((one, one_tries), (other, other_tries)) = tokio::join!(crosswise(1, 2), crosswise(2, 1));
        assert_eq!((one.unwrap(), other.unwrap()), (1, 1));
        assert!(one_tries + other_tries > 2, "{one_tries} + {other_tries} tries: they met");
        assert_eq!(total(&db).await, 1004);

        // A transaction that always fails is tried as often as there is time for, and no longer.
        let began = std::time::Instant::now();
        let mut tries = 0;
        let policy =
            RetryPolicy::new(u32::MAX).base(Duration::from_millis(10)).cap(Duration::from_millis(10));
        let failed: cornac::Result<u64> = db
            .retry(policy.budget(Duration::from_millis(300)))
            .transaction(|mut tx| {
                tries += 1;
                async move { tx.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", ()).await }
            })
            .await;
        assert_eq!(failed.unwrap_err().sql_state(), Some(SqlState::T_R_SERIALIZATION_FAILURE));
        assert!(tries > 3 && began.elapsed() < Duration::from_secs(5), "{tries} in {:?}", began.elapsed());
        // Other errors are not tried again.
        let mut tries = 0;
        let failed: cornac::Result<u64> = db
            .retry(RetryPolicy::new(5))
            .transaction(|mut tx| {
                tries += 1;
                async move { tx.execute("SELECT 1 / 0", ()).await }
            })
            .await;
        assert_eq!((failed.unwrap_err().sql_state(), tries), (Some(SqlState::DIVISION_BY_ZERO), 1));
    })
    .await;
}
