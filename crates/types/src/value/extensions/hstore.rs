//! hstore.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::is_named;
use crate::value::cursor::Cursor;
use crate::value::scalar::{Scalar, scalar};
use crate::value::scan::Scan;
use crate::{EncodeError, Type, ValueError};

/// Keys with values, or with NULL, in the server's order: shorter keys first.
///
/// ```
/// use cornac_types::Hstore;
///
/// let tusks: Hstore = r#""left"=>"1.2 m", "right"=>NULL"#.parse().unwrap();
/// assert_eq!(tusks.get("left"), Some(Some("1.2 m")));
/// assert_eq!(tusks.get("right"), Some(None));
/// assert_eq!(tusks.get("middle"), None);
/// ```
///
/// See [hstore](https://www.postgresql.org/docs/current/hstore.html).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hstore(pub Vec<(String, Option<String>)>);

impl Hstore {
    /// The value of `key`; `Some(None)` if it is NULL, `None` if there is no such key.
    pub fn get(&self, key: &str) -> Option<Option<&str>> {
        self.0.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_deref())
    }
}

impl FromIterator<(String, Option<String>)> for Hstore {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Display for Hstore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            put_quoted(f, key)?;
            f.write_str("=>")?;
            match value {
                Some(value) => put_quoted(f, value)?,
                None => f.write_str("NULL")?,
            }
        }
        Ok(())
    }
}

fn put_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{character}")?;
    }
    f.write_str("\"")
}

impl Scalar for Hstore {
    const TEXT: &'static str = "an hstore";

    fn is(ty: &Type) -> bool {
        is_named(ty, "hstore")
    }

    fn natural() -> Type {
        Type::UNKNOWN
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let count = bytes.take_count(2 * size_of::<i32>())?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let no_key = || ValueError::malformed("a key is missing");
            let key = take_text(bytes)?.ok_or_else(no_key)?;
            pairs.push((key, take_text(bytes)?));
        }
        Ok(Self(pairs))
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i32(length(self.0.len())?);
        for (key, value) in &self.0 {
            put_text(key, out)?;
            match value {
                Some(value) => put_text(value, out)?,
                None => out.put_i32(-1),
            }
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        let mut pairs = Vec::new();
        while scan.end().is_none() {
            if !pairs.is_empty() {
                scan.eat(", ")?;
            }
            let key = scan.quoted('"', false)?;
            scan.eat("=>")?;
            let value = if scan.eat("NULL").is_some() { None } else { Some(scan.quoted('"', false)?) };
            pairs.push((key, value));
        }
        Some(Self(pairs))
    }
}

scalar!(Hstore);

fn take_text(bytes: &mut Cursor<'_>) -> Result<Option<String>, ValueError> {
    match bytes.take_i32()? {
        -1 => Ok(None),
        length => {
            let impossible = |_| ValueError::malformed(format!("a text has {length} bytes"));
            let length = usize::try_from(length).map_err(impossible)?;
            bytes.take_str(length).map(|text| Some(text.to_owned()))
        }
    }
}

fn put_text(text: &str, out: &mut BytesMut) -> Result<(), EncodeError> {
    out.put_i32(length(text.len())?);
    crate::value::text::check_text(text)?;
    out.put_slice(text.as_bytes());
    Ok(())
}

fn length(count: usize) -> Result<i32, EncodeError> {
    i32::try_from(count).map_err(|_| EncodeError::out_of_range(format!("{count} are too many")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::scalar::decode;

    #[test]
    fn quotes_and_nulls_are_kept() {
        for text in ["", r#""a"=>"1""#, r#""a"=>NULL, "b c"=>"NULL", "d\"\\"=>"=>, ""#] {
            let pairs: Hstore = text.parse().unwrap();
            assert_eq!(pairs.to_string(), text);
            let mut out = BytesMut::new();
            pairs.put(&mut out).unwrap();
            assert_eq!(decode(&out), Ok(pairs));
            for end in 0..out.len() {
                assert!(decode::<Hstore>(&out[..end]).is_err(), "{end}");
            }
        }
        for text in ["a=>1", r#""a"=>"1""b"=>"2""#, r#""a""#, r#""a"=>"#, r#""a"=>null"#] {
            assert!(text.parse::<Hstore>().is_err(), "{text}");
        }
        assert!(decode::<Hstore>(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]).is_err());
        assert!(decode::<Hstore>(&[0x7f, 0xff, 0xff, 0xff]).is_err());
    }
}
