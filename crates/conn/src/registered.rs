//! A socket of the system's, of which the runtime watches only what is waited for.
//!
//! A request fits into the socket's buffer nearly always, so that nobody waits to write. Yet a socket that is registered for both directions wakes
//! the runtime once for each request, when the server has taken it from the buffer, for nothing: a system call, and a sixth of
//! the instructions of a short statement. So it is registered for writing only once a write has found the buffer full.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::runtime::Handle;
use tokio::task::coop::poll_proceed;

/// Writes in a row that the socket took at once, behind which it is no longer watched for room.
const CALM: u8 = 64;

/// What can be registered: it reads and writes through a shared reference, without blocking.
pub(crate) trait Raw: AsRawFd {
    fn read(&self, room: &mut [u8]) -> io::Result<usize>;
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    fn shutdown(&self) -> io::Result<()>;
}

macro_rules! raw {
    ($($stream:ty),+) => {$(
        impl Raw for $stream {
            fn read(&self, room: &mut [u8]) -> io::Result<usize> {
                Read::read(&mut &*self, room)
            }

            fn write(&self, bytes: &[u8]) -> io::Result<usize> {
                Write::write(&mut &*self, bytes)
            }

            fn shutdown(&self) -> io::Result<()> {
                Self::shutdown(self, Shutdown::Write)
            }
        }
    )+};
}

raw!(TcpStream, UnixStream);

#[expect(
    deprecated,
    reason = "because a type could change its descriptor, which a socket of std does not; what replaces it is an unsafe function"
)]
fn register<S: Raw>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    AsyncFd::with_interest(socket, interest)
}

/// A socket, and what the runtime watches of it.
pub(crate) struct Registered<S: Raw> {
    watch: Watch<S>,
    /// The runtime that watches: the socket stays with it, whoever polls.
    runtime: Handle,
}

enum Watch<S: Raw> {
    Reading(AsyncFd<S>),
    /// Also whether there is room to write; how many writes in a row have not asked for that.
    Both(AsyncFd<S>, u8),
    /// The runtime would not have it, and says why.
    Lost(io::Error),
}

