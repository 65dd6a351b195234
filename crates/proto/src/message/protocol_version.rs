//! The protocol's version, and how a server says that it speaks an older one.

use std::fmt;

use crate::cursor::Cursor;
use crate::error::{Malformed, Problem};

use super::WireStr;

/// A version of the protocol: major and minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion {
    major: u16,
    minor: u16,
}

impl ProtocolVersion {
    /// Version 3.0, which every server since 7.4 speaks.
    pub const V3_0: Self = Self::new(3, 0);
    /// Version 3.2, of PostgreSQL 18: cancel keys of up to 256 bytes.
    pub const V3_2: Self = Self::new(3, 2);

    /// The version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// As it stands on the wire: the major number in the upper two bytes.
    pub fn code(self) -> u32 {
        (u32::from(self.major) << 16) | u32::from(self.minor)
    }

    /// From the number on the wire.
    pub fn from_code(code: u32) -> Self {
        let [a, b, c, d] = code.to_be_bytes();
        Self { major: u16::from_be_bytes([a, b]), minor: u16::from_be_bytes([c, d]) }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// NegotiateProtocolVersion: the server speaks an older minor version than the one asked for, or does not know options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiateProtocolVersion<'a> {
    newest: ProtocolVersion,
    count: u32,
    options: &'a [u8],
}

impl<'a> NegotiateProtocolVersion<'a> {
    /// The newest version that the server speaks.
    pub fn newest(&self) -> ProtocolVersion {
        self.newest
    }

    /// How many options the server refuses.
    pub fn options_len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// The options that the server refuses.
    pub fn options(&self) -> impl Iterator<Item = WireStr<'a>> {
        let mut rest = Cursor::new(self.options);
        std::iter::from_fn(move || rest.take_cstr("option").ok().map(WireStr::new))
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let newest = ProtocolVersion::from_code(body.take_u32("newest version")?);
        let announced = body.take_i32("options")?;
        // Each option takes a byte at least, so that a count beyond the bytes left is refused before it is walked.
        let impossible = Malformed::new("options", Problem::Count(announced.into()));
        let count = u32::try_from(announced).map_err(|_| impossible)?;
        if usize::try_from(count).map_or(true, |count| count > body.remaining()) {
            return Err(impossible);
        }
        let options = *body;
        for _ in 0..count {
            body.take_cstr("option")?;
        }
        let options = taken_between(options, body);
        Ok(Self { newest, count, options })
    }
}

/// The bytes that were taken from `before` to get to `after`.
pub(super) fn taken_between<'a>(before: Cursor<'a>, after: &Cursor<'a>) -> &'a [u8] {
    let (mut before, left) = (before, after.remaining());
    let count = before.remaining().saturating_sub(left);
    before.take_bytes("list", count).unwrap_or_default()
}
