//! What bytes go over.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_util::io::poll_read_buf;

/// A transport that the caller brings: a tunnel, an in-memory pipe, a simulated network.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// The transports, as one enum: a query does not pay for dynamic dispatch, unless the caller brought the transport.
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Custom {
        transport: Box<dyn Transport>,
        /// Whether something was written that may not have been pushed out.
        unflushed: bool,
    },
    /// The socket has been dropped, so that it is closed whoever still holds the connection.
    Closed,
}

impl Stream {
    /// Reads what is there, at most as much as `buffer` has room for.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => poll_read_buf(Pin::new(stream), cx, buffer),
            #[cfg(unix)]
            Self::Unix(stream) => poll_read_buf(Pin::new(stream), cx, buffer),
            Self::Custom { transport, .. } => poll_read_buf(Pin::new(transport), cx, buffer),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Writes and pushes out as many of `bytes` as the transport takes now.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Custom { transport, unflushed } => {
                *unflushed = true;
                Pin::new(transport).poll_write(cx, bytes)
            }
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Pushes out what a transport of the caller's may have kept back. Sockets keep nothing back.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Custom { transport, unflushed: unflushed @ true } => {
                let flushed = Pin::new(transport).poll_flush(cx);
                *unflushed = flushed.is_pending();
                flushed
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Says that nothing more will be written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Custom { transport, .. } => Pin::new(transport).poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            #[cfg(unix)]
            Self::Unix(_) => "Unix",
            Self::Custom { .. } => "Custom",
            Self::Closed => "Closed",
        })
    }
}
