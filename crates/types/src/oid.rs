//! Object identifiers.

use std::fmt;

/// The number by which PostgreSQL knows a type, a table, a function, ...
///
/// See [Object Identifier Types](https://www.postgresql.org/docs/current/datatype-oid.html).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub u32);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
