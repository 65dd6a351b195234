//! CommandComplete: a statement has run.

use crate::cursor::Cursor;
use crate::error::Malformed;

use super::WireStr;

/// CommandComplete: which command ran, and how many rows it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandComplete<'a> {
    tag: WireStr<'a>,
}

impl<'a> CommandComplete<'a> {
    /// A command with this tag.
    pub fn new(tag: impl Into<WireStr<'a>>) -> Self {
        Self { tag: tag.into() }
    }

    /// The whole tag, such as `INSERT 0 1`, `SELECT 20`, `CREATE TABLE`.
    pub fn tag(&self) -> WireStr<'a> {
        self.tag
    }

    /// The command's name: the tag without its numbers.
    pub fn command(&self) -> WireStr<'a> {
        let is_number = |word: &&[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
        let mut words = self.tag.as_bytes().rsplit(|&byte| byte == b' ');
        let numbers = words.by_ref().take_while(is_number).map(|word| word.len().saturating_add(1)).sum();
        let end = self.tag.as_bytes().len().checked_sub(numbers);
        WireStr::new(end.and_then(|end| self.tag.as_bytes().get(..end)).unwrap_or_default())
    }

    /// How many rows the command affected or returned: the tag's last word, if that is a number that fits.
    pub fn rows(&self) -> Option<u64> {
        let (_, last) = rsplit_once(self.tag.as_bytes())?;
        if last.is_empty() {
            return None;
        }
        last.iter().try_fold(0_u64, |rows, &digit| {
            let digit = char::from(digit).to_digit(10)?;
            rows.checked_mul(10)?.checked_add(digit.into())
        })
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        Ok(Self { tag: WireStr::new(body.take_cstr("command tag")?) })
    }
}

fn rsplit_once(tag: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memrchr(b' ', tag)?;
    let (command, last) = tag.split_at_checked(space)?;
    Some((command, last.split_first()?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_20_a_tag_is_kept_and_its_number_taken_where_there_is_one() {
        for (tag, command, rows) in [
            ("INSERT 0 1", "INSERT", Some(1)),
            ("SELECT 20", "SELECT", Some(20)),
            ("CREATE TABLE", "CREATE TABLE", None),
            ("FROBNICATE 7", "FROBNICATE", Some(7)),
            ("UPDATE 18446744073709551615", "UPDATE", Some(u64::MAX)),
            ("UPDATE 18446744073709551616", "UPDATE", None),
            ("UPDATE -1", "UPDATE -1", None),
            ("UPDATE ", "UPDATE ", None),
            ("7", "", None),
            ("", "", None),
        ] {
            let complete = CommandComplete::new(tag);
            assert_eq!((complete.command(), complete.rows()), (WireStr::from(command), rows), "{tag:?}");
            assert_eq!(complete.tag(), tag);
        }
    }
}
