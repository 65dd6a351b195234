//! Ranges.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Bound, RangeBounds};

use bytes::{BufMut, BytesMut};

use super::{RangeText, encode_as_text, not_a, put_range_text, take, take_range};
use crate::params::put_value;
use crate::row::take_value;
use crate::{Decode, Encode, EncodeError, Format, IsNull, Kind, Type, ValueError};

/// A range of values: none at all, or all between two bounds.
///
/// Rust's own ranges become one; the server writes those of discrete types as `[1,10)`.
///
/// ```
/// use std::ops::Bound;
/// use cornac_types::Range;
///
/// let week = Range::from(1..8);
/// assert_eq!(week, Range::Between(Bound::Included(1), Bound::Excluded(8)));
/// assert_eq!(Range::<i32>::from(..), Range::Between(Bound::Unbounded, Bound::Unbounded));
/// assert_eq!(Range::from(1..=7).to_string(), "[1,7]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Range<T> {
    /// No value at all.
    Empty,
    /// All values between a lower and an upper bound.
    Between(Bound<T>, Bound<T>),
}

impl<T> Range<T> {
    /// The lower and the upper bound; `None` for the empty range.
    pub fn bounds(&self) -> Option<(Bound<&T>, Bound<&T>)> {
        match self {
            Self::Empty => None,
            Self::Between(lower, upper) => Some((lower.as_ref(), upper.as_ref())),
        }
    }

    /// Whether it is the empty range.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The values of its bounds.
    fn values(&self) -> impl Iterator<Item = &T> {
        let value = |bound| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(value),
            Bound::Unbounded => None,
        };
        let (lower, upper) = self.bounds().unwrap_or((Bound::Unbounded, Bound::Unbounded));
        value(lower).into_iter().chain(value(upper))
    }
}

impl<T: PartialOrd> Range<T> {
    /// Whether a value lies in it.
    pub fn contains(&self, value: &T) -> bool {
        self.bounds().is_some_and(|bounds| bounds.contains(value))
    }
}

macro_rules! from_std {
    ($($range:ident),+) => {$(
        impl<T: Clone> From<std::ops::$range<T>> for Range<T> {
            fn from(range: std::ops::$range<T>) -> Self {
                Self::Between(range.start_bound().cloned(), range.end_bound().cloned())
            }
        }
    )+};
}

from_std!(Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive);

impl<T> From<std::ops::RangeFull> for Range<T> {
    fn from(_: std::ops::RangeFull) -> Self {
        Self::Between(Bound::Unbounded, Bound::Unbounded)
    }
}

impl<T: fmt::Display> fmt::Display for Range<T> {
    /// As the server writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let put = |value: &T, out: &mut String| {
            out.push_str(&value.to_string());
            Ok(IsNull::No)
        };
        put_range_text(self.bounds(), &mut text, put).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// The bounds of a range in binary; `None` is the empty range.
///
/// A byte of flags, then each bound that there is behind its length.
pub(crate) struct BinaryRange<'r>(pub(crate) Option<Bounds<'r>>);

type Bounds<'r> = (Bound<&'r [u8]>, Bound<&'r [u8]>);

const EMPTY: u8 = 0x01;
const LOWER_INCLUDED: u8 = 0x02;
const UPPER_INCLUDED: u8 = 0x04;
const LOWER_UNBOUNDED: u8 = 0x08;
const UPPER_UNBOUNDED: u8 = 0x10;

impl<'r> BinaryRange<'r> {
    pub(crate) fn new(value: &'r [u8]) -> Result<Self, ValueError> {
        let mut rest = value;
        let [flags] = take(&mut rest)?;
        if flags & !(EMPTY | LOWER_INCLUDED | UPPER_INCLUDED | LOWER_UNBOUNDED | UPPER_UNBOUNDED) != 0 {
            return Err(ValueError::malformed(format!("a range has no flags {flags:#x}")));
        }
        let mut bound = |unbounded, included| {
            if flags & (unbounded | EMPTY) != 0 {
                return Ok(Bound::Unbounded);
            }
            let value = take_value(&mut rest)?.ok_or_else(|| ValueError::malformed("a bound is NULL"))?;
            Ok(if flags & included == 0 { Bound::Excluded(value) } else { Bound::Included(value) })
        };
        let bounds = (bound(LOWER_UNBOUNDED, LOWER_INCLUDED)?, bound(UPPER_UNBOUNDED, UPPER_INCLUDED)?);
        if !rest.is_empty() {
            return Err(ValueError::malformed("bytes are left behind its bounds"));
        }
        Ok(Self((flags & EMPTY == 0).then_some(bounds)))
    }
}

