//! PgBouncer in front of a server, for as long as it is held.

use std::fmt::Write;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cornac_conn::{Config, Host, SslMode};

use crate::supervisor::{Identity, LAST_SIGNAL, StopMode, Supervisor};

/// How long it may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// What a pooler is to be like.
#[derive(Clone, Debug)]
pub struct PgBouncerOptions {
    /// `pool_mode`.
    pub pool_mode: &'static str,
    /// How many server connections it has for each database.
    pub pool_size: u32,
    /// Settings beside these.
    pub settings: Vec<(String, String)>,
}

impl Default for PgBouncerOptions {
    /// Four server connections, each lent for one transaction.
    fn default() -> Self {
        Self { pool_mode: "transaction", pool_size: 4, settings: Vec::new() }
    }
}

/// A PgBouncer of one's own, in front of a server on loopback. Ended when it is dropped, and also when this process panics or is killed.
#[derive(Debug)]
pub struct PgBouncer {
    supervisor: Supervisor,
    directory: PathBuf,
    port: u16,
}

impl PgBouncer {
    /// Starts one in front of the server at 127.0.0.1:`port`, where it logs in as `user`, who needs no password there. Whoever connects
    /// to it is let in.
    ///
    /// # Errors
    ///
    /// When the program is not there and cannot be installed, or does not start: with what it wrote to its log.
    pub fn start(port: u16, user: &str, options: &PgBouncerOptions) -> Result<Self> {
        let identity = Identity::find()?;
        let program = program()?;
        let directory = tempfile::Builder::new().prefix("cornac-").tempdir()?.keep();
        let own_port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let ini = directory.join("pgbouncer.ini");
        fs::write(&ini, configuration(port, user, own_port, options))?;
        identity.give(&directory)?;
        let arguments = ["-q".to_owned(), ini.display().to_string()];
        // PgBouncer 1.18 does not listen to SIGQUIT, and to no other signal that a shell lets through to what it runs beside itself.
        let environment = [(LAST_SIGNAL.to_owned(), "KILL".to_owned())];
        let supervisor = Supervisor::new(&directory, &program, &arguments, &identity, &environment)?;
        let mut pooler = Self { supervisor, directory, port: own_port };
        pooler.supervisor.start()?;
        pooler.wait_until_ready()?;
        Ok(pooler)
    }

    /// How one connects through it to a database.
    pub fn config(&self, user: &str, database: &str) -> Config {
        let config = Config::new(Host::Tcp("127.0.0.1".to_owned()), user).port(self.port).dbname(database);
        config.ssl_mode(SslMode::Disable)
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Stops it.
    ///
    /// # Errors
    ///
    /// When the supervisor is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.supervisor.stop(StopMode::Kill)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("PgBouncer did not start; its log says:\n{}", self.log())
    }
}

/// Finds the program; as root on a machine with apt-get, it is installed if it is not there.
fn program() -> Result<PathBuf> {
    const MISSING: &str = "there is no pgbouncer (Debian: apt-get install pgbouncer)";
    if let Some(program) = find_program() {
        return Ok(program);
    }
    ensure!(rustix::process::geteuid().is_root(), MISSING);
    // Several tests may come here at once.
    let install = ["-q", "-y", "-o", "DPkg::Lock::Timeout=120", "install", "pgbouncer"];
    let installed = Command::new("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive").output();
    let output = installed.context(MISSING)?;
    find_program().with_context(|| format!("{MISSING}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")];
    let mut candidates =
        std::env::split_paths(&path).chain(sbin).map(|directory| directory.join("pgbouncer"));
    candidates.find(|program| Path::is_file(program))
}

fn configuration(server: u16, user: &str, port: u16, options: &PgBouncerOptions) -> String {
    let PgBouncerOptions { pool_mode, pool_size, settings } = options;
    let mut ini = format!(
        "[databases]\n* = host=127.0.0.1 port={server} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = any\npool_mode = {pool_mode}\ndefault_pool_size = {pool_size}\nmax_client_conn = 200\n"
    );
    for (name, value) in settings {
        let _ = writeln!(ini, "{name} = {value}");
    }
    ini
}
