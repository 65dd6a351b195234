//! The server's half: what a client wrote, read again.

use bytes::{BufMut, BytesMut};

use crate::cursor::{self, Cursor};
use crate::error::{EncodeError, Malformed, Problem};
use crate::frame::{counted, put_bytes, put_count, put_cstr, tagged};

use super::protocol_version::taken_between;
use super::startup::{CANCEL_REQUEST, GSS_ENC_REQUEST, SECRET_KEY_LENS, SSL_REQUEST};
use super::{FormatCode, ProtocolVersion, Target, WireStr};

/// One message from a client, borrowed from the bytes that were received.
///
/// Names and texts are kept as bytes would be in [`WireStr`]; lists are kept as they stand on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frontend<'a> {
    /// Bind.
    Bind {
        /// The portal to make.
        portal: WireStr<'a>,
        /// The statement to make it of.
        statement: WireStr<'a>,
        /// The parameters.
        parameters: WireParameters<'a>,
        /// The formats of the result: two bytes each.
        result_formats: &'a [u8],
    },
    /// Close of a statement.
    CloseStatement(WireStr<'a>),
    /// Close of a portal.
    ClosePortal(WireStr<'a>),
    /// CopyData.
    CopyData(&'a [u8]),
    /// CopyDone.
    CopyDone,
    /// CopyFail, with the reason.
    CopyFail(WireStr<'a>),
    /// Describe of a statement.
    DescribeStatement(WireStr<'a>),
    /// Describe of a portal.
    DescribePortal(WireStr<'a>),
    /// Execute.
    Execute {
        /// The portal to run.
        portal: WireStr<'a>,
        /// How many rows at most; 0 for all.
        max_rows: i32,
    },
    /// Flush.
    Flush,
    /// FunctionCall.
    FunctionCall {
        /// The function's OID.
        function: u32,
        /// Its arguments.
        arguments: WireParameters<'a>,
        /// The format of the result.
        result_format: FormatCode,
    },
    /// Parse.
    Parse {
        /// The statement to make.
        statement: WireStr<'a>,
        /// Its SQL.
        query: WireStr<'a>,
        /// The types of its parameters: four bytes each.
        parameter_types: &'a [u8],
    },
    /// PasswordMessage, SASLInitialResponse, SASLResponse or GSSResponse: only the moment tells them apart.
    Password(&'a [u8]),
    /// Query.
    Query(WireStr<'a>),
    /// Sync.
    Sync,
    /// Terminate.
    Terminate,
}

/// The parameters of a Bind or FunctionCall as they stand on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireParameters<'a> {
    /// Their formats: two bytes each.
    pub formats: &'a [u8],
    /// How many there are.
    pub count: u16,
    /// Each behind its 4-byte length.
    pub values: &'a [u8],
}

/// The front of what a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontendFraming<'a> {
    /// A whole message.
    Complete {
        /// Its tag; 0 in front of the session, where messages have none.
        tag: u8,
        /// What follows the length.
        body: &'a [u8],
        /// How many bytes it has in all.
        len: usize,
    },
    /// The beginning of one.
    Incomplete,
}

/// Looks at the front of `bytes` for a message with a tag.
///
/// # Errors
///
/// [`Malformed`] when its length is below 4, or above `len_max`.
pub fn frontend_frame(bytes: &[u8], len_max: usize) -> Result<FrontendFraming<'_>, Malformed> {
    match bytes.split_first() {
        Some((&tag, rest)) => untagged(rest, len_max).map(|framing| match framing {
            FrontendFraming::Complete { body, len, .. } => {
                FrontendFraming::Complete { tag, body, len: len.saturating_add(1) }
            }
            FrontendFraming::Incomplete => FrontendFraming::Incomplete,
        }),
        None => Ok(FrontendFraming::Incomplete),
    }
}

/// Looks at the front of `bytes` for one of the messages without a tag.
///
/// # Errors
///
/// As [`frontend_frame`].
pub fn startup_frame(bytes: &[u8], len_max: usize) -> Result<FrontendFraming<'_>, Malformed> {
    untagged(bytes, len_max)
}

fn untagged(bytes: &[u8], len_max: usize) -> Result<FrontendFraming<'_>, Malformed> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(FrontendFraming::Incomplete);
    };
    let length = i32::from_be_bytes(*length);
    let impossible = Malformed::new("length", Problem::Length(length.into()));
    let len = usize::try_from(length).ok().filter(|len| (4..=len_max).contains(len)).ok_or(impossible)?;
    Ok(match rest.get(..len.saturating_sub(4)) {
        Some(body) => FrontendFraming::Complete { tag: 0, body, len },
        None => FrontendFraming::Incomplete,
    })
}

impl<'a> Frontend<'a> {
    /// Decodes the body of a message with a tag.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the tag is unknown, or the body contradicts the message's layout.
    pub fn decode(tag: u8, body: &'a [u8]) -> Result<Self, Malformed> {
        cursor::all("frontend message", body, |body| {
            let text = |body: &mut Cursor<'a>, field| body.take_cstr(field).map(WireStr::new);
            Ok(match tag {
                b'B' => Self::Bind {
                    portal: text(body, "portal name")?,
                    statement: text(body, "statement name")?,
                    parameters: WireParameters::decode(body)?,
                    result_formats: take_list(body, "result formats", 2)?,
                },
                b'C' | b'D' => match (tag, body.take_u8("kind")?) {
                    (b'C', b'S') => Self::CloseStatement(text(body, "name")?),
                    (b'C', b'P') => Self::ClosePortal(text(body, "name")?),
                    (_, b'S') => Self::DescribeStatement(text(body, "name")?),
                    (_, b'P') => Self::DescribePortal(text(body, "name")?),
                    (_, kind) => return Err(Malformed::new("kind", Problem::Code(kind.into()))),
                },
                b'E' => {
                    Self::Execute { portal: text(body, "portal name")?, max_rows: body.take_i32("rows")? }
                }
                b'F' => Self::FunctionCall {
                    function: body.take_u32("function")?,
                    arguments: WireParameters::decode(body)?,
                    result_format: take_format(body)?,
                },
                b'H' => Self::Flush,
                b'P' => Self::Parse {
                    statement: text(body, "statement name")?,
                    query: text(body, "query")?,
                    parameter_types: take_list(body, "parameter types", 4)?,
                },
                b'Q' => Self::Query(text(body, "query")?),
                b'S' => Self::Sync,
                b'X' => Self::Terminate,
                b'c' => Self::CopyDone,
                b'd' => Self::CopyData(body.rest()),
                b'f' => Self::CopyFail(text(body, "reason")?),
                b'p' => Self::Password(body.rest()),
                other => return Err(Malformed::new("tag", Problem::Code(other.into()))),
            })
        })
    }

    /// Writes the message as a client would.
    ///
    /// # Errors
    ///
    /// As the function of its name in [`message`](super).
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        const NAME: &str = "frontend message";
        let one = |out: &mut BytesMut, tag, text: WireStr<'_>| {
            tagged(out, NAME, tag, |out| put_cstr(out, NAME, "text", text.as_bytes()))
        };
        let target = |out: &mut BytesMut, tag, kind, name: WireStr<'_>| {
            tagged(out, NAME, tag, |out| {
                out.put_u8(kind);
                put_cstr(out, NAME, "name", name.as_bytes())
            })
        };
        match *self {
            Self::Bind { portal, statement, parameters, result_formats } => tagged(out, NAME, b'B', |out| {
                put_cstr(out, NAME, "portal name", portal.as_bytes())?;
                put_cstr(out, NAME, "statement name", statement.as_bytes())?;
                parameters.put(out)?;
                put_list(out, result_formats, 2)
            }),
            Self::CloseStatement(name) => target(out, b'C', b'S', name),
            Self::ClosePortal(name) => target(out, b'C', b'P', name),
            Self::DescribeStatement(name) => target(out, b'D', b'S', name),
            Self::DescribePortal(name) => target(out, b'D', b'P', name),
            Self::CopyData(data) => super::copy_data(out, data),
            Self::CopyDone => {
                super::copy_done(out);
                Ok(())
            }
            Self::CopyFail(reason) => one(out, b'f', reason),
            Self::Execute { portal, max_rows } => tagged(out, NAME, b'E', |out| {
                put_cstr(out, NAME, "portal name", portal.as_bytes())?;
                out.put_i32(max_rows);
                Ok(())
            }),
            Self::Flush => {
                super::flush(out);
                Ok(())
            }
            Self::FunctionCall { function, arguments, result_format } => tagged(out, NAME, b'F', |out| {
                out.put_u32(function);
                arguments.put(out)?;
                out.put_u16(result_format.code());
                Ok(())
            }),
            Self::Parse { statement, query, parameter_types } => tagged(out, NAME, b'P', |out| {
                put_cstr(out, NAME, "statement name", statement.as_bytes())?;
                put_cstr(out, NAME, "query", query.as_bytes())?;
                put_list(out, parameter_types, 4)
            }),
            Self::Password(data) => super::sasl_response(out, data),
            Self::Query(query) => one(out, b'Q', query),
            Self::Sync => {
                super::sync(out);
                Ok(())
            }
            Self::Terminate => {
                super::terminate(out);
                Ok(())
            }
        }
    }

    /// What a Describe or Close is about, where its name is UTF-8.
    pub fn target(&self) -> Option<Target<'a>> {
        match self {
            Self::CloseStatement(name) | Self::DescribeStatement(name) => {
                name.to_str().ok().map(Target::Statement)
            }
            Self::ClosePortal(name) | Self::DescribePortal(name) => name.to_str().ok().map(Target::Portal),
            _ => None,
        }
    }
}