/// Writes a range: `put` appends a bound behind its length.
pub(crate) fn put_range<T>(
    bounds: Option<(Bound<&T>, Bound<&T>)>,
    out: &mut BytesMut,
    put: impl Fn(&T, &mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let Some((lower, upper)) = bounds else {
        out.put_u8(EMPTY);
        return Ok(());
    };
    let flag = |bound, included, unbounded| match bound {
        Bound::Included(_) => included,
        Bound::Excluded(_) => 0,
        Bound::Unbounded => unbounded,
    };
    out.put_u8(flag(lower, LOWER_INCLUDED, LOWER_UNBOUNDED) | flag(upper, UPPER_INCLUDED, UPPER_UNBOUNDED));
    for bound in [lower, upper] {
        if let Bound::Included(value) | Bound::Excluded(value) = bound {
            let start = out.len();
            put(value, out)?;
            if out.get(start..).is_some_and(|value| value == [0xff; 4]) {
                return Err(null_bound());
            }
        }
    }
    Ok(())
}

#[cold]
pub(super) fn null_bound() -> EncodeError {
    EncodeError::out_of_range("a bound of a range cannot be NULL; it can be Unbounded")
}

fn read_bounds<P, T>(
    (lower, upper): (Bound<P>, Bound<P>),
    read: impl Fn(P) -> Result<T, ValueError>,
) -> Result<Range<T>, ValueError> {
    let read = |bound| {
        Ok::<_, ValueError>(match bound {
            Bound::Included(value) => Bound::Included(read(value)?),
            Bound::Excluded(value) => Bound::Excluded(read(value)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    Ok(Range::Between(read(lower)?, read(upper)?))
}

fn parse(text: &str) -> Result<RangeText<'_>, ValueError> {
    match take_range(text) {
        Some((range, "")) => Ok(range),
        _ => Err(not_a("a range", text)),
    }
}

/// The subtype of a range, but not of what is made of many.
fn subtype(ty: &Type) -> Option<&Type> {
    match ty.kind() {
        Kind::Range(subtype) => Some(subtype.base()),
        _ => None,
    }
}

impl<'r, T: Decode<'r>> Decode<'r> for Range<T> {
    fn accepts(ty: &Type, format: Format) -> bool {
        subtype(ty).is_some_and(|subtype| T::accepts(subtype, format))
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        let Some(subtype) = subtype(ty) else { return Err(ValueError::malformed("it is no range")) };
        match BinaryRange::new(value)?.0 {
            Some(bounds) => read_bounds(bounds, |value| T::from_binary(subtype, value)),
            None => Ok(Self::Empty),
        }
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        let Some(subtype) = subtype(ty) else { return Err(ValueError::malformed("it is no range")) };
        match text {
            Cow::Borrowed(text) => match parse(text)? {
                Some(bounds) => read_bounds(bounds, |value| T::from_text(subtype, value)),
                None => Ok(Self::Empty),
            },
            Cow::Owned(text) => match parse(&text)? {
                Some(bounds) => {
                    read_bounds(bounds, |value| T::from_text(subtype, Cow::Owned(value.into_owned())))
                }
                None => Ok(Self::Empty),
            },
        }
    }
}

impl<T: Encode> Encode for Range<T> {
    fn format(&self, ty: &Type) -> Format {
        let binary = |subtype| self.values().all(|value| value.format(subtype) == Format::Binary);
        match subtype(ty) {
            Some(subtype) if !binary(subtype) => Format::Text,
            _ => ty.binary_format(),
        }
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        let Some(subtype) = subtype(ty) else { return Err(EncodeError::WrongType) };
        if self.format(ty) == Format::Text {
            return encode_as_text(self, ty, out);
        }
        put_range(self.bounds(), out, |value, out| put_value(value, subtype, out))?;
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        let subtype = self.values().map(Encode::natural_type).find(|ty| *ty != Type::UNKNOWN);
        subtype.and_then(|subtype| subtype.range()).unwrap_or(Type::UNKNOWN)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        let subtype = match subtype(ty) {
            Some(subtype) => subtype,
            None if *ty == Type::UNKNOWN || *ty.kind() == Kind::Unknown => &Type::UNKNOWN,
            None => return Err(EncodeError::WrongType),
        };
        put_range_text(self.bounds(), out, |value, out| value.encode_text(subtype, out))?;
        Ok(IsNull::No)
    }
}
