//! tokio-postgres, with deadpool-postgres as its pool.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Result, ensure};
use cornac_benches::recorded;
use cornac_benches::work::{COPY_IN, COPY_OUT, INSERT, POINT_SELECT, measurements};
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use futures_util::{StreamExt, TryStreamExt, pin_mut, stream};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use cornac_compare::measured::Measured;
use cornac_compare::meter::{Meter, memory};
use cornac_compare::program;
use cornac_compare::samples::{BALANCE, DEPOSIT, Samples, UNNEST, distinct, ids, ids_of_task};
use cornac_compare::target::{DATABASE, HOST, SCRAM, TRUSTED, Target};
use cornac_compare::workload::{POOL, STATEMENTS, Workload};

/// The types of what is copied.
const COPIED: [Type; 3] = [Type::INT4, Type::TEXT, Type::FLOAT8];

fn main() -> Result<()> {
    program::run(work)
}

async fn work(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let count = workload.count();
    match workload {
        Workload::PointUnix => point_selects(&unix(target), count).await,
        Workload::PointTcp => {
            let mut config = named(TRUSTED, target);
            point_selects(config.host(HOST).ssl_mode(SslMode::Disable), count).await
        }
        Workload::Pool => pool(workload, target).await,
        Workload::Shared => shared(workload, target).await,
        Workload::PipelineSyncs => pipeline(target, count).await,
        Workload::RowsStreamed => rows_streamed(&unix(target), count).await,
        Workload::RowsCollected => rows_collected(target, count).await,
        Workload::RowsRecorded => {
            let mut config = Config::new();
            config.host_path(&target.recorded).port(recorded::PORT).user(TRUSTED).dbname(DATABASE);
            rows_streamed(&config, count).await
        }
        Workload::CopyIn | Workload::InsertCopy => copy_in(target, count).await,
        Workload::CopyOut => copy_out(target, count).await,
        Workload::InsertOneByOne => inserts(target, count, false).await,
        Workload::InsertInTransaction => inserts(target, count, true).await,
        Workload::InsertMany => insert_many(target, count).await,
        Workload::InsertUnnest => unnest(target, count).await,
        Workload::Connect | Workload::ConnectAgain => {
            let mut config = named(SCRAM, target);
            config.host_path(&target.socket).password(&target.password);
            connects(&config, || Ok(NoTls), count).await
        }
        Workload::ConnectTls | Workload::ConnectTlsAgain => {
            let mut config = named(SCRAM, target);
            config.host(HOST).password(&target.password).ssl_mode(SslMode::Require);
            if workload == Workload::ConnectTls {
                return connects(&config, || tls(target), count).await;
            }
            let kept = tls(target)?;
            connects(&config, || Ok(kept.clone()), count).await
        }
        Workload::MemoryIdle => memory(count, |count| connections(target, count, 0)).await,
        Workload::MemoryUsed => memory(count, |count| connections(target, count, STATEMENTS)).await,
        Workload::Transaction => transactions(target, count).await,
        Workload::PipelineOneSync => Ok(None),
    }
}

fn named(user: &str, target: &Target) -> Config {
    let mut config = Config::new();
    config.user(user).dbname(DATABASE).port(target.port);
    config
}

fn unix(target: &Target) -> Config {
    let mut config = named(TRUSTED, target);
    config.host_path(&target.socket);
    config
}

fn tls(target: &Target) -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(&target.root)? {
        roots.add(root?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

async fn connect<T>(config: &Config, tls: T) -> Result<Client>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn item(row: &Row) -> (i32, String, SystemTime) {
    (row.get(0), row.get(1), row.get(2))
}

/// A row of six columns.
type Measurement = (i32, i64, f64, String, SystemTime, bool);

fn measurement(row: &Row) -> Measurement {
    (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5))
}

async fn point_selects(config: &Config, count: usize) -> Result<Option<Measured>> {
    let client = connect(config, NoTls).await?;
    let statement = client.prepare(POINT_SELECT).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let row = item(&client.query_one(&statement, &[&id]).await?);
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

async fn pool(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(unix(target), NoTls, config);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(POOL).build()?;
    let mut all = Vec::new();
    for _ in 0..POOL {
        let client = pool.get().await?;
        client.prepare_cached(POINT_SELECT).await?;
        all.push(client);
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
                    let client = pool.get().await?;
                    let statement = client.prepare_cached(POINT_SELECT).await?;
                    let row = item(&client.query_one(&statement, &[&id]).await?);
                    drop(client);
                    laps.push(begun.elapsed());
                    black_box(row);
                }
                Ok(laps)
            }
        })
        .await?;
    meter.finish(workload.count())
}