impl<S: Raw> Registered<S> {
    /// A socket that does not block, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// The runtime's.
    pub(crate) fn new(socket: S) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        Ok(Self { watch: Watch::Reading(register(socket, Interest::READABLE)?), runtime })
    }

    fn fd(&self) -> io::Result<&AsyncFd<S>> {
        match &self.watch {
            Watch::Reading(fd) | Watch::Both(fd, _) => Ok(fd),
            Watch::Lost(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    /// Registers the socket anew. Whoever waits for the other direction has to look again, since its waker went with the old registration.
    fn watch(&mut self, interest: Interest, cx: &Context<'_>) {
        let unregistered = || Watch::Lost(ErrorKind::NotConnected.into());
        let (Watch::Reading(fd) | Watch::Both(fd, _)) = mem::replace(&mut self.watch, unregistered()) else {
            return;
        };
        let _runtime = self.runtime.enter();
        self.watch = match register(fd.into_inner(), interest) {
            Ok(fd) if interest.is_writable() => Watch::Both(fd, 0),
            Ok(fd) => Watch::Reading(fd),
            Err(error) => Watch::Lost(error),
        };
        cx.waker().wake_by_ref();
    }
}

impl<S: Raw + Unpin> AsyncRead for Registered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let fd = self.get_mut().fd()?;
        loop {
            let mut guard = ready!(fd.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            match fd.get_ref().read(room) {
                Ok(count) => {
                    // Less than there was room for: it has run empty, and a read to find that out is saved.
                    if count > 0 && count < room.len() {
                        guard.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl<S: Raw + Unpin> AsyncWrite for Registered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A connection that is being dropped writes what the socket takes, and waits for nothing; there may be no runtime any more.
        let is_waited_for = !cx.waker().will_wake(Waker::noop());
        // A task that has written much gives way to others, as with any socket of tokio's.
        let budget = if is_waited_for { Some(ready!(poll_proceed(cx))) } else { None };
        loop {
            match this.fd()?.get_ref().write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                written => {
                    if let Some(budget) = budget {
                        budget.made_progress();
                    }
                    if let Watch::Both(_, calm) = &mut this.watch {
                        *calm = calm.saturating_add(1);
                        if *calm == CALM {
                            this.watch(Interest::READABLE, cx);
                        }
                    }
                    return Poll::Ready(written);
                }
            }
            if !is_waited_for {
                return Poll::Pending;
            }
            match &mut this.watch {
                Watch::Both(fd, calm) => {
                    *calm = 0;
                    ready!(fd.poll_write_ready(cx))?.clear_ready();
                }
                _ => this.watch(Interest::READABLE | Interest::WRITABLE, cx),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.fd()?.get_ref().shutdown())
    }
}

impl<S: Raw> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.watch {
            Watch::Reading(_) => "Reading",
            Watch::Both(..) => "Both",
            Watch::Lost(_) => "Lost",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, join};

    use super::*;

    fn pair() -> (Registered<UnixStream>, tokio::net::UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Registered::new(ours).unwrap(), tokio::net::UnixStream::from_std(theirs).unwrap())
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    /// Writes until the socket takes no more; gives how much it took.
    fn fill(socket: &mut Registered<UnixStream>, cx: &mut Context<'_>) -> usize {
        let mut written = 0;
        while let Poll::Ready(count) = Pin::new(&mut *socket).poll_write(cx, &[7; 4096]) {
            written += count.unwrap();
        }
        written
    }

    #[test]
    fn room_is_watched_for_once_it_was_missed_and_no_longer_when_there_is_always_some() {
        run(async {
            let (mut socket, mut peer) = pair();
            let written = poll_fn(|cx| Poll::Ready(fill(&mut socket, cx))).await;
            assert!(matches!(socket.watch, Watch::Both(..)));
            let mut read = vec![0; written];
            let (more, _) = tokio::join!(socket.write(b"more"), peer.read_exact(&mut read));
            assert_eq!(more.unwrap(), 4);
            for _ in 0..CALM {
                socket.write_all(b"x").await.unwrap();
            }
            assert!(matches!(socket.watch, Watch::Reading(_)));
            peer.write_all(b"still read").await.unwrap();
            let mut answer = [0; 10];
            socket.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"still read");
        });
    }

    #[test]
    fn whoever_waits_to_read_is_not_forgotten_when_a_write_has_to_wait() {
        run(async {
            let (mut socket, mut peer) = pair();
            let mut answer = [0; 2];
            let mut exchange = pin!(poll_fn(|cx| {
                // Reads first, so that the registration with its waker goes with the write that waits.
                let mut buffer = ReadBuf::new(&mut answer);
                let read = Pin::new(&mut socket).poll_read(cx, &mut buffer);
                if matches!(socket.watch, Watch::Reading(_)) {
                    fill(&mut socket, cx);
                }
                read
            }));
            let writing = tokio::spawn(async move {
                peer.write_all(b"ok").await.unwrap();
                peer
            });
            let begun = Instant::now();
            let read = tokio::time::timeout(Duration::from_secs(5), &mut exchange).await.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(4), "it was looked at because the time was over");
            writing.await.unwrap();
            read.unwrap();
            assert_eq!(&answer, b"ok");
        });
    }

    #[test]
    fn whoever_writes_much_gives_way() {
        run(async {
            let (mut socket, peer) = pair();
            // A peer that is always faster, in a thread of its own.
            let peer = peer.into_std().unwrap();
            peer.set_nonblocking(false).unwrap();
            std::thread::spawn(move || io::copy(&mut &peer, &mut io::sink()));
            let writing = async {
                loop {
                    socket.write_all(b"x").await.unwrap();
                }
            };
            tokio::select! {
                () = writing => {}
                () = tokio::task::yield_now() => {}
            }
        });
    }

    #[test]
    fn a_write_that_nobody_waits_for_needs_no_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let (mut socket, _peer) = runtime.block_on(async { pair() });
        drop(runtime);
        let written = fill(&mut socket, &mut Context::from_waker(Waker::noop()));
        assert!(written > 0 && matches!(socket.watch, Watch::Reading(_)));
    }

    #[test]
    fn the_end_and_what_is_in_front_of_it_are_seen() {
        run(async {
            let (socket, mut peer) = pair();
            peer.write_all(b"last words").await.unwrap();
            drop(peer);
            let mut said = String::new();
            let mut both = join(socket, tokio::io::sink());
            both.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "last words");
        });
    }
}