impl<'a> WireParameters<'a> {
    /// The values; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        let mut rest = Cursor::new(self.values);
        std::iter::from_fn(move || rest.take_value("value").ok())
    }

    fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let formats = take_list(body, "parameter formats", 2)?;
        let count = body.take_u16("parameters")?;
        let start = *body;
        for _ in 0..count {
            body.take_value("parameter")?;
        }
        Ok(Self { formats, count, values: taken_between(start, body) })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_list(out, self.formats, 2)?;
        out.put_u16(self.count);
        put_bytes(out, "frontend message", self.values)
    }
}

/// One of the messages with which a connection begins, borrowed from the bytes that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Startup<'a> {
    /// CancelRequest.
    CancelRequest {
        /// The backend's process id.
        process_id: i32,
        /// The key that proves the right to cancel.
        secret_key: &'a [u8],
    },
    /// GSSENCRequest.
    GssEncRequest,
    /// SSLRequest.
    SslRequest,
    /// StartupMessage.
    StartupMessage {
        /// The version that the client asks for.
        version: ProtocolVersion,
        /// What else it asks for.
        parameters: StartupParameters<'a>,
    },
}

/// The parameters of a StartupMessage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartupParameters<'a>(&'a [u8]);

impl<'a> StartupParameters<'a> {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (WireStr<'a>, WireStr<'a>)> + use<'a> {
        let mut rest = Cursor::new(self.0);
        std::iter::from_fn(move || {
            let name = rest.take_cstr("name").ok()?;
            let value = rest.take_cstr("value").ok()?;
            Some((WireStr::new(name), WireStr::new(value)))
        })
    }
}

