//! From what a connection string says to what it means.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cornac_proto::auth::Secret;
use cornac_proto::auth::scram::ScramKeys;
use cornac_proto::handshake::{ChannelBindingMode, Method, Methods};
use cornac_proto::message::ProtocolVersion;

use super::error::ConfigError;
use super::keyword::{self, KEYWORDS};
use super::settings::{Settings, shortened};
use super::surroundings::Surroundings;
use super::{
    Config, Host, HostSpec, LoadBalanceHosts, OauthClient, SslCertMode, SslMode, SslNegotiation, SslRootCert,
    TargetSessionAttrs, TlsVersion, key_value, service, uri,
};

/// Reads a URL or `key=value` pairs, and adds what service, environment and defaults say of the rest, in libpq's order.
pub(super) fn read(text: &str, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let settings = complete(parse(text)?, surroundings)?;
    interpret(&settings, surroundings).map_err(|error| without_half_a_password(error, text))
}

/// A slash in a URL's password that is not encoded ends the credentials before they are any, so that what stands before the slash is
/// taken for a port, as in libpq. It is not shown.
fn without_half_a_password(error: ConfigError, text: &str) -> ConfigError {
    let has_late_at = |rest: &str| {
        rest.split_once('/').is_some_and(|(before, behind)| !before.contains('@') && behind.contains('@'))
    };
    match error {
        ConfigError::InvalidValue { key: "port", .. } if uri::strip_scheme(text).is_some_and(has_late_at) => {
            let expected = "it is a number from 1 to 65535; a / in a password is written as %2F";
            ConfigError::InvalidSecret { key: "port", expected }
        }
        error => error,
    }
}

/// What the string itself says.
pub(super) fn parse(text: &str) -> Result<Settings, ConfigError> {
    match uri::strip_scheme(text) {
        Some(rest) => uri::parse(text, rest),
        None if text.contains("://") && !text.contains(char::is_whitespace) => {
            let problem = "a connection URL begins with postgres:// or postgresql://";
            Err(ConfigError::Syntax { problem, position: 0 })
        }
        None => key_value::parse(text),
    }
}

/// Adds what the string does not say: of the service, then of the environment.
fn complete(mut settings: Settings, surroundings: &Surroundings) -> Result<Settings, ConfigError> {
    let service = settings.filled("service").or_else(|| surroundings.variable("PGSERVICE"));
    if let Some(name) = service.map(str::to_owned).filter(|name| !name.is_empty()) {
        service::apply(&mut settings, &name, surroundings)?;
    }
    for keyword in &KEYWORDS {
        if let Some(value) = keyword.variable.and_then(|variable| surroundings.variable(variable)) {
            settings.put_default(keyword.name, value);
        }
    }
    if surroundings.variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
        settings.put_default("sslmode", "require");
    }
    // Roots that vouch for everybody prove nothing without the name.
    if settings.get("sslrootcert") == Some("system") {
        settings.put_default("sslmode", "verify-full");
    }
    if let Some(user) = surroundings.user() {
        settings.put_default("user", user);
    }
    Ok(settings)
}

fn interpret(settings: &Settings, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    refuse_unsupported(settings)?;
    let user = settings.filled("user").ok_or(ConfigError::MissingUser)?;
    let mut config = Config::with_specs(hosts(settings)?, user.to_owned());
    let text = |key: &str| settings.filled(key).map(str::to_owned);
    config.password = settings.filled("password").map(|password| Secret::new(password.as_bytes()));
    config.passfile = settings
        .filled("passfile")
        .map(PathBuf::from)
        .or_else(|| surroundings.home().map(|home| home.join(".pgpass")));
    config.dbname = text("dbname");
    config.options = text("options");
    config.application_name = text("application_name").or_else(|| text("fallback_application_name"));
    read_client_encoding(settings)?;
    if let Some(seconds) = integer(settings, "connect_timeout")? {
        config.connect_timeout =
            u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).map(Duration::from_secs);
    }
    read_socket_options(settings, &mut config)?;
    read_ssl(settings, surroundings, &mut config)?;
    read_authentication(settings, &mut config)?;
    config.versions = protocol_versions(settings)?;
    config.target_session_attrs = one_of(
        settings,
        "target_session_attrs",
        &[
            ("any", TargetSessionAttrs::Any),
            ("read-write", TargetSessionAttrs::ReadWrite),
            ("read-only", TargetSessionAttrs::ReadOnly),
            ("primary", TargetSessionAttrs::Primary),
            ("standby", TargetSessionAttrs::Standby),
            ("prefer-standby", TargetSessionAttrs::PreferStandby),
        ],
    )?
    .unwrap_or_default();
    config.load_balance_hosts = one_of(
        settings,
        "load_balance_hosts",
        &[("disable", LoadBalanceHosts::Disable), ("random", LoadBalanceHosts::Random)],
    )?
    .unwrap_or_default();
    Ok(config)
}

