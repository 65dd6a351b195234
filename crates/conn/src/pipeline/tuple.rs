//! Pipelines of a fixed shape: a tuple of requests in, a tuple of results out.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use cornac_types::{Decode, FromRow, Params};

use super::{Outcome, Pipeline, PipelineResults};
use crate::connection::Connection;
use crate::error::Result;
use crate::statement::IntoStatement;

/// One statement of a [`run_pipeline`](Connection::run_pipeline) or [`run_atomically`](Connection::run_atomically), and what is wanted of
/// it. Made by [`execute`], [`fetch_one`] and their kin.
pub struct Request<R, S, P> {
    sql: S,
    params: P,
    reading: PhantomData<fn() -> R>,
}

impl<R, S: fmt::Debug, P> fmt::Debug for Request<R, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// How a result is read.
pub trait Reading {
    /// What it becomes.
    type Output: Send;

    /// Reads the next result.
    fn read(results: &mut PipelineResults<'_>) -> impl Future<Output = Result<Outcome<Self::Output>>> + Send;
}

macro_rules! readings {
    ($($(#[$doc:meta])+ $verb:ident $reading:ident<$($t:ident: $bound:path)?> -> $output:ty;)+) => {$(
        #[doc = concat!("How [`", stringify!($verb), "`] reads its result.")]
        #[derive(Debug)]
        pub struct $reading<$($t)?>(PhantomData<fn() -> ($($t,)?)>);

        impl<$($t: for<'r> $bound + Send)?> Reading for $reading<$($t)?> {
            type Output = $output;

            async fn read(results: &mut PipelineResults<'_>) -> Result<Outcome<$output>> {
                results.$verb().await
            }
        }

        $(#[$doc])+
        pub fn $verb<$($t: for<'r> $bound + Send,)? S: IntoStatement, P: Params + Send>(
            sql: S,
            params: P,
        ) -> Request<$reading<$($t)?>, S, P> {
            Request { sql, params, reading: PhantomData }
        }
    )+};
}

readings! {
    /// Asks how many rows a statement affects.
    execute Execute<> -> u64;
    /// Asks for the one row that there must be.
    fetch_one FetchOne<T: FromRow<'r>> -> T;
    /// Asks for the row if there is one.
    fetch_optional FetchOptional<T: FromRow<'r>> -> Option<T>;
    /// Asks for all rows.
    fetch_all FetchAll<T: FromRow<'r>> -> Vec<T>;
    /// Asks for the first column of the one row that there must be.
    fetch_value FetchValue<T: Decode<'r>> -> T;
    /// Asks for the first column of all rows.
    fetch_values FetchValues<T: Decode<'r>> -> Vec<T>;
}

/// A tuple of [`Request`]s.
pub trait Requests<'p>: Readings {
    /// Adds them to a pipeline.
    fn push(self, pipeline: &mut Pipeline<'_, 'p>);
}

/// How the results of a tuple of [`Request`]s are read. It knows nothing of how long their parameters live: the compiler could not see then that a
/// future which reads them may be sent to another thread.
pub trait Readings {
    /// The outcome of each.
    type Outcomes: Send;
    /// The result of each.
    type Results: Send;

    /// Reads the outcome of each.
    fn outcomes(results: &mut PipelineResults<'_>) -> impl Future<Output = Result<Self::Outcomes>> + Send;

    /// The result of each: `None` when one of them was not run.
    ///
    /// # Errors
    ///
    /// That of the first statement that failed.
    fn results(outcomes: Self::Outcomes) -> Result<Option<Self::Results>>;
}

macro_rules! tuples {
    ($($($r:ident $s:ident $p:ident $index:tt)+;)+) => {$(
        impl<'p, $($r: Reading, $s: IntoStatement + 'p, $p: Params + Send + 'p),+> Requests<'p> for ($(Request<$r, $s, $p>,)+) {
            fn push(self, pipeline: &mut Pipeline<'_, 'p>) {
                $(pipeline.push_request(self.$index.sql, self.$index.params);)+
            }
        }

        impl<$($r: Reading, $s, $p),+> Readings for ($(Request<$r, $s, $p>,)+) {
            type Outcomes = ($(Outcome<$r::Output>,)+);
            type Results = ($($r::Output,)+);

            async fn outcomes(results: &mut PipelineResults<'_>) -> Result<Self::Outcomes> {
                Ok(($($r::read(results).await?,)+))
            }

            fn results(outcomes: Self::Outcomes) -> Result<Option<Self::Results>> {
                Ok(Some(($(
                    match outcomes.$index.ok()? {
                        Some(result) => result,
                        None => return Ok(None),
                    },
                )+)))
            }
        }
    )+};
}

tuples! {
    R0 S0 P0 0;
    R0 S0 P0 0 R1 S1 P1 1;
    R0 S0 P0 0 R1 S1 P1 1 R2 S2 P2 2;
    R0 S0 P0 0 R1 S1 P1 1 R2 S2 P2 2 R3 S3 P3 3;
    R0 S0 P0 0 R1 S1 P1 1 R2 S2 P2 2 R3 S3 P3 3 R4 S4 P4 4;
    R0 S0 P0 0 R1 S1 P1 1 R2 S2 P2 2 R3 S3 P3 3 R4 S4 P4 4 R5 S5 P5 5;
    R0 S0 P0 0 R1 S1 P1 1 R2 S2 P2 2 R3 S3 P3 3 R4 S4 P4 4 R5 S5 P5 5 R6 S6 P6 6;
    R0 S0 P0 0 R1 S1 P1 1 R2 S2 P2 2 R3 S3 P3 3 R4 S4 P4 4 R5 S5 P5 5 R6 S6 P6 6 R7 S7 P7 7;
}

impl Connection {
    /// Runs different statements in one flight, each on its own: one that fails leaves the others alone.
    ///
    /// ```no_run
    /// use cornac_conn::{Connection, pipeline};
    ///
    /// # async fn example(mut connection: Connection, id: i64) -> cornac_conn::Result<()> {
    /// let (name, orders, seen) = connection
    ///     .run_pipeline((
    ///         pipeline::fetch_value::<String, _, _>("SELECT name FROM customer WHERE id = $1", (id,)),
    ///         pipeline::fetch_all::<(i64, f64), _, _>("SELECT id, total FROM orders WHERE customer = $1", (id,)),
    ///         pipeline::execute("UPDATE customer SET seen = now() WHERE id = $1", (id,)),
    ///     ))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the connection is lost. What fails for one statement is its [`Outcome`].
    ///
    /// # Cancel safety
    ///
    /// As said at [`Pipeline::run`].
    pub async fn run_pipeline<'p, R: Requests<'p>>(&mut self, requests: R) -> Result<R::Outcomes> {
        let mut pipeline = self.pipeline();
        requests.push(&mut pipeline);
        let mut results = pipeline.run().await?;
        let outcomes = R::outcomes(&mut results).await?;
        results.finish().await?;
        Ok(outcomes)
    }

    /// Runs different statements in one flight and one transaction: all of them have their effect, or none has.
    ///
    /// # Errors
    ///
    /// The first error of a statement, or that of the commit; nothing stays then. A result that does not fit its type is an error
    /// too, but what the statement did is done, as with any other verb. When the connection is lost behind the last statement,
    /// nobody knows: [`Error::outcome_unknown`](crate::Error::outcome_unknown).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Pipeline::run`].
    pub async fn run_atomically<'p, R: Requests<'p>>(&mut self, requests: R) -> Result<R::Results> {
        let mut pipeline = self.atomic_pipeline();
        requests.push(&mut pipeline);
        let mut results = pipeline.run().await?;
        let outcomes = R::outcomes(&mut results).await?;
        let read = R::results(outcomes);
        results.finish().await?;
        read?.ok_or_else(|| crate::Error::usage(NOT_RUN, crate::Delivery::Answered))
    }
}

const NOT_RUN: &str = "a statement of the pipeline was not run";
