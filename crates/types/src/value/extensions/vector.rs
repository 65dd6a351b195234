//! vector, halfvec and sparsevec, of pgvector.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{half_float, is_named};
use crate::value::cursor::Cursor;
use crate::value::float_text::put_float4;
use crate::value::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// A vector of floats: `vector`.
///
/// ```
/// use cornac_types::Vector;
///
/// let embedding: Vector = "[1,2.5,3]".parse().unwrap();
/// assert_eq!(embedding.0, [1.0, 2.5, 3.0]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vector(pub Vec<f32>);

/// A vector of floats of 16 bits, as those bits: `halfvec`.
///
/// ```
/// use cornac_types::HalfVector;
///
/// let embedding: HalfVector = "[1,2.5]".parse().unwrap();
/// assert_eq!(embedding.0, [0x3c00, 0x4100]);
/// assert_eq!(embedding.to_f32().collect::<Vec<_>>(), [1.0, 2.5]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HalfVector(pub Vec<u16>);

/// A vector of which most elements are 0: `sparsevec`.
///
/// ```
/// use cornac_types::SparseVector;
///
/// let embedding: SparseVector = "{1:1.5,3:2}/5".parse().unwrap();
/// assert_eq!(embedding.dimensions(), 5);
/// assert_eq!(embedding.elements(), [(0, 1.5), (2, 2.0)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseVector {
    dimensions: u32,
    elements: Vec<(u32, f32)>,
}

impl HalfVector {
    /// The numbers, each with 32 bits.
    pub fn to_f32(&self) -> impl Iterator<Item = f32> + '_ {
        self.0.iter().map(|half| half_float::to_f32(*half))
    }
}

impl SparseVector {
    /// A vector of `dimensions` elements, of which those at the indexes of `elements`, counted from 0, are not 0. `None` if the indexes do
    /// not ascend, or one is beyond the dimensions.
    pub fn new(dimensions: u32, elements: Vec<(u32, f32)>) -> Option<Self> {
        let ascend = elements.is_sorted_by(|(before, _), (after, _)| before < after);
        let is_within = elements.last().is_none_or(|(last, _)| *last < dimensions);
        (ascend && is_within && i32::try_from(dimensions).is_ok()).then_some(Self { dimensions, elements })
    }

    /// How many elements it has, with those that are 0.
    pub fn dimensions(&self) -> u32 {
        self.dimensions
    }

    /// The elements that are not 0, with their indexes counted from 0.
    pub fn elements(&self) -> &[(u32, f32)] {
        &self.elements
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_list(f, self.0.iter().copied())
    }
}

impl fmt::Display for HalfVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_list(f, self.to_f32())
    }
}

impl fmt::Display for SparseVector {
    /// Indexes are counted from 1 here, as the server does it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, value)) in self.elements.iter().enumerate() {
            write!(f, "{}{}:", if index == 0 { "{" } else { "," }, u64::from(*place) + 1)?;
            put_float4(f, *value)?;
        }
        write!(f, "{}}}/{}", if self.elements.is_empty() { "{" } else { "" }, self.dimensions)
    }
}

fn put_list(f: &mut fmt::Formatter<'_>, values: impl Iterator<Item = f32>) -> fmt::Result {
    f.write_str("[")?;
    for (index, value) in values.enumerate() {
        f.write_str(if index == 0 { "" } else { "," })?;
        put_float4(f, value)?;
    }
    f.write_str("]")
}

fn parse_list<T>(text: &str, parse: impl Fn(f32) -> Option<T>) -> Option<Vec<T>> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    inside.split(',').map(|value| value.parse().ok().and_then(&parse)).collect()
}

