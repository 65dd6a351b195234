//! Checkout and return alone, by cornac's pool and by others, in turns within one process.
//!
//! `cargo run --release --bin pools [ROUNDS]`. cornac, deadpool and bb8 lend something that costs nothing; xitca-postgres and sqlx lend only their own connections, of a server that is started for
//! them, and use them for nothing.

use std::convert::Infallible;
use std::fmt::Display;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use cornac_tests::{Cluster, ClusterOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use cornac_compare::workload::{POOL, TASKS};

/// How often each pool lends in one round.
const ALONE: u32 = 300_000;
const EACH_OF_MANY: u32 = 2_000;

struct Nothing;

impl cornac_pool::Manager for Nothing {
    type Connection = u64;
    type Error = Infallible;

    async fn open(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn check(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }
}

impl deadpool::managed::Manager for Nothing {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Nothing {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

/// One way to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Alone,
    Many { threads: usize },
}

impl Setting {
    const ALL: [Self; 3] = [Self::Alone, Self::Many { threads: 1 }, Self::Many { threads: 2 }];

    fn runtime(self) -> Result<Runtime> {
        Ok(match self {
            Self::Alone | Self::Many { threads: 1 } => Builder::new_current_thread().enable_all().build()?,
            Self::Many { threads } => {
                Builder::new_multi_thread().worker_threads(threads).enable_all().build()?
            }
        })
    }

    fn title(self) -> String {
        match self {
            Self::Alone => "9: one task, one thread".to_owned(),
            Self::Many { threads } => {
                format!("9c: {TASKS} tasks on {POOL} connections, held over a yield, threads: {threads}")
            }
        }
    }
}

/// What one pool did in one round.
struct Sample {
    nanos: f64,
    p50: Duration,
    p99: Duration,
}

async fn measure<G: Send + 'static, E: Display>(
    setting: Setting,
    get: impl AsyncGet<G, E>,
) -> Result<Sample> {
    // Whatever is opened, is opened before.
    let mut held = Vec::new();
    for _ in 0..POOL {
        held.push(get.get().await.map_err(|error| anyhow!("{error}"))?);
    }
    drop(held);
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let mut laps = Vec::new();
    let count = match setting {
        Setting::Alone => {
            for _ in 0..ALONE {
                black_box(&get.get().await.map_err(|error| anyhow!("{error}"))?);
            }
            ALONE
        }
        Setting::Many { .. } => {
            let mut tasks = JoinSet::new();
            for _ in 0..TASKS {
                let get = get.clone();
                tasks.spawn(async move {
                    let mut laps = Vec::with_capacity(EACH_OF_MANY as usize);
                    for _ in 0..EACH_OF_MANY {
                        let begun = Instant::now();
                        let lent = get.get().await.map_err(|error| anyhow!("{error}"))?;
                        tokio::task::yield_now().await;
                        drop(black_box(lent));
                        laps.push(begun.elapsed());
                    }
                    anyhow::Ok(laps)
                });
            }
            while let Some(done) = tasks.join_next().await {
                laps.extend(done??);
            }
            EACH_OF_MANY * u32::try_from(TASKS)?
        }
    };
    let nanos = begun.elapsed().as_secs_f64() * 1e9 / f64::from(count);
    laps.sort_unstable();
    let lap = |percent: usize| laps.get(laps.len() * percent / 100).copied().unwrap_or_default();
    Ok(Sample { nanos, p50: lap(50), p99: lap(99) })
}

/// A pool's checkout.
trait AsyncGet<G, E>: Clone + Send + 'static {
    fn get(&self) -> impl Future<Output = Result<G, E>> + Send;
}

#[derive(Clone)]
struct Cornac(cornac_pool::Pool<Nothing>);
impl AsyncGet<cornac_pool::Pooled<Nothing>, cornac_pool::CheckoutError<Infallible>> for Cornac {
    async fn get(&self) -> Result<cornac_pool::Pooled<Nothing>, cornac_pool::CheckoutError<Infallible>> {
        self.0.checkout().await
    }
}

#[derive(Clone)]
struct Deadpool(deadpool::managed::Pool<Nothing>);
impl AsyncGet<deadpool::managed::Object<Nothing>, deadpool::managed::PoolError<Infallible>> for Deadpool {
    async fn get(
        &self,
    ) -> Result<deadpool::managed::Object<Nothing>, deadpool::managed::PoolError<Infallible>> {
        self.0.get().await
    }
}

#[derive(Clone)]
struct Bb8(bb8::Pool<Nothing>);
impl AsyncGet<bb8::PooledConnection<'static, Nothing>, bb8::RunError<Infallible>> for Bb8 {
    async fn get(&self) -> Result<bb8::PooledConnection<'static, Nothing>, bb8::RunError<Infallible>> {
        self.0.get_owned().await
    }
}

