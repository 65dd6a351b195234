//! Measuring the process that this runs in.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::task::JoinSet;

use crate::measured::Measured;
use crate::workload::TASKS;

/// A measurement that has begun: after connecting and preparing, before the first piece of work.
#[derive(Debug)]
pub struct Meter {
    begun: Instant,
    cpu: f64,
    laps: Vec<Duration>,
}

impl Meter {
    /// Begins.
    pub fn start() -> Result<Self> {
        Ok(Self { cpu: cpu_seconds()?, begun: Instant::now(), laps: Vec::new() })
    }

    /// One piece of work, which began at `begun`, is done.
    pub fn lap(&mut self, begun: Instant) {
        self.laps.push(begun.elapsed());
    }

    /// Runs 64 tasks, each of which times its pieces of work, until all are done.
    pub async fn tasks<F>(&mut self, task: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = Result<Vec<Duration>>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        (0..TASKS).for_each(|_| drop(tasks.spawn(task())));
        while let Some(laps) = tasks.join_next().await {
            self.laps.extend(laps??);
        }
        Ok(())
    }

    /// Ends: the work was done so often.
    pub fn finish(mut self, count: usize) -> Result<Option<Measured>> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds()? - self.cpu;
        self.laps.sort_unstable();
        let percentile = |percent: usize| {
            let lap = self.laps.get((self.laps.len() * percent / 100).min(self.laps.len().saturating_sub(1)));
            lap.map(|lap| lap.as_secs_f64() * 1e6)
        };
        Ok(Some(Measured {
            count: float(count)?,
            seconds,
            cpu_seconds,
            peak_kib: status_kib("VmHWM:")?,
            p50_us: percentile(50),
            p95_us: percentile(95),
            p99_us: percentile(99),
            kib_each: None,
        }))
    }
}

/// What each of `count` things takes that `make` makes, beside a first one: what a process needs once (code that is read in, a runtime, what
/// connections share) is no connection's.
pub async fn memory<T, F: Future<Output = Result<Vec<T>>>>(
    count: usize,
    make: impl Fn(usize) -> F,
) -> Result<Option<Measured>> {
    let first = make(1).await?;
    let meter = Meter::start()?;
    let before = status_kib("VmRSS:")?;
    let held = make(count).await?;
    let grown = status_kib("VmRSS:")? - before;
    drop((first, held));
    let measured = meter.finish(count)?;
    let kib_each = grown / float(count)?;
    Ok(measured.map(|measured| Measured { kib_each: Some(kib_each), ..measured }))
}

/// The processor time of this process so far, user's and system's.
fn cpu_seconds() -> Result<f64> {
    let usage: Usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?).as_secs_f64())
}

/// A figure of `/proc/self/status`. What getrusage gives as the peak is also that of the program that started this one.
fn status_kib(key: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value.with_context(|| format!("no {key} in /proc/self/status"))?.parse()?)
}

pub fn float(count: usize) -> Result<f64> {
    Ok(f64::from(u32::try_from(count)?))
}