/// Dimensions, a number that is not used, then the elements.
fn take_list<T, const N: usize>(
    bytes: &mut Cursor<'_>,
    element: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, ValueError> {
    let [count, unused] = [bytes.take_u16()?, bytes.take_u16()?];
    let count = usize::from(count);
    if unused != 0 || count.checked_mul(N) != Some(bytes.len()) {
        return Err(ValueError::malformed(format!("it announces {count} dimensions")));
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(element(bytes.take()?));
    }
    Ok(values)
}

fn put_header(count: usize, out: &mut BytesMut) -> Result<(), EncodeError> {
    let too_many = |_| EncodeError::out_of_range(format!("it has {count} dimensions"));
    out.put_i16(i16::try_from(count).map_err(too_many)?);
    out.put_i16(0);
    Ok(())
}

impl Scalar for Vector {
    const TEXT: &'static str = "a vector";

    fn is(ty: &Type) -> bool {
        is_named(ty, "vector")
    }

    fn natural() -> Type {
        Type::UNKNOWN
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take_list(bytes, f32::from_be_bytes).map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_header(self.0.len(), out)?;
        for value in &self.0 {
            out.put_f32(*value);
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        parse_list(text, Some).map(Self)
    }
}

impl Scalar for HalfVector {
    const TEXT: &'static str = "a halfvec";

    fn is(ty: &Type) -> bool {
        is_named(ty, "halfvec")
    }

    fn natural() -> Type {
        Type::UNKNOWN
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take_list(bytes, u16::from_be_bytes).map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_header(self.0.len(), out)?;
        for value in &self.0 {
            out.put_u16(*value);
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        parse_list(text, half_float::from_f32).map(Self)
    }
}

impl Scalar for SparseVector {
    const TEXT: &'static str = "a sparsevec";

    fn is(ty: &Type) -> bool {
        is_named(ty, "sparsevec")
    }

    fn natural() -> Type {
        Type::UNKNOWN
    }

    /// Dimensions, how many elements are not 0, a number that is not used, then the indexes, then the elements.
    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let dimensions = bytes.take_u32()?;
        let count = bytes.take_count(size_of::<u32>() + size_of::<f32>())?;
        let unused = bytes.take_i32()?;
        let wrong = || ValueError::malformed("its indexes do not ascend within its dimensions");
        if unused != 0 || bytes.len() != count * 8 {
            return Err(wrong());
        }
        let mut indexes = Cursor::new(bytes.take_bytes(count * 4)?);
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push((indexes.take_u32()?, bytes.take_f32()?));
        }
        Self::new(dimensions, elements).ok_or_else(wrong)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let too_many = |_| EncodeError::out_of_range(format!("it has {} elements", self.elements.len()));
        out.put_u32(self.dimensions);
        out.put_i32(i32::try_from(self.elements.len()).map_err(too_many)?);
        out.put_i32(0);
        for (index, _) in &self.elements {
            out.put_u32(*index);
        }
        for (_, value) in &self.elements {
            out.put_f32(*value);
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let (elements, dimensions) = text.strip_prefix('{')?.split_once("}/")?;
        let element = |text: &str| {
            let (index, value) = text.split_once(':')?;
            Some((index.parse::<u32>().ok()?.checked_sub(1)?, value.parse().ok()?))
        };
        let elements = match elements {
            "" => Vec::new(),
            elements => elements.split(',').map(element).collect::<Option<_>>()?,
        };
        Self::new(dimensions.parse().ok()?, elements)
    }
}

scalar!(Vector, HalfVector, SparseVector);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::scalar::decode;

    fn check<T: Scalar + std::str::FromStr<Err = ValueError> + fmt::Debug + PartialEq>(text: &str) {
        let vector: T = text.parse().unwrap();
        assert_eq!(vector.to_string(), text);
        let mut out = BytesMut::new();
        vector.put(&mut out).unwrap();
        assert_eq!(decode(&out), Ok(vector));
        for end in 0..out.len() {
            assert!(decode::<T>(&out[..end]).is_err(), "{text}, {end}");
        }
    }

    #[test]
    fn all_three_are_read_as_they_were_written() {
        check::<Vector>("[1,2.5,-2e+06]");
        check::<HalfVector>("[1,-2.5,65504]");
        check::<SparseVector>("{1:1.5,3:-2}/5");
        check::<SparseVector>("{}/3");
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        assert!("[1,]".parse::<Vector>().is_err());
        assert!("1,2".parse::<Vector>().is_err());
        assert!("[0.1]".parse::<HalfVector>().is_err(), "no float of 16 bits is 0.1");
        for text in ["{3:1,1:2}/5", "{0:1}/5", "{6:1}/5", "{1:1}", "{1:1}/-1"] {
            assert!(text.parse::<SparseVector>().is_err(), "{text}");
        }
        assert!(decode::<Vector>(&[0, 2, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(decode::<SparseVector>(&[0xff; 12]).is_err());
    }
}