fn refuse_unsupported(settings: &Settings) -> Result<(), ConfigError> {
    if flag(settings, "sslcompression")? == Some(true) {
        let why = "TLS compression exposes what is encrypted, and no server has it any more";
        return Err(ConfigError::Unsupported { key: "sslcompression", why });
    }
    if settings.filled("replication").is_some_and(|value| !["false", "off", "no", "0"].contains(&value)) {
        let why = "there is no replication connection yet";
        return Err(ConfigError::Unsupported { key: "replication", why });
    }
    if settings.filled("gsslib").is_some() {
        let why = "there is one GSSAPI library at most, that of the system";
        return Err(ConfigError::Unsupported { key: "gsslib", why });
    }
    let modes = [("disable", false), ("prefer", false), ("require", true)];
    if one_of(settings, "gssencmode", &modes)? == Some(true) {
        let why = "encryption by GSSAPI is not built in; use TLS";
        return Err(ConfigError::Unsupported { key: "gssencmode", why });
    }
    flag(settings, "gssdelegation").map(|_| ())
}

/// Matches hosts, addresses and ports: one each, or one port for all.
fn hosts(settings: &Settings) -> Result<Vec<HostSpec>, ConfigError> {
    let list = |key| settings.filled(key).map(|value| value.split(',').map(str::trim).collect::<Vec<_>>());
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let hosts = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    if let Some(names) = names.as_ref().filter(|names| names.len() != hosts) {
        return Err(ConfigError::Count { what: "host has", count: names.len(), hosts });
    }
    if let Some(ports) = ports.as_ref().filter(|ports| ports.len() != hosts && ports.len() != 1) {
        return Err(ConfigError::Count { what: "port has", count: ports.len(), hosts });
    }
    let nth = |list: &Option<Vec<&str>>, index: usize| {
        list.as_ref()
            .and_then(|list| list.get(index).copied())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    (0..hosts)
        .map(|index| {
            let only = ports.as_ref().is_some_and(|ports| ports.len() == 1);
            let port = nth(&ports, if only { 0 } else { index });
            Ok(HostSpec {
                host: nth(&names, index).map(Host::parse),
                hostaddr: nth(&addresses, index).as_deref().map(parse_address).transpose()?,
                port: port.map_or(Ok(5432), |port| parse_port(&port))?,
            })
        })
        .collect()
}

fn parse_address(address: &str) -> Result<IpAddr, ConfigError> {
    address.parse().map_err(|_| invalid("hostaddr", address, "it is a list of IP addresses"))
}

fn parse_port(port: &str) -> Result<u16, ConfigError> {
    port.parse::<u16>()
        .ok()
        .filter(|&port| port > 0)
        .ok_or_else(|| invalid("port", port, "it is a number from 1 to 65535"))
}

fn read_client_encoding(settings: &Settings) -> Result<(), ConfigError> {
    let Some(encoding) = settings.filled("client_encoding") else { return Ok(()) };
    let plain = encoding.to_ascii_lowercase().replace(['-', '_'], "");
    // `auto` asks for the encoding of the locale, and the strings of Rust are UTF-8.
    if ["utf8", "unicode", "auto"].contains(&plain.as_str()) {
        return Ok(());
    }
    let expected = "only UTF8 is spoken here";
    Err(invalid("client_encoding", encoding, expected))
}

fn read_socket_options(settings: &Settings, config: &mut Config) -> Result<(), ConfigError> {
    let seconds = |key| -> Result<Option<Duration>, ConfigError> {
        Ok(positive(integer(settings, key)?).map(|value| Duration::from_secs(value.into())))
    };
    let options = &mut config.socket_options;
    options.keepalives = integer(settings, "keepalives")?.is_none_or(|value| value != 0);
    options.keepalives_idle = seconds("keepalives_idle")?;
    options.keepalives_interval = seconds("keepalives_interval")?;
    options.keepalives_count = positive(integer(settings, "keepalives_count")?);
    let timeout = positive(integer(settings, "tcp_user_timeout")?);
    options.tcp_user_timeout = timeout.map(|value| Duration::from_millis(value.into()));
    options.require_peer = settings.filled("requirepeer").map(str::to_owned);
    Ok(())
}

fn positive(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok()).filter(|&value| value > 0)
}

