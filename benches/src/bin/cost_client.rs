//! Does work of one kind so often: `cost_client CLIENT WORKLOAD COUNT DIRECTORY`. Ends with [`NO_VERB`] when the client has no verb for it.
//! `cost_client growth WHAT SIZE DIRECTORY` does work with so much in it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use cornac_benches::cost::{self, NO_VERB};

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [client, workload, count, directory] = <[String; 4]>::try_from(arguments)
        .ok()
        .context("client, workload, count and directory are needed")?;
    let count = count.parse()?;
    // Without timers, whose bookkeeping costs more each time that the runtime waits than cornac does. No verb needs one, unless it is
    // given a deadline.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let directory = PathBuf::from(directory);
    if client == "growth" {
        runtime.block_on(cost::grow(workload.parse()?, count, &directory))?;
        return Ok(ExitCode::SUCCESS);
    }
    let worked = runtime.block_on(cost::run(client.parse()?, workload.parse()?, count, &directory))?;
    Ok(if worked { ExitCode::SUCCESS } else { ExitCode::from(NO_VERB) })
}
