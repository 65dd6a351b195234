//! The data of a COPY TO STDOUT, as bytes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::CHUNK;
use super::dialogue::{Dialogue, Event, Shape};
use super::error::CopyError;
use super::progress::{CopyProgress, Watcher};
use crate::error::{Delivery, Error, ErrorKind, Result};

/// A COPY TO STDOUT, whose data is read as bytes: lent piece by piece with [`next`](Self::next), or as a [`Stream`] or [`AsyncRead`].
///
/// Made by [`Client::copy_out`](crate::Client::copy_out). The server sends no faster than the data is taken: what is not read waits in the
/// socket's buffers. Dropped before the end, what is left is read, and thrown away, before the connection's next use; what takes longer than 5 seconds is
/// cancelled.
#[derive(Debug)]
#[must_use = "what is not read is thrown away"]
pub struct CopyOut<'c> {
    dialogue: Dialogue<'c>,
    shape: Shape,
    /// Bytes that were given out.
    bytes: u64,
    /// What a reader has not taken yet.
    rest: Bytes,
    watcher: Watcher,
}

impl<'c> CopyOut<'c> {
    pub(super) fn new(dialogue: Dialogue<'c>, shape: Shape) -> Self {
        Self { dialogue, shape, bytes: 0, rest: Bytes::new(), watcher: Watcher::default() }
    }

    /// Has `callback` called with how far the COPY has come: at each piece, and at the end.
    pub fn on_progress(mut self, callback: impl FnMut(CopyProgress) + Send + 'static) -> Self {
        self.watcher = Watcher::new(callback);
        self
    }

    /// Whether the data is in the binary format, and no text.
    pub fn is_binary(&self) -> bool {
        self.shape.binary
    }

    /// How many columns the data has.
    pub fn columns_len(&self) -> usize {
        self.shape.columns
    }

    /// How many rows there were, as the server says at the end; 0 before.
    pub fn rows(&self) -> u64 {
        self.dialogue.rows()
    }

    /// The next piece of data, lent until the next call; `None` behind the last one. A server sends a row, with its line break, in each.
    ///
    /// # Errors
    ///
    /// The server's, when it fails in the middle; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// No data is lost when the future is dropped: the next call gives it.
    pub async fn next(&mut self) -> Result<Option<&[u8]>> {
        if !poll_fn(|cx| self.poll_data(cx)).await? {
            return Ok(None);
        }
        self.take().map(Some)
    }

    /// The next pieces of data together, as many as have come, up to some 64 KiB; `None` behind the last.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    ///
    /// As [`next`](Self::next).
    pub async fn next_bytes(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_bytes(cx)).await
    }

    /// Writes all data to `writer`, and flushes it; says how many rows there were.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); [`CopyError::Destination`] when the writer fails.
    ///
    /// # Cancel safety
    ///
    /// When dropped, some of the data was written, and nobody knows how much.
    pub async fn write_to(mut self, writer: impl AsyncWrite) -> Result<u64> {
        let mut writer = std::pin::pin!(writer);
        let destination =
            |error| Error::new(ErrorKind::Copy(CopyError::Destination(error)), Delivery::Answered);
        while let Some(bytes) = self.next_bytes().await? {
            writer.write_all(&bytes).await.map_err(destination)?;
        }
        writer.flush().await.map_err(destination)?;
        Ok(self.rows())
    }

    /// Whether there is data at the front, or the end.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.dialogue.is_over() {
            return Poll::Ready(Ok(false));
        }
        loop {
            match ready!(self.dialogue.poll_event(cx))? {
                Event::Data => return Poll::Ready(Ok(true)),
                Event::Over => {
                    self.watcher.report(Some(self.dialogue.rows()), self.bytes);
                    return Poll::Ready(Ok(false));
                }
                _ => {}
            }
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let mut gathered = BytesMut::new();
        while gathered.len() < CHUNK {
            match self.poll_data(cx) {
                Poll::Ready(Ok(true)) => gathered.extend_from_slice(self.take()?),
                // That is told at the next call.
                Poll::Pending | Poll::Ready(Ok(false)) if !gathered.is_empty() => break,
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(Some(gathered.freeze())))
    }

    fn take(&mut self) -> Result<&[u8]> {
        let data = self.dialogue.take_data()?;
        self.bytes = self.bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.watcher.report(None, self.bytes);
        Ok(data)
    }
}

impl Stream for CopyOut<'_> {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_bytes(cx).map(Result::transpose)
    }
}

impl AsyncRead for CopyOut<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(this.poll_bytes(cx)).map_err(io::Error::other)? {
                Some(bytes) => this.rest = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = this.rest.len().min(out.remaining());
        out.put_slice(this.rest.get(..taken).unwrap_or_default());
        this.rest.advance(taken);
        Poll::Ready(Ok(()))
    }
}
