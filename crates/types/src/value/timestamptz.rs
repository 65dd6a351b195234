//! timestamptz.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use bytes::{BufMut, BytesMut};

use super::{exactly, not_a};
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

/// An instant as PostgreSQL's `timestamp with time zone` keeps it: microseconds since 2000-01-01 00:00:00 UTC, or one of the two
/// infinities.
///
/// ```
/// use cornac_types::Timestamptz;
///
/// let millennium = Timestamptz::from_unix_micros(946_684_800_000_000).unwrap();
/// assert_eq!(millennium.to_string(), "2000-01-01 00:00:00+00");
/// assert_eq!(Timestamptz::INFINITY.to_string(), "infinity");
/// assert_eq!(Timestamptz::INFINITY.unix_micros(), None);
/// ```
///
/// See [Date/Time Types](https://www.postgresql.org/docs/current/datatype-datetime.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamptz(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH_UNIX_MICROS: i64 = 946_684_800 * MICROS_PER_SECOND;

/// The instants that PostgreSQL has: 4714-11-24 BC up to the end of the year 294276, UTC.
const FINITE: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

impl Timestamptz {
    /// Later than every other instant.
    pub const INFINITY: Self = Self(i64::MAX);
    /// Earlier than every other instant.
    pub const NEG_INFINITY: Self = Self(i64::MIN);

    /// Microseconds since 2000-01-01 00:00:00 UTC. The largest and the smallest number are the infinities.
    pub const fn from_postgres_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 2000-01-01 00:00:00 UTC, as on the wire: the infinities are the largest and the smallest number.
    pub const fn postgres_micros(self) -> i64 {
        self.0
    }

    /// Microseconds since 1970-01-01 00:00:00 UTC; `None` when the instant cannot be kept.
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        micros.checked_sub(EPOCH_UNIX_MICROS).map(Self).filter(|instant| instant.is_finite())
    }

    /// Microseconds since 1970-01-01 00:00:00 UTC; `None` for the infinities, and for the last 30 years of the range.
    pub fn unix_micros(self) -> Option<i64> {
        if self.is_finite() { self.0.checked_add(EPOCH_UNIX_MICROS) } else { None }
    }

    /// Whether it is an instant, and none of the infinities.
    pub const fn is_finite(self) -> bool {
        self.0 != i64::MAX && self.0 != i64::MIN
    }
}

impl TryFrom<SystemTime> for Timestamptz {
    type Error = ValueError;

    /// What is finer than a microsecond is an error, since it would be lost; see [`SystemTime`] for how fine the clock is.
    fn try_from(time: SystemTime) -> Result<Self, ValueError> {
        let (distance, sign) = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => (after, 1),
            Err(before) => (before.duration(), -1),
        };
        if distance.subsec_nanos() % 1000 != 0 {
            return Err(ValueError::out_of_range("it is finer than a microsecond"));
        }
        let micros = i64::try_from(distance.as_micros()).ok().and_then(|micros| micros.checked_mul(sign));
        micros.and_then(Self::from_unix_micros).ok_or(ValueError::out_of_range("it is beyond year 294276"))
    }
}

impl TryFrom<Timestamptz> for SystemTime {
    type Error = ValueError;

    fn try_from(instant: Timestamptz) -> Result<Self, ValueError> {
        let beyond = || ValueError::out_of_range(format!("{instant} is no instant of this clock"));
        let micros = instant.unix_micros().ok_or_else(beyond)?;
        let distance = Duration::from_micros(micros.unsigned_abs());
        let time = if micros < 0 {
            Self::UNIX_EPOCH.checked_sub(distance)
        } else {
            Self::UNIX_EPOCH.checked_add(distance)
        };
        time.ok_or_else(beyond)
    }
}

