//! A transport that keeps what the client sends, flight by flight.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use cornac_conn::{Config, Connection, Host, Result};
use cornac_proto::message::{Frontend, FrontendFraming, frontend_frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What a client has sent since it was last asked: a flight is all that is written before something is read again, and costs a
/// round trip.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    flights: Vec<Vec<u8>>,
    /// Something was read since the last byte was written.
    answered: bool,
}

impl Flights {
    /// The flights since the last call, each as the tags of its messages, such as `PDS`, `BES`.
    ///
    /// # Panics
    ///
    /// When what was sent is no messages.
    pub fn take(&self) -> Vec<String> {
        self.take_bytes().iter().map(|flight| tags(flight)).collect()
    }

    /// The flights since the last call, as they were sent.
    pub fn take_bytes(&self) -> Vec<Vec<u8>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.answered = true;
        std::mem::take(&mut state.flights)
    }

    fn wrote(&self, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.answered) || state.flights.is_empty() {
            state.flights.push(Vec::new());
        }
        if let Some(flight) = state.flights.last_mut() {
            flight.extend_from_slice(bytes);
        }
    }

    fn read(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).answered = true;
    }
}

/// Calls `look` with each message of a flight.
///
/// # Panics
///
/// When the bytes are no whole messages.
pub fn for_each_message(mut flight: &[u8], mut look: impl FnMut(u8, Frontend<'_>)) {
    while !flight.is_empty() {
        let framing = frontend_frame(flight, usize::MAX).expect("a message");
        let FrontendFraming::Complete { tag, body, len } = framing else { panic!("a whole message") };
        look(tag, Frontend::decode(tag, body).expect("a well-formed message"));
        flight = flight.get(len..).expect("a frame is no longer than its bytes");
    }
}

fn tags(flight: &[u8]) -> String {
    let mut tags = String::new();
    for_each_message(flight, |tag, _| tags.push(char::from(tag)));
    tags
}

/// Connects through a transport that is watched. What the handshake sent is forgotten already.
///
/// # Errors
///
/// As [`Connection::connect_over`].
///
/// # Panics
///
/// When the server cannot be reached.
pub async fn connect_watched(config: &Config) -> Result<(Connection, Flights)> {
    let flights = Flights::default();
    let server = config.hosts().first().expect("a server");
    let connection = match &server.host {
        Some(Host::Unix(directory)) => {
            let path = directory.join(format!(".s.PGSQL.{}", server.port));
            let socket = UnixStream::connect(path).await.expect("the server is there");
            Connection::connect_over(Watched { inner: socket, flights: flights.clone() }, config).await?
        }
        Some(Host::Tcp(host)) => {
            let socket = TcpStream::connect((host.as_str(), server.port)).await.expect("the server is there");
            socket.set_nodelay(true).expect("a socket takes options");
            Connection::connect_over(Watched { inner: socket, flights: flights.clone() }, config).await?
        }
        None => panic!("a server has a name"),
    };
    flights.take_bytes();
    Ok((connection, flights))
}

struct Watched<S> {
    inner: S,
    flights: Flights,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, out))?;
        if out.filled().len() > before {
            this.flights.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
        this.flights.wrote(bytes.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
