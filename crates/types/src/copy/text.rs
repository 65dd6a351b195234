//! COPY's text format: values behind delimiters, backslashes before what would be taken for something else.

use memchr::{memchr, memchr2};

use super::{CopyRow, Gathered};
use crate::{EncodeError, ValueError};

/// The text format of COPY, with the delimiter and the NULL marker that the statement has.
///
/// ```
/// use cornac_types::copy::CopyText;
///
/// let format = CopyText::new();
/// let mut data = Vec::new();
/// format.write_row([Some(&b"a\tb"[..]), None, Some(b"\\N")], &mut data)?;
/// assert_eq!(data, b"a\\tb\t\\N\t\\\\N\n");
/// let row = format.rows(&data).next().unwrap()?;
/// assert_eq!(row, [Some(b"a\tb"[..].into()), None, Some(b"\\N"[..].into())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyText {
    delimiter: u8,
    null: Box<[u8]>,
}

impl Default for CopyText {
    fn default() -> Self {
        Self::new()
    }
}

impl CopyText {
    /// The format as it is when no option is set: tabs between values, `\N` for NULL.
    pub fn new() -> Self {
        Self { delimiter: b'\t', null: b"\\N"[..].into() }
    }

    /// Another delimiter.
    ///
    /// # Errors
    ///
    /// When a server takes no such delimiter: a letter in lower case, a digit, a period, a backslash, a line end, or no ASCII.
    pub fn with_delimiter(self, delimiter: u8) -> Result<Self, EncodeError> {
        let taken = !delimiter.is_ascii_lowercase() && !delimiter.is_ascii_digit();
        if taken && delimiter.is_ascii() && !b"\0\\.\r\n".contains(&delimiter) {
            return Ok(Self { delimiter, ..self });
        }
        Err(EncodeError::out_of_range(format!(
            "{:?} cannot be the delimiter of a text COPY",
            char::from(delimiter)
        )))
    }

    /// Another NULL marker.
    ///
    /// # Errors
    ///
    /// When a server takes no such marker: it has the delimiter or a line end in it.
    pub fn with_null(self, null: &str) -> Result<Self, EncodeError> {
        let forbidden = [self.delimiter, b'\r', b'\n'];
        if null.bytes().any(|byte| forbidden.contains(&byte)) {
            let what = format!("{null:?} cannot be the NULL marker of this COPY");
            return Err(EncodeError::out_of_range(what));
        }
        Ok(Self { null: null.as_bytes().into(), ..self })
    }

    /// Appends a row with its line feed. `None` is NULL; a value that looks like the NULL marker stays a value.
    ///
    /// # Errors
    ///
    /// When an empty value cannot be told from NULL, since the NULL marker is empty. Nothing was appended then.
    pub fn write_row<'v>(
        &self,
        values: impl IntoIterator<Item = Option<&'v [u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            match value {
                None => out.extend_from_slice(&self.null),
                Some(value) => self.write_value(value, out).inspect_err(|_| out.truncate(start))?,
            }
        }
        out.push(b'\n');
        Ok(())
    }

    /// The rows of `data`, whose last line may lack its line feed. They end before a line that is `\.`.
    pub fn rows<'d>(&self, data: &'d [u8]) -> TextRows<'_, 'd> {
        TextRows { format: self, rest: data }
    }

    /// Splits the first row off, with its line feed, if it is there as a whole: for data that comes in pieces.
    pub fn split_row<'d>(&self, data: &'d [u8]) -> Option<(&'d [u8], &'d [u8])> {
        let mut at = 0_usize;
        loop {
            let found = memchr2(b'\n', b'\\', data.get(at..)?)?;
            let mark = at.saturating_add(found);
            if data.get(mark) == Some(&b'\n') {
                return data.split_at_checked(mark.saturating_add(1));
            }
            // Whatever stands behind a backslash ends no line.
            at = mark.saturating_add(2);
        }
    }

    fn write_value(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        for &byte in value {
            match escaped(byte) {
                Some(letter) => out.extend_from_slice(&[b'\\', letter]),
                None if byte == self.delimiter => out.extend_from_slice(&[b'\\', byte]),
                None => out.push(byte),
            }
        }
        if out.get(start..) == Some(&*self.null) {
            let Some((&first, behind)) = value.split_first() else {
                return Err(EncodeError::out_of_range(
                    "an empty value cannot be told from NULL in this COPY",
                ));
            };
            // The marker is looked for before backslashes are: another spelling of the first byte is no marker.
            let is_octal = self.null.get(1).is_some_and(u8::is_ascii_digit);
            out.truncate(start);
            let spelled = if is_octal { format!("\\x{first:02x}") } else { format!("\\{first:03o}") };
            out.extend_from_slice(spelled.as_bytes());
            let no_marker = Self { delimiter: self.delimiter, null: b"\n"[..].into() };
            return no_marker.write_value(behind, out);
        }
        Ok(())
    }

    /// The values of a line.
    fn read_row<'d>(&self, line: &'d [u8]) -> Result<CopyRow<'d>, ValueError> {
        let mut row = Vec::new();
        let mut rest = line;
        loop {
            let (raw, behind) = self.split_value(rest);
            row.push(if *raw == *self.null { None } else { Some(unescaped(raw)?.finish()) });
            match behind {
                Some(behind) => rest = behind,
                None => return Ok(row),
            }
        }
    }

    /// The first value as it stands there, and what follows the delimiter behind it.
    fn split_value<'d>(&self, line: &'d [u8]) -> (&'d [u8], Option<&'d [u8]>) {
        let mut at = 0_usize;
        while let Some(found) = line.get(at..).and_then(|rest| memchr2(self.delimiter, b'\\', rest)) {
            let mark = at.saturating_add(found);
            if line.get(mark) == Some(&self.delimiter) {
                let value = line.get(..mark).unwrap_or_default();
                return (value, line.get(mark.saturating_add(1)..));
            }
            at = mark.saturating_add(2);
        }
        (line, None)
    }
}

