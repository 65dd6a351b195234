//! Multiranges.

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{Range, encode_as_text, not_a, take_i32, take_range};
use crate::params::{check_len, put_value};
use crate::row::take_value;
use crate::{Decode, Encode, EncodeError, Format, IsNull, Kind, Type, ValueError};

/// A list of ranges, which the server keeps in order and apart from one another. PostgreSQL has them since version 14.
///
/// ```
/// use cornac_types::{Multirange, Range};
///
/// let office_hours = Multirange(vec![Range::from(9..12), Range::from(13..17)]);
/// assert_eq!(office_hours.to_string(), "{[9,12),[13,17)}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Multirange<T>(pub Vec<Range<T>>);

impl<T: fmt::Display> fmt::Display for Multirange<T> {
    /// As the server writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if index == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

/// The ranges of a multirange in binary: their number, and each behind its length.
pub(crate) fn ranges<'r, T>(
    value: &'r [u8],
    read: impl Fn(&'r [u8]) -> Result<T, ValueError>,
) -> Result<Vec<T>, ValueError> {
    let mut rest = value;
    let announced = take_i32(&mut rest)?;
    // Each has a length of four bytes at least, which bounds what a lying count can make us allocate.
    let count = usize::try_from(announced).ok().filter(|count| *count <= rest.len() / 4);
    let Some(count) = count else {
        return Err(ValueError::malformed(format!("it announces {announced} ranges")));
    };
    let mut ranges = Vec::with_capacity(count);
    for _ in 0..count {
        let range = take_value(&mut rest)?.ok_or_else(|| ValueError::malformed("a range is NULL"))?;
        ranges.push(read(range)?);
    }
    if rest.is_empty() {
        Ok(ranges)
    } else {
        Err(ValueError::malformed("bytes are left behind its last range"))
    }
}

/// Takes the text of a multirange apart, into those of its ranges.
pub(crate) fn split(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.strip_prefix('{')?;
    let mut ranges = Vec::new();
    if rest == "}" {
        return Some(ranges);
    }
    loop {
        let (_, behind) = take_range(rest)?;
        ranges.push(rest.get(..rest.len().checked_sub(behind.len())?)?);
        match behind.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return (behind == "}").then_some(ranges),
        }
    }
}

fn range_of(ty: &Type) -> Option<&Type> {
    match ty.kind() {
        Kind::Multirange(range) => Some(range),
        _ => None,
    }
}

impl<'r, T: Decode<'r>> Decode<'r> for Multirange<T> {
    fn accepts(ty: &Type, format: Format) -> bool {
        range_of(ty).is_some_and(|range| Range::<T>::accepts(range, format))
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        let Some(range) = range_of(ty) else { return Err(ValueError::malformed("it is no multirange")) };
        ranges(value, |value| Range::from_binary(range, value)).map(Self)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        let Some(range) = range_of(ty) else { return Err(ValueError::malformed("it is no multirange")) };
        super::lent(
            text,
            |text| {
                let ranges = split(text).ok_or_else(|| not_a("a multirange", text))?;
                Ok(ranges.into_iter().map(|range| Some(Cow::Borrowed(range))).collect())
            },
            |_, value| match value {
                Some(value) => Range::from_text(range, value),
                None => Ok(Range::Empty),
            },
        )
        .map(Self)
    }
}

impl<T: Encode> Encode for Multirange<T> {
    fn format(&self, ty: &Type) -> Format {
        range_of(ty).map_or(ty.binary_format(), |range| super::vec::joint_format(ty, &self.0, range))
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        let Some(range) = range_of(ty) else { return Err(EncodeError::WrongType) };
        if self.format(ty) == Format::Text {
            return encode_as_text(self, ty, out);
        }
        let start = out.len();
        let too_many = |_| EncodeError::out_of_range(format!("it has {} ranges", self.0.len()));
        out.put_i32(i32::try_from(self.0.len()).map_err(too_many)?);
        for value in &self.0 {
            put_value(value, range, out)?;
            check_len(out.len().saturating_sub(start))?;
        }
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        let range = self.0.iter().map(Encode::natural_type).find(|ty| *ty != Type::UNKNOWN);
        range.and_then(|range| range.multirange()).unwrap_or(Type::UNKNOWN)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        let range = match range_of(ty) {
            Some(range) => range,
            None if *ty == Type::UNKNOWN || *ty.kind() == Kind::Unknown => &Type::UNKNOWN,
            None => return Err(EncodeError::WrongType),
        };
        out.push('{');
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            value.encode_text(range, out)?;
        }
        out.push('}');
        Ok(IsNull::No)
    }
}
