//! What SCRAM binds itself to: the certificate at the other end of the TLS channel (RFC 5929, `tls-server-end-point`).

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// What a client says of channel binding in its first message (RFC 5802, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// `n`: the client cannot, or does not want to.
    Unsupported,
    /// `y`: the client could, and thinks that the server cannot. A server that offered it then knows that somebody in between
    /// took the offer away.
    NotOffered,
    /// `p`: bound to the hash of the server's certificate, as [`tls_server_end_point`] gives it.
    TlsServerEndPoint(Vec<u8>),
}

/// The hash in a certificate's signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the hash of its name")]
pub enum SignatureHash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl SignatureHash {
    /// The hash of a signature algorithm, by its object identifier in dotted form.
    ///
    /// `None` where RFC 5929 defines no channel binding: Ed25519 and Ed448, which have no hash of their own to choose, and
    /// whatever is unknown. RSASSA-PSS names its hash in its parameters; ask with the identifier that stands there.
    ///
    /// ```
    /// use cornac_proto::auth::SignatureHash;
    ///
    /// let ecdsa_with_sha384 = "1.2.840.10045.4.3.3";
    /// assert_eq!(SignatureHash::from_oid(ecdsa_with_sha384), Some(SignatureHash::Sha384));
    /// ```
    pub fn from_oid(oid: &str) -> Option<Self> {
        // In each line: RSA (PKCS #1), ECDSA, DSA, and the hash itself, as in the parameters of RSASSA-PSS.
        Some(match oid {
            "1.2.840.113549.1.1.4" | "1.2.840.113549.2.5" => Self::Md5,
            "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" | "1.3.14.3.2.26" => {
                Self::Sha1
            }
            "1.2.840.113549.1.1.14"
            | "1.2.840.10045.4.3.1"
            | "2.16.840.1.101.3.4.3.1"
            | "2.16.840.1.101.3.4.2.4" => Self::Sha224,
            "1.2.840.113549.1.1.11"
            | "1.2.840.10045.4.3.2"
            | "2.16.840.1.101.3.4.3.2"
            | "2.16.840.1.101.3.4.2.1" => Self::Sha256,
            "1.2.840.113549.1.1.12"
            | "1.2.840.10045.4.3.3"
            | "2.16.840.1.101.3.4.3.3"
            | "2.16.840.1.101.3.4.2.2" => Self::Sha384,
            "1.2.840.113549.1.1.13"
            | "1.2.840.10045.4.3.4"
            | "2.16.840.1.101.3.4.3.4"
            | "2.16.840.1.101.3.4.2.3" => Self::Sha512,
            _ => return None,
        })
    }
}

/// The channel binding of a certificate (DER): its hash, with the hash of its own signature, but SHA-256 in place of the
/// broken MD5 and SHA-1. See [RFC 5929, section 4.1](https://www.rfc-editor.org/rfc/rfc5929#section-4.1).
pub fn tls_server_end_point(certificate: &[u8], signature_hash: SignatureHash) -> Vec<u8> {
    match signature_hash {
        SignatureHash::Md5 | SignatureHash::Sha1 | SignatureHash::Sha256 => {
            Sha256::digest(certificate).to_vec()
        }
        SignatureHash::Sha224 => Sha224::digest(certificate).to_vec(),
        SignatureHash::Sha384 => Sha384::digest(certificate).to_vec(),
        SignatureHash::Sha512 => Sha512::digest(certificate).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_hashes_give_way_to_sha_256() {
        let sha256 = tls_server_end_point(b"certificate", SignatureHash::Sha256);
        assert_eq!(sha256, Sha256::digest(b"certificate").to_vec());
        assert_eq!(tls_server_end_point(b"certificate", SignatureHash::Md5), sha256);
        assert_eq!(tls_server_end_point(b"certificate", SignatureHash::Sha1), sha256);
    }

    #[test]
    fn other_hashes_are_the_signatures_own() {
        let of = |hash| tls_server_end_point(b"certificate", hash);
        assert_eq!(of(SignatureHash::Sha224), Sha224::digest(b"certificate").to_vec());
        assert_eq!(of(SignatureHash::Sha384), Sha384::digest(b"certificate").to_vec());
        assert_eq!(of(SignatureHash::Sha512), Sha512::digest(b"certificate").to_vec());
    }

    #[test]
    fn an_algorithm_without_a_hash_of_its_own_has_no_channel_binding() {
        for (name, oid, hash) in [
            ("md5WithRSAEncryption", "1.2.840.113549.1.1.4", Some(SignatureHash::Md5)),
            ("sha1WithRSAEncryption", "1.2.840.113549.1.1.5", Some(SignatureHash::Sha1)),
            ("sha256WithRSAEncryption", "1.2.840.113549.1.1.11", Some(SignatureHash::Sha256)),
            ("sha224WithRSAEncryption", "1.2.840.113549.1.1.14", Some(SignatureHash::Sha224)),
            ("ecdsa-with-SHA512", "1.2.840.10045.4.3.4", Some(SignatureHash::Sha512)),
            ("dsa_with_SHA256", "2.16.840.1.101.3.4.3.2", Some(SignatureHash::Sha256)),
            ("sha384, of RSASSA-PSS", "2.16.840.1.101.3.4.2.2", Some(SignatureHash::Sha384)),
            ("rsassaPss", "1.2.840.113549.1.1.10", None),
            ("ED25519", "1.3.101.112", None),
            ("ED448", "1.3.101.113", None),
            ("nothing", "", None),
        ] {
            assert_eq!(SignatureHash::from_oid(oid), hash, "{name}");
        }
    }
}
