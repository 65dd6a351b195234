//! A PostgreSQL of one's own, for as long as it is held.

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cornac_conn::{Config, Host, SslMode};

use crate::pki::restrict;
use crate::provision::provision;
use crate::supervisor::{Identity, Supervisor};
use crate::{ServerBinaries, template};

pub use crate::supervisor::StopMode;

/// The superuser of every cluster.
pub const SUPERUSER: &str = "postgres";

/// The password of every role. It needs percent-encoding in a URL, so that forgetting it shows.
pub const PASSWORD: &str = "tusk @17/ivory";

/// What a server says that is started while backends of its predecessor are still there.
const STILL_IN_USE: &str = "pre-existing shared memory block";

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What a cluster is to be like.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// The programs to use; those that are found, or fetched, by default.
    pub binaries: Option<ServerBinaries>,
    /// The lines of `pg_hba.conf`; by default each of the roles by the method of its name, everybody else by SCRAM.
    pub hba: Option<String>,
    /// Files in the data directory, readable by the server alone: certificates and keys.
    pub files: Vec<(String, Vec<u8>)>,
    /// Settings beside those that make a throw-away server fast.
    pub settings: Vec<(String, String)>,
    /// Environment variables of the server.
    pub environment: Vec<(String, String)>,
}

/// A throw-away server: own directory, own port, own socket. Ended, and its directory removed, when it is dropped, and also when this
/// process panics or is killed.
#[derive(Debug)]
pub struct Cluster {
    supervisor: Supervisor,
    directory: PathBuf,
    port: u16,
    binaries: ServerBinaries,
}

const HBA: &str = "\
host  all trusted 127.0.0.1/32 trust
host  all clear   127.0.0.1/32 password
host  all md5user 127.0.0.1/32 md5
host  all all     127.0.0.1/32 scram-sha-256
local all trusted trust
local all clear   password
local all md5user md5
local all all     scram-sha-256
local replication all trust
";

impl Cluster {
    /// Starts a server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When there are no programs, or the server does not start: with what it wrote to its log.
    pub fn start(options: &ClusterOptions) -> Result<Self> {
        let identity = Identity::find()?;
        let binaries = match &options.binaries {
            Some(binaries) => binaries.clone(),
            None => provision(None)?,
        };
        let binaries = reachable(binaries, &identity)?;
        // A port that was free a moment ago may be taken now; then another one is tried.
        let mut failure = None;
        for _ in 0..3 {
            match Self::start_once(options, &binaries, &identity) {
                Ok(cluster) => return Ok(cluster),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or_else(|| bail!("no attempt to start a server was made"), Err)
    }

    fn start_once(options: &ClusterOptions, binaries: &ServerBinaries, identity: &Identity) -> Result<Self> {
        // Directly under the directory for temporary files: the path of a Unix socket has at most 107 bytes.
        let directory = tempfile::Builder::new().prefix("cornac-").tempdir()?.keep();
        let data = directory.join("data");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        template::copy_to(&data, binaries, identity)?;
        fs::write(data.join("pg_hba.conf"), options.hba.as_deref().unwrap_or(HBA))?;
        for (name, contents) in &options.files {
            fs::write(data.join(name), contents)?;
            restrict(&data.join(name))?;
        }
        append(&data.join("postgresql.conf"), &settings(options, &directory, port))?;
        Self::start_in(directory, port, binaries, identity, &options.environment)
    }

    fn start_in(
        directory: PathBuf,
        port: u16,
        binaries: &ServerBinaries,
        identity: &Identity,
        environment: &[(String, String)],
    ) -> Result<Self> {
        identity.give(&directory)?;
        let arguments = ["-D".to_owned(), directory.join("data").display().to_string()];
        let program = binaries.program("postgres");
        let supervisor = Supervisor::new(&directory, &program, &arguments, identity, environment)?;
        let mut cluster = Self { supervisor, directory, port, binaries: binaries.clone() };
        cluster.restart()?;
        Ok(cluster)
    }

    /// Starts a standby that streams from this server, which is stopped for a moment to be copied.
    ///
    /// # Errors
    ///
    /// When the copy cannot be made, or one of the two does not start.
    pub fn standby(&mut self) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("cornac-").tempdir()?.keep();
        let data = directory.join("data");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        self.stop(StopMode::Fast)?;
        template::copy(&self.directory.join("data"), &data)?;
        self.restart()?;
        fs::write(data.join("standby.signal"), "")?;
        let primary = format!("host={} port={} user={SUPERUSER}", self.directory.display(), self.port);
        let settings = format!(
            "port = {port}\nunix_socket_directories = '{}'\nprimary_conninfo = '{primary}'\nhot_standby = on\n",
            directory.display()
        );
        append(&data.join("postgresql.conf"), &settings)?;
        Self::start_in(directory, port, &self.binaries, &Identity::find()?, &[])
    }

    /// Makes a server that has been stopped a standby of another one, which has its history: the old primary, after a failover.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn follow(&mut self, primary: &Self) -> Result<()> {
        let data = self.directory.join("data");
        fs::write(data.join("standby.signal"), "")?;
        let conninfo = format!("host={} port={} user={SUPERUSER}", primary.directory.display(), primary.port);
        append(
            &data.join("postgresql.conf"),
            &format!("primary_conninfo = '{conninfo}'\nhot_standby = on\n"),
        )?;
        self.restart()
    }

