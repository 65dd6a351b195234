//! The crate `chrono`.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

use super::{no_room, through, too_fine};
use crate::{Date, Interval, Time, Timestamp, Timestamptz, ValueError};

impl TryFrom<Date> for NaiveDate {
    type Error = ValueError;

    /// Infinities and far years are errors.
    fn try_from(date: Date) -> Result<Self, ValueError> {
        let found =
            date.ymd().and_then(|(year, month, day)| Self::from_ymd_opt(year, month.into(), day.into()));
        found.ok_or_else(|| no_room(date))
    }
}

impl TryFrom<&NaiveDate> for Date {
    type Error = ValueError;

    /// Years before 4714 BC are errors.
    fn try_from(date: &NaiveDate) -> Result<Self, ValueError> {
        use chrono::Datelike;
        let (month, day) = (u8::try_from(date.month()), u8::try_from(date.day()));
        let found = month.ok().zip(day.ok()).and_then(|(month, day)| Self::from_ymd(date.year(), month, day));
        found.ok_or_else(|| no_room(date))
    }
}

impl TryFrom<Time> for NaiveTime {
    type Error = ValueError;

    /// 24:00:00 is an error.
    fn try_from(time: Time) -> Result<Self, ValueError> {
        let seconds = u32::try_from(time.micros() / 1_000_000);
        let nanos = u32::try_from(time.micros() % 1_000_000 * 1000);
        let found = seconds.ok().zip(nanos.ok());
        let found =
            found.and_then(|(seconds, nanos)| Self::from_num_seconds_from_midnight_opt(seconds, nanos));
        found.ok_or_else(|| no_room(time))
    }
}

impl TryFrom<&NaiveTime> for Time {
    type Error = ValueError;

    /// Leap seconds are errors, and what is finer than a microsecond.
    fn try_from(time: &NaiveTime) -> Result<Self, ValueError> {
        let nanos = time.nanosecond();
        if nanos >= 1_000_000_000 {
            return Err(ValueError::out_of_range(format!("{time} is a leap second")));
        }
        if nanos % 1000 != 0 {
            return Err(too_fine(time));
        }
        let micros = i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(nanos / 1000);
        Self::from_micros(micros).ok_or_else(|| no_room(time))
    }
}

impl TryFrom<Timestamp> for NaiveDateTime {
    type Error = ValueError;

    /// Infinities and far years are errors.
    fn try_from(timestamp: Timestamp) -> Result<Self, ValueError> {
        let date = timestamp.date().and_then(|date| NaiveDate::try_from(date).ok());
        let time = timestamp.time().and_then(|time| NaiveTime::try_from(time).ok());
        date.zip(time).map(|(date, time)| date.and_time(time)).ok_or_else(|| no_room(timestamp))
    }
}

impl TryFrom<&NaiveDateTime> for Timestamp {
    type Error = ValueError;

    /// Leap seconds, what is finer than a microsecond, and years that PostgreSQL does not have are errors.
    fn try_from(value: &NaiveDateTime) -> Result<Self, ValueError> {
        let time = Time::try_from(&value.time())?;
        let date = Date::try_from(&value.date())?;
        Self::new(date, time).ok_or_else(|| no_room(value))
    }
}

impl TryFrom<Timestamptz> for DateTime<Utc> {
    type Error = ValueError;

    /// Infinities and far years are errors.
    fn try_from(instant: Timestamptz) -> Result<Self, ValueError> {
        let utc = Timestamp::from_postgres_micros(instant.postgres_micros());
        NaiveDateTime::try_from(utc).map(|utc| utc.and_utc()).map_err(|_| no_room(instant))
    }
}

impl TryFrom<&DateTime<Utc>> for Timestamptz {
    type Error = ValueError;

    /// Leap seconds, what is finer than a microsecond, and years that PostgreSQL does not have are errors.
    fn try_from(value: &DateTime<Utc>) -> Result<Self, ValueError> {
        let utc = Timestamp::try_from(&value.naive_utc())?;
        Ok(Self::from_postgres_micros(utc.postgres_micros()))
    }
}

impl TryFrom<Timestamptz> for DateTime<FixedOffset> {
    type Error = ValueError;

