//! money.

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{exactly, not_a};
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

/// An amount of money as PostgreSQL's `money` keeps it: a number of the smallest units of a currency, which only the server's
/// `lc_monetary` names, as it does the number of those in a whole one.
///
/// It is shown as with `lc_monetary = C`, where a unit has a hundred parts.
///
/// ```
/// use cornac_types::Money;
///
/// assert_eq!(Money(-123_456_789).to_string(), "-$1,234,567.89");
/// assert_eq!("$0.05".parse(), Ok(Money(5)));
/// ```
///
/// See [Monetary Types](https://www.postgresql.org/docs/current/datatype-money.html).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, parts) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        let digits = units.to_string();
        f.write_str(if self.0 < 0 { "-$" } else { "$" })?;
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        write!(f, ".{parts:02}")
    }
}

impl std::str::FromStr for Money {
    type Err = ValueError;

    /// Reads what `Display` writes, and nothing else: in other places, the same signs mean other amounts.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        parse(text).ok_or_else(|| not_a("money of lc_monetary C", text))
    }
}

fn parse(text: &str) -> Option<Money> {
    let (is_negative, amount) = match text.strip_prefix('-') {
        Some(amount) => (true, amount),
        None => (false, text),
    };
    let (units, parts) = amount.strip_prefix('$')?.split_once('.')?;
    let (first, ..) = units.split_once(',').unwrap_or((units, ""));
    let groups_fit = (1..=3).contains(&first.len()) && units.split(',').skip(1).all(|group| group.len() == 3);
    let digits = units.bytes().chain(parts.bytes()).filter(|byte| *byte != b',');
    if !groups_fit
        || parts.len() != 2
        || parts.contains(',')
        || !digits.clone().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    // With the sign from the start, since the least amount has no positive counterpart.
    let mut money = 0_i64;
    for digit in digits {
        let digit = i64::from(digit - b'0');
        money = money.checked_mul(10)?.checked_add(if is_negative { -digit } else { digit })?;
    }
    Some(Money(money))
}

impl<'r> Decode<'r> for Money {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::MONEY
    }

    fn from_binary(_ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(value).map(i64::from_be_bytes).map(Self)
    }

    fn from_text(_ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl Encode for Money {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty != Type::MONEY {
            return Err(EncodeError::WrongType);
        }
        out.put_i64(self.0);
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        Type::MONEY
    }

    /// There is no text that every `lc_monetary` reads as the same amount.
    fn encode_text(&self, _ty: &Type, _out: &mut String) -> Result<IsNull, EncodeError> {
        Err(EncodeError::out_of_range(
            "what its text means is told by the server's lc_monetary; money can only be sent in binary",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_shown() {
        for money in [0, 5, -5, 99, 100, 99_999, 100_000, 123_456_789, i64::MAX, i64::MIN] {
            assert_eq!(Money(money).to_string().parse(), Ok(Money(money)));
        }
    }

    #[test]
    fn what_other_places_write_is_refused() {
        for text in [
            "",
            "$",
            "1.00",
            "$1",
            "$1.0",
            "$1.000",
            "€1.00",
            "$1,00",
            "1.234,56 €",
            "$1.234,56",
            "$12,34.00",
            "$,123.00",
            "$1234,567.00",
            "($1.00)",
            "$92,233,720,368,547,758.08",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }
}
