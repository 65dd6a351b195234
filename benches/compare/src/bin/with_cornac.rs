//! cornac. Each workload is one function.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use cornac::copy::CopySource;
use cornac::{Client, Config, Connection, Database, FromRow, Host, Timestamptz};
use cornac_benches::recorded;
use cornac_benches::work::{INSERT, Measurement, POINT_SELECT, measurements};

use cornac_compare::measured::Measured;
use cornac_compare::meter::{Meter, memory};
use cornac_compare::program;
use cornac_compare::samples::{BALANCE, DEPOSIT, Samples, UNNEST, distinct, ids, ids_of_task};
use cornac_compare::target::{DATABASE, HOST, SCRAM, TRUSTED, Target};
use cornac_compare::workload::{POOL, STATEMENTS, Workload};

/// What [`POINT_SELECT`] gives.
type Item = (i32, String, Timestamptz);

fn main() -> Result<()> {
    program::run(work)
}

async fn work(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let count = workload.count();
    match workload {
        Workload::PointUnix => point_selects(unix(target), count).await,
        Workload::PointTcp => point_selects(tcp(target)?, count).await,
        Workload::Pool => pool(workload, target).await,
        Workload::Shared => shared(workload, target).await,
        Workload::RowsStreamed => rows_streamed(unix(target), count).await,
        Workload::RowsCollected => rows_collected(unix(target), count).await,
        Workload::RowsRecorded => rows_streamed(recorded_server(target), count).await,
        Workload::InsertOneByOne => inserts(target, count, false).await,
        Workload::InsertInTransaction => inserts(target, count, true).await,
        Workload::InsertUnnest => unnest(target, count).await,
        Workload::Connect => connects(|| Ok(scram(target)), None, count).await,
        Workload::ConnectAgain => connects(|| Ok(scram(target)), Some(scram(target)), count).await,
        Workload::ConnectTls => connects(|| tls(target), None, count).await,
        Workload::ConnectTlsAgain => connects(|| tls(target), Some(tls(target)?), count).await,
        Workload::MemoryIdle => held(target, count, 0).await,
        Workload::MemoryUsed => held(target, count, STATEMENTS).await,
        Workload::PipelineSyncs => pipeline(target, count, false).await,
        Workload::PipelineOneSync => pipeline(target, count, true).await,
        Workload::CopyIn | Workload::InsertCopy => copy_in(target, count).await,
        Workload::CopyOut => copy_out(target, count).await,
        Workload::InsertMany => insert_many(target, count).await,
        Workload::Transaction => transactions(target, count).await,
    }
}

fn unix(target: &Target) -> Config {
    Config::new(Host::Unix(target.socket.clone()), TRUSTED).port(target.port).dbname(DATABASE)
}

fn tcp(target: &Target) -> Result<Config> {
    let (host, port) = (HOST, target.port);
    Ok(format!("host={host} port={port} user={TRUSTED} dbname={DATABASE} sslmode=disable").parse()?)
}

fn tls(target: &Target) -> Result<Config> {
    let (host, port, root) = (HOST, target.port, target.root.display());
    let options = format!(
        "host={host} port={port} user={SCRAM} dbname={DATABASE} sslmode=verify-full sslrootcert='{root}'"
    );
    Ok(options.parse::<Config>()?.password(target.password.as_str()))
}

fn recorded_server(target: &Target) -> Config {
    Config::new(Host::Unix(target.recorded.clone()), TRUSTED).port(recorded::PORT).dbname(DATABASE)
}

fn scram(target: &Target) -> Config {
    let config = Config::new(Host::Unix(target.socket.clone()), SCRAM).port(target.port);
    config.dbname(DATABASE).password(target.password.as_str())
}

