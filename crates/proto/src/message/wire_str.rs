//! Text from a server, which is UTF-8 nearly always.

use std::borrow::Cow;
use std::fmt;
use std::str::Utf8Error;

/// A string of the protocol, without its NUL.
///
/// A server sends UTF-8 when `client_encoding` is UTF8, but for names and messages from databases in
/// `SQL_ASCII`, and for errors before the encoding is settled. So the bytes are kept as they came, and whoever
/// reads them says how strict to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WireStr<'a>(&'a [u8]);

impl<'a> WireStr<'a> {
    /// Takes the bytes as they are.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes as they came.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, if it is UTF-8.
    ///
    /// # Errors
    ///
    /// Where the first byte stands that is not.
    pub fn to_str(self) -> Result<&'a str, Utf8Error> {
        std::str::from_utf8(self.0)
    }

    /// The text for people: what is not UTF-8 becomes U+FFFD.
    pub fn to_lossy(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }
}

impl<'a> From<&'a str> for WireStr<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl PartialEq<str> for WireStr<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for WireStr<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Display for WireStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_lossy())
    }
}

impl fmt::Debug for WireStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_lossy(), f)
    }
}
