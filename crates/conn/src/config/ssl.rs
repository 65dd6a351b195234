//! libpq's settings of TLS.

use std::path::PathBuf;

use cornac_proto::auth::Secret;

use super::error::ConfigError;

/// Whether the channel is encrypted, and whether the server must prove who it is (`sslmode`).
///
/// **In production say `verify-full`**: every weaker mode lets somebody on the way be the server.
///
/// See [SSL Mode Descriptions](https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never encrypt.
    Disable,
    /// Encrypt only if the server refuses a connection that is not encrypted.
    Allow,
    /// Encrypt if the server can. The default, as in libpq.
    #[default]
    Prefer,
    /// Encrypt, or do not connect. Where a file of roots is at hand, the server's certificate is checked as under `verify-ca`.
    Require,
    /// As `require`, and one of the trusted roots must vouch for the server's certificate.
    VerifyCa,
    /// As `verify-ca`, and the certificate must be for the host that was asked for.
    VerifyFull,
}

impl SslMode {
    /// The name in `sslmode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// How TLS begins (`sslnegotiation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslNegotiation {
    /// PostgreSQL's SSLRequest first.
    #[default]
    Postgres,
    /// The TLS handshake at once, which saves a round trip. PostgreSQL 17 and newer.
    Direct,
}

/// Which roots are trusted (`sslrootcert`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SslRootCert {
    /// Those in `root.crt` of the default directory, if it is there.
    #[default]
    Default,
    /// Those in a file.
    File(PathBuf),
    /// Those that the platform trusts.
    System,
}

/// Whether our certificate is sent (`sslcertmode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslCertMode {
    /// Never.
    Disable,
    /// If the server asks and there is one.
    #[default]
    Allow,
    /// The server must ask for it.
    Require,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// libpq's settings of TLS.
///
/// A configuration and its clones remember what they have read from the files that are named here, our own key among it, until a file or a
/// setting changes; connections see a change of a file when they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SslOptions {
    /// `sslmode`.
    pub mode: SslMode,
    /// `sslnegotiation`.
    pub negotiation: SslNegotiation,
    /// `sslrootcert`.
    pub root_cert: SslRootCert,
    /// `sslcert`: our certificate, PEM or DER. `postgresql.crt` of the default directory if not set.
    pub cert: Option<PathBuf>,
    /// `sslkey`: its key, PEM or DER. `postgresql.key` of the default directory if not set.
    pub key: Option<PathBuf>,
    /// `sslpassword`: decrypts the key.
    pub password: Option<Secret>,
    /// `sslcertmode`.
    pub cert_mode: SslCertMode,
    /// `sslcrl`: revocation lists. `root.crl` of the default directory if neither this nor `crl_dir` is set.
    pub crl: Option<PathBuf>,
    /// `sslcrldir`: a directory of revocation lists, in OpenSSL's layout.
    pub crl_dir: Option<PathBuf>,
    /// `sslsni`: whether the host's name is sent in clear, for proxies that route by it. True by default.
    pub sni: bool,
    /// `ssl_min_protocol_version`. TLS 1.2 by default.
    pub min_protocol: TlsVersion,
    /// `ssl_max_protocol_version`. The newest by default.
    pub max_protocol: Option<TlsVersion>,
    /// `sslkeylogfile`: where the secrets of each session are written, for debugging.
    pub key_log_file: Option<PathBuf>,
    /// Where the default files are: `~/.postgresql`. `None`: there are none.
    pub default_directory: Option<PathBuf>,
}

impl Default for SslOptions {
    fn default() -> Self {
        Self {
            mode: SslMode::default(),
            negotiation: SslNegotiation::default(),
            root_cert: SslRootCert::default(),
            cert: None,
            key: None,
            password: None,
            cert_mode: SslCertMode::default(),
            crl: None,
            crl_dir: None,
            sni: true,
            min_protocol: TlsVersion::V1_2,
            max_protocol: None,
            key_log_file: None,
            default_directory: None,
        }
    }
}

impl SslOptions {
    /// Refuses what contradicts itself, as libpq does.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let weak = self.mode < SslMode::Require;
        if self.negotiation == SslNegotiation::Direct && weak {
            return Err(ConfigError::Contradiction(format!(
                "sslnegotiation=direct does not go with sslmode={}: use require, verify-ca or verify-full",
                self.mode.name()
            )));
        }
        if self.root_cert == SslRootCert::System && self.mode != SslMode::VerifyFull {
            return Err(ConfigError::Contradiction(format!(
                "sslrootcert=system does not go with sslmode={}: roots that vouch for everybody prove nothing without the name; \
                 use verify-full",
                self.mode.name()
            )));
        }
        if self.max_protocol.is_some_and(|newest| newest < self.min_protocol) {
            let what = "ssl_min_protocol_version is newer than ssl_max_protocol_version";
            return Err(ConfigError::Contradiction(what.to_owned()));
        }
        Ok(())
    }
}
