//! The text formats of COPY, row by row: values quoted on their way in, and unquoted on their way out.
//!
//! Values are bytes here: the texts of PostgreSQL's types, or anything else. What these write, a server reads as the same values, and
//! so do these themselves; what a server writes, they read.

mod csv;
mod text;

pub use csv::{CopyCsv, CsvRows};
pub use text::{CopyText, TextRows};

use std::borrow::Cow;

/// The values of a row; `None` is NULL.
pub type CopyRow<'d> = Vec<Option<Cow<'d, [u8]>>>;

/// Bytes that may have to be changed: borrowed as long as they were not.
#[derive(Debug)]
struct Gathered<'d> {
    /// What was passed over without a change, as a stretch of the data; only while `changed` is empty.
    plain: &'d [u8],
    changed: Option<Vec<u8>>,
}

impl<'d> Gathered<'d> {
    /// Nothing, at the front of `data`.
    fn at(data: &'d [u8]) -> Self {
        Self { plain: data.get(..0).unwrap_or_default(), changed: None }
    }

    /// Appends what stands at the front of `data` for `len` bytes. If it follows in the data on what was gathered, nothing is copied.
    fn append(&mut self, data: &'d [u8], len: usize) {
        let piece = data.get(..len).unwrap_or(data);
        if piece.is_empty() {
            return;
        }
        match &mut self.changed {
            Some(changed) => changed.extend_from_slice(piece),
            None if self.plain.is_empty() => self.plain = piece,
            None => self.changed = Some([self.plain, piece].concat()),
        }
    }

    /// Appends a byte that does not stand there as such.
    fn push(&mut self, byte: u8) {
        self.changed.get_or_insert_with(|| self.plain.to_vec()).push(byte);
    }

    fn finish(self) -> Cow<'d, [u8]> {
        match self.changed {
            Some(changed) => Cow::Owned(changed),
            None => Cow::Borrowed(self.plain),
        }
    }
}

/// A line without the carriage return that may stand before its line feed.
fn without_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
