//! Passwords and tokens that are fetched when they are needed, and keys that are remembered.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use cornac_proto::auth::Secret;
use cornac_proto::auth::scram::{Derivation, ScramKeys};

use crate::config::HostSpec;

/// Why a password or a token could not be fetched: whatever the caller's function says.
pub type CredentialError = Box<dyn std::error::Error + Send + Sync>;

type Fetched = Pin<Box<dyn Future<Output = Result<Secret, CredentialError>> + Send>>;

/// The caller's own way to a password (a cloud provider's token, a secret that rotates) or to a bearer token, asked for each attempt
/// to log in that needs it.
///
/// ```
/// use cornac_conn::{Config, Host, CredentialProvider};
///
/// async fn token_for(host: String) -> Result<String, std::io::Error> {
///     Ok(format!("fresh token for {host}"))
/// }
///
/// let provider = CredentialProvider::new(|spec| {
///     let host = spec.to_string();
///     async move { Ok(token_for(host).await?.into_bytes()) }
/// });
/// let config = Config::new(Host::Tcp("db.example".to_owned()), "app").password_from(provider);
/// ```
#[derive(Clone)]
pub struct CredentialProvider(Arc<dyn Fn(&HostSpec) -> Fetched + Send + Sync>);

impl CredentialProvider {
    /// Asks `fetch` for the password or the token for a host. Its time counts towards the `connect_timeout`; when connecting is given up, its
    /// future is dropped.
    pub fn new<F, Fut, P>(fetch: F) -> Self
    where
        F: Fn(&HostSpec) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P, CredentialError>> + Send + 'static,
        P: Into<Vec<u8>>,
    {
        Self(Arc::new(move |spec| {
            let fetched = fetch(spec);
            Box::pin(async move { fetched.await.map(Secret::new) })
        }))
    }

    pub(crate) async fn fetch(&self, spec: &HostSpec) -> Result<Secret, CredentialError> {
        (self.0)(spec).await
    }
}

impl fmt::Debug for CredentialProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialProvider")
    }
}

/// Keys that are kept: one for each server, role and password that a pool is likely to meet.
const KEPT: usize = 16;

/// The keys of SCRAM that logins have led to, shared by the clones of a configuration, so that a pool derives them once.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyMemory(Arc<Mutex<VecDeque<Remembered>>>);

#[derive(Debug)]
struct Remembered {
    what_for: Challenge,
    keys: ScramKeys,
}

/// What decides which keys a password leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    password: Secret,
    salt: Vec<u8>,
    iterations: u32,
}

impl Challenge {
    pub(crate) fn new(password: &Secret, derivation: &Derivation) -> Self {
        let salt = derivation.salt().to_vec();
        Self { password: password.clone(), salt, iterations: derivation.iterations() }
    }
}

impl KeyMemory {
    pub(crate) fn get(&self, challenge: &Challenge) -> Option<ScramKeys> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|remembered| remembered.what_for == *challenge).map(|found| found.keys.clone())
    }

    /// Remembers keys by which a server has proven itself.
    pub(crate) fn put(&self, what_for: Challenge, keys: ScramKeys) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|remembered| remembered.what_for != what_for);
        kept.truncate(KEPT - 1);
        kept.push_front(Remembered { what_for, keys });
    }
}
