//! `cargo xtask compare`

use anyhow::Result;
use xshell::cmd;

use crate::steps::shell;

/// What to compare: handed on to the harness, which is in a workspace of its own.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Workloads by their numbers, and options; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = shell()?;
    // What files are named stays relative to where this was called; only the build has to happen there.
    let directory = cornac_tests::workspace_root().join("benches/compare");
    let manifest = directory.join("Cargo.toml");
    cmd!(shell, "cargo build --quiet --release --locked --manifest-path {manifest}").run()?;
    let program = directory.join("target/release/compare");
    let arguments = &arguments.arguments;
    let caller = std::env::current_dir()?;
    shell.change_dir(caller);
    cmd!(shell, "{program} {arguments...}").run()?;
    Ok(())
}
