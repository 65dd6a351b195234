//! The geometric types: numbers in a plane.
//!
//! All are compared number by number, unlike the server, which compares some of them by their areas, and takes numbers that are nearly
//! the same for the same.

mod many;
mod point;
mod two;

pub use many::{Path, Polygon};
pub use point::{Circle, Line, Point};
pub use two::{Lseg, PgBox};