fn read_ssl(
    settings: &Settings,
    surroundings: &Surroundings,
    config: &mut Config,
) -> Result<(), ConfigError> {
    let path = |key| settings.filled(key).map(PathBuf::from);
    let ssl = &mut config.ssl;
    let modes = [
        SslMode::Disable,
        SslMode::Allow,
        SslMode::Prefer,
        SslMode::Require,
        SslMode::VerifyCa,
        SslMode::VerifyFull,
    ];
    ssl.mode = one_of(settings, "sslmode", &modes.map(|mode| (mode.name(), mode)))?.unwrap_or_default();
    ssl.negotiation = one_of(
        settings,
        "sslnegotiation",
        &[("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)],
    )?
    .unwrap_or_default();
    ssl.cert_mode = one_of(
        settings,
        "sslcertmode",
        &[
            ("disable", SslCertMode::Disable),
            ("allow", SslCertMode::Allow),
            ("require", SslCertMode::Require),
        ],
    )?
    .unwrap_or_default();
    ssl.root_cert = match settings.filled("sslrootcert") {
        None => SslRootCert::Default,
        Some("system") => SslRootCert::System,
        Some(path) => SslRootCert::File(PathBuf::from(path)),
    };
    (ssl.cert, ssl.key, ssl.crl, ssl.crl_dir) =
        (path("sslcert"), path("sslkey"), path("sslcrl"), path("sslcrldir"));
    ssl.key_log_file = path("sslkeylogfile");
    ssl.password = settings.filled("sslpassword").map(|password| Secret::new(password.as_bytes()));
    ssl.sni = flag(settings, "sslsni")?.unwrap_or(true);
    ssl.min_protocol = tls_version(settings, "ssl_min_protocol_version")?.unwrap_or(TlsVersion::V1_2);
    ssl.max_protocol = tls_version(settings, "ssl_max_protocol_version")?;
    ssl.default_directory = surroundings.home().map(|home| home.join(".postgresql"));
    ssl.check()
}

fn tls_version(settings: &Settings, key: &'static str) -> Result<Option<TlsVersion>, ConfigError> {
    let Some(value) = settings.filled(key) else { return Ok(None) };
    match value.to_ascii_lowercase().as_str() {
        "tlsv1.2" => Ok(Some(TlsVersion::V1_2)),
        "tlsv1.3" => Ok(Some(TlsVersion::V1_3)),
        // As a lower bound, an old version only means that any will do.
        "tlsv1" | "tlsv1.1" if key == "ssl_min_protocol_version" => Ok(Some(TlsVersion::V1_2)),
        "tlsv1" | "tlsv1.1" => {
            let why = "TLS before 1.2 is broken, and not built in";
            Err(ConfigError::Unsupported { key, why })
        }
        _ => {
            let expected = "it is TLSv1.2 or TLSv1.3";
            Err(invalid(key, value, expected))
        }
    }
}

fn read_authentication(settings: &Settings, config: &mut Config) -> Result<(), ConfigError> {
    if let Some(value) = settings.filled("require_auth") {
        config.policy.methods = require_auth(value)?;
    }
    config.policy.channel_binding = one_of(
        settings,
        "channel_binding",
        &[
            ("disable", ChannelBindingMode::Disable),
            ("prefer", ChannelBindingMode::Prefer),
            ("require", ChannelBindingMode::Require),
        ],
    )?
    .unwrap_or_default();
    let keys = (scram_key(settings, "scram_client_key")?, scram_key(settings, "scram_server_key")?);
    config.scram_keys = match keys {
        (None, None) => None,
        (Some(client), Some(server)) => Some(ScramKeys::new(client, server)),
        _ => {
            let what = "scram_client_key and scram_server_key go together: without one of them, nothing can be proven";
            return Err(ConfigError::Contradiction(what.to_owned()));
        }
    };
    settings.filled("krbsrvname").unwrap_or("postgres").clone_into(&mut config.kerberos_service);
    config.delegates_kerberos = flag(settings, "gssdelegation")?.unwrap_or(false);
    let text = |key: &str| settings.filled(key).map(str::to_owned);
    config.oauth = OauthClient {
        issuer: text("oauth_issuer"),
        client_id: text("oauth_client_id"),
        client_secret: settings.filled("oauth_client_secret").map(|secret| Secret::new(secret.as_bytes())),
        scope: text("oauth_scope"),
    };
    Ok(())
}

fn scram_key(settings: &Settings, key: &'static str) -> Result<Option<[u8; 32]>, ConfigError> {
    let Some(encoded) = settings.filled(key) else { return Ok(None) };
    let expected = "it is 32 bytes in base64";
    let decoded = BASE64.decode(encoded).map_err(|_| invalid(key, encoded, expected))?;
    decoded.try_into().map(Some).map_err(|_| invalid(key, encoded, expected))
}

/// A list of methods of which one must be used; or of methods with `!`, none of which may be.
fn require_auth(value: &str) -> Result<Methods, ConfigError> {
    let invalid =
        |expected| ConfigError::InvalidValue { key: "require_auth", value: value.to_owned(), expected };
    let all = [
        Method::None,
        Method::Password,
        Method::Md5,
        Method::ScramSha256,
        Method::Gss,
        Method::Sspi,
        Method::Oauth,
    ];
    let negated = value.starts_with('!');
    let mut named = Methods::EMPTY;
    for part in value.split(',') {
        let name = match (part.strip_prefix('!'), negated) {
            (Some(name), true) => name,
            (None, false) => part,
            _ => return Err(invalid("either all of its methods have a ! in front, or none")),
        };
        let method = all.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            invalid("its methods are password, md5, gss, sspi, scram-sha-256, oauth and none")
        })?;
        if named.contains(method) {
            return Err(invalid("it names a method twice"));
        }
        named |= method;
    }
    if !negated {
        return Ok(named);
    }
    let allowed = |allowed: Methods, method: Method| {
        if named.contains(method) { allowed.without(method) } else { allowed }
    };
    Ok(all.into_iter().fold(Methods::ALL, allowed))
}

