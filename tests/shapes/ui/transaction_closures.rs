//! `Database::transaction` in `tokio::spawn` and in handlers of axum, with borrowed locals, and with errors of others. What compiles here is what `transaction` promises; nothing is asked of a server.

use std::sync::Arc;

use anyhow::Context;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use cornac::{Client, Database, RetryPolicy, TransactionOptions, sql};

/// In a spawned task: locals are borrowed, the error is anyhow's.
fn in_a_spawned_task(db: Database) -> tokio::task::JoinHandle<anyhow::Result<i64>> {
    tokio::spawn(async move {
        let ids = vec![1_i64, 2, 3];
        let note = String::from("seen");
        let total: i64 = db
            .transaction(|mut transaction| {
                let (ids, note) = (&ids, note.as_str());
                async move {
                    for id in ids {
                        transaction.execute("UPDATE item SET note = $1 WHERE id = $2", (note, id)).await?;
                    }
                    // Rows that are lent, a transaction in the transaction, and a captured local.
                    let mut rows = transaction.rows("SELECT note FROM item", ()).await?;
                    while let Some(row) = rows.next().await? {
                        anyhow::ensure!(row.get::<&str>(0)? == note, "somebody else was here");
                    }
                    drop(rows);
                    let mut inner = transaction.begin().await?;
                    inner.execute(sql!("DELETE FROM item WHERE id = ANY({ids})"), ()).await?;
                    inner.rollback().await?;
                    let total = transaction.fetch_value("SELECT sum(price)::int8 FROM item", ()).await;
                    total.context("there is no total")
                }
            })
            .await?;
        // They were borrowed.
        drop((ids, note));
        Ok(total)
    })
}

/// With a retry policy and options, in a task of a set.
fn in_a_task_of_a_set(db: Database, tasks: &mut tokio::task::JoinSet<cornac::Result<u64>>) {
    let amounts: Arc<[i64]> = Arc::from([1, 2]);
    tasks.spawn(async move {
        let options = TransactionOptions::new().serializable();
        let retry = db.retry(RetryPolicy::new(5));
        retry
            .transaction_with(options, |mut transaction| {
                let amounts = &amounts;
                async move {
                    let mut changed = 0;
                    for amount in amounts.iter() {
                        let update = sql!("UPDATE account SET balance = balance - {amount}");
                        changed += transaction.execute(update, ()).await?;
                    }
                    Ok(changed)
                }
            })
            .await
    });
}

/// In a handler: what the request brought is borrowed, and so is the state.
async fn in_a_handler(
    State(shop): State<Arc<Shop>>,
    Path(id): Path<i64>,
    Json(tags): Json<Vec<String>>,
) -> Result<StatusCode, Failure> {
    let limit = shop.limit;
    shop.db
        .transaction(|mut transaction| {
            let (tags, shop) = (&tags, &shop);
            async move {
                for tag in tags {
                    anyhow::ensure!(tag.len() < shop.tag_length_max, "a tag is too long");
                    transaction.execute("INSERT INTO tag VALUES ($1, $2)", (id, tag)).await?;
                }
                let count: i64 =
                    transaction.fetch_value("SELECT count(*) FROM tag WHERE item = $1", (id,)).await?;
                anyhow::ensure!(count <= limit, "an item has {limit} tags at most");
                Ok(())
            }
        })
        .await?;
    Ok(StatusCode::CREATED)
}

/// As above, with an error of one's own, and without a move: the closure itself owns nothing.
async fn with_an_error_of_its_own(State(shop): State<Arc<Shop>>, Path(id): Path<i64>) -> Result<String, Own> {
    shop.db
        .transaction(async |mut transaction: cornac::Transaction<'static>| {
            let name: Option<(String,)> =
                transaction.fetch_optional("SELECT name FROM item WHERE id = $1", (id,)).await?;
            name.map(|(name,)| name).ok_or(Own::NotFound)
        })
        .await
}

struct Shop {
    db: Database,
    limit: i64,
    tag_length_max: usize,
}

struct Failure(anyhow::Error);

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

enum Own {
    NotFound,
    Database(cornac::Error),
}

impl From<cornac::Error> for Own {
    fn from(error: cornac::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Own {
    fn into_response(self) -> axum::response::Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Database(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}

fn main() {
    // That they compile is all; without a server there is nothing to call them for.
    let _spawned: fn(Database) -> tokio::task::JoinHandle<anyhow::Result<i64>> = in_a_spawned_task;
    let _in_a_set: fn(Database, &mut tokio::task::JoinSet<cornac::Result<u64>>) = in_a_task_of_a_set;
    let _router: Router<Arc<Shop>> = Router::new()
        .route("/items/{id}/tags", post(in_a_handler))
        .route("/items/{id}", axum::routing::get(with_an_error_of_its_own));
}
