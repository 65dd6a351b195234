//! The question that stands in front of a handshake: does the server speak TLS?

use bytes::BytesMut;

use crate::message;

/// SSLRequest and its answer, one byte.
///
/// The owner sends [`bytes`](Self::bytes), reads, and gives *all* that it read to [`answer`](Self::answer), so that bytes which
/// somebody stuffed behind the answer are found.
///
/// ```
/// use cornac_proto::handshake::{TlsAnswer, TlsRequest, TlsRequestError};
///
/// let request = TlsRequest::new();
/// assert_eq!(request.bytes(), [0, 0, 0, 8, 4, 210, 22, 47]);
/// assert_eq!(request.answer(b"S"), Ok(TlsAnswer::Accepted));
/// assert_eq!(TlsRequest::new().answer(b"SR"), Err(TlsRequestError::ResponseInjected));
/// ```
///
/// See [SSL Session Encryption](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL).
#[derive(Clone, Debug)]
pub struct TlsRequest(BytesMut);

/// What the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAnswer {
    /// `S`: the TLS handshake begins now.
    Accepted,
    /// `N`: this server speaks no TLS; the connection can go on without, if that is allowed.
    Refused,
}

/// Why there is no telling whether the server speaks TLS. The socket is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsRequestError {
    /// Bytes came that would have been taken for the server's first words inside of TLS (CVE-2021-23222).
    #[error("bytes came behind the answer to SSLRequest, before TLS began: somebody injected a response")]
    ResponseInjected,
    /// An ErrorResponse came in place of an answer. Nobody has proven to be the server yet, so its text is not shown (CVE-2024-10977).
    #[error(
        "an error message came in place of an answer to SSLRequest; whose it is, nobody can tell before TLS"
    )]
    ErrorInPlace,
    /// Neither `S` nor `N`.
    #[error("byte 0x{0:02x} came in place of an answer to SSLRequest; this is no PostgreSQL server")]
    Garbage(u8),
    /// The server closed the connection.
    #[error("the server closed the connection instead of answering SSLRequest")]
    Eof,
}

impl TlsRequest {
    /// The question.
    pub fn new() -> Self {
        let mut bytes = BytesMut::new();
        message::ssl_request(&mut bytes);
        Self(bytes)
    }

    /// What must be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The answer, out of all bytes that have come; none at all means that the server closed.
    ///
    /// # Errors
    ///
    /// What came in its place.
    pub fn answer(self, came: &[u8]) -> Result<TlsAnswer, TlsRequestError> {
        match came {
            [] => Err(TlsRequestError::Eof),
            [b'S'] => Ok(TlsAnswer::Accepted),
            [b'N'] => Ok(TlsAnswer::Refused),
            // A server that said `N` waits for the startup packet, so that it cannot say more either.
            [b'S' | b'N', ..] => Err(TlsRequestError::ResponseInjected),
            [b'E', ..] => Err(TlsRequestError::ErrorInPlace),
            [byte, ..] => Err(TlsRequestError::Garbage(*byte)),
        }
    }
}

impl Default for TlsRequest {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_byte_is_an_answer() {
        for byte in 0..=u8::MAX {
            let expected = match byte {
                b'S' => Ok(TlsAnswer::Accepted),
                b'N' => Ok(TlsAnswer::Refused),
                b'E' => Err(TlsRequestError::ErrorInPlace),
                byte => Err(TlsRequestError::Garbage(byte)),
            };
            assert_eq!(TlsRequest::new().answer(&[byte]), expected);
        }
        assert_eq!(TlsRequest::new().answer(b""), Err(TlsRequestError::Eof));
        assert_eq!(TlsRequest::new().answer(b"NR"), Err(TlsRequestError::ResponseInjected));
    }
}
