//! The integration tests of cornac, in one program.

mod drops;
mod entry;
mod harness;
mod messages;
mod recorded;
mod values;
mod verbs;
mod wire;
mod wire_asides;
