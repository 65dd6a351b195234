//! Floats of 16 bits: one for the sign, five for the exponent, ten for the fraction.

/// The same number with 32 bits, which has all of them.
pub(super) fn to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(half >> 10) & 0x1f, u32::from(half & 0x03ff));
    let magnitude = match (exponent, fraction) {
        (0x1f, fraction) => 0x7f80_0000 | (fraction << 13),
        (0, 0) => 0,
        (0, fraction) => {
            // Without the leading bit that others have: the highest one that is set becomes it.
            let shift = fraction.leading_zeros() - 21;
            ((113 - shift) << 23) | (((fraction << shift) & 0x03ff) << 13)
        }
        (exponent, fraction) => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

/// The same number with 16 bits; `None` if none of them is.
pub(super) fn from_f32(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 23) & 0xff, bits & 0x007f_ffff);
    let magnitude = match exponent {
        0xff => 0x7c00 | (fraction >> 13),
        113..=142 => ((exponent - 112) << 10) | (fraction >> 13),
        103..=112 => (0x0080_0000 | fraction) >> (126 - exponent),
        _ => 0,
    };
    let half = u16::try_from((bits >> 16 & 0x8000) | magnitude).ok()?;
    (to_f32(half).to_bits() == bits).then_some(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_of_16_bits_has_one_of_32() {
        for (half, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(to_f32(half).to_bits(), value.to_bits());
        }
        for half in 0..=u16::MAX {
            assert_eq!(from_f32(to_f32(half)), Some(half));
        }
    }

    #[test]
    fn numbers_in_between_have_none() {
        for value in [1.000_1, 65_536.0, 1e-10, -1e30] {
            assert_eq!(from_f32(value), None, "{value}");
        }
    }
}
