//! Cancelling what a connection is doing, from anywhere.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use cornac_proto::handshake::CancelKey;
use cornac_proto::message;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connect::{ConnectFailure, Route};
use crate::error::{Error, Result};
use crate::stream::Stream;

/// How long the server may take to close the socket that the request came over, which says that the request has been acted upon.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Something has been asked of the server, and not all of the answer has come.
const BUSY: u8 = 1;
/// A request to cancel is on the way, and may still hit whatever the backend does.
const CANCELLING: u8 = 2;
/// A request to cancel went out, and nobody waited for its end: it may hit at any time.
const SPOILT: u8 = 4;

/// Cancels what a connection is doing, from another task or thread.
///
/// Made by [`Connection::cancel_token`](crate::Connection::cancel_token); clones are the same token. The request goes over a socket
/// of its own, to the same address and with the same TLS rules as the session.
///
/// ```no_run
/// # use cornac_conn::{Client, Connection, Config};
/// # use std::time::Duration;
/// # async fn example(mut connection: Connection) -> cornac_conn::Result<()> {
/// let token = connection.cancel_token();
/// let patience = tokio::spawn(async move {
///     tokio::time::sleep(Duration::from_secs(5)).await;
///     token.cancel().await
/// });
/// // Ends after five seconds with SQLSTATE 57014, and the connection works on.
/// let outcome = connection.execute("SELECT pg_sleep(60)", ()).await;
/// # Ok(())
/// # }
/// ```
///
/// See [Canceling Requests in Progress](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS).
#[derive(Clone)]
pub struct CancelToken {
    key: Option<CancelKey>,
    route: Option<Arc<Route>>,
    state: Arc<CancelState>,
}

/// Why nothing could be cancelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CancelError {
    /// Some poolers and cloud proxies give no key at login.
    #[error("the server gave no key to cancel with, as is the way of some poolers and proxies")]
    NoKey,
    /// Nobody knows where the server is.
    #[error(
        "the connection goes over a transport of the caller's, so that there is no address to send a request to"
    )]
    NoRoute,
    /// The socket for the request could not be opened.
    #[error("the request to cancel could not be sent: {0}")]
    Connect(ConnectFailure),
    /// The socket failed. Whether the request arrived is not known, and the connection that it was for will be closed.
    #[error("the request to cancel may have been lost: {0}")]
    Io(io::Error),
}

impl CancelToken {
    pub(crate) fn new(key: Option<CancelKey>, route: Option<Arc<Route>>, state: Arc<CancelState>) -> Self {
        Self { key, route, state }
    }

    /// Cancels what is in flight on the connection now. True when a request was delivered: the statement then ends with SQLSTATE
    /// 57014, unless it was faster. False when nothing was in flight, and nothing was sent; also when another token's request was
    /// on the way already, which this call waits for.
    ///
    /// Until it returns, the connection takes no other request, so that none but the statement which was meant is hit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancel`](crate::ErrorKind::Cancel): there is no key, or the server cannot be reached within the configuration's
    /// `connect_timeout` or does not answer within 10 s.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the request was sent: nothing happens. Dropped later: nobody knows what it will hit, so the connection is
    /// closed at its next use.
    pub async fn cancel(&self) -> Result<bool> {
        let Some(key) = &self.key else { return Err(CancelError::NoKey.into()) };
        let Some(route) = &self.route else { return Err(CancelError::NoRoute.into()) };
        match self.state.begin() {
            Begin::Idle => return Ok(false),
            Begin::Another => {
                self.state.wait_until_over().await;
                return Ok(false);
            }
            Begin::Begun => {}
        }
        let mut on_the_way = OnTheWay { state: &self.state, sent: false };
        let mut request = BytesMut::new();
        message::cancel_request(&mut request, key.process_id(), key.secret_key())
            .map_err(|error| Error::command(error.into()))?;
        let mut stream = route.open().await.map_err(CancelError::Connect)?;
        on_the_way.sent = true;
        match timeout(ANSWER_TIMEOUT, deliver(&mut stream, &request)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(CancelError::Io(error).into()),
            Err(_) => return Err(CancelError::Io(io::ErrorKind::TimedOut.into()).into()),
        }
        on_the_way.sent = false;
        Ok(true)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Sends the request, and waits until the server has acted upon it, which it tells by closing.
async fn deliver(stream: &mut Stream, mut request: &[u8]) -> io::Result<()> {
    poll_fn(|cx| {
        while !request.is_empty() {
            match ready!(stream.poll_write(cx, request))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => request = request.get(count..).unwrap_or_default(),
            }
        }
        stream.poll_flush(cx)
    })
    .await?;
    let mut ignored = [0_u8; 64];
    loop {
        match poll_fn(|cx| stream.poll_read(cx, &mut ignored)).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // A server that closes hard, or without close_notify, has closed too.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// A request that was begun: over when this is dropped, and a danger if it was sent and not seen to its end.
struct OnTheWay<'s> {
    state: &'s CancelState,
    sent: bool,
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.state.end(self.sent);
    }
}

/// What a connection and its tokens tell each other.
#[derive(Debug, Default)]
pub(crate) struct CancelState {
    flags: AtomicU8,
    over: Notify,
}

enum Begin {
    Idle,
    Another,
    Begun,
}

impl CancelState {
    /// Something is asked of the server.
    pub(crate) fn set_busy(&self) {
        // Release: pairs with the Acquire of `begin`; what was asked is in the send buffer.
        self.flags.fetch_or(BUSY, Ordering::Release);
    }

