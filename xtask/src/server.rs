//! `cargo xtask server`

use anyhow::Result;
use cornac_tests::{Cluster, ClusterOptions, provision};

use crate::steps::spinning;

/// Which server to start.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The major version, such as 16; the one that is found by default. It is fetched if it is not there.
    version: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binaries = spinning("looking for a PostgreSQL server", || provision(arguments.version.as_deref()))?;
    let options = ClusterOptions { binaries: Some(binaries), ..ClusterOptions::default() };
    let cluster = spinning("starting it", || Cluster::start(&options))?;
    println!("PostgreSQL {} is running; Ctrl-C stops it and removes its data", cluster.version());
    println!("socket   {}", cluster.socket_directory().display());
    println!("{}", cluster.url("postgres"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c())?;
    Ok(())
}
