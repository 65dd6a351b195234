//! Where to connect to and as whom.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cornac_proto::auth::Secret;
use cornac_proto::auth::scram::ScramKeys;
use cornac_proto::handshake::{AuthPolicy, ChannelBindingMode, HandshakeConfig, Methods};
use cornac_proto::message::ProtocolVersion;

use crate::connect::SocketOptions;
use crate::credentials::{CredentialError, CredentialProvider, KeyMemory};

pub use crate::ssl_options::{SslCertMode, SslMode, SslNegotiation, SslOptions, SslRootCert, TlsVersion};

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host name or an IP address, over TCP.
    Tcp(String),
    /// The directory of a Unix socket; the socket's name in it follows from the port.
    Unix(PathBuf),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name) => f.write_str(name),
            Self::Unix(directory) => write!(f, "{}", directory.display()),
        }
    }
}

/// One server of several, as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSpec {
    /// Its name, or the directory of its socket. `None`: the platform's default socket, or only an address.
    pub host: Option<Host>,
    /// Its address, which saves looking its name up.
    pub hostaddr: Option<IpAddr>,
    /// The TCP port, or the number in the name of the Unix socket.
    pub port: u16,
}

impl fmt::Display for HostSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.hostaddr) {
            (Some(host), _) => write!(f, "{host}:{}", self.port),
            (None, Some(address)) => write!(f, "{address}:{}", self.port),
            (None, None) => write!(f, "the default socket, port {}", self.port),
        }
    }
}

/// What kind of server is wanted (`target_session_attrs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any.
    #[default]
    Any,
    /// One that takes writes by default.
    ReadWrite,
    /// One that takes none by default.
    ReadOnly,
    /// One that is not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

impl TargetSessionAttrs {
    /// The name in `target_session_attrs`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

/// In which order hosts and their addresses are tried (`load_balance_hosts`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBalanceHosts {
    /// As they are listed.
    #[default]
    Disable,
    /// In a random order, another one for each connection.
    Random,
}

/// What a connection needs to know, under libpq's names.
///
/// Made by [`Config::new`], or parsed from a URL:
///
/// ```
/// use cornac_conn::{Config, Host};
///
/// let config: Config = "postgres://app:s%40crew@db.example:5433/shop?application_name=till".parse()?;
/// assert_eq!(config.hosts()[0].host, Some(Host::Tcp("db.example".to_owned())));
/// assert_eq!(config.dbname_ref(), "shop");
/// assert!(!format!("{config:?}").contains("s@crew"));
/// # Ok::<(), cornac_conn::ConfigError>(())
/// ```
///
/// A URL is `postgres://user:password@host:port/dbname?key=value&...`, each part percent-encoded where it contains
/// reserved characters. A socket is named by its directory, as a percent-encoded host (`%2Frun%2Fpostgresql`) or as
/// `?host=/run/postgresql`. The keys are `host`, `port`, `user`, `password`, `dbname`, `application_name`,
/// `connect_timeout` (seconds; 0 waits for ever), `options` and `client_encoding` (UTF8). Any other key is an error.
/// See [Connection URIs](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS).
#[derive(Clone, Debug)]
pub struct Config {
    hosts: Vec<HostSpec>,
    user: String,
    password: Option<Secret>,
    ssl: SslOptions,
    target_session_attrs: TargetSessionAttrs,
    load_balance_hosts: LoadBalanceHosts,
    connect_deadline: Option<Duration>,
    socket_options: SocketOptions,
    password_from: Option<CredentialProvider>,
    oauth_token_from: Option<CredentialProvider>,
    scram_keys: Option<ScramKeys>,
    key_memory: KeyMemory,
    versions: (ProtocolVersion, ProtocolVersion),
    policy: AuthPolicy,
    dbname: Option<String>,
    application_name: Option<String>,
    options: Option<String>,
    connect_timeout: Option<Duration>,
    cleartext_password: bool,
}

