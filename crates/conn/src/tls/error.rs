//! Why there is no encrypted channel.

use std::io;
use std::path::PathBuf;

use super::failure::CertificateFailure;

/// Why there is no encrypted channel to a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server speaks no TLS, and the configuration asks for it.
    #[error("the server does not support TLS, and sslmode={sslmode} asks for it")]
    Refused {
        /// The configured sslmode.
        sslmode: &'static str,
    },
    /// The certificate of the server failed a check.
    #[error("{0}")]
    Certificate(#[from] CertificateFailure),
    /// The handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Handshake(rustls::Error),
    /// The server ended the handshake with an alert, such as about our certificate.
    #[error("the server ended the TLS handshake: {0}")]
    Alert(rustls::Error),
    /// Direct TLS needs ALPN, so that no server of another protocol can be taken for one of ours.
    #[error("the server did not agree on ALPN protocol \"postgresql\", which sslnegotiation=direct needs")]
    AlpnMissing,
    /// `sslcertmode=require`, and the server did not ask for a certificate.
    #[error("sslcertmode=require, and the server did not ask for a certificate")]
    CertificateNotRequested,
    /// `sslcertmode=require`, and there is no certificate to send, or none that the server takes.
    #[error("sslcertmode=require, and no certificate could be sent")]
    CertificateNotSent,
    /// A file cannot be read.
    #[error("{what} {path:?} cannot be read: {source}")]
    File {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file does not contain what it should. What is in it is not shown.
    #[error("{what} {path:?} cannot be used: {why}")]
    Content {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The key of a client certificate could be read by others.
    #[error(
        "private key file {path:?} can be read by others; it must have mode 0600 or less (0640 if root owns it)"
    )]
    KeyPermissions {
        /// Where.
        path: PathBuf,
    },
    /// There is no root to compare with.
    #[error(
        "root certificate file {path:?} does not exist; name one with sslrootcert, or use sslrootcert=system, or an sslmode \
         that checks no certificate"
    )]
    RootMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// `sslrootcert` is not set, and there is no home directory to look in.
    #[error(
        "sslmode={sslmode} needs root certificates, and there is no home directory to find them in; set sslrootcert"
    )]
    RootNotConfigured {
        /// The configured sslmode.
        sslmode: &'static str,
    },
    /// The platform's roots cannot be loaded.
    #[error("the roots that this platform trusts cannot be loaded (sslrootcert=system): {0}")]
    SystemRoots(String),
    /// The settings contradict each other or the TLS library.
    #[error("the TLS settings cannot be used: {0}")]
    Settings(String),
}

impl TlsError {
    /// What an error of the TLS stack means, out of its wrapping.
    pub(crate) fn from_io(error: io::Error) -> Result<Self, io::Error> {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Ok(Self::from_rustls(error)),
            None => Err(error),
        }
    }

    fn from_rustls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => {
                match other.0.downcast_ref::<CertificateFailure>() {
                    Some(failure) => Self::Certificate(failure.clone()),
                    None => Self::Handshake(error.clone()),
                }
            }
            rustls::Error::AlertReceived(_) => Self::Alert(error.clone()),
            error => Self::Handshake(error.clone()),
        }
    }
}
