//! `postgres://user:password@host:port,host:port/dbname?key=value&...`, as libpq reads it.
//!
//! See [Connection URIs](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS).

use super::error::ConfigError;
use super::settings::Settings;

/// What stands behind the scheme; `None` if the string has no scheme of ours.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Reads a URL whose part behind the scheme is `rest`.
pub(super) fn parse(text: &str, rest: &str) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    let position = |part: &str| text.len() - part.len();
    let mut rest = rest;

    // Credentials are there if an @ comes before the first slash.
    if let Some(at) = rest.find(['@', '/']).filter(|&at| rest.as_bytes().get(at) == Some(&b'@')) {
        let (credentials, behind) = rest.split_at(at);
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, password),
            None => (credentials, ""),
        };
        if !user.is_empty() {
            settings.put("user", decode("user", user)?)?;
        }
        if !password.is_empty() {
            settings.put("password", decode("password", password)?)?;
        }
        rest = behind.get(1..).unwrap_or_default();
    }

    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    loop {
        let (host, behind) = match rest.strip_prefix('[') {
            Some(address) => {
                let Some((address, behind)) = address.split_once(']') else {
                    let problem = "an IPv6 address begins with [ and does not end with ]";
                    return Err(ConfigError::Syntax { problem, position: position(rest) });
                };
                if address.is_empty() {
                    let problem = "there is no IPv6 address between [ and ]";
                    return Err(ConfigError::Syntax { problem, position: position(rest) });
                }
                if !behind.is_empty() && !behind.starts_with([':', '/', '?', ',']) {
                    let problem = "behind a bracketed IPv6 address comes a port, a slash or nothing";
                    return Err(ConfigError::Syntax { problem, position: position(behind) });
                }
                (address, behind)
            }
            None => rest.split_at(rest.find([':', '/', '?', ',']).unwrap_or(rest.len())),
        };
        hosts.push(host);
        let (port, behind) = match behind.strip_prefix(':') {
            Some(port) => port.split_at(port.find(['/', '?', ',']).unwrap_or(port.len())),
            None => ("", behind),
        };
        ports.push(port);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                rest = behind;
                break;
            }
        }
    }
    // One empty host says nothing; an empty one among others stands for the default.
    for (key, list) in [("host", hosts), ("port", ports)] {
        let list = list.join(",");
        if !list.is_empty() {
            settings.put(key, decode(if key == "host" { "host" } else { "port" }, &list)?)?;
        }
    }

    if let Some(path) = rest.strip_prefix('/') {
        let (dbname, behind) = path.split_at(path.find('?').unwrap_or(path.len()));
        if !dbname.is_empty() {
            settings.put("dbname", decode("database name", dbname)?)?;
        }
        rest = behind;
    }
    if let Some(query) = rest.strip_prefix('?') {
        parse_query(query, &mut settings, position)?;
    }
    Ok(settings)
}

fn parse_query<'t>(
    query: &'t str,
    settings: &mut Settings,
    position: impl Fn(&'t str) -> usize,
) -> Result<(), ConfigError> {
    let mut rest = query;
    while !rest.is_empty() {
        let (pair, behind) = rest.split_once('&').unwrap_or((rest, ""));
        let Some((key, value)) = pair.split_once('=') else {
            return Err(ConfigError::Syntax { problem: "an option has no =", position: position(rest) });
        };
        if value.contains('=') {
            let problem = "an option has a second =; write it as %3D";
            return Err(ConfigError::Syntax { problem, position: position(rest) });
        }
        let (key, value) = (decode("options", key)?, decode("options", value)?);
        // JDBC's way to ask for TLS, which libpq understands too.
        if key == "ssl" && value == "true" {
            settings.put("sslmode", "require")?;
        } else {
            settings.put(&key, value)?;
        }
        rest = behind;
    }
    Ok(())
}

/// Undoes percent-encoding. The error names the part, never what is in it: it may be a password. Blanks around the part are
/// ignored, as libpq does.
fn decode(part: &'static str, encoded: &str) -> Result<String, ConfigError> {
    let trimmed = encoded.trim_matches(' ');
    if trimmed.contains(' ') {
        return Err(ConfigError::Blank { part });
    }
    let mut decoded = Vec::with_capacity(trimmed.len());
    let mut rest = trimmed.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if byte != b'%' {
            decoded.push(byte);
            rest = behind;
            continue;
        }
        let error = || ConfigError::PercentEncoding { part, position: encoded.len() - rest.len() };
        let (digits, behind) = behind.split_first_chunk::<2>().ok_or_else(error)?;
        let mut digits = digits.iter().map(|&digit| char::from(digit).to_digit(16));
        let value = digits.try_fold(0, |value, digit| Some(value * 16 + digit?)).ok_or_else(error)?;
        match u8::try_from(value) {
            Ok(0) | Err(_) => return Err(error()),
            Ok(byte) => decoded.push(byte),
        }
        rest = behind;
    }
    String::from_utf8(decoded).map_err(|_| ConfigError::PercentEncoding { part, position: 0 })
}
