//! Money that moves between accounts: what a transaction refuses leaves nothing behind, and what collides begins anew.
//!
//! ```sh
//! cargo run -p cornac --example transactions -- postgres://postgres@127.0.0.1/postgres
//! ```
//!
//! The URL may stand in `DATABASE_URL` too. The example makes a table of its own, and drops it.

use anyhow::Context;
use cornac::{Client, Database, RetryPolicy, SqlState, TransactionOptions};

const TASKS: i32 = 4;
const TRANSFERS: i32 = 25;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok());
    let url = url.context("say where: as the first argument, or in DATABASE_URL")?;

    let db = Database::connect(&url).await?;
    db.execute("CREATE TABLE cornac_account (id int4 PRIMARY KEY, balance int8 CHECK (balance >= 0))", ())
        .await?;
    let outcome = work(&db).await;
    db.execute("DROP TABLE cornac_account", ()).await?;
    db.close().await?;
    outcome
}

async fn work(db: &Database) -> anyhow::Result<()> {
    let accounts = (1..=4).map(|id| (id, 1000_i64));
    db.execute_many("INSERT INTO cornac_account VALUES ($1, $2)", accounts).await?;

    // The closure's error rolls back, and comes out as it is.
    match transfer(db, 1, 2, 5000).await {
        Err(error) if error.sql_state() == Some(SqlState::CHECK_VIOLATION) => {
            println!("nobody has 5000; the accounts have {} in all", total(db).await?);
        }
        other => println!("an overdraft was {other:?}"),
    }

    // Serializable transactions that collide fail with SQLSTATE 40001, and begin anew, closure and all.
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let db = db.clone();
        tasks.spawn(async move {
            for number in 0..TRANSFERS {
                transfer(&db, 1 + task, 1 + (task + number) % 4, 3).await?;
            }
            Ok::<_, cornac::Error>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    println!(
        "{} transfers by {TASKS} tasks; the accounts have {} in all",
        TASKS * TRANSFERS,
        total(db).await?
    );
    println!("{} transactions had to begin anew", db.retries().transactions);

    // A transaction in a transaction is a savepoint: what fails in it can be undone alone.
    let mut outer = db.begin().await?;
    outer.execute("UPDATE cornac_account SET balance = balance + 1 WHERE id = 1", ()).await?;
    let mut inner = outer.begin().await?;
    match inner.execute("UPDATE cornac_account SET balance = balance / 0 WHERE id = 2", ()).await {
        Ok(_) => inner.commit().await?,
        Err(error) => {
            println!("undone alone: {error}");
            inner.rollback().await?;
        }
    }
    outer.commit().await?;
    println!("the outer transaction is committed; the accounts have {} in all", total(db).await?);

    // Dropped without commit, a transaction never happened.
    let mut forgotten = db.begin().await?;
    forgotten.execute("DELETE FROM cornac_account", ()).await?;
    drop(forgotten);
    println!("a DELETE was dropped; the accounts have {} in all", total(db).await?);
    Ok(())
}

async fn transfer(db: &Database, from: i32, to: i32, amount: i64) -> cornac::Result<()> {
    db.retry(RetryPolicy::new(50))
        .transaction_with(TransactionOptions::new().serializable(), |mut transaction| async move {
            let take = "UPDATE cornac_account SET balance = balance - $1 WHERE id = $2";
            transaction.execute(take, (amount, from)).await?;
            let give = "UPDATE cornac_account SET balance = balance + $1 WHERE id = $2";
            transaction.execute(give, (amount, to)).await?;
            Ok(())
        })
        .await
}

async fn total(db: &Database) -> cornac::Result<i64> {
    db.fetch_value("SELECT sum(balance)::int8 FROM cornac_account", ()).await
}
