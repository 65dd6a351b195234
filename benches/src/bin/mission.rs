//! The figures that users were promised, over a `Database` and a real server: `mission URL`. One line of JSON.

use std::env;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cornac::Database;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

const TASKS: u32 = 64;
const EACH: u32 = 3_000;
const ROWS: i32 = 200_000;
const ONE_BY_ONE: i32 = 5_000;
const POOLED: usize = 100;

fn main() -> Result<()> {
    let url = env::args().nth(1).context("mission URL")?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(async {
        let memory = memory(&url).await?;
        let pool = queries(&url, 0).await?;
        let shared = queries(&url, 4).await?;
        let checkout = checkouts(&url).await?;
        let (copied, inserted) = loads(&url).await?;
        let figures = [
            ("queries_per_second", pool.per_second),
            ("p50_us", pool.at(50)),
            ("p95_us", pool.at(95)),
            ("p99_us", pool.at(99)),
            ("multiplexed_queries_per_second", shared.per_second),
            ("multiplexed_p50_us", shared.at(50)),
            ("multiplexed_p95_us", shared.at(95)),
            ("multiplexed_p99_us", shared.at(99)),
            ("checkout_p50_ns", checkout.at(50) * 1e3),
            ("checkout_p99_ns", checkout.at(99) * 1e3),
            ("copy_rows_per_second", copied),
            ("insert_rows_per_second", inserted),
            ("memory_of_100_connections_bytes", memory),
        ];
        anyhow::Ok(figures)
    })?;
    let fields: Vec<_> = figures.iter().map(|(name, value)| format!("\"{name}\": {value:.1}")).collect();
    println!("{{{}}}", fields.join(", "));
    Ok(())
}

/// How long things took, and how many there were in a second.
struct Timed {
    per_second: f64,
    /// In order.
    took: Vec<Duration>,
}

impl Timed {
    fn new(took: Vec<Duration>, elapsed: Duration) -> Self {
        let mut took = took;
        took.sort_unstable();
        let count = u32::try_from(took.len()).map_or(f64::MAX, f64::from);
        Self { per_second: count / elapsed.as_secs_f64(), took }
    }

    /// What so many percent of them did not exceed, in microseconds.
    fn at(&self, percent: usize) -> f64 {
        let index = self.took.len() * percent / 100;
        self.took
            .get(index.min(self.took.len().saturating_sub(1)))
            .map_or(0.0, |took| took.as_secs_f64() * 1e6)
    }
}

/// Point queries from 64 tasks, over a pool of 8 or over shared connections.
async fn queries(url: &str, multiplex: usize) -> Result<Timed> {
    let db = Database::builder().min_size(8).max_size(8).multiplex(multiplex).connect(url).await?;
    db.simple_query("DROP TABLE IF EXISTS item; CREATE TABLE item (id int4 PRIMARY KEY, name text);
                     INSERT INTO item SELECT id, 'item ' || id FROM generate_series(0, 9999) id; ANALYZE item")
        .await?;
    db.warm_up(8, Duration::from_secs(30)).await?;
    ask(&db, 200).await?;
    ask(&db, EACH).await
}

async fn ask(db: &Database, each: u32) -> Result<Timed> {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let db = db.clone();
        tasks.spawn(async move {
            let mut took = Vec::with_capacity(usize::try_from(each)?);
            for number in 0..each {
                let id = i32::try_from((task * 7919 + number * 31) % 10_000)?;
                let began = Instant::now();
                let name: String = db.fetch_value("SELECT name FROM item WHERE id = $1", (id,)).await?;
                took.push(began.elapsed());
                anyhow::ensure!(name.ends_with(&id.to_string()), "{name} for {id}");
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(task) = tasks.join_next().await {
        took.extend(task??);
    }
    Ok(Timed::new(took, began.elapsed()))
}

/// Checkout and return, without a statement in between.
async fn checkouts(url: &str) -> Result<Timed> {
    let db = Database::builder().max_size(8).connect(url).await?;
    db.warm_up(8, Duration::from_secs(30)).await?;
    let mut took = Vec::with_capacity(200_000);
    let all = Instant::now();
    for _ in 0..200_000 {
        let began = Instant::now();
        drop(db.checkout().await?);
        took.push(began.elapsed());
        if took.len() % 128 == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(Timed::new(took, all.elapsed()))
}

/// Rows a second by COPY, and by INSERTs one by one.
async fn loads(url: &str) -> Result<(f64, f64)> {
    let db = Database::builder().max_size(1).connect(url).await?;
    db.simple_query("DROP TABLE IF EXISTS load; CREATE TABLE load (id int4, name text, price float8)")
        .await?;
    let record = |id: i32| (id, format!("item {id}"), f64::from(id) / 4.0);
    let began = Instant::now();
    let copied = db.copy_records_to_table("load", &["id", "name", "price"], (0..ROWS).map(record)).await?;
    let copy = f64::from(u32::try_from(copied)?) / began.elapsed().as_secs_f64();
    let began = Instant::now();
    for id in 0..ONE_BY_ONE {
        db.execute("INSERT INTO load VALUES ($1, $2, $3)", record(id)).await?;
    }
    Ok((copy, f64::from(ONE_BY_ONE) / began.elapsed().as_secs_f64()))
}

/// What 100 idle connections add to the memory of this process.
async fn memory(url: &str) -> Result<f64> {
    let db = Database::builder().min_size(0).max_size(POOLED).connect(url).await?;
    db.execute("SELECT 1", ()).await?;
    let before = resident()?;
    db.warm_up(POOLED, Duration::from_secs(60)).await?;
    let after = resident()?;
    db.close().await?;
    Ok(after - before)
}

fn resident() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kilobytes * 1024.0)
}