impl<'a> Startup<'a> {
    /// Decodes what stands behind the length.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the body contradicts the message's layout.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        cursor::all("startup message", body, |body| {
            Ok(match body.take_u32("version")? {
                SSL_REQUEST => Self::SslRequest,
                GSS_ENC_REQUEST => Self::GssEncRequest,
                CANCEL_REQUEST => {
                    let process_id = body.take_i32("process id")?;
                    let secret_key = body.rest();
                    if !SECRET_KEY_LENS.contains(&secret_key.len()) {
                        let length = i64::try_from(secret_key.len()).unwrap_or(i64::MAX);
                        return Err(Malformed::new("secret key", Problem::Length(length)));
                    }
                    Self::CancelRequest { process_id, secret_key }
                }
                code => {
                    let start = *body;
                    let mut end = *body;
                    while !body.take_cstr("name")?.is_empty() {
                        body.take_cstr("value")?;
                        end = *body;
                    }
                    let parameters = StartupParameters(taken_between(start, &end));
                    Self::StartupMessage { version: ProtocolVersion::from_code(code), parameters }
                }
            })
        })
    }

    /// Writes the message as a client would.
    ///
    /// # Errors
    ///
    /// As the function of its name in [`message`](super).
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match *self {
            Self::CancelRequest { process_id, secret_key } => {
                super::cancel_request(out, process_id, secret_key)
            }
            Self::GssEncRequest => {
                super::gss_enc_request(out);
                Ok(())
            }
            Self::SslRequest => {
                super::ssl_request(out);
                Ok(())
            }
            Self::StartupMessage { version, parameters } => counted(out, "StartupMessage", |out| {
                out.put_u32(version.code());
                put_bytes(out, "StartupMessage", parameters.0)?;
                out.put_u8(0);
                Ok(())
            }),
        }
    }
}

/// A counted list of items of `width` bytes each.
fn take_list<'a>(body: &mut Cursor<'a>, field: &'static str, width: usize) -> Result<&'a [u8], Malformed> {
    let count = body.take_u16(field)?;
    body.take_bytes(field, usize::from(count).saturating_mul(width))
}

fn take_format(body: &mut Cursor<'_>) -> Result<FormatCode, Malformed> {
    let code = body.take_u16("format")?;
    FormatCode::from_code(code).ok_or(Malformed::new("format", Problem::Code(code.into())))
}

fn put_list(out: &mut BytesMut, list: &[u8], width: usize) -> Result<(), EncodeError> {
    put_count(out, "frontend message", "items", list.len() / width)?;
    put_bytes(out, "frontend message", list)
}

/// A password message read as a SASLInitialResponse: the mechanism, and the client's first message if there is one.
///
/// # Errors
///
/// [`Malformed`] when it is none.
pub fn sasl_initial_response_parts(body: &[u8]) -> Result<(WireStr<'_>, Option<&[u8]>), Malformed> {
    cursor::all("SASLInitialResponse", body, |body| {
        Ok((WireStr::new(body.take_cstr("mechanism")?), body.take_value("data")?))
    })
}
