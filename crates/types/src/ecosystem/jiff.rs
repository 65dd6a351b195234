//! The crate `jiff`.

use jiff::{SignedDuration, Span, civil};

use super::{no_room, through, too_fine};
use crate::{Date, Interval, Time, Timestamp, Timestamptz, ValueError};

impl TryFrom<Date> for civil::Date {
    type Error = ValueError;

    /// Infinities, and years outside of -9999 to 9999, are errors.
    fn try_from(date: Date) -> Result<Self, ValueError> {
        let found = date.ymd().and_then(|(year, month, day)| {
            let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
            Self::new(i16::try_from(year).ok()?, month, day).ok()
        });
        found.ok_or_else(|| no_room(date))
    }
}

impl TryFrom<&civil::Date> for Date {
    type Error = ValueError;

    /// Years before 4714 BC are errors.
    fn try_from(date: &civil::Date) -> Result<Self, ValueError> {
        let (month, day) = (u8::try_from(date.month()), u8::try_from(date.day()));
        let found = month.ok().zip(day.ok());
        let found = found.and_then(|(month, day)| Self::from_ymd(date.year().into(), month, day));
        found.ok_or_else(|| no_room(date))
    }
}

impl TryFrom<Time> for civil::Time {
    type Error = ValueError;

    /// 24:00:00 is an error.
    fn try_from(time: Time) -> Result<Self, ValueError> {
        let (seconds, micros) = (time.micros() / 1_000_000, time.micros() % 1_000_000);
        let unit = |count: i64| i8::try_from(count).map_err(|_| no_room(time));
        let nanos = i32::try_from(micros * 1000).map_err(|_| no_room(time))?;
        Self::new(unit(seconds / 3600)?, unit(seconds / 60 % 60)?, unit(seconds % 60)?, nanos)
            .map_err(|_| no_room(time))
    }
}

impl TryFrom<&civil::Time> for Time {
    type Error = ValueError;

    /// What is finer than a microsecond is an error.
    fn try_from(time: &civil::Time) -> Result<Self, ValueError> {
        let nanos = time.subsec_nanosecond();
        if nanos % 1000 != 0 {
            return Err(too_fine(time));
        }
        let seconds =
            (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
        Self::from_micros(seconds * 1_000_000 + i64::from(nanos / 1000)).ok_or_else(|| no_room(time))
    }
}

impl TryFrom<Timestamp> for civil::DateTime {
    type Error = ValueError;

    /// Infinities, and years outside of -9999 to 9999, are errors.
    fn try_from(timestamp: Timestamp) -> Result<Self, ValueError> {
        let date = timestamp.date().and_then(|date| civil::Date::try_from(date).ok());
        let time = timestamp.time().and_then(|time| civil::Time::try_from(time).ok());
        date.zip(time).map(|(date, time)| Self::from_parts(date, time)).ok_or_else(|| no_room(timestamp))
    }
}

impl TryFrom<&civil::DateTime> for Timestamp {
    type Error = ValueError;

    /// What is finer than a microsecond is an error, and years that PostgreSQL does not have.
    fn try_from(value: &civil::DateTime) -> Result<Self, ValueError> {
        let (date, time) = (Date::try_from(&value.date())?, Time::try_from(&value.time())?);
        Self::new(date, time).ok_or_else(|| no_room(value))
    }
}

impl TryFrom<Timestamptz> for jiff::Timestamp {
    type Error = ValueError;

    /// Infinities, and years outside of -9999 to 9999, are errors.
    fn try_from(instant: Timestamptz) -> Result<Self, ValueError> {
        let found = instant.unix_micros().and_then(|micros| Self::from_microsecond(micros).ok());
        found.ok_or_else(|| no_room(instant))
    }
}

impl TryFrom<&jiff::Timestamp> for Timestamptz {
    type Error = ValueError;

    /// What is finer than a microsecond is an error, and years before 4714 BC.
    fn try_from(value: &jiff::Timestamp) -> Result<Self, ValueError> {
        let nanos = value.as_nanosecond();
        if nanos % 1000 != 0 {
            return Err(too_fine(value));
        }
        let micros = i64::try_from(nanos / 1000).ok().and_then(Self::from_unix_micros);
        micros.ok_or_else(|| no_room(value))
    }
}

impl TryFrom<Interval> for SignedDuration {
    type Error = ValueError;

    /// Months and days are errors: they have no fixed length.
    fn try_from(interval: Interval) -> Result<Self, ValueError> {
        match interval {
            Interval { months: 0, days: 0, micros } => Ok(Self::from_micros(micros)),
            other => Err(no_room(other)),
        }
    }
}

impl TryFrom<&SignedDuration> for Interval {
    type Error = ValueError;

