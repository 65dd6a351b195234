//! COPY's CSV format: values behind commas, in quotes where they must be.

use memchr::memchr;

use super::{CopyRow, Gathered};
use crate::{EncodeError, ValueError};

/// The CSV format of COPY, with the delimiter, the quotes and the NULL marker that the statement has.
///
/// ```
/// use cornac_types::copy::CopyCsv;
///
/// let format = CopyCsv::new();
/// let mut data = Vec::new();
/// format.write_row([Some(&b"5\" pipe"[..]), None, Some(b"")], &mut data);
/// assert_eq!(data, b"\"5\"\" pipe\",,\"\"\n");
/// let row = format.rows(&data).next().unwrap()?;
/// assert_eq!(row, [Some(b"5\" pipe"[..].into()), None, Some(b""[..].into())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyCsv {
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Box<[u8]>,
}

impl Default for CopyCsv {
    fn default() -> Self {
        Self::new()
    }
}

impl CopyCsv {
    /// The format as it is when no option is set: commas between values, double quotes around them, nothing at all for NULL.
    pub fn new() -> Self {
        Self { delimiter: b',', quote: b'"', escape: b'"', null: Box::default() }
    }

    /// Other marks.
    ///
    /// # Errors
    ///
    /// When a server takes no such marks: delimiter and quote are the same, or one is a line end or no ASCII.
    pub fn with_marks(self, delimiter: u8, quote: u8, escape: u8) -> Result<Self, EncodeError> {
        let marks = [delimiter, quote, escape];
        if delimiter == quote || marks.iter().any(|mark| !mark.is_ascii() || b"\0\r\n".contains(mark)) {
            return Err(EncodeError::out_of_range(format!(
                "{} cannot be delimiter, quote and escape of a CSV COPY",
                marks.escape_ascii()
            )));
        }
        Ok(Self { delimiter, quote, escape, ..self })
    }

    /// Another NULL marker.
    ///
    /// # Errors
    ///
    /// When a server takes no such marker: it has the delimiter, the quote or a line end in it.
    pub fn with_null(self, null: &str) -> Result<Self, EncodeError> {
        let forbidden = [self.delimiter, self.quote, b'\r', b'\n'];
        if null.bytes().any(|byte| forbidden.contains(&byte)) {
            let what = format!("{null:?} cannot be the NULL marker of this COPY");
            return Err(EncodeError::out_of_range(what));
        }
        Ok(Self { null: null.as_bytes().into(), ..self })
    }

    /// Appends a row with its line feed. `None` is NULL; a value that looks like the NULL marker is quoted, and stays a value.
    pub fn write_row<'v>(&self, values: impl IntoIterator<Item = Option<&'v [u8]>>, out: &mut Vec<u8>) {
        let start = out.len();
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            match value {
                None => out.extend_from_slice(&self.null),
                Some(value) if self.needs_quotes(value) => self.write_quoted(value, out),
                Some(value) => out.extend_from_slice(value),
            }
        }
        // Alone on its line, this would be the end of the data for servers before PostgreSQL 18.
        if out.get(start..) == Some(b"\\.") {
            out.truncate(start);
            self.write_quoted(b"\\.", out);
        }
        out.push(b'\n');
    }

    /// The rows of `data`, whose last line may lack its line feed.
    pub fn rows<'d>(&self, data: &'d [u8]) -> CsvRows<'_, 'd> {
        CsvRows { format: self, rest: data }
    }

    /// Splits the first row off, with its line feed, if it is there as a whole: for data that comes in pieces.
    pub fn split_row<'d>(&self, data: &'d [u8]) -> Option<(&'d [u8], &'d [u8])> {
        let mut rest = data;
        let mut quoted = false;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'\n' if !quoted => {
                    return data.split_at_checked(data.len().saturating_sub(behind.len()));
                }
                // An escaped quote ends nothing.
                byte if quoted && byte == self.escape && self.escape != self.quote => {
                    let escapes = behind.first().filter(|next| [self.quote, self.escape].contains(next));
                    rest = behind.get(usize::from(escapes.is_some())..).unwrap_or_default();
                }
                // A quote that is doubled ends the quotes and begins them again.
                byte if byte == self.quote => quoted = !quoted,
                _ => {}
            }
        }
        None
    }

    fn needs_quotes(&self, value: &[u8]) -> bool {
        *value == *self.null
            || value.iter().any(|byte| [self.delimiter, self.quote, b'\r', b'\n'].contains(byte))
    }

    fn write_quoted(&self, value: &[u8], out: &mut Vec<u8>) {
        out.push(self.quote);
        for &byte in value {
            if byte == self.quote || byte == self.escape {
                out.push(self.escape);
            }
            out.push(byte);
        }
        out.push(self.quote);
    }

    /// The values of a line.
    fn read_row<'d>(&self, line: &'d [u8]) -> Result<CopyRow<'d>, ValueError> {
        let mut row = Vec::new();
        let mut rest = line;
        loop {
            let mut value = Gathered::at(rest);
            let mut saw_quote = false;
            let behind = loop {
                let marks = |byte: &u8| *byte == self.delimiter || *byte == self.quote;
                let Some(mark) = rest.iter().position(marks) else {
                    check_plain(rest)?;
                    value.append(rest, rest.len());
                    break None;
                };
                check_plain(rest.get(..mark).unwrap_or_default())?;
                value.append(rest, mark);
                let behind = rest.get(mark.saturating_add(1)..).unwrap_or_default();
                if rest.get(mark) == Some(&self.delimiter) {
                    break Some(behind);
                }
                saw_quote = true;
                rest = self.read_quoted(behind, &mut value)?;
            };
            let value = value.finish();
            row.push(if !saw_quote && *value == *self.null { None } else { Some(value) });
            match behind {
                Some(behind) => rest = behind,
                None => return Ok(row),
            }
        }
    }

    /// Reads up to the end of the quotes that began in front of `rest`; gives what follows.
    fn read_quoted<'d>(&self, rest: &'d [u8], value: &mut Gathered<'d>) -> Result<&'d [u8], ValueError> {
        let mut rest = rest;
        loop {
            let marks = |byte: &u8| *byte == self.quote || *byte == self.escape;
            let Some(mark) = rest.iter().position(marks) else {
                return Err(ValueError::malformed("a value in quotes has no end"));
            };
            value.append(rest, mark);
            let behind = rest.get(mark.saturating_add(1)..).unwrap_or_default();
            match (rest.get(mark), behind.split_first()) {
                (Some(&byte), Some((&next, after)))
                    if byte == self.escape && (next == self.quote || next == self.escape) =>
                {
                    value.push(next);
                    rest = after;
                }
                (Some(&byte), _) if byte == self.quote => return Ok(behind),
                _ => {
                    value.push(self.escape);
                    rest = behind;
                }
            }
        }
    }
}

