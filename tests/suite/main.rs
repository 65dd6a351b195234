//! The integration tests of cornac, in one program.

mod cancel;
mod copy;
mod copy_drops;
mod copy_faults;
mod copy_names;
mod copy_options;
mod corpus;
mod credentials;
mod drops;
mod entry;
mod harness;
mod hosts;
mod libpq_certificates;
mod libpq_config;
mod libpq_login;
mod negotiation;
mod pipelines;
mod recorded;
mod secrets;
mod tls;
mod tls_faults;
mod tls_record;
mod values;
mod verbs;
mod wire;
mod wire_asides;
