//! The integration tests of cornac, in one program.

mod cancel;
mod corpus;
mod credentials;
mod drops;
mod entry;
mod harness;
mod hosts;
mod negotiation;
mod recorded;
mod tls;
mod tls_faults;
mod values;
mod verbs;
mod wire;
mod wire_asides;
