//! The messages with which a server asks who we are.

use crate::cursor::Cursor;
use crate::error::{Malformed, Problem};

use super::WireStr;
use super::protocol_version::taken_between;

/// One of the authentication messages, which share the tag `R`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// AuthenticationOk: we are in.
    Ok,
    /// AuthenticationKerberosV5: no server since 9.3 sends it.
    KerberosV5,
    /// AuthenticationCleartextPassword.
    CleartextPassword,
    /// AuthenticationMD5Password.
    Md5Password {
        /// What is hashed in with the password.
        salt: [u8; 4],
    },
    /// AuthenticationGSS.
    Gss,
    /// AuthenticationGSSContinue: the server's token of GSSAPI or SSPI.
    GssContinue(&'a [u8]),
    /// AuthenticationSSPI.
    Sspi,
    /// AuthenticationSASL: the mechanisms that the server offers.
    Sasl(SaslMechanisms<'a>),
    /// AuthenticationSASLContinue: the server's next message.
    SaslContinue(&'a [u8]),
    /// AuthenticationSASLFinal: the server's last message.
    SaslFinal(&'a [u8]),
}

impl<'a> Authentication<'a> {
    /// The message's name in PostgreSQL's manual.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok => "AuthenticationOk",
            Self::KerberosV5 => "AuthenticationKerberosV5",
            Self::CleartextPassword => "AuthenticationCleartextPassword",
            Self::Md5Password { .. } => "AuthenticationMD5Password",
            Self::Gss => "AuthenticationGSS",
            Self::GssContinue(_) => "AuthenticationGSSContinue",
            Self::Sspi => "AuthenticationSSPI",
            Self::Sasl(_) => "AuthenticationSASL",
            Self::SaslContinue(_) => "AuthenticationSASLContinue",
            Self::SaslFinal(_) => "AuthenticationSASLFinal",
        }
    }

    /// The number on the wire.
    #[cfg(feature = "server")]
    pub(super) fn code(&self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::KerberosV5 => 2,
            Self::CleartextPassword => 3,
            Self::Md5Password { .. } => 5,
            Self::Gss => 7,
            Self::GssContinue(_) => 8,
            Self::Sspi => 9,
            Self::Sasl(_) => 10,
            Self::SaslContinue(_) => 11,
            Self::SaslFinal(_) => 12,
        }
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        Ok(match body.take_u32("authentication code")? {
            0 => Self::Ok,
            2 => Self::KerberosV5,
            3 => Self::CleartextPassword,
            5 => Self::Md5Password { salt: body.take_array("salt")? },
            7 => Self::Gss,
            8 => Self::GssContinue(body.rest()),
            9 => Self::Sspi,
            10 => Self::Sasl(SaslMechanisms::decode(body)?),
            11 => Self::SaslContinue(body.rest()),
            12 => Self::SaslFinal(body.rest()),
            code => return Err(Malformed::new("authentication code", Problem::Code(code))),
        })
    }
}

/// The mechanisms of an AuthenticationSASL, in the server's order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslMechanisms<'a> {
    /// Names with their NULs, without the empty one that ends the list.
    names: &'a [u8],
}

impl<'a> SaslMechanisms<'a> {
    /// The mechanisms.
    pub fn iter(&self) -> impl Iterator<Item = WireStr<'a>> + use<'a> {
        let mut rest = Cursor::new(self.names);
        std::iter::from_fn(move || rest.take_cstr("mechanism").ok().map(WireStr::new))
    }

    /// The names as they stand on the wire, each with its NUL.
    #[cfg(feature = "server")]
    pub(super) fn names(&self) -> &'a [u8] {
        self.names
    }

    fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let start = *body;
        let mut end = *body;
        while !body.take_cstr("mechanism")?.is_empty() {
            end = *body;
        }
        let names = taken_between(start, &end);
        if names.is_empty() {
            return Err(Malformed::new("mechanisms", Problem::Count(0)));
        }
        Ok(Self { names })
    }
}