    /// Stops the server; the directory stays, so that it can be started again.
    ///
    /// # Errors
    ///
    /// When the supervisor is gone.
    pub fn stop(&mut self, mode: StopMode) -> Result<()> {
        self.supervisor.stop(mode)
    }

    /// Starts the server again, and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let log_before = self.log().len();
            let pid = self.supervisor.start()?;
            match self.wait_until_ready(pid, log_before) {
                // The backends of a postmaster that was killed take a moment to notice.
                Err(error) if begun.elapsed() < START_TIMEOUT && error.to_string().contains(STILL_IN_USE) => {
                    self.supervisor.stop(StopMode::Kill)?;
                }
                ready => return ready,
            }
        }
    }

    /// The TCP port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the Unix socket.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// The server's version, such as `18.4`.
    pub fn version(&self) -> &str {
        self.binaries.version()
    }

    /// What the server has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// How `role` connects over TCP.
    pub fn config(&self, role: &str) -> Config {
        self.config_over(Host::Tcp("127.0.0.1".to_owned()), role)
    }

    /// How `role` connects over the Unix socket.
    pub fn socket_config(&self, role: &str) -> Config {
        self.config_over(Host::Unix(self.directory.clone()), role)
    }

    /// The URL of a database, for the superuser over TCP.
    pub fn url(&self, database: &str) -> String {
        let password = percent_encoded(PASSWORD);
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The process id of the postmaster.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn postmaster_pid(&self) -> Result<i32> {
        let file = fs::read_to_string(self.directory.join("data/postmaster.pid"))?;
        Ok(file.lines().next().context("postmaster.pid is empty")?.trim().parse()?)
    }

    fn config_over(&self, host: Host, role: &str) -> Config {
        let config = Config::new(host, role).port(self.port).password(PASSWORD).dbname("postgres");
        // What a test says of TLS, it says itself.
        config.ssl_mode(SslMode::Disable)
    }

    /// A server writes its state into its pid file, whose first line is the postmaster's process id (a predecessor that was
    /// killed leaves its own), and whose eighth says `ready` when it takes connections.
    fn wait_until_ready(&self, pid: i32, log_before: usize) -> Result<()> {
        let begun = Instant::now();
        let file = self.directory.join("data/postmaster.pid");
        let is_ours = |line: &str| line.trim().parse() == Ok(pid);
        let mut log = String::new();
        while begun.elapsed() < START_TIMEOUT {
            let state = fs::read_to_string(&file).unwrap_or_default();
            let mut lines = state.lines();
            if lines.next().is_some_and(is_ours) {
                if lines.nth(6).is_some_and(|line| line.trim() == "ready") {
                    return Ok(());
                }
            } else {
                log = self.log().split_off(log_before);
                // Backends of a postmaster that was killed write there too, until they have noticed.
                if log.lines().any(|line| line.contains("FATAL:") && is_from(line, pid)) {
                    break;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the server did not start; its log says:\n{log}")
    }
}

/// Whether a line of the log is from this process, however the lines begin.
fn is_from(line: &str, pid: i32) -> bool {
    line.split(|c: char| !c.is_ascii_digit()).any(|number| number.parse() == Ok(pid))
}

fn settings(options: &ClusterOptions, directory: &Path, port: u16) -> String {
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\n\
         fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nmax_connections = 200\n\
         log_destination = stderr\nlogging_collector = off\nlog_line_prefix = '%p %q%u@%d '\n",
        directory.display()
    );
    for (name, value) in &options.settings {
        let _ = writeln!(settings, "{name} = '{}'", value.replace('\'', "''"));
    }
    settings
}

fn append(file: &Path, text: &str) -> Result<()> {
    let mut contents = fs::read_to_string(file)?;
    contents.push_str(text);
    Ok(fs::write(file, contents)?)
}

/// Programs that the server's user can run. Those in a directory that is closed to it are copied to where they are not.
fn reachable(binaries: ServerBinaries, identity: &Identity) -> Result<ServerBinaries> {
    if identity.can_run(&binaries.program("postgres")) {
        return Ok(binaries);
    }
    let place = std::env::temp_dir().join(format!("cornac-postgres-{}", binaries.version()));
    if !place.exists() {
        let installation = binaries.directory().parent().context("programs without an installation")?;
        let unfinished = tempfile::Builder::new().prefix("cornac-postgres-").tempdir()?;
        template::copy(installation, &unfinished.path().join("native"))?;
        let copied = unfinished.keep();
        identity.give(&copied)?;
        fs::rename(copied, &place)?;
    }
    ServerBinaries::at(&place.join("native/bin"))
}

/// What is not plain in a URL, encoded.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
