//! The binary form of a numeric: number of digits, weight, sign, scale, then the digits; 16 bits each.

use bytes::{BufMut, BytesMut};

use super::{BASE, DECIMALS, Finite, Numeric, Repr, SCALE_MAX, text};
use crate::value::cursor::Cursor;
use crate::value::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEG_INFINITY: u16 = 0xf000;

/// The digit that is the scale: what stands behind an infinity there is decoration.
const INFINITY_SCALE: u16 = 32;

impl Scalar for Numeric {
    const TEXT: &'static str = "a numeric";

    fn is(ty: &Type) -> bool {
        *ty == Type::NUMERIC
    }

    fn natural() -> Type {
        Type::NUMERIC
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let count = bytes.take_u16()?;
        let weight = bytes.take_i16()?;
        let sign = bytes.take_u16()?;
        let scale = bytes.take_u16()?;
        let is_negative = match sign {
            POSITIVE => false,
            NEGATIVE => true,
            NAN => return Ok(Self::NAN),
            INFINITY => return Ok(Self::INFINITY),
            NEG_INFINITY => return Ok(Self::NEG_INFINITY),
            other => return Err(ValueError::malformed(format!("{other:#06x} is no sign"))),
        };
        if scale > SCALE_MAX {
            return Err(ValueError::malformed(format!("it has a scale of {scale}")));
        }
        let digits = bytes.take_bytes(usize::from(count) * size_of::<u16>())?;
        let digits = digits.chunks_exact(2).map(|pair| match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => BASE,
        });
        if let Some(digit) = digits.clone().find(|digit| *digit >= BASE) {
            return Err(ValueError::malformed(format!("{digit} is no digit of base {BASE}")));
        }
        let finite = finite(is_negative, weight, scale, digits);
        let beyond = || ValueError::malformed("its digits are outside of what its weight and scale allow");
        Ok(Self(Repr::Finite(finite.filter(is_within_scale).ok_or_else(beyond)?)))
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let (weight, sign, scale, digits) = match &self.0 {
            Repr::Finite(finite) => {
                let sign = if finite.is_negative { NEGATIVE } else { POSITIVE };
                (finite.weight, sign, finite.scale, &*finite.digits)
            }
            Repr::NaN => (0, NAN, 0, [].as_slice()),
            Repr::Infinity => (0, INFINITY, INFINITY_SCALE, [].as_slice()),
            Repr::NegInfinity => (0, NEG_INFINITY, INFINITY_SCALE, [].as_slice()),
        };
        let too_many =
            |_| EncodeError::out_of_range(format!("it has {} digits of base {BASE}", digits.len()));
        out.put_u16(u16::try_from(digits.len()).map_err(too_many)?);
        out.put_i16(weight);
        out.put_u16(sign);
        out.put_u16(scale);
        for digit in digits {
            out.put_u16(*digit);
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        text::parse(text)
    }
}

scalar!(Numeric);

/// The digits as they come, without zeros in front and at the end.
fn finite(
    is_negative: bool,
    weight: i16,
    scale: u16,
    digits: impl DoubleEndedIterator<Item = u16> + ExactSizeIterator + Clone,
) -> Option<Finite> {
    let leading = digits.clone().take_while(|digit| *digit == 0).count();
    let trailing = digits.clone().rev().take_while(|digit| *digit == 0).count();
    let Some(count) = digits.len().checked_sub(leading + trailing).filter(|count| *count > 0) else {
        return Finite::new(false, 0, scale, &[]);
    };
    let weight = i64::from(weight).checked_sub(i64::try_from(leading).ok()?)?;
    let digits = digits.skip(leading).take(count).collect();
    Some(Finite { is_negative, weight: i16::try_from(weight).ok()?, scale, digits })
}

/// Whether no decimal stands behind those that the scale shows.
fn is_within_scale(finite: &Finite) -> bool {
    let Some(last) = finite.digits.last() else { return true };
    let decimals = i64::try_from(DECIMALS).unwrap_or(4);
    let behind_last = i64::try_from(finite.digits.len()).unwrap_or(i64::MAX) - 1 - i64::from(finite.weight);
    let zeros = [1000, 100, 10].iter().filter(|power| last % **power == 0).count();
    behind_last * decimals - i64::try_from(zeros).unwrap_or(0) <= i64::from(finite.scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decode, Encode};
    use expect_test::{Expect, expect};

    fn bytes(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn check(words: &[u16], expected: &Expect) {
        let shown = match Numeric::from_binary(&Type::NUMERIC, &bytes(words)) {
            Ok(number) => number.to_string(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn digits_of_base_10000_are_read_and_written() {
        check(&[0, 0, 0, 0], &expect!["0"]);
        check(&[3, 1, 0x4000, 5, 12, 3456, 7800], &expect!["-123456.78000"]);
        check(&[1, 0xffff, 0, 4, 1], &expect!["0.0001"]);
        check(&[1, 0xfffe, 0, 8, 10], &expect!["0.00000010"]);
        check(&[0, 0, 0xc000, 0], &expect!["NaN"]);
        check(&[0, 0, 0xd000, 32], &expect!["Infinity"]);
        check(&[0, 0, 0xf000, 32], &expect!["-Infinity"]);
        for text in ["-123456.78000", "0.0001", "1e131071", "NaN", "-Infinity", "0.000"] {
            let number: Numeric = text.parse().unwrap();
            let mut out = BytesMut::new();
            number.encode(&Type::NUMERIC, &mut out).unwrap();
            let back = Numeric::from_binary(&Type::NUMERIC, &out).unwrap();
            assert_eq!((back.to_string(), &back), (number.to_string(), &number));
        }
    }

    #[test]
    fn zeros_around_the_digits_make_no_difference() {
        check(&[3, 2, 0, 0, 0, 0, 7], &expect!["7"]);
        check(&[2, 1, 0x4000, 2, 0, 0], &expect!["0.00"]);
        let padded = Numeric::from_binary(&Type::NUMERIC, &bytes(&[3, 1, 0, 0, 0, 7, 0])).unwrap();
        assert_eq!(padded, Numeric::from(7));
    }

    #[test]
    fn bytes_that_are_no_numeric_are_refused() {
        check(&[1, 0, 0, 0, 10_000], &expect!["10000 is no digit of base 10000"]);
        check(&[1, 0, 0x1234, 0, 1], &expect!["0x1234 is no sign"]);
        check(&[1, 0, 0, 16_384, 1], &expect!["it has a scale of 16384"]);
        check(&[2, 0, 0, 0, 1], &expect!["it is cut off"]);
        check(&[0, 0, 0, 0, 1], &expect!["2 bytes are left behind its end"]);
        check(&[2, 0, 0, 1, 1, 1234], &expect!["its digits are outside of what its weight and scale allow"]);
        check(
            &[2, 0x8000, 0, 1, 0, 1],
            &expect!["its digits are outside of what its weight and scale allow"],
        );
        check(&[0xffff], &expect!["it is cut off"]);
    }
}
