//! What the tests of cornac run on: real servers, and peers that misbehave on demand.
//!
//! - [`Cluster`]: a throw-away PostgreSQL, and [`shared`], the one that the tests of a run share;
//! - [`Proxy`]: stands in front of a server, records both directions, and cuts, stalls or fragments them;
//! - [`model_server`]: a server without sockets that keeps the rules, and decides the rest as it is told;
//! - [`fuzz`]: what the fuzz targets run;
//! - [`samples`]: every type, with values;
//! - [`memory`]: what a process holds; the programs in `bin` are clients in processes of their own, to be measured;
//! - [`scripted`]: a server that says what the test tells it to say;
//! - [`OneByte`]: a stream that takes and gives one byte a call, pending in between;
//! - [`Flights`]: what a client sent, round trip by round trip;
//! - [`PgBouncer`]: a pooler in between;
//! - [`narrow_server`] and [`connect_smallest`]: both ends of a connection with the smallest buffers that sockets have;
//! - [`Deadline`](deadline): no test waits for ever.

mod binaries;
mod cluster;
mod deadline;
mod flights;
pub mod fuzz;
pub mod impostor;
pub mod kerberos;
pub mod log;
pub mod memory;
pub mod messages;
pub mod model_server;
pub mod oauth;
mod one_byte;
mod pgbouncer;
pub mod pki;
mod provision;
mod proxy;
mod recording;
pub mod samples;
pub mod scripted;
mod server;
mod smallest;
mod supervisor;
mod template;

pub use binaries::ServerBinaries;
pub use cluster::{Cluster, ClusterOptions, PASSWORD, SUPERUSER, StopMode, percent_encoded};
pub use deadline::{deadline, deadline_of, still_usable, wait_until_asleep};
pub use flights::{Flights, connect_watched, for_each_message};
pub use one_byte::{OneByte, Points};
pub use pgbouncer::{PgBouncer, PgBouncerOptions};
pub use provision::{libpq, pgvector, provision, provision_with_gssapi, server_headers};
pub use proxy::{Action, Direction, Fault, Place, Proxy, Recording};
pub use recording::record_session;
pub use server::{Server, TestDatabase, newest, shared};
pub use smallest::{connect_smallest, narrow_server, smallest_socket};

use std::path::PathBuf;

/// The directory that cargo builds into, where provisioned servers and templates are kept too.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => workspace_root().join("target"),
    }
}

/// The root of the checkout.
pub fn workspace_root() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map_or(tests.clone(), PathBuf::from)
}
