//! The server's half: backend messages are written, for scripted servers, proxies and fuzzing.
//!
//! Nothing here keeps a script from sending nonsense: [`raw`] writes any tag and body, and the order is the script's.

use bytes::{BufMut, BytesMut};

use crate::error::EncodeError;
use crate::frame::{put_bytes, put_count, put_cstr, put_value, tagged};

use super::authentication::Authentication;
use super::query::bare;
use super::{Backend, CopyResponse, FieldCode, FormatCode, ProtocolVersion, TransactionStatus};

impl Backend<'_> {
    /// Writes the message as a server would.
    ///
    /// # Errors
    ///
    /// When it does not fit into a message.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let (tag, name) = (self.tag().byte(), self.tag().name());
        match self {
            Self::Authentication(request) => tagged(out, name, tag, |out| put_authentication(out, request)),
            Self::BackendKeyData(data) => tagged(out, name, tag, |out| {
                out.put_i32(data.process_id());
                put_bytes(out, name, data.secret_key())
            }),
            Self::CommandComplete(complete) => {
                tagged(out, name, tag, |out| put_cstr(out, name, "tag", complete.tag().as_bytes()))
            }
            Self::CopyBothResponse(response)
            | Self::CopyInResponse(response)
            | Self::CopyOutResponse(response) => {
                tagged(out, name, tag, |out| put_copy_response(out, name, response))
            }
            Self::CopyData(data) => tagged(out, name, tag, |out| put_bytes(out, name, data)),
            Self::DataRow(row) => tagged(out, name, tag, |out| {
                out.put_u16(row.len());
                put_bytes(out, name, row.values_bytes())
            }),
            Self::ErrorResponse(error) | Self::NoticeResponse(error) => tagged(out, name, tag, |out| {
                put_bytes(out, name, error.fields_bytes())?;
                out.put_u8(0);
                Ok(())
            }),
            Self::FunctionCallResponse(response) => {
                tagged(out, name, tag, |out| put_value(out, name, response.value()))
            }
            Self::NegotiateProtocolVersion(answer) => {
                let options: Vec<_> = answer.options().map(super::WireStr::as_bytes).collect();
                negotiate_protocol_version(out, answer.newest(), &options)
            }
            Self::NotificationResponse(notification) => tagged(out, name, tag, |out| {
                out.put_i32(notification.process_id());
                put_cstr(out, name, "channel", notification.channel().as_bytes())?;
                put_cstr(out, name, "payload", notification.payload().as_bytes())
            }),
            Self::ParameterDescription(description) => tagged(out, name, tag, |out| {
                put_count(out, name, "parameters", description.len())?;
                put_bytes(out, name, description.types_bytes())
            }),
            Self::ParameterStatus(report) => tagged(out, name, tag, |out| {
                put_cstr(out, name, "name", report.name().as_bytes())?;
                put_cstr(out, name, "value", report.value().as_bytes())
            }),
            Self::ReadyForQuery(status) => tagged(out, name, tag, |out| {
                out.put_u8(status.byte());
                Ok(())
            }),
            Self::RowDescription(description) => tagged(out, name, tag, |out| {
                out.put_u16(description.len());
                put_bytes(out, name, description.fields_bytes())
            }),
            Self::BindComplete
            | Self::CloseComplete
            | Self::CopyDone
            | Self::EmptyQueryResponse
            | Self::NoData
            | Self::ParseComplete
            | Self::PortalSuspended => {
                bare(out, tag);
                Ok(())
            }
        }
    }
}

fn put_authentication(out: &mut BytesMut, request: &Authentication<'_>) -> Result<(), EncodeError> {
    const NAME: &str = "Authentication";
    out.put_u32(request.code());
    match request {
        Authentication::Md5Password { salt } => put_bytes(out, NAME, salt),
        Authentication::GssContinue(data)
        | Authentication::SaslContinue(data)
        | Authentication::SaslFinal(data) => put_bytes(out, NAME, data),
        Authentication::Sasl(mechanisms) => {
            put_bytes(out, NAME, mechanisms.names())?;
            out.put_u8(0);
            Ok(())
        }
        Authentication::Ok
        | Authentication::KerberosV5
        | Authentication::CleartextPassword
        | Authentication::Gss
        | Authentication::Sspi => Ok(()),
    }
}

fn put_copy_response(
    out: &mut BytesMut,
    name: &'static str,
    response: &CopyResponse<'_>,
) -> Result<(), EncodeError> {
    out.put_u8(u8::try_from(response.format().code()).unwrap_or_default());
    put_count(out, name, "columns", response.columns_len())?;
    put_bytes(out, name, response.columns())
}

/// Any tag with any body.
///
/// # Errors
///
/// [`EncodeError::TooLong`].
pub fn raw(out: &mut BytesMut, tag: u8, body: &[u8]) -> Result<(), EncodeError> {
    tagged(out, "message", tag, |out| put_bytes(out, "message", body))
}

