//! The crate `half`: an `f16` is a float4 that fits, and the element of a halfvec.

use std::borrow::Cow;

use bytes::BytesMut;
use half::f16;

use super::no_room;
use crate::{Decode, Encode, EncodeError, Format, HalfVector, IsNull, Type, ValueError};

impl From<HalfVector> for Vec<f16> {
    fn from(vector: HalfVector) -> Self {
        vector.0.into_iter().map(f16::from_bits).collect()
    }
}

impl From<&[f16]> for HalfVector {
    fn from(values: &[f16]) -> Self {
        Self(values.iter().map(|value| value.to_bits()).collect())
    }
}

impl<'r> Decode<'r> for f16 {
    fn accepts(ty: &Type, format: Format) -> bool {
        f32::accepts(ty, format)
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        exactly(f32::from_binary(ty, value)?)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        exactly(f32::from_text(ty, text)?)
    }
}

/// The same number, if there is one.
fn exactly(value: f32) -> Result<f16, ValueError> {
    let half = f16::from_f32(value);
    let is_same = half.to_f32().to_bits() == value.to_bits() || (half.is_nan() && value.is_nan());
    if is_same { Ok(half) } else { Err(no_room(value)) }
}

impl Encode for f16 {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        self.to_f32().encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        Type::FLOAT4
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        self.to_f32().encode_text(ty, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_06_floats_that_do_not_fit_are_errors() {
        let read = |value: f32| f16::from_binary(&Type::FLOAT4, &value.to_be_bytes());
        assert_eq!(read(1.5), Ok(f16::from_f32(1.5)));
        assert_eq!(read(f32::INFINITY), Ok(f16::INFINITY));
        assert!(read(f32::NAN).unwrap().is_nan());
        assert_eq!(read(0.1), Err(ValueError::out_of_range("0.1")));
        assert!(read(65_536.0).is_err());
        let values: Vec<f16> = HalfVector(vec![0x3c00]).into();
        assert_eq!(HalfVector::from(&values[..]), HalfVector(vec![0x3c00]));
    }
}
