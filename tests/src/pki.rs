//! Certificates of every kind, right and wrong, made by the `openssl` program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::ClusterOptions;

/// A directory of authorities, certificates and keys, removed when it is dropped.
#[derive(Debug)]
pub struct Pki {
    directory: TempDir,
}

/// What a certificate is to be like.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The subject, such as `/CN=db.example`.
    pub subject: &'a str,
    /// Lines of OpenSSL's extension configuration; empty makes a certificate of version 1.
    pub extensions: &'a str,
    /// The key, as arguments of `openssl genpkey`.
    pub key: &'a [&'a str],
    /// The signature's digest and options, as arguments of `openssl x509`.
    pub signature: &'a [&'a str],
    /// From when to when it is valid, as `YYMMDDHHMMSSZ`; ten years from today if not set.
    pub validity: Option<(&'a str, &'a str)>,
}

/// RSA of 2048 bits.
pub const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
/// ECDSA over P-256.
pub const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
/// ECDSA over P-384.
pub const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
/// Ed25519.
pub const ED25519: &[&str] = &["-algorithm", "ED25519"];

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            subject: "/CN=nobody",
            extensions: "basicConstraints=CA:FALSE",
            key: P256,
            signature: &["-sha256"],
            validity: None,
        }
    }
}

impl Pki {
    /// An authority named `root`.
    ///
    /// # Errors
    ///
    /// When there is no `openssl`, or it fails: with what it said.
    pub fn new() -> Result<Self> {
        let pki = Self { directory: tempfile::Builder::new().prefix("cornac-pki-").tempdir()? };
        pki.authority("root", P256, "/CN=cornac test root")?;
        Ok(pki)
    }

