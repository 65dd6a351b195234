//! ErrorResponse and NoticeResponse: what the server says in words.

use std::fmt;

use crate::SqlState;
use crate::cursor::Cursor;
use crate::error::Malformed;

use super::WireStr;

/// ErrorResponse or NoticeResponse: a list of fields, each named by a byte.
///
/// See [Error and Notice Message Fields](https://www.postgresql.org/docs/current/protocol-error-fields.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorResponse<'a> {
    /// The fields, without the zero byte that ends the list.
    fields: &'a [u8],
}

/// The byte that names a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldCode(pub u8);

#[expect(missing_docs, reason = "each constant is the field of its name in the manual")]
impl FieldCode {
    pub const SEVERITY: Self = Self(b'S');
    pub const SEVERITY_NONLOCALIZED: Self = Self(b'V');
    pub const CODE: Self = Self(b'C');
    pub const MESSAGE: Self = Self(b'M');
    pub const DETAIL: Self = Self(b'D');
    pub const HINT: Self = Self(b'H');
    pub const POSITION: Self = Self(b'P');
    pub const INTERNAL_POSITION: Self = Self(b'p');
    pub const INTERNAL_QUERY: Self = Self(b'q');
    pub const CONTEXT: Self = Self(b'W');
    pub const SCHEMA: Self = Self(b's');
    pub const TABLE: Self = Self(b't');
    pub const COLUMN: Self = Self(b'c');
    pub const DATA_TYPE: Self = Self(b'd');
    pub const CONSTRAINT: Self = Self(b'n');
    pub const FILE: Self = Self(b'F');
    pub const LINE: Self = Self(b'L');
    pub const ROUTINE: Self = Self(b'R');
}

impl<'a> ErrorResponse<'a> {
    /// All fields in the order in which they came, those that nobody knows included.
    pub fn fields(&self) -> ErrorFields<'a> {
        ErrorFields { rest: Cursor::new(self.fields) }
    }

    /// A field; the first, if it is there twice.
    pub fn field(&self, code: FieldCode) -> Option<WireStr<'a>> {
        self.fields().find(|(known, _)| *known == code).map(|(_, value)| value)
    }

    /// How bad it is: the field that is never translated, or before PostgreSQL 9.6 the one that may be.
    pub fn severity(&self) -> Severity {
        let severity = self.field(FieldCode::SEVERITY_NONLOCALIZED).or(self.field(FieldCode::SEVERITY));
        severity.map_or(Severity::Unknown, |name| Severity::from_name(name.as_bytes()))
    }

    /// The error code.
    pub fn code(&self) -> Option<SqlState> {
        self.field(FieldCode::CODE).and_then(|code| SqlState::parse(code.as_bytes()))
    }

    /// The fields as they stand on the wire.
    #[cfg(feature = "server")]
    pub(super) fn fields_bytes(&self) -> &'a [u8] {
        self.fields
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let start = *body;
        let mut end = *body;
        while body.take_u8("field code")? != 0 {
            body.take_cstr("field")?;
            end = *body;
        }
        Ok(Self { fields: super::protocol_version::taken_between(start, &end) })
    }
}

/// The fields of an ErrorResponse or NoticeResponse.
#[derive(Clone, Debug)]
pub struct ErrorFields<'a> {
    rest: Cursor<'a>,
}

impl<'a> Iterator for ErrorFields<'a> {
    type Item = (FieldCode, WireStr<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.rest.take_u8("field code").ok()?;
        let value = self.rest.take_cstr("field").ok()?;
        Some((FieldCode(code), WireStr::new(value)))
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the severity of its name")]
#[non_exhaustive]
pub enum Severity {
    Panic,
    Fatal,
    Error,
    Warning,
    Notice,
    Debug,
    Info,
    Log,
    /// The server said none, or one in a language of its own.
    Unknown,
}

impl Severity {
    /// Whether the session ends with it.
    pub fn ends_session(self) -> bool {
        matches!(self, Self::Panic | Self::Fatal)
    }

    fn from_name(name: &[u8]) -> Self {
        match name {
            b"PANIC" => Self::Panic,
            b"FATAL" => Self::Fatal,
            b"ERROR" => Self::Error,
            b"WARNING" => Self::Warning,
            b"NOTICE" => Self::Notice,
            b"DEBUG" => Self::Debug,
            b"INFO" => Self::Info,
            b"LOG" => Self::Log,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "PANIC",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Log => "LOG",
            Self::Unknown => "MESSAGE",
        })
    }
}

/// What a server said in words, kept: an error, a warning, a notice. Every field is there, under PostgreSQL's names.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerMessage {
    severity: Severity,
    /// The fields as they came, without the zero byte that ends the list: one allocation for all of them.
    fields: Box<[u8]>,
    /// What was not UTF-8 has become U+FFFD before, so that every field can be lent as `str`.
    code: Option<SqlState>,
}

