//! The crate `rust_decimal`: up to 96 bits, and 28 decimals behind the point.

use rust_decimal::Decimal;

use super::{no_room, through};
use crate::value::brief;
use crate::{Numeric, ValueError};

impl TryFrom<Numeric> for Decimal {
    type Error = ValueError;

    /// With the scale that the numeric has, or with a smaller one if only zeros are left out. Everything else that does not fit is an
    /// error, as are NaN and the infinities.
    fn try_from(number: Numeric) -> Result<Self, ValueError> {
        let scales = (0..=number.scale().unwrap_or(0).min(28)).rev();
        let scaled = scales.filter_map(|scale| {
            let (is_negative, magnitude) = number.to_magnitude(scale)?;
            let mantissa = i128::try_from(magnitude).ok()?;
            let mantissa = if is_negative { -mantissa } else { mantissa };
            Self::try_from_i128_with_scale(mantissa, u32::from(scale)).ok()
        });
        let mut scaled = scaled;
        scaled.next().ok_or_else(|| no_room(brief(&number)))
    }
}

impl From<Decimal> for Numeric {
    fn from(number: Decimal) -> Self {
        let (mantissa, scale) = (number.mantissa(), u16::try_from(number.scale()).unwrap_or(0));
        Self::from_scaled(mantissa < 0, mantissa.unsigned_abs(), scale).unwrap_or(Self::NAN)
    }
}

impl TryFrom<&Decimal> for Numeric {
    type Error = ValueError;

    fn try_from(number: &Decimal) -> Result<Self, ValueError> {
        Ok(Self::from(*number))
    }
}

through!(Decimal => Numeric, NUMERIC);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<String, ValueError> {
        Decimal::try_from(text.parse::<Numeric>().unwrap()).map(|decimal| decimal.to_string())
    }

    #[test]
    fn input_06_decimals_that_do_not_fit_are_errors() {
        for text in [
            "0",
            "0.00",
            "-19.90",
            "79228162514264337593543950335",
            "0.0000000000000000000000000001",
            "-7.9228162514264337593543950335",
        ] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        // Only zeros are left out.
        assert_eq!(
            read("1.0000000000000000000000000000000").as_deref(),
            Ok("1.0000000000000000000000000000")
        );
        assert_eq!(read("12345678901234567890123456789.0").as_deref(), Ok("12345678901234567890123456789"));
        for text in [
            "NaN",
            "Infinity",
            "-Infinity",
            "79228162514264337593543950336",
            "0.00000000000000000000000000001",
            "1e100",
            "7.92281625142643375935439503351",
        ] {
            assert!(matches!(read(text), Err(ValueError::OutOfRange(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(mantissa in -(1_i128 << 96) + 1..(1_i128 << 96), scale in 0_u32..=28) {
            let decimal = Decimal::from_i128_with_scale(mantissa, scale);
            let back = Decimal::try_from(Numeric::from(decimal)).unwrap();
            prop_assert_eq!((back.mantissa(), back.scale()), (mantissa, scale));
        }
    }
}
