//! The states of GSSAPI: tokens go back and forth until both sides have proven who they are.

use crate::message::{self, Authentication, Backend};

use super::Context;
use super::error::HandshakeError;
use super::state::{AwaitOk, Next, State, unexpected};

/// The owner asks its library for the next token, which may have to ask others in turn.
pub(super) struct AwaitGssToken;

impl AwaitGssToken {
    /// Writes the token, if there is one: a context may be established without a last word of ours.
    pub(super) fn send(
        token: &[u8],
        is_established: bool,
        context: &mut Context,
    ) -> Result<State, HandshakeError> {
        if !token.is_empty() {
            message::gss_response(context.send.tail(), token)?;
        }
        Ok(if is_established { State::Ok(AwaitOk) } else { State::GssContinue(AwaitGssContinue) })
    }
}

/// Our token is written, and the server has not proven yet who it is: no AuthenticationOk is taken in place of that.
pub(super) struct AwaitGssContinue;

impl AwaitGssContinue {
    pub(super) fn handle(message: &Backend<'_>) -> Result<Next, HandshakeError> {
        match message {
            Backend::Authentication(Authentication::GssContinue(token)) => {
                Ok(Next::Gss(Some(token.to_vec())))
            }
            other => Err(unexpected(other, "AuthenticationGSSContinue with the server's proof")),
        }
    }
}
