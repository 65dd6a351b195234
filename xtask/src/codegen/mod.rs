//! `cargo xtask codegen`: tables that are generated from checked-in data.

mod sqlstate;
mod types;

use anyhow::{Context, Result, bail};

/// What to do with the tables.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if a table is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Where a table comes from, where it goes, and what makes the one out of the other.
type Table = (&'static str, &'static str, fn(&str) -> String);

const TABLES: [Table; 2] = [
    ("crates/proto/errcodes.tsv", "crates/proto/src/sqlstate/codes.rs", sqlstate::generate),
    ("crates/types/pg_type.tsv", "crates/types/src/ty/table.rs", types::generate),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = cornac_tests::workspace_root();
    for (source, target, generate) in TABLES {
        let data = std::fs::read_to_string(root.join(source)).with_context(|| format!("no {source}"))?;
        let generated = generate(&data);
        let path = root.join(target);
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        if current == generated {
            println!("{target} is current");
        } else if arguments.check {
            bail!("{target} is not what {source} makes; run `cargo xtask codegen`");
        } else {
            std::fs::write(&path, generated)?;
            println!("{target} was written");
        }
    }
    Ok(())
}

impl Arguments {
    /// Only checks.
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}