fn protocol_versions(settings: &Settings) -> Result<(ProtocolVersion, ProtocolVersion), ConfigError> {
    let known =
        [("3.0", ProtocolVersion::V3_0), ("3.2", ProtocolVersion::V3_2), ("latest", ProtocolVersion::V3_2)];
    let oldest = one_of(settings, "min_protocol_version", &known)?.unwrap_or(ProtocolVersion::V3_0);
    // Without a word, the newest is 3.0 still, since some poolers refuse to negotiate; unless the oldest says more.
    let newest = one_of(settings, "max_protocol_version", &known)?.unwrap_or(oldest);
    if oldest > newest {
        let what = "min_protocol_version is newer than max_protocol_version";
        return Err(ConfigError::Contradiction(what.to_owned()));
    }
    Ok((oldest, newest))
}

/// A number, with blanks around it or not.
fn integer(settings: &Settings, key: &'static str) -> Result<Option<i32>, ConfigError> {
    let Some(value) = settings.filled(key) else { return Ok(None) };
    let trimmed = value.trim();
    trimmed.parse().map(Some).map_err(|_| invalid(key, value, "it is a whole number"))
}

fn flag(settings: &Settings, key: &'static str) -> Result<Option<bool>, ConfigError> {
    match settings.filled(key) {
        None => Ok(None),
        Some("0") => Ok(Some(false)),
        Some("1") => Ok(Some(true)),
        Some(value) => Err(invalid(key, value, "it is 0 or 1")),
    }
}

fn one_of<T: Copy>(
    settings: &Settings,
    key: &'static str,
    known: &[(&'static str, T)],
) -> Result<Option<T>, ConfigError> {
    let Some(value) = settings.get(key) else { return Ok(None) };
    match known.iter().find(|(name, _)| *name == value) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => Err(invalid(key, value, expectation(key))),
    }
}

/// A value that its key cannot have, which is shown if it is no secret.
fn invalid(key: &'static str, value: &str, expected: &'static str) -> ConfigError {
    match keyword::find(key) {
        Some(keyword) if !keyword.is_secret => {
            ConfigError::InvalidValue { key, value: shortened(value), expected }
        }
        _ => ConfigError::InvalidSecret { key, expected },
    }
}

/// What the keys with names for values can be.
fn expectation(key: &str) -> &'static str {
    match key {
        "sslmode" => "it is disable, allow, prefer, require, verify-ca or verify-full",
        "sslnegotiation" => "it is postgres or direct",
        "sslcertmode" => "it is disable, allow or require",
        "channel_binding" | "gssencmode" => "it is disable, prefer or require",
        "target_session_attrs" => "it is any, read-write, read-only, primary, standby or prefer-standby",
        "load_balance_hosts" => "it is disable or random",
        "min_protocol_version" | "max_protocol_version" => "it is 3.0, 3.2 or latest",
        _ => "it has certain values only",
    }
}
