//! Passwords that are fetched when they are needed: tokens of cloud providers, secrets that rotate.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cornac_proto::auth::Secret;

use crate::config::HostSpec;

/// Why a password could not be fetched: whatever the caller's function says.
pub type PasswordError = Box<dyn std::error::Error + Send + Sync>;

type Fetched = Pin<Box<dyn Future<Output = Result<Secret, PasswordError>> + Send>>;

/// The caller's own way to a password, asked once for each attempt to log in.
///
/// ```
/// use cornac_conn::{Config, Host, PasswordProvider};
///
/// async fn token_for(host: String) -> Result<String, std::io::Error> {
///     Ok(format!("fresh token for {host}"))
/// }
///
/// let provider = PasswordProvider::new(|spec| {
///     let host = spec.to_string();
///     async move { Ok(token_for(host).await?.into_bytes()) }
/// });
/// let config = Config::new(Host::Tcp("db.example".to_owned()), "app").password_provider(provider);
/// ```
#[derive(Clone)]
pub struct PasswordProvider(Arc<dyn Fn(&HostSpec) -> Fetched + Send + Sync>);

impl PasswordProvider {
    /// Asks `fetch` for the password for a host. Its time counts towards the `connect_timeout`; when connecting is given up, its
    /// future is dropped.
    pub fn new<F, Fut, P>(fetch: F) -> Self
    where
        F: Fn(&HostSpec) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P, PasswordError>> + Send + 'static,
        P: Into<Vec<u8>>,
    {
        Self(Arc::new(move |spec| {
            let fetched = fetch(spec);
            Box::pin(async move { fetched.await.map(Secret::new) })
        }))
    }

    pub(crate) async fn fetch(&self, spec: &HostSpec) -> Result<Secret, PasswordError> {
        (self.0)(spec).await
    }
}

impl fmt::Debug for PasswordProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordProvider")
    }
}
