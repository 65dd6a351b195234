//! The frame of a message: a tag of one byte, a length of four that counts itself, and the body.

use bytes::{BufMut, BytesMut};

use crate::error::{EncodeError, Violation};
use crate::message::BackendTag;

/// The longest message that is written, in bytes, its length field included.
///
/// A server since PostgreSQL 14 refuses anything longer with a FATAL error, and one before that cannot keep
/// it in memory (`MaxAllocSize`), so that nothing longer is worth a byte on the wire.
pub const MESSAGE_LEN_MAX: usize = 0x3fff_fffe;

/// The longest message that a server can build, in bytes, its length field included: a body of `MaxAllocSize` less the byte that its
/// buffer keeps for a NUL. That is 2 bytes more than 1 GiB.
pub const SERVER_MESSAGE_LEN_MAX: u32 = 0x3fff_fffe + 4;

/// Bytes of a backend message in front of its body.
pub(crate) const HEADER_LEN: usize = 5;

/// How long the messages of a server may be, in bytes, the length field included.
///
/// A message that announces more is refused at its header, before anything is kept for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Before authentication ended. 8 KiB by default: a stranger gets little memory.
    pub unauthenticated: u32,
    /// ErrorResponse and NoticeResponse before authentication ended. 30,000 by default, as in libpq.
    pub unauthenticated_error: u32,
    /// Messages whose layout has no long part (ReadyForQuery, ParameterStatus, ...). 30,000 by default, as in libpq.
    pub short: u32,
    /// Messages that carry data, descriptions or error text. [`SERVER_MESSAGE_LEN_MAX`] by default.
    pub long: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unauthenticated: 8 << 10,
            unauthenticated_error: 30_000,
            short: 30_000,
            long: SERVER_MESSAGE_LEN_MAX,
        }
    }
}

/// Whether the peer has proved who it is, and may therefore send long messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Authentication has not ended.
    Unauthenticated,
    /// AuthenticationOk has come.
    Authenticated,
}

impl Limits {
    /// The largest length that a message of this kind may announce.
    pub fn of(&self, tag: BackendTag, phase: Phase) -> u32 {
        match phase {
            Phase::Unauthenticated if tag.carries_error_text() => self.unauthenticated_error,
            Phase::Unauthenticated => self.unauthenticated,
            Phase::Authenticated if tag.may_be_long() => self.long,
            Phase::Authenticated => self.short,
        }
    }
}

/// One message as it stands in a buffer of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which message it is.
    pub tag: BackendTag,
    /// What follows the length.
    pub body: &'a [u8],
}

/// What the front of a buffer of received bytes holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing<'a> {
    /// A whole message.
    Complete(Frame<'a>),
    /// The beginning of one.
    Incomplete {
        /// How many bytes the message has in all, header included, as far as that is known yet.
        len: usize,
        /// Which message has begun, when its first byte is there.
        tag: Option<BackendTag>,
    },
}

/// Looks at the front of `bytes` for a backend message.
///
/// # Errors
///
/// [`Violation::UnknownTag`] and [`Violation::Length`] as soon as the header shows it, whatever follows.
pub fn frame<'a>(bytes: &'a [u8], limits: &Limits, phase: Phase) -> Result<Framing<'a>, Violation> {
    let Some((&tag, after_tag)) = bytes.split_first() else {
        return Ok(Framing::Incomplete { len: HEADER_LEN, tag: None });
    };
    let Some(tag) = BackendTag::from_byte(tag) else {
        return Err(Violation::UnknownTag { tag, awaited: "a message" });
    };
    let Some((length, rest)) = after_tag.split_first_chunk::<4>() else {
        return Ok(Framing::Incomplete { len: HEADER_LEN, tag: Some(tag) });
    };
    let length = i32::from_be_bytes(*length);
    let limit = limits.of(tag, phase);
    let body_len = match u32::try_from(length) {
        Ok(len) if (4..=limit).contains(&len) => usize::try_from(len - 4).ok(),
        _ => None,
    };
    let Some(body_len) = body_len else {
        return Err(Violation::Length { tag, length, limit });
    };
    Ok(match rest.get(..body_len) {
        Some(body) => Framing::Complete(Frame { tag, body }),
        None => Framing::Incomplete { len: HEADER_LEN.saturating_add(body_len), tag: Some(tag) },
    })
}

/// Writes a message with a tag: `body` writes what follows the length, which is filled in afterwards.
///
/// # Errors
///
/// Those of `body`, and [`EncodeError::TooLong`]. `out` is then as it was.
pub(crate) fn tagged<E: From<EncodeError>>(
    out: &mut BytesMut,
    message: &'static str,
    tag: u8,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.put_u8(tag);
    counted(out, message, body).inspect_err(|_| out.truncate(start))
}

