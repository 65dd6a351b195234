//! time.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::calendar::{self, MICROS_PER_DAY};
use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// A time of day as PostgreSQL's `time` keeps it: microseconds since midnight, up to 24:00:00, which is the midnight at a day's end.
///
/// ```
/// use cornac_types::Time;
///
/// let noon = Time::from_micros(43_200_000_000).unwrap();
/// assert_eq!(noon.to_string(), "12:00:00");
/// assert_eq!(Time::END_OF_DAY.to_string(), "24:00:00");
/// assert!("24:00:01".parse::<Time>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// 00:00:00.
    pub const MIDNIGHT: Self = Self(0);
    /// 24:00:00.
    pub const END_OF_DAY: Self = Self(MICROS_PER_DAY);

    /// Microseconds since midnight; `None` if there are more than a day has.
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if 0 <= micros && micros <= MICROS_PER_DAY { Some(Self(micros)) } else { None }
    }

    /// Microseconds since midnight.
    pub const fn micros(self) -> i64 {
        self.0
    }

    pub(super) fn take_micros(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let micros = bytes.take_i64()?;
        let no_time = || ValueError::malformed(format!("{micros} µs is no time of a day"));
        Self::from_micros(micros).ok_or_else(no_time)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        calendar::put_time(f, self.0)
    }
}

impl Scalar for Time {
    const TEXT: &'static str = "a time";

    fn is(ty: &Type) -> bool {
        *ty == Type::TIME
    }

    fn natural() -> Type {
        Type::TIME
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        Self::take_micros(bytes)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i64(self.0);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        calendar::parse_time(text).and_then(Self::from_micros)
    }
}

scalar!(Time);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_day_is_not_its_beginning() {
        assert_eq!("23:59:60".parse(), Ok(Time::END_OF_DAY));
        assert_eq!("24:00:00".parse(), Ok(Time::END_OF_DAY));
        assert_eq!("23:59:59.999999".parse(), Ok(Time(MICROS_PER_DAY - 1)));
        assert_eq!(Time(1_500_000).to_string(), "00:00:01.5");
        assert_eq!(Time(10).to_string(), "00:00:00.00001");
        for text in [
            "24:00:00.000001",
            "12:60:00",
            "12:00:61",
            "12:00",
            "1:00:00",
            "12:00:00+00",
            "12:00:00.",
            "12:00:00.1234567",
            "-1:00:00",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }
}
