//! What a numeric is made of and becomes: integers and floats, where they are the same number.

use super::{BASE, Finite, Numeric, Repr};
use crate::ValueError;

macro_rules! integers {
    ($($int:ident),+) => {$(
        impl From<$int> for Numeric {
            fn from(value: $int) -> Self {
                let is_negative = i128::try_from(value).is_ok_and(|value| value < 0);
                // The absolute value of the least integer fits into the unsigned type alone.
                let magnitude = match u128::try_from(value) {
                    Ok(magnitude) => magnitude,
                    Err(_) => i128::try_from(value).map_or(0, i128::unsigned_abs),
                };
                Self::from_magnitude(is_negative, magnitude)
            }
        }

        impl TryFrom<&Numeric> for $int {
            type Error = ValueError;

            /// The same number. One with a fraction that is not zero is an error.
            fn try_from(number: &Numeric) -> Result<Self, ValueError> {
                let beyond = || ValueError::out_of_range(format!("{} is no {}", brief(number), stringify!($int)));
                let (is_negative, magnitude) = number.to_magnitude(0).ok_or_else(beyond)?;
                let value = if is_negative {
                    0_i128.checked_sub_unsigned(magnitude).and_then(|value| Self::try_from(value).ok())
                } else {
                    Self::try_from(magnitude).ok()
                };
                value.ok_or_else(beyond)
            }
        }
    )+};
}

integers!(i16, i32, i64, i128, u8, u16, u32, u64, u128);

impl From<f64> for Numeric {
    /// The very number that the float is, not the shortest text that would be read as it: 0.1 has 55 decimals. To get those that are
    /// shown, parse what `to_string` gives.
    fn from(value: f64) -> Self {
        if value.is_nan() {
            return Self::NAN;
        }
        if value.is_infinite() {
            return if value > 0.0 { Self::INFINITY } else { Self::NEG_INFINITY };
        }
        // No float has more decimals than the least of them.
        let text = format!("{value:.1074}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.parse().unwrap_or(Self::NAN)
    }
}

impl TryFrom<&Numeric> for f64 {
    type Error = ValueError;

