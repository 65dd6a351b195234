//! `cargo xtask loom`: the pool's models, in every order that their threads can take.

use anyhow::{Result, bail, ensure};
use xshell::cmd;

use crate::steps::shell;

/// The orderings that the pool rests on: the variants of `Edge` in crates/pool/src/sync.rs.
const EDGES: [&str; 4] = ["GivePermit", "TakePermit", "SetBit", "ClearBit"];

/// How far to go.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only models whose name contains this.
    filter: Option<String>,
    /// How often a thread may be preempted in one execution; 2 unless given. Each one more takes many times as long.
    #[arg(long, value_name = "NUMBER")]
    preemptions: Option<usize>,
    /// Relax each ordering in turn, and fail unless a model notices.
    #[arg(long)]
    weaken: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("every ordering as it is:");
    let (passed, models) = models(arguments, None)?;
    ensure!(!models.is_empty(), "no model has that name");
    ensure!(passed, "a model has failed");
    if !arguments.weaken {
        return Ok(());
    }
    let mut unnoticed = Vec::new();
    for edge in EDGES {
        println!("\n{edge} relaxed:");
        let (passed, failed) = self::models(arguments, Some(edge))?;
        println!("{} of {} models fail", failed.len(), models.len());
        if passed {
            unnoticed.push(edge);
        }
    }
    if unnoticed.is_empty() { Ok(()) } else { bail!("no model needs {}", unnoticed.join(", ")) }
}

/// Runs the models. Says whether all passed, and names those that passed, or with an ordering relaxed those that failed.
fn models(arguments: &Arguments, weakened: Option<&str>) -> Result<(bool, Vec<String>)> {
    let shell = shell()?;
    shell.set_var("RUSTFLAGS", "--cfg loom");
    shell.set_var("RUST_BACKTRACE", "0");
    if let Some(preemptions) = arguments.preemptions {
        shell.set_var("LOOM_MAX_PREEMPTIONS", preemptions.to_string());
    }
    if let Some(edge) = weakened {
        shell.set_var("CORNAC_LOOM_WEAKEN", edge);
    }
    let filter = format!("exchange::models::{}", arguments.filter.as_deref().unwrap_or_default());
    // A directory of its own: with another flag nothing that others have built is of use.
    let command = cmd!(
        shell,
        "cargo test --quiet --package cornac-pool --release --lib --target-dir target/loom {filter} -- --nocapture --test-threads=1 --format=pretty"
    );
    let output = command.ignore_status().ignore_stderr().quiet().output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let wanted = if weakened.is_some() { "FAILED" } else { "ok" };
    let mut names = Vec::new();
    let mut current = String::new();
    for line in said.lines() {
        if let Some((_, count)) = line.split_once("model ") {
            println!("  {count}");
        }
        if let Some((_, name)) = line.split_once("exchange::models::") {
            name.split(' ').next().unwrap_or_default().clone_into(&mut current);
        }
        if line.ends_with(wanted) && !current.is_empty() {
            if weakened.is_some() {
                println!("  fails: {current}");
            }
            names.push(std::mem::take(&mut current));
        }
    }
    ensure!(weakened.is_some() || output.status.success(), "{said}");
    Ok((output.status.success(), names))
}
