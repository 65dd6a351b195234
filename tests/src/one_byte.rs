//! A stream on which every byte is a moment of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes went through a [`OneByte`], and how often it was pending in between.
#[derive(Debug, Default)]
pub struct Points {
    /// Bytes that were read.
    pub read: AtomicU64,
    /// Bytes that were written.
    pub written: AtomicU64,
    /// Times that it was pending.
    pub pending: AtomicU64,
    /// Whether bytes go through as they come for now, as many as there are and without a pause.
    wide: AtomicBool,
}

impl Points {
    /// Lets bytes go through as they come from now on, or one a call again.
    pub fn set_wide(&self, wide: bool) {
        self.wide.store(wide, Ordering::Relaxed);
    }

    fn is_wide(&self) -> bool {
        self.wide.load(Ordering::Relaxed)
    }
}

/// Takes and gives one byte a call, and is pending (waking itself) before each: a future over it can be dropped at every byte, in
/// both directions. [`Points::set_wide`] makes it an ordinary stream for a while.
#[derive(Debug)]
pub struct OneByte<S> {
    inner: S,
    points: Arc<Points>,
    read_ready: bool,
    write_ready: bool,
}

impl<S> OneByte<S> {
    /// Wraps a stream; what goes through it is counted in `points`.
    pub fn new(inner: S, points: Arc<Points>) -> Self {
        Self { inner, points, read_ready: false, write_ready: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for OneByte<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.points.is_wide() {
            let before = out.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, out))?;
            this.points.read.fetch_add((out.filled().len() - before) as u64, Ordering::Relaxed);
            return Poll::Ready(Ok(()));
        }
        if !std::mem::replace(&mut this.read_ready, true) {
            return pending(&this.points, cx);
        }
        let mut byte = [0; 1];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut one))?;
        out.put_slice(one.filled());
        this.points.read.fetch_add(one.filled().len() as u64, Ordering::Relaxed);
        this.read_ready = false;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for OneByte<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let most = if this.points.is_wide() {
            bytes.len()
        } else if std::mem::replace(&mut this.write_ready, true) {
            1
        } else {
            return pending(&this.points, cx);
        };
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &bytes[..bytes.len().min(most)]))?;
        this.points.written.fetch_add(written as u64, Ordering::Relaxed);
        this.write_ready = false;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

fn pending<T>(points: &Points, cx: &Context<'_>) -> Poll<T> {
    points.pending.fetch_add(1, Ordering::Relaxed);
    cx.waker().wake_by_ref();
    Poll::Pending
}