    /// Everything is answered.
    pub(crate) fn set_idle(&self) {
        self.flags.fetch_and(!BUSY, Ordering::Release);
    }

    /// Whether a new request could not be hit by anything that is on the way.
    pub(crate) fn is_quiet(&self) -> bool {
        // Acquire: pairs with the Release of `end`.
        self.flags.load(Ordering::Acquire) & (CANCELLING | SPOILT) == 0
    }

    /// Whether a request to cancel may hit at any time.
    pub(crate) fn is_spoilt(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SPOILT != 0
    }

    /// Waits until no request to cancel is on the way.
    pub(crate) async fn wait_until_over(&self) {
        let mut over = pin!(self.over.notified());
        loop {
            // Enabled before the look, so that an end between the two is not missed.
            over.as_mut().enable();
            if self.flags.load(Ordering::Acquire) & CANCELLING == 0 {
                return;
            }
            over.as_mut().await;
            over.set(self.over.notified());
        }
    }

    fn begin(&self) -> Begin {
        let begun = self.flags.fetch_update(Ordering::AcqRel, Ordering::Acquire, |flags| {
            (flags & BUSY != 0 && flags & CANCELLING == 0).then_some(flags | CANCELLING)
        });
        match begun {
            Ok(_) => Begin::Begun,
            Err(flags) if flags & CANCELLING != 0 => Begin::Another,
            Err(_) => Begin::Idle,
        }
    }

    fn end(&self, spoilt: bool) {
        if spoilt {
            self.flags.fetch_or(SPOILT, Ordering::AcqRel);
        }
        self.flags.fetch_and(!CANCELLING, Ordering::AcqRel);
        self.over.notify_waiters();
    }
}

/// A request that the connection drives itself while it waits for replies.
pub(crate) struct Cancelling(Pin<Box<dyn Future<Output = Result<bool>> + Send>>);

impl Cancelling {
    pub(crate) fn new(token: CancelToken) -> Self {
        Self(Box::pin(async move { token.cancel().await }))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Cancelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelling")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_flight_can_be_cancelled_and_only_once() {
        let state = CancelState::default();
        assert!(matches!(state.begin(), Begin::Idle));
        state.set_busy();
        assert!(matches!(state.begin(), Begin::Begun));
        assert!(matches!(state.begin(), Begin::Another));
        state.set_idle();
        assert!(!state.is_quiet());
        state.end(false);
        assert!(state.is_quiet());
        state.set_busy();
        assert!(matches!(state.begin(), Begin::Begun));
        state.end(true);
        assert!(state.is_spoilt() && !state.is_quiet());
    }
}
