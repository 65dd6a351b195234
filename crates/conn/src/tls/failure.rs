//! Which check a server's certificate failed.

use der::asn1::ObjectIdentifier;
use der::{Decode, SliceReader};
use rustls::pki_types::{CertificateDer, UnixTime};

/// Which check the server's certificate failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFailure {
    /// Its time is over, or that of a certificate that vouches for it.
    #[error("the server's certificate, or one that vouches for it, has expired")]
    Expired,
    /// Its time has not come.
    #[error("the server's certificate, or one that vouches for it, is not valid yet")]
    NotYetValid,
    /// Nobody but itself vouches for it, and it is not among the trusted roots.
    #[error("the server's certificate is self-signed, and is not among the trusted roots")]
    SelfSigned,
    /// Whoever vouches for it is not trusted.
    #[error("the server's certificate was not issued by any of the trusted roots")]
    UnknownIssuer,
    /// A revocation list names it, or one that vouches for it.
    #[error("the server's certificate, or one that vouches for it, is revoked")]
    Revoked,
    /// Revocation lists are configured, and none is by the issuer.
    #[error("no configured revocation list tells whether the server's certificate is revoked")]
    RevocationUnknown,
    /// The revocation list is too old to tell.
    #[error("the revocation list for the server's certificate has expired")]
    RevocationListExpired,
    /// It is for other names.
    #[error("the server's certificate is for {}, not for \"{host}\"", listed(.names))]
    WrongName {
        /// The names that it is for.
        names: Vec<String>,
        /// The name that was asked for.
        host: String,
    },
    /// Only an address was given, and a name is needed to compare.
    #[error(
        "sslmode=verify-full needs a host name to compare with the server's certificate; only hostaddr was given"
    )]
    NoNameToCheck,
    /// It is not meant for servers, or what vouches for it is not meant to.
    #[error("the server's certificate, or one that vouches for it, must not be used for this: {0}")]
    Usage(&'static str),
    /// Its signature, or one above it, is wrong.
    #[error("a signature in the server's certificate chain is wrong")]
    WrongSignature,
    /// Its signature, or its key, is of a kind that this TLS stack cannot check (SHA-1, id-RSASSA-PSS keys, P-521 with ring, ...).
    #[error("the server's certificate chain uses an algorithm that cannot be checked here: {0}")]
    UnsupportedAlgorithm(String),
    /// It is no certificate.
    #[error("the server's certificate is malformed")]
    Malformed,
    /// Another check.
    #[error("the server's certificate was not accepted: {0}")]
    Other(String),
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no name".to_owned();
    }
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

impl CertificateFailure {
    /// As rustls hands it through.
    pub(super) fn into_rustls(self) -> rustls::Error {
        let other = rustls::OtherError(std::sync::Arc::new(self));
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))
    }

    /// As the TLS library's search for a chain takes it: only the kind counts, since it comes back through
    /// [`from_webpki`](Self::from_webpki).
    pub(super) fn into_webpki(self, now: UnixTime) -> webpki::Error {
        match self {
            Self::Expired => webpki::Error::CertExpired { time: now, not_after: now },
            Self::NotYetValid => webpki::Error::CertNotValidYet { time: now, not_before: now },
            Self::Revoked => webpki::Error::CertRevoked,
            Self::RevocationListExpired => webpki::Error::CrlExpired { time: now, next_update: now },
            Self::RevocationUnknown => webpki::Error::UnknownRevocationStatus,
            Self::WrongSignature => webpki::Error::InvalidCrlSignatureForPublicKey,
            Self::Usage(_) => webpki::Error::IssuerNotCrlSigner,
            _ => webpki::Error::BadDer,
        }
    }

    /// What webpki found, in our words. `self_issued` decides between two kinds of unknown issuers.
    pub(super) fn from_webpki(error: &webpki::Error, self_issued: bool) -> Self {
        use webpki::Error as E;
        match error {
            E::CertExpired { .. } => Self::Expired,
            E::CertNotValidYet { .. } => Self::NotYetValid,
            E::UnknownIssuer if self_issued => Self::SelfSigned,
            E::UnknownIssuer => Self::UnknownIssuer,
            E::CertRevoked => Self::Revoked,
            E::UnknownRevocationStatus => Self::RevocationUnknown,
            E::CrlExpired { .. } => Self::RevocationListExpired,
            E::InvalidSignatureForPublicKey | E::InvalidCrlSignatureForPublicKey => Self::WrongSignature,
            E::UnsupportedSignatureAlgorithmContext(context) => Self::UnsupportedAlgorithm(format!(
                "signature algorithm {}",
                oid(&context.signature_algorithm_id)
            )),
            E::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
                Self::UnsupportedAlgorithm(format!(
                    "signature algorithm {} with a key of algorithm {}",
                    oid(&context.signature_algorithm_id),
                    oid(&context.public_key_algorithm_id)
                ))
            }
            E::RequiredEkuNotFoundContext(_) => Self::Usage("it is not for servers"),
            E::IssuerNotCrlSigner | E::EndEntityUsedAsCa => Self::Usage("its issuer may not vouch for it"),
            E::NameConstraintViolation => Self::Usage("its issuer may not vouch for its name"),
            E::PathLenConstraintViolated => Self::Usage("too many stand between it and the root"),
            E::BadDer | E::BadDerTime | E::TrailingData(_) | E::MalformedExtensions => Self::Malformed,
            other => Self::Other(other.to_string()),
        }
    }
}

/// The object identifier at the front of an algorithm's description.
fn oid(algorithm: &[u8]) -> String {
    let oid: Result<ObjectIdentifier, _> =
        SliceReader::new(algorithm).and_then(|mut reader| ObjectIdentifier::decode(&mut reader));
    oid.map_or_else(|_| "of an unknown kind".to_owned(), |oid| oid.to_string())
}

/// Whether two certificates are one.
pub(super) fn same(left: &CertificateDer<'_>, right: &CertificateDer<'_>) -> bool {
    left.as_ref() == right.as_ref()
}
