//! Every message of the protocol, one file a message or close family, under PostgreSQL's names.
//!
//! What a client writes are functions ([`query`], [`bind`], [`sync`], ...) that append to a [`BytesMut`]
//! and leave it untouched when they fail. What a server writes is decoded into [`Backend`], which borrows
//! from the received bytes. With the feature `server` the other half is there too: `Backend::encode`,
//! `Frontend::decode` and `Startup::decode`.
//!
//! See [Message Formats](https://www.postgresql.org/docs/current/protocol-message-formats.html).
//!
//! [`BytesMut`]: bytes::BytesMut

mod authentication;
mod backend_key_data;
mod bind;
mod close;
mod command_complete;
mod copy;
mod data_row;
mod describe;
mod error_response;
mod execute;
mod function_call;
mod notification_response;
mod parameter_description;
mod parameter_status;
mod parse;
mod password;
mod protocol_version;
mod query;
mod ready_for_query;
mod row_description;
mod run;
mod startup;
mod tag;
mod target;
mod wire_str;

#[cfg(feature = "server")]
mod frontend;
#[cfg(feature = "server")]
pub mod server;

pub use authentication::{Authentication, SaslMechanisms};
pub use backend_key_data::BackendKeyData;
pub use bind::{BindParameters, FormatCode, RawParameters, bind, check_parameter_count};
pub use close::close;
pub use command_complete::CommandComplete;
pub use copy::{CopyResponse, copy_data, copy_done, copy_fail};
pub use data_row::{DataRow, Values};
pub use describe::describe;
pub use error_response::{ErrorFields, ErrorResponse, FieldCode, ServerMessage, Severity};
pub use execute::execute;
pub use function_call::{FunctionCallResponse, function_call};
pub use notification_response::NotificationResponse;
pub use parameter_description::ParameterDescription;
pub use parameter_status::ParameterStatus;
pub use parse::{check_statement_len, parse};
pub use password::{gss_response, password_message, sasl_initial_response, sasl_response};
pub use protocol_version::{NegotiateProtocolVersion, ProtocolVersion};
pub use query::{flush, query, sync, terminate};
pub use ready_for_query::TransactionStatus;
pub use row_description::{FieldDescription, RowDescription};
pub use run::{BindHead, STATEMENT_NAME_MAX, run};
pub use startup::{cancel_request, gss_enc_request, ssl_request, startup_message};
pub use tag::BackendTag;
pub use target::Target;
pub use wire_str::WireStr;

#[cfg(feature = "server")]
pub use frontend::{
    Frontend, FrontendFraming, Startup, StartupParameters, WireParameters, frontend_frame,
    sasl_initial_response_parts, startup_frame,
};

use crate::cursor;
use crate::error::Malformed;
use crate::frame::Frame;

