//! timetz.

use std::cmp::Ordering;
use std::fmt;

use bytes::{BufMut, BytesMut};

use super::calendar::{self, MICROS_PER_SECOND};
use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Time, Type, ValueError};

/// A time of day with an offset from UTC, as PostgreSQL's `time with time zone` keeps it.
///
/// The order is the server's: by the instant, and where that is the same, the more eastern first.
///
/// ```
/// use cornac_types::{Time, TimeTz};
///
/// let noon = TimeTz::new(Time::from_micros(43_200_000_000).unwrap(), 19_800).unwrap();
/// assert_eq!(noon.to_string(), "12:00:00+05:30");
/// assert_eq!("12:00:00+05:30".parse(), Ok(noon));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeTz {
    time: Time,
    east_seconds: i32,
}

/// No offset has 16 hours.
const OFFSET_END: i32 = 16 * 3600;

impl TimeTz {
    /// A time of day, and the seconds by which its clock is ahead of UTC; `None` if those are 16 hours or more.
    pub const fn new(time: Time, east_seconds: i32) -> Option<Self> {
        if -OFFSET_END < east_seconds && east_seconds < OFFSET_END {
            Some(Self { time, east_seconds })
        } else {
            None
        }
    }

    /// What the clock shows.
    pub const fn time(self) -> Time {
        self.time
    }

    /// The seconds by which the clock is ahead of UTC.
    pub const fn east_seconds(self) -> i32 {
        self.east_seconds
    }
}

impl Ord for TimeTz {
    fn cmp(&self, other: &Self) -> Ordering {
        let utc = |time: &Self| time.time.micros() - i64::from(time.east_seconds) * MICROS_PER_SECOND;
        utc(self).cmp(&utc(other)).then(other.east_seconds.cmp(&self.east_seconds))
    }
}

impl PartialOrd for TimeTz {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TimeTz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.time.fmt(f)?;
        calendar::put_offset(f, self.east_seconds)
    }
}

impl Scalar for TimeTz {
    const TEXT: &'static str = "a timetz";

    fn is(ty: &Type) -> bool {
        *ty == Type::TIMETZ
    }

    fn natural() -> Type {
        Type::TIMETZ
    }

    /// The wire counts seconds towards the west.
    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let time = Time::take_micros(bytes)?;
        let west = bytes.take_i32()?;
        let no_offset = || ValueError::malformed(format!("{west} s is no offset from UTC"));
        west.checked_neg().and_then(|east| Self::new(time, east)).ok_or_else(no_offset)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i64(self.time.micros());
        out.put_i32(-self.east_seconds);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let (time, offset) = text.split_at_checked(text.find(['+', '-'])?)?;
        Self::new(Time::parse(time)?, calendar::parse_offset(offset)?)
    }
}

scalar!(TimeTz);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_all_lengths_are_kept() {
        for text in
            ["12:00:00+00", "12:00:00-05", "12:00:00+05:45", "24:00:00-15:59:59", "00:00:00.1+00:00:01"]
        {
            assert_eq!(text.parse::<TimeTz>().unwrap().to_string(), text);
        }
        for text in ["12:00:00", "12:00:00+16", "12:00:00+5", "12:00:00+05:60", "12:00:00+05:00:00:00", "+00"]
        {
            assert!(text.parse::<TimeTz>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_instants() {
        let mut times = ["12:00:00+00", "11:00:00-01", "13:00:00+01", "12:00:00+01"]
            .map(|text| text.parse::<TimeTz>().unwrap());
        times.sort();
        let shown = times.map(|time| time.to_string());
        assert_eq!(shown, ["12:00:00+01", "13:00:00+01", "12:00:00+00", "11:00:00-01"]);
    }
}