/// The rows of some data in CSV.
#[derive(Clone, Debug)]
pub struct CsvRows<'f, 'd> {
    format: &'f CopyCsv,
    rest: &'d [u8],
}

impl<'d> CsvRows<'_, 'd> {
    /// What was not read yet.
    pub fn rest(&self) -> &'d [u8] {
        self.rest
    }
}

impl<'d> Iterator for CsvRows<'_, 'd> {
    type Item = Result<CopyRow<'d>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.format.split_row(self.rest).unwrap_or((self.rest, &[]));
        self.rest = rest;
        let line = super::without_carriage_return(line.strip_suffix(b"\n").unwrap_or(line));
        Some(self.format.read_row(line))
    }
}

/// A carriage return in a value stands in quotes. A server takes others for a line end, and refuses them.
fn check_plain(plain: &[u8]) -> Result<(), ValueError> {
    match memchr(b'\r', plain) {
        None => Ok(()),
        Some(_) => Err(ValueError::malformed("a carriage return stands outside of quotes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: &CopyCsv, data: &[u8]) -> Result<Vec<Vec<Option<Vec<u8>>>>, ValueError> {
        let own =
            |row: CopyRow<'_>| row.into_iter().map(|value| value.map(std::borrow::Cow::into_owned)).collect();
        format.rows(data).map(|row| row.map(own)).collect()
    }

    fn there_and_back(format: &CopyCsv, row: &[Option<Vec<u8>>]) {
        let mut data = Vec::new();
        format.write_row(row.iter().map(Option::as_deref), &mut data);
        assert_eq!(read(format, &data), Ok(vec![row.to_vec()]), "{}", data.escape_ascii());
        assert_eq!(format.split_row(&data), Some((&data[..], &b""[..])), "{}", data.escape_ascii());
    }

    fn formats() -> [CopyCsv; 4] {
        let marked = CopyCsv::new().with_marks(b';', b'\'', b'\\').unwrap();
        [
            CopyCsv::new(),
            CopyCsv::new().with_null("NULL").unwrap(),
            marked.clone().with_null("\\N").unwrap(),
            marked,
        ]
    }

    #[test]
    fn every_byte_comes_back() {
        for format in formats() {
            for byte in 0..=255 {
                there_and_back(&format, &[Some(vec![byte]), None, Some(vec![b'a', byte, b'z'])]);
            }
            for value in
                ["", "\\N", "NULL", "\\.", "\n", "\r\n", "\\", "\\'", "'\\", "\"", "\"\"", "a,b", " a "]
            {
                there_and_back(&format, &[Some(value.into())]);
                there_and_back(&format, &[Some(value.into()), Some(value.into())]);
            }
        }
    }

    #[test]
    fn what_a_server_takes_is_read_as_a_server_reads_it() {
        let format = CopyCsv::new();
        let some = |value: &str| Some(value.as_bytes().to_vec());
        for (data, row) in [
            ("a,\"b\nc\",\n", vec![some("a"), some("b\nc"), None]),
            ("a\"b,c\"d,e\r\n", vec![some("ab,cd"), some("e")]),
            ("\"\",", vec![some(""), None]),
            ("\\.\n", vec![some("\\.")]),
        ] {
            assert_eq!(read(&format, data.as_bytes()), Ok(vec![row]), "{data:?}");
        }
        for malformed in ["\"a\n", "a\rb\n", "a,\"b\"\""] {
            assert!(read(&format, malformed.as_bytes()).is_err(), "{malformed:?}");
        }
        assert!(CopyCsv::new().with_marks(b'"', b'"', b'"').is_err());
        assert!(CopyCsv::new().with_null("a,b").is_err());
        assert_eq!(format.split_row(b"a,\"b\n"), None);
    }

    proptest! {
        #[test]
        fn rows_come_back(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of(any::<Vec<u8>>()), 1..5), 0..5),
            format in 0_usize..4,
        ) {
            let format = &formats()[format];
            let mut data = Vec::new();
            for row in &rows {
                format.write_row(row.iter().map(Option::as_deref), &mut data);
            }
            prop_assert_eq!(read(format, &data).unwrap(), rows);
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(data in any::<Vec<u8>>(), format in 0_usize..4) {
            let _ = read(&formats()[format], &data);
        }
    }
}
