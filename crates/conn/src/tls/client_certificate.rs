//! The certificate that a server may ask us for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Gives our certificate to a server that asks, and remembers what became of it.
///
/// As in libpq, the list of issuers that the server would like is not looked at: the server decides.
#[derive(Debug)]
pub(super) struct ClientCertificate {
    certified: Option<Arc<CertifiedKey>>,
    requested: AtomicBool,
    sent: AtomicBool,
}

impl ClientCertificate {
    pub(super) fn new(certified: Option<Arc<CertifiedKey>>) -> Self {
        Self { certified, requested: AtomicBool::new(false), sent: AtomicBool::new(false) }
    }

    /// Whether the server asked.
    pub(super) fn was_requested(&self) -> bool {
        // Relaxed: set by the same task, in the course of the handshake.
        self.requested.load(Ordering::Relaxed)
    }

    /// Whether a certificate went out.
    pub(super) fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.requested.store(true, Ordering::Relaxed);
        let usable =
            self.certified.clone().filter(|certified| certified.key.choose_scheme(schemes).is_some());
        self.sent.store(usable.is_some(), Ordering::Relaxed);
        usable
    }

    fn has_certs(&self) -> bool {
        // Asked for even without one, so that it is known whether the server asked.
        true
    }
}