    /// The same number; one that no float is, such as 0.1, is an error. See [`Numeric::to_f64_lossy`] for the next one.
    fn try_from(number: &Numeric) -> Result<Self, ValueError> {
        let nearest = number.to_f64_lossy();
        if Numeric::from(nearest) == *number {
            Ok(nearest)
        } else {
            Err(ValueError::out_of_range(format!("{} is no f64", brief(number))))
        }
    }
}

impl Numeric {
    /// The float that is next to it: an infinity if there is none so large.
    pub fn to_f64_lossy(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The number that is `magnitude`, or less than zero by as much.
    fn from_magnitude(is_negative: bool, magnitude: u128) -> Self {
        Self::from_scaled(is_negative, magnitude, 0).unwrap_or(Self::NAN)
    }

    /// `magnitude` divided by ten to the power of `scale`; `None` if the scale is more than PostgreSQL has.
    pub(crate) fn from_scaled(is_negative: bool, magnitude: u128, scale: u16) -> Option<Self> {
        if scale > super::SCALE_MAX {
            return None;
        }
        // Decimals are moved so that the point stands between two digits; at most 43 of them, which is 11 digits.
        let filling = (4 - scale % 4) % 4;
        let base = u128::from(BASE);
        let (mut rest, mut digits) = (magnitude, [0_u16; 12]);
        let mut weight = -i64::from((scale + filling) / 4) - 1;
        let mut low = 10_u128.pow(u32::from(4 - filling));
        let mut factor = 10_u128.pow(u32::from(filling));
        for place in digits.iter_mut().rev() {
            let digit = rest % low * factor;
            rest /= low;
            (low, factor) = (base, 1);
            *place = u16::try_from(digit).ok()?;
            weight += 1;
        }
        Finite::new(is_negative, weight, scale, &digits).map(|finite| Self(Repr::Finite(finite)))
    }

    /// Its sign, and the number times ten to the power of `scale`; `None` if that has a fraction, or is too large.
    pub(crate) fn to_magnitude(&self, scale: u16) -> Option<(bool, u128)> {
        let Repr::Finite(finite) = &self.0 else { return None };
        let mut magnitude = 0_u128;
        // The power of ten that the digit at hand is multiplied by.
        let mut exponent = i64::from(finite.weight) * 4 + i64::from(scale);
        for digit in &finite.digits {
            let digit = u128::from(*digit);
            let (factor, divisor) = if exponent >= 0 {
                (u128::from(BASE), 1)
            } else {
                let cut = u32::try_from(-exponent).ok().filter(|cut| *cut < 4)?;
                (10_u128.pow(4 - cut), 10_u128.pow(cut))
            };
            if digit % divisor != 0 {
                return None;
            }
            magnitude = magnitude.checked_mul(factor)?.checked_add(digit / divisor)?;
            exponent -= 4;
        }
        // Digits of zero were left out behind the last one.
        let behind = u32::try_from((exponent + 4).max(0)).ok()?;
        if magnitude != 0 {
            magnitude = magnitude.checked_mul(10_u128.checked_pow(behind)?)?;
        }
        Some((finite.is_negative, magnitude))
    }
}

/// A number for an error: no longer than one likes to read.
pub(crate) fn brief(number: &Numeric) -> String {
    let text = number.to_string();
    match text.get(..40) {
        Some(beginning) if text.len() > 44 => format!("{beginning}... ({} digits)", text.len()),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Numeric {
        text.parse().unwrap()
    }

    #[test]
    fn integers_fit_or_are_refused() {
        assert_eq!(i64::try_from(&parsed("-9223372036854775808.000")), Ok(i64::MIN));
        assert_eq!(u128::try_from(&Numeric::from(u128::MAX)), Ok(u128::MAX));
        assert_eq!(i128::try_from(&Numeric::from(i128::MIN)), Ok(i128::MIN));
        assert_eq!(i32::try_from(&parsed("1e8")), Ok(100_000_000));
        assert_eq!(u64::try_from(&parsed("0.0")), Ok(0));
        for text in
            ["9223372036854775808", "0.5", "1e100", "NaN", "Infinity", "-9223372036854775809", "1e-100"]
        {
            assert!(i64::try_from(&parsed(text)).is_err(), "{text}");
        }
        assert!(u32::try_from(&parsed("-1")).is_err());
        let error = i64::try_from(&parsed("1e1000")).unwrap_err();
        assert!(error.to_string().len() < 80, "{error}");
    }

    #[test]
    fn floats_are_the_same_number_or_are_refused() {
        assert_eq!(f64::try_from(&parsed("0.5")), Ok(0.5));
        assert!(f64::try_from(&parsed("0.1")).is_err());
        assert!(f64::try_from(&parsed("1e400")).is_err());
        assert!(f64::try_from(&Numeric::NAN).unwrap().is_nan());
        assert_eq!(f64::try_from(&Numeric::NEG_INFINITY), Ok(f64::NEG_INFINITY));
        assert_eq!(parsed("1e400").to_f64_lossy().to_bits(), f64::INFINITY.to_bits());
        assert_eq!(
            Numeric::from(0.1).to_string(),
            "0.1000000000000000055511151231257827021181583404541015625"
        );
        assert_eq!(Numeric::from(1e300).to_f64_lossy().to_bits(), 1e300_f64.to_bits());
    }

    #[test]
    fn decimals_are_scaled_without_loss() {
        for (text, scale, magnitude) in
            [("12.34", 2, 1234), ("12.34", 5, 1_234_000), ("0.0001", 4, 1), ("120000", 0, 120_000)]
        {
            assert_eq!(parsed(text).to_magnitude(scale), Some((false, magnitude)), "{text}");
        }
        assert_eq!(parsed("12.34").to_magnitude(1), None);
        for (magnitude, scale, text) in [
            (1234, 2, "12.34"),
            (1, 4, "0.0001"),
            (100, 3, "0.100"),
            (0, 2, "0.00"),
            (7, 28, "0.0000000000000000000000000007"),
        ] {
            assert_eq!(Numeric::from_scaled(false, magnitude, scale).unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn integers_there_and_back(value: i128) {
            let number = Numeric::from(value);
            prop_assert_eq!(number.to_string(), value.to_string());
            prop_assert_eq!(i128::try_from(&number), Ok(value));
        }

        #[test]
        fn floats_there_and_back(value in proptest::num::f64::ANY.prop_filter("NaN differs from itself", |value| !value.is_nan())) {
            prop_assert_eq!(f64::try_from(&Numeric::from(value)), Ok(value));
        }

        #[test]
        fn scaled_numbers_there_and_back(magnitude: u128, scale in 0_u16..60) {
            let number = Numeric::from_scaled(false, magnitude, scale).unwrap();
            prop_assert_eq!(number.to_magnitude(scale), Some((false, magnitude)));
            prop_assert_eq!(number.to_string().parse::<Numeric>().unwrap().to_magnitude(scale), Some((false, magnitude)));
        }
    }
}
