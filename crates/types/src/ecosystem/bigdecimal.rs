//! The crate `bigdecimal`.

use bigdecimal::BigDecimal;

use super::{no_room, through};
use crate::{Numeric, ValueError};

impl TryFrom<Numeric> for BigDecimal {
    type Error = ValueError;

    /// All but NaN and the infinities.
    fn try_from(number: Numeric) -> Result<Self, ValueError> {
        if !number.is_finite() {
            return Err(no_room(number));
        }
        number.to_string().parse().map_err(no_room)
    }
}

impl TryFrom<&BigDecimal> for Numeric {
    type Error = ValueError;

    /// What has more decimals than PostgreSQL keeps is an error.
    fn try_from(number: &BigDecimal) -> Result<Self, ValueError> {
        let (digits, scale) = number.as_bigint_and_scale();
        // As an exponent, since the decimals that a scale stands for may be more than memory has.
        let exponent = scale.checked_neg().ok_or_else(|| no_room("its scale"))?;
        format!("{digits}e{exponent}").parse().map_err(|_| {
            ValueError::out_of_range(format!(
                "it has {} digits and a scale of {scale}, and PostgreSQL keeps 131072 decimals before the point and 16383 behind it",
                number.digits()
            ))
        })
    }
}

through!(BigDecimal => Numeric, NUMERIC);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, ValueError> {
        BigDecimal::try_from(text.parse::<Numeric>().unwrap()).map(|decimal| decimal.to_plain_string())
    }

    #[test]
    fn input_06_big_decimals_that_do_not_fit_are_errors() {
        let long = format!("-{}.{}", "9".repeat(1000), "1".repeat(1000));
        for text in ["0", "0.00", "-19.90", "100", &long] {
            assert_eq!(read(text).as_deref(), Ok(text));
            let there = BigDecimal::try_from(text.parse::<Numeric>().unwrap()).unwrap();
            assert_eq!(Numeric::try_from(&there).unwrap().to_string(), text);
        }
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(read(text), Err(ValueError::out_of_range(text)));
        }
        for scale in [-131_072, 16_384, i64::MAX, i64::MIN] {
            assert!(Numeric::try_from(&BigDecimal::new(1.into(), scale)).is_err(), "{scale}");
        }
        assert_eq!(Numeric::try_from(&BigDecimal::new(12.into(), -3)).unwrap().to_string(), "12000");
    }
}
