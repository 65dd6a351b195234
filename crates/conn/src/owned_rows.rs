//! Rows together with the connection that they come from, for connections that go back to somewhere when the rows are over.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cornac_types::{Columns, FromRow, Params, RowPlan, RowRef};
use futures_core::Stream;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::execution::{Rows, Suspended};
use crate::given::Given;
use crate::prepared::Prepared;
use crate::statement::IntoStatement;

/// As [`Rows`], with a connection of their own: a [`Connection`], or one that belongs to a pool.
#[derive(Debug)]
pub struct OwnedRows<C: DerefMut<Target = Connection>> {
    connection: C,
    /// None only within a call.
    suspended: Option<Suspended>,
    statement: Prepared,
}

impl<C: DerefMut<Target = Connection>> OwnedRows<C> {
    /// Runs a statement up to the front of its result.
    ///
    /// # Errors
    ///
    /// As every verb of [`Client`](crate::Client).
    ///
    /// # Cancel safety
    ///
    /// As every verb of [`Client`](crate::Client).
    pub async fn begin<P: Params>(mut connection: C, sql: impl IntoStatement, params: P) -> Result<Self> {
        let params = Given::new(&sql, params)?;
        let suspended = Rows::begin(&mut connection, sql.statement(), params).await?.suspend();
        let statement = suspended.statement().clone();
        Ok(Self { connection, suspended: Some(suspended), statement })
    }

    /// The columns of the result.
    pub fn columns(&self) -> &Columns {
        self.statement.columns()
    }

    /// How many rows the statement affected or returned, as its command tag says; 0 before its end.
    pub fn rows_affected(&self) -> u64 {
        self.suspended.as_ref().map_or(0, Suspended::rows_affected)
    }

    /// The next row, lent until the next call; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// The server's, when the statement fails at some row; the connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// No row is lost when the future is dropped: the next call gives it.
    pub async fn next(&mut self) -> Result<Option<RowRef<'_>>> {
        if poll_fn(|cx| self.poll_advance(cx)).await? { Ok(Some(self.row())) } else { Ok(None) }
    }

    /// Decodes the rows as a stream.
    ///
    /// # Errors
    ///
    /// When the columns do not fit `T`.
    ///
    /// # Cancel safety
    ///
    /// As [`next`](Self::next).
    pub async fn into_stream<T: for<'r> FromRow<'r>>(mut self) -> Result<OwnedRowStream<C, T>> {
        match T::plan(self.columns()) {
            Ok(plan) => Ok(OwnedRowStream { rows: self, plan, ended: false, decoded: PhantomData }),
            Err(error) => match self.suspended.take() {
                Some(suspended) => {
                    Err(Rows::resume_on(&mut self.connection, suspended).fail(error.into()).await)
                }
                None => Err(error.into()),
            },
        }
    }

    /// Takes the next row; false when there is none left.
    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        let Some(suspended) = self.suspended.take() else { return Poll::Ready(Ok(false)) };
        let mut rows = Rows::resume_on(&mut self.connection, suspended);
        let advanced = if rows.advance() { Poll::Ready(Ok(true)) } else { rows.poll_advance(cx) };
        self.suspended = Some(rows.suspend());
        advanced
    }

    /// The row that was taken last.
    fn row(&self) -> RowRef<'_> {
        RowRef::new(self.statement.columns(), self.connection.session.row().values_bytes())
    }
}

impl<C: DerefMut<Target = Connection>> Drop for OwnedRows<C> {
    /// Gives the rows up that were not read, before the connection goes on.
    fn drop(&mut self) {
        if let Some(suspended) = self.suspended.take() {
            drop(Rows::resume_on(&mut self.connection, suspended));
        }
    }
}

/// As [`RowStream`](crate::RowStream), with a connection of its own.
#[must_use = "a stream does nothing unless it is polled"]
#[derive(Debug)]
pub struct OwnedRowStream<C: DerefMut<Target = Connection>, T> {
    rows: OwnedRows<C>,
    plan: RowPlan,
    ended: bool,
    decoded: PhantomData<fn() -> T>,
}

impl<C: DerefMut<Target = Connection>, T: for<'r> FromRow<'r>> OwnedRowStream<C, T> {
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
        poll_fn(|cx| self.poll_row(cx)).await.transpose()
    }

    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let decoded = match ready!(self.rows.poll_advance(cx)) {
            Ok(true) => T::from_row(self.rows.row(), &self.plan).map(Some).map_err(Error::from),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        self.ended = !matches!(decoded, Ok(Some(_)));
        Poll::Ready(match decoded {
            Err(error) => Some(Err(error.with_statement_unless_known(self.rows.statement.sql()))),
            decoded => decoded.transpose(),
        })
    }
}

impl<C, T> Stream for OwnedRowStream<C, T>
where
    C: DerefMut<Target = Connection> + Unpin,
    T: for<'r> FromRow<'r>,
{
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_row(cx)
    }
}
