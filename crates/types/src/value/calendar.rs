//! Dates and times of day as the server writes them in DateStyle ISO, and their texts.

use std::fmt;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The days that a `date` has, since 2000-01-01: 4714-11-24 BC up to the end of the year 5874897.
pub(super) const DATES: std::ops::Range<i64> = -2_451_545..2_145_031_949;

/// The microseconds since 2000-01-01 that timestamps have: 4714-11-24 BC up to the end of the year 294276.
pub(super) const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// Year, month and day of the proleptic Gregorian calendar, for days since 2000-01-01. Year 0 is 1 BC.
///
/// Counts in eras of 400 years that begin on a first of March, so that the leap day is the last of its year.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
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
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 730_425
}

/// Days since 2000-01-01; `None` for a day that no calendar has, or that lies more than a year outside of what PostgreSQL has.
pub(super) fn checked_days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(-4714..=5_874_898).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// What stands behind everything else of a date before the year 1.
pub(super) fn era(days: i64) -> &'static str {
    let (year, ..) = civil_from_days(days);
    if year > 0 { "" } else { " BC" }
}

/// `YYYY-MM-DD`, without the era.
pub(super) fn put_date(f: &mut fmt::Formatter<'_>, days: i64) -> fmt::Result {
    let (year, month, day) = civil_from_days(days);
    let shown_year = if year > 0 { year } else { 1 - year };
    write!(f, "{shown_year:04}-{month:02}-{day:02}")
}

/// `HH:MM:SS[.ffffff]`
pub(super) fn put_time(f: &mut fmt::Formatter<'_>, micros_of_day: i64) -> fmt::Result {
    let (seconds, micros) = (micros_of_day / MICROS_PER_SECOND, micros_of_day % MICROS_PER_SECOND);
    write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    put_fraction(f, micros)
}

/// `[.ffffff]`, without zeros at its end.
pub(super) fn put_fraction(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    if micros == 0 {
        return Ok(());
    }
    let (mut digits, mut width) = (micros, 6);
    while digits % 10 == 0 {
        digits /= 10;
        width -= 1;
    }
    write!(f, ".{digits:0width$}")
}

/// `+HH[:MM[:SS]]`
pub(super) fn put_offset(f: &mut fmt::Formatter<'_>, east_seconds: i32) -> fmt::Result {
    let (sign, distance) = (if east_seconds < 0 { '-' } else { '+' }, east_seconds.unsigned_abs());
    let (hours, minutes, seconds) = (distance / 3600, distance / 60 % 60, distance % 60);
    write!(f, "{sign}{hours:02}")?;
    if minutes != 0 || seconds != 0 {
        write!(f, ":{minutes:02}")?;
    }
    if seconds != 0 {
        write!(f, ":{seconds:02}")?;
    }
    Ok(())
}

/// Takes the era off the end: the text before it, and whether it is BC.
pub(super) fn split_era(text: &str) -> (&str, bool) {
    match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    }
}

/// `YYYY-MM-DD` to days since 2000-01-01. The order of the numbers is told by their widths: other DateStyles begin with two digits.
pub(super) fn parse_date(text: &str, is_bc: bool) -> Option<i64> {
    let (year, month_and_day) = text.split_once('-')?;
    let (month, day) = month_and_day.split_once('-')?;
    if !(4..=7).contains(&year.len()) || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let year = number(year).filter(|year| *year > 0)?;
    checked_days(if is_bc { 1 - year } else { year }, number(month)?, number(day)?)
}

/// `HH:MM:SS[.ffffff]` to microseconds; up to 24:00:00, which a sixtieth second may reach.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = split_fraction(text)?;
    let mut parts = clock.split(':');
    let [hours, minutes, seconds] = [parts.next()?, parts.next()?, parts.next()?];
    let two_digits = |part: &str| if part.len() == 2 { number(part) } else { None };
    let [hours, minutes, seconds] = [two_digits(hours)?, two_digits(minutes)?, two_digits(seconds)?];
    if parts.next().is_some() || minutes > 59 || seconds > 60 {
        return None;
    }
    let micros = ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + fraction;
    (micros <= MICROS_PER_DAY).then_some(micros)
}

/// Takes `.ffffff` off the end: what stands before it, and the microseconds.
pub(super) fn split_fraction(text: &str) -> Option<(&str, i64)> {
    let Some((before, fraction)) = text.split_once('.') else { return Some((text, 0)) };
    let missing = 6_usize.checked_sub(fraction.len())?;
    Some((before, number(fraction)? * 10_i64.pow(u32::try_from(missing).ok()?)))
}

/// `+HH[:MM[:SS]]` to seconds east of Greenwich, less than 16 hours.
pub(super) fn parse_offset(text: &str) -> Option<i32> {
    let (sign, distance) = match text.strip_prefix('-') {
        Some(distance) => (-1, distance),
        None => (1, text.strip_prefix('+')?),
    };
    let mut seconds = 0;
    let mut units = [3600, 60, 1].into_iter();
    for part in distance.split(':') {
        let count = if part.len() == 2 { i32::try_from(number(part)?).ok()? } else { return None };
        let unit = units.next()?;
        if count > if unit == 3600 { 15 } else { 59 } {
            return None;
        }
        seconds += count * unit;
    }
    Some(sign * seconds)
}

/// A number of digits alone.
pub(super) fn number(digits: &str) -> Option<i64> {
    let plain = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