/// AuthenticationSASL with these mechanisms.
///
/// # Errors
///
/// A NUL in a name.
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) -> Result<(), EncodeError> {
    const NAME: &str = "AuthenticationSASL";
    tagged(out, NAME, b'R', |out| {
        out.put_u32(10);
        for mechanism in mechanisms {
            put_cstr(out, NAME, "mechanism", mechanism.as_bytes())?;
        }
        out.put_u8(0);
        Ok(())
    })
}

/// NegotiateProtocolVersion.
///
/// # Errors
///
/// A NUL in an option.
pub fn negotiate_protocol_version(
    out: &mut BytesMut,
    newest: ProtocolVersion,
    options: &[&[u8]],
) -> Result<(), EncodeError> {
    const NAME: &str = "NegotiateProtocolVersion";
    tagged(out, NAME, b'v', |out| {
        out.put_u32(newest.code());
        let (count, limit) = (options.len(), usize::from(u16::MAX));
        let too_many = EncodeError::TooMany { message: NAME, items: "options", count, limit };
        out.put_u32(u32::try_from(count).map_err(|_| too_many)?);
        options.iter().try_for_each(|option| put_cstr(out, NAME, "option", option))
    })
}

/// ErrorResponse with these fields.
///
/// # Errors
///
/// A NUL in a field.
pub fn error_response(out: &mut BytesMut, fields: &[(FieldCode, &str)]) -> Result<(), EncodeError> {
    put_fields(out, "ErrorResponse", b'E', fields)
}

/// NoticeResponse with these fields.
///
/// # Errors
///
/// A NUL in a field.
pub fn notice_response(out: &mut BytesMut, fields: &[(FieldCode, &str)]) -> Result<(), EncodeError> {
    put_fields(out, "NoticeResponse", b'N', fields)
}

fn put_fields(
    out: &mut BytesMut,
    name: &'static str,
    tag: u8,
    fields: &[(FieldCode, &str)],
) -> Result<(), EncodeError> {
    tagged(out, name, tag, |out| {
        for (code, value) in fields {
            out.put_u8(code.0);
            put_cstr(out, name, "field", value.as_bytes())?;
        }
        out.put_u8(0);
        Ok(())
    })
}

/// RowDescription of columns with these names, type OIDs and formats, which come from no table.
///
/// # Errors
///
/// More than 65,535 columns, or a NUL in a name.
pub fn row_description(out: &mut BytesMut, columns: &[(&str, u32, FormatCode)]) -> Result<(), EncodeError> {
    const NAME: &str = "RowDescription";
    tagged(out, NAME, b'T', |out| {
        put_count(out, NAME, "columns", columns.len())?;
        for (name, type_oid, format) in columns {
            put_cstr(out, NAME, "column name", name.as_bytes())?;
            out.put_u32(0);
            out.put_u16(0);
            out.put_u32(*type_oid);
            out.put_i16(-1);
            out.put_i32(-1);
            out.put_u16(format.code());
        }
        Ok(())
    })
}

/// ParameterDescription of these types.
///
/// # Errors
///
/// More than 65,535 types.
pub fn parameter_description(out: &mut BytesMut, types: &[u32]) -> Result<(), EncodeError> {
    const NAME: &str = "ParameterDescription";
    tagged(out, NAME, b't', |out| {
        put_count(out, NAME, "parameters", types.len())?;
        for oid in types {
            out.put_u32(*oid);
        }
        Ok(())
    })
}

/// DataRow of these values; `None` is NULL.
///
/// # Errors
///
/// More than 65,535 values, or a row that does not fit.
pub fn data_row(out: &mut BytesMut, values: &[Option<&[u8]>]) -> Result<(), EncodeError> {
    const NAME: &str = "DataRow";
    tagged(out, NAME, b'D', |out| {
        put_count(out, NAME, "values", values.len())?;
        values.iter().try_for_each(|value| put_value(out, NAME, *value))
    })
}

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// From the client: CopyInResponse.
    In,
    /// To the client: CopyOutResponse.
    Out,
    /// Both at once, for replication: CopyBothResponse.
    Both,
}

/// CopyInResponse, CopyOutResponse or CopyBothResponse, with the same format for all columns.
///
/// # Errors
///
/// More than 65,535 columns.
pub fn copy_response(
    out: &mut BytesMut,
    direction: CopyDirection,
    format: FormatCode,
    columns: usize,
) -> Result<(), EncodeError> {
    let (tag, name) = match direction {
        CopyDirection::In => (b'G', "CopyInResponse"),
        CopyDirection::Out => (b'H', "CopyOutResponse"),
        CopyDirection::Both => (b'W', "CopyBothResponse"),
    };
    tagged(out, name, tag, |out| {
        out.put_u8(u8::try_from(format.code()).unwrap_or_default());
        put_count(out, name, "columns", columns)?;
        (0..columns).for_each(|_| out.put_u16(format.code()));
        Ok(())
    })
}

/// ReadyForQuery, which ends nearly every script.
pub fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    out.put_slice(&[b'Z', 0, 0, 0, 5, status.byte()]);
}
