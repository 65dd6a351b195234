//! Where to connect to and as whom: libpq's options, read as libpq reads them.

mod error;
mod host;
mod interpret;
mod key_value;
mod keyword;
#[cfg(feature = "passfile")]
mod passfile;
#[cfg(feature = "service-file")]
mod service;
#[cfg(not(feature = "service-file"))]
#[path = "no_service.rs"]
mod service;
mod settings;
mod ssl;
mod surroundings;
#[cfg(test)]
mod tests;
mod uri;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cornac_proto::auth::Secret;
use cornac_proto::auth::scram::ScramKeys;
use cornac_proto::handshake::{AuthPolicy, ChannelBindingMode, HandshakeConfig, Methods};
use cornac_proto::message::ProtocolVersion;

use crate::connect::SocketOptions;
use crate::core::catalogue::{Catalogues, Whereabouts};
use crate::core::statements::Statements;
use crate::credentials::{CredentialError, CredentialProvider, KeyMemory};
use crate::statement::StatementMode;
use crate::tls::TlsMemory;
pub use error::ConfigError;
pub use host::{Host, HostSpec, LoadBalanceHosts, TargetSessionAttrs};
pub use ssl::{SslCertMode, SslMode, SslNegotiation, SslOptions, SslRootCert, TlsVersion};
pub use surroundings::Surroundings;

/// What `oauth_issuer`, `oauth_client_id`, `oauth_client_secret` and `oauth_scope` say: for the caller's function that fetches a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OauthClient {
    /// Who gives tokens: a URL.
    pub issuer: Option<String>,
    /// Under which name we are known to it.
    pub client_id: Option<String>,
    /// How we prove that.
    pub client_secret: Option<Secret>,
    /// What the token is to be good for.
    pub scope: Option<String>,
}

/// What a connection needs to know, under libpq's names.
///
/// Read from a string, it means what it means to `psql`:
///
/// ```
/// use cornac_conn::{Config, Host, SslMode};
///
/// let config: Config = "postgres://app:s%40crew@db1.example,db2.example:5433/shop?sslmode=verify-full".parse()?;
/// assert_eq!(config.hosts()[1].host, Some(Host::Tcp("db2.example".to_owned())));
/// assert_eq!(config.ssl_options().mode, SslMode::VerifyFull);
/// assert_eq!(config.dbname_ref(), "shop");
/// assert!(!format!("{config:?}").contains("s@crew"));
///
/// let config: Config = r"host=/run/postgresql user=app dbname='the shop' connect_timeout=3".parse()?;
/// assert_eq!(config.dbname_ref(), "the shop");
/// # Ok::<(), cornac_conn::ConfigError>(())
/// ```
///
/// A string is a URL (`postgres://user:password@host:port,host:port/dbname?key=value&...`) or `key=value` pairs. What it does not say is
/// taken from the service that it names (or `PGSERVICE`), then from the `PG*` environment variables, then from libpq's defaults; a
/// password that is nowhere is looked up in `~/.pgpass`. All of libpq 18's keys are known; any other is an error.
/// [`Config::parse_in`] reads a string in other surroundings than the process's, and [`Config::new`] in none.
///
/// **A production URL says `sslmode=verify-full`** (with `sslrootcert=` a file, or `system`): the default, `prefer`, is libpq's, and lets
/// anybody on the way be the server.
///
/// What differs from libpq, on purpose: `connect_timeout` is 10 s unless set; `client_encoding` is UTF8; a password in clear goes over TLS
/// or a Unix socket only; a root or revocation file that is named must exist; `sslsni` and `gssdelegation` are 0 or 1. Not supported, with
/// an error that says so: `sslcompression=1`, `gsslib`, `gssencmode=require`, `replication`, TLS before 1.2.
///
/// See [Connection Strings](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING).
#[derive(Clone, Debug)]
pub struct Config {
    hosts: Vec<HostSpec>,
    user: String,
    password: Option<Secret>,
    passfile: Option<PathBuf>,
    kerberos_service: String,
    delegates_kerberos: bool,
    oauth: OauthClient,
    ssl: SslOptions,
    target_session_attrs: TargetSessionAttrs,
    load_balance_hosts: LoadBalanceHosts,
    connect_deadline: Option<Duration>,
    socket_options: SocketOptions,
    password_from: Option<CredentialProvider>,
    oauth_token_from: Option<CredentialProvider>,
    scram_keys: Option<ScramKeys>,
    key_memory: KeyMemory,
    tls_memory: TlsMemory,
    versions: (ProtocolVersion, ProtocolVersion),
    policy: AuthPolicy,
    dbname: Option<String>,
    application_name: Option<String>,
    options: Option<String>,
    connect_timeout: Option<Duration>,
    cleartext_password: bool,
    statement_mode: StatementMode,
    statement_cache_capacity: usize,
    catalogues: Catalogues,
}