/// The rows of some data in text format.
#[derive(Clone, Debug)]
pub struct TextRows<'f, 'd> {
    format: &'f CopyText,
    rest: &'d [u8],
}

impl<'d> TextRows<'_, 'd> {
    /// What was not read yet.
    pub fn rest(&self) -> &'d [u8] {
        self.rest
    }
}

impl<'d> Iterator for TextRows<'_, 'd> {
    type Item = Result<CopyRow<'d>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.format.split_row(self.rest).unwrap_or((self.rest, &[]));
        self.rest = rest;
        let line = super::without_carriage_return(line.strip_suffix(b"\n").unwrap_or(line));
        if line == b"\\." {
            self.rest = &[];
            return None;
        }
        Some(self.format.read_row(line))
    }
}

/// The letter behind the backslash that this byte is written as.
fn escaped(byte: u8) -> Option<u8> {
    Some(match byte {
        b'\\' => b'\\',
        8 => b'b',
        9 => b't',
        10 => b'n',
        11 => b'v',
        12 => b'f',
        13 => b'r',
        _ => return None,
    })
}

fn unescaped(raw: &[u8]) -> Result<Gathered<'_>, ValueError> {
    let mut gathered = Gathered::at(raw);
    let mut rest = raw;
    while let Some(mark) = memchr(b'\\', rest) {
        check_plain(rest.get(..mark).unwrap_or_default())?;
        gathered.append(rest, mark);
        let (byte, behind) = escape(rest.get(mark.saturating_add(1)..).unwrap_or_default())?;
        gathered.push(byte);
        rest = behind;
    }
    check_plain(rest)?;
    gathered.append(rest, rest.len());
    Ok(gathered)
}

/// A carriage return in a value is written with a backslash. A server takes others for a line end, and refuses them.
fn check_plain(plain: &[u8]) -> Result<(), ValueError> {
    match memchr(b'\r', plain) {
        None => Ok(()),
        Some(_) => Err(ValueError::malformed("a carriage return stands in the middle of a line")),
    }
}

/// What a backslash in front of `rest` means, and what follows.
fn escape(rest: &[u8]) -> Result<(u8, &[u8]), ValueError> {
    let Some((&letter, behind)) = rest.split_first() else {
        return Err(ValueError::malformed("a backslash stands at the end of a line"));
    };
    Ok(match letter {
        b'b' => (8, behind),
        b't' => (9, behind),
        b'n' => (10, behind),
        b'v' => (11, behind),
        b'f' => (12, behind),
        b'r' => (13, behind),
        b'0'..=b'7' => digits(rest, 8, 3),
        b'x' if behind.first().is_some_and(u8::is_ascii_hexdigit) => digits(behind, 16, 2),
        letter => (letter, behind),
    })
}