impl fmt::Display for Timestamptz {
    /// As the server shows it with `TimeZone = UTC` and `DateStyle = ISO`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => return f.write_str("infinity"),
            Self::NEG_INFINITY => return f.write_str("-infinity"),
            Self(_) => {}
        }
        let (days, of_day) = (self.0.div_euclid(MICROS_PER_DAY), self.0.rem_euclid(MICROS_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        let (shown_year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
        let (seconds, micros) = (of_day / MICROS_PER_SECOND, of_day % MICROS_PER_SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{shown_year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
        if micros != 0 {
            let fraction = format!("{micros:06}");
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        write!(f, "+00{era}")
    }
}

/// Year, month and day of the proleptic Gregorian calendar, for days since 2000-01-01. Year 0 is 1 BC.
///
/// Counts in eras of 400 years that begin on a first of March, so that the leap day is the last of its year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 730_425; // Since 0000-03-01.
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`]; the years of PostgreSQL's range do not overflow.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 730_425
}

impl<'r> Decode<'r> for Timestamptz {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    #[inline]
    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(value).map(i64::from_be_bytes).map(Self)
    }

    /// Reads the ISO style; any other is an error, since it does not say which of two numbers is the month.
    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        match &*text {
            "infinity" => Ok(Self::INFINITY),
            "-infinity" => Ok(Self::NEG_INFINITY),
            text => parse_iso(text).ok_or_else(|| not_a("a timestamptz in DateStyle ISO", text)),
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff]+HH[:MM[:SS]][ BC]`
fn parse_iso(text: &str) -> Option<Timestamptz> {
    let (text, is_bc) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, time_and_offset) = text.split_once(' ')?;
    let sign = time_and_offset.find(['+', '-'])?;
    let (time, offset) = time_and_offset.split_at_checked(sign)?;

    let [year, month, day] = numbers(date.split('-'), 3)?;
    let year = if is_bc { 1 - year } else { year };
    // A year more on each side than instants have: the session's time zone may be ahead or behind.
    let in_calendar = (-4714..=294_277).contains(&year) && (1..=12).contains(&month);
    if !in_calendar || civil_from_days(days_from_civil(year, month, day)) != (year, month, day) {
        return None;
    }
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let seconds = seconds_of(time, 3)?;
    let micros = match fraction.len() {
        0 => 0,
        digits @ 1..=6 => number(fraction)? * 10_i64.pow(u32::try_from(6 - digits).ok()?),
        _ => return None,
    };
    let east = seconds_of(offset.get(1..)?, 1)?;
    let east = if offset.starts_with('-') { -east } else { east };
    let micros_of_day = (seconds - east) * MICROS_PER_SECOND + micros;
    let midnight = days_from_civil(year, month, day).checked_mul(MICROS_PER_DAY)?;
    midnight.checked_add(micros_of_day).filter(|micros| FINITE.contains(micros)).map(Timestamptz)
}

/// The seconds in `HH[:MM[:SS]]`, of which `parts_min` parts must be there.
fn seconds_of(text: &str, parts_min: usize) -> Option<i64> {
    let [hours, minutes, seconds] = numbers(text.split(':'), parts_min)?;
    let in_clock = (0..=24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    in_clock.then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Up to three numbers; those that are missing are 0.
fn numbers<'t>(parts: impl Iterator<Item = &'t str>, parts_min: usize) -> Option<[i64; 3]> {
    let mut found = [0; 3];
    let mut count = 0;
    for (index, part) in parts.enumerate() {
        *found.get_mut(index)? = number(part)?;
        count = index + 1;
    }
    (count >= parts_min).then_some(found)
}

fn number(digits: &str) -> Option<i64> {
    let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

impl Encode for Timestamptz {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty != Type::TIMESTAMPTZ {
            return Err(EncodeError::WrongType);
        }
        out.put_i64(self.0);
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        Type::TIMESTAMPTZ
    }

    /// ISO, which the server reads whatever its DateStyle is.
    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty != Type::TIMESTAMPTZ {
            return Err(EncodeError::WrongType);
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{self}");
        Ok(IsNull::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Timestamptz, ValueError> {
        Timestamptz::from_text(&Type::TIMESTAMPTZ, text.into())
    }

    #[test]
    fn text_is_read_in_iso_and_in_no_other_style() {
        for (text, micros) in [
            ("2000-01-01 00:00:00+00", 0),
            ("1999-12-31 23:59:59.999999+00", -1),
            ("2000-01-01 01:30:00+01:30", 0),
            ("1999-12-31 19:00:00-05", 0),
            ("2000-01-01 00:19:32+00:19:32", 0),
            ("2000-01-02 00:00:00.5+00", 86_400_500_000),
            ("4714-11-24 00:00:00+00 BC", -211_813_488_000_000_000),
            ("4714-11-23 19:00:00-05 BC", -211_813_488_000_000_000),
            ("294276-12-31 23:59:59.999999+00", 9_223_371_331_199_999_999),
            ("294277-01-01 05:44:59.999999+05:45", 9_223_371_331_199_999_999),
        ] {
            assert_eq!(parse(text), Ok(Timestamptz(micros)), "{text}");
        }
        for text in [
            "01/02/2000 00:00:00 UTC",
            "Sat Jan 01 00:00:00 2000 UTC",
            "2000-02-30 00:00:00+00",
            "2000-13-01 00:00:00+00",
            "2000-01-01",
            "2000-01-01 00:00+00",
            "2000-01-01 00:00:00",
            "2000-01-01 00:00:00.1234567+00",
            "4714-11-23 23:59:59+00 BC",
            "294277-01-01 00:00:00+00",
            "294277-12-31 00:00:00+00",
            "",
            "now",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_infinities_are_kept_apart_from_instants() {
        assert_eq!(parse("-infinity"), Ok(Timestamptz::NEG_INFINITY));
        assert!(SystemTime::try_from(Timestamptz::INFINITY).is_err());
        assert_eq!(Timestamptz::from_unix_micros(i64::MIN), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(micros in FINITE) {
            let instant = Timestamptz(micros);
            prop_assert_eq!(parse(&instant.to_string()), Ok(instant));
        }

        #[test]
        fn system_time_there_and_back(micros in -1_000_000_000_000_000_i64..4_000_000_000_000_000) {
            let instant = Timestamptz::from_unix_micros(micros).unwrap();
            let time = SystemTime::try_from(instant).unwrap();
            prop_assert_eq!(Timestamptz::try_from(time), Ok(instant));
        }
    }
}
