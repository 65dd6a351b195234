//! Connects where no descriptors are left, in a process of its own, and says how that went: once alone and once through a pool, then again when there are some.

use std::fs::File;
use std::io::ErrorKind as IoErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cornac::{Config, Connection, Database};
use cornac_tests::still_usable;
use rustix::process::{Resource, Rlimit, setrlimit};

/// As many as there may be: enough for what is open by then, and soon used up.
const LIMIT: u64 = 64;

fn main() -> Result<()> {
    let config: Config = std::env::args().nth(1).context("no connection string")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&config))
}

async fn run(config: &Config) -> Result<()> {
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum: Some(LIMIT) })?;
    let builder = Database::builder().min_size(0).max_size(4).acquire_timeout(Duration::from_millis(300));
    let db =
        builder.backoff(Duration::from_millis(10), Duration::from_millis(50)).connect_with(config).await?;
    let mut held = db.checkout().await?;
    for round in 1..=3 {
        let taken = take_all()?;
        println!("round {round}: {} descriptors taken", taken.len());
        let refused = Connection::connect(config).await.err().context("connected without a descriptor")?;
        println!("alone: {refused}");
        println!("alone: transient {}, may retry {}", refused.is_transient(), refused.may_retry());
        let refused =
            db.execute("SELECT 1", ()).await.err().context("had a connection without a descriptor")?;
        println!("pool: {refused}");
        println!("pool: transient {}, may retry {}", refused.is_transient(), refused.may_retry());
        // What is open works on.
        still_usable(&mut held).await;
        let stats = db.pool_stats();
        ensure!(stats.open_failures > 0 && stats.size - stats.opening == 1, "{stats:?}");
        drop(taken);
        still_usable(&mut Connection::connect(config).await?).await;
        while db.execute("SELECT 1", ()).await.is_err() {}
        still_usable(&mut *db.checkout().await?).await;
        db.retire_all();
        while db.pool_stats().size > 1 {
            tokio::task::yield_now().await;
        }
        println!("recovered");
    }
    drop(held);
    db.close().await?;
    let stats = db.pool_stats();
    println!("opened {}, closed {}", stats.opened, stats.closed.total());
    Ok(())
}

/// Opens files until there are no descriptors left.
fn take_all() -> Result<Vec<File>> {
    let mut taken = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => {
                let is_full = error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error());
                ensure!(is_full && error.kind() != IoErrorKind::NotFound, "another failure: {error}");
                return Ok(taken);
            }
        }
    }
}
