//! A small shop over HTTP: items, orders in a transaction, health, metrics, and a stop that loses nothing.
//!
//! ```sh
//! cargo run -p cornac --example service --features metrics -- postgres://postgres@127.0.0.1/postgres 127.0.0.1:8080
//! curl -d '{"name": "tusk", "price": 1250, "stock": 3}' -H 'content-type: application/json' 127.0.0.1:8080/items
//! ```
//!
//! The URL may stand in `DATABASE_URL`, and the address to listen on in `LISTEN`. The example makes tables of its own, and drops them when it is stopped (by ctrl-c, or SIGTERM).

use std::time::Duration;

use anyhow::Context;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cornac::{
    Client, Database, ErrorKind, FromRow, RetryPolicy, Sql, SqlState, Statement, TransactionOptions, sql,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().or_else(|| std::env::var("DATABASE_URL").ok());
    let url = url.context("say where the database is: as the first argument, or in DATABASE_URL")?;
    let address = arguments.next().or_else(|| std::env::var("LISTEN").ok());

    // Before the database, so that it sees the first connection.
    let metrics = record_metrics()?;
    let db = Database::builder()
        .max_size(10)
        // Whoever asks over HTTP does not wait for long.
        .acquire_timeout(Duration::from_secs(2))
        .statement_timeout(Duration::from_secs(30))
        // A warning of `tracing`, for whatever subscriber a real service has.
        .slow_statement(Duration::from_millis(200))
        .connect(&url)
        .await?;
    db.simple_query(TABLES).await?;

    let listener = tokio::net::TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let shop = Shop { db: db.clone(), metrics };
    // Requests that have begun are answered; then their connections are closed, at the server too.
    axum::serve(listener, router(shop)).with_graceful_shutdown(stop_signal()).await?;
    println!("stopping");
    // For an example alone: a shop keeps its tables.
    let dropped = db.simple_query("DROP TABLE cornac_order, cornac_item").await;
    db.close_within(Duration::from_secs(10)).await?;
    println!("closed");
    dropped.map(drop).context("the tables are left")
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS cornac_item (
        id int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
        name text NOT NULL UNIQUE CHECK (name <> ''),
        price int8 NOT NULL CHECK (price >= 0),
        stock int4 NOT NULL CHECK (stock >= 0));
    CREATE TABLE IF NOT EXISTS cornac_order (
        id int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
        item int8 NOT NULL REFERENCES cornac_item,
        count int4 NOT NULL CHECK (count > 0))";

/// What every handler has. Cheap to clone, as the database is.
#[derive(Clone)]
struct Shop {
    db: Database,
    metrics: PrometheusHandle,
}

fn router(shop: Shop) -> Router {
    Router::new()
        .route("/items", get(list_items).post(create_item))
        .route("/items/{id}", get(read_item))
        .route("/orders", post(place_order))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shop)
}

#[derive(FromRow, Serialize)]
struct Item {
    id: i64,
    name: String,
    price: i64,
    stock: i32,
}

#[derive(Deserialize)]
struct NewItem {
    name: String,
    price: i64,
    stock: i32,
}

/// `POST /items`
async fn create_item(
    State(shop): State<Shop>,
    Json(new): Json<NewItem>,
) -> Result<(StatusCode, Json<Item>), Failure> {
    let insert =
        "INSERT INTO cornac_item (name, price, stock) VALUES ($1, $2, $3) RETURNING id, name, price, stock";
    let item = shop.db.fetch_one(insert, (new.name, new.price, new.stock)).await?;
    Ok((StatusCode::CREATED, Json(item)))
}

/// `GET /items/7`
async fn read_item(State(shop): State<Shop>, Path(id): Path<i64>) -> Result<Json<Item>, Failure> {
    let select = sql!("SELECT id, name, price, stock FROM cornac_item WHERE id = {id}");
    // What only reads may run twice, on another connection if the first one is lost. No row is an error of its own, which becomes 404 below.
    Ok(Json(shop.db.fetch_one(Statement::new(select).idempotent(), ()).await?))
}

#[derive(Deserialize)]
struct Filter {
    price_max: Option<i64>,
    name: Option<String>,
}