    /// In UTC: PostgreSQL keeps no offset.
    fn try_from(instant: Timestamptz) -> Result<Self, ValueError> {
        DateTime::<Utc>::try_from(instant).map(|utc| utc.fixed_offset())
    }
}

impl TryFrom<&DateTime<FixedOffset>> for Timestamptz {
    type Error = ValueError;

    /// As from UTC: PostgreSQL keeps no offset.
    fn try_from(value: &DateTime<FixedOffset>) -> Result<Self, ValueError> {
        Self::try_from(&value.to_utc())
    }
}

impl TryFrom<Interval> for TimeDelta {
    type Error = ValueError;

    /// Months and days are errors: they have no fixed length.
    fn try_from(interval: Interval) -> Result<Self, ValueError> {
        match interval {
            Interval { months: 0, days: 0, micros } => Ok(Self::microseconds(micros)),
            other => Err(no_room(other)),
        }
    }
}

impl TryFrom<&TimeDelta> for Interval {
    type Error = ValueError;

    /// In microseconds alone; what is finer is an error.
    fn try_from(delta: &TimeDelta) -> Result<Self, ValueError> {
        if delta.subsec_nanos() % 1000 != 0 {
            return Err(too_fine(delta));
        }
        let micros = delta.num_microseconds().ok_or_else(|| no_room(delta))?;
        Ok(Self { months: 0, days: 0, micros })
    }
}

through! {
    NaiveDate => Date, DATE;
    NaiveTime => Time, TIME;
    NaiveDateTime => Timestamp, TIMESTAMP;
    DateTime<Utc> => Timestamptz, TIMESTAMPTZ;
    DateTime<FixedOffset> => Timestamptz, TIMESTAMPTZ;
    TimeDelta => Interval, INTERVAL;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn input_06_what_chrono_has_no_room_for_is_an_error() {
        for date in ["infinity", "-infinity", "5874897-12-31"] {
            assert_eq!(
                NaiveDate::try_from(date.parse::<Date>().unwrap()),
                Err(ValueError::out_of_range(date))
            );
        }
        assert!(NaiveTime::try_from(Time::END_OF_DAY).is_err());
        assert_eq!(NaiveDateTime::try_from(Timestamp::INFINITY), Err(ValueError::out_of_range("infinity")));
        for instant in ["infinity", "294276-12-31 23:59:59+00"] {
            assert!(DateTime::<Utc>::try_from(instant.parse::<Timestamptz>().unwrap()).is_err(), "{instant}");
        }
        for interval in [
            Interval { months: 1, ..Interval::default() },
            Interval { days: 1, ..Interval::default() },
            Interval::INFINITY,
        ] {
            assert!(TimeDelta::try_from(interval).is_err(), "{interval}");
        }
    }

    #[test]
    fn input_06_what_postgresql_has_no_room_for_is_an_error() {
        let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
        assert!(Time::try_from(&leap).is_err());
        assert!(Time::try_from(&NaiveTime::from_hms_nano_opt(0, 0, 0, 1).unwrap()).is_err());
        assert!(Date::try_from(&NaiveDate::MIN).is_err());
        assert!(Timestamp::try_from(&NaiveDateTime::MIN).is_err());
        assert!(Timestamptz::try_from(&DateTime::<Utc>::MIN_UTC).is_err());
        assert!(Interval::try_from(&TimeDelta::nanoseconds(1)).is_err());
        assert!(Interval::try_from(&TimeDelta::MAX).is_err());
    }

    proptest! {
        #[test]
        fn there_and_back(micros in -211_813_488_000_000_000_i64..8_000_000_000_000_000_000) {
            let timestamp = Timestamp::from_postgres_micros(micros);
            if let Ok(value) = NaiveDateTime::try_from(timestamp) {
                prop_assert_eq!(Timestamp::try_from(&value), Ok(timestamp));
            }
            let instant = Timestamptz::from_postgres_micros(micros % 100_000_000_000_000_000);
            let value = DateTime::<FixedOffset>::try_from(instant).unwrap();
            prop_assert_eq!(Timestamptz::try_from(&value), Ok(instant));
        }
    }
}