impl From<ErrorResponse<'_>> for ServerMessage {
    fn from(message: ErrorResponse<'_>) -> Self {
        let fields = String::from_utf8_lossy(message.fields).into_owned().into_bytes();
        Self { severity: message.severity(), fields: fields.into(), code: message.code() }
    }
}

impl ServerMessage {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The error code (SQLSTATE).
    pub fn code(&self) -> Option<SqlState> {
        self.code
    }

    /// The message proper: one line.
    pub fn message(&self) -> &str {
        self.field(FieldCode::MESSAGE).unwrap_or("(the server gave no message)")
    }

    /// What else there is to say.
    pub fn detail(&self) -> Option<&str> {
        self.field(FieldCode::DETAIL)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.field(FieldCode::HINT)
    }

    /// Where in the statement it is: a character, counted from 1.
    pub fn position(&self) -> Option<u32> {
        self.field(FieldCode::POSITION)?.parse().ok()
    }

    /// Where in [`internal_query`](Self::internal_query) it is: a character, counted from 1.
    pub fn internal_position(&self) -> Option<u32> {
        self.field(FieldCode::INTERNAL_POSITION)?.parse().ok()
    }

    /// The statement that a function ran, when that is what failed.
    pub fn internal_query(&self) -> Option<&str> {
        self.field(FieldCode::INTERNAL_QUERY)
    }

    /// Where the server was: functions, the line of a COPY, a line each, innermost first.
    pub fn context(&self) -> Option<&str> {
        self.field(FieldCode::CONTEXT)
    }

    /// The schema that it is about.
    pub fn schema(&self) -> Option<&str> {
        self.field(FieldCode::SCHEMA)
    }

    /// The table that it is about.
    pub fn table(&self) -> Option<&str> {
        self.field(FieldCode::TABLE)
    }

    /// The column that it is about.
    pub fn column(&self) -> Option<&str> {
        self.field(FieldCode::COLUMN)
    }

    /// The data type that it is about.
    pub fn data_type(&self) -> Option<&str> {
        self.field(FieldCode::DATA_TYPE)
    }

    /// The constraint that it is about.
    pub fn constraint(&self) -> Option<&str> {
        self.field(FieldCode::CONSTRAINT)
    }

    /// The server's source file that said it.
    pub fn file(&self) -> Option<&str> {
        self.field(FieldCode::FILE)
    }

    /// The line of that file.
    pub fn line(&self) -> Option<u32> {
        self.field(FieldCode::LINE)?.parse().ok()
    }

    /// The server's routine that said it.
    pub fn routine(&self) -> Option<&str> {
        self.field(FieldCode::ROUTINE)
    }

    /// A field by its code, those that nobody knows included; the first, if it is there twice.
    pub fn field(&self, code: FieldCode) -> Option<&str> {
        let fields = ErrorResponse { fields: &self.fields };
        fields.field(code).and_then(|value| value.to_str().ok())
    }

    /// All fields in the order in which they came.
    pub fn fields(&self) -> impl Iterator<Item = (FieldCode, &str)> {
        let fields = ErrorResponse { fields: &self.fields }.fields();
        fields.filter_map(|(code, value)| Some((code, value.to_str().ok()?)))
    }
}

impl fmt::Display for ServerMessage {
    /// One line: severity, message, code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message())?;
        match self.code {
            Some(code) => write!(f, " (SQLSTATE {code})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ServerMessage");
        debug.field("severity", &self.severity).field("code", &self.code);
        for (code, value) in self.fields() {
            if !matches!(code, FieldCode::SEVERITY | FieldCode::SEVERITY_NONLOCALIZED | FieldCode::CODE) {
                debug.field(char::from(code.0).encode_utf8(&mut [0; 4]), &value);
            }
        }
        debug.finish_non_exhaustive()
    }
}
