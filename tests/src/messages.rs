//! One well-formed message of every kind that a server sends, as bytes.

use bytes::BytesMut;
use cornac_proto::message::server::{self, CopyDirection};
use cornac_proto::message::{
    Authentication, Backend, BackendKeyData, BackendTag, CommandComplete, FieldCode, FormatCode,
    FunctionCallResponse, NotificationResponse, ParameterStatus, ProtocolVersion, TransactionStatus,
};

/// The bytes that `write` writes.
///
/// # Panics
///
/// When they do not fit into a message.
pub fn bytes<E: std::fmt::Debug>(write: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out).expect("it fits");
    out.to_vec()
}

/// The bytes of a message.
///
/// # Panics
///
/// When they do not fit into a message.
pub fn encoded(message: Backend<'_>) -> Vec<u8> {
    bytes(|out| message.encode(out))
}

/// An ErrorResponse with this severity, code and text.
///
/// # Panics
///
/// When the text is too long for a message.
pub fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    let fields = [
        (FieldCode::SEVERITY, severity),
        (FieldCode::SEVERITY_NONLOCALIZED, severity),
        (FieldCode::CODE, code),
        (FieldCode::MESSAGE, text),
    ];
    bytes(|out| server::error_response(out, &fields))
}

/// One of each, with its tag.
///
/// # Panics
///
/// Never: they fit.
pub fn every_message() -> Vec<(BackendTag, Vec<u8>)> {
    let copy = |direction| bytes(|out| server::copy_response(out, direction, FormatCode::Text, 2));
    let all = [
        encoded(Backend::Authentication(Authentication::Md5Password { salt: *b"salt" })),
        encoded(Backend::BackendKeyData(BackendKeyData::new(7, b"key!"))),
        encoded(Backend::BindComplete),
        encoded(Backend::CloseComplete),
        encoded(Backend::CommandComplete(CommandComplete::new("SELECT 1"))),
        copy(CopyDirection::Both),
        encoded(Backend::CopyData(b"data")),
        encoded(Backend::CopyDone),
        copy(CopyDirection::In),
        copy(CopyDirection::Out),
        bytes(|out| server::data_row(out, &[Some(b"one"), None])),
        encoded(Backend::EmptyQueryResponse),
        error("ERROR", "42P01", "no such table"),
        encoded(Backend::FunctionCallResponse(FunctionCallResponse::new(Some(b"value")))),
        bytes(|out| server::negotiate_protocol_version(out, ProtocolVersion::V3_0, &[b"_pq_.x"])),
        encoded(Backend::NoData),
        bytes(|out| server::notice_response(out, &[(FieldCode::MESSAGE, "so")])),
        encoded(Backend::NotificationResponse(NotificationResponse::new(7, "channel", "payload"))),
        bytes(|out| server::parameter_description(out, &[23])),
        encoded(Backend::ParameterStatus(ParameterStatus::new("TimeZone", "UTC"))),
        encoded(Backend::ParseComplete),
        encoded(Backend::PortalSuspended),
        encoded(Backend::ReadyForQuery(TransactionStatus::Idle)),
        bytes(|out| server::row_description(out, &[("a", 23, FormatCode::Text)])),
    ];
    let tag = |message: &Vec<u8>| BackendTag::from_byte(message[0]).expect("a tag of ours");
    all.into_iter().map(|message| (tag(&message), message)).collect()
}

/// One authentication message of every kind, but for AuthenticationSASL, which every login with a password has.
pub fn every_authentication() -> [Authentication<'static>; 9] {
    [
        Authentication::Ok,
        Authentication::KerberosV5,
        Authentication::CleartextPassword,
        Authentication::Md5Password { salt: *b"salt" },
        Authentication::Gss,
        Authentication::GssContinue(b"token"),
        Authentication::Sspi,
        Authentication::SaslContinue(b"r=server,s=c2FsdA==,i=4096"),
        Authentication::SaslFinal(b"v=c2lnbmF0dXJl"),
    ]
}
