//! What cornac is measured with.
//!
//! - [`work`]: the statements and rows that every measurement has in common;
//! - [`recorded`]: a server that answers recorded bytes as fast as memory gives them, so that only the client is measured;
//! - [`floor`]: a program that is no driver, and shows what the machine and the server allow;
//! - [`cost`]: the work that `cargo xtask cost` counts.
//!
//! What the figures mean is said in `docs/measuring.md`.

pub mod cost;
pub mod floor;
pub mod pool_work;
pub mod recorded;
pub mod work;
