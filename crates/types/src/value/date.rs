//! date.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::calendar::{self, DATES};
use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// A day as PostgreSQL's `date` keeps it: days since 2000-01-01, or one of the two infinities.
///
/// ```
/// use cornac_types::Date;
///
/// let leap_day = Date::from_ymd(2024, 2, 29).unwrap();
/// assert_eq!(leap_day.to_string(), "2024-02-29");
/// assert_eq!("0044-03-15 BC".parse(), Ok(Date::from_ymd(-43, 3, 15).unwrap()));
/// assert_eq!(Date::from_ymd(2023, 2, 29), None);
/// ```
///
/// See [Date/Time Types](https://www.postgresql.org/docs/current/datatype-datetime.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

impl Date {
    /// Later than every other day.
    pub const INFINITY: Self = Self(i32::MAX);
    /// Earlier than every other day.
    pub const NEG_INFINITY: Self = Self(i32::MIN);

    /// The day of a year of the proleptic Gregorian calendar, in which year 0 is 1 BC; `None` if there is no such day, or PostgreSQL does
    /// not have it: its days go from 4714-11-24 BC to 5874897-12-31.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Option<Self> {
        let days = calendar::checked_days(year.into(), month.into(), day.into())?;
        Self::from_days(days)
    }

    /// Days since 2000-01-01. The largest and the smallest number are the infinities.
    pub const fn from_postgres_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 2000-01-01, as on the wire: the infinities are the largest and the smallest number.
    pub const fn postgres_days(self) -> i32 {
        self.0
    }

    /// Whether it is a day, and none of the infinities.
    pub const fn is_finite(self) -> bool {
        self.0 != i32::MAX && self.0 != i32::MIN
    }

    /// Year, month and day, where year 0 is 1 BC; `None` for the infinities.
    pub fn ymd(self) -> Option<(i32, u8, u8)> {
        if !self.is_finite() {
            return None;
        }
        let (year, month, day) = calendar::civil_from_days(self.0.into());
        Some((i32::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
    }

    pub(super) fn from_days(days: i64) -> Option<Self> {
        if DATES.contains(&days) { i32::try_from(days).ok().map(Self) } else { None }
    }
}

impl fmt::Display for Date {
    /// As the server shows it with `DateStyle = ISO`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => f.write_str("infinity"),
            Self::NEG_INFINITY => f.write_str("-infinity"),
            Self(days) => {
                calendar::put_date(f, days.into())?;
                f.write_str(calendar::era(days.into()))
            }
        }
    }
}

impl Scalar for Date {
    const TEXT: &'static str = "a date in DateStyle ISO";

    fn is(ty: &Type) -> bool {
        *ty == Type::DATE
    }

    fn natural() -> Type {
        Type::DATE
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        bytes.take_i32().map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i32(self.0);
        Ok(())
    }

    /// Reads the ISO style; any other is an error, since it does not say which of two numbers is the month.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "infinity" => Some(Self::INFINITY),
            "-infinity" => Some(Self::NEG_INFINITY),
            text => {
                let (date, is_bc) = calendar::split_era(text);
                calendar::parse_date(date, is_bc).and_then(Self::from_days)
            }
        }
    }
}

scalar!(Date);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_read_in_iso_and_in_no_other_style() {
        for (text, days) in [
            ("2000-01-01", 0),
            ("1999-12-31", -1),
            ("4714-11-24 BC", -2_451_545),
            ("5874897-12-31", 2_145_031_948),
            ("infinity", i32::MAX),
            ("-infinity", i32::MIN),
        ] {
            assert_eq!(text.parse(), Ok(Date(days)), "{text}");
        }
        for text in [
            "01/02/2000",
            "02.01.2000",
            "01-02-2000",
            "2000-02-30",
            "2000-13-01",
            "2000-1-01",
            "0000-01-01",
            "4714-11-23 BC",
            "5874898-01-01",
            "today",
            "",
            "2000-01-01 AD",
            "99999999-01-01",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(days in DATES) {
            let date = Date::from_days(days).unwrap();
            prop_assert_eq!(date.to_string().parse(), Ok(date));
            let (year, month, day) = date.ymd().unwrap();
            prop_assert_eq!(Date::from_ymd(year, month, day), Some(date));
        }
    }
}
