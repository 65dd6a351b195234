//! Many statements on the way at once.

use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Floor, PointSelect, point_row};
use crate::work::{ITEMS, POINT_SELECT};

/// How many statements are on the way at most.
const PIPELINE_LEN: usize = 10_000;

/// Sync, and the ReadyForQuery that answers it.
pub(super) const SYNC: &[u8] = b"S\0\0\0\x04";
const READY_LEN: usize = 6;

/// Where a pipeline has its Syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// Behind each statement.
    Each,
    /// Behind the last of some thousands.
    One,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Floor<S> {
    /// Selects `count` rows by their keys, 10,000 at a time.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn pipelined_point_selects(
        &mut self,
        count: usize,
        syncs: Syncs,
        take: impl FnMut(i32, &str, i64),
    ) -> Result<()> {
        self.prepare(POINT_SELECT).await?;
        self.prepared_pipeline(count, PIPELINE_LEN, syncs, take).await
    }

    /// As [`pipelined_point_selects`](Self::pipelined_point_selects), so many at a time, when [`POINT_SELECT`] is what was prepared.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn prepared_pipeline(
        &mut self,
        count: usize,
        batch: usize,
        syncs: Syncs,
        mut take: impl FnMut(i32, &str, i64),
    ) -> Result<()> {
        let PointSelect { mut request, id_at } = PointSelect::new();
        if syncs == Syncs::One {
            request.truncate(request.len() - SYNC.len());
        }
        let len = request.len();
        let mut requests = request.repeat(batch);
        if syncs == Syncs::One {
            requests.extend(SYNC);
        }
        let mut ids = (0..ITEMS).cycle();
        for first in (0..count).step_by(batch) {
            let batch = batch.min(count - first);
            for (request, id) in requests.chunks_exact_mut(len).take(batch).zip(&mut ids) {
                request[id_at..id_at + 4].copy_from_slice(&id.to_be_bytes());
            }
            // The last batch may be shorter; its Sync then overwrites what is not sent.
            let mut end = batch * len;
            if syncs == Syncs::One {
                requests[end..end + SYNC.len()].copy_from_slice(SYNC);
                end += SYNC.len();
            }
            let ready_len = if syncs == Syncs::Each { READY_LEN } else { 0 };
            let mut left = batch;
            self.exchange(&requests[..end], |received| {
                let mut begin = 0;
                while left > 0 {
                    let Some(answer_len) = point_answer_len(&received[begin..]) else { break };
                    if received.len() < begin + answer_len + ready_len {
                        break;
                    }
                    let (id, name, at) = point_row(&received[begin + 5..]);
                    take(id, name, at);
                    begin += answer_len + ready_len;
                    left -= 1;
                }
                let is_last = left == 0 && received.len() >= begin + READY_LEN - ready_len;
                (begin, is_last)
            })
            .await?;
        }
        Ok(())
    }

    /// Writes and reads at once. `handle` takes what was received, and says how much of it it has taken, and whether that was all.
    pub(super) async fn exchange(
        &mut self,
        mut requests: &[u8],
        mut handle: impl FnMut(&[u8]) -> (usize, bool),
    ) -> Result<()> {
        let Self { stream, buffer } = self;
        let mut end = 0;
        poll_fn(|cx| {
            while !requests.is_empty() {
                match Pin::new(&mut *stream).poll_write(cx, requests)? {
                    Poll::Ready(count) => requests = &requests[count..],
                    Poll::Pending => break,
                }
            }
            loop {
                let mut free = ReadBuf::new(&mut buffer[end..]);
                if Pin::new(&mut *stream).poll_read(cx, &mut free)?.is_pending() {
                    return Poll::Pending;
                }
                match free.filled().len() {
                    0 => return Poll::Ready(Err(Error::from(ErrorKind::UnexpectedEof))),
                    count => end += count,
                }
                let (taken, is_last) = handle(&buffer[..end]);
                buffer.copy_within(taken..end, 0);
                end -= taken;
                if is_last && requests.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await
    }
}

/// The length of the answer to a point SELECT without ReadyForQuery, if it is all there: BindComplete, a row, and the tag `SELECT 1`.
fn point_answer_len(received: &[u8]) -> Option<usize> {
    let row = u32::from_be_bytes(*received.get(6..)?.first_chunk()?);
    let len = 5 + 1 + usize::try_from(row).ok()? + 14;
    (received.len() >= len).then_some(len)
}
