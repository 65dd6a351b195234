//! The data of a COPY TO STDOUT, as decoded rows.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cornac_proto::{CopyPart, CopyReader};
use cornac_types::{Columns, FromRow, RowPlan, RowRef};
use futures_core::Stream;

use super::CHUNK;
use super::dialogue::{Dialogue, Event};
use super::error::CopyError;
use crate::error::Result;

/// The rows of a COPY TO STDOUT, decoded one by one: with [`next`](Self::next), or as a [`Stream`].
///
/// Made by [`Client::copy_rows`](crate::Client::copy_rows). Back-pressure and drop are as with [`CopyOut`](super::CopyOut).
pub struct CopyRows<'c, T> {
    dialogue: Dialogue<'c>,
    columns: Columns,
    plan: RowPlan,
    reader: CopyReader,
    /// Data that was received, from the row that was lent last on.
    data: Vec<u8>,
    /// How much of it was given out.
    taken: usize,
    row: PhantomData<fn() -> T>,
}

impl<'c, T: for<'r> FromRow<'r>> CopyRows<'c, T> {
    pub(super) async fn begin(mut dialogue: Dialogue<'c>, copied: usize) -> Result<Self> {
        let columns = dialogue.columns().clone();
        let count = match u16::try_from(columns.len()) {
            Ok(count) if columns.len() == copied => count,
            _ => {
                let error = CopyError::Columns { copied, described: columns.len() };
                return Err(dialogue.fail_with("", error).await);
            }
        };
        let plan = T::plan(&columns)?;
        let reader = CopyReader::new(count);
        Ok(Self { dialogue, columns, plan, reader, data: Vec::new(), taken: 0, row: PhantomData })
    }

    /// The columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How many rows there were, as the server says at the end; 0 before.
    pub fn rows(&self) -> u64 {
        self.dialogue.rows()
    }

    /// The next row; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// The server's, when it fails in the middle; when a value does not fit `T` (the row behind it can be asked for); the connection's, when it is lost
    /// or sends what is no such data.
    ///
    /// # Cancel safety
    ///
    /// No row is lost when the future is dropped: the next call gives it.
    pub async fn next(&mut self) -> Result<Option<T>> {
        poll_fn(|cx| self.poll_decoded(cx)).await
    }

    /// The next row, lent until the next call; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next), but for values that do not fit.
    ///
    /// # Cancel safety
    ///
    /// As [`next`](Self::next).
    pub async fn next_row(&mut self) -> Result<Option<RowRef<'_>>> {
        let len = poll_fn(|cx| self.poll_tuple(cx)).await?;
        Ok(len.map(|len| self.take(len)))
    }

    fn poll_decoded(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let Some(len) = ready!(self.poll_tuple(cx))? else { return Poll::Ready(Ok(None)) };
        let tuple = self.data.get(self.taken..).and_then(|rest| rest.get(2..len)).unwrap_or_default();
        let decoded = T::from_row(RowRef::new(&self.columns, tuple), &self.plan);
        self.taken = self.taken.saturating_add(len);
        Poll::Ready(Ok(Some(decoded?)))
    }

    /// The length of the tuple at the front.
    fn poll_tuple(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        loop {
            let rest = self.data.get(self.taken..).unwrap_or_default();
            match self.reader.next_part(rest) {
                Ok(CopyPart::Tuple(len)) => return Poll::Ready(Ok(Some(len))),
                Ok(CopyPart::Skipped(len) | CopyPart::Trailer(len)) => {
                    self.taken = self.taken.saturating_add(len);
                    continue;
                }
                Ok(CopyPart::Incomplete) => {}
                Err(violation) => return Poll::Ready(Err(self.dialogue.violated(violation))),
            }
            match ready!(self.dialogue.poll_event(cx))? {
                Event::Data => {
                    self.make_room();
                    self.data.extend_from_slice(self.dialogue.take_data()?);
                }
                Event::DataEnd => {
                    if let Err(violation) = self.reader.finish() {
                        return Poll::Ready(Err(self.dialogue.violated(violation)));
                    }
                }
                Event::Over => return Poll::Ready(Ok(None)),
                _ => {}
            }
        }
    }

    fn take(&mut self, len: usize) -> RowRef<'_> {
        let start = self.taken;
        self.taken = start.saturating_add(len);
        let tuple = self.data.get(start..).and_then(|rest| rest.get(2..len)).unwrap_or_default();
        RowRef::new(&self.columns, tuple)
    }

    /// Gives up what was given out, and the memory of a row that was much larger than others.
    fn make_room(&mut self) {
        if self.taken < self.data.len() {
            self.data.drain(..self.taken);
        } else if self.data.capacity() > CHUNK {
            self.data = Vec::new();
        } else {
            self.data.clear();
        }
        self.taken = 0;
    }
}

impl<T: for<'r> FromRow<'r>> Stream for CopyRows<'_, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_decoded(cx).map(Result::transpose)
    }
}

impl<T> fmt::Debug for CopyRows<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyRows")
            .field("dialogue", &self.dialogue)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}
