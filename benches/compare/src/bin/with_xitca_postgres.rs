//! xitca-postgres, with its own pool.

use std::future::IntoFuture;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};
use cornac_benches::recorded;
use cornac_benches::work::{COPY_IN, INSERT, POINT_SELECT, measurements};
use xitca_postgres::iter::AsyncLendingIterator;
use xitca_postgres::pool::Pool;
use xitca_postgres::row::Row;
use xitca_postgres::types::Type;
use xitca_postgres::{Client, Config, Execute, Postgres, Statement};

use cornac_compare::measured::Measured;
use cornac_compare::meter::{Meter, memory};
use cornac_compare::program;
use cornac_compare::samples::{BALANCE, DEPOSIT, Samples, UNNEST, copy_bytes, distinct, ids, ids_of_task};
use cornac_compare::target::{DATABASE, HOST, SCRAM, TRUSTED, Target};
use cornac_compare::workload::{POOL, STATEMENTS, Workload};

fn main() -> Result<()> {
    program::run(work)
}

async fn work(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let count = workload.count();
    match workload {
        Workload::PointUnix => point_selects(unix(target), count).await,
        Workload::PointTcp => {
            let mut config = named(TRUSTED, target);
            config.host(HOST);
            point_selects(config, count).await
        }
        Workload::Pool => pool(workload, target).await,
        Workload::Shared => shared(workload, target).await,
        Workload::PipelineSyncs => pipeline(target, count).await,
        Workload::RowsStreamed => rows_streamed(unix(target), count).await,
        Workload::RowsCollected => rows_collected(target, count).await,
        Workload::RowsRecorded => {
            let mut config = Config::new();
            config.host_path(target.recorded_file()).port(recorded::PORT).user(TRUSTED).dbname(DATABASE);
            rows_streamed(config, count).await
        }
        Workload::CopyIn | Workload::InsertCopy => copy_in(target, count).await,
        Workload::InsertOneByOne => inserts(target, count, false).await,
        Workload::InsertInTransaction => inserts(target, count, true).await,
        Workload::InsertMany => insert_many(target, count).await,
        Workload::InsertUnnest => unnest(target, count).await,
        Workload::Connect | Workload::ConnectAgain => {
            let mut config = named(SCRAM, target);
            config.host_path(target.socket_file()).password(&target.password);
            connects(&config, count).await
        }
        Workload::MemoryIdle => memory(count, |count| connections(target, count, 0)).await,
        Workload::MemoryUsed => memory(count, |count| connections(target, count, STATEMENTS)).await,
        Workload::Transaction => transactions(target, count).await,
        // Its TLS trusts every certificate.
        Workload::ConnectTls | Workload::ConnectTlsAgain | Workload::PipelineOneSync | Workload::CopyOut => {
            Ok(None)
        }
    }
}

fn named(user: &str, target: &Target) -> Config {
    let mut config = Config::new();
    config.user(user).dbname(DATABASE).port(target.port);
    config
}

fn unix(target: &Target) -> Config {
    let mut config = named(TRUSTED, target);
    config.host_path(target.socket_file());
    config
}

async fn connect(config: Config) -> Result<Client> {
    let (client, driver) = Postgres::new(config).connect().await?;
    tokio::spawn(driver.into_future());
    Ok(client)
}

fn item(row: &Row<'_>) -> (i32, String, SystemTime) {
    (row.get(0), row.get(1), row.get(2))
}

/// A row of six columns.
type Measurement = (i32, i64, f64, String, SystemTime, bool);

fn measurement(row: &Row<'_>) -> Measurement {
    (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5))
}

