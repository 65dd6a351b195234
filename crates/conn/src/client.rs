//! The verbs, written once.

use std::future::Future;

use cornac_types::{Decode, FromRow, Params};

use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::execution::Rows;
use crate::given::Given;
use crate::row_stream::RowStream;
use crate::shape::{First, Whole};
use crate::statement::IntoStatement;

/// What can be asked of anything that has a connection.
///
/// Every verb takes a statement (SQL with placeholders `$1`, `$2`, ..., or a [`Prepared`](crate::Prepared)) and its
/// parameters: a tuple such as `(7_i32, "tusk")`, `()` for none, or a slice `&[&(dyn Encode + Sync)]`. A statement made by `sql!` has its
/// parameters inside, and takes `()`. Rows are decoded into tuples, or into structs with `#[derive(FromRow)]`.
///
/// # Errors
///
/// All verbs fail with the server's error when it refuses the statement, with a typed error when a parameter, the
/// columns or a value do not fit, with [`ErrorKind::Usage`] when there are parameters both inside of the statement and beside it,
/// and when the connection is lost; [`Error`] says how far the statement got.
///
/// # Cancel safety
///
/// As said at [`Connection`]: a future that is dropped before its statement was sent has no effect; one that is dropped
/// later leaves the connection ready for its next use.
pub trait Client: Send {
    /// The connection that the verbs use.
    fn connection(&mut self) -> &mut Connection;

    /// Runs a statement, throws its rows away, and says how many rows it affected (or returned, for a SELECT).
    fn execute<P: Params + Send>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<u64>> + Send {
        async move { self.connection().execute_to_end(sql.statement(), Given::new(&sql, params)?).await }
    }

    /// The rows one by one, each lent until the next one is asked for.
    fn rows<P: Params + Send>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Rows<'_>>> + Send {
        async move { Rows::begin(self.connection(), sql.statement(), Given::new(&sql, params)?).await }
    }

    /// The one row that there must be. None is [`ErrorKind::NoRows`], a second one [`ErrorKind::TooManyRows`].
    fn fetch_one<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
            let row = self.connection().fetch_at_most_one::<Whole<T>, _>(statement, params).await?;
            row.ok_or_else(|| no_rows(statement.sql()))
        }
    }

    /// The row if there is one. A second one is [`ErrorKind::TooManyRows`].
    fn fetch_optional<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Option<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            self.connection().fetch_at_most_one::<Whole<T>, _>(sql.statement(), params).await
        }
    }

    /// All rows.
    fn fetch_all<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            Rows::begin(self.connection(), sql.statement(), params).await?.collect::<Whole<T>>().await
        }
    }

    /// The first column of the one row that there must be. NULL fits only into an `Option`.
    fn fetch_value<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        async move {
            let (statement, params) = (sql.statement(), Given::new(&sql, params)?);
            let value = self.connection().fetch_at_most_one::<First<T>, _>(statement, params).await?;
            value.ok_or_else(|| no_rows(statement.sql()))
        }
    }

    /// The first column of all rows.
    fn fetch_values<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> Decode<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            Rows::begin(self.connection(), sql.statement(), params).await?.collect::<First<T>>().await
        }
    }

    /// The rows as a stream, decoded as they come and no faster than they are taken. With a
    /// [`fetch_size`](crate::Statement::fetch_size) the server makes no more of them than that ahead.
    fn stream_query<T, P>(
        &mut self,
        sql: impl IntoStatement,
        params: P,
    ) -> impl Future<Output = Result<RowStream<'_, T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
        P: Params + Send,
    {
        async move {
            let params = Given::new(&sql, params)?;
            let rows = Rows::begin(self.connection(), sql.statement(), params).await?;
            RowStream::begin(rows).await
        }
    }

    /// Runs a statement once for each set of parameters, in one flight and one transaction: all of them have their effect, or none has. Says how
    /// many rows they affected together. [`Connection::batch`] takes sets one by one, and from streams. A statement that has parameters
    /// inside is refused.
    fn execute_many<I>(
        &mut self,
        sql: impl IntoStatement,
        sets: I,
    ) -> impl Future<Output = Result<u64>> + Send
    where
        I: IntoIterator + Send,
        I::IntoIter: Send,
        I::Item: Params + Send,
    {
        async move {
            let mut batch = self.connection().batch(sql).await?;
            batch.send_all(sets).await?;
            batch.finish().await
        }
    }
}

impl Client for Connection {
    fn connection(&mut self) -> &mut Connection {
        self
    }
}

fn no_rows(sql: &str) -> Error {
    Error::new(ErrorKind::NoRows, crate::Delivery::Answered).with_statement(sql)
}
