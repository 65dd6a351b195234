//! timestamptz.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, BytesMut};

use super::calendar::{self, MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMPS};
use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

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

/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH_UNIX_MICROS: i64 = 946_684_800 * MICROS_PER_SECOND;

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

    /// Microseconds since 1970-01-01 00:00:00 UTC; `None` before 4714-11-24 BC, where PostgreSQL's instants begin.
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        micros.checked_sub(EPOCH_UNIX_MICROS).filter(|micros| TIMESTAMPS.contains(micros)).map(Self)
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
        let days = self.0.div_euclid(MICROS_PER_DAY);
        calendar::put_date(f, days)?;
        f.write_str(" ")?;
        calendar::put_time(f, self.0.rem_euclid(MICROS_PER_DAY))?;
        write!(f, "+00{}", calendar::era(days))
    }
}

impl Scalar for Timestamptz {
    const TEXT: &'static str = "a timestamptz in DateStyle ISO";

    fn is(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    fn natural() -> Type {
        Type::TIMESTAMPTZ
    }

    #[inline]
    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        bytes.take_i64().map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i64(self.0);
        Ok(())
    }

    /// `YYYY-MM-DD HH:MM:SS[.ffffff]+HH[:MM[:SS]][ BC]`: the ISO style, with any offset. Any other style is an error, since it does not say
    /// which of two numbers is the month.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "infinity" => return Some(Self::INFINITY),
            "-infinity" => return Some(Self::NEG_INFINITY),
            _ => {}
        }
        let (text, is_bc) = calendar::split_era(text);
        let (date, time_and_offset) = text.split_once(' ')?;
        let (time, offset) = time_and_offset.split_at_checked(time_and_offset.find(['+', '-'])?)?;
        let midnight = calendar::parse_date(date, is_bc)?.checked_mul(MICROS_PER_DAY)?;
        let east = i64::from(calendar::parse_offset(offset)?) * MICROS_PER_SECOND;
        let micros = midnight.checked_add(calendar::parse_time(time)? - east)?;
        TIMESTAMPS.contains(&micros).then_some(Self(micros))
    }
}

scalar!(Timestamptz);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Timestamptz, ValueError> {
        text.parse()
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
        let first = Timestamptz(TIMESTAMPS.start).unix_micros().unwrap();
        assert_eq!(Timestamptz::from_unix_micros(first), Some(Timestamptz(TIMESTAMPS.start)));
        assert_eq!(Timestamptz::from_unix_micros(first - 1), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(micros in TIMESTAMPS) {
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
