//! The integration tests of cornac, in one program.

mod corpus;
mod drops;
mod entry;
mod harness;
mod recorded;
mod tls;
mod values;
mod verbs;
mod wire;
mod wire_asides;
