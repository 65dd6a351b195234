//! What Describe and Close are about.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::frame::put_cstr;

/// A prepared statement or a portal, by name. The empty name is the unnamed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A prepared statement.
    Statement(&'a str),
    /// A portal.
    Portal(&'a str),
}

impl Target<'_> {
    pub(super) fn put(self, out: &mut BytesMut, message: &'static str) -> Result<(), EncodeError> {
        let (kind, name) = match self {
            Self::Statement(name) => (b'S', name),
            Self::Portal(name) => (b'P', name),
        };
        out.put_u8(kind);
        put_cstr(out, message, "name", name.as_bytes())
    }
}
