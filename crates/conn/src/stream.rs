//! What bytes go over.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::client::TlsStream;

/// A transport that the caller brings: a tunnel, an in-memory pipe, a simulated network.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// The transports, as one enum: a query does not pay for dynamic dispatch, unless the caller brought the transport.
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Custom(Box<dyn Transport>),
}

/// A socket, encrypted or not, or what is left of one.
pub(crate) struct Stream {
    channel: Channel,
    /// Whether something was written that may not have been pushed out. Plain sockets keep nothing back.
    unflushed: bool,
}

enum Channel {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
    /// The socket has been dropped, so that it is closed whoever still holds the connection.
    Closed,
}

impl Stream {
    pub(crate) fn plain(socket: Socket) -> Self {
        Self { channel: Channel::Plain(socket), unflushed: false }
    }

    pub(crate) fn tls(stream: TlsStream<Socket>) -> Self {
        Self { channel: Channel::Tls(Box::new(stream)), unflushed: false }
    }

    /// Drops the socket.
    pub(crate) fn close(&mut self) {
        *self = Self { channel: Channel::Closed, unflushed: false };
    }

    /// Whether what is sent is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.channel, Channel::Tls(_))
    }

    /// Whether something was written that may not have been pushed out.
    pub(crate) fn has_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Reads what is there, at most as much as there is room for.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        let read = match &mut self.channel {
            Channel::Plain(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
            Channel::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, &mut buffer),
            Channel::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        read.map_ok(|()| buffer.filled().len())
    }

    /// Writes as many of `bytes` as the transport takes now. What it may keep back is pushed out by
    /// [`poll_flush`](Self::poll_flush).
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.channel {
            Channel::Plain(socket) => {
                self.unflushed |= matches!(socket, Socket::Custom(_));
                Pin::new(socket).poll_write(cx, bytes)
            }
            Channel::Tls(stream) => {
                self.unflushed = true;
                Pin::new(&mut **stream).poll_write(cx, bytes)
            }
            Channel::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Pushes out what TLS or a transport of the caller's may have kept back.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = match &mut self.channel {
            Channel::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Channel::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Channel::Closed => Poll::Ready(Ok(())),
        };
        self.unflushed = flushed.is_pending();
        flushed
    }

    /// Says that nothing more will be written; over TLS with close_notify before it.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.channel {
            Channel::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Channel::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Channel::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Custom(transport) => Pin::new(transport).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Custom(transport) => Pin::new(transport).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Custom(transport) => Pin::new(transport).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Custom(transport) => Pin::new(transport).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            #[cfg(unix)]
            Self::Unix(_) => "Unix",
            Self::Custom(_) => "Custom",
        })
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.channel {
            Channel::Plain(socket) => socket.fmt(f),
            Channel::Tls(stream) => write!(f, "Tls({:?})", stream.get_ref().0),
            Channel::Closed => f.write_str("Closed"),
        }
    }
}
