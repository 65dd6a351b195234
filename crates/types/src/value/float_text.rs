//! Floats as the server writes them within other values: the shortest text that is read as the same number, `1e+20` and `1e-05`.

use std::fmt;

/// Appends a float8.
pub(super) fn put_float8(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if !value.is_finite() {
        return put_special(f, value);
    }
    let is_kept = |text: &str| text.parse().is_ok_and(|read: f64| read.to_bits() == value.to_bits());
    let (mantissa, exponent) = parts(value.to_bits(), 52);
    let binary = Binary { mantissa, exponent: exponent - 1074 };
    let shown = |decimals: usize| format!("{value:.decimals$e}");
    put_shortest(f, &format!("{value:e}"), binary, 17, 15, &shown, &is_kept)
}

/// Appends a float4.
pub(super) fn put_float4(f: &mut fmt::Formatter<'_>, value: f32) -> fmt::Result {
    if !value.is_finite() {
        return put_special(f, value.into());
    }
    let is_kept = |text: &str| text.parse().is_ok_and(|read: f32| read.to_bits() == value.to_bits());
    let (mantissa, exponent) = parts(value.to_bits().into(), 23);
    let binary = Binary { mantissa, exponent: exponent - 149 };
    let shown = |decimals: usize| format!("{value:.decimals$e}");
    put_shortest(f, &format!("{value:e}"), binary, 9, 6, &shown, &is_kept)
}

fn put_special(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    f.write_str(if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    })
}

/// A float without its sign: `mantissa` times 2 to the power of `exponent`.
#[derive(Clone, Copy)]
struct Binary {
    mantissa: u64,
    exponent: i32,
}

/// The mantissa, and the exponent counted from the least.
fn parts(bits: u64, mantissa_bits: u32) -> (u64, i32) {
    let exponent_bits = if mantissa_bits == 52 { 11 } else { 8 };
    let fraction = bits & ((1 << mantissa_bits) - 1);
    let exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    match i32::try_from(exponent).unwrap_or(0) {
        0 => (fraction, 0),
        exponent => (fraction | (1 << mantissa_bits), exponent - 1),
    }
}

/// Appends the shortest text. One that stands in the very middle between two floats is not taken, since who reads it might not
/// choose the even one: the server is as careful.
fn put_shortest(
    f: &mut fmt::Formatter<'_>,
    shortest: &str,
    binary: Binary,
    digits_max: usize,
    fixed_max: i32,
    shown: &dyn Fn(usize) -> String,
    is_kept: &dyn Fn(&str) -> bool,
) -> fmt::Result {
    let is_good = |text: &str| Decimal::read(text).is_some_and(|decimal| !decimal.is_between(binary));
    if is_good(shortest) {
        return put_decimal(f, shortest, fixed_max);
    }
    let digits = shortest.bytes().filter(u8::is_ascii_digit).count();
    let longer = (1..digits_max).map(shown).skip(digits.saturating_sub(3));
    let text = longer.into_iter().find(|text| is_kept(text) && is_good(text));
    put_decimal(f, text.as_deref().unwrap_or(shortest), fixed_max)
}

/// Appends `-1.25e-7` the way the server does.
fn put_decimal(f: &mut fmt::Formatter<'_>, scientific: &str, fixed_max: i32) -> fmt::Result {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (first, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let exponent: i32 = exponent.parse().unwrap_or(0);
    f.write_str(sign)?;
    if exponent < -4 || exponent >= fixed_max {
        let point = if fraction.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return write!(f, "{first}{point}{fraction}e{exponent_sign}{:02}", exponent.unsigned_abs());
    }
    match usize::try_from(exponent) {
        Ok(places) => {
            let (integral, fraction) = fraction.split_at_checked(places).unwrap_or((fraction, ""));
            let point = if fraction.is_empty() { "" } else { "." };
            let zeros = places - integral.len();
            write!(f, "{first}{integral}{:0<zeros$}{point}{fraction}", "")
        }
        Err(_) => {
            let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
            write!(f, "0.{:0<zeros$}{first}{fraction}", "")
        }
    }
}

/// `digits` times 10 to the power of `exponent`, without a sign.
#[derive(Clone, Copy)]
struct Decimal {
    digits: u128,
    exponent: i32,
}

impl Decimal {
    fn read(scientific: &str) -> Option<Self> {
        let (mantissa, exponent) = scientific.split_once('e')?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let digits = mantissa.bytes().filter(u8::is_ascii_digit);
        let digits = digits.fold(0_u128, |number, digit| number * 10 + u128::from(digit - b'0'));
        Some(Self { digits, exponent: exponent.parse::<i32>().ok()? - i32::try_from(fraction).ok()? })
    }

    /// Whether it is as far from `binary` as from one of its neighbours.
    fn is_between(self, Binary { mantissa, exponent }: Binary) -> bool {
        let mantissa = u128::from(mantissa);
        // Below a power of two, the next float is half as far.
        let middles = [
            (2 * mantissa + 1, exponent - 1),
            ((2 * mantissa).saturating_sub(1), exponent - 1),
            ((4 * mantissa).saturating_sub(1), exponent - 2),
        ];
        middles.into_iter().any(|(mantissa, exponent)| self.is_binary(mantissa, exponent))
    }

    /// Whether it is `mantissa` times 2 to the power of `exponent`.
    fn is_binary(self, mantissa: u128, exponent: i32) -> bool {
        let fives = 5_u128.checked_pow(self.exponent.unsigned_abs());
        let (left, right) = if self.exponent >= 0 {
            (fives.and_then(|fives| fives.checked_mul(self.digits)), Some(mantissa))
        } else {
            (Some(self.digits), fives.and_then(|fives| fives.checked_mul(mantissa)))
        };
        // What overflows has more odd factors than the other side can have.
        let (Some(left), Some(right)) = (left, right) else { return false };
        if left == 0 || right == 0 {
            return left == right;
        }
        let power = |number: u128, exponent: i32| i64::from(number.trailing_zeros()) + i64::from(exponent);
        left >> left.trailing_zeros() == right >> right.trailing_zeros()
            && power(left, self.exponent) == power(right, exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Float8(f64);
    struct Float4(f32);

    impl fmt::Display for Float8 {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            put_float8(f, self.0)
        }
    }

    impl fmt::Display for Float4 {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            put_float4(f, self.0)
        }
    }

    #[test]
    fn floats_are_shown_as_the_server_shows_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100.0, "100"),
            (0.1, "0.1"),
            (1234.5678, "1234.5678"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(Float8(value).to_string(), text);
        }
        for (value, text) in
            [(0.1, "0.1"), (123_456.0, "123456"), (1e6, "1e+06"), (1.175_494_4e-38, "1.1754944e-38")]
        {
            assert_eq!(Float4(value).to_string(), text);
        }
    }

    #[test]
    fn a_text_in_the_middle_of_two_floats_is_not_taken() {
        // 67108900 lies between 67108896 and 67108904; 2^-44 and the like have shorter texts that lie in the middle.
        assert_eq!(format!("{:e}", 67_108_896_f32), "6.71089e7");
        assert_eq!(Float4(67_108_896.0).to_string(), "6.7108896e+07");
        assert_eq!(Float8(9_007_199_254_740_992.0).to_string(), "9.007199254740992e+15");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same_number(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(Float8(value).to_string().parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn what_is_shown_is_read_as_the_same_short_number(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(Float4(value).to_string().parse::<f32>().unwrap().to_bits(), bits);
        }
    }
}
