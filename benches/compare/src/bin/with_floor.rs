//! The floor: a program that is no driver.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use cornac_benches::floor::{Floor, Login, OwnedRow, Syncs};
use cornac_benches::work::POINT_SELECT;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use cornac_compare::measured::Measured;
use cornac_compare::meter::Meter;
use cornac_compare::program;
use cornac_compare::samples::Samples;
use cornac_compare::target::{HOST, SCRAM, TRUSTED, Target};
use cornac_compare::workload::{POOL, TASKS, Workload};

fn main() -> Result<()> {
    program::run(work)
}

async fn work(workload: Workload, target: &Target) -> Result<Option<Measured>> {
    let count = workload.count();
    match workload {
        Workload::PointUnix => point_selects(unix(target).await?, count).await,
        Workload::PointTcp => {
            let stream = TcpStream::connect((HOST, target.port)).await?;
            stream.set_nodelay(true)?;
            point_selects(Floor::greet(stream, TRUSTED).await?, count).await
        }
        Workload::Pool => on_each(target, count, 1).await,
        Workload::Shared => on_each(target, count, TASKS / POOL).await,
        Workload::PipelineSyncs => pipeline(target, count, Syncs::Each).await,
        Workload::PipelineOneSync => pipeline(target, count, Syncs::One).await,
        Workload::RowsStreamed => rows_streamed(unix(target).await?, count).await,
        Workload::RowsRecorded => {
            rows_streamed(Floor::connect(&target.recorded_file(), TRUSTED).await?, count).await
        }
        Workload::RowsCollected => rows_collected(target, count).await,
        Workload::CopyIn | Workload::InsertCopy => copy_in(target, count).await,
        Workload::CopyOut => copy_out(target, count).await,
        Workload::InsertOneByOne => inserts(target, count, Syncs::Each).await,
        Workload::InsertMany => inserts(target, count, Syncs::One).await,
        Workload::Connect => connects(target, count, false).await,
        Workload::ConnectAgain => connects(target, count, true).await,
        Workload::InsertInTransaction
        | Workload::InsertUnnest
        | Workload::ConnectTls
        | Workload::ConnectTlsAgain
        | Workload::MemoryIdle
        | Workload::MemoryUsed
        | Workload::Transaction => Ok(None),
    }
}

async fn unix(target: &Target) -> Result<Floor<UnixStream>> {
    Ok(Floor::connect(&target.socket_file(), TRUSTED).await?)
}

async fn point_selects<S: AsyncRead + AsyncWrite + Unpin>(
    mut floor: Floor<S>,
    count: usize,
) -> Result<Option<Measured>> {
    floor.prepare(POINT_SELECT).await?;
    let mut meter = Meter::start()?;
    let mut begun = Instant::now();
    floor
        .prepared_point_selects(count, |id, name, at| {
            black_box((id, name.to_owned(), at));
            meter.lap(begun);
            begun = Instant::now();
        })
        .await?;
    meter.finish(count)
}

/// Each connection for itself, always with so many statements on the way: nobody waits for anybody.
async fn on_each(target: &Target, count: usize, batch: usize) -> Result<Option<Measured>> {
    let mut floors = Vec::new();
    for _ in 0..POOL {
        let mut floor = unix(target).await?;
        floor.prepare(POINT_SELECT).await?;
        floors.push(floor);
    }
    let meter = Meter::start()?;
    let mut tasks = JoinSet::new();
    for mut floor in floors {
        tasks.spawn(async move {
            let take = |id, name: &str, at| {
                black_box((id, name.to_owned(), at));
            };
            floor.prepared_pipeline(count / POOL, batch, Syncs::Each, take).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    meter.finish(count)
}

async fn pipeline(target: &Target, count: usize, syncs: Syncs) -> Result<Option<Measured>> {
    let mut floor = unix(target).await?;
    let meter = Meter::start()?;
    floor
        .pipelined_point_selects(count, syncs, |id, name, at| {
            black_box((id, name.to_owned(), at));
        })
        .await?;
    meter.finish(count)
}

async fn rows_streamed(mut floor: Floor<UnixStream>, count: usize) -> Result<Option<Measured>> {
    let meter = Meter::start()?;
    let mut seen = 0;
    floor
        .measurements(count, |(id, total, ratio, label, at, even)| {
            black_box((id, total, ratio, label.to_owned(), at, even));
            seen += 1;
        })
        .await?;
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn rows_collected(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut floor = unix(target).await?;
    let meter = Meter::start()?;
    let mut rows: Vec<OwnedRow> = Vec::new();
    floor
        .measurements(count, |(id, total, ratio, label, at, even)| {
            rows.push((id, total, ratio, label.to_owned(), at, even));
        })
        .await?;
    ensure!(rows.len() == count, "{} rows came", rows.len());
    meter.finish(count)
}

async fn copy_in(target: &Target, count: usize) -> Result<Option<Measured>> {
    let samples = Samples::make();
    let mut floor = unix(target).await?;
    let meter = Meter::start()?;
    let copied = floor.copy_in(samples.rows(count)).await?;
    ensure!(copied == count, "{copied} rows were copied");
    meter.finish(count)
}

async fn copy_out(target: &Target, count: usize) -> Result<Option<Measured>> {
    let mut floor = unix(target).await?;
    let meter = Meter::start()?;
    let mut seen = 0;
    floor
        .copy_out(|(id, label, value)| {
            black_box((id, label.to_owned(), value));
            seen += 1;
        })
        .await?;
    ensure!(seen == count, "{seen} rows came");
    meter.finish(count)
}

async fn inserts(target: &Target, count: usize, syncs: Syncs) -> Result<Option<Measured>> {
    let mut floor = unix(target).await?;
    let meter = Meter::start()?;
    floor.inserts(count, syncs).await?;
    meter.finish(count)
}

async fn connects(target: &Target, count: usize, remembers: bool) -> Result<Option<Measured>> {
    let mut login = Login::new(SCRAM, &target.password);
    if remembers {
        connect(target, &mut login).await?;
    }
    let mut meter = Meter::start()?;
    for _ in 0..count {
        let begun = Instant::now();
        connect(target, &mut login).await?;
        meter.lap(begun);
        if !remembers {
            login.forget();
        }
    }
    meter.finish(count)
}

async fn connect(target: &Target, login: &mut Login) -> Result<()> {
    let mut floor = Floor::log_in(UnixStream::connect(target.socket_file()).await?, login).await?;
    floor.run("SELECT 1").await?;
    Ok(floor.close().await?)
}
