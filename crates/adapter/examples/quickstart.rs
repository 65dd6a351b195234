//! The first steps: connect, write, read, and tell one error from another.
//!
//! ```sh
//! cargo run -p cornac --example quickstart -- postgres://postgres@127.0.0.1/postgres
//! ```
//!
//! The URL may stand in `DATABASE_URL` too. The example makes a table of its own, and drops it.

use anyhow::Context;
use cornac::{Database, FromRow, SqlState};

#[derive(Debug, FromRow)]
struct Item {
    id: i64,
    name: String,
    price: Option<f64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok());
    let url = url.context("say where: as the first argument, or in DATABASE_URL")?;

    let db = Database::connect(&url).await?;
    println!("connected to PostgreSQL {}", db.server_version().await?);
    db.execute(
        "CREATE TABLE cornac_quickstart (
             id int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text NOT NULL UNIQUE, price float8)",
        (),
    )
    .await?;
    let outcome = work(&db).await;
    db.execute("DROP TABLE cornac_quickstart", ()).await?;
    db.close().await?;
    Ok(outcome?)
}

async fn work(db: &Database) -> cornac::Result<()> {
    // Values are parameters, whatever is in them; they never become part of the SQL.
    let insert = "INSERT INTO cornac_quickstart (name, price) VALUES ($1, $2) RETURNING id";
    let id: i64 = db.fetch_value(insert, ("tusk", 12.5)).await?;
    println!("the tusk has number {id}");

    // Many sets of parameters go in one flight, and all or none of them have their effect.
    let more = [("howdah", Some(99.0)), ("goad", None)];
    let added = db.execute_many("INSERT INTO cornac_quickstart (name, price) VALUES ($1, $2)", more).await?;
    println!("{added} more were added");

    let items: Vec<Item> =
        db.fetch_all("SELECT id, name, price FROM cornac_quickstart ORDER BY id", ()).await?;
    for Item { id, name, price } in items {
        match price {
            Some(price) => println!("{id}: {name} costs {price}"),
            None => println!("{id}: {name} is not for sale"),
        }
    }

    let missing: Option<(i64,)> =
        db.fetch_optional("SELECT id FROM cornac_quickstart WHERE name = $1", ("trunk",)).await?;
    println!("a trunk is {}", if missing.is_some() { "there" } else { "not there" });

    // Errors answer what a program asks: the SQLSTATE, the constraint, whether it may be tried again.
    match db.fetch_value::<i64, _>(insert, ("tusk", 1.0)).await {
        Err(error) if error.sql_state() == Some(SqlState::UNIQUE_VIOLATION) => {
            println!("refused by {}: {error}", error.constraint().unwrap_or("some constraint"));
        }
        other => println!("nobody refused number {}", other?),
    }
    Ok(())
}
