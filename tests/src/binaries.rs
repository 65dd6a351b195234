//! Where server programs are.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The programs of one PostgreSQL installation.
#[derive(Clone, Debug)]
pub struct ServerBinaries {
    directory: PathBuf,
    version: String,
}

impl ServerBinaries {
    /// Looks for server programs: where `CORNAC_PG_BIN` says, on the `PATH`, where `pg_config` says, in the usual places of
    /// Debian, RPM and Homebrew, and among what was provisioned.
    ///
    /// # Errors
    ///
    /// When there are none: what was looked at, and what to do.
    pub fn find() -> Result<Self> {
        let mut looked_at = String::new();
        for (why, directory) in candidates() {
            match Self::at(&directory) {
                Ok(found) => return Ok(found),
                Err(_) => {
                    let _ = writeln!(looked_at, "  {} ({why})", directory.display());
                }
            }
        }
        bail!(
            "no PostgreSQL server programs (initdb, postgres) were found; looked at:\n{looked_at}\
             `cargo xtask server` fetches them; CORNAC_PG_BIN names a directory of your own, CORNAC_TEST_URL a running server"
        )
    }

    /// The first programs, in the order of [`find`](Self::find), of which `fits` holds.
    pub fn find_that(fits: impl Fn(&Self) -> bool) -> Option<Self> {
        candidates().into_iter().filter_map(|(_, directory)| Self::at(&directory).ok()).find(fits)
    }

    /// The programs in `directory`.
    ///
    /// # Errors
    ///
    /// When they are not there, or do not run.
    pub fn at(directory: &Path) -> Result<Self> {
        // Links are followed: initdb looks for postgres beside itself.
        let initdb = directory.join("initdb").canonicalize().context("no initdb")?;
        let directory = initdb.parent().context("initdb has no directory")?.to_owned();
        let output = Command::new(directory.join("postgres")).arg("--version").output()?;
        if !output.status.success() {
            bail!("{} does not run", directory.join("postgres").display());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().nth(2).context("no version")?.to_owned();
        Ok(Self { directory, version })
    }

    /// The version, such as `15.18` or `18.4`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version.
    pub fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
    }

    /// The directory of the programs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn candidates() -> Vec<(&'static str, PathBuf)> {
    let mut found = Vec::new();
    if let Some(directory) = std::env::var_os("CORNAC_PG_BIN") {
        // Whoever names a directory wants that one, or to hear that it does not work.
        return vec![("CORNAC_PG_BIN", PathBuf::from(directory))];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(
        std::env::split_paths(&path).filter(|dir| dir.join("initdb").exists()).map(|dir| ("PATH", dir)),
    );
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        found.push(("pg_config", PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())));
    }
    found.extend(versions_in("/usr/lib/postgresql", "", "bin").map(|dir| ("Debian", dir)));
    found.extend(versions_in("/usr", "pgsql-", "bin").map(|dir| ("RPM", dir)));
    found.extend(versions_in("/opt/homebrew/opt", "postgresql@", "bin").map(|dir| ("Homebrew", dir)));
    found.extend(versions_in("/usr/local/opt", "postgresql@", "bin").map(|dir| ("Homebrew", dir)));
    let provisioned = crate::provision::directory();
    found.extend(versions_in(&provisioned, "", "native/bin").map(|dir| ("provisioned", dir)));
    found
}

/// The directories of versions in `parent`, newest first.
fn versions_in(parent: impl AsRef<Path>, prefix: &str, bin: &str) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let major = name.strip_prefix(prefix)?.split('.').next()?.parse::<u32>().ok()?;
            Some((major, entry.path().join(bin)))
        })
        .collect();
    versions.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    versions.into_iter().map(|(_, path)| path)
}
