//! Compares.

use anyhow::Result;
use clap::Parser;
use cornac_compare::harness;

/// The same work on cornac and on other drivers.
#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    arguments: harness::Arguments,
}

fn main() -> Result<()> {
    harness::run(&Program::parse().arguments)
}