/// The byte that up to `most` digits stand for; only its low eight bits count, as for a server.
fn digits(rest: &[u8], radix: u32, most: usize) -> (u8, &[u8]) {
    let values = rest.iter().take(most).map_while(|&digit| char::from(digit).to_digit(radix));
    let (count, value) = values.fold((0_usize, 0_u32), |(count, value), digit| {
        (count.saturating_add(1), value.saturating_mul(radix).saturating_add(digit))
    });
    let byte = u8::try_from(value & 0xff).unwrap_or(u8::MAX);
    (byte, rest.get(count..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: &CopyText, data: &[u8]) -> Result<Vec<CopyRow<'static>>, ValueError> {
        let own = |row: CopyRow<'_>| {
            row.into_iter().map(|value| value.map(|value| value.into_owned().into())).collect()
        };
        format.rows(data).map(|row| row.map(own)).collect()
    }

    fn there_and_back(format: &CopyText, row: &[Option<Vec<u8>>]) {
        let mut data = Vec::new();
        format.write_row(row.iter().map(Option::as_deref), &mut data).unwrap();
        let expected: CopyRow<'_> = row.iter().map(|value| value.as_deref().map(Into::into)).collect();
        assert_eq!(read(format, &data), Ok(vec![expected]), "{}", data.escape_ascii());
        assert_eq!(format.split_row(&data), Some((&data[..], &b""[..])));
    }

    #[test]
    fn every_byte_comes_back() {
        let delimited = CopyText::new().with_delimiter(b'|').unwrap().with_null("NULL").unwrap();
        for format in [CopyText::new(), delimited] {
            for byte in 0..=255 {
                there_and_back(&format, &[Some(vec![byte]), None, Some(vec![b'a', byte, b'z'])]);
            }
            for value in ["", "\\N", "NULL", "NUL", "\\.", "\n", "\r\n", "\\", "\t", "|", "N", "null"] {
                there_and_back(&format, &[Some(value.into())]);
                there_and_back(&format, &[Some(value.into()), Some(value.into())]);
            }
        }
        for null in ["\\101BC", "ABC", "A", "\\x41BC", "\\A"] {
            let format = CopyText::new().with_null(null).unwrap();
            there_and_back(&format, &[Some(b"ABC".to_vec()), None, Some(b"A".to_vec()), Some(null.into())]);
        }
    }

    #[test]
    fn what_a_server_takes_is_read_as_a_server_reads_it() {
        let format = CopyText::new();
        let one = |value: &'static [u8]| Ok(vec![vec![Some(value.into())]]);
        for (data, value) in [
            (&b"\\x41\\102\\7z\\q\\xg\n"[..], &b"AB\x07zqxg"[..]),
            (b"a\\\nb\n", b"a\nb"),
            (b"a", b"a"),
            (b"a\r\n", b"a"),
            (b"\n", b""),
            (b"a\n\\.\nb\n", b"a"),
            (b"\\477\n", b"\x3f"),
        ] {
            assert_eq!(read(&format, data), one(value), "{}", data.escape_ascii());
        }
        for malformed in [&b"a\rb\n"[..], b"a\\"] {
            assert!(read(&format, malformed).is_err(), "{}", malformed.escape_ascii());
        }
    }

    #[test]
    fn what_cannot_be_said_is_an_error() {
        let empty_is_null = CopyText::new().with_null("").unwrap();
        let mut data = b"before".to_vec();
        let refused = empty_is_null.write_row([Some(&b"a"[..]), Some(b"")], &mut data).unwrap_err();
        assert_eq!(refused.to_string(), "an empty value cannot be told from NULL in this COPY");
        assert_eq!(data, b"before");
        for delimiter in [b'a', b'0', b'\\', b'.', b'\n', 0x80, 0] {
            assert!(CopyText::new().with_delimiter(delimiter).is_err(), "{delimiter}");
        }
        assert!(CopyText::new().with_null("a\tb").is_err());
    }

    proptest! {
        #[test]
        fn rows_come_back(rows in prop::collection::vec(prop::collection::vec(prop::option::of(any::<Vec<u8>>()), 1..5), 0..5)) {
            let format = CopyText::new();
            let mut data = Vec::new();
            for row in &rows {
                format.write_row(row.iter().map(Option::as_deref), &mut data).unwrap();
            }
            let read = read(&format, &data).unwrap();
            let back: Vec<Vec<Option<Vec<u8>>>> =
                read.into_iter().map(|row| row.into_iter().map(|v| v.map(std::borrow::Cow::into_owned)).collect()).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(data in any::<Vec<u8>>()) {
            let _ = read(&CopyText::new(), &data);
        }
    }
}
