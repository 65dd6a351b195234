//! The same work with more and more in it: what doubling it may cost.

use std::hint::black_box;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use cornac::{Client, Config, Connection, FromRow, Timestamptz};

use super::cornac::config;
use crate::work::{Measurement, POINT_SELECT, distinct, long_value, measurements, wide_row};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Rows of one result, streamed.
    Rows,
    /// Rows of one result, collected into a `Vec`.
    CollectedRows,
    /// Columns of a row.
    Columns,
    /// Statements in a pipeline, a Sync each.
    Pipeline,
    /// Statements of one batch (`execute_many`).
    Batch,
    /// Statements that a connection has prepared, and looks up by their text.
    CachedStatements,
    /// Statements that give way to others, in a cache that holds half of them.
    EvictedStatements,
    /// Bytes of one value.
    ValueBytes,
}

/// How often the work is done where once says too little.
const TIMES: usize = 50;

impl Growth {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rows,
        Self::CollectedRows,
        Self::Columns,
        Self::Pipeline,
        Self::Batch,
        Self::CachedStatements,
        Self::EvictedStatements,
        Self::ValueBytes,
    ];

    /// Its name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::CollectedRows => "collected_rows",
            Self::Columns => "columns",
            Self::Pipeline => "pipeline",
            Self::Batch => "batch",
            Self::CachedStatements => "cached_statements",
            Self::EvictedStatements => "evicted_statements",
            Self::ValueBytes => "value_bytes",
        }
    }

    /// The sizes that are counted, from small to large.
    pub fn sizes(self) -> &'static [usize] {
        match self {
            // Powers of two, so that what a Vec has grown to is full at each.
            Self::Rows | Self::CollectedRows => &[1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18],
            Self::Columns => &COLUMNS,
            Self::Pipeline | Self::Batch => &[1 << 10, 1 << 12, 1 << 14, 1 << 16],
            Self::CachedStatements | Self::EvictedStatements => &[128, 512, 2048],
            Self::ValueBytes => &VALUE_BYTES,
        }
    }

    /// How often each piece is done in a run of any size.
    pub fn times(self) -> usize {
        match self {
            Self::Columns => TIMES,
            Self::ValueBytes => 4,
            _ => 1,
        }
    }
}

/// The columns of the rows that the recorded server knows, up to as many as a table can have.
pub const COLUMNS: [usize; 5] = [1, 25, 100, 400, 1600];

/// The lengths of the values that the recorded server knows.
pub const VALUE_BYTES: [usize; 5] = [1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 23];

impl FromStr for Growth {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|growth| growth.name() == name) {
            Some(growth) => Ok(growth),
            None => bail!(
                "nothing grows that is named {name:?}; there are {}",
                Self::ALL.map(Self::name).join(", ")
            ),
        }
    }
}

/// Does the work with `size` in it, against the recorded server in `directory`.
///
/// # Errors
///
/// The client's.
///
/// # Cancel safety
///
/// When dropped, the connection is closed.
pub async fn grow(growth: Growth, size: usize, directory: &Path) -> Result<()> {
    let config = config(directory);
    match growth {
        Growth::CachedStatements => {
            let mut connection = connect(config.statement_cache_capacity(size)).await?;
            statements(&mut connection, size).await?;
            statements(&mut connection, size).await
        }
        Growth::EvictedStatements => {
            let mut connection = connect(config.statement_cache_capacity(size / 2)).await?;
            statements(&mut connection, size).await
        }
        Growth::Rows => rows(&mut connect(config).await?, size).await,
        Growth::CollectedRows => {
            let rows: Vec<Measurement> = connect(config).await?.fetch_all(measurements(size), ()).await?;
            ensure!(black_box(rows).len() == size, "rows are missing");
            Ok(())
        }
        Growth::Columns => columns(&mut connect(config).await?, size, growth.times()).await,
        Growth::Pipeline => pipeline(&mut connect(config).await?, size).await,
        Growth::Batch => {
            let mut connection = connect(config).await?;
            let statement = connection.prepare(crate::work::INSERT).await?;
            let rows = (1_i32..).take(size).map(|id| (id, "tusk", 1.5_f64));
            black_box(connection.execute_many(&statement, rows).await?);
            Ok(())
        }
        Growth::ValueBytes => values(&mut connect(config).await?, size, growth.times()).await,
    }
}

async fn connect(config: Config) -> Result<Connection> {
    Ok(Connection::connect(&config).await?)
}

/// Runs that many distinct statements.
async fn statements(connection: &mut Connection, count: usize) -> Result<()> {
    for number in 0..count {
        let row: (i32, String, Timestamptz, i32) = connection.fetch_one(&*distinct(number), (7,)).await?;
        black_box(row);
    }
    Ok(())
}

async fn rows(connection: &mut Connection, count: usize) -> Result<()> {
    let mut rows = connection.rows(measurements(count), ()).await?;
    let plan = Measurement::plan(rows.columns())?;
    let mut seen = 0;
    while let Some(row) = rows.next().await? {
        black_box(Measurement::from_row(row, &plan)?);
        seen += 1;
    }
    ensure!(seen == count, "{seen} rows came");
    Ok(())
}

async fn columns(connection: &mut Connection, count: usize, times: usize) -> Result<()> {
    let statement = connection.prepare(wide_row(count)).await?;
    for _ in 0..times {
        let mut rows = connection.rows(&statement, ()).await?;
        let row = rows.next().await?.context("no row")?;
        let mut walk = row.walk();
        for _ in 0..count {
            black_box(walk.decode::<i32>()?);
        }
        ensure!(rows.next().await?.is_none(), "there are too many rows");
    }
    Ok(())
}

async fn pipeline(connection: &mut Connection, count: usize) -> Result<()> {
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

async fn values(connection: &mut Connection, len: usize, times: usize) -> Result<()> {
    let statement = connection.prepare(long_value(len)).await?;
    for _ in 0..times {
        let value: String = connection.fetch_value(&statement, ()).await?;
        ensure!(black_box(value).len() == len, "the value has another length");
    }
    Ok(())
}
