//! Lends and takes back so often, to be counted: `pool_client alone|together COUNT`.
//!
//! What one checkout costs is the difference between two counts: `valgrind --tool=callgrind --callgrind-out-file=/dev/null pool_client alone 1000`, then 11000.

use anyhow::{Context, Result, bail};
use cornac_benches::pool_work::{TASKS, alone, together, warm_pool};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, count] = <[String; 2]>::try_from(arguments).ok().context("work and count are needed")?;
    let count = count.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let pool = warm_pool().await?;
        match work.as_str() {
            "alone" => alone(&pool, count).await,
            "together" => together(&pool, count / TASKS).await,
            _ => bail!("the work is `alone` or `together`"),
        }
    })
}
