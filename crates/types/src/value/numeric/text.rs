//! The text of a numeric.

use std::fmt;

use super::{BASE, DECIMALS, Finite, Numeric, Repr, SCALE_MAX};

/// The most decimals before the point.
const INTEGRAL_MAX: i64 = 131_072;

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::NaN => f.write_str("NaN"),
            Repr::Infinity => f.write_str("Infinity"),
            Repr::NegInfinity => f.write_str("-Infinity"),
            Repr::Finite(finite) => finite.fmt(f),
        }
    }
}

impl fmt::Debug for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Numeric({self})")
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative {
            f.write_str("-")?;
        }
        let weight = i64::from(self.weight);
        let mut digits = self.digits.iter().copied();
        if weight < 0 {
            f.write_str("0")?;
        }
        for position in 0..=weight {
            let digit = digits.next().unwrap_or(0);
            if position == 0 { write!(f, "{digit}")? } else { write!(f, "{digit:04}")? }
        }
        if self.scale == 0 {
            return Ok(());
        }
        f.write_str(".")?;
        // Digits of zero that stand between the point and the first one.
        let mut before_first = (-1 - weight).max(0);
        let mut left = usize::from(self.scale);
        while left > 0 {
            let digit = if before_first > 0 {
                before_first -= 1;
                0
            } else {
                digits.next().unwrap_or(0)
            };
            let shown = left.min(DECIMALS);
            // The last digit may have more decimals than are shown; those are zeros.
            let cut = 10_u16.pow(u32::try_from(DECIMALS - shown).unwrap_or(0));
            write!(f, "{:0shown$}", digit / cut)?;
            left -= shown;
        }
        Ok(())
    }
}

/// Reads what the server reads, but for spaces, underscores, and digits that are not decimal.
pub(super) fn parse(text: &str) -> Option<Numeric> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        return Some(if is_negative { Numeric::NEG_INFINITY } else { Numeric::INFINITY });
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(Numeric::NAN);
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
        None => (unsigned, 0),
    };
    let (integral, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let decimals = integral.len().checked_add(fraction.len()).filter(|decimals| *decimals > 0)?;
    if !integral.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?.max(0);
    let scale = u16::try_from(scale).ok().filter(|scale| *scale <= SCALE_MAX)?;

    // The place of the point, counted from the first decimal that is not zero.
    let zeros = integral.bytes().chain(fraction.bytes()).take_while(|byte| *byte == b'0').count();
    if zeros == decimals {
        return Some(Numeric(Repr::Finite(Finite::new(false, 0, scale, &[])?)));
    }
    let place = i64::try_from(integral.len()).ok()? - i64::try_from(zeros).ok()? + exponent;
    if place > INTEGRAL_MAX {
        return None;
    }
    let decimals = integral.bytes().chain(fraction.bytes()).skip(zeros).map(|byte| u16::from(byte - b'0'));
    let weight = (place - 1).div_euclid(4);
    // Zeros in front fill the first digit up.
    let filling = usize::try_from((weight + 1) * 4 - place).ok()?;
    let mut digits = Vec::with_capacity(mantissa.len() / DECIMALS + 2);
    let (mut digit, mut filled) = (0, filling);
    for decimal in decimals {
        digit = digit * 10 + decimal;
        filled += 1;
        if filled == DECIMALS {
            digits.push(digit);
            (digit, filled) = (0, 0);
        }
    }
    if filled > 0 {
        digits.push((filled..DECIMALS).fold(digit, |digit, _| digit * 10));
    }
    debug_assert!(digits.iter().all(|digit| *digit < BASE), "digits are of four decimals");
    Some(Numeric(Repr::Finite(Finite::new(is_negative, weight, scale, &digits)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(text: &str, expected: &Expect) {
        let shown = match text.parse::<Numeric>() {
            Ok(number) => number.to_string(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn text_is_read_as_the_server_reads_it() {
        check("0", &expect!["0"]);
        check("-0.00", &expect!["0.00"]);
        check("000123.4500", &expect!["123.4500"]);
        check("-12345678.000000001", &expect!["-12345678.000000001"]);
        check(".5", &expect!["0.5"]);
        check("5.", &expect!["5"]);
        check("1.5e1", &expect!["15"]);
        check("1.5e-1", &expect!["0.15"]);
        check("1.500e2", &expect!["150.0"]);
        check("1e-10", &expect!["0.0000000001"]);
        check("123e5", &expect!["12300000"]);
        check("0.00001234", &expect!["0.00001234"]);
        check("+INF", &expect!["Infinity"]);
        check("nan", &expect!["NaN"]);
    }

    #[test]
    fn what_numeric_cannot_hold_is_refused() {
        check("", &expect![[r#""" is not a numeric"#]]);
        check(".", &expect![[r#""." is not a numeric"#]]);
        check("1e", &expect![[r#""1e" is not a numeric"#]]);
        check("-nan", &expect![[r#""-nan" is not a numeric"#]]);
        check("1_000", &expect![[r#""1_000" is not a numeric"#]]);
        check("1e131072", &expect![[r#""1e131072" is not a numeric"#]]);
        check("1e-16384", &expect![[r#""1e-16384" is not a numeric"#]]);
        check("1e99999999999", &expect![[r#""1e99999999999" is not a numeric"#]]);
        check("1e-2147483648", &expect![[r#""1e-2147483648" is not a numeric"#]]);
    }

    #[test]
    fn the_longest_numbers_are_kept() {
        let longest = format!("{}.{}", "9".repeat(131_072), "9".repeat(16_383));
        assert_eq!(longest.parse::<Numeric>().unwrap().to_string(), longest);
        let least = format!("-0.{}1", "0".repeat(16_382));
        assert_eq!(least.parse::<Numeric>().unwrap().to_string(), least);
        assert_eq!("1e131071".parse::<Numeric>().unwrap().to_string(), format!("1{}", "0".repeat(131_071)));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(text in r"-?[1-9][0-9]{0,30}(\.[0-9]{1,30})?") {
            let number: Numeric = text.parse().unwrap();
            prop_assert_eq!(number.to_string(), text);
        }
    }
}
