//! The rounds: one server, and a process for each driver, workload and round.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cornac::{Client, Config, Connection};
use cornac_benches::recorded;
use cornac_benches::work::{ITEMS, MEASUREMENT_ROWS};
use cornac_tests::pki::{Pki, Request};
use cornac_tests::{Cluster, PASSWORD, SUPERUSER, provision, target_dir};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::driver::Driver;
use crate::foreign::Foreign;
use crate::measured::Measured;
use crate::report::{self, Entry};
use crate::target::{HOST, Target};
use crate::workload::Workload;

/// How long one driver may take for one round.
const LIMIT: Duration = Duration::from_secs(120);

/// What to compare.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Workloads by their numbers, such as `1`, `4c`, or `6` for all that begin so; all by default.
    workloads: Vec<String>,
    /// How often each driver does each workload.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these drivers, and those that they are compared with: the floor.
    #[arg(long, value_name = "NAME")]
    driver: Vec<Driver>,
    /// The major version of the server.
    #[arg(long, default_value = "18")]
    server: String,
    /// Where the raw figures go.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the table goes.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Where the picture goes.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut workloads = Vec::new();
    for number in &arguments.workloads {
        workloads.extend(Workload::named(number)?);
    }
    if workloads.is_empty() {
        workloads.extend(Workload::ALL);
    }
    let drivers: Vec<Driver> = Driver::ALL
        .into_iter()
        .filter(|driver| {
            arguments.driver.is_empty() || arguments.driver.contains(driver) || *driver == Driver::Floor
        })
        .collect();
    ensure!(arguments.rounds > 0, "there must be a round");

    let directory = target_dir().join("compare");
    fs::create_dir_all(&directory)?;
    let servers = Servers::start(&arguments.server)?;
    println!("PostgreSQL {}, {} rounds", servers.cluster.version(), arguments.rounds);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(servers.fill())?;
    let rounds = Rounds { servers, foreign: Foreign::prepare(&directory), programs: programs()? };

    let mut entries = Vec::new();
    for workload in workloads {
        let compared = runtime.block_on(rounds.compare(workload, &drivers, arguments.rounds))?;
        println!("{}", report::lines(&compared));
        entries.extend(compared);
    }
    let place = |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| directory.join(name));
    let (json, table, picture) = (
        place(&arguments.json, "raw.json"),
        place(&arguments.markdown, "table.md"),
        place(&arguments.picture, "picture.svg"),
    );
    let version = rounds.servers.cluster.version();
    fs::write(&json, report::json(&entries)?)?;
    fs::write(&table, report::markdown(&entries, version, arguments.rounds))?;
    crate::picture::draw(&entries, &picture)?;
    println!("{}", report::summary(&entries));
    for file in [json, table, picture] {
        println!("written: {}", file.display());
    }
    Ok(())
}

/// The server, the recorded one (threads of this process), and where they are.
struct Servers {
    cluster: Cluster,
    _pki: Pki,
    target: Target,
    /// Holds the recorded server's socket, and the file that tells children where the servers are.
    directory: TempDir,
}

impl Servers {
    fn start(version: &str) -> Result<Self> {
        let pki = Pki::new()?;
        let extensions = format!("basicConstraints=CA:FALSE\nsubjectAltName=IP:{HOST}");
        let request = Request { subject: "/CN=compare", extensions: &extensions, ..Request::default() };
        pki.issue("server", "root", &request)?;
        let mut options = pki.server_options("server")?;
        options.binaries = Some(provision(Some(version))?);
        // What would come in between: parallel plans, vacuum, checkpoints.
        for (name, value) in [
            ("shared_buffers", "1GB"),
            ("max_parallel_workers_per_gather", "0"),
            ("jit", "off"),
            ("autovacuum", "off"),
            ("checkpoint_timeout", "1h"),
            ("max_wal_size", "16GB"),
        ] {
            options.settings.push((name.to_owned(), value.to_owned()));
        }
        let cluster = Cluster::start(&options)?;
        let directory = tempfile::Builder::new().prefix("cornac-compare-").tempdir()?;
        let target = Target {
            socket: cluster.socket_directory().to_owned(),
            port: cluster.port(),
            recorded: directory.path().to_owned(),
            password: PASSWORD.to_owned(),
            root: pki.path("root.crt"),
        };
        let (ready, is_ready) = channel();
        let recorded_directory = target.recorded.clone();
        thread::spawn(move || {
            let served =
                recorded::serve(&recorded_directory, Duration::ZERO, || ready.send(()).unwrap_or_default());
            if let Err(error) = served {
                eprintln!("recorded server: {error:#}");
            }
        });
        is_ready.recv().context("the recorded server did not start")?;
        let servers = Self { cluster, _pki: pki, target, directory };
        servers.target.write(&servers.target_file())?;
        Ok(servers)
    }