impl Config {
    /// Connects to `host` as `user`, with every other option at its default. Neither environment variables nor files are looked at.
    pub fn new(host: Host, user: impl Into<String>) -> Self {
        Self::with_specs(vec![HostSpec { host: Some(host), hostaddr: None, port: 5432 }], user.into())
    }

    /// Reads a URL or `key=value` pairs in the given surroundings.
    ///
    /// # Errors
    ///
    /// What is wrong, with the key or the place. No error shows what may be a secret.
    pub fn parse_in(text: &str, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        interpret::read(text, surroundings)
    }

    /// What a string itself says, key by key, before services, environment and defaults are looked at: the values are shown as they are,
    /// secrets among them.
    ///
    /// # Errors
    ///
    /// As [`parse_in`](Self::parse_in), but values are not looked at.
    pub fn options_in(text: &str) -> Result<Vec<(&'static str, String)>, ConfigError> {
        let settings = interpret::parse(text)?;
        Ok(settings.iter().map(|(key, value)| (key, value.to_owned())).collect())
    }

    fn with_specs(hosts: Vec<HostSpec>, user: String) -> Self {
        Self {
            hosts,
            user,
            password: None,
            passfile: None,
            kerberos_service: "postgres".to_owned(),
            delegates_kerberos: false,
            oauth: OauthClient::default(),
            ssl: SslOptions::default(),
            target_session_attrs: TargetSessionAttrs::default(),
            load_balance_hosts: LoadBalanceHosts::default(),
            connect_deadline: None,
            socket_options: SocketOptions::default(),
            password_from: None,
            oauth_token_from: None,
            scram_keys: None,
            key_memory: KeyMemory::default(),
            tls_memory: TlsMemory::default(),
            versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_0),
            policy: AuthPolicy::default(),
            dbname: None,
            application_name: None,
            options: None,
            connect_timeout: Some(Duration::from_secs(10)),
            cleartext_password: false,
            statement_mode: StatementMode::default(),
            statement_cache_capacity: 100,
            catalogues: Catalogues::default(),
        }
    }

    /// The TCP port, or the number in the name of the Unix socket. 5432 by default.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        for spec in &mut self.hosts {
            spec.port = port;
        }
        self
    }

    /// All servers to try, in this order.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Vec<HostSpec>) -> Self {
        self.hosts = hosts;
        self
    }

    /// All settings of TLS.
    #[must_use]
    pub fn ssl(mut self, options: SslOptions) -> Self {
        self.ssl = options;
        self
    }

    /// `sslmode` alone. [`SslMode::Prefer`] by default; **in production say [`SslMode::VerifyFull`]**.
    #[must_use]
    pub fn ssl_mode(mut self, mode: SslMode) -> Self {
        self.ssl.mode = mode;
        self
    }

    /// What kind of server is wanted. Any by default.
    #[must_use]
    pub fn target_session_attrs(mut self, wanted: TargetSessionAttrs) -> Self {
        self.target_session_attrs = wanted;
        self
    }

    /// In which order hosts are tried. As listed by default.
    #[must_use]
    pub fn load_balance_hosts(mut self, order: LoadBalanceHosts) -> Self {
        self.load_balance_hosts = order;
        self
    }

    /// How long connecting may take in all, over all hosts; `None`: as long as its attempts take. None by default.
    #[must_use]
    pub fn connect_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.connect_deadline = deadline;
        self
    }

    /// Whether SCRAM must be bound to the TLS channel. Where both sides can by default.
    #[must_use]
    pub fn channel_binding(mut self, mode: ChannelBindingMode) -> Self {
        self.policy.channel_binding = mode;
        self
    }

    /// The ways to authenticate that are accepted. All by default.
    #[must_use]
    pub fn require_auth(mut self, methods: Methods) -> Self {
        self.policy.methods = methods;
        self
    }

    /// The password. None by default.
    #[must_use]
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.password = Some(Secret::new(password));
        self
    }

    /// Where the password comes from, in place of [`password`](Self::password). None by default.
    #[must_use]
    pub fn password_from(mut self, provider: CredentialProvider) -> Self {
        self.password_from = Some(provider);
        self
    }

    /// Where a bearer token comes from, if the server asks for one (OAUTHBEARER, PostgreSQL 18). None by default. As a password in
    /// clear, it is sent over TLS or a Unix socket only.
    #[must_use]
    pub fn oauth_token_from(mut self, provider: CredentialProvider) -> Self {
        self.oauth_token_from = Some(provider);
        self
    }

    /// The keys of SCRAM in place of the password, as a proxy has them (`scram_client_key`, `scram_server_key`).
    #[must_use]
    pub fn scram_keys(mut self, keys: ScramKeys) -> Self {
        self.scram_keys = Some(keys);
        self
    }

    /// The oldest version of the protocol to accept, and the newest to ask for. 3.0 and 3.0 by default, as in libpq: some poolers
    /// refuse to negotiate.
    #[must_use]
    pub fn protocol_versions(mut self, oldest: ProtocolVersion, newest: ProtocolVersion) -> Self {
        self.versions = (oldest, newest);
        self
    }

    /// The database. The one of the user's name by default.
    #[must_use]
    pub fn dbname(mut self, dbname: impl Into<String>) -> Self {
        self.dbname = Some(dbname.into());
        self
    }

    /// The name that the server shows for this connection in `pg_stat_activity` and its log. None by default.
    #[must_use]
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.application_name = Some(name.into());
        self
    }

    /// Settings of the session, as `-c name=value` with blanks escaped by a backslash. None by default; most
    /// poolers refuse any.
    #[must_use]
    pub fn options(mut self, options: impl Into<String>) -> Self {
        self.options = Some(options.into());
        self
    }

    /// One setting of the session more, beside those in `options`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let is_special = |letter: char| letter == '\\' || letter.is_whitespace();
        let escaped: String = value
            .chars()
            .flat_map(|letter| is_special(letter).then_some('\\').into_iter().chain([letter]))
            .collect();
        let before = self.options.take().map(|options| options + " ").unwrap_or_default();
        self.options = Some(format!("{before}-c {name}={escaped}"));
        self
    }

    /// How long connecting may take in all, authentication included; `None` waits for ever. 10 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Whether the password may be sent in clear over TCP without TLS, when a server asks for that. False by
    /// default: everybody on the way could read it. Over a Unix socket it always may.
    #[must_use]
    pub fn allow_cleartext_password(mut self, allowed: bool) -> Self {
        self.cleartext_password = allowed;
        self
    }

    /// How statements travel that do not say it themselves. [`StatementMode::Named`] by default; behind a pooler in transaction
    /// mode that does not keep track of prepared statements, say [`StatementMode::Unnamed`].
    #[must_use]
    pub fn statement_mode(mut self, mode: StatementMode) -> Self {
        self.statement_mode = mode;
        self
    }

    /// How many statements each connection keeps parsed at the server; the one that was used longest ago gives way. 100 by default; 0
    /// keeps none.
    #[must_use]
    pub fn statement_cache_capacity(mut self, statements: usize) -> Self {
        self.statement_cache_capacity = statements;
        self
    }

    /// The name under which a Kerberos server knows the database server, with the name of the host behind it. `postgres` by default.
    #[must_use]
    pub fn krbsrvname(mut self, name: impl Into<String>) -> Self {
        self.kerberos_service = name.into();
        self
    }

    /// Whether Kerberos credentials are passed on to the server, if they can be. False by default.
    #[must_use]
    pub fn gssdelegation(mut self, delegates: bool) -> Self {
        self.delegates_kerberos = delegates;
        self
    }

    /// The name under which a Kerberos server knows the database server (`krbsrvname`).
    pub fn kerberos_service(&self) -> &str {
        &self.kerberos_service
    }

    /// Whether Kerberos credentials are passed on to the server (`gssdelegation`).
    pub fn delegates_kerberos(&self) -> bool {
        self.delegates_kerberos
    }

    /// What `oauth_*` say, for the function that fetches a token.
    pub fn oauth_client(&self) -> &OauthClient {
        &self.oauth
    }

    /// What the server has to be to be taken.
    pub fn wanted_session_attrs(&self) -> TargetSessionAttrs {
        self.target_session_attrs
    }

    /// The servers to try.
    pub fn hosts(&self) -> &[HostSpec] {
        &self.hosts
    }

    /// The settings of TLS.
    pub fn ssl_options(&self) -> &SslOptions {
        &self.ssl
    }

    /// The role.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    pub fn dbname_ref(&self) -> &str {
        self.dbname.as_deref().unwrap_or(&self.user)
    }

    pub(crate) fn target_session_attrs_mode(&self) -> TargetSessionAttrs {
        self.target_session_attrs
    }

    pub(crate) fn load_balance_hosts_mode(&self) -> LoadBalanceHosts {
        self.load_balance_hosts
    }

    pub(crate) fn connect_timeout_limit(&self) -> Option<Duration> {
        self.connect_timeout
    }

    pub(crate) fn connect_deadline_limit(&self) -> Option<Duration> {
        self.connect_deadline
    }

    pub(crate) fn socket_options(&self) -> SocketOptions {
        self.socket_options.clone()
    }

    /// The password for one of the hosts.
    pub(crate) async fn password_for(&self, spec: &HostSpec) -> Result<Option<Secret>, CredentialError> {
        if let Some(provider) = &self.password_from {
            return provider.fetch(spec).await.map(Some);
        }
        let given = self.password.as_ref().filter(|password| !password.expose().is_empty());
        Ok(given.cloned().or_else(|| self.password_in_file(spec)))
    }

    #[cfg(feature = "passfile")]
    fn password_in_file(&self, spec: &HostSpec) -> Option<Secret> {
        let host = match (&spec.host, spec.hostaddr) {
            // As libpq has it: the default socket goes by the name of localhost.
            (Some(Host::Unix(directory)), _) if !is_default_socket(directory) => {
                directory.display().to_string()
            }
            (Some(Host::Tcp(name)), _) => name.clone(),
            (None, Some(address)) => address.to_string(),
            _ => "localhost".to_owned(),
        };
        let login =
            passfile::Login { host: &host, port: spec.port, dbname: self.dbname_ref(), user: &self.user };
        passfile::look_up(self.passfile.as_deref()?, &login)
    }

    #[cfg(not(feature = "passfile"))]
    #[expect(clippy::unused_self, reason = "as its sibling")]
    fn password_in_file(&self, _: &HostSpec) -> Option<Secret> {
        None
    }

    pub(crate) fn oauth_token_provider(&self) -> Option<&CredentialProvider> {
        self.oauth_token_from.as_ref()
    }

    pub(crate) fn key_memory(&self) -> &KeyMemory {
        &self.key_memory
    }

    pub(crate) fn tls_memory(&self) -> &TlsMemory {
        &self.tls_memory
    }

    /// The statements of a new connection to one of the hosts.
    pub(crate) fn statements(&self, server: String) -> Statements {
        let (database, user) = (self.dbname_ref().to_owned(), self.user.clone());
        let options = self.options.clone();
        let catalogue = self.catalogues.of(Whereabouts { server, database, user, options });
        Statements::new(self.statement_cache_capacity, self.statement_mode, catalogue)
    }

    /// What the handshake needs to know, but for the password and what depends on the channel.
    pub(crate) fn handshake_config(&self) -> HandshakeConfig {
        let mut handshake = HandshakeConfig::new(self.user.clone());
        handshake.parameters = self.startup_parameters();
        handshake.policy = self.policy.clone();
        handshake.policy.cleartext = self.cleartext_password;
        handshake.policy.has_token = self.oauth_token_from.is_some();
        handshake.scram_keys.clone_from(&self.scram_keys);
        (handshake.minimum_version, handshake.version) = self.versions;
        handshake
    }

    /// Refuses what could not be sent, before anything is.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let text = |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains('\0'));
        let password = self.password.as_ref().is_some_and(|password| password.expose().contains(&0));
        let with_nul = [
            ("user", self.user.contains('\0')),
            ("password", password),
            ("dbname", text(&self.dbname)),
            ("application_name", text(&self.application_name)),
            ("options", text(&self.options)),
            ("krbsrvname", self.kerberos_service.contains('\0')),
        ];
        match with_nul.iter().find(|(_, has_nul)| *has_nul) {
            Some((key, _)) => Err(ConfigError::InteriorNul { key }),
            None => self.ssl.check(),
        }
    }

    /// What stands in the startup packet behind the user.
    pub(crate) fn startup_parameters(&self) -> Vec<(String, String)> {
        let mut parameters = vec![("client_encoding".to_owned(), "UTF8".to_owned())];
        let optional = [
            ("database", &self.dbname),
            ("application_name", &self.application_name),
            ("options", &self.options),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                parameters.push((name.to_owned(), value.clone()));
            }
        }
        parameters
    }
}

#[cfg(feature = "passfile")]
fn is_default_socket(directory: &std::path::Path) -> bool {
    ["/run/postgresql", "/var/run/postgresql", "/tmp"]
        .iter()
        .any(|known| directory == std::path::Path::new(known))
}

impl FromStr for Config {
    type Err = ConfigError;

    /// Reads a URL or `key=value` pairs in the surroundings of this process.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse_in(text, &Surroundings::of_process())
    }
}
