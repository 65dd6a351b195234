//! `cargo xtask bench`

use anyhow::Result;
use xshell::cmd;

use crate::steps::shell;

/// What to time.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only benches whose name contains this, such as `rows` or `decode/text`; all by default.
    name: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = shell()?;
    let name = arguments.name.as_deref();
    cmd!(shell, "cargo bench --quiet --package cornac-benches --benches -- {name...}").run()?;
    Ok(())
}
