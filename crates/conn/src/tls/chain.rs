//! The chain from a certificate to a trusted root, for certificates that the TLS library's own check does not take at all.
//!
//! Those are certificates of version 1, as the PostgreSQL manual's own recipe makes them, and certificates that could vouch for
//! others (CA:TRUE) but stand at the end of a chain. What vouches for them must be a root, or of version 3 and allowed to.

use der::oid::AssociatedOid;
use der::oid::db::rfc5280;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::UnixTime;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, NameConstraints,
    SubjectAltName, SubjectKeyIdentifier,
};

use super::certificate::Certificate;
use super::failure::CertificateFailure;
use super::revocation::RevocationList;
use super::signature;

/// Certificates between a server's and a root. More are nobody's setup, and cost work before anybody is trusted.
const INTERMEDIATES_MAX: usize = 6;

/// Signatures checked in all, so that a server cannot keep a client busy.
const SIGNATURES_MAX: usize = 100;

/// What a chain is built from.
pub(super) struct Chain<'a> {
    pub(super) roots: &'a [Certificate<'a>],
    pub(super) intermediates: &'a [Certificate<'a>],
    pub(super) revocation: &'a [RevocationList],
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
    pub(super) now: UnixTime,
}

impl Chain<'_> {
    /// Finds a chain from the server's certificate to a root.
    pub(super) fn check(&self, leaf: &Certificate<'_>) -> Result<(), CertificateFailure> {
        check_critical_extensions(leaf)?;
        check_server_usage(leaf)?;
        leaf.check_dates(self.now)?;
        let mut signatures_left = SIGNATURES_MAX;
        self.climb(leaf, 0, &mut signatures_left)
    }

    /// Whether a root, or something that a root vouches for, vouches for `subject`. The most telling failure is the one that is
    /// told: everything says more than that no issuer was found.
    fn climb(
        &self,
        subject: &Certificate<'_>,
        below: usize,
        signatures_left: &mut usize,
    ) -> Result<(), CertificateFailure> {
        let mut failure = if subject.is_self_issued() {
            CertificateFailure::SelfSigned
        } else {
            CertificateFailure::UnknownIssuer
        };
        let issued_by = |issuer: &&Certificate<'_>| {
            issuer.x509.tbs_certificate().subject() == subject.x509.tbs_certificate().issuer()
        };
        for root in self.roots.iter().filter(issued_by) {
            match self.vouches(root, subject, below, true, signatures_left) {
                Ok(()) => return Ok(()),
                Err(why) => failure = why,
            }
        }
        if below >= INTERMEDIATES_MAX || subject.is_self_issued() {
            return Err(failure);
        }
        for issuer in self.intermediates.iter().filter(issued_by) {
            let climbed = self
                .vouches(issuer, subject, below, false, signatures_left)
                .and_then(|()| self.climb(issuer, below + 1, signatures_left));
            match climbed {
                Ok(()) => return Ok(()),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    /// Whether `issuer` may vouch for `subject`, and does. `below` counts the intermediates under the issuer.
    fn vouches(
        &self,
        issuer: &Certificate<'_>,
        subject: &Certificate<'_>,
        below: usize,
        is_root: bool,
        signatures_left: &mut usize,
    ) -> Result<(), CertificateFailure> {
        issuer.check_dates(self.now)?;
        check_critical_extensions(issuer)?;
        check_issuer_usage(issuer, below, is_root)?;
        *signatures_left = signatures_left
            .checked_sub(1)
            .ok_or(CertificateFailure::Usage("its chain takes too many signatures to check"))?;
        signature::check(
            self.algorithms,
            issuer.x509.tbs_certificate().subject_public_key_info(),
            subject.x509.signature_algorithm(),
            subject.signed(),
            subject.x509.signature().as_bytes().ok_or(CertificateFailure::Malformed)?,
        )?;
        if self.revocation.is_empty() {
            return Ok(());
        }
        RevocationList::check(self.revocation, subject, issuer, self.algorithms, self.now)
    }
}

/// Whether a certificate may stand at the server's end.
fn check_server_usage(leaf: &Certificate<'_>) -> Result<(), CertificateFailure> {
    let malformed = |_| CertificateFailure::Malformed;
    let tbs = leaf.x509.tbs_certificate();
    if let Some((_, purposes)) = tbs.get_extension::<ExtendedKeyUsage>().map_err(malformed)? {
        if !purposes.0.contains(&rfc5280::ID_KP_SERVER_AUTH) {
            return Err(CertificateFailure::Usage("it is not for servers"));
        }
    }
    if let Some((_, usage)) = tbs.get_extension::<KeyUsage>().map_err(malformed)? {
        let for_tls = KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment | KeyUsages::KeyAgreement;
        if usage.0.is_disjoint(for_tls) {
            return Err(CertificateFailure::Usage("its key is not for TLS"));
        }
    }
    Ok(())
}

/// Whether a certificate may vouch for others. A root of version 1 may, since it is trusted by hand.
fn check_issuer_usage(
    issuer: &Certificate<'_>,
    below: usize,
    is_root: bool,
) -> Result<(), CertificateFailure> {
    let malformed = |_| CertificateFailure::Malformed;
    if issuer.is_version_1() && is_root {
        return Ok(());
    }
    let tbs = issuer.x509.tbs_certificate();
    let constraints = tbs.get_extension::<BasicConstraints>().map_err(malformed)?.map(|(_, found)| found);
    match constraints {
        Some(BasicConstraints { ca: true, path_len_constraint }) => {
            if path_len_constraint.is_some_and(|most| below > usize::from(most)) {
                return Err(CertificateFailure::Usage("too many stand between it and the root"));
            }
        }
        _ => return Err(CertificateFailure::Usage("its issuer may not vouch for it")),
    }
    if let Some((_, usage)) = tbs.get_extension::<KeyUsage>().map_err(malformed)? {
        if !usage.0.contains(KeyUsages::KeyCertSign) {
            return Err(CertificateFailure::Usage("its issuer may not vouch for it"));
        }
    }
    if let Some((_, purposes)) = tbs.get_extension::<ExtendedKeyUsage>().map_err(malformed)? {
        if !purposes.0.contains(&rfc5280::ID_KP_SERVER_AUTH) {
            return Err(CertificateFailure::Usage("its issuer may not vouch for servers"));
        }
    }
    // Constraints on names are not weighed here, so what has some is not taken.
    if tbs.get_extension::<NameConstraints>().map_err(malformed)?.is_some() {
        return Err(CertificateFailure::Usage(
            "its issuer is limited to certain names, which cannot be checked",
        ));
    }
    Ok(())
}

/// An extension that is critical and not understood forbids the certificate (RFC 5280, section 4.2).
fn check_critical_extensions(certificate: &Certificate<'_>) -> Result<(), CertificateFailure> {
    let understood = [
        BasicConstraints::OID,
        KeyUsage::OID,
        ExtendedKeyUsage::OID,
        SubjectAltName::OID,
        NameConstraints::OID,
        SubjectKeyIdentifier::OID,
        AuthorityKeyIdentifier::OID,
    ];
    let unknown =
        certificate.extensions().iter().any(|found| found.critical && !understood.contains(&found.extn_id));
    if unknown {
        Err(CertificateFailure::Usage("it has a critical extension that is not known here"))
    } else {
        Ok(())
    }
}