    /// In microseconds alone; what is finer is an error.
    fn try_from(duration: &SignedDuration) -> Result<Self, ValueError> {
        if duration.subsec_nanos() % 1000 != 0 {
            return Err(too_fine(duration));
        }
        let micros = i64::try_from(duration.as_micros()).map_err(|_| no_room(duration))?;
        Ok(Self { months: 0, days: 0, micros })
    }
}

impl TryFrom<Interval> for Span {
    type Error = ValueError;

    /// In months, days and microseconds. A span has one sign: intervals with both are errors, and long ones.
    fn try_from(interval: Interval) -> Result<Self, ValueError> {
        let Interval { months, days, micros } = interval;
        let signs = [months.signum().into(), days.signum().into(), micros.signum()];
        if signs.contains(&1) && signs.contains(&-1) {
            return Err(no_room(interval));
        }
        let span = Self::new().try_months(months).and_then(|span| span.try_days(days));
        span.and_then(|span| span.try_microseconds(micros)).map_err(|_| no_room(interval))
    }
}

impl TryFrom<&Span> for Interval {
    type Error = ValueError;

    /// Years become months, weeks days, and hours and what is shorter microseconds. What is finer than one is an error.
    fn try_from(span: &Span) -> Result<Self, ValueError> {
        if span.get_nanoseconds() % 1000 != 0 {
            return Err(too_fine(span));
        }
        let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let minutes = i128::from(span.get_hours()) * 60 + i128::from(span.get_minutes());
        let millis =
            (minutes * 60 + i128::from(span.get_seconds())) * 1000 + i128::from(span.get_milliseconds());
        let finest = i128::from(span.get_microseconds()) + i128::from(span.get_nanoseconds() / 1000);
        Ok(Self {
            months: i32::try_from(months).map_err(|_| no_room(span))?,
            days: i32::try_from(days).map_err(|_| no_room(span))?,
            micros: i64::try_from(millis * 1000 + finest).map_err(|_| no_room(span))?,
        })
    }
}

through! {
    civil::Date => Date, DATE;
    civil::Time => Time, TIME;
    civil::DateTime => Timestamp, TIMESTAMP;
    jiff::Timestamp => Timestamptz, TIMESTAMPTZ;
    SignedDuration => Interval, INTERVAL;
    Span => Interval, INTERVAL;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn input_06_what_jiff_has_no_room_for_is_an_error() {
        for date in ["infinity", "-infinity", "10000-01-01"] {
            assert_eq!(
                civil::Date::try_from(date.parse::<Date>().unwrap()),
                Err(ValueError::out_of_range(date))
            );
        }
        assert!(civil::Time::try_from(Time::END_OF_DAY).is_err());
        assert!(civil::DateTime::try_from(Timestamp::INFINITY).is_err());
        for instant in ["infinity", "10000-01-01 00:00:00+00"] {
            assert!(jiff::Timestamp::try_from(instant.parse::<Timestamptz>().unwrap()).is_err(), "{instant}");
        }
        let interval = |text: &str| text.parse::<Interval>().unwrap();
        assert!(SignedDuration::try_from(interval("1 day")).is_err());
        for text in
            ["1 mon -1 days", "-1 days +00:00:01", "infinity", "20000 years", "2562047788:00:54.775807"]
        {
            assert!(Span::try_from(interval(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn input_06_what_postgresql_has_no_room_for_is_an_error() {
        assert!(Time::try_from(&civil::Time::new(0, 0, 0, 1).unwrap()).is_err());
        assert!(Date::try_from(&civil::Date::MIN).is_err());
        assert!(Timestamp::try_from(&civil::DateTime::MIN).is_err());
        assert!(Timestamptz::try_from(&jiff::Timestamp::MIN).is_err());
        assert!(Timestamptz::try_from(&jiff::Timestamp::from_nanosecond(1).unwrap()).is_err());
        assert!(Interval::try_from(&SignedDuration::MAX).is_err());
        assert!(Interval::try_from(&Span::new().nanoseconds(1)).is_err());
        let span = Span::new().years(1).weeks(1).hours(1).nanoseconds(1000);
        assert_eq!(Interval::try_from(&span).unwrap().to_string(), "1 year 7 days 01:00:00.000001");
    }

    proptest! {
        #[test]
        fn there_and_back(micros in -211_813_488_000_000_000_i64..252_000_000_000_000_000) {
            let timestamp = Timestamp::from_postgres_micros(micros);
            let value = civil::DateTime::try_from(timestamp).unwrap();
            prop_assert_eq!(Timestamp::try_from(&value), Ok(timestamp));
            let instant = Timestamptz::from_postgres_micros(micros);
            let value = jiff::Timestamp::try_from(instant).unwrap();
            prop_assert_eq!(Timestamptz::try_from(&value), Ok(instant));
            let interval = Interval { months: 14, days: 3, micros: micros.abs() };
            prop_assert_eq!(Interval::try_from(&Span::try_from(interval).unwrap()), Ok(interval));
        }
    }
}
