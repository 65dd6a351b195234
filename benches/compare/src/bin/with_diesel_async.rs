//! diesel-async, with deadpool as its pool.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use diesel::data_types::PgTimestamp;
use diesel::prelude::*;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;

use cornac_compare::measured::Measured;
use cornac_compare::meter::{Meter, memory};
use cornac_compare::program;
use cornac_compare::samples::{Samples, ids, ids_of_task};
use cornac_compare::target::{DATABASE, HOST, SCRAM, TRUSTED, Target};
use cornac_compare::workload::{POOL, Workload};

diesel::table! {
    item (id) {
        id -> Int4,
        name -> Text,
        at -> Timestamptz,
    }
}

diesel::table! {
    measurement (id) {
        id -> Int4,
        total -> Int8,
        ratio -> Float8,
        label -> Text,
        at -> Timestamptz,
        even -> Bool,
    }
}

diesel::table! {
    sample (id) {
        id -> Int4,
        label -> Text,
        value -> Float8,
    }
}

diesel::table! {
    account (id) {
        id -> Int4,
        balance -> Int8,
    }
}

/// What a point SELECT gives.
type Item = (i32, String, PgTimestamp);

/// A row of six columns.
type Measurement = (i32, i64, f64, String, PgTimestamp, bool);

fn main() -> Result<()> {
    program::run(work)
}

async fn work(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let count = workload.count();
    match workload {
        Workload::PointUnix => point_selects(&unix(target), count).await,
        Workload::PointTcp => {
            let url =
                format!("host={HOST} port={} user={TRUSTED} dbname={DATABASE} sslmode=disable", target.port);
            point_selects(&url, count).await
        }
        Workload::Pool => pool(workload, target).await,
        Workload::RowsStreamed => rows_streamed(&unix(target), count).await,
        Workload::RowsCollected => rows_collected(target, count).await,
        Workload::InsertOneByOne => inserts(target, count, false).await,
        Workload::InsertInTransaction => inserts(target, count, true).await,
        Workload::Connect | Workload::ConnectAgain => {
            let (host, port) = (target.socket.display(), target.port);
            let (user, password) = (SCRAM, &target.password);
            let url = format!("host={host} port={port} user={user} dbname={DATABASE} password='{password}'");
            connects(&url, count).await
        }
        Workload::Transaction => transactions(target, count).await,
        Workload::MemoryIdle => memory(count, |count| connections(target, count)).await,
        // Its statements are types: there are not a hundred here, and their text is not the recorded one. Its TLS is the application's.
        Workload::MemoryUsed
        | Workload::RowsRecorded
        | Workload::ConnectTls
        | Workload::ConnectTlsAgain
        | Workload::Shared
        | Workload::PipelineSyncs
        | Workload::PipelineOneSync
        | Workload::CopyIn
        | Workload::CopyOut
        | Workload::InsertMany
        | Workload::InsertUnnest
        | Workload::InsertCopy => Ok(None),
    }
}

fn unix(target: &Target) -> String {
    format!("host={} port={} user={TRUSTED} dbname={DATABASE}", target.socket.display(), target.port)
}

async fn point_selects(url: &str, count: usize) -> Result<Option<Measured>> {
    let mut connection = AsyncPgConnection::establish(url).await?;
    let _: Item = item::table.filter(item::id.eq(7)).get_result(&mut connection).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let row: Item = item::table.filter(item::id.eq(id)).get_result(&mut connection).await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

async fn pool(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(unix(target));
    let pool = Pool::builder(manager).max_size(POOL).build()?;
    let mut all = Vec::new();
    for _ in 0..POOL {
        let mut connection = pool.get().await?;
        let _: Item = item::table.filter(item::id.eq(7)).get_result(&mut connection).await?;
        all.push(connection);
    }
    drop(all);
    let mut meter = Meter::start()?;
    meter
        .tasks(|| {
            let pool = pool.clone();
            async move {
                let mut laps = Vec::new();
                for id in ids_of_task(workload) {
                    let begun = Instant::now();
                    let mut connection = pool.get().await?;
                    let row: Item = item::table.filter(item::id.eq(id)).get_result(&mut connection).await?;
                    drop(connection);
                    laps.push(begun.elapsed());
                    black_box(row);
                }
                Ok(laps)
            }
        })
        .await?;
    meter.finish(workload.count())
}

async fn rows_streamed(url: &str, count: usize) -> Result<Option<Measured>> {
    let mut connection = AsyncPgConnection::establish(url).await?;
    let limit = i64::try_from(count)?;
    let meter = Meter::start()?;
    let mut rows = measurement::table.limit(limit).load_stream::<Measurement>(&mut connection).await?;
    let mut seen = 0;
    while let Some(row) = rows.try_next().await? {
        black_box(row);
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn rows_collected(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut connection = AsyncPgConnection::establish(&unix(target)).await?;
    let limit = i64::try_from(count)?;
    let meter = Meter::start()?;
    let rows: Vec<Measurement> = measurement::table.limit(limit).load(&mut connection).await?;
    ensure!(rows.len() == count, "{} rows came", rows.len());
    meter.finish(count)
}

async fn inserts(target: &Target, count: usize, in_transaction: bool) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = AsyncPgConnection::establish(&unix(target)).await?;
    let mut meter = Meter::start()?;
    if in_transaction {
        connection.batch_execute("BEGIN").await?;
    }
    for (id, label, value) in samples.rows(count) {
        let begun = Instant::now();
        let row = (sample::id.eq(id), sample::label.eq(label), sample::value.eq(value));
        diesel::insert_into(sample::table).values(row).execute(&mut connection).await?;
        meter.lap(begun);
    }
    if in_transaction {
        connection.batch_execute("COMMIT").await?;
    }
    meter.finish(count)
}

async fn transactions(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut connection = AsyncPgConnection::establish(&unix(target)).await?;
    // The first one prepares the statements.
    transaction(&mut connection, 0).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let row = transaction(&mut connection, id).await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

async fn transaction(connection: &mut AsyncPgConnection, id: i32) -> QueryResult<(i32, i64)> {
    connection
        .transaction(async |connection| {
            let account = account::table.find(id);
            let deposit = account::balance.eq(account::balance + 1_i64);
            diesel::update(account).set(deposit).execute(connection).await?;
            account.get_result(connection).await
        })
        .await
}

async fn connects(url: &str, count: usize) -> Result<Option<Measured>> {
    let mut meter = Meter::start()?;
    for _ in 0..count {
        let begun = Instant::now();
        let mut connection = AsyncPgConnection::establish(url).await?;
        let one: i32 =
            diesel::select(1.into_sql::<diesel::sql_types::Int4>()).get_result(&mut connection).await?;
        black_box(one);
        drop(connection);
        meter.lap(begun);
    }
    meter.finish(count)
}

async fn connections(target: &Target, count: usize) -> Result<Vec<AsyncPgConnection>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(AsyncPgConnection::establish(&unix(target)).await?);
    }
    Ok(connections)
}
