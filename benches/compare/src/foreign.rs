//! The programs that are not in Rust.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::driver::Driver;
use crate::target::{TRUSTED, Target};
use crate::workload::Workload;

/// asyncpg, as pip knows it.
const ASYNCPG: &str = "asyncpg==0.30.0";

/// libpq's program, and where asyncpg is; `None` for what could not be had.
#[derive(Debug)]
pub struct Foreign {
    libpq: Option<PathBuf>,
    asyncpg: Option<PathBuf>,
}

impl Foreign {
    /// Builds the one, and fetches the other. What fails is said, and left out.
    pub fn prepare(directory: &Path) -> Self {
        let kept = |what: &str, prepared: Result<PathBuf>| match prepared {
            Ok(path) => Some(path),
            Err(error) => {
                eprintln!("{what} is left out: {error:#}");
                None
            }
        };
        Self {
            libpq: kept("libpq", build_libpq(directory)),
            asyncpg: kept("asyncpg", fetch_asyncpg(directory)),
        }
    }

    /// The command that does the work; `None` when there is none.
    pub fn command(
        &self,
        driver: Driver,
        workload: Workload,
        target: &Target,
        target_file: &Path,
    ) -> Option<Command> {
        let count = workload.count().to_string();
        match driver {
            Driver::Libpq if workload == Workload::PipelineOneSync => {
                let mut command = Command::new(self.libpq.as_ref()?);
                command.arg(&target.socket).arg(target.port.to_string()).args([TRUSTED, &count]);
                Some(command)
            }
            Driver::Asyncpg => {
                let mut command = Command::new("python3");
                command.env("PYTHONPATH", self.asyncpg.as_ref()?).arg(programs().join("with_asyncpg.py"));
                command.args([workload.number(), &count]).arg(target_file);
                Some(command)
            }
            _ => None,
        }
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn build_libpq(directory: &Path) -> Result<PathBuf> {
    let program = directory.join("with_libpq");
    let config = Command::new("pg_config").arg("--includedir").output().context("no pg_config")?;
    let mut include = OsString::from("-I");
    include.push(String::from_utf8_lossy(&config.stdout).trim());
    let mut command = Command::new("cc");
    command.arg("-O2").arg(include).arg(programs().join("with_libpq.c")).arg("-o").arg(&program).arg("-lpq");
    run(command)
        .context("a C compiler and libpq's headers are needed (Debian: apt-get install libpq-dev)")?;
    Ok(program)
}

fn fetch_asyncpg(directory: &Path) -> Result<PathBuf> {
    let place = directory.join(ASYNCPG);
    if !place.exists() {
        let mut command = Command::new("pip");
        command.args(["install", "--quiet", "--target"]).arg(&place).arg(ASYNCPG);
        run(command)?;
    }
    Ok(place)
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
