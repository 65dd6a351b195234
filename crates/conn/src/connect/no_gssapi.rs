//! In place of the system's GSSAPI library, in builds without the cargo feature `gssapi`.

use cornac_proto::handshake::HandshakeError;

use super::error::ConnectFailure;
use super::gssapi_service::{Outcome, Service};

/// Whether the library is built in.
pub(super) const IS_BUILT_IN: bool = false;

/// As its sibling's; there is nobody to ask.
pub(super) struct Exchange;

impl Exchange {
    pub(super) fn with(_: Service) -> Self {
        Self
    }

    /// The handshake does not ask for this where the library is not built in.
    #[expect(clippy::unused_async, clippy::needless_pass_by_ref_mut, reason = "as its sibling")]
    pub(super) async fn step(&mut self, _: Option<Vec<u8>>) -> Result<Outcome, ConnectFailure> {
        Err(HandshakeError::GssapiMissing { asked: "AuthenticationGSS" }.into())
    }
}
