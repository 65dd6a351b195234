//! `cargo xtask mission`

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use cornac_tests::{Cluster, ClusterOptions, PASSWORD, SUPERUSER, provision};
use xshell::cmd;

use crate::steps::{shell, spinning};

/// What to do with the figures.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write them to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The major version of the server; the one that is found by default.
    #[arg(long)]
    server: Option<String>,
}

/// A figure that was promised.
struct Promise {
    what: &'static str,
    figure: &'static str,
    divided_by: f64,
    unit: &'static str,
    bound: Bound,
}

enum Bound {
    Below(f64),
    Above(f64),
    /// What the machine and its server allow.
    Open,
}

const PROMISES: [Promise; 11] = [
    promise("queries a second, 64 tasks on a pool of 8", "queries_per_second", 1.0, "", Bound::Open),
    promise("  p50", "p50_us", 1e3, "ms", Bound::Open),
    promise("  p95", "p95_us", 1e3, "ms", Bound::Below(5.0)),
    promise("  p99", "p99_us", 1e3, "ms", Bound::Open),
    promise("the same over 4 shared connections", "multiplexed_queries_per_second", 1.0, "", Bound::Open),
    promise("  p95", "multiplexed_p95_us", 1e3, "ms", Bound::Below(5.0)),
    promise("  p99", "multiplexed_p99_us", 1e3, "ms", Bound::Open),
    promise("checkout and return, p50", "checkout_p50_ns", 1e3, "µs", Bound::Open),
    promise("checkout and return, p99", "checkout_p99_ns", 1e3, "µs", Bound::Below(1_000.0)),
    promise("COPY, as many times as fast as INSERTs one by one", "copy_ratio", 1.0, "", Bound::Above(10.0)),
    promise(
        "memory of 100 idle connections",
        "memory_of_100_connections_bytes",
        1e6,
        "MB",
        Bound::Below(5.0),
    ),
];

const fn promise(
    what: &'static str,
    figure: &'static str,
    divided_by: f64,
    unit: &'static str,
    bound: Bound,
) -> Promise {
    Promise { what, figure, divided_by, unit, bound }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = shell()?;
    cmd!(shell, "cargo build --quiet --release --locked -p cornac-benches --bin mission").run()?;
    let binaries = spinning("looking for a PostgreSQL server", || provision(arguments.server.as_deref()))?;
    let settings = [("max_connections", "200"), ("shared_buffers", "256MB")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let options = ClusterOptions { binaries: Some(binaries), settings, ..ClusterOptions::default() };
    let cluster = spinning("starting it", || Cluster::start(&options))?;
    let program = cornac_tests::target_dir().join("release/mission");
    let url = format!(
        "host={} port={} user={SUPERUSER} password='{PASSWORD}' dbname=postgres",
        cluster.socket_directory().display(),
        cluster.port()
    );
    let printed = spinning("measuring", || Ok(cmd!(shell, "{program} {url}").read()?))?;
    let mut figures: BTreeMap<String, f64> = serde_json::from_str(&printed).context("no figures")?;
    let of = |name: &str| figures.get(name).copied().with_context(|| format!("no figure {name}"));
    let ratio = of("copy_rows_per_second")? / of("insert_rows_per_second")?;
    figures.insert("copy_ratio".to_owned(), ratio);
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    println!("PostgreSQL {}, over its Unix socket", cluster.version());
    let mut broken = 0;
    for Promise { what, figure, divided_by, unit, bound } in PROMISES {
        let value = figures.get(figure).with_context(|| format!("no figure {figure}"))? / divided_by;
        let (asked, holds) = match bound {
            Bound::Below(limit) => (format!("below {limit} {unit}"), value < limit),
            Bound::Above(limit) => (format!("above {limit} {unit}"), value > limit),
            Bound::Open => (String::new(), true),
        };
        broken += usize::from(!holds);
        let verdict = if holds { "" } else { "BROKEN" };
        let shown = if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        println!("{what:<52} {shown:>9} {unit:<3} {asked:<16} {verdict}");
    }
    ensure!(broken == 0, "{broken} promises are broken");
    Ok(())
}
