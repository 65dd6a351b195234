//! cornac once more, where it has another way of doing the same work: each is one function.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result};
use cornac::shared::SharedConnection;
use cornac::{Client, Config, Connection, Host, Timestamptz, pipeline};
use cornac_benches::work::POINT_SELECT;
use tokio::sync::Semaphore;

use cornac_compare::measured::Measured;
use cornac_compare::meter::Meter;
use cornac_compare::program;
use cornac_compare::samples::{BALANCE, DEPOSIT, ids, ids_of_task};
use cornac_compare::target::{DATABASE, TRUSTED, Target};
use cornac_compare::workload::{POOL, Workload};

/// What [`POINT_SELECT`] gives.
type Item = (i32, String, Timestamptz);

fn main() -> Result<()> {
    program::run(work)
}

/// What the ways are is said by [`Workload::other_way`].
async fn work(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    match workload {
        Workload::Pool => pool(workload, target).await,
        Workload::Shared => shared(workload, target).await,
        Workload::Transaction => transactions(target, workload.count()).await,
        _ => Ok(None),
    }
}

fn unix(target: &Target) -> Config {
    Config::new(Host::Unix(target.socket.clone()), TRUSTED).port(target.port).dbname(DATABASE)
}

/// The plainest pool: a semaphore, and the connections that nobody has.
struct PlainPool {
    free: Semaphore,
    connections: Mutex<Vec<(Connection, cornac::Prepared)>>,
}

async fn pool(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let mut connections = Vec::new();
    for _ in 0..POOL {
        let mut connection = Connection::connect(&unix(target)).await?;
        let statement = connection.prepare(POINT_SELECT).await?;
        connections.push((connection, statement));
    }
    let pool = Arc::new(PlainPool { free: Semaphore::new(POOL), connections: Mutex::new(connections) });
    let mut meter = Meter::start()?;
    meter
        .tasks(|| {
            let pool = Arc::clone(&pool);
            async move {
                let mut laps = Vec::new();
                for id in ids_of_task(workload) {
                    let begun = Instant::now();
                    let _permit = pool.free.acquire().await?;
                    let taken = pool.connections.lock().ok().and_then(|mut free| free.pop());
                    let (mut connection, statement) = taken.context("a permit without a connection")?;
                    let row: Item = connection.fetch_one(&statement, (id,)).await?;
                    if let Ok(mut free) = pool.connections.lock() {
                        free.push((connection, statement));
                    }
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
    let mut connections = Vec::new();
    for _ in 0..POOL {
        let connection = SharedConnection::connect(&unix(target)).await?;
        let _: Item = connection.fetch_one(POINT_SELECT, (1,)).await?;
        connections.push(connection);
    }
    let turns = std::cell::Cell::new(0);
    let mut meter = Meter::start()?;
    meter
        .tasks(|| {
            let turn = turns.replace(turns.get() + 1);
            let shared = connections[turn % POOL].clone();
            async move {
                let mut laps = Vec::new();
                for id in ids_of_task(workload) {
                    let begun = Instant::now();
                    let row: Item = shared.fetch_one(POINT_SELECT, (id,)).await?;
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
        let last = pipeline::fetch_one::<(i32, i64), _, _>(&balance, (id,));
        let row = transaction.commit_with((last,)).await?;
        meter.lap(begun);
        black_box(row);
    }
    meter.finish(count)
}
