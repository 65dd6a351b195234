//! TLS: libpq's settings, over rustls.

mod certificate;
mod chain;
mod client_certificate;
mod error;
mod failure;
mod files;
mod key_log;
mod memory;
mod name;
mod revocation;
mod signature;
mod sources;
mod verifier;

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{SslCertMode, SslMode, SslOptions, SslRootCert, TlsVersion};
use client_certificate::ClientCertificate;
pub use error::TlsError;
pub use failure::CertificateFailure;
use key_log::KeyLogFile;
pub(crate) use memory::TlsMemory;
use sources::Sources;
use verifier::{Check, Findings, Trust, Verifier};

/// The protocol's name in ALPN.
const ALPN: &[u8] = b"postgresql";

/// All that TLS needs to know, loaded from files.
#[derive(Debug)]
pub(crate) struct TlsClient {
    provider: Arc<CryptoProvider>,
    options: SslOptions,
    trust: Option<Arc<Trust>>,
    certified: Option<Arc<CertifiedKey>>,
    key_log: Option<Arc<KeyLogFile>>,
}

/// An encrypted channel, and what SCRAM can bind itself to.
#[derive(Debug)]
pub(crate) struct Encrypted<S> {
    pub(crate) stream: TlsStream<S>,
    /// `tls-server-end-point`; `None` where the server's certificate has none defined.
    pub(crate) channel_binding: Option<Vec<u8>>,
}

impl TlsClient {
    /// Reads the files that `options` name, and those of `~/.postgresql`. This blocks.
    fn load(options: &SslOptions, sources: &mut Sources) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        Ok(Self {
            trust: load_trust(options, sources)?.map(Arc::new),
            certified: load_certified(options, &provider, sources)?,
            key_log: options.key_log_file.as_deref().map(KeyLogFile::open).transpose()?.map(Arc::new),
            options: options.clone(),
            provider,
        })
    }

    /// Runs the handshake. `host` is the name that the certificate must be for; `direct` is without SSLRequest before it.
    pub(crate) async fn handshake<S>(
        &self,
        stream: S,
        host: Option<&str>,
        direct: bool,
    ) -> Result<Encrypted<S>, TlsFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let findings = Arc::new(Findings::default());
        let certificate = Arc::new(ClientCertificate::new(self.certified.clone()));
        let config = self.config(host, &findings, &certificate).map_err(TlsFailure::Tls)?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(server_name(host), stream).await.map_err(TlsFailure::from_io)?;
        if direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(TlsFailure::Tls(TlsError::AlpnMissing));
        }
        if self.options.cert_mode == SslCertMode::Require {
            if !certificate.was_requested() {
                return Err(TlsFailure::Tls(TlsError::CertificateNotRequested));
            }
            if !certificate.was_sent() {
                return Err(TlsFailure::Tls(TlsError::CertificateNotSent));
            }
        }
        Ok(Encrypted { stream, channel_binding: findings.channel_binding() })
    }

    fn config(
        &self,
        host: Option<&str>,
        findings: &Arc<Findings>,
        certificate: &Arc<ClientCertificate>,
    ) -> Result<ClientConfig, TlsError> {
        let check = match (&self.trust, self.options.mode) {
            (None, _) => Check::Nothing,
            (Some(trust), SslMode::VerifyFull) => {
                Check::ChainAndName(Arc::clone(trust), host.map(str::to_owned))
            }
            (Some(trust), _) => Check::Chain(Arc::clone(trust)),
        };
        let verifier =
            Verifier::new(check, self.provider.signature_verification_algorithms, Arc::clone(findings));
        let versions = versions(&self.options);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&versions)
            .map_err(|error| TlsError::Settings(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::<ClientCertificate>::clone(certificate));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = self.options.sni;
        // PostgreSQL's servers switch session tickets and caches off: there is nothing to resume.
        config.resumption = Resumption::disabled();
        if let Some(key_log) = &self.key_log {
            config.key_log = Arc::<KeyLogFile>::clone(key_log);
        }
        Ok(config)
    }
}

/// Why a handshake failed: because of TLS, or because of what is below it.
#[derive(Debug)]
pub(crate) enum TlsFailure {
    Tls(TlsError),
    Io(std::io::Error),
}

impl TlsFailure {
    fn from_io(error: std::io::Error) -> Self {
        TlsError::from_io(error).map_or_else(Self::Io, Self::Tls)
    }
}

/// The cryptography: aws-lc-rs where it is built in, else ring.
fn provider() -> CryptoProvider {
    #[cfg(feature = "aws-lc-rs")]
    return rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    rustls::crypto::ring::default_provider()
}

/// What goes into SNI. A name that cannot stand there is not sent, as an address never is.
fn server_name(host: Option<&str>) -> ServerName<'static> {
    let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
    name.unwrap_or_else(|| ServerName::IpAddress(IpAddr::from([0, 0, 0, 0]).into()))
}