#[derive(Clone)]
struct Sqlx(sqlx::PgPool);
impl AsyncGet<sqlx::pool::PoolConnection<sqlx::Postgres>, sqlx::Error> for Sqlx {
    async fn get(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, sqlx::Error> {
        self.0.acquire().await
    }
}

/// Lends for as long as the program runs: xitca-postgres lends by reference.
#[derive(Clone)]
struct Xitca(&'static xitca_postgres::pool::Pool);
impl AsyncGet<xitca_postgres::pool::PoolConnection<'static>, xitca_postgres::error::Error> for Xitca {
    async fn get(
        &self,
    ) -> Result<xitca_postgres::pool::PoolConnection<'static>, xitca_postgres::error::Error> {
        self.0.get().await
    }
}

const POOLS: [&str; 5] = ["cornac", "xitca-postgres", "deadpool", "bb8", "sqlx"];

async fn one_round(pool: &str, setting: Setting, url: &str) -> Result<Sample> {
    let size = u32::try_from(POOL)?;
    match pool {
        "cornac" => {
            let pool = cornac_pool::Builder::new().min_size(POOL).max_size(POOL).build(Nothing)?;
            measure(setting, Cornac(pool)).await
        }
        "xitca-postgres" => {
            let pool = xitca_postgres::pool::Pool::builder(url).capacity(POOL).build()?;
            measure(setting, Xitca(Box::leak(Box::new(pool)))).await
        }
        "deadpool" => {
            let pool = deadpool::managed::Pool::builder(Nothing).max_size(POOL).build()?;
            measure(setting, Deadpool(pool)).await
        }
        "bb8" => {
            let pool = bb8::Pool::builder().max_size(size).test_on_check_out(false).build(Nothing).await;
            measure(setting, Bb8(pool?)).await
        }
        _ => {
            let options =
                sqlx::postgres::PgPoolOptions::new().max_connections(size).test_before_acquire(false);
            measure(setting, Sqlx(options.connect(url).await?)).await
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<()> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(5), |rounds| rounds.parse())?;
    let cluster = Arc::new(Cluster::start(&ClusterOptions::default())?);
    let url = cluster.url("postgres");
    for setting in Setting::ALL {
        println!("\n{}", setting.title());
        let mut samples: Vec<(&str, Vec<Sample>)> = POOLS.iter().map(|pool| (*pool, Vec::new())).collect();
        for _ in 0..rounds {
            for (pool, samples) in &mut samples {
                let runtime = setting.runtime()?;
                let sample = runtime.block_on(one_round(pool, setting, &url));
                samples.push(sample.with_context(|| (*pool).to_owned())?);
            }
        }
        let of =
            |samples: &[Sample], figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
        let best = samples[1..]
            .iter()
            .map(|(_, samples)| of(samples, |sample| sample.nanos))
            .fold(f64::MAX, f64::min);
        println!("{:<16} {:>10} {:>12} {:>12} {:>12}", "", "ns", "p50 µs", "p99 µs", "x best peer");
        for (pool, samples) in &samples {
            let nanos = of(samples, |sample| sample.nanos);
            println!(
                "{pool:<16} {nanos:>10.1} {:>12.2} {:>12.2} {:>12.2}",
                of(samples, |sample| sample.p50.as_secs_f64() * 1e6),
                of(samples, |sample| sample.p99.as_secs_f64() * 1e6),
                best / nanos
            );
        }
    }
    Ok(())
}
