//! A pool of anything that can be opened, checked and closed.
//!
//! A checkout that finds something idle takes no lock, makes no system call and allocates nothing. Whoever waits is served in the order of coming, and can be cancelled at any moment without
//! anybody else losing a turn. What has to be cleaned, aged out or opened is a [keeper](Pool)'s work, off the callers' path.
//!
//! ```
//! use std::time::Duration;
//! use cornac_pool::{Condition, Manager, Pool};
//!
//! /// Opens files, in place of connections.
//! struct Scratch;
//!
//! impl Manager for Scratch {
//!     type Connection = Vec<u8>;
//!     type Error = std::io::Error;
//!
//!     async fn open(&self) -> Result<Vec<u8>, std::io::Error> {
//!         Ok(Vec::with_capacity(4096))
//!     }
//!
//!     async fn check(&self, _: &mut Vec<u8>) -> Result<(), std::io::Error> {
//!         Ok(())
//!     }
//!
//!     fn condition(&self, buffer: &mut Vec<u8>) -> Condition {
//!         if buffer.is_empty() { Condition::Clean } else { Condition::Dirty }
//!     }
//!
//!     async fn recycle(&self, buffer: &mut Vec<u8>) -> Result<(), std::io::Error> {
//!         buffer.clear();
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::<Scratch>::builder().min_size(1).max_size(4).build(Scratch)?;
//! let mut buffer = pool.checkout().await?;
//! buffer.extend_from_slice(b"tusk");
//! assert_eq!(pool.holders().len(), 1);
//! drop(buffer);
//!
//! let clean = pool.checkout().await?;
//! assert!(clean.is_empty());
//! drop(clean);
//! pool.close(Duration::from_secs(1)).await?;
//! let stats = pool.stats();
//! assert_eq!(stats.opened, stats.closed.total());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "the models use the exchange alone"))]

mod exchange;
mod sync;

#[cfg(not(loom))]
mod checkout;
#[cfg(not(loom))]
mod chores;
#[cfg(not(loom))]
mod entry;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod home;
#[cfg(not(loom))]
mod keeper;
#[cfg(not(loom))]
mod manager;
#[cfg(not(loom))]
mod options;
#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod pooled;
#[cfg(not(loom))]
mod random;
#[cfg(not(loom))]
mod roster;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod stats;
#[cfg(not(loom))]
mod within;

#[cfg(not(loom))]
pub use self::{
    error::{Cause, CheckoutError, Failure, Holder, OutOfRange, Step, StillInUse, TimedOut},
    manager::{Condition, Manager},
    options::Builder,
    pool::Pool,
    pooled::Pooled,
    stats::{CloseReason, Closed, Stats, WAIT_BOUNDS, Waits},
};