async fn shared(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let mut clients = Vec::new();
    for _ in 0..POOL {
        let client = connect(&unix(target), NoTls).await?;
        let statement = client.prepare(POINT_SELECT).await?;
        clients.push(Arc::new((client, statement)));
    }
    let turns = std::cell::Cell::new(0);
    let mut meter = Meter::start()?;
    meter
        .tasks(|| {
            let turn = turns.replace(turns.get() + 1);
            let shared = Arc::clone(&clients[turn % POOL]);
            async move {
                let (client, statement) = &*shared;
                let mut laps = Vec::new();
                for id in ids_of_task(workload) {
                    let begun = Instant::now();
                    let row = item(&client.query_one(statement, &[&id]).await?);
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
    let client = connect(&unix(target), NoTls).await?;
    let statement = client.prepare(POINT_SELECT).await?;
    let (client, statement) = (&client, &statement);
    let meter = Meter::start()?;
    let queries = ids(count).map(|id| async move { client.query_one(statement, &[&id]).await });
    let mut rows = stream::iter(queries).buffered(10_000);
    while let Some(row) = rows.try_next().await? {
        black_box(item(&row));
    }
    meter.finish(count)
}

async fn rows_streamed(config: &Config, count: usize) -> Result<Option<Measured>> {
    let client = connect(config, NoTls).await?;
    let statement = client.prepare(&measurements(count)).await?;
    let meter = Meter::start()?;
    let rows = client.query_raw(&statement, std::iter::empty::<&(dyn ToSql + Sync)>()).await?;
    pin_mut!(rows);
    let mut seen = 0;
    while let Some(row) = rows.try_next().await? {
        black_box(measurement(&row));
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn rows_collected(target: &Target, count: usize) -> Result<Option<Measured>> {
    let client = connect(&unix(target), NoTls).await?;
    let statement = client.prepare(&measurements(count)).await?;
    let meter = Meter::start()?;
    let rows: Vec<Measurement> = client.query(&statement, &[]).await?.iter().map(measurement).collect();
    ensure!(rows.len() == count, "{} rows came", rows.len());
    meter.finish(count)
}

async fn copy_in(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let client = connect(&unix(target), NoTls).await?;
    let meter = Meter::start()?;
    let writer = BinaryCopyInWriter::new(client.copy_in(COPY_IN).await?, &COPIED);
    pin_mut!(writer);
    for (id, label, value) in samples.rows(count) {
        writer.as_mut().write(&[&id, &label, &value]).await?;
    }
    let copied = writer.finish().await?;
    ensure!(usize::try_from(copied)? == count, "{copied} rows were copied");
    meter.finish(count)
}

async fn copy_out(target: &Target, count: usize) -> Result<Option<Measured>> {
    let client = connect(&unix(target), NoTls).await?;
    let meter = Meter::start()?;
    let rows = BinaryCopyOutStream::new(client.copy_out(COPY_OUT).await?, &COPIED);
    pin_mut!(rows);
    let mut seen = 0;
    while let Some(row) = rows.try_next().await? {
        black_box((row.get::<i32>(0), row.get::<&str>(1).to_owned(), row.get::<f64>(2)));
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn inserts(target: &Target, count: usize, in_transaction: bool) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let client = connect(&unix(target), NoTls).await?;
    let statement = client.prepare(INSERT).await?;
    let mut meter = Meter::start()?;
    if in_transaction {
        client.batch_execute("BEGIN").await?;
    }
    for (id, label, value) in samples.rows(count) {
        let begun = Instant::now();
        client.execute(&statement, &[&id, &label, &value]).await?;
        meter.lap(begun);
    }
    if in_transaction {
        client.batch_execute("COMMIT").await?;
    }
    meter.finish(count)
}

async fn transactions(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut client = connect(&unix(target), NoTls).await?;
    let deposit = client.prepare(DEPOSIT).await?;
    let balance = client.prepare(BALANCE).await?;
    let mut meter = Meter::start()?;
    for id in ids(count) {
        let begun = Instant::now();
        let transaction = client.transaction().await?;
        transaction.execute(&deposit, &[&1_i64, &id]).await?;
        let row = transaction.query_one(&balance, &[&id]).await?;
        let row: (i32, i64) = (row.get(0), row.get(1));
        transaction.commit().await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}

/// It has no execute_many; what comes nearest is all of them on the way in one transaction.
async fn insert_many(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let client = connect(&unix(target), NoTls).await?;
    let statement = client.prepare(INSERT).await?;
    let (client, statement) = (&client, &statement);
    let meter = Meter::start()?;
    client.batch_execute("BEGIN").await?;
    let inserts = samples
        .rows(count)
        .map(|(id, label, value)| async move { client.execute(statement, &[&id, &label, &value]).await });
    let mut inserted = stream::iter(inserts).buffered(10_000);
    while let Some(one) = inserted.try_next().await? {
        black_box(one);
    }
    client.batch_execute("COMMIT").await?;
    meter.finish(count)
}

async fn unnest(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let client = connect(&unix(target), NoTls).await?;
    let statement = client.prepare(UNNEST).await?;
    let meter = Meter::start()?;
    let (mut ids, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (id, label, value) in samples.rows(count) {
        ids.push(id);
        labels.push(label);
        values.push(value);
    }
    client.execute(&statement, &[&ids, &labels, &values]).await?;
    meter.finish(count)
}

async fn connects<T>(config: &Config, tls: impl Fn() -> Result<T>, count: usize) -> Result<Option<Measured>>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
{
    let mut meter = Meter::start()?;
    for _ in 0..count {
        let begun = Instant::now();
        let (client, connection) = config.connect(tls()?).await?;
        let connection = tokio::spawn(connection);
        let one: i32 = client.query_one("SELECT 1", &[]).await?.get(0);
        black_box(one);
        drop(client);
        connection.await??;
        meter.lap(begun);
    }
    meter.finish(count)
}

async fn connections(
    target: &Target,
    count: usize,
    statements: usize,
) -> Result<Vec<(Client, Vec<tokio_postgres::Statement>)>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let client = connect(&unix(target), NoTls).await?;
        let mut prepared = Vec::new();
        for number in 0..statements {
            let statement = client.prepare(&distinct(number)).await?;
            black_box(item(&client.query_one(&statement, &[&7_i32]).await?));
            prepared.push(statement);
        }
        connections.push((client, prepared));
    }
    Ok(connections)
}