async fn point_selects(config: Config, count: usize) -> Result<Option<Measured>> {
    let client = connect(config).await?;
    let statement = Statement::named(POINT_SELECT, &[]).execute(&client).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let mut rows = statement.bind([id]).query(&client).await?;
        let row = item(&rows.try_next().await?.context("no row")?);
        ensure!(rows.try_next().await?.is_none(), "two rows");
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

fn built_pool(target: &Target) -> Result<Arc<Pool>> {
    Ok(Arc::new(Pool::builder(unix(target)).capacity(POOL).build()?))
}

/// The connection is held until its rows have come, as with the other pools.
async fn pool(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let pool = built_pool(target)?;
    let mut meter = Meter::start()?;
    meter
        .tasks(|| {
            let pool = Arc::clone(&pool);
            async move {
                let mut laps = Vec::new();
                for id in ids_of_task(workload) {
                    let begun = Instant::now();
                    let mut connection = pool.get().await?;
                    let query = Statement::named(POINT_SELECT, &[Type::INT4]).bind([id]);
                    let mut rows = query.query(&mut connection).await?;
                    let row = item(&rows.try_next().await?.context("no row")?);
                    ensure!(rows.try_next().await?.is_none(), "two rows");
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

/// The pool gives a connection back as soon as the query has gone out.
async fn shared(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let pool = built_pool(target)?;
    let mut meter = Meter::start()?;
    meter
        .tasks(|| {
            let pool = Arc::clone(&pool);
            async move {
                let mut laps = Vec::new();
                for id in ids_of_task(workload) {
                    let begun = Instant::now();
                    let query = Statement::named(POINT_SELECT, &[Type::INT4]).bind([id]);
                    let mut rows = query.query(&*pool).await?;
                    let row = item(&rows.try_next().await?.context("no row")?);
                    ensure!(rows.try_next().await?.is_none(), "two rows");
                    laps.push(begun.elapsed());
                    black_box(row);
                }
                Ok(laps)
            }
        })
        .await?;
    meter.finish(workload.count())
}

async fn pipeline(target: &Target, count: usize) -> Result<Option<Measured>> {
    let client = connect(unix(target)).await?;
    let statement = Statement::named(POINT_SELECT, &[]).execute(&client).await?;
    let meter = Meter::start()?;
    let all: Vec<_> = ids(count).collect();
    for batch in all.chunks(10_000) {
        let mut queries = Vec::with_capacity(batch.len());
        for &id in batch {
            queries.push(statement.bind([id]).query(&client).await?);
        }
        for mut rows in queries {
            black_box(item(&rows.try_next().await?.context("no row")?));
        }
    }
    meter.finish(count)
}

async fn rows_streamed(config: Config, count: usize) -> Result<Option<Measured>> {
    let client = connect(config).await?;
    let sql = measurements(count);
    let statement = Statement::named(&sql, &[]).execute(&client).await?;
    let meter = Meter::start()?;
    let mut rows = statement.query(&client).await?;
    let mut seen = 0;
    while let Some(row) = rows.try_next().await? {
        black_box(measurement(&row));
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn rows_collected(target: &Target, count: usize) -> Result<Option<Measured>> {
    let client = connect(unix(target)).await?;
    let sql = measurements(count);
    let statement = Statement::named(&sql, &[]).execute(&client).await?;
    let meter = Meter::start()?;
    let mut rows = statement.query(&client).await?;
    let mut collected: Vec<Measurement> = Vec::new();
    while let Some(row) = rows.try_next().await? {
        collected.push(measurement(&row));
    }
    ensure!(collected.len() == count, "{} rows came", collected.len());
    meter.finish(count)
}

/// It has no typed COPY, and no back-pressure.
async fn copy_in(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut client = connect(unix(target)).await?;
    let statement = Statement::named(COPY_IN, &[]).execute(&client).await?.leak();
    let meter = Meter::start()?;
    let mut copy = client.copy_in(&statement).await?;
    for data in copy_bytes(samples.rows(count)) {
        copy.copy(&data[..])?;
        tokio::task::yield_now().await;
    }
    let copied = copy.finish().await?;
    ensure!(usize::try_from(copied)? == count, "{copied} rows were copied");
    meter.finish(count)
}

async fn inserts(target: &Target, count: usize, in_transaction: bool) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let client = connect(unix(target)).await?;
    let statement = Statement::named(INSERT, &[]).execute(&client).await?;
    let mut meter = Meter::start()?;
    if in_transaction {
        "BEGIN".execute(&client).await?;
    }
    for (id, label, value) in samples.rows(count) {
        let begun = Instant::now();
        statement.bind_dyn(&[&id, &label, &value]).execute(&client).await?;
        meter.lap(begun);
    }
    if in_transaction {
        "COMMIT".execute(&client).await?;
    }
    meter.finish(count)
}

async fn transactions(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut client = connect(unix(target)).await?;
    let deposit = Statement::named(DEPOSIT, &[]).execute(&client).await?.leak();
    let balance = Statement::named(BALANCE, &[]).execute(&client).await?.leak();
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let transaction = client.transaction().await?;
        deposit.bind_dyn(&[&1_i64, &id]).execute(&transaction).await?;
        let mut rows = balance.bind([id]).query(&transaction).await?;
        let row = rows.try_next().await?.context("no row")?;
        let row: (i32, i64) = (row.get(0), row.get(1));
        ensure!(rows.try_next().await?.is_none(), "two rows");
        drop(rows);
        transaction.commit().await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

/// It has no execute_many; what comes nearest is all of them on the way in one transaction.
async fn insert_many(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let client = connect(unix(target)).await?;
    let statement = Statement::named(INSERT, &[]).execute(&client).await?;
    let meter = Meter::start()?;
    "BEGIN".execute(&client).await?;
    let mut inserts = Vec::with_capacity(count);
    for (id, label, value) in samples.rows(count) {
        inserts.push(statement.bind_dyn(&[&id, &label, &value]).execute(&client));
    }
    for insert in inserts {
        black_box(insert.await?);
    }
    "COMMIT".execute(&client).await?;
    meter.finish(count)
}

async fn unnest(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let client = connect(unix(target)).await?;
    let statement = Statement::named(UNNEST, &[]).execute(&client).await?;
    let meter = Meter::start()?;
    let (mut ids, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (id, label, value) in samples.rows(count) {
        ids.push(id);
        labels.push(label);
        values.push(value);
    }
    statement.bind_dyn(&[&ids, &labels, &values]).execute(&client).await?;
    meter.finish(count)
}

async fn connects(config: &Config, count: usize) -> Result<Option<Measured>> {
    let mut meter = Meter::start()?;
    for _ in 0..count {
        let begun = Instant::now();
        let (client, driver) = Postgres::new(config.clone()).connect().await?;
        let driver = tokio::spawn(driver.into_future());
        let statement = Statement::named("SELECT 1", &[]).execute(&client).await?.leak();
        let mut rows = statement.query(&client).await?;
        black_box(rows.try_next().await?.context("no row")?.get::<i32>(0));
        drop((rows, client));
        driver.await?.map_err(|error| anyhow!("{error}"))?;
        meter.lap(begun);
    }
    meter.finish(count)
}

async fn connections(
    target: &Target,
    count: usize,
    statements: usize,
) -> Result<Vec<(Client, Vec<Statement>)>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let client = connect(unix(target)).await?;
        let mut prepared = Vec::new();
        for number in 0..statements {
            let sql = distinct(number);
            let statement = Statement::named(&sql, &[]).execute(&client).await?.leak();
            let mut rows = statement.bind([7_i32]).query(&client).await?;
            black_box(item(&rows.try_next().await?.context("no row")?));
            ensure!(rows.try_next().await?.is_none(), "two rows");
            drop(rows);
            prepared.push(statement);
        }
        connections.push((client, prepared));
    }
    Ok(connections)
}
