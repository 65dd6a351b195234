//! The byte in front of every backend message.

use std::fmt;

/// Which message a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the tag of the message of its name")]
pub enum BackendTag {
    Authentication,
    BackendKeyData,
    BindComplete,
    CloseComplete,
    CommandComplete,
    CopyBothResponse,
    CopyData,
    CopyDone,
    CopyInResponse,
    CopyOutResponse,
    DataRow,
    EmptyQueryResponse,
    ErrorResponse,
    FunctionCallResponse,
    NegotiateProtocolVersion,
    NoData,
    NoticeResponse,
    NotificationResponse,
    ParameterDescription,
    ParameterStatus,
    ParseComplete,
    PortalSuspended,
    ReadyForQuery,
    RowDescription,
}

impl BackendTag {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 24] = [
        Self::Authentication,
        Self::BackendKeyData,
        Self::BindComplete,
        Self::CloseComplete,
        Self::CommandComplete,
        Self::CopyBothResponse,
        Self::CopyData,
        Self::CopyDone,
        Self::CopyInResponse,
        Self::CopyOutResponse,
        Self::DataRow,
        Self::EmptyQueryResponse,
        Self::ErrorResponse,
        Self::FunctionCallResponse,
        Self::NegotiateProtocolVersion,
        Self::NoData,
        Self::NoticeResponse,
        Self::NotificationResponse,
        Self::ParameterDescription,
        Self::ParameterStatus,
        Self::ParseComplete,
        Self::PortalSuspended,
        Self::ReadyForQuery,
        Self::RowDescription,
    ];

    /// The tag that `byte` stands for, if it stands for any.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'R' => Self::Authentication,
            b'K' => Self::BackendKeyData,
            b'2' => Self::BindComplete,
            b'3' => Self::CloseComplete,
            b'C' => Self::CommandComplete,
            b'W' => Self::CopyBothResponse,
            b'd' => Self::CopyData,
            b'c' => Self::CopyDone,
            b'G' => Self::CopyInResponse,
            b'H' => Self::CopyOutResponse,
            b'D' => Self::DataRow,
            b'I' => Self::EmptyQueryResponse,
            b'E' => Self::ErrorResponse,
            b'V' => Self::FunctionCallResponse,
            b'v' => Self::NegotiateProtocolVersion,
            b'n' => Self::NoData,
            b'N' => Self::NoticeResponse,
            b'A' => Self::NotificationResponse,
            b't' => Self::ParameterDescription,
            b'S' => Self::ParameterStatus,
            b'1' => Self::ParseComplete,
            b's' => Self::PortalSuspended,
            b'Z' => Self::ReadyForQuery,
            b'T' => Self::RowDescription,
            _ => return None,
        })
    }

    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Authentication => b'R',
            Self::BackendKeyData => b'K',
            Self::BindComplete => b'2',
            Self::CloseComplete => b'3',
            Self::CommandComplete => b'C',
            Self::CopyBothResponse => b'W',
            Self::CopyData => b'd',
            Self::CopyDone => b'c',
            Self::CopyInResponse => b'G',
            Self::CopyOutResponse => b'H',
            Self::DataRow => b'D',
            Self::EmptyQueryResponse => b'I',
            Self::ErrorResponse => b'E',
            Self::FunctionCallResponse => b'V',
            Self::NegotiateProtocolVersion => b'v',
            Self::NoData => b'n',
            Self::NoticeResponse => b'N',
            Self::NotificationResponse => b'A',
            Self::ParameterDescription => b't',
            Self::ParameterStatus => b'S',
            Self::ParseComplete => b'1',
            Self::PortalSuspended => b's',
            Self::ReadyForQuery => b'Z',
            Self::RowDescription => b'T',
        }
    }

    /// The message's name in PostgreSQL's manual.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authentication => "Authentication",
            Self::BackendKeyData => "BackendKeyData",
            Self::BindComplete => "BindComplete",
            Self::CloseComplete => "CloseComplete",
            Self::CommandComplete => "CommandComplete",
            Self::CopyBothResponse => "CopyBothResponse",
            Self::CopyData => "CopyData",
            Self::CopyDone => "CopyDone",
            Self::CopyInResponse => "CopyInResponse",
            Self::CopyOutResponse => "CopyOutResponse",
            Self::DataRow => "DataRow",
            Self::EmptyQueryResponse => "EmptyQueryResponse",
            Self::ErrorResponse => "ErrorResponse",
            Self::FunctionCallResponse => "FunctionCallResponse",
            Self::NegotiateProtocolVersion => "NegotiateProtocolVersion",
            Self::NoData => "NoData",
            Self::NoticeResponse => "NoticeResponse",
            Self::NotificationResponse => "NotificationResponse",
            Self::ParameterDescription => "ParameterDescription",
            Self::ParameterStatus => "ParameterStatus",
            Self::ParseComplete => "ParseComplete",
            Self::PortalSuspended => "PortalSuspended",
            Self::ReadyForQuery => "ReadyForQuery",
            Self::RowDescription => "RowDescription",
        }
    }

    /// Whether the message's layout has a part that may be long: data, a description or text for people.
    pub const fn may_be_long(self) -> bool {
        matches!(
            self,
            Self::CopyData
                | Self::DataRow
                | Self::ErrorResponse
                | Self::FunctionCallResponse
                | Self::NoticeResponse
                | Self::NotificationResponse
                | Self::ParameterDescription
                | Self::RowDescription
                // One format code a column, of which a table has up to 1,600 and a query as many as fit.
                | Self::CopyInResponse
                | Self::CopyOutResponse
                | Self::CopyBothResponse
        )
    }

    /// Whether the message is text for people, which even a server that has not been trusted yet may need room for.
    pub const fn carries_error_text(self) -> bool {
        matches!(self, Self::ErrorResponse | Self::NoticeResponse)
    }
}

impl fmt::Display for BackendTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_tags_are_one_to_one() {
        let known = (0..=u8::MAX).filter_map(BackendTag::from_byte).collect::<Vec<_>>();
        assert_eq!(known.len(), BackendTag::ALL.len());
        for tag in BackendTag::ALL {
            assert_eq!(BackendTag::from_byte(tag.byte()), Some(tag));
        }
    }
}
