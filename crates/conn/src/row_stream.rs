//! Rows as a stream of values of the caller's.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cornac_types::{FromRow, RowPlan};
use futures_core::Stream;

use crate::error::{Error, Result};
use crate::execution::Rows;

/// The rows of one statement, decoded as they come.
///
/// Made by [`stream_query`](crate::Client::stream_query). The socket is read only as the stream is polled, so that a slow reader slows the
/// server down, and no more is kept than one read. The stream ends behind the last row or the first error. Dropped before that, what is
/// left of the result is read, and thrown away, before the connection's next use.
#[must_use = "a stream does nothing unless it is polled"]
#[derive(Debug)]
pub struct RowStream<'c, T> {
    rows: Rows<'c>,
    plan: RowPlan,
    ended: bool,
    decoded: PhantomData<fn() -> T>,
}

impl<'c, T: for<'r> FromRow<'r>> RowStream<'c, T> {
    pub(crate) async fn begin(mut rows: Rows<'c>) -> Result<Self> {
        match T::plan(rows.columns()) {
            Ok(plan) => Ok(Self { rows, plan, ended: false, decoded: PhantomData }),
            Err(error) => Err(rows.fail(error.into()).await),
        }
    }

    /// The next row; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// The server's, when the statement fails at some row; a value that does not fit; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// No row is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<T>> {
        std::future::poll_fn(|cx| self.poll_row(cx)).await.transpose()
    }

    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let advanced = if self.rows.advance() { Ok(true) } else { ready!(self.rows.poll_advance(cx)) };
        let decoded = match advanced {
            Ok(true) => T::from_row(self.rows.row(), &self.plan).map(Some).map_err(Error::from),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        self.ended = !matches!(decoded, Ok(Some(_)));
        Poll::Ready(match decoded {
            Err(error) => Some(Err(error.with_statement_unless_known(self.rows.sql()))),
            decoded => decoded.transpose(),
        })
    }
}

impl<T: for<'r> FromRow<'r>> Stream for RowStream<'_, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_row(cx)
    }
}
