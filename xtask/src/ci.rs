//! `cargo xtask ci`

use anyhow::Result;

use crate::steps::{Step, run_all};
use crate::{cost, demo, fuzz, kerberos, lint, loom, test};

/// How long CI fuzzes each target, in seconds.
const FUZZ_SECONDS: u32 = 10;

/// What CI runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Leave out the tests, which have run already.
    #[arg(long)]
    without_tests: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps: Vec<Step<'_>> = vec![("lint", &lint::run)];
    if !arguments.without_tests {
        steps.push(("test", &|| test::run(&test::Arguments::all())));
    }
    steps.push(("loom", &|| loom::run(&loom::Arguments::default())));
    steps.push(("cost", &|| cost::run(&cost::Arguments::check())));
    steps.push(("growth", &|| cost::run(&cost::Arguments::growth())));
    steps.push(("kerberos", &kerberos::run));
    steps.push(("demo", &|| demo::run(&demo::Arguments::default())));
    steps.push(("fuzz", &|| fuzz::run(&fuzz::Arguments::all(FUZZ_SECONDS))));
    run_all(&steps)
}
