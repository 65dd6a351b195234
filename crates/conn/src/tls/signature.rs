//! Signatures, by the algorithms of the TLS library, over keys in certificates that it would not parse itself.

use der::{Encode, Header, Reader, SliceReader};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::SignatureVerificationAlgorithm;
use rustls::{DigitallySignedStruct, PeerMisbehaved, ProtocolVersion, SignatureScheme};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::failure::CertificateFailure;

/// Checks the signature of a certificate or a revocation list.
pub(super) fn check(
    algorithms: &WebPkiSupportedAlgorithms,
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    signed: &[u8],
    signature: &[u8],
) -> Result<(), CertificateFailure> {
    let (key_algorithm, key_bits) = parts(key)?;
    let signature_algorithm = identifier(algorithm)?;
    let fitting = algorithms.all.iter().filter(|candidate| {
        candidate.signature_alg_id().as_ref() == signature_algorithm
            && candidate.public_key_alg_id().as_ref() == key_algorithm
    });
    verify_by_any(fitting.copied(), key_bits, signed, signature)
        .unwrap_or_else(|| Err(unsupported(key, Some(algorithm))))
}

/// Checks the signature by which a server proves in the handshake that its certificate is its own.
pub(super) fn check_handshake(
    algorithms: &WebPkiSupportedAlgorithms,
    key: &SubjectPublicKeyInfoOwned,
    message: &[u8],
    signed: &DigitallySignedStruct,
    version: ProtocolVersion,
) -> Result<(), rustls::Error> {
    // TLS 1.3 did away with PKCS #1, and ties each scheme to one curve: the first of those that 1.2 allows.
    let (forbidden, most) = match version {
        ProtocolVersion::TLSv1_3 => (is_pkcs1(signed.scheme), 1),
        _ => (false, usize::MAX),
    };
    if forbidden {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let mapped = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let Some((_, candidates)) = mapped else {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    };
    let (key_algorithm, key_bits) = parts(key).map_err(CertificateFailure::into_rustls)?;
    let fitting = candidates
        .iter()
        .take(most)
        .filter(|candidate| candidate.public_key_alg_id().as_ref() == key_algorithm);
    verify_by_any(fitting.copied(), key_bits, message, signed.signature())
        .unwrap_or_else(|| Err(unsupported(key, None)))
        .map_err(CertificateFailure::into_rustls)
}

fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

fn verify_by_any<'a>(
    fitting: impl Iterator<Item = &'a dyn SignatureVerificationAlgorithm>,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<Result<(), CertificateFailure>> {
    let mut outcome = None;
    for algorithm in fitting {
        if algorithm.verify_signature(key, message, signature).is_ok() {
            return Some(Ok(()));
        }
        outcome = Some(Err(CertificateFailure::WrongSignature));
    }
    outcome
}

/// The key's algorithm, as the TLS library writes it, and the key.
fn parts(key: &SubjectPublicKeyInfoOwned) -> Result<(Vec<u8>, &[u8]), CertificateFailure> {
    let bits = key.subject_public_key.as_bytes().ok_or(CertificateFailure::Malformed)?;
    Ok((identifier(&key.algorithm)?, bits))
}

/// An AlgorithmIdentifier without the SEQUENCE around it.
fn identifier(algorithm: &AlgorithmIdentifierOwned) -> Result<Vec<u8>, CertificateFailure> {
    let malformed = |_| CertificateFailure::Malformed;
    let der = algorithm.to_der().map_err(malformed)?;
    let mut reader = SliceReader::new(&der).map_err(malformed)?;
    let header = <Header as der::Decode<'_>>::decode(&mut reader).map_err(malformed)?;
    let inside = reader.read_slice(header.length()).map_err(malformed)?;
    Ok(inside.to_vec())
}

fn unsupported(
    key: &SubjectPublicKeyInfoOwned,
    signature: Option<&AlgorithmIdentifierOwned>,
) -> CertificateFailure {
    let key = format!("a key of algorithm {}", key.algorithm.oid);
    CertificateFailure::UnsupportedAlgorithm(match signature {
        Some(signature) => format!("signature algorithm {} with {key}", signature.oid),
        None => key,
    })
}
