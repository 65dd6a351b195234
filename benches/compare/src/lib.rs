//! The same work on cornac and on the drivers that would be picked instead, interleaved in one run against one server.
//!
//! The program `compare` is the harness. It starts a program of its own for each driver, workload and round, so that processor time and memory are that
//! driver's own: `with_cornac`, `with_sqlx`, ... What the workloads are is said in `docs/measuring.md`.

pub mod driver;
mod foreign;
pub mod harness;
pub mod measured;
pub mod meter;
mod picture;
pub mod program;
mod report;
pub mod samples;
pub mod target;
pub mod workload;
