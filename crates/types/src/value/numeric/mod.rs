//! numeric: the type, and what it is compared by. Its text, its wire form and what it is converted from and to have a file each.

mod convert;
mod text;
mod wire;

#[cfg(feature = "rust_decimal")]
pub(crate) use convert::brief;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A number as PostgreSQL's `numeric` keeps it: exact, with up to 131,072 digits before and 16,383 behind the decimal point, or NaN, or
/// an infinity. How many digits are shown behind the point, its *scale*, is kept too.
///
/// Equality, order and hash are the server's: `1.0` equals `1.00`, NaN equals itself and is greater than everything else.
///
/// ```
/// use cornac_types::Numeric;
///
/// let price: Numeric = "19.90".parse().unwrap();
/// assert_eq!(price, "19.9".parse().unwrap());
/// assert_eq!(price.to_string(), "19.90");
/// assert!(price < Numeric::INFINITY && Numeric::INFINITY < Numeric::NAN);
/// assert_eq!(i64::try_from(&Numeric::from(42)), Ok(42));
/// assert!(i64::try_from(&price).is_err());
/// ```
///
/// See [Arbitrary Precision Numbers](https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-NUMERIC-DECIMAL).
#[derive(Clone)]
pub struct Numeric(Repr);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    NegInfinity,
    Finite(Finite),
    Infinity,
    NaN,
}

/// `digits` times powers of 10,000, the first of them times 10,000 to the power of `weight`. Neither the first digit nor the last is 0, so
/// that every number has one form; zero has no digits, weight 0, and no sign.
#[derive(Clone)]
struct Finite {
    is_negative: bool,
    weight: i16,
    scale: u16,
    digits: Box<[u16]>,
}

/// The base of the digits.
const BASE: u16 = 10_000;

/// The decimal digits in one of them.
const DECIMALS: usize = 4;

/// The most decimals behind the point.
const SCALE_MAX: u16 = 16_383;

impl Numeric {
    /// Not a number. It equals itself, and is greater than all numbers.
    pub const NAN: Self = Self(Repr::NaN);
    /// Greater than all numbers. PostgreSQL has it since version 14.
    pub const INFINITY: Self = Self(Repr::Infinity);
    /// Less than all numbers. PostgreSQL has it since version 14.
    pub const NEG_INFINITY: Self = Self(Repr::NegInfinity);

    /// Whether it is not a number.
    pub fn is_nan(&self) -> bool {
        matches!(self.0, Repr::NaN)
    }

    /// Whether it is a number, and no infinity.
    pub fn is_finite(&self) -> bool {
        matches!(self.0, Repr::Finite(_))
    }

    /// Whether it is less than zero.
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Finite(finite) => finite.is_negative,
            Repr::NegInfinity => true,
            Repr::Infinity | Repr::NaN => false,
        }
    }

    /// How many decimals are shown behind the point; `None` for NaN and the infinities.
    pub fn scale(&self) -> Option<u16> {
        match &self.0 {
            Repr::Finite(finite) => Some(finite.scale),
            _ => None,
        }
    }
}

impl Finite {
    /// A number out of digits that may begin or end with zeros; `None` where its weight is beyond what the wire has.
    fn new(is_negative: bool, weight: i64, scale: u16, digits: &[u16]) -> Option<Self> {
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        let digits = digits.get(leading..)?;
        let trailing = digits.iter().rev().take_while(|digit| **digit == 0).count();
        let digits = digits.get(..digits.len().checked_sub(trailing)?)?;
        if digits.is_empty() {
            return Some(Self { is_negative: false, weight: 0, scale, digits: Box::default() });
        }
        let weight = i16::try_from(weight.checked_sub(i64::try_from(leading).ok()?)?).ok()?;
        Some(Self { is_negative, weight, scale, digits: digits.into() })
    }

    /// Of numbers without their signs. Digits that are the same as far as they go say that the longer number is the greater.
    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (false, false) => self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits)),
            (is_zero, other_is_zero) => other_is_zero.cmp(&is_zero),
        }
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
            (is_negative, other_is_negative) => other_is_negative.cmp(&is_negative),
        }
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        (self.is_negative, self.weight, &self.digits) == (other.is_negative, other.weight, &other.digits)
    }
}

impl Eq for Finite {}

impl Hash for Finite {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.is_negative, self.weight, &self.digits).hash(state);
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_servers_order() {
        let ascending = [
            "-Infinity",
            "-1e20",
            "-10000",
            "-9999.5",
            "-1",
            "-0.0001",
            "0.00",
            "1e-8",
            "0.0001",
            "0.00010001",
            "1",
            "1.00001",
            "9999",
            "10000",
            "1e20",
            "Infinity",
            "NaN",
        ];
        let numbers = ascending.map(|text| text.parse::<Numeric>().unwrap());
        for (index, number) in numbers.iter().enumerate() {
            for (other_index, other) in numbers.iter().enumerate() {
                assert_eq!(number.cmp(other), index.cmp(&other_index), "{number} and {other}");
            }
        }
    }
}
