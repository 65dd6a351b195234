//! Certificates, keys and revocation lists out of files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cornac_proto::auth::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::error::TlsError;
use super::sources::Sources;

const ENCRYPTED_PKCS8: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// The text of a file; `None` where there is no such file.
fn read(
    what: &'static str,
    path: &Path,
    sources: &mut Sources,
) -> Result<Option<Zeroizing<Vec<u8>>>, TlsError> {
    sources.add(path);
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(TlsError::File { what, path: path.to_owned(), source }),
    }
}

/// All certificates of a file, in PEM or one in DER; `None` where there is no such file.
pub(super) fn certificates(
    what: &'static str,
    path: &Path,
    sources: &mut Sources,
) -> Result<Option<Vec<CertificateDer<'static>>>, TlsError> {
    let Some(bytes) = read(what, path, sources)? else { return Ok(None) };
    let content = |why| TlsError::Content { what, path: path.to_owned(), why };
    // DER begins with the tag of a SEQUENCE, which no text does.
    if bytes.first() == Some(&0x30) {
        return Ok(Some(vec![CertificateDer::from(bytes.to_vec())]));
    }
    let found = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| content("it is not well-formed PEM"))?;
    if found.is_empty() { Err(content("there is no certificate in it")) } else { Ok(Some(found)) }
}

/// All revocation lists of a file, in PEM or one in DER.
pub(super) fn revocation_lists(path: &Path, sources: &mut Sources) -> Result<Option<Vec<Vec<u8>>>, TlsError> {
    const WHAT: &str = "certificate revocation list file";
    let Some(bytes) = read(WHAT, path, sources)? else { return Ok(None) };
    let content = |why| TlsError::Content { what: WHAT, path: path.to_owned(), why };
    if bytes.first() == Some(&0x30) {
        return Ok(Some(vec![bytes.to_vec()]));
    }
    let found = CertificateRevocationListDer::pem_slice_iter(&bytes)
        .map(|list| list.map(|list| list.as_ref().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| content("it is not well-formed PEM"))?;
    if found.is_empty() { Err(content("there is no revocation list in it")) } else { Ok(Some(found)) }
}

/// All revocation lists of a directory in OpenSSL's layout: files named by a hash and `.r0`, `.r1`, ...
pub(super) fn revocation_directory(
    directory: &Path,
    sources: &mut Sources,
) -> Result<Vec<Vec<u8>>, TlsError> {
    sources.add(directory);
    let failed = |source| TlsError::File {
        what: "certificate revocation list directory",
        path: directory.to_owned(),
        source,
    };
    let mut lists = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let numbered = extension
            .strip_prefix('r')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()));
        if numbered {
            lists.extend(revocation_lists(&path, sources)?.unwrap_or_default());
        }
    }
    Ok(lists)
}

/// The key of a client certificate: PEM or DER; PKCS #8, PKCS #1 or SEC 1; PKCS #8 may be encrypted.
pub(super) fn private_key(
    path: &Path,
    password: Option<&Secret>,
    sources: &mut Sources,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "private key file";
    let content = |why| TlsError::Content { what: WHAT, path: path.to_owned(), why };
    let missing =
        || TlsError::File { what: WHAT, path: path.to_owned(), source: io::ErrorKind::NotFound.into() };
    check_permissions(path)?;
    let bytes = read(WHAT, path, sources)?.ok_or_else(missing)?;
    if bytes.first() == Some(&0x30) {
        if let Ok(encrypted) = pkcs8::EncryptedPrivateKeyInfoRef::try_from(bytes.as_slice()) {
            return decrypt(&encrypted, password).map_err(content);
        }
        return PrivateKeyDer::try_from(bytes.to_vec())
            .map_err(|_| content("it is neither PEM nor a PKCS #8, PKCS #1 or SEC 1 key in DER"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| content("it is neither PEM nor DER"))?;
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(content(
            "it is encrypted in the old PEM form, which is not supported; `openssl pkcs8 -topk8` converts it",
        ));
    }
    if let Some(at) = text.find(ENCRYPTED_PKCS8) {
        let encrypted = text.get(at..).unwrap_or_default();
        let (label, document) = pkcs8::SecretDocument::from_pem(one_section(encrypted))
            .map_err(|_| content("it is not well-formed PEM"))?;
        debug_assert_eq!(label, "ENCRYPTED PRIVATE KEY");
        let encrypted = pkcs8::EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
            .map_err(|_| content("it is not an encrypted PKCS #8 key"))?;
        return decrypt(&encrypted, password).map_err(content);
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| content("there is no private key in it"))
}

/// A PEM section without what stands behind it.
fn one_section(text: &str) -> &str {
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    text.find(END).and_then(|at| text.get(..at + END.len())).unwrap_or(text)
}

fn decrypt(
    encrypted: &pkcs8::EncryptedPrivateKeyInfoRef<'_>,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, &'static str> {
    let password = password.ok_or("it is encrypted, and sslpassword is not set")?;
    let key = encrypted
        .decrypt(password.expose())
        .map_err(|_| "it cannot be decrypted: sslpassword is wrong, or its encryption is not supported")?;
    PrivateKeyDer::try_from(key.as_bytes().to_vec()).map_err(|_| "what is encrypted in it is no key")
}

/// A key that others can read is no secret. libpq's rule: nothing for group and world, but reading for root's group.
#[cfg(unix)]
fn check_permissions(path: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden == 0 {
        Ok(())
    } else {
        Err(TlsError::KeyPermissions { path: path.to_owned() })
    }
}

#[cfg(not(unix))]
fn check_permissions(_: &Path) -> Result<(), TlsError> {
    Ok(())
}

/// A file of the directory where libpq looks by default.
pub(super) fn default_file(directory: Option<&PathBuf>, name: &str) -> Option<PathBuf> {
    directory.map(|directory| directory.join(name))
}
