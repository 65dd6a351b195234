//! What the fuzz targets run, so that what they once found is run again by every `cargo test`.
//!
//! Each takes arbitrary bytes, and panics when an invariant does not hold.

mod backend_decode;
mod frontend_roundtrip;
mod scram_client;
mod seeds;
mod session;
mod types_decode;

pub use backend_decode::backend_decode;
pub use frontend_roundtrip::frontend_roundtrip;
pub use scram_client::scram_client;
pub use seeds::{Seed, seeds};
pub use session::session;
pub use types_decode::types_decode;

/// What a target runs.
pub type Target = fn(&[u8]);

/// Every target with its name.
pub const TARGETS: [(&str, Target); 5] = [
    ("backend_decode", backend_decode),
    ("frontend_roundtrip", frontend_roundtrip),
    ("scram_client", scram_client),
    ("session", session),
    ("types_decode", types_decode),
];
