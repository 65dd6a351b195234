//! timestamp.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::calendar::{self, MICROS_PER_DAY, TIMESTAMPS};
use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{Date, EncodeError, Time, Type, ValueError};

/// A date and a time of day as PostgreSQL's `timestamp without time zone` keeps them: microseconds since 2000-01-01 00:00:00, or one
/// of the two infinities.
///
/// ```
/// use cornac_types::{Date, Time, Timestamp};
///
/// let date = Date::from_ymd(2024, 2, 29).unwrap();
/// let timestamp = Timestamp::new(date, Time::MIDNIGHT).unwrap();
/// assert_eq!(timestamp.to_string(), "2024-02-29 00:00:00");
/// assert_eq!(timestamp.date(), Some(date));
/// assert_eq!(Timestamp::INFINITY.date(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than every other timestamp.
    pub const INFINITY: Self = Self(i64::MAX);
    /// Earlier than every other timestamp.
    pub const NEG_INFINITY: Self = Self(i64::MIN);

    /// A day and a time of it; 24:00:00 is the next day's midnight. `None` if the day is an infinity, or beyond the year 294276, where
    /// timestamps end.
    pub fn new(date: Date, time: Time) -> Option<Self> {
        if !date.is_finite() {
            return None;
        }
        let midnight = i64::from(date.postgres_days()).checked_mul(MICROS_PER_DAY)?;
        midnight.checked_add(time.micros()).filter(|micros| TIMESTAMPS.contains(micros)).map(Self)
    }

    /// Microseconds since 2000-01-01 00:00:00. The largest and the smallest number are the infinities.
    pub const fn from_postgres_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 2000-01-01 00:00:00, as on the wire: the infinities are the largest and the smallest number.
    pub const fn postgres_micros(self) -> i64 {
        self.0
    }

    /// Whether it is a date and a time, and none of the infinities.
    pub const fn is_finite(self) -> bool {
        self.0 != i64::MAX && self.0 != i64::MIN
    }

    /// The day; `None` for the infinities.
    pub fn date(self) -> Option<Date> {
        if self.is_finite() { Date::from_days(self.0.div_euclid(MICROS_PER_DAY)) } else { None }
    }

    /// The time of day; `None` for the infinities.
    pub fn time(self) -> Option<Time> {
        if self.is_finite() { Time::from_micros(self.0.rem_euclid(MICROS_PER_DAY)) } else { None }
    }
}

impl fmt::Display for Timestamp {
    /// As the server shows it with `DateStyle = ISO`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => return f.write_str("infinity"),
            Self::NEG_INFINITY => return f.write_str("-infinity"),
            Self(_) => {}
        }
        let days = self.0.div_euclid(MICROS_PER_DAY);
        calendar::put_date(f, days)?;
        f.write_str(" ")?;
        calendar::put_time(f, self.0.rem_euclid(MICROS_PER_DAY))?;
        f.write_str(calendar::era(days))
    }
}

impl Scalar for Timestamp {
    const TEXT: &'static str = "a timestamp in DateStyle ISO";

    fn is(ty: &Type) -> bool {
        *ty == Type::TIMESTAMP
    }

    fn natural() -> Type {
        Type::TIMESTAMP
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        bytes.take_i64().map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i64(self.0);
        Ok(())
    }

    /// Reads the ISO style; any other is an error, since it does not say which of two numbers is the month.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "infinity" => return Some(Self::INFINITY),
            "-infinity" => return Some(Self::NEG_INFINITY),
            _ => {}
        }
        let (text, is_bc) = calendar::split_era(text);
        let (date, time) = text.split_once(' ')?;
        let midnight = calendar::parse_date(date, is_bc)?.checked_mul(MICROS_PER_DAY)?;
        let micros = midnight.checked_add(calendar::parse_time(time)?)?;
        TIMESTAMPS.contains(&micros).then_some(Self(micros))
    }
}

scalar!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_read_in_iso_and_in_no_other_style() {
        for (text, micros) in [
            ("2000-01-01 00:00:00", 0),
            ("1999-12-31 23:59:59.999999", -1),
            ("4714-11-24 00:00:00 BC", TIMESTAMPS.start),
            ("294276-12-31 23:59:59.999999", TIMESTAMPS.end - 1),
            ("-infinity", i64::MIN),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(micros)), "{text}");
        }
        for text in [
            "01/02/2000 00:00:00",
            "Sat Jan 01 00:00:00 2000",
            "02.01.2000 00:00:00",
            "2000-01-01",
            "2000-01-01 00:00:00+00",
            "294277-01-01 00:00:00",
            "4714-11-23 23:59:59 BC",
            "now",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(micros in TIMESTAMPS) {
            let timestamp = Timestamp(micros);
            prop_assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
            prop_assert_eq!(Timestamp::new(timestamp.date().unwrap(), timestamp.time().unwrap()), Some(timestamp));
        }
    }
}
