//! A Kerberos realm of one's own: its server, the keys of a database server, tickets of a user.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::supervisor::{Identity, Supervisor};
use crate::{Cluster, ClusterOptions, provision_with_gssapi};

/// The realm.
pub const REALM: &str = "CORNAC.TEST";

/// The name of the host that the database server is on, as far as Kerberos is concerned.
pub const HOST: &str = "db.cornac.test";

/// How long the Kerberos server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A Kerberos server on 127.0.0.1 with a database in a directory of its own. Ended, and the directory removed, when it is dropped.
#[derive(Debug)]
pub struct Realm {
    supervisor: Supervisor,
    directory: PathBuf,
    identity: Identity,
}

impl Realm {
    /// Makes the realm and starts its server.
    ///
    /// # Errors
    ///
    /// When the programs of MIT Kerberos are not there, or fail.
    pub fn start() -> Result<Self> {
        let identity = Identity::find()?;
        let directory = tempfile::Builder::new().prefix("cornac-krb5-").tempdir()?.keep();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let place = directory.display();
        write_client_config(&directory.join("krb5.conf"), port)?;
        fs::write(
            directory.join("kdc.conf"),
            format!(
                "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n\
                 [realms]\n{REALM} = {{\ndatabase_name = {place}/principal\nkey_stash_file = {place}/stash\n\
                 acl_file = {place}/acl\nmax_renewable_life = 1d\n\
                 supported_enctypes = aes256-cts-hmac-sha1-96:normal\n}}\n[logging]\nkdc = FILE:{place}/kdc.log\n"
            ),
        )?;
        identity.give(&directory)?;
        let [krb5kdc, kdb5_util] = ["krb5kdc", "kdb5_util"].map(program);
        let environment = environment(&directory);
        let supervisor = Supervisor::new(&directory, &krb5kdc?, &["-n".to_owned()], &identity, &environment)?;
        let mut realm = Self { supervisor, directory, identity };
        realm.run(Command::new(kdb5_util?).args(["-r", REALM, "create", "-s", "-P", "master"]))?;
        realm.supervisor.start()?;
        realm.wait_until_ready(port)?;
        Ok(realm)
    }

    /// Makes a principal, and a file with its keys.
    ///
    /// # Errors
    ///
    /// When Kerberos refuses.
    pub fn principal(&self, name: &str) -> Result<PathBuf> {
        let keytab = self.directory.join(format!("{}.keytab", name.replace('/', "-")));
        for query in [
            format!("add_principal -randkey {name}@{REALM}"),
            format!("ktadd -norandkey -k {} {name}@{REALM}", keytab.display()),
        ] {
            self.run(Command::new(program("kadmin.local")?).args(["-r", REALM, "-q", &query]))?;
        }
        ensure!(keytab.exists(), "kadmin.local has made no {}", keytab.display());
        Ok(keytab)
    }

    /// Fetches a ticket that can be passed on for the principal whose keys are in `keytab`; gives the file that it is in.
    ///
    /// # Errors
    ///
    /// When the Kerberos server does not give it.
    pub fn ticket(&self, name: &str, keytab: &Path) -> Result<PathBuf> {
        let cache = self.directory.join(format!("{name}.ticket"));
        let mut kinit = Command::new(program("kinit")?);
        kinit.arg("-f").arg("-k").arg("-t").arg(keytab).arg("-c").arg(&cache).arg(format!("{name}@{REALM}"));
        self.run(&mut kinit)?;
        Ok(cache)
    }

    /// A PostgreSQL server that takes the tickets of this realm, with the keys in `keytab`; `hba` as in [`ClusterOptions`].
    ///
    /// # Errors
    ///
    /// When there is no PostgreSQL with GSSAPI, or it does not start.
    pub fn cluster(&self, keytab: &Path, hba: &str) -> Result<Cluster> {
        Cluster::start(&ClusterOptions {
            binaries: Some(provision_with_gssapi()?),
            hba: Some(hba.to_owned()),
            settings: vec![("krb_server_keyfile".to_owned(), format!("FILE:{}", keytab.display()))],
            environment: environment(&self.directory),
            ..ClusterOptions::default()
        })
    }

    /// What a client of this realm finds in its environment, with the tickets of `cache`.
    pub fn client_environment(&self, cache: &Path) -> Vec<(String, String)> {
        let mut environment = environment(&self.directory);
        environment.push(("KRB5CCNAME".to_owned(), format!("FILE:{}", cache.display())));
        environment
    }

    /// A configuration of Kerberos that says the realm's server is at another port.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn config_for_server_at(&self, port: u16) -> Result<PathBuf> {
        let path = self.directory.join(format!("krb5-{port}.conf"));
        write_client_config(&path, port)?;
        Ok(path)
    }

    /// What the Kerberos server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("kdc.log")).unwrap_or_default()
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        command.envs(environment(&self.directory)).stdin(Stdio::null());
        // Everything in the directory belongs to the user that the servers run as.
        self.identity.apply(command);
        let output = command.output().with_context(|| format!("could not run {command:?}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?}: {said}");
        Ok(())
    }

    fn wait_until_ready(&self, port: u16) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the Kerberos server did not start; its log says:\n{}", self.log())
    }
}

/// Nothing is asked of DNS, and nothing of the configuration that the machine may have.
fn write_client_config(path: &Path, port: u16) -> Result<()> {
    let text = format!(
        "[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
         dns_canonicalize_hostname = false\nrdns = false\nudp_preference_limit = 1\nforwardable = true\n\
         [realms]\n{REALM} = {{\nkdc = 127.0.0.1:{port}\n}}\n[domain_realm]\n.cornac.test = {REALM}\n"
    );
    Ok(fs::write(path, text)?)
}

fn environment(directory: &Path) -> Vec<(String, String)> {
    let file = |name: &str| directory.join(name).display().to_string();
    vec![
        ("KRB5_CONFIG".to_owned(), file("krb5.conf")),
        ("KRB5_KDC_PROFILE".to_owned(), file("kdc.conf")),
        ("KRB5RCACHEDIR".to_owned(), directory.display().to_string()),
    ]
}

/// A program of MIT Kerberos; those of its server are not on everybody's `PATH`.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/lib/mit/sbin".into()]);
    let mut found = places.map(|directory| directory.join(name)).filter(|program| program.exists());
    found.next().with_context(|| {
        format!("{name} is not installed (Debian: apt-get install krb5-kdc krb5-admin-server krb5-user)")
    })
}
