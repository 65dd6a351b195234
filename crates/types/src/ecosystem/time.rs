//! The crate `time`.

use time::{Duration, Month, OffsetDateTime, PrimitiveDateTime};

use super::{no_room, through, too_fine};
use crate::{Date, Interval, Time, Timestamp, Timestamptz, ValueError};

impl TryFrom<Date> for time::Date {
    type Error = ValueError;

    /// Infinities and far years are errors.
    fn try_from(date: Date) -> Result<Self, ValueError> {
        let found = date.ymd().and_then(|(year, month, day)| {
            Self::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
        });
        found.ok_or_else(|| no_room(date))
    }
}

impl TryFrom<&time::Date> for Date {
    type Error = ValueError;

    /// Years before 4714 BC are errors.
    fn try_from(date: &time::Date) -> Result<Self, ValueError> {
        Self::from_ymd(date.year(), date.month().into(), date.day()).ok_or_else(|| no_room(date))
    }
}

impl TryFrom<Time> for time::Time {
    type Error = ValueError;

    /// 24:00:00 is an error.
    fn try_from(time: Time) -> Result<Self, ValueError> {
        let (seconds, micros) = (time.micros() / 1_000_000, time.micros() % 1_000_000);
        let unit = |count: i64| u8::try_from(count).map_err(|_| no_room(time));
        let micros = u32::try_from(micros).map_err(|_| no_room(time))?;
        Self::from_hms_micro(unit(seconds / 3600)?, unit(seconds / 60 % 60)?, unit(seconds % 60)?, micros)
            .map_err(|_| no_room(time))
    }
}

impl TryFrom<&time::Time> for Time {
    type Error = ValueError;

    /// What is finer than a microsecond is an error.
    fn try_from(time: &time::Time) -> Result<Self, ValueError> {
        let (hours, minutes, seconds, nanos) = time.as_hms_nano();
        if nanos % 1000 != 0 {
            return Err(too_fine(time));
        }
        let seconds = (i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds);
        Self::from_micros(seconds * 1_000_000 + i64::from(nanos / 1000)).ok_or_else(|| no_room(time))
    }
}

impl TryFrom<Timestamp> for PrimitiveDateTime {
    type Error = ValueError;

    /// Infinities and far years are errors.
    fn try_from(timestamp: Timestamp) -> Result<Self, ValueError> {
        let date = timestamp.date().and_then(|date| time::Date::try_from(date).ok());
        let time = timestamp.time().and_then(|time| time::Time::try_from(time).ok());
        date.zip(time).map(|(date, time)| Self::new(date, time)).ok_or_else(|| no_room(timestamp))
    }
}

impl TryFrom<&PrimitiveDateTime> for Timestamp {
    type Error = ValueError;

    /// What is finer than a microsecond is an error, and years that PostgreSQL does not have.
    fn try_from(value: &PrimitiveDateTime) -> Result<Self, ValueError> {
        let (date, time) = (Date::try_from(&value.date())?, Time::try_from(&value.time())?);
        Self::new(date, time).ok_or_else(|| no_room(value))
    }
}

impl TryFrom<Timestamptz> for OffsetDateTime {
    type Error = ValueError;

    /// In UTC: PostgreSQL keeps no offset. Infinities and far years are errors.
    fn try_from(instant: Timestamptz) -> Result<Self, ValueError> {
        let utc = Timestamp::from_postgres_micros(instant.postgres_micros());
        PrimitiveDateTime::try_from(utc).map(PrimitiveDateTime::assume_utc).map_err(|_| no_room(instant))
    }
}

impl TryFrom<&OffsetDateTime> for Timestamptz {
    type Error = ValueError;

    /// What is finer than a microsecond is an error, and years that PostgreSQL does not have.
    fn try_from(value: &OffsetDateTime) -> Result<Self, ValueError> {
        let nanos = value.unix_timestamp_nanos();
        if nanos % 1000 != 0 {
            return Err(too_fine(value));
        }
        let micros = i64::try_from(nanos / 1000).ok().and_then(Self::from_unix_micros);
        micros.ok_or_else(|| no_room(value))
    }
}

impl TryFrom<Interval> for Duration {
    type Error = ValueError;

    /// Months and days are errors: they have no fixed length.
    fn try_from(interval: Interval) -> Result<Self, ValueError> {
        match interval {
            Interval { months: 0, days: 0, micros } => Ok(Self::microseconds(micros)),
            other => Err(no_room(other)),
        }
    }
}

impl TryFrom<&Duration> for Interval {
    type Error = ValueError;

    /// In microseconds alone; what is finer is an error.
    fn try_from(duration: &Duration) -> Result<Self, ValueError> {
        if duration.subsec_nanoseconds() % 1000 != 0 {
            return Err(too_fine(duration));
        }
        let micros = i64::try_from(duration.whole_microseconds()).map_err(|_| no_room(duration))?;
        Ok(Self { months: 0, days: 0, micros })
    }
}

through! {
    time::Date => Date, DATE;
    time::Time => Time, TIME;
    PrimitiveDateTime => Timestamp, TIMESTAMP;
    OffsetDateTime => Timestamptz, TIMESTAMPTZ;
    Duration => Interval, INTERVAL;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn input_06_what_time_has_no_room_for_is_an_error() {
        for date in ["infinity", "-infinity", "5874897-12-31"] {
            assert_eq!(
                time::Date::try_from(date.parse::<Date>().unwrap()),
                Err(ValueError::out_of_range(date))
            );
        }
        assert!(time::Time::try_from(Time::END_OF_DAY).is_err());
        for instant in ["infinity", "294276-12-31 23:59:59+00"] {
            assert!(OffsetDateTime::try_from(instant.parse::<Timestamptz>().unwrap()).is_err(), "{instant}");
        }
        assert!(PrimitiveDateTime::try_from(Timestamp::NEG_INFINITY).is_err());
        for interval in [
            Interval { months: 1, ..Interval::default() },
            Interval { days: 1, ..Interval::default() },
            Interval::INFINITY,
        ] {
            assert!(Duration::try_from(interval).is_err(), "{interval}");
        }
    }

    #[test]
    fn input_06_what_postgresql_has_no_room_for_is_an_error() {
        assert!(Time::try_from(&time::Time::from_hms_nano(0, 0, 0, 1).unwrap()).is_err());
        assert!(Date::try_from(&time::Date::MIN).is_err());
        assert!(Timestamp::try_from(&PrimitiveDateTime::MIN).is_err());
        assert!(Timestamptz::try_from(&PrimitiveDateTime::MIN.assume_utc()).is_err());
        assert!(Timestamptz::try_from(&OffsetDateTime::from_unix_timestamp_nanos(1).unwrap()).is_err());
        assert!(Interval::try_from(&Duration::nanoseconds(1)).is_err());
        assert!(Interval::try_from(&Duration::MAX).is_err());
    }

    proptest! {
        #[test]
        fn there_and_back(micros in -211_813_488_000_000_000_i64..252_000_000_000_000_000) {
            let timestamp = Timestamp::from_postgres_micros(micros);
            let value = PrimitiveDateTime::try_from(timestamp).unwrap();
            prop_assert_eq!(Timestamp::try_from(&value), Ok(timestamp));
            let instant = Timestamptz::from_postgres_micros(micros);
            let value = OffsetDateTime::try_from(instant).unwrap();
            prop_assert_eq!(Timestamptz::try_from(&value), Ok(instant));
        }
    }
}
