//! `cargo xtask test`

use anyhow::Result;
use cornac_tests::{Cluster, ClusterOptions};
use xshell::cmd;

use crate::steps::{has_program, shell, spinning};

/// What to test.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this.
    filter: Option<String>,
    /// A server of yours (its superuser's URL) in place of one that is started.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // One server for the whole run, held until the tests are done.
    let (url, _cluster) = match &arguments.server {
        Some(url) => (url.clone(), None),
        None => {
            let start = || Cluster::start(&ClusterOptions::default());
            let cluster = spinning("starting a PostgreSQL server", start)?;
            println!("testing on PostgreSQL {}", cluster.version());
            (cluster.url("postgres"), Some(cluster))
        }
    };
    let shell = shell()?;
    shell.set_var("CORNAC_TEST_URL", url);
    let filter = arguments.filter.as_deref();
    if has_program("cargo-nextest") {
        cmd!(shell, "cargo nextest run --workspace --no-fail-fast --no-tests=pass {filter...}").run()?;
    } else {
        cmd!(shell, "cargo test --workspace --lib --bins --tests -- {filter...}").run()?;
    }
    // nextest runs no documentation examples.
    cmd!(shell, "cargo test --quiet --workspace --doc -- {filter...}").run()?;
    Ok(())
}

impl Arguments {
    /// Every test, on a server that is started for them.
    pub(crate) fn all() -> Self {
        Self { filter: None, server: None }
    }
}
