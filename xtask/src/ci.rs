//! `cargo xtask ci`

use anyhow::Result;

use crate::steps::run_all;
use crate::{demo, fuzz, lint, test};

/// How long CI fuzzes each target, in seconds.
const FUZZ_SECONDS: u32 = 10;

pub(crate) fn run() -> Result<()> {
    run_all(&[
        ("lint", &lint::run),
        ("test", &|| test::run(&test::Arguments::all())),
        ("demo", &|| demo::run(&demo::Arguments::default())),
        ("fuzz", &|| fuzz::run(&fuzz::Arguments::all(FUZZ_SECONDS))),
    ])
}
