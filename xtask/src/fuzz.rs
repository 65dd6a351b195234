//! `cargo xtask fuzz`

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::steps::{has_program, shell};

/// What to fuzz.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The target; all of them by default.
    target: Option<String>,
    /// For how many seconds each.
    #[arg(default_value_t = 60)]
    seconds: u32,
    /// Write the seeds of the corpora anew, from a session that is recorded now, and fuzz nothing.
    #[arg(long)]
    seed: bool,
}

impl Arguments {
    /// Every target, for this long.
    pub(crate) fn all(seconds: u32) -> Self {
        Self { target: None, seconds, seed: false }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.seed {
        return seed();
    }
    let shell = shell()?;
    if !has_program("cargo-fuzz") {
        cmd!(shell, "cargo install --locked cargo-fuzz").run()?;
    }
    let targets = match &arguments.target {
        Some(target) => vec![target.clone()],
        None => targets()?,
    };
    let mut summary = Vec::new();
    for target in targets {
        summary.push((target.clone(), fuzz(&target, arguments.seconds)?));
    }
    println!();
    for (target, Covered { runs, functions }) in &summary {
        println!("{target}: {runs} runs without a finding, {} functions of cornac covered", functions.len());
    }
    Ok(())
}

fn seed() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let recording = runtime.block_on(cornac_tests::record_session())?;
    let corpus = cornac_tests::workspace_root().join("fuzz/corpus");
    let seeds = cornac_tests::fuzz::seeds(&recording);
    for seed in &seeds {
        let directory = corpus.join(seed.target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(&seed.name), &seed.bytes)?;
    }
    println!("{} seeds in {}", seeds.len(), corpus.display());
    Ok(())
}

/// What a run saw.
struct Covered {
    runs: u64,
    functions: BTreeSet<String>,
}

fn fuzz(target: &str, seconds: u32) -> Result<Covered> {
    let fuzz_dir = cornac_tests::workspace_root().join("fuzz");
    println!("\n-- {target}, {seconds} s");
    // What is found goes to a corpus of this run's own; the one that is checked in is read, and stays as it is.
    let found = cornac_tests::target_dir().join("fuzz-corpus").join(target);
    fs::create_dir_all(&found)?;
    let seeds = fuzz_dir.join("corpus").join(target);
    let dictionary = fuzz_dir.join("protocol.dict");
    let mut command = Command::new("cargo");
    command.args(["fuzz", "run", target]).arg(&found).arg(&seeds).arg("--");
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-dict={}", dictionary.display()));
    command.args(["-print_final_stats=1", "-print_coverage=1", "-rss_limit_mb=2048", "-timeout=10"]);
    // Sanitizers are for the nightly toolchain by name, and work on the stable one all the same.
    command.env("RUSTC_BOOTSTRAP", "1").current_dir(fuzz_dir.parent().context("no checkout")?);
    let output = command.stdin(Stdio::null()).stdout(Stdio::inherit()).stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{target} has a finding:\n{}", finding(&said));

    let stat = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let runs = stat("stat::number_of_executed_units:").unwrap_or(0);
    let functions = said.lines().filter_map(covered_function).collect();
    let covered = Covered { runs, functions };
    for function in &covered.functions {
        println!("   {function}");
    }
    Ok(covered)
}

/// What matters of what cargo-fuzz says of a finding: the panic, or the sanitizer's report, and how to run it again.
fn finding(said: &str) -> String {
    let chatter = ["COVERED_", "UNCOVERED_", "#", "stat::", "INFO:"];
    let lines = said.lines().filter(|line| !chatter.iter().any(|begin| line.trim_start().starts_with(begin)));
    let from_report: Vec<_> = lines
        .skip_while(|line| !line.contains("panicked at") && !line.contains("ERROR:"))
        .filter(|line| line.len() < 1000)
        .take(60)
        .collect();
    // A target that does not build has no report.
    if from_report.is_empty() { said.to_owned() } else { from_report.join("\n") }
}

/// `COVERED_FUNC: hits: 7 edges: 3/5 cornac_proto::frame::frame src/frame.rs:80`, demangled by libFuzzer's symbolizer or not.
fn covered_function(line: &str) -> Option<String> {
    let rest = line.strip_prefix("COVERED_FUNC:")?;
    let name = rest.split_whitespace().find(|word| word.contains("cornac"))?;
    Some(name.to_owned())
}

fn targets() -> Result<Vec<String>> {
    let manifest = fs::read_to_string(cornac_tests::workspace_root().join("fuzz/Cargo.toml"))?;
    let mut names = manifest.split("[[bin]]").skip(1).filter_map(|table| {
        table.lines().find_map(|line| Some(line.strip_prefix("name = ")?.trim_matches('"').to_owned()))
    });
    let targets: Vec<String> = names.by_ref().collect();
    ensure!(!targets.is_empty(), "fuzz/Cargo.toml has no targets");
    Ok(targets)
}
