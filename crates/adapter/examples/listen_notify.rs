//! A queue in a table, and notifications that say when to look into it: no order is missed, even if its notification is.
//!
//! ```sh
//! cargo run -p cornac --example listen_notify -- postgres://postgres@127.0.0.1/postgres
//! ```
//!
//! The URL may stand in `DATABASE_URL` too. The example makes a table of its own, and drops it.

use anyhow::Context;
use cornac::{Client, Database, ListenEvent, Listener};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok());
    let url = url.context("say where: as the first argument, or in DATABASE_URL")?;

    let db = Database::connect(&url).await?;
    let table = "CREATE TABLE cornac_order (
        id int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY, item text NOT NULL, handled bool NOT NULL DEFAULT false)";
    db.execute(table, ()).await?;
    let outcome = work(&db).await;
    db.execute("DROP TABLE cornac_order", ()).await?;
    db.close().await?;
    Ok(outcome?)
}

async fn work(db: &Database) -> cornac::Result<()> {
    // Listen first, then look: what is ordered in between is seen by one of the two.
    let mut listener = db.listen(&["cornac_orders"]).await?;
    println!("listening to {:?}", listener.channels());
    handle_all(db).await?;

    let mut handled = 0;
    for item in ["tusk", "howdah"] {
        order(db, item).await?;
        handled += handle_next(db, &mut listener).await?;
    }

    // The listener's connection is lost, and nobody hears of the next order.
    db.execute("SELECT pg_terminate_backend($1, 10000)", (listener.process_id(),)).await?;
    order(db, "goad").await?;
    while handled < 3 {
        handled += handle_next(db, &mut listener).await?;
    }
    println!("{handled} orders are handled");
    Ok(())
}

/// Waits until there may be something to do, and does it.
async fn handle_next(db: &Database, listener: &mut Listener) -> cornac::Result<usize> {
    match listener.next().await? {
        ListenEvent::Notification(notification) => println!("notified of {}", notification.payload),
        ListenEvent::Interrupted(reason) => println!("interrupted, looking at all orders: {reason}"),
        _ => {}
    }
    handle_all(db).await
}

/// The table is the truth; notifications only say when to look at it. SKIP LOCKED lets any number of workers do so at the same time.
async fn handle_all(db: &Database) -> cornac::Result<usize> {
    let take = "UPDATE cornac_order SET handled = true WHERE id IN
        (SELECT id FROM cornac_order WHERE NOT handled ORDER BY id FOR UPDATE SKIP LOCKED) RETURNING item";
    let items: Vec<String> = db.fetch_values(take, ()).await?;
    for item in &items {
        println!("handled an order of {item}");
    }
    Ok(items.len())
}

/// The notification is part of the transaction: it is sent when that is committed, or never.
async fn order(db: &Database, item: &str) -> cornac::Result<()> {
    db.transaction(|mut transaction| async move {
        transaction.execute("INSERT INTO cornac_order (item) VALUES ($1)", (item,)).await?;
        transaction.execute("SELECT pg_notify('cornac_orders', $1)", (item,)).await?;
        Ok(())
    })
    .await
}
