//! Pipelines of a fixed shape: a tuple of requests in, a tuple of results out.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use cornac_types::{Decode, FromRow, Params};

use super::{Outcome, Pipeline, PipelineResults};
use crate::error::Result;
use crate::statement::IntoStatement;

/// One statement of a [`run_pipeline`](crate::Client::run_pipeline) or [`run_atomically`](crate::Client::run_atomically), and what is wanted of
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
