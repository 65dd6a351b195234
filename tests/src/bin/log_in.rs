//! Connects as its argument says, in a process whose environment is the test's to set, and says how that ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cornac_conn::{Client, Config, Connection, Surroundings};

fn main() -> Result<()> {
    let text = std::env::args().nth(1).context("no connection string")?;
    let config = Config::parse_in(&text, &Surroundings::none())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let said = runtime.block_on(async {
        // Others want the thread too: whoever blocks it stops this clock.
        let ticks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&ticks);
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_millis(10));
            loop {
                clock.tick().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let outcome = match log_in(&config).await {
            Ok(user) => format!("in as {user}"),
            Err(error) => format!("out: {error}"),
        };
        format!("{outcome}\n{} ms, {} ticks", begun.elapsed().as_millis(), ticks.load(Ordering::Relaxed))
    });
    println!("{said}");
    // A library that still waits for somebody is not waited for.
    runtime.shutdown_background();
    Ok(())
}

async fn log_in(config: &Config) -> cornac_conn::Result<String> {
    let mut connection = Connection::connect(config).await?;
    let sql = "SELECT session_user || coalesce(' by ticket of ' || principal, '') || ', encrypted: ' || encrypted::text \
               FROM pg_stat_gssapi WHERE pid = pg_backend_pid()";
    let user = connection.fetch_value::<String, _>(sql, ()).await?;
    cornac_tests::still_usable(&mut connection).await;
    connection.close().await?;
    Ok(user)
}
