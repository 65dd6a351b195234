//! `cargo xtask cost`: what the client costs, counted against a server that answers recorded bytes in another process.

mod baseline;
mod calls;
mod counting;
mod figures;
mod growth;
mod profile;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use cornac_benches::cost::{Client, Workload};
use xshell::cmd;

use crate::steps::{has_program, shell, spinning};

use baseline::Baseline;
use calls::Calls;
use counting::Counting;
use figures::{Figures, Row};

/// What to count, and what to do with the figures.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// One workload, such as `point_select`, `row_dropped` or `idle_connection`; all by default.
    workload: Option<String>,
    /// Fail when a figure is more than 5 % above the one that is checked in.
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Check these figures in: write them to benches/cost.json.
    #[arg(long)]
    update: bool,
    /// Write all figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Count instead whether a piece of work costs the same however many there are (rows, columns, statements, bytes); fail when it does not. The
    /// argument is then one of these, such as `columns`.
    #[arg(long, conflicts_with_all = ["check", "update", "json", "keep"])]
    growth: bool,
    /// Count nothing, but keep callgrind's profile of cornac in this directory, with what callgrind_annotate makes of it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check", "update", "json"])]
    keep: Option<PathBuf>,
}

impl Arguments {
    /// What CI asks for.
    pub(crate) fn check() -> Self {
        Self { check: true, ..Self::default() }
    }

    /// As [`check`](Self::check), of what grows.
    pub(crate) fn growth() -> Self {
        Self { growth: true, ..Self::default() }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    for program in ["valgrind", "strace"] {
        ensure!(has_program(program), "{program} is needed (Debian: apt-get install valgrind strace)");
    }
    let shell = shell()?;
    cmd!(shell, "cargo build --quiet --release --package cornac-benches --bins").run()?;
    let counting = Counting::start()?;
    if arguments.growth {
        return growth::run(&counting, arguments.workload.as_deref());
    }
    let workloads = match &arguments.workload {
        Some(name) => vec![name.parse()?],
        None => Workload::ALL.to_vec(),
    };
    if let Some(directory) = &arguments.keep {
        return workloads.iter().try_for_each(|&workload| profile::keep(&counting, workload, directory));
    }
    let rows = count(&counting, &workloads)?;
    let mut baseline = Baseline::read()?;
    figures::print(&rows, &baseline);
    let mut findings = Vec::new();
    for (client, calls) in calls_of_a_query(&counting, &workloads)? {
        println!("a point SELECT of {}: {calls}", client.name());
        let finding = calls.finding().filter(|_| client == Client::Cornac);
        findings.extend(finding.map(|finding| format!("a point SELECT makes {finding}")));
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, figures::json(&rows)).with_context(|| format!("{}", file.display()))?;
    }
    if arguments.update {
        baseline.update(&rows)?;
    }
    if arguments.check {
        findings.extend(baseline.findings(&rows));
        for finding in &findings {
            println!("{finding}");
        }
        if !findings.is_empty() {
            bail!("{} figures are too large", findings.len());
        }
        println!("no figure is more than 5 % above the one that is checked in");
    }
    Ok(())
}

fn count(counting: &Counting, workloads: &[Workload]) -> Result<Vec<Row>> {
    let count = |workload: Workload, client: Client| {
        let what = format!("counting {} of {}", workload.name(), client.name());
        spinning(&what, || counting.figures(client, workload))
    };
    let row = |&workload: &Workload| {
        let cornac: Option<Figures> = count(workload, Client::Cornac)?;
        let floor = count(workload, Client::Floor)?;
        Ok(Row { workload, cornac, floor })
    };
    workloads.iter().map(row).collect()
}

/// The system calls of a point SELECT by name, if that is among what is counted.
fn calls_of_a_query(counting: &Counting, workloads: &[Workload]) -> Result<Vec<(Client, Calls)>> {
    let mut calls = Vec::new();
    if workloads.contains(&Workload::PointSelect) {
        for client in [Client::Cornac, Client::Floor] {
            let counted = spinning(&format!("tracing {}", client.name()), || {
                counting.calls(client, Workload::PointSelect)
            })?;
            calls.extend(counted.map(|counted| (client, counted)));
        }
    }
    Ok(calls)
}
