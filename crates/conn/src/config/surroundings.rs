//! What a configuration takes from the process and the machine: environment variables, the home directory, the user's name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What a connection string is read in: environment variables, the home directory with its files, the user's name.
///
/// Reading a string with [`str::parse`] takes those of the process. A string that is to mean the same everywhere is read in
/// [`Surroundings::none`].
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    variables: HashMap<String, String>,
    home: Option<PathBuf>,
    user: Option<String>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variables: HashMap<_, _> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("PG"))
            .collect();
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self { variables, home: home.or_else(home_of_user), user: name_of_user() }
    }

    /// None at all: neither environment variables nor files nor a user's name.
    pub fn none() -> Self {
        Self::default()
    }

    /// With an environment variable, such as `PGHOST`.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// With a home directory, in which `.pgpass`, `.pg_service.conf` and `.postgresql` are looked for.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// With the operating system's name of the user, which is the role if no other is named.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

#[cfg(unix)]
fn home_of_user() -> Option<PathBuf> {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir)
}

#[cfg(unix)]
fn name_of_user() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name)
}

#[cfg(not(unix))]
fn home_of_user() -> Option<PathBuf> {
    std::env::var_os("APPDATA").map(|data| PathBuf::from(data).join("postgresql"))
}

#[cfg(not(unix))]
fn name_of_user() -> Option<String> {
    std::env::var("USERNAME").ok()
}
