//! The data of a COPY FROM STDIN, as bytes.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use cornac_proto::session::CommandError;
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::CHUNK;
use super::dialogue::{Dialogue, Shape};
use super::error::CopyError;
use super::progress::{CopyProgress, Watcher};
use crate::error::{Delivery, Error, Result};

/// A COPY FROM STDIN that takes bytes, in whatever pieces they come.
///
/// Made by [`Client::copy_in`](crate::Client::copy_in). Bytes are gathered into messages of 64 KiB. While they are sent, what the server says
/// is read: a row that it refuses ends the COPY at once, not behind the last byte.
///
/// Nothing is in the table before [`finish`](Self::finish) has returned. Dropped before, the COPY is failed, and nothing is kept: what was not
/// sent is taken back, and if the socket does not take the rest at once, the connection is closed. It is an [`AsyncWrite`] too, for
/// `tokio::io::copy` and the like; `shutdown` sends what there is, and only `finish` ends the COPY well.
#[derive(Debug)]
#[must_use = "a COPY that is dropped is failed; call finish"]
pub struct CopyIn<'c> {
    dialogue: Dialogue<'c>,
    shape: Shape,
    /// Bytes that were taken.
    bytes: u64,
    /// Whether some piece was taken in part, and nobody said so to the caller.
    torn: bool,
    watcher: Watcher,
}

impl<'c> CopyIn<'c> {
    pub(super) fn new(dialogue: Dialogue<'c>, shape: Shape) -> Self {
        Self { dialogue, shape, bytes: 0, torn: false, watcher: Watcher::default() }
    }

    /// Has `callback` called with how far the COPY has come, each time that some 64 KiB were sent, and at the end.
    pub fn on_progress(mut self, callback: impl FnMut(CopyProgress) + Send + 'static) -> Self {
        self.watcher = Watcher::new(callback);
        self
    }

    /// Whether the server takes the binary format, and no text.
    pub fn is_binary(&self) -> bool {
        self.shape.binary
    }

    /// How many columns the server takes.
    pub fn columns_len(&self) -> usize {
        self.shape.columns
    }

    /// Takes bytes, and sends them when enough have come together. Where they are cut does not matter.
    ///
    /// # Errors
    ///
    /// The server's, as soon as it refuses anything that was sent before; the COPY is over then, nothing of it was kept, and the connection is
    /// ready. The connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// Up to 64 KiB are taken as a whole or not at all: a future that is dropped has not taken them. More than that may have been taken in part when
    /// the future is dropped; the COPY can only be failed then.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let mut pieces = bytes.as_ref().chunks(CHUNK);
        let Some(first) = pieces.next() else { return Ok(()) };
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.append(first)?;
        let torn = std::mem::replace(&mut self.torn, true);
        for piece in pieces {
            poll_fn(|cx| self.poll_room(cx)).await?;
            self.append(piece)?;
        }
        self.torn = torn;
        Ok(())
    }

    /// Sends what has been taken so far.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.dialogue.poll_flush(cx)).await
    }

    /// Takes everything that a reader gives.
    ///
    /// While the reader is waited for, the connection is watched: an error of the server's ends the COPY at once.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). When the reader fails, the COPY is failed, and the error is [`CopyError::Source`].
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing that the reader gave is lost, but nobody knows how much that was: the COPY should be failed.
    pub async fn send_reader(&mut self, reader: impl AsyncRead) -> Result<()> {
        let mut reader = std::pin::pin!(reader);
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            let read = self.next_from(|cx| poll_read_buf(reader.as_mut(), cx, &mut buffer)).await?;
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => self.send(&buffer).await?,
                Err(error) => return Err(self.fail_source(error).await),
            }
            buffer.clear();
        }
    }

    /// Takes everything that a stream gives.
    ///
    /// # Errors
    ///
    /// As [`send_reader`](Self::send_reader).
    ///
    /// # Cancel safety
    ///
    /// As [`send_reader`](Self::send_reader).
    pub async fn send_stream<S, B, E>(&mut self, stream: S) -> Result<()>
    where
        S: Stream<Item = Result<B, E>>,
        B: AsRef<[u8]>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let mut stream = std::pin::pin!(stream);
        while let Some(piece) = self.next_from(|cx| stream.as_mut().poll_next(cx)).await? {
            match piece {
                Ok(piece) => self.send(piece).await?,
                Err(error) => return Err(self.fail_source(error).await),
            }
        }
        Ok(())
    }

    /// Ends the COPY well, and waits until its rows are in the table (or in the transaction that is open). Says how many there are.
    ///
    /// # Errors
    ///
    /// The server's, that of a deferred constraint included; nothing was kept then. When the connection is lost,
    /// [`outcome_unknown`](Error::outcome_unknown) says whether the end of the data had been sent.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the end of the data was sent, the COPY is failed. Dropped later, it is in the table as a whole, or not at all, and nobody
    /// says which; the connection is ready either way.
    pub async fn finish(mut self) -> Result<u64> {
        if self.torn {
            let what = "a send that was dropped took its bytes in part, so that the data has a gap";
            let error = Error::usage(what, Delivery::Answered);
            return Err(self.dialogue.fail("the client lost track of its data", error).await);
        }
        let rows = self.dialogue.finish().await?;
        self.watcher.report(Some(rows), self.bytes);
        Ok(rows)
    }

    /// Fails the COPY: nothing of it is kept. The server's log shows `reason`.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the COPY is failed all the same.
    pub async fn fail(mut self, reason: &str) -> Result<()> {
        let reason = reason.replace('\0', " ");
        let over = self.dialogue.over();
        let error = self.dialogue.fail(&reason, over).await;
        if error.is_closed() { Err(error) } else { Ok(()) }
    }

    /// Waits for a source, and watches the connection meanwhile.
    async fn next_from<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T> {
        poll_fn(|cx| {
            if let Poll::Ready(next) = poll(cx) {
                return Poll::Ready(Ok(next));
            }
            self.dialogue.poll_idle(cx).map(Err)
        })
        .await
    }

    async fn fail_source(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.dialogue.fail_with("the source of the data failed", CopyError::Source(error.into())).await
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if ready!(self.dialogue.poll_room(cx))? {
            self.watcher.report(None, self.bytes);
        }
        Poll::Ready(Ok(()))
    }

    fn append(&mut self, piece: &[u8]) -> Result<()> {
        let appended = self.dialogue.append(|out| {
            out.extend_from_slice(piece);
            Ok::<_, CommandError>(())
        });
        appended.map_err(Error::command)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

impl AsyncWrite for CopyIn<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let piece = bytes.get(..CHUNK).unwrap_or(bytes);
        ready!(this.poll_room(cx)).and_then(|()| this.append(piece)).map_err(io::Error::other)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().dialogue.poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
