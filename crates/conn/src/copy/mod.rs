//! COPY: data in bulk, into a table and out of one.
//!
//! - `copy_in` sends the data of a `COPY ... FROM STDIN` as bytes, `records` as rows that are encoded in place;
//! - `copy_out` gives the data of a `COPY ... TO STDOUT` as bytes, `rows` as decoded rows;
//! - `dialogue` is what they have in common: the requests, what the server answers, and the end of a COPY that nobody finishes;
//! - `table`, `options` and `statement` make the SQL.

mod copy_in;
mod copy_out;
mod dialogue;
mod error;
mod options;
mod progress;
mod records;
mod rows;
mod segment;
mod statement;
mod table;
mod table_name;
mod verbs;

pub use copy_in::CopyIn;
pub use copy_out::CopyOut;
pub use error::CopyError;
pub use options::{CopyFormat, CopyHeader, CopyLogVerbosity, CopyOnError, CopyOptions};
pub use progress::CopyProgress;
pub use records::CopyRecords;
pub use rows::CopyRows;
pub use table::{CopySource, Table};

/// How long a CopyData message grows before the next one begins, and how much may wait to be sent before it is, in bytes.
const CHUNK: usize = 64 << 10;