/// Why a configuration cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a URL of ours.
    #[error("a connection URL begins with postgres:// or postgresql://")]
    Scheme,
    /// A `%` that is not followed by two hexadecimal digits, or stands for a byte that cannot be here.
    #[error("invalid percent-encoding in the {part} of the connection URL")]
    PercentEncoding {
        /// Which part of the URL.
        part: &'static str,
    },
    /// A key that does not exist, or is not supported.
    #[error("unknown connection option {key:?}")]
    UnknownKey {
        /// The key as written.
        key: String,
    },
    /// A key without `=`.
    #[error("connection option {key:?} has no value")]
    MissingValue {
        /// The key as written.
        key: String,
    },
    /// A value that its key cannot have.
    #[error("connection option {key} cannot be {value:?}: {expected}")]
    InvalidValue {
        /// The key.
        key: &'static str,
        /// The value as written.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// No role to connect as.
    #[error("no user is named in the connection URL")]
    MissingUser,
    /// A value with a NUL inside, which no server could ever see.
    #[error("connection option {key} contains a NUL")]
    InteriorNul {
        /// The key.
        key: &'static str,
    },
    /// More than one host, which is not supported yet.
    #[error("several hosts in one connection URL are not supported yet")]
    SeveralHosts,
}

impl Config {
    /// Connects to `host` as `user`, with every other option at its default.
    pub fn new(host: Host, user: impl Into<String>) -> Self {
        Self {
            hosts: vec![HostSpec { host: Some(host), hostaddr: None, port: 5432 }],
            user: user.into(),
            password: None,
            ssl: SslOptions::default(),
            target_session_attrs: TargetSessionAttrs::default(),
            load_balance_hosts: LoadBalanceHosts::default(),
            connect_deadline: None,
            socket_options: SocketOptions::default(),
            password_from: None,
            oauth_token_from: None,
            scram_keys: None,
            key_memory: KeyMemory::default(),
            versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_0),
            policy: AuthPolicy::default(),
            dbname: None,
            application_name: None,
            options: None,
            connect_timeout: Some(Duration::from_secs(10)),
            cleartext_password: false,
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
        match &self.password_from {
            Some(provider) => provider.fetch(spec).await.map(Some),
            None => Ok(self.password.clone()),
        }
    }

    pub(crate) fn oauth_token_provider(&self) -> Option<&CredentialProvider> {
        self.oauth_token_from.as_ref()
    }

    pub(crate) fn key_memory(&self) -> &KeyMemory {
        &self.key_memory
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
        ];
        match with_nul.iter().find(|(_, has_nul)| *has_nul) {
            Some((key, _)) => Err(ConfigError::InteriorNul { key }),
            None => Ok(()),
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

    fn first_host(&self) -> HostSpec {
        self.hosts.first().cloned().unwrap_or_default()
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), ConfigError> {
        match key {
            "host" => self.hosts = vec![HostSpec { host: Some(parse_host(value)?), ..self.first_host() }],
            "port" => self.hosts = vec![HostSpec { port: parse_port(&value)?, ..self.first_host() }],
            "user" => self.user = value,
            "password" => self.password = Some(Secret::new(value)),
            "dbname" => self.dbname = Some(value),
            "application_name" => self.application_name = Some(value),
            "options" => self.options = Some(value),
            "connect_timeout" => self.connect_timeout = parse_timeout(&value)?,
            "client_encoding"
                if value.eq_ignore_ascii_case("utf8") || value.eq_ignore_ascii_case("utf-8") => {}
            "client_encoding" => {
                let expected = "only UTF8 is spoken here";
                return Err(ConfigError::InvalidValue { key: "client_encoding", value, expected });
            }
            key => return Err(ConfigError::UnknownKey { key: key.to_owned() }),
        }
        Ok(())
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(url: &str) -> Result<Self, ConfigError> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or(ConfigError::Scheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, dbname) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, host_port) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        let mut config = Self::new(Host::Tcp("localhost".to_owned()), decode("user", user)?);
        if let Some(password) = password {
            config.password = Some(Secret::new(decode("password", password)?));
        }
        if !dbname.is_empty() {
            config.dbname = Some(decode("database name", dbname)?);
        }
        let (host, port) = split_port(host_port)?;
        if !host.is_empty() {
            config.set("host", decode("host", host)?)?;
        }
        if !port.is_empty() {
            config.set("port", port.to_owned())?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| ConfigError::MissingValue { key: pair.to_owned() })?;
            config.set(&decode("options", key)?, decode("options", value)?)?;
        }
        if config.user.is_empty() { Err(ConfigError::MissingUser) } else { Ok(config) }
    }
}