/// `GET /items?price_max=2000&name=tus`
async fn list_items(
    State(shop): State<Shop>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<Item>>, Failure> {
    let Filter { price_max, name } = &filter;
    let mut conditions = Vec::new();
    if let Some(price_max) = price_max {
        conditions.push(sql!("price <= {price_max}"));
    }
    if let Some(name) = name {
        conditions.push(sql!("starts_with(name, {name})"));
    }
    let mut select = sql!("SELECT id, name, price, stock FROM cornac_item");
    if !conditions.is_empty() {
        select.push(sql!("WHERE"));
        select.push(Sql::join(conditions, sql!(" AND ")));
    }
    select.push(sql!("ORDER BY id LIMIT 100"));
    Ok(Json(shop.db.fetch_all(Statement::new(select).idempotent(), ()).await?))
}

#[derive(Deserialize)]
struct NewOrder {
    items: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    item: i64,
    count: i32,
}

/// `POST /orders`: all of its lines, or none of them.
async fn place_order(
    State(shop): State<Shop>,
    Json(order): Json<NewOrder>,
) -> Result<(StatusCode, Json<Vec<i64>>), Failure> {
    let numbers = shop
        .db
        // Orders of the same items in another order may meet in a deadlock; then one of them begins anew.
        .retry(RetryPolicy::new(5))
        .transaction_with(TransactionOptions::new().read_committed(), |mut transaction| {
            // The closure may run again: it borrows what it needs.
            let lines = &order.items;
            async move {
                let mut numbers = Vec::with_capacity(lines.len());
                for Line { item, count } in lines {
                    let take = sql!("UPDATE cornac_item SET stock = stock - {count} WHERE id = {item} AND stock >= {count}");
                    if transaction.execute(take, ()).await? == 0 {
                        let known = sql!("SELECT stock FROM cornac_item WHERE id = {item}");
                        // An error of one's own rolls back as any other does.
                        return Err(match transaction.fetch_optional(known, ()).await? {
                            Some((stock,)) => Failure::SoldOut { item: *item, stock },
                            None => Failure::NotFound,
                        });
                    }
                    let note = sql!("INSERT INTO cornac_order (item, count) VALUES ({item}, {count}) RETURNING id");
                    numbers.push(transaction.fetch_value::<i64, _>(note, ()).await?);
                }
                Ok(numbers)
            }
        })
        .await?;
    Ok((StatusCode::CREATED, Json(numbers)))
}

/// `GET /health/live`: whether this process should be started anew. No restart of it mends a database.
async fn live() -> &'static str {
    "alive"
}

/// `GET /health/ready`: whether requests should come here.
async fn ready(State(shop): State<Shop>) -> (StatusCode, Json<serde_json::Value>) {
    let stats = shop.db.pool_stats();
    // A pool that is full is no reason to send the load to others that are as full.
    let is_full = stats.in_use == stats.max_size;
    match tokio::time::timeout(Duration::from_secs(1), shop.db.health()).await {
        Ok(Ok(health)) => {
            let round_trip = health.round_trip.as_secs_f64();
            let body = json!({ "ready": true, "server": health.server_version, "round_trip": round_trip });
            (StatusCode::OK, Json(body))
        }
        _ if is_full => (StatusCode::OK, Json(json!({ "ready": true, "waiting": stats.waiting }))),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false }))),
    }
}

/// `GET /metrics`, for Prometheus.
async fn metrics(State(shop): State<Shop>) -> String {
    // What the pool looks like now; everything else has been recorded as it happened.
    shop.db.record_metrics();
    shop.metrics.render()
}

/// Installs the recorder that gathers what cornac (and whoever else in this process) counts.
fn record_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new().set_buckets(&cornac::metrics::DURATION_BUCKETS)?;
    let handle = builder.with_recommended_naming(true).install_recorder()?;
    let upkeep = handle.clone();
    // What nobody collects does not pile up.
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Why there is no answer.
enum Failure {
    Database(cornac::Error),
    NotFound,
    SoldOut { item: i64, stock: i32 },
}

impl From<cornac::Error> for Failure {
    fn from(error: cornac::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    /// Says to the caller what it can do about it. Texts of statements and of the server's are for the log alone.
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "there is no such item".to_owned()),
            Self::SoldOut { item, stock } => {
                (StatusCode::CONFLICT, format!("of item {item} only {stock} are left"))
            }
            Self::Database(error) => {
                let (status, text) = told(&error);
                if status.is_server_error() {
                    eprintln!("{status}: {error:#}");
                }
                (status, text.to_owned())
            }
        };
        let body = (status, Json(json!({ "error": text })));
        match status {
            StatusCode::SERVICE_UNAVAILABLE => ([("retry-after", "1")], body).into_response(),
            _ => body.into_response(),
        }
    }
}

/// What a caller is told of an error of the database's.
fn told(error: &cornac::Error) -> (StatusCode, &'static str) {
    match error.sql_state() {
        Some(SqlState::UNIQUE_VIOLATION) => {
            return (StatusCode::CONFLICT, "there is one of that name already");
        }
        Some(SqlState::CHECK_VIOLATION) => {
            return (StatusCode::UNPROCESSABLE_ENTITY, "a value is out of range");
        }
        _ => {}
    }
    match error.kind() {
        ErrorKind::NoRows => (StatusCode::NOT_FOUND, "there is no such item"),
        // It was sent, and may have been done: trying again might do it twice.
        _ if error.outcome_unknown() => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "it is not known whether it was done: look before you try again",
        ),
        // The server cannot be reached, the pool had no connection in time, or others were in the way.
        _ if error.is_transient() => (StatusCode::SERVICE_UNAVAILABLE, "try again a little later"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "that did not work"),
    }
}

/// Waits until somebody wants the service to stop.
async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            // Without it there is still ctrl-c.
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        _ = interrupted => {}
        _ = terminated => {}
    }
}
