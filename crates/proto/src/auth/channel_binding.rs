//! What SCRAM binds itself to: the certificate at the other end of the TLS channel (RFC 5929, `tls-server-end-point`).

use sha2::{Digest, Sha256, Sha384, Sha512};

/// What a client says of channel binding in its first message (RFC 5802, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// `n`: the client cannot, or does not want to.
    Unsupported,
    /// `y`: the client could, and thinks that the server cannot. A server that offered it then knows that somebody in between
    /// took the offer away.
    NotOffered,
    /// `p`: bound to the hash of the server's certificate.
    TlsServerEndPoint(Vec<u8>),
}

/// The hash in a certificate's signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the hash of its name")]
pub enum SignatureHash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// The channel binding of a certificate (DER): its hash, with the hash of its own signature, but SHA-256 in place of the
/// broken MD5 and SHA-1. See [RFC 5929, section 4.1](https://www.rfc-editor.org/rfc/rfc5929#section-4.1).
pub fn tls_server_end_point(certificate: &[u8], signature_hash: SignatureHash) -> Vec<u8> {
    match signature_hash {
        SignatureHash::Md5 | SignatureHash::Sha1 | SignatureHash::Sha256 => {
            Sha256::digest(certificate).to_vec()
        }
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
        assert_eq!(sha256.len(), 32);
        assert_eq!(tls_server_end_point(b"certificate", SignatureHash::Md5), sha256);
        assert_eq!(tls_server_end_point(b"certificate", SignatureHash::Sha1), sha256);
        assert_eq!(tls_server_end_point(b"certificate", SignatureHash::Sha384).len(), 48);
        assert_eq!(tls_server_end_point(b"certificate", SignatureHash::Sha512).len(), 64);
    }
}
