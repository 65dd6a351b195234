//! Starts a cluster, says where it is, and holds it until its input ends: to be killed by a test of the harness.

use cornac_tests::{Cluster, ClusterOptions};

fn main() -> anyhow::Result<()> {
    let cluster = Cluster::start(&ClusterOptions::default())?;
    println!("{} {}", cluster.postmaster_pid()?, cluster.socket_directory().display());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
