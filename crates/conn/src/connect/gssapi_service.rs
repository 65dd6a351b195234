//! The service that a Kerberos server is asked about, and what a GSSAPI library answers.

use super::error::GssapiError;
use crate::config::{Config, Host, HostSpec};

/// A database server, as Kerberos knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// `krbsrvname@host`, the form of GSS_C_NT_HOSTBASED_SERVICE.
    pub(super) name: String,
    /// Whether our credentials are passed on to it.
    pub(super) delegates: bool,
}

/// What a library made of the server's token.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What the server must get; empty when there is nothing more to say.
    pub(super) token: Vec<u8>,
    /// Both sides have proven who they are.
    pub(super) is_established: bool,
}

impl Service {
    /// The service at one of the hosts. As in libpq, the host's name counts even where an address says how to get there.
    pub(super) fn at(spec: &HostSpec, config: &Config) -> Result<Self, GssapiError> {
        let host = match (&spec.host, spec.hostaddr) {
            (Some(Host::Tcp(name)), _) => name.clone(),
            (None, Some(address)) => address.to_string(),
            (Some(Host::Unix(_)), _) | (None, None) => return Err(GssapiError::NoHost),
        };
        Ok(Self {
            name: format!("{}@{host}", config.kerberos_service()),
            delegates: config.delegates_kerberos(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Surroundings;

    #[test]
    fn a_service_is_named_as_libpq_names_it() {
        for (text, expected) in [
            ("host=db.example", Ok("postgres@db.example false")),
            ("host=db.example hostaddr=127.0.0.1", Ok("postgres@db.example false")),
            ("hostaddr=127.0.0.1", Ok("postgres@127.0.0.1 false")),
            ("host=db.example krbsrvname=pg gssdelegation=1", Ok("pg@db.example true")),
            ("host=/run/postgresql", Err(GssapiError::NoHost)),
            ("", Err(GssapiError::NoHost)),
        ] {
            let config = Config::parse_in(&format!("user=me {text}"), &Surroundings::none()).unwrap();
            let service = Service::at(&config.hosts()[0], &config);
            let shown = service.map(|service| format!("{} {}", service.name, service.delegates));
            assert_eq!(shown, expected.map(str::to_owned), "{text}");
        }
    }
}
