//! Types of extensions. Their OIDs differ from database to database: they are known by their names.

mod cube;
mod half_float;
mod hstore;
mod ltree;
mod vector;

pub use cube::Cube;
pub use hstore::Hstore;
pub use ltree::{Lquery, Ltree, Ltxtquery};
pub use vector::{HalfVector, SparseVector, Vector};

use crate::Type;

/// Whether it is the type of an extension that has this name.
fn is_named(ty: &Type, name: &str) -> bool {
    ty.name() == Some(name)
}
