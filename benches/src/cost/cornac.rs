//! cornac's side of the work: each workload is one function, as an application would write it.

use std::hint::black_box;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cornac::{Client, Config, Connection, FromRow, Host, Timestamptz};

use super::Workload;
use crate::recorded::PORT;
use crate::work::{
    BorrowedMeasurement, Measurement, POINT_SELECT, STATEMENTS, distinct, measurements, sample,
};

pub(super) async fn run(workload: Workload, count: usize, directory: &Path) -> Result<bool> {
    let config = config(directory);
    match workload {
        Workload::IdleConnection => return hold(&config, count, 0).await,
        Workload::UsedConnection => return hold(&config, count, STATEMENTS).await,
        _ => {}
    }
    let mut connection = Connection::connect(&config).await?;
    match workload {
        Workload::PointSelect => point_selects(&mut connection, count).await?,
        Workload::RowDropped => rows_dropped(&mut connection, count).await?,
        Workload::RowBorrowed => rows_borrowed(&mut connection, count).await?,
        Workload::RowCollected => rows_collected(&mut connection, count).await?,
        Workload::PipelinedPointSelect => pipelined_point_selects(&mut connection, count).await?,
        Workload::CopyRow => copy_rows(&mut connection, count).await?,
        Workload::IdleConnection | Workload::UsedConnection => {}
    }
    Ok(true)
}

pub(super) fn config(directory: &Path) -> Config {
    let config = Config::new(Host::Unix(directory.to_owned()), "cost").port(PORT).dbname("postgres");
    // The runtime has no timers; see the program.
    config.connect_timeout(None).connect_deadline(None)
}

/// Opens connections and never closes them, so that what they hold is still there at the end of the program.
async fn hold(config: &Config, count: usize, statements: usize) -> Result<bool> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Connection::connect(config).await?;
        for number in 0..statements {
            let statement = distinct(number);
            let row: (i32, String, Timestamptz, i32) = connection.fetch_one(&*statement, (7,)).await?;
            black_box(row);
        }
        held.push(connection);
    }
    std::mem::forget(held);
    Ok(true)
}

async fn point_selects(connection: &mut Connection, count: usize) -> Result<()> {
    let statement = connection.prepare(POINT_SELECT).await?;
    for id in (0_i32..).take(count) {
        let row: (i32, String, Timestamptz) = connection.fetch_one(&statement, (id,)).await?;
        black_box(row);
    }
    Ok(())
}

async fn pipelined_point_selects(connection: &mut Connection, count: usize) -> Result<()> {
    let statement = connection.prepare(POINT_SELECT).await?;
    let mut pipeline = connection.pipeline();
    for id in (0_i32..).take(count) {
        pipeline.push(&statement, (id,));
    }
    let mut results = pipeline.run().await?;
    for _ in 0..count {
        let row: (i32, String, Timestamptz) = results.fetch_one().await?.done().context("it failed")?;
        black_box(row);
    }
    Ok(results.finish().await?)
}

async fn copy_rows(connection: &mut Connection, count: usize) -> Result<()> {
    let rows = (1..).take(count).map(sample);
    let copied = connection.copy_records_to_table("sample", &["id", "label", "value"], rows).await?;
    ensure!(usize::try_from(copied)? == count, "the server has counted other rows");
    Ok(())
}

async fn rows_dropped(connection: &mut Connection, count: usize) -> Result<()> {
    let mut rows = connection.rows(measurements(count), ()).await?;
    let plan = Measurement::plan(rows.columns())?;
    for _ in 0..count {
        let row = rows.next().await?.context("rows are missing")?;
        black_box(Measurement::from_row(row, &plan)?);
    }
    ensure!(rows.next().await?.is_none(), "there are too many rows");
    Ok(())
}

async fn rows_borrowed(connection: &mut Connection, count: usize) -> Result<()> {
    let mut rows = connection.rows(measurements(count), ()).await?;
    let plan = BorrowedMeasurement::plan(rows.columns())?;
    for _ in 0..count {
        let row = rows.next().await?.context("rows are missing")?;
        black_box(BorrowedMeasurement::from_row(row, &plan)?);
    }
    ensure!(rows.next().await?.is_none(), "there are too many rows");
    Ok(())
}

async fn rows_collected(connection: &mut Connection, count: usize) -> Result<()> {
    let rows: Vec<Measurement> = connection.fetch_all(measurements(count), ()).await?;
    ensure!(black_box(rows).len() == count, "rows are missing");
    Ok(())
}