    fn target_file(&self) -> PathBuf {
        self.directory.path().join("target.json")
    }

    fn admin(&self) -> Config {
        self.cluster.socket_config(SUPERUSER)
    }

    /// Makes the tables.
    async fn fill(&self) -> Result<()> {
        let mut admin = Connection::connect(&self.admin()).await?;
        let last = ITEMS - 1;
        let statements = [
            "CREATE TABLE item (id int4 PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL)".to_owned(),
            format!(
                "INSERT INTO item SELECT n, 'tusk of ivory, item ' || n, timestamptz '2026-01-01' + n * interval '1 s' \
                 FROM generate_series(0, {last}) n"
            ),
            format!("CREATE TABLE measurement AS {MEASUREMENT_ROWS}"),
            "CREATE TABLE sample (id int4 NOT NULL, label text NOT NULL, value float8 NOT NULL)".to_owned(),
            "CREATE TABLE copied AS SELECT n AS id, 'sample ' || lpad(n::text, 7, '0') AS label, n / 3.0::float8 AS value \
             FROM generate_series(1, 1000000) n"
                .to_owned(),
            // Each page has room for new versions of its rows, so that the table stays as it is however often it is updated.
            "CREATE TABLE account (id int4 PRIMARY KEY, balance int8 NOT NULL) WITH (fillfactor = 50)".to_owned(),
            format!("INSERT INTO account SELECT n, 1000 FROM generate_series(0, {last}) n"),
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC".to_owned(),
            "VACUUM (ANALYZE, FREEZE)".to_owned(),
            "CHECKPOINT".to_owned(),
        ];
        for statement in statements {
            admin.simple_query(&statement).await?;
        }
        Ok(admin.close().await?)
    }

    async fn empty_table(&self) -> Result<()> {
        let mut admin = Connection::connect(&self.admin()).await?;
        admin.execute("TRUNCATE sample", ()).await?;
        Ok(admin.close().await?)
    }
}

struct Rounds {
    servers: Servers,
    foreign: Foreign,
    /// The directory of the drivers' programs.
    programs: PathBuf,
}

impl Rounds {
    /// A B C, A B C, ...: each driver once a round.
    async fn compare(&self, workload: Workload, drivers: &[Driver], rounds: usize) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> =
            drivers.iter().map(|&driver| Entry { workload, driver, rounds: Vec::new() }).collect();
        for _ in 0..rounds {
            let mut still = Vec::new();
            for mut entry in entries {
                if workload.fills_table() {
                    self.servers.empty_table().await?;
                }
                if let Some(measured) = self.once(entry.driver, workload).await? {
                    entry.rounds.push(measured);
                    still.push(entry);
                }
            }
            entries = still;
        }
        Ok(entries)
    }

    async fn once(&self, driver: Driver, workload: Workload) -> Result<Option<Measured>> {
        let Some(command) = self.command(driver, workload) else { return Ok(None) };
        let what = format!("{} of {}", workload.number(), driver.name());
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output =
            timeout(LIMIT, command.output()).await.with_context(|| format!("{what} takes too long"))??;
        if !output.status.success() {
            bail!("{what} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).with_context(|| what.clone())?;
        if said.is_null() { Ok(None) } else { Measured::read(&said).map(Some) }
    }

    fn command(&self, driver: Driver, workload: Workload) -> Option<Command> {
        let target_file = self.servers.target_file();
        match driver {
            Driver::Libpq | Driver::Asyncpg => {
                self.foreign.command(driver, workload, &self.servers.target, &target_file)
            }
            _ => {
                let program = format!("with_{}", driver.name().replace('-', "_"));
                let mut command = Command::new(self.programs.join(program));
                command.arg(workload.number()).arg(target_file);
                Some(command)
            }
        }
    }
}

/// The directory that this program is in, and the others beside it.
fn programs() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().context("a program without a directory")?.to_owned())
}
