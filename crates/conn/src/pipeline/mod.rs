//! Many statements in one flight: different ones with results of their own, or one with many sets of parameters.

mod batch;
mod outcome;
mod queue;
mod results;
mod tuple;

pub use batch::Batch;
pub use outcome::Outcome;
pub use queue::Pipeline;
pub use results::PipelineResults;
pub use tuple::{
    Execute, FetchAll, FetchOne, FetchOptional, FetchValue, FetchValues, Reading, Readings, Request,
    Requests, execute, fetch_all, fetch_one, fetch_optional, fetch_value, fetch_values,
};

/// How many bytes of requests are written ahead of what the socket takes. More come when half of them have gone.
const AHEAD: usize = 64 << 10;

const COPY_MISPLACED: &str =
    "COPY has verbs of its own: a batch or a pipeline has neither room nor source for its data";
