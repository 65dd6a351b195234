//! `cargo xtask lint`

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use xshell::cmd;

use crate::steps::{has_program, run_all, shell};
use crate::{codegen, tidy};

pub(crate) fn run() -> Result<()> {
    run_all(&[
        ("formatting", &formatting),
        ("clippy", &clippy),
        ("docs", &docs),
        ("generated tables", &|| codegen::run(&codegen::Arguments::check())),
        ("tidy", &tidy::run),
        ("dependencies", &dependencies),
        ("their number", &number_of_dependencies),
    ])
}

fn formatting() -> Result<()> {
    let shell = shell()?;
    cmd!(shell, "cargo fmt --all -- --check").run()?;
    // A workspace of its own.
    Ok(cmd!(shell, "cargo fmt --manifest-path benches/compare/Cargo.toml -- --check").run()?)
}

fn clippy() -> Result<()> {
    let shell = shell()?;
    cmd!(shell, "cargo clippy --workspace --all-targets --quiet -- -D warnings").run()?;
    // The tests turn features on: what stands in their place without them is seen here alone.
    Ok(cmd!(shell, "cargo clippy -p cornac -p cornac-pool --lib --quiet -- -D warnings").run()?)
}

fn docs() -> Result<()> {
    let shell = shell()?;
    shell.set_var("RUSTDOCFLAGS", "-D warnings");
    Ok(cmd!(shell, "cargo doc --workspace --no-deps --quiet").run()?)
}

/// Licences, sources and doubled dependencies can be checked anywhere; advisories only where their database can be fetched.
fn dependencies() -> Result<()> {
    let shell = shell()?;
    if !has_program("cargo-deny") {
        cmd!(shell, "cargo install --locked cargo-deny").run()?;
    }
    cmd!(shell, "cargo deny --log-level error check bans licenses sources").run()?;
    let advisories =
        cmd!(shell, "cargo deny --log-level error check advisories").ignore_status().quiet().output()?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        println!("advisories: none");
    } else if said.contains("failed to fetch advisory database") || said.contains("unable to fetch") {
        println!("advisories: NOT CHECKED, since their database cannot be fetched from this machine");
    } else {
        anyhow::bail!("advisories:\n{said}");
    }
    Ok(())
}

/// What the README says of the number of dependencies.
fn number_of_dependencies() -> Result<()> {
    let shell = shell()?;
    let target = "x86_64-unknown-linux-gnu";
    let tree =
        cmd!(shell, "cargo tree -p cornac -e normal --prefix none --no-dedupe --target {target}").read()?;
    let others: BTreeSet<_> = tree.lines().filter(|line| !line.starts_with("cornac")).collect();
    let claim = format!("depends on {} crates of others", others.len());
    let readme = fs::read_to_string(cornac_tests::workspace_root().join("README.md"))?;
    ensure!(readme.contains(&claim), "README.md does not say that cornac {claim}");
    println!("cornac {claim}");
    Ok(())
}
