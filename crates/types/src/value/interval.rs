//! interval.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::calendar::{self, MICROS_PER_SECOND};
use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// A length of time as PostgreSQL's `interval` keeps it: months, days and microseconds, none of which can be made out of the others.
///
/// Two intervals are equal here when all three are. To the server, a month also equals 30 days, and a day 24 hours, so that there is
/// no order of intervals here.
///
/// ```
/// use cornac_types::Interval;
///
/// let interval = Interval { months: 14, days: -3, micros: 5_400_000_000 };
/// assert_eq!(interval.to_string(), "1 year 2 mons -3 days +01:30:00");
/// assert_eq!("1 year 2 mons -3 days +01:30:00".parse(), Ok(interval));
/// ```
///
/// See [Interval Input](https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-INPUT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months; 12 to a year.
    pub months: i32,
    /// Days, of whatever length each is.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Interval {
    /// Longer than every other interval, from PostgreSQL 17 on. Earlier ones take it for an interval like any other.
    pub const INFINITY: Self = Self { months: i32::MAX, days: i32::MAX, micros: i64::MAX };
    /// Shorter than every other interval, from PostgreSQL 17 on.
    pub const NEG_INFINITY: Self = Self { months: i32::MIN, days: i32::MIN, micros: i64::MIN };

    /// Whether it is none of the infinities.
    pub fn is_finite(self) -> bool {
        self != Self::INFINITY && self != Self::NEG_INFINITY
    }
}

impl fmt::Display for Interval {
    /// As the server shows it with `IntervalStyle = postgres`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => return f.write_str("infinity"),
            Self::NEG_INFINITY => return f.write_str("-infinity"),
            _ => {}
        }
        // A part behind a negative one has its sign, positive or not.
        let (mut is_first, mut after_negative) = (true, false);
        for (count, unit) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")] {
            if count != 0 {
                let space = if is_first { "" } else { " " };
                let plus = if after_negative && count > 0 { "+" } else { "" };
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "{space}{plus}{count} {unit}{plural}")?;
                (is_first, after_negative) = (false, count < 0);
            }
        }
        if !is_first && self.micros == 0 {
            return Ok(());
        }
        let sign = if self.micros < 0 {
            "-"
        } else if after_negative {
            "+"
        } else {
            ""
        };
        let (seconds, micros) = (self.micros / MICROS_PER_SECOND, self.micros % MICROS_PER_SECOND);
        let seconds = seconds.unsigned_abs();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let space = if is_first { "" } else { " " };
        write!(f, "{space}{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60)?;
        calendar::put_fraction(f, micros.abs())
    }
}

impl Scalar for Interval {
    const TEXT: &'static str = "an interval in IntervalStyle postgres";

    fn is(ty: &Type) -> bool {
        *ty == Type::INTERVAL
    }

    fn natural() -> Type {
        Type::INTERVAL
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let micros = bytes.take_i64()?;
        let days = bytes.take_i32()?;
        Ok(Self { months: bytes.take_i32()?, days, micros })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i64(self.micros);
        out.put_i32(self.days);
        out.put_i32(self.months);
        Ok(())
    }

    /// Reads the style `postgres`; what is written in another is refused, but for a time alone, which all of them mean alike.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "infinity" => return Some(Self::INFINITY),
            "-infinity" => return Some(Self::NEG_INFINITY),
            _ => {}
        }
        let (mut years, mut months, mut days, mut micros) = (None, None, None, None);
        let mut words = text.split(' ');
        while let Some(word) = words.next() {
            let (place, count) = if word.contains(':') {
                (&mut micros, parse_clock(word)?)
            } else {
                let count = i64::from(word.parse::<i32>().ok()?);
                match words.next()?.trim_end_matches('s') {
                    "year" => (&mut years, count),
                    "mon" => (&mut months, count),
                    "day" => (&mut days, count),
                    _ => return None,
                }
            };
            if place.replace(count).is_some() {
                return None;
            }
        }
        let all_months = years.unwrap_or(0) * 12 + months.unwrap_or(0);
        Some(Self {
            months: i32::try_from(all_months).ok()?,
            days: i32::try_from(days.unwrap_or(0)).ok()?,
            micros: micros.unwrap_or(0),
        })
    }
}

scalar!(Interval);

/// `[+-]HH:MM:SS[.ffffff]`, with any number of hours, to microseconds.
fn parse_clock(text: &str) -> Option<i64> {
    let (sign, clock) = match text.strip_prefix('-') {
        Some(clock) => (-1, clock),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (clock, fraction) = calendar::split_fraction(clock)?;
    let mut parts = clock.split(':');
    let [hours, minutes, seconds] = [parts.next()?, parts.next()?, parts.next()?];
    if parts.next().is_some() || minutes.len() != 2 || seconds.len() != 2 {
        return None;
    }
    let [hours, minutes, seconds] =
        [calendar::number(hours)?, calendar::number(minutes)?, calendar::number(seconds)?];
    if minutes > 59 || seconds > 59 {
        return None;
    }
    // With its sign from the start, since the least number of microseconds has no positive counterpart.
    let seconds = hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?;
    (sign * seconds).checked_mul(MICROS_PER_SECOND)?.checked_add(sign * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_read_in_the_style_postgres() {
        for text in [
            "00:00:00",
            "1 year",
            "-1 years -2 mons +3 days -04:05:06.789",
            "-1 mons +00:00:01",
            "1 day",
            "178956970 years 7 mons",
            "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775807",
            "2562047788:00:54.775807",
            "infinity",
            "-infinity",
        ] {
            assert_eq!(text.parse::<Interval>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_styles_are_refused() {
        for text in [
            "@ 1 year 2 mons",
            "@ 0",
            "1-2 3 4:05:06",
            "+1-2 -3 +4:05:06",
            "3 4:05:06",
            "1-2",
            "P1Y2M3DT4H5M6S",
            "PT0S",
            "0",
            "",
            "1",
            "1 year 1 year",
            "2147483648 days",
            "178956971 years",
            "2562047788:00:54.775808",
            "1 year  2 mons",
            "1:2:3",
        ] {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(months: i32, days: i32, micros: i64) {
            let interval = Interval { months, days, micros };
            prop_assert_eq!(interval.to_string().parse(), Ok(interval));
        }
    }
}
