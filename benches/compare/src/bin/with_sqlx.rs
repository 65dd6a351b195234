//! sqlx, with its own pool.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use cornac_benches::recorded;
use cornac_benches::work::{COPY_IN, INSERT, POINT_SELECT, measurements};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, query, query_as, query_scalar, raw_sql};

use cornac_compare::measured::Measured;
use cornac_compare::meter::{Meter, memory};
use cornac_compare::program;
use cornac_compare::samples::{BALANCE, DEPOSIT, Samples, UNNEST, copy_bytes, distinct, ids, ids_of_task};
use cornac_compare::target::{DATABASE, HOST, SCRAM, TRUSTED, Target};
use cornac_compare::workload::{POOL, STATEMENTS, Workload};

/// What [`POINT_SELECT`] gives.
type Item = (i32, String, DateTime<Utc>);

/// A row of six columns.
type Measurement = (i32, i64, f64, String, DateTime<Utc>, bool);

fn main() -> Result<()> {
    program::run(work)
}

async fn work(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let count = workload.count();
    match workload {
        Workload::PointUnix => point_selects(unix(target), count).await,
        Workload::PointTcp => {
            let options = named(TRUSTED, target).host(HOST).ssl_mode(PgSslMode::Disable);
            point_selects(options, count).await
        }
        Workload::Pool => pool(workload, target).await,
        Workload::RowsStreamed => rows_streamed(unix(target), count).await,
        Workload::RowsCollected => rows_collected(target, count).await,
        Workload::RowsRecorded => {
            let options = named(TRUSTED, target).socket(&target.recorded).port(recorded::PORT);
            rows_streamed(options, count).await
        }
        Workload::CopyIn | Workload::InsertCopy => copy_in(target, count).await,
        Workload::InsertOneByOne => inserts(target, count, false).await,
        Workload::InsertInTransaction => inserts(target, count, true).await,
        Workload::InsertUnnest => unnest(target, count).await,
        Workload::Connect | Workload::ConnectAgain => {
            let options = named(SCRAM, target).socket(&target.socket).password(&target.password);
            connects(&options, count).await
        }
        Workload::ConnectTls | Workload::ConnectTlsAgain => {
            let options = named(SCRAM, target).host(HOST).password(&target.password);
            let options = options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(&target.root);
            connects(&options, count).await
        }
        Workload::MemoryIdle => memory(count, |count| connections(target, count, 0)).await,
        Workload::MemoryUsed => memory(count, |count| connections(target, count, STATEMENTS)).await,
        Workload::Transaction => transactions(target, count).await,
        Workload::Shared
        | Workload::PipelineSyncs
        | Workload::PipelineOneSync
        | Workload::CopyOut
        | Workload::InsertMany => Ok(None),
    }
}

fn named(user: &str, target: &Target) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().username(user).database(DATABASE).port(target.port);
    options.disable_statement_logging()
}

fn unix(target: &Target) -> PgConnectOptions {
    named(TRUSTED, target).socket(&target.socket)
}

async fn point_selects(options: PgConnectOptions, count: usize) -> Result<Option<Measured>> {
    let mut connection = options.connect().await?;
    let _: Item = query_as(POINT_SELECT).bind(7_i32).fetch_one(&mut connection).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let row: Item = query_as(POINT_SELECT).bind(id).fetch_one(&mut connection).await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

async fn pool(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let size = u32::try_from(POOL)?;
    let pool =
        PgPoolOptions::new().min_connections(size).max_connections(size).connect_with(unix(target)).await?;
    let mut all = Vec::new();
    for _ in 0..POOL {
        let mut connection = pool.acquire().await?;
        let _: Item = query_as(POINT_SELECT).bind(7_i32).fetch_one(&mut *connection).await?;
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
                    let row: Item = query_as(POINT_SELECT).bind(id).fetch_one(&pool).await?;
                    laps.push(begun.elapsed());
                    black_box(row);
                }
                Ok(laps)
            }
        })
        .await?;
    meter.finish(workload.count())
}

async fn rows_streamed(options: PgConnectOptions, count: usize) -> Result<Option<Measured>> {
    let mut connection = options.connect().await?;
    let sql = measurements(count);
    let meter = Meter::start()?;
    let mut rows = query_as::<_, Measurement>(AssertSqlSafe(sql)).fetch(&mut connection);
    let mut seen = 0;
    while let Some(row) = rows.try_next().await? {
        black_box(row);
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn rows_collected(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut connection = unix(target).connect().await?;
    let sql = measurements(count);
    let meter = Meter::start()?;
    let rows: Vec<Measurement> = query_as(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
    ensure!(rows.len() == count, "{} rows came", rows.len());
    meter.finish(count)
}

/// It has no typed COPY.
async fn copy_in(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = unix(target).connect().await?;
    let meter = Meter::start()?;
    let mut copy = connection.copy_in_raw(COPY_IN).await?;
    for data in copy_bytes(samples.rows(count)) {
        copy.send(data).await?;
    }
    let copied = copy.finish().await?;
    ensure!(usize::try_from(copied)? == count, "{copied} rows were copied");
    meter.finish(count)
}

async fn inserts(target: &Target, count: usize, in_transaction: bool) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = unix(target).connect().await?;
    let mut meter = Meter::start()?;
    if in_transaction {
        raw_sql("BEGIN").execute(&mut connection).await?;
    }
    for (id, label, value) in samples.rows(count) {
        let begun = Instant::now();
        query(INSERT).bind(id).bind(label).bind(value).execute(&mut connection).await?;
        meter.lap(begun);
    }
    if in_transaction {
        raw_sql("COMMIT").execute(&mut connection).await?;
    }
    meter.finish(count)
}

async fn transactions(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut connection = unix(target).connect().await?;
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

async fn transaction(connection: &mut PgConnection, id: i32) -> sqlx::Result<(i32, i64)> {
    let mut transaction = connection.begin().await?;
    query(DEPOSIT).bind(1_i64).bind(id).execute(&mut *transaction).await?;
    let row = query_as(BALANCE).bind(id).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(row)
}

async fn unnest(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = unix(target).connect().await?;
    let meter = Meter::start()?;
    let (mut ids, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (id, label, value) in samples.rows(count) {
        ids.push(id);
        labels.push(label);
        values.push(value);
    }
    query(UNNEST).bind(ids).bind(labels).bind(values).execute(&mut connection).await?;
    meter.finish(count)
}

async fn connects(options: &PgConnectOptions, count: usize) -> Result<Option<Measured>> {
    let mut meter = Meter::start()?;
    for _ in 0..count {
        let begun = Instant::now();
        let mut connection = options.connect().await?;
        let one: i32 = query_scalar("SELECT 1").fetch_one(&mut connection).await?;
        black_box(one);
        connection.close().await?;
        meter.lap(begun);
    }
    meter.finish(count)
}

async fn connections(target: &Target, count: usize, statements: usize) -> Result<Vec<PgConnection>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = unix(target).connect().await?;
        for number in 0..statements {
            let sql = AssertSqlSafe(distinct(number));
            let row: (i32, String, DateTime<Utc>, i32) =
                query_as(sql).bind(7_i32).fetch_one(&mut connection).await?;
            black_box(row);
        }
        connections.push(connection);
    }
    Ok(connections)
}
