//! The keys of a connection string: libpq 18's, all fifty of them.

/// A key, the environment variable that stands in for it, and whether what it says must not be shown.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) variable: Option<&'static str>,
    pub(super) is_secret: bool,
}

const fn plain(name: &'static str, variable: &'static str) -> Keyword {
    Keyword { name, variable: Some(variable), is_secret: false }
}

const fn without_variable(name: &'static str) -> Keyword {
    Keyword { name, variable: None, is_secret: false }
}

const fn secret(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword { name, variable, is_secret: true }
}

/// See [Parameter Key Words](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS).
pub(super) static KEYWORDS: [Keyword; 50] = [
    plain("service", "PGSERVICE"),
    plain("user", "PGUSER"),
    secret("password", Some("PGPASSWORD")),
    plain("passfile", "PGPASSFILE"),
    plain("channel_binding", "PGCHANNELBINDING"),
    plain("connect_timeout", "PGCONNECT_TIMEOUT"),
    plain("dbname", "PGDATABASE"),
    plain("host", "PGHOST"),
    plain("hostaddr", "PGHOSTADDR"),
    plain("port", "PGPORT"),
    plain("client_encoding", "PGCLIENTENCODING"),
    plain("options", "PGOPTIONS"),
    plain("application_name", "PGAPPNAME"),
    without_variable("fallback_application_name"),
    without_variable("keepalives"),
    without_variable("keepalives_idle"),
    without_variable("keepalives_interval"),
    without_variable("keepalives_count"),
    without_variable("tcp_user_timeout"),
    plain("sslmode", "PGSSLMODE"),
    plain("sslnegotiation", "PGSSLNEGOTIATION"),
    plain("sslcompression", "PGSSLCOMPRESSION"),
    plain("sslcert", "PGSSLCERT"),
    plain("sslkey", "PGSSLKEY"),
    plain("sslcertmode", "PGSSLCERTMODE"),
    secret("sslpassword", None),
    plain("sslrootcert", "PGSSLROOTCERT"),
    plain("sslcrl", "PGSSLCRL"),
    plain("sslcrldir", "PGSSLCRLDIR"),
    plain("sslsni", "PGSSLSNI"),
    plain("requirepeer", "PGREQUIREPEER"),
    plain("require_auth", "PGREQUIREAUTH"),
    plain("min_protocol_version", "PGMINPROTOCOLVERSION"),
    plain("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    plain("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    plain("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    plain("gssencmode", "PGGSSENCMODE"),
    plain("krbsrvname", "PGKRBSRVNAME"),
    plain("gsslib", "PGGSSLIB"),
    plain("gssdelegation", "PGGSSDELEGATION"),
    without_variable("replication"),
    plain("target_session_attrs", "PGTARGETSESSIONATTRS"),
    plain("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    secret("scram_client_key", None),
    secret("scram_server_key", None),
    without_variable("oauth_issuer"),
    without_variable("oauth_client_id"),
    secret("oauth_client_secret", None),
    without_variable("oauth_scope"),
    without_variable("sslkeylogfile"),
];

pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}
