//! Who we are to Kerberos, and who the server is: a security context of the system's GSSAPI library.

use std::io;

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::GSS_NT_HOSTBASED_SERVICE;

use super::error::{ConnectFailure, GssapiError};
use super::gssapi_service::{Outcome, Service};

/// Whether the library is built in.
pub(super) const IS_BUILT_IN: bool = true;

/// One exchange of tokens with one server.
pub(super) enum Exchange {
    Begins(Service),
    GoesOn(Box<ClientCtx>),
    /// While the library has it, and after it has failed.
    Away,
}

impl Exchange {
    /// Nothing is asked of the library yet.
    pub(super) fn with(service: Service) -> Self {
        Self::Begins(service)
    }

    /// Hands the server's token to the library, in a thread where it may block: it reads files, resolves names and asks the Kerberos
    /// server. Nothing can stop it there; when this future is dropped, the thread ends when the library's own patience does.
    pub(super) async fn step(&mut self, from_server: Option<Vec<u8>>) -> Result<Outcome, ConnectFailure> {
        let exchange = std::mem::replace(self, Self::Away);
        let asked = tokio::task::spawn_blocking(move || {
            let mut context = exchange.context()?;
            let outcome = advance(&mut context, from_server.as_deref())?;
            Ok::<_, GssapiError>((context, outcome))
        });
        let (context, outcome) = asked.await.map_err(io::Error::other)??;
        *self = Self::GoesOn(context);
        Ok(outcome)
    }

    fn context(self) -> Result<Box<ClientCtx>, GssapiError> {
        match self {
            Self::Begins(service) => {
                let name = Name::new(service.name.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))
                    .map_err(|error| said("the name of the service cannot be used", error))?;
                let mut flags = CtxFlags::GSS_C_MUTUAL_FLAG;
                flags.set(CtxFlags::GSS_C_DELEG_FLAG, service.delegates);
                // The credentials and the mechanism are the library's defaults, as in libpq.
                Ok(Box::new(ClientCtx::new(None, name, flags, None)))
            }
            Self::GoesOn(context) => Ok(context),
            Self::Away => Err(GssapiError::Library {
                doing: "there is no security context",
                said: "it has failed before".to_owned(),
            }),
        }
    }
}

fn advance(context: &mut ClientCtx, from_server: Option<&[u8]>) -> Result<Outcome, GssapiError> {
    let token = context
        .step(from_server, None)
        .map_err(|error| said("the library gives no token for the server", error))?;
    let is_established = context.is_complete();
    if is_established {
        // What was granted, not what was asked for.
        let granted =
            context.flags().map_err(|error| said("the security context cannot be inspected", error))?;
        if !granted.contains(CtxFlags::GSS_C_MUTUAL_FLAG) {
            return Err(GssapiError::NotMutual);
        }
    }
    let token = token.map(|token| token.to_vec()).unwrap_or_default();
    Ok(Outcome { token, is_established })
}

fn said(doing: &'static str, error: Error) -> GssapiError {
    GssapiError::Library { doing, said: error.to_string() }
}
