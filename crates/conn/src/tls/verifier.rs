//! Whether a server is the one that was asked for: libpq's rules, around the TLS library's check of a chain.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use webpki::{KeyUsage, VerifiedPath};

use super::certificate::Certificate;
use super::chain::Chain;
use super::failure::{CertificateFailure, same};
use super::name::check_name;
use super::revocation::RevocationList;
use super::signature;

/// How far a server's certificate is checked.
pub(super) enum Check {
    /// Not at all: the channel is encrypted, and may end anywhere.
    Nothing,
    /// A root vouches for it.
    Chain(Arc<Trust>),
    /// A root vouches for it, and it is for this host. `None` where there is no name to compare.
    ChainAndName(Arc<Trust>, Option<String>),
}

/// Who is trusted, and who no longer.
#[derive(Debug)]
pub(super) struct Trust {
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    revocation: Vec<RevocationList>,
}

impl Trust {
    /// `Err` says what is wrong with the roots or the lists.
    pub(super) fn new(
        roots: Vec<CertificateDer<'static>>,
        revocation: &[Vec<u8>],
    ) -> Result<Self, &'static str> {
        let anchors = roots
            .iter()
            .map(|root| webpki::anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned()))
            .collect::<Result<_, _>>()
            .map_err(|_| "it contains a certificate that cannot be a root")?;
        let revocation = revocation.iter().map(|der| RevocationList::parse(der)).collect::<Option<_>>();
        let revocation = revocation.ok_or("it contains something that is no revocation list")?;
        Ok(Self { roots, anchors, revocation })
    }

    fn check(
        &self,
        leaf: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        if self.roots.iter().any(|root| same(root, leaf.der)) {
            return self.check_as_its_own_root(leaf, algorithms, now);
        }
        match webpki::EndEntityCert::try_from(leaf.der) {
            Ok(end_entity) => match self.check_by_webpki(&end_entity, leaf, intermediates, algorithms, now) {
                Err(webpki::Error::CaUsedAsEndEntity) => {}
                Err(error) => return Err(CertificateFailure::from_webpki(&error, leaf.is_self_issued())),
                Ok(()) => return Ok(()),
            },
            Err(webpki::Error::UnsupportedCertVersion) => {}
            Err(error) => return Err(CertificateFailure::from_webpki(&error, leaf.is_self_issued())),
        }
        let intermediates = parse_what_can_be(intermediates);
        let roots = parse_what_can_be(&self.roots);
        let revocation = &self.revocation;
        Chain { roots: &roots, intermediates: &intermediates, revocation, algorithms, now }.check(leaf)
    }

    fn check_by_webpki(
        &self,
        leaf: &webpki::EndEntityCert<'_>,
        leaf_der: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        // What libpq looks at beyond: the dates of roots, and every list of revoked certificates, old forms included.
        let accept = |path: &VerifiedPath<'_>| self.check_path(leaf_der, path, algorithms, now);
        leaf.verify_for_usage(
            algorithms.all,
            &self.anchors,
            intermediates,
            now,
            KeyUsage::server_auth(),
            None,
            Some(&accept),
        )
        .map(|_| ())
    }

    /// Looks at a chain that the library found to be right.
    fn check_path(
        &self,
        leaf: &Certificate<'_>,
        path: &VerifiedPath<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let between = path.intermediate_certificates().map(webpki::Cert::der).collect::<Vec<_>>();
        let mut chain = vec![leaf.clone()];
        for der in &between {
            chain.push(Certificate::parse(der).map_err(|_| webpki::Error::BadDer)?);
        }
        let of_anchor = self.anchors.iter().zip(&self.roots).filter(|(anchor, _)| *anchor == path.anchor());
        let mut checked = Err(webpki::Error::UnknownIssuer);
        for (_, root) in of_anchor {
            let root = Certificate::parse(root).map_err(|_| webpki::Error::BadDer)?;
            let issuers = chain.iter().skip(1).chain([&root]);
            let pairs = chain.iter().zip(issuers);
            checked = root
                .check_dates(now)
                .and_then(|()| self.check_revocation(pairs, algorithms, now))
                .map_err(|failure| failure.into_webpki(now));
            if checked.is_ok() {
                break;
            }
        }
        checked
    }

    fn check_revocation<'c>(
        &self,
        mut pairs: impl Iterator<Item = (&'c Certificate<'c>, &'c Certificate<'c>)>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        if self.revocation.is_empty() {
            return Ok(());
        }
        pairs.try_for_each(|(subject, issuer)| {
            RevocationList::check(&self.revocation, subject, issuer, algorithms, now)
        })
    }

    /// A certificate that is itself configured as a root needs nobody to vouch for it.
    fn check_as_its_own_root(
        &self,
        leaf: &Certificate<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        leaf.check_dates(now)?;
        if self.revocation.is_empty() || !leaf.is_self_issued() {
            return Ok(());
        }
        RevocationList::check(&self.revocation, leaf, leaf, algorithms, now)
    }
}

/// What a server sends along, or a list of roots contains, beyond what can be understood does not count.
fn parse_what_can_be<'a>(certificates: &'a [CertificateDer<'a>]) -> Vec<Certificate<'a>> {
    certificates.iter().filter_map(|der| Certificate::parse(der).ok()).collect()
}

/// What the verifier found out on the way, for whoever asked for the handshake.
#[derive(Debug, Default)]
pub(super) struct Findings(Mutex<Option<Vec<u8>>>);

impl Findings {
    /// The channel binding of the server's certificate, where there is one.
    pub(super) fn channel_binding(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The verifier of one connection.
pub(super) struct Verifier {
    check: Check,
    algorithms: WebPkiSupportedAlgorithms,
    findings: Arc<Findings>,
}

impl Verifier {
    pub(super) fn new(check: Check, algorithms: WebPkiSupportedAlgorithms, findings: Arc<Findings>) -> Self {
        Self { check, algorithms, findings }
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        let leaf = Certificate::parse(leaf)?;
        *self.findings.0.lock().unwrap_or_else(PoisonError::into_inner) = leaf.channel_binding();
        let (trust, host) = match &self.check {
            Check::Nothing => return Ok(()),
            Check::Chain(trust) => (trust, None),
            Check::ChainAndName(trust, host) => (trust, Some(host)),
        };
        trust.check(&leaf, intermediates, &self.algorithms, now)?;
        match host {
            None => Ok(()),
            Some(None) => Err(CertificateFailure::NoNameToCheck),
            Some(Some(host)) => check_name(host, &leaf.names()?),
        }
    }

    fn verify_handshake(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        version: ProtocolVersion,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let leaf = Certificate::parse(leaf).map_err(CertificateFailure::into_rustls)?;
        let key = leaf.x509.tbs_certificate().subject_public_key_info();
        signature::check_handshake(&self.algorithms, key, message, signed, version)?;
        Ok(HandshakeSignatureValid::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates, now).map_err(CertificateFailure::into_rustls)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_handshake(message, cert, dss, ProtocolVersion::TLSv1_2)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_handshake(message, cert, dss, ProtocolVersion::TLSv1_3)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}
