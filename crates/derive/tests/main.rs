//! What derived code does, and what the derives refuse.

mod errors;
mod from_row;
mod params;
mod row;
mod values;
