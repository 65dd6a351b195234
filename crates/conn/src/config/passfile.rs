//! The password file: `host:port:dbname:user:password` a line.
//!
//! See [The Password File](https://www.postgresql.org/docs/current/libpq-pgpass.html).

use std::fs;
use std::path::Path;

use cornac_proto::auth::Secret;
use zeroize::Zeroizing;

/// For whom a password is looked up.
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// The password in the first line that fits. A file that others can read is no secret, so it is not used, as in libpq; the log says so.
pub(super) fn look_up(path: &Path, login: &Login<'_>) -> Option<Secret> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() {
        tracing::warn!(target: "cornac::config", "password file {path:?} is not a plain file, and not used");
        return None;
    }
    if can_be_read_by_others(&metadata) {
        tracing::warn!(
            target: "cornac::config",
            "password file {path:?} can be read by others, and is not used; it should have mode 0600 or less"
        );
        return None;
    }
    let bytes = Zeroizing::new(fs::read(path).ok()?);
    let lines = bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.starts_with(b"#")).find_map(|line| password_in(line, login))
}

fn password_in(line: &[u8], login: &Login<'_>) -> Option<Secret> {
    let port = login.port.to_string();
    let mut rest = line;
    for wanted in [login.host, &port, login.dbname, login.user] {
        let (field, behind) = split_field(rest)?;
        if field != b"*" && unescaped(field) != wanted.as_bytes() {
            return None;
        }
        rest = behind;
    }
    // What stands behind a further colon that is not escaped is no part of the password.
    let password = split_field(rest).map_or(rest, |(password, _)| password);
    let password = Zeroizing::new(unescaped(password));
    (!password.is_empty()).then(|| Secret::new(password.as_slice()))
}

/// The bytes up to the next colon that is not escaped, and those behind it.
fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let at = line.iter().position(|&byte| {
        let ends = byte == b':' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let (field, behind) = line.split_at(at);
    Some((field, behind.get(1..).unwrap_or_default()))
}

/// Without the backslashes that made the next byte an ordinary one.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => plain.push(bytes.next().copied().unwrap_or(b'\\')),
            byte => plain.push(byte),
        }
    }
    plain
}

#[cfg(unix)]
fn can_be_read_by_others(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

#[cfg(not(unix))]
fn can_be_read_by_others(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<String> {
        let login = Login { host: "db:1", port: 5432, dbname: "shop", user: "app" };
        password_in(line.as_bytes(), &login).map(|found| String::from_utf8_lossy(found.expose()).into_owned())
    }

    #[test]
    fn lines_fit_or_not() {
        assert_eq!(found(r"db\:1:5432:shop:app:tusk").as_deref(), Some("tusk"));
        assert_eq!(found(r"*:*:*:*:a\:b\\c").as_deref(), Some(r"a:b\c"));
        assert_eq!(found(r"*:*:*:*:a:b").as_deref(), Some("a"));
        assert_eq!(found(r"*:*:*:app:").as_deref(), None);
        assert_eq!(found(r"*:5433:*:*:tusk"), None);
        assert_eq!(found(r"\*:*:*:*:tusk"), None);
        assert_eq!(found(r"*:*:*:*"), None);
        assert_eq!(found(""), None);
    }
}