fn versions(options: &SslOptions) -> Vec<&'static SupportedProtocolVersion> {
    let newest = options.max_protocol.unwrap_or(TlsVersion::V1_3);
    [(TlsVersion::V1_2, &TLS12), (TlsVersion::V1_3, &TLS13)]
        .into_iter()
        .filter(|(version, _)| (options.min_protocol..=newest).contains(version))
        .map(|(_, supported)| supported)
        .collect()
}

/// The roots and revocation lists. `None`: no certificate is checked.
fn load_trust(options: &SslOptions, sources: &mut Sources) -> Result<Option<Trust>, TlsError> {
    const WHAT: &str = "root certificate file";
    let checked = matches!(options.mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let directory = options.default_directory.as_ref();
    let (path, roots) = match &options.root_cert {
        SslRootCert::System => return load_system_roots(options, sources).map(Some),
        // A file that is named is meant. That libpq goes on without it under sslmode=require is not repeated here.
        SslRootCert::File(path) => {
            let missing = || TlsError::RootMissing { path: path.clone() };
            (path.clone(), files::certificates(WHAT, path, sources)?.ok_or_else(missing)?)
        }
        SslRootCert::Default => match files::default_file(directory, "root.crt") {
            None if checked => return Err(TlsError::RootNotConfigured { sslmode: options.mode.name() }),
            None => return Ok(None),
            Some(path) => match files::certificates(WHAT, &path, sources)? {
                Some(roots) => (path, roots),
                None if checked => return Err(TlsError::RootMissing { path }),
                None => return Ok(None),
            },
        },
    };
    let content = |why| TlsError::Content { what: WHAT, path: path.clone(), why };
    Trust::new(roots, &load_revocation(options, sources)?).map(Some).map_err(content)
}

fn load_system_roots(options: &SslOptions, sources: &mut Sources) -> Result<Trust, TlsError> {
    sources.add_system_roots();
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(TlsError::SystemRoots(if why.is_empty() { "there are none".to_owned() } else { why }));
    }
    // A store of hundreds may hold one that cannot be a root; the others are still trusted.
    let roots =
        found.certs.into_iter().filter(|root| webpki::anchor_from_trusted_cert(root).is_ok()).collect();
    Trust::new(roots, &load_revocation(options, sources)?)
        .map_err(|why| TlsError::SystemRoots(why.to_owned()))
}

fn load_revocation(options: &SslOptions, sources: &mut Sources) -> Result<Vec<Vec<u8>>, TlsError> {
    let mut lists = Vec::new();
    if let Some(path) = &options.crl {
        let missing = || TlsError::File {
            what: "certificate revocation list file",
            path: path.clone(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        lists.extend(files::revocation_lists(path, sources)?.ok_or_else(missing)?);
    }
    if let Some(directory) = &options.crl_dir {
        lists.extend(files::revocation_directory(directory, sources)?);
    }
    if options.crl.is_none() && options.crl_dir.is_none() {
        if let Some(path) = files::default_file(options.default_directory.as_ref(), "root.crl") {
            lists.extend(files::revocation_lists(&path, sources)?.unwrap_or_default());
        }
    }
    Ok(lists)
}

/// Our own certificate and its key, where there is one.
fn load_certified(
    options: &SslOptions,
    provider: &CryptoProvider,
    sources: &mut Sources,
) -> Result<Option<Arc<CertifiedKey>>, TlsError> {
    const WHAT: &str = "certificate file";
    if options.cert_mode == SslCertMode::Disable {
        return Ok(None);
    }
    let directory = options.default_directory.as_ref();
    let Some(path) = options.cert.clone().or_else(|| files::default_file(directory, "postgresql.crt")) else {
        return Ok(None);
    };
    let Some(chain) = files::certificates(WHAT, &path, sources)? else {
        if options.cert.is_some() {
            // As libpq does: the server decides whether it takes us without.
            tracing::warn!(target: "cornac::tls", "certificate file {path:?} does not exist; connecting without it");
        }
        return Ok(None);
    };
    let key_path = options.key.clone().or_else(|| files::default_file(directory, "postgresql.key"));
    let Some(key_path) = key_path else {
        return Err(TlsError::Content { what: WHAT, path, why: "it has no private key; set sslkey" });
    };
    let key = files::private_key(&key_path, options.password.as_ref(), sources)?;
    certify(chain, key, provider, key_path).map(|certified| Some(Arc::new(certified)))
}

fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
    provider: &CryptoProvider,
    path: std::path::PathBuf,
) -> Result<CertifiedKey, TlsError> {
    let what = "private key file";
    let Ok(key) = provider.key_provider.load_private_key(key) else {
        let why =
            "its kind of key cannot be used here; RSA (2048 to 8192 bits), P-256, P-384 and Ed25519 can";
        return Err(TlsError::Content { what, path, why });
    };
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A certificate of version 1 cannot be compared by the TLS library; the server notices a wrong key.
        Ok(())
        | Err(
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown),
        ) => Ok(certified),
        Err(_) => Err(TlsError::Content { what, path, why: "it does not belong to the certificate" }),
    }
}
