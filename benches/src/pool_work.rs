//! What a pool is measured with: connections that cost nothing.

use std::convert::Infallible;
use std::hint::black_box;

use anyhow::Result;
use cornac_pool::{Builder, Manager, Pool};
use tokio::task::{JoinSet, yield_now};

/// How many connections there are.
pub const SLOTS: usize = 8;
/// How many tasks want one.
pub const TASKS: usize = 64;

/// Opens numbers.
#[derive(Debug)]
pub struct Nothing;

impl Manager for Nothing {
    type Connection = u64;
    type Error = Infallible;

    async fn open(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn check(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A pool whose connections are open.
///
/// # Errors
///
/// None that are expected.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn warm_pool() -> Result<Pool<Nothing>> {
    let pool = Builder::new().min_size(SLOTS).max_size(SLOTS).build(Nothing)?;
    pool.warm_up(SLOTS, std::time::Duration::from_secs(10)).await?;
    Ok(pool)
}

/// Checks out and returns so often, one after the other.
///
/// # Errors
///
/// None that are expected.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn alone(pool: &Pool<Nothing>, count: usize) -> Result<()> {
    for _ in 0..count {
        black_box(&mut *pool.checkout().await?);
    }
    Ok(())
}

/// Checks out and returns so often in each of the tasks, which hold a connection while the others have their turn.
///
/// # Errors
///
/// None that are expected.
///
/// # Cancel safety
///
/// The tasks are aborted.
pub async fn together(pool: &Pool<Nothing>, each: usize) -> Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            for _ in 0..each {
                let mut lent = pool.checkout().await?;
                yield_now().await;
                black_box(&mut *lent);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}
