//! `cargo xtask demo`: a server, and on it the main job.

mod clock_changes;

use anyhow::Result;
use cornac_tests::{Cluster, ClusterOptions};

use crate::steps::spinning;

/// Where to show it.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// A database of yours in place of a server that is started. A temporary table is all that is made in it.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (url, cluster) = match &arguments.server {
        Some(url) => (url.clone(), None),
        None => {
            let start = || Cluster::start(&ClusterOptions::default());
            let cluster = spinning("finding (or fetching) and starting a PostgreSQL server", start)?;
            (cluster.url("postgres"), Some(cluster))
        }
    };
    let data = std::fs::read_to_string(cornac_tests::workspace_root().join("tests/data/clock_changes.tsv"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(clock_changes::show(&url, &data))?;
    if cluster.is_some() {
        println!("\nThe server is stopped and its directory removed.");
    }
    Ok(())
}
