//! The service file: named sets of options.
//!
//! See [The Connection Service File](https://www.postgresql.org/docs/current/libpq-pgservice.html).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::settings::Settings;
use super::surroundings::Surroundings;

/// Where distributions have the file for all users, if `PGSYSCONFDIR` does not say.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

/// Adds what the service `name` says and `settings` do not.
pub(super) fn apply(
    settings: &mut Settings,
    name: &str,
    surroundings: &Surroundings,
) -> Result<(), ConfigError> {
    let own = match surroundings.variable("PGSERVICEFILE") {
        Some(path) => Some(PathBuf::from(path)),
        None => surroundings.home().map(|home| home.join(".pg_service.conf")),
    };
    let system = match surroundings.variable("PGSYSCONFDIR") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => SYSTEM_DIRECTORIES.map(PathBuf::from).into(),
    };
    let system = system.into_iter().map(|directory| directory.join("pg_service.conf"));
    for path in own.into_iter().chain(system) {
        if apply_from(settings, name, &path)? {
            return Ok(());
        }
    }
    Err(ConfigError::UnknownService { name: name.to_owned() })
}

/// Whether `path` defines the service.
fn apply_from(settings: &mut Settings, name: &str, path: &Path) -> Result<bool, ConfigError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(source) => {
            return Err(ConfigError::File { what: "service file", path: path.to_owned(), source });
        }
    };
    let mut found = false;
    for (number, line) in text.lines().enumerate() {
        let broken =
            |problem: String| ConfigError::ServiceFile { path: path.to_owned(), line: number + 1, problem };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found {
                return Ok(true);
            }
            found = section.split_once(']').is_some_and(|(section, _)| section == name);
            continue;
        }
        if !found {
            continue;
        }
        if line.starts_with("ldap") {
            return Err(broken("looking services up by LDAP is not supported".to_owned()));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| broken("an option has no =".to_owned()))?;
        if key == "service" {
            return Err(broken("a service cannot refer to another one".to_owned()));
        }
        let mut said = Settings::default();
        said.put(key, value).map_err(|error| broken(error.to_string()))?;
        if !settings.contains(key) {
            settings.put(key, value)?;
        }
    }
    Ok(found)
}
