//! Parameters with names.

use crate::Params;

/// A struct whose fields are the parameters of a statement, or the record of a COPY: what `#[derive(Params)]` makes of a struct with named
/// fields.
pub trait Record: Params {
    /// The columns of the fields, in the order in which they are written.
    const COLUMNS: &'static [&'static str];
}
