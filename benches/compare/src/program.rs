//! The program of a driver.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::measured::Measured;
use crate::target::Target;
use crate::workload::Workload;

/// Does the workload that the first argument names, on the servers that the file of the second one names, and prints what was measured as JSON,
/// or `null` when the driver has no verb for it.
///
/// # Errors
///
/// The driver's.
pub fn run(work: impl AsyncFn(Workload, &Target) -> Result<Option<Measured>>) -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let workload = arguments.next().context("a workload is needed")?.to_string_lossy().parse()?;
    let target =
        Target::read(&PathBuf::from(arguments.next().context("a file with the servers is needed")?))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(work(workload, &target))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