/// Writes a message that has no tag, as all do before authentication begins: length and body.
///
/// # Errors
///
/// As [`tagged`].
pub(crate) fn counted<E: From<EncodeError>>(
    out: &mut BytesMut,
    message: &'static str,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.put_u32(0);
    let written = body(out).and_then(|()| fill_in_length(out, message, start).map_err(E::from));
    written.inspect_err(|_| out.truncate(start))
}

pub(crate) fn fill_in_length(
    out: &mut BytesMut,
    message: &'static str,
    start: usize,
) -> Result<(), EncodeError> {
    let bytes = out.len().saturating_sub(start);
    let too_long = EncodeError::TooLong { message, bytes, limit: MESSAGE_LEN_MAX };
    if bytes > MESSAGE_LEN_MAX {
        return Err(too_long);
    }
    let length = i32::try_from(bytes).map_err(|_| too_long)?;
    if let Some(place) = out.get_mut(start..).and_then(|message| message.first_chunk_mut::<4>()) {
        *place = length.to_be_bytes();
    }
    Ok(())
}

/// Appends a string and its NUL.
///
/// # Errors
///
/// [`EncodeError::TooLong`] before anything is copied, [`EncodeError::InteriorNul`].
pub(crate) fn put_cstr(
    out: &mut BytesMut,
    message: &'static str,
    field: &'static str,
    text: &[u8],
) -> Result<(), EncodeError> {
    check_len(message, text.len())?;
    if let Some(position) = memchr::memchr(0, text) {
        return Err(EncodeError::InteriorNul { message, field, position });
    }
    out.reserve(text.len().saturating_add(1));
    out.put_slice(text);
    out.put_u8(0);
    Ok(())
}

/// Appends bytes that need no terminator.
///
/// # Errors
///
/// [`EncodeError::TooLong`] before anything is copied.
pub(crate) fn put_bytes(out: &mut BytesMut, message: &'static str, bytes: &[u8]) -> Result<(), EncodeError> {
    check_len(message, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends a value behind its 4-byte length, or the length -1 for NULL.
///
/// # Errors
///
/// [`EncodeError::TooLong`] before anything is copied.
pub(crate) fn put_value(
    out: &mut BytesMut,
    message: &'static str,
    value: Option<&[u8]>,
) -> Result<(), EncodeError> {
    match value {
        None => out.put_i32(-1),
        Some(value) => {
            check_len(message, value.len())?;
            out.put_u32(u32::try_from(value.len()).map_err(|_| too_long(message, value.len()))?);
            out.extend_from_slice(value);
        }
    }
    Ok(())
}

/// Appends a 2-byte count.
///
/// # Errors
///
/// [`EncodeError::TooMany`] above 65,535.
pub(crate) fn put_count(
    out: &mut BytesMut,
    message: &'static str,
    items: &'static str,
    count: usize,
) -> Result<(), EncodeError> {
    let limit = usize::from(u16::MAX);
    out.put_u16(u16::try_from(count).map_err(|_| EncodeError::TooMany { message, items, count, limit })?);
    Ok(())
}

pub(crate) fn check_len(message: &'static str, bytes: usize) -> Result<(), EncodeError> {
    if bytes > MESSAGE_LEN_MAX { Err(too_long(message, bytes)) } else { Ok(()) }
}

fn too_long(message: &'static str, bytes: usize) -> EncodeError {
    EncodeError::TooLong { message, bytes, limit: MESSAGE_LEN_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authenticated(bytes: &[u8]) -> Result<Framing<'_>, Violation> {
        frame(bytes, &Limits::default(), Phase::Authenticated)
    }

    #[test]
    fn a_frame_is_whole_or_needs_more() {
        let message = b"Z\0\0\0\x05I";
        for end in 0..message.len() {
            assert!(matches!(authenticated(&message[..end]), Ok(Framing::Incomplete { .. })), "at {end}");
        }
        let Ok(Framing::Complete(frame)) = authenticated(message) else { panic!("not complete") };
        assert_eq!((frame.tag, frame.body), (BackendTag::ReadyForQuery, &b"I"[..]));
    }

    #[test]
    fn an_impossible_length_is_refused_at_the_header() {
        for length in [0, 1, 2, 3, -1, i32::MIN, i32::MAX, 30_001] {
            let mut bytes = vec![b'Z'];
            bytes.extend(i32::to_be_bytes(length));
            let refused = authenticated(&bytes);
            assert!(
                matches!(refused, Err(Violation::Length { length: l, .. }) if l == length),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_frame_that_fails_leaves_the_buffer_as_it_was() {
        let mut out = BytesMut::from(&b"before"[..]);
        let failed = tagged(&mut out, "Query", b'Q', |out| put_cstr(out, "Query", "query", b"a\0b"));
        assert_eq!(failed, Err(EncodeError::InteriorNul { message: "Query", field: "query", position: 1 }));
        assert_eq!(&out[..], b"before");
    }
}