    /// The directory of all files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file: `NAME.crt`, `NAME.key`, `NAME.crl`.
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// What is in a file.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        fs::read(self.path(file)).with_context(|| file.to_owned())
    }

    /// Writes a file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, file: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(file);
        fs::write(&path, contents)?;
        Ok(path)
    }

    /// Makes `NAME.key` and `NAME.crt` of a self-signed authority.
    ///
    /// # Errors
    ///
    /// When `openssl` fails.
    pub fn authority(&self, name: &str, key: &[&str], subject: &str) -> Result<()> {
        self.key(name, key)?;
        let config = self.write(
            &format!("{name}.cnf"),
            "[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n\
             [ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
        )?;
        let (key, crt) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.crt")));
        self.openssl(
            ["req", "-new", "-x509", "-days", "3650", "-subj", subject, "-config"]
                .map(OsStr::new)
                .into_iter()
                .chain([
                    config.as_os_str(),
                    OsStr::new("-key"),
                    key.as_os_str(),
                    OsStr::new("-out"),
                    crt.as_os_str(),
                ]),
        )?;
        self.write(&format!("{name}.db"), "")?;
        Ok(())
    }

    /// Makes `NAME.key` and `NAME.crt`, issued by `issuer`, or by itself if that is the same name.
    ///
    /// # Errors
    ///
    /// When `openssl` fails.
    pub fn issue(&self, name: &str, issuer: &str, request: &Request<'_>) -> Result<()> {
        self.key(name, request.key)?;
        let path = |extension: &str| self.path(&format!("{name}.{extension}")).display().to_string();
        let (key, csr, crt) = (path("key"), path("csr"), path("crt"));
        self.openssl(["req", "-new", "-key", &key, "-subj", request.subject, "-out", &csr])?;
        let (issuer_crt, issuer_key) =
            (self.path(&format!("{issuer}.crt")), self.path(&format!("{issuer}.key")));
        let (issuer_crt, issuer_key) = (issuer_crt.display().to_string(), issuer_key.display().to_string());
        let extensions = self.write(&format!("{name}.ext"), request.extensions)?.display().to_string();
        if let Some((from, to)) = request.validity {
            return self.issue_dated(name, issuer, from, to);
        }
        let mut arguments = vec!["x509", "-req", "-in", &csr, "-days", "3650", "-out", &crt];
        if issuer == name {
            arguments.extend(["-signkey", &key]);
        } else {
            arguments.extend(["-CA", &issuer_crt, "-CAkey", &issuer_key, "-CAcreateserial"]);
        }
        if !request.extensions.is_empty() {
            arguments.extend(["-extfile", &extensions]);
        }
        arguments.extend(request.signature);
        self.openssl(arguments)
    }

    /// Only `openssl ca` can set both dates.
    fn issue_dated(&self, name: &str, issuer: &str, from: &str, to: &str) -> Result<()> {
        let config = self.ca_config(issuer)?;
        let path = |extension: &str| self.path(&format!("{name}.{extension}")).display().to_string();
        let (csr, crt, ext) = (path("csr"), path("crt"), path("ext"));
        let mut arguments = vec!["ca", "-batch", "-notext", "-config", &config, "-in", &csr, "-out", &crt];
        arguments.extend(["-startdate", from, "-enddate", to, "-extfile", &ext]);
        if issuer == name {
            arguments.push("-selfsign");
        }
        self.openssl(arguments)
    }

    /// Writes `NAME.crl`, the list of `issuer`, on which `revoked` stand; valid for `days`, or expired if that is 0.
    ///
    /// # Errors
    ///
    /// When `openssl` fails.
    pub fn revoke(&self, list: &str, issuer: &str, revoked: &[&str], expired: bool) -> Result<PathBuf> {
        self.write(&format!("{issuer}.db"), "")?;
        let config = self.ca_config(issuer)?;
        for name in revoked {
            let crt = self.path(&format!("{name}.crt")).display().to_string();
            self.openssl(["ca", "-config", &config, "-revoke", &crt])?;
        }
        let out = self.path(&format!("{list}.crl"));
        let shown = out.display().to_string();
        let mut arguments = vec!["ca", "-config", &config, "-gencrl", "-out", &shown];
        if expired {
            arguments.extend(["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z"]);
        } else {
            arguments.extend(["-crldays", "3650"]);
        }
        self.openssl(arguments)?;
        Ok(out)
    }

    fn ca_config(&self, issuer: &str) -> Result<String> {
        let directory = self.directory.path().display();
        let path = self.write(
            &format!("{issuer}.ca.cnf"),
            format!(
                "[ca]\ndefault_ca=this\n[this]\ndatabase={directory}/{issuer}.db\nrand_serial=yes\n\
                 certificate={directory}/{issuer}.crt\nprivate_key={directory}/{issuer}.key\n\
                 new_certs_dir={directory}\ndefault_md=sha256\npolicy=any\nunique_subject=no\n\
                 [any]\ncommonName=optional\norganizationName=optional\n"
            ),
        )?;
        if !self.path(&format!("{issuer}.db")).exists() {
            self.write(&format!("{issuer}.db"), "")?;
        }
        Ok(path.display().to_string())
    }

    fn key(&self, name: &str, kind: &[&str]) -> Result<()> {
        let path = self.path(&format!("{name}.key"));
        let shown = path.display().to_string();
        let mut arguments = vec!["genpkey"];
        arguments.extend(kind);
        arguments.extend(["-out", &shown]);
        self.openssl(arguments)?;
        restrict(&path)
    }

    /// What a server needs to show the certificate `name`, and to take those of `root`.
    ///
    /// # Errors
    ///
    /// When there is no such certificate.
    pub fn server_options(&self, name: &str) -> Result<ClusterOptions> {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        let mut options = ClusterOptions::default();
        for file in [&certificate, &key, "root.crt"] {
            options.files.push((file.to_owned(), self.read(file)?));
        }
        for (setting, value) in [
            ("ssl", "on"),
            ("ssl_cert_file", &certificate),
            ("ssl_key_file", &key),
            ("ssl_ca_file", "root.crt"),
        ] {
            options.settings.push((setting.to_owned(), value.to_owned()));
        }
        Ok(options)
    }

    /// Runs `openssl`.
    ///
    /// # Errors
    ///
    /// When it is not there, or fails.
    pub fn openssl(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(self.directory.path());
        let output = command.output().context("openssl is not installed")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?}: {said}");
        Ok(())
    }
}

/// Makes a file readable by its owner alone, as key files must be.
///
/// # Errors
///
/// When that cannot be done.
pub fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