async fn point_selects(config: Config, count: usize) -> Result<Option<Measured>> {
    let mut connection = Connection::connect(&config).await?;
    let statement = connection.prepare(POINT_SELECT).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let row: Item = connection.fetch_one(&statement, (id,)).await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

async fn pool(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let database = Database::builder().min_size(POOL).max_size(POOL).connect_with(&unix(target)).await?;
    let mut all = Vec::new();
    for _ in 0..POOL {
        let mut connection = database.checkout().await?;
        connection.prepare(POINT_SELECT).await?;
        all.push(connection);
    }
    drop(all);
    on_database(workload, &database).await
}

async fn shared(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let database = Database::builder().multiplex(POOL).connect_with(&unix(target)).await?;
    // Each of the first statements opens one of the shared connections.
    for id in ids(POOL) {
        let _: Item = database.fetch_one(POINT_SELECT, (id,)).await?;
    }
    on_database(workload, &database).await
}

async fn on_database(workload: Workload, database: &Database) -> Result<Option<Measured>> {
    let mut meter = Meter::start()?;
    meter
        .tasks(|| {
            let database = database.clone();
            async move {
                let mut laps = Vec::new();
                for id in ids_of_task(workload) {
                    let begun = Instant::now();
                    let row: Item = database.fetch_one(POINT_SELECT, (id,)).await?;
                    laps.push(begun.elapsed());
                    black_box(row);
                }
                Ok(laps)
            }
        })
        .await?;
    meter.finish(workload.count())
}

async fn transactions(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut connection = Connection::connect(&unix(target)).await?;
    let deposit = connection.prepare(DEPOSIT).await?;
    let balance = connection.prepare(BALANCE).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let mut transaction = connection.begin().await?;
        transaction.execute(&deposit, (1_i64, id)).await?;
        let row: (i32, i64) = transaction.fetch_one(&balance, (id,)).await?;
        transaction.commit().await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

async fn pipeline(target: &Target, count: usize, one_sync: bool) -> Result<Option<Measured>> {
    let mut connection = Connection::connect(&unix(target)).await?;
    let statement = connection.prepare(POINT_SELECT).await?;
    let meter = Meter::start()?;
    let mut pipeline = if one_sync { connection.atomic_pipeline() } else { connection.pipeline() };
    for id in ids(count) {
        pipeline.push(&statement, (id,));
    }
    let mut results = pipeline.run().await?;
    for _ in 0..count {
        let row: Item = results.fetch_one().await?.done().context("a statement failed")?;
        black_box(row);
    }
    results.finish().await?;
    meter.finish(count)
}

async fn copy_in(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = Connection::connect(&unix(target)).await?;
    let meter = Meter::start()?;
    let columns = ["id", "label", "value"];
    let copied = connection.copy_records_to_table("sample", &columns, samples.rows(count)).await?;
    ensure!(usize::try_from(copied)? == count, "{copied} rows were copied");
    meter.finish(count)
}

async fn copy_out(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut connection = Connection::connect(&unix(target)).await?;
    let meter = Meter::start()?;
    let columns = ["id", "label", "value"];
    let source = CopySource::Table { table: "copied".into(), columns: &columns };
    let mut rows = connection.copy_rows::<(i32, String, f64)>(source).await?;
    let mut seen = 0;
    while let Some(row) = rows.next().await? {
        black_box(row);
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn insert_many(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = Connection::connect(&unix(target)).await?;
    let statement = connection.prepare(INSERT).await?;
    let meter = Meter::start()?;
    let inserted = connection.execute_many(&statement, samples.rows(count)).await?;
    ensure!(usize::try_from(inserted)? == count, "{inserted} rows were inserted");
    meter.finish(count)
}

async fn rows_streamed(config: Config, count: usize) -> Result<Option<Measured>> {
    let mut connection = Connection::connect(&config).await?;
    let statement = connection.prepare(&measurements(count)).await?;
    let meter = Meter::start()?;
    let mut rows = connection.rows(&statement, ()).await?;
    let plan = Measurement::plan(rows.columns())?;
    let mut seen = 0;
    while let Some(row) = rows.next().await? {
        black_box(Measurement::from_row(row, &plan)?);
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn rows_collected(config: Config, count: usize) -> Result<Option<Measured>> {
    let mut connection = Connection::connect(&config).await?;
    let statement = connection.prepare(&measurements(count)).await?;
    let meter = Meter::start()?;
    let rows: Vec<Measurement> = connection.fetch_all(&statement, ()).await?;
    ensure!(rows.len() == count, "{} rows came", rows.len());
    meter.finish(count)
}

async fn inserts(target: &Target, count: usize, in_transaction: bool) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = Connection::connect(&unix(target)).await?;
    let statement = connection.prepare(INSERT).await?;
    let mut meter = Meter::start()?;
    if in_transaction {
        connection.simple_query("BEGIN").await?;
    }
    for row in samples.rows(count) {
        let begun = Instant::now();
        connection.execute(&statement, row).await?;
        meter.lap(begun);
    }
    if in_transaction {
        connection.simple_query("COMMIT").await?;
    }
    meter.finish(count)
}

async fn unnest(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut connection = Connection::connect(&unix(target)).await?;
    let statement = connection.prepare(UNNEST).await?;
    let meter = Meter::start()?;
    let (mut ids, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (id, label, value) in samples.rows(count) {
        ids.push(id);
        labels.push(label);
        values.push(value);
    }
    connection.execute(&statement, (ids, labels, values)).await?;
    meter.finish(count)
}

/// Connects so often, each time with a configuration of its own, or always with the one that is kept.
async fn connects(
    fresh: impl Fn() -> Result<Config>,
    kept: Option<Config>,
    count: usize,
) -> Result<Option<Measured>> {
    if let Some(config) = &kept {
        connect(config).await?;
    }
    let mut meter = Meter::start()?;
    for _ in 0..count {
        let begun = Instant::now();
        match &kept {
            Some(config) => connect(config).await?,
            None => connect(&fresh()?).await?,
        }
        meter.lap(begun);
    }
    meter.finish(count)
}

async fn connect(config: &Config) -> Result<()> {
    let mut connection = Connection::connect(config).await?;
    let one: i32 = connection.fetch_value("SELECT 1", ()).await?;
    black_box(one);
    Ok(connection.close().await?)
}

async fn held(target: &Target, count: usize, statements: usize) -> Result<Option<Measured>> {
    let config = unix(target);
    memory(count, |count| connections(&config, count, statements)).await
}

async fn connections(
    config: &Config,
    count: usize,
    statements: usize,
) -> Result<Vec<(Connection, Vec<cornac::Prepared>)>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = Connection::connect(config).await?;
        let mut prepared = Vec::new();
        for number in 0..statements {
            let statement = connection.prepare(&distinct(number)).await?;
            let row: (i32, String, Timestamptz, i32) = connection.fetch_one(&statement, (7,)).await?;
            black_box(row);
            prepared.push(statement);
        }
        connections.push((connection, prepared));
    }
    Ok(connections)
}
