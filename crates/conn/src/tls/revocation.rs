//! Certificate revocation lists, for the chains that are checked here.

use der::asn1::BitString;
use der::{Decode, Sequence};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::UnixTime;
use x509_cert::crl::RevokedCert;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use super::certificate::{Certificate, first_element};
use super::failure::CertificateFailure;
use super::signature;

/// CertificateList of RFC 5280, section 5.1. `openssl ca` writes lists of version 1, without a version, unless it is told otherwise.
#[derive(Clone, Debug, Sequence)]
struct CertificateList {
    tbs_cert_list: TbsCertList,
    signature_algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

#[derive(Clone, Debug, Sequence)]
struct TbsCertList {
    version: Option<u8>,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: Time,
    next_update: Option<Time>,
    revoked_certificates: Option<Vec<RevokedCert>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    crl_extensions: Option<Extensions>,
}

/// A revocation list and the bytes that its signature is about.
#[derive(Clone, Debug)]
pub(super) struct RevocationList {
    list: CertificateList,
    signed: Vec<u8>,
}

impl RevocationList {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let list = CertificateList::from_der(der).ok()?;
        Some(Self { list, signed: first_element(der).ok()?.to_vec() })
    }

    /// Whether one of `lists` is by `issuer` and says that `subject` is not revoked. Without such a list nobody knows, which is
    /// a failure, as in libpq.
    pub(super) fn check(
        lists: &[Self],
        subject: &Certificate<'_>,
        issuer: &Certificate<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        let issued_by =
            |found: &&Self| found.list.tbs_cert_list.issuer == *issuer.x509.tbs_certificate().subject();
        let mut known = Err(CertificateFailure::RevocationUnknown);
        for found in lists.iter().filter(issued_by) {
            match found.check_one(subject, issuer, algorithms, now) {
                Err(CertificateFailure::Revoked) => return Err(CertificateFailure::Revoked),
                Ok(()) => known = Ok(()),
                Err(failure) if known.is_err() => known = Err(failure),
                Err(_) => {}
            }
        }
        known
    }

    fn check_one(
        &self,
        subject: &Certificate<'_>,
        issuer: &Certificate<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        let malformed = |_| CertificateFailure::Malformed;
        let list = &self.list.tbs_cert_list;
        let issuer = issuer.x509.tbs_certificate();
        if let Some((_, usage)) = issuer.get_extension::<KeyUsage>().map_err(malformed)? {
            if !usage.0.contains(KeyUsages::CRLSign) {
                return Err(CertificateFailure::Usage("its issuer may not sign revocation lists"));
            }
        }
        // A list for a part of the certificates only says so in a critical extension.
        if list.crl_extensions.iter().flatten().any(is_critical) {
            return Err(CertificateFailure::RevocationUnknown);
        }
        signature::check(
            algorithms,
            issuer.subject_public_key_info(),
            &self.list.signature_algorithm,
            &self.signed,
            self.list.signature.as_bytes().ok_or(CertificateFailure::Malformed)?,
        )?;
        let serial_number = subject.x509.tbs_certificate().serial_number();
        if list.revoked_certificates.iter().flatten().any(|revoked| revoked.serial_number == *serial_number) {
            return Err(CertificateFailure::Revoked);
        }
        let this_update = list.this_update.to_unix_duration().as_secs();
        let next_update = list.next_update.as_ref().map(|time| time.to_unix_duration().as_secs());
        if now.as_secs() < this_update || next_update.is_some_and(|next| now.as_secs() > next) {
            return Err(CertificateFailure::RevocationListExpired);
        }
        Ok(())
    }
}

fn is_critical(extension: &Extension) -> bool {
    extension.critical
}
