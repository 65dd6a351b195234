//! A certificate, taken apart as far as checking it needs.

use std::net::IpAddr;

use cornac_proto::auth::{SignatureHash, tls_server_end_point};
use der::asn1::ObjectIdentifier;
use der::oid::db::{rfc4519, rfc5912};
use der::{Decode, Reader, SliceReader};
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;
use x509_cert::{Certificate as X509, Version};

use super::failure::CertificateFailure;

/// A certificate and the bytes that its signature is about.
#[derive(Clone, Debug)]
pub(super) struct Certificate<'a> {
    pub(super) der: &'a CertificateDer<'a>,
    pub(super) x509: X509,
    /// TBSCertificate as it came, since that is what was signed.
    signed: &'a [u8],
}

/// The names that a certificate is for.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) dns: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) common: Option<String>,
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a CertificateDer<'a>) -> Result<Self, CertificateFailure> {
        let malformed = |_| CertificateFailure::Malformed;
        let x509 = X509::from_der(der).map_err(malformed)?;
        Ok(Self { der, x509, signed: first_element(der).map_err(malformed)? })
    }

    pub(super) fn is_version_1(&self) -> bool {
        self.x509.tbs_certificate().version() == Version::V1
    }

    /// Issued by itself, as far as its names tell.
    pub(super) fn is_self_issued(&self) -> bool {
        self.x509.tbs_certificate().issuer() == self.x509.tbs_certificate().subject()
    }

    pub(super) fn signed(&self) -> &'a [u8] {
        self.signed
    }

    pub(super) fn extensions(&self) -> &[Extension] {
        self.x509.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether `now` is in the time for which it was issued.
    pub(super) fn check_dates(&self, now: UnixTime) -> Result<(), CertificateFailure> {
        let validity = self.x509.tbs_certificate().validity();
        if now.as_secs() < seconds(&validity.not_before) {
            return Err(CertificateFailure::NotYetValid);
        }
        if now.as_secs() > seconds(&validity.not_after) {
            return Err(CertificateFailure::Expired);
        }
        Ok(())
    }

    /// The names in subjectAltName, and the common name.
    pub(super) fn names(&self) -> Result<Names, CertificateFailure> {
        let malformed = |_| CertificateFailure::Malformed;
        let tbs = self.x509.tbs_certificate();
        let mut names = Names { common: self.common_name(), ..Names::default() };
        let alternative = tbs.get_extension::<SubjectAltName>().map_err(malformed)?;
        for name in alternative.map(|(_, names)| names.0).unwrap_or_default() {
            match name {
                GeneralName::DnsName(name) => names.dns.push(name.to_string()),
                GeneralName::IpAddress(octets) => {
                    let octets = octets.as_bytes();
                    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
                    let v6 = <[u8; 16]>::try_from(octets).map(IpAddr::from);
                    names.addresses.push(v4.or(v6).map_err(|_| CertificateFailure::Malformed)?);
                }
                _ => {}
            }
        }
        Ok(names)
    }

    /// The first common name of the subject, in whatever string type it is written.
    fn common_name(&self) -> Option<String> {
        let subject = self.x509.tbs_certificate().subject();
        let common = subject.iter().find(|attribute| attribute.oid == rfc4519::CN)?;
        String::from_utf8(common.value.value().to_vec()).ok()
    }

    /// What SCRAM binds itself to; `None` where RFC 5929 defines nothing for the certificate's signature.
    pub(super) fn channel_binding(&self) -> Option<Vec<u8>> {
        let algorithm = self.x509.signature_algorithm();
        let oid = if algorithm.oid == rfc5912::ID_RSASSA_PSS { pss_hash(algorithm)? } else { algorithm.oid };
        let hash = SignatureHash::from_oid(&oid.to_string())?;
        Some(tls_server_end_point(self.der, hash))
    }
}

/// The hash in the parameters of RSASSA-PSS; SHA-1 where none is named (RFC 4055).
fn pss_hash(algorithm: &AlgorithmIdentifierOwned) -> Option<ObjectIdentifier> {
    let parameters = algorithm.parameters.as_ref()?.value();
    let mut reader = SliceReader::new(parameters).ok()?;
    let named = reader
        .context_specific::<AlgorithmIdentifierOwned>(der::TagNumber(0), der::TagMode::Explicit)
        .ok()?;
    Some(named.map_or(rfc5912::ID_SHA_1, |hash| hash.oid))
}

/// The first element inside of a SEQUENCE, header included: what a certificate's or CRL's signature is about.
pub(super) fn first_element(der: &[u8]) -> der::Result<&[u8]> {
    let mut outer = SliceReader::new(der)?;
    der::Header::decode(&mut outer)?;
    outer.tlv_bytes()
}

fn seconds(time: &Time) -> u64 {
    time.to_unix_duration().as_secs()
}