/// One message from a server, borrowed from the bytes that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the message of its name, documented at its type")]
pub enum Backend<'a> {
    Authentication(Authentication<'a>),
    BackendKeyData(BackendKeyData<'a>),
    BindComplete,
    CloseComplete,
    CommandComplete(CommandComplete<'a>),
    CopyBothResponse(CopyResponse<'a>),
    CopyData(&'a [u8]),
    CopyDone,
    CopyInResponse(CopyResponse<'a>),
    CopyOutResponse(CopyResponse<'a>),
    DataRow(DataRow<'a>),
    EmptyQueryResponse,
    ErrorResponse(ErrorResponse<'a>),
    FunctionCallResponse(FunctionCallResponse<'a>),
    NegotiateProtocolVersion(NegotiateProtocolVersion<'a>),
    NoData,
    NoticeResponse(ErrorResponse<'a>),
    NotificationResponse(NotificationResponse<'a>),
    ParameterDescription(ParameterDescription<'a>),
    ParameterStatus(ParameterStatus<'a>),
    ParseComplete,
    PortalSuspended,
    ReadyForQuery(TransactionStatus),
    RowDescription(RowDescription<'a>),
}

impl<'a> Backend<'a> {
    /// Decodes the message in `frame`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the body contradicts the message's layout: every count and length is compared
    /// with the bytes that are there, and no byte may be left over.
    pub fn decode(frame: Frame<'a>) -> Result<Self, Malformed> {
        let tag = frame.tag;
        cursor::all(tag.name(), frame.body, |body| {
            Ok(match tag {
                BackendTag::DataRow => Self::DataRow(DataRow::decode(body)?),
                BackendTag::BindComplete => Self::BindComplete,
                BackendTag::CommandComplete => Self::CommandComplete(CommandComplete::decode(body)?),
                BackendTag::ReadyForQuery => Self::ReadyForQuery(TransactionStatus::decode(body)?),
                BackendTag::ParseComplete => Self::ParseComplete,
                BackendTag::CloseComplete => Self::CloseComplete,
                BackendTag::RowDescription => Self::RowDescription(RowDescription::decode(body)?),
                BackendTag::ParameterDescription => {
                    Self::ParameterDescription(ParameterDescription::decode(body)?)
                }
                BackendTag::NoData => Self::NoData,
                BackendTag::EmptyQueryResponse => Self::EmptyQueryResponse,
                BackendTag::PortalSuspended => Self::PortalSuspended,
                BackendTag::ErrorResponse => Self::ErrorResponse(ErrorResponse::decode(body)?),
                BackendTag::NoticeResponse => Self::NoticeResponse(ErrorResponse::decode(body)?),
                BackendTag::NotificationResponse => {
                    Self::NotificationResponse(NotificationResponse::decode(body)?)
                }
                BackendTag::ParameterStatus => Self::ParameterStatus(ParameterStatus::decode(body)?),
                BackendTag::CopyData => Self::CopyData(body.rest()),
                BackendTag::CopyDone => Self::CopyDone,
                BackendTag::CopyInResponse => Self::CopyInResponse(CopyResponse::decode(body)?),
                BackendTag::CopyOutResponse => Self::CopyOutResponse(CopyResponse::decode(body)?),
                BackendTag::CopyBothResponse => Self::CopyBothResponse(CopyResponse::decode(body)?),
                BackendTag::FunctionCallResponse => {
                    Self::FunctionCallResponse(FunctionCallResponse::decode(body)?)
                }
                BackendTag::Authentication => Self::Authentication(Authentication::decode(body)?),
                BackendTag::BackendKeyData => Self::BackendKeyData(BackendKeyData::decode(body)?),
                BackendTag::NegotiateProtocolVersion => {
                    Self::NegotiateProtocolVersion(NegotiateProtocolVersion::decode(body)?)
                }
            })
        })
    }

    /// Which message this is.
    pub fn tag(&self) -> BackendTag {
        match self {
            Self::Authentication(_) => BackendTag::Authentication,
            Self::BackendKeyData(_) => BackendTag::BackendKeyData,
            Self::BindComplete => BackendTag::BindComplete,
            Self::CloseComplete => BackendTag::CloseComplete,
            Self::CommandComplete(_) => BackendTag::CommandComplete,
            Self::CopyBothResponse(_) => BackendTag::CopyBothResponse,
            Self::CopyData(_) => BackendTag::CopyData,
            Self::CopyDone => BackendTag::CopyDone,
            Self::CopyInResponse(_) => BackendTag::CopyInResponse,
            Self::CopyOutResponse(_) => BackendTag::CopyOutResponse,
            Self::DataRow(_) => BackendTag::DataRow,
            Self::EmptyQueryResponse => BackendTag::EmptyQueryResponse,
            Self::ErrorResponse(_) => BackendTag::ErrorResponse,
            Self::FunctionCallResponse(_) => BackendTag::FunctionCallResponse,
            Self::NegotiateProtocolVersion(_) => BackendTag::NegotiateProtocolVersion,
            Self::NoData => BackendTag::NoData,
            Self::NoticeResponse(_) => BackendTag::NoticeResponse,
            Self::NotificationResponse(_) => BackendTag::NotificationResponse,
            Self::ParameterDescription(_) => BackendTag::ParameterDescription,
            Self::ParameterStatus(_) => BackendTag::ParameterStatus,
            Self::ParseComplete => BackendTag::ParseComplete,
            Self::PortalSuspended => BackendTag::PortalSuspended,
            Self::ReadyForQuery(_) => BackendTag::ReadyForQuery,
            Self::RowDescription(_) => BackendTag::RowDescription,
        }
    }
}