/// Splits `host:port`, where an IPv6 address stands in brackets.
fn split_port(host_port: &str) -> Result<(&str, &str), ConfigError> {
    if host_port.contains(',') {
        return Err(ConfigError::SeveralHosts);
    }
    let bracketed = host_port.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((address, behind)) = bracketed else {
        return Ok(host_port.split_once(':').unwrap_or((host_port, "")));
    };
    match behind.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if behind.is_empty() => Ok((address, "")),
        None => {
            let expected = "only a port can follow a bracketed IPv6 address";
            Err(ConfigError::InvalidValue { key: "host", value: host_port.to_owned(), expected })
        }
    }
}

fn parse_host(host: String) -> Result<Host, ConfigError> {
    if host.contains('\0') {
        return Err(ConfigError::PercentEncoding { part: "host" });
    }
    Ok(if host.starts_with('/') { Host::Unix(PathBuf::from(host)) } else { Host::Tcp(host) })
}

fn parse_port(port: &str) -> Result<u16, ConfigError> {
    port.parse::<u16>().ok().filter(|&port| port > 0).ok_or_else(|| ConfigError::InvalidValue {
        key: "port",
        value: port.to_owned(),
        expected: "it is a number from 1 to 65535",
    })
}

fn parse_timeout(seconds: &str) -> Result<Option<Duration>, ConfigError> {
    match seconds.parse::<u32>() {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
        Err(_) => Err(ConfigError::InvalidValue {
            key: "connect_timeout",
            value: seconds.to_owned(),
            expected: "it is a number of seconds, or 0 to wait for ever",
        }),
    }
}

/// Undoes percent-encoding. The error names the part, never what is in it: it may be a password.
fn decode(part: &'static str, encoded: &str) -> Result<String, ConfigError> {
    let error = ConfigError::PercentEncoding { part };
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if byte != b'%' {
            decoded.push(byte);
            rest = behind;
            continue;
        }
        let (digits, behind) = behind.split_first_chunk::<2>().ok_or(error.clone())?;
        let mut digits = digits.iter().map(|&digit| char::from(digit).to_digit(16));
        let value = digits.try_fold(0, |value, digit| Some(value * 16 + digit?)).ok_or(error.clone())?;
        match u8::try_from(value) {
            Ok(0) | Err(_) => return Err(error),
            Ok(byte) => decoded.push(byte),
        }
        rest = behind;
    }
    String::from_utf8(decoded).map_err(|_| error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(url: &str, expected: &Expect) {
        let shown = match url.parse::<Config>() {
            Ok(config) => format!(
                "{} {} {} {} {:?}",
                config.hosts[0].host.as_ref().unwrap(),
                config.hosts[0].port,
                config.user,
                config.dbname_ref(),
                config.password.as_ref().map(|p| String::from_utf8_lossy(p.expose()).into_owned())
            ),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn urls_mean_what_libpq_makes_of_them() {
        check("postgres://app@db.example/shop", &expect!["db.example 5432 app shop None"]);
        check("postgresql://app:p%40ss:w@[::1]:5433/a%2Fb", &expect![[r#"::1 5433 app a/b Some("p@ss:w")"#]]);
        check("postgres://app@%2Frun%2Fpg/shop", &expect!["/run/pg 5432 app shop None"]);
        check("postgres://app@/shop?host=/run/pg&port=6000", &expect!["/run/pg 6000 app shop None"]);
        check("postgres://app@", &expect!["localhost 5432 app app None"]);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_shown() {
        check("mysql://app@db", &expect!["a connection URL begins with postgres:// or postgresql://"]);
        check(
            "postgres://app:%zz@db",
            &expect!["invalid percent-encoding in the password of the connection URL"],
        );
        check("postgres://db", &expect!["no user is named in the connection URL"]);
        check("postgres://app@db?colour=red", &expect![[r#"unknown connection option "colour""#]]);
        check("postgres://app@db?port", &expect![[r#"connection option "port" has no value"#]]);
        check(
            "postgres://app@db:0",
            &expect![[r#"connection option port cannot be "0": it is a number from 1 to 65535"#]],
        );
        check(
            "postgres://app@a,b/shop",
            &expect!["several hosts in one connection URL are not supported yet"],
        );
        check(
            "postgres://app@db?client_encoding=LATIN1",
            &expect![[r#"connection option client_encoding cannot be "LATIN1": only UTF8 is spoken here"#]],
        );
    }
}
