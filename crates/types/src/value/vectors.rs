//! int2vector and oidvector: the lists of the catalogs.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Format, Oid, Type, ValueError};

/// The numbers of an `int2vector`, such as `pg_index.indkey`.
///
/// ```
/// use cornac_types::Int2Vector;
///
/// let keys: Int2Vector = "1 -2 3".parse().unwrap();
/// assert_eq!(keys.0, [1, -2, 3]);
/// assert_eq!(keys.to_string(), "1 -2 3");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int2Vector(pub Vec<i16>);

/// The OIDs of an `oidvector`, such as `pg_proc.proargtypes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OidVector(pub Vec<Oid>);

fn put_numbers(f: &mut fmt::Formatter<'_>, numbers: &[impl fmt::Display]) -> fmt::Result {
    for (index, number) in numbers.iter().enumerate() {
        write!(f, "{}{number}", if index == 0 { "" } else { " " })?;
    }
    Ok(())
}

fn parse_numbers<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(' ').filter(|number| !number.is_empty()).map(parse).collect()
}

/// The binary form is that of an array whose one dimension begins at 0.
fn take_numbers<T, const N: usize>(
    bytes: &mut Cursor<'_>,
    element: &Type,
    number: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, ValueError> {
    let [dimensions, _has_nulls] = [bytes.take_i32()?, bytes.take_i32()?];
    if bytes.take_u32()? != element.oid().0 || !(0..=1).contains(&dimensions) {
        return Err(ValueError::malformed(format!("it is no list of {element}")));
    }
    if dimensions == 0 {
        return Ok(Vec::new());
    }
    let count = bytes.take_i32()?;
    let _lower_bound = bytes.take_i32()?;
    let whole = usize::try_from(count).ok().filter(|count| count.checked_mul(4 + N) == Some(bytes.len()));
    let count = whole.ok_or_else(|| ValueError::malformed(format!("it announces {count} elements")))?;
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        let length = bytes.take_i32()?;
        if usize::try_from(length) != Ok(N) {
            return Err(ValueError::malformed(format!("an element has {length} bytes")));
        }
        numbers.push(number(bytes.take()?));
    }
    Ok(numbers)
}

fn put_list<const N: usize>(
    element: &Type,
    numbers: impl ExactSizeIterator<Item = [u8; N]>,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let too_long = |_| EncodeError::out_of_range("it has too many elements");
    let [count, size] =
        [i32::try_from(numbers.len()).map_err(too_long)?, i32::try_from(N).map_err(too_long)?];
    for field in [1, 0] {
        out.put_i32(field);
    }
    out.put_u32(element.oid().0);
    for field in [count, 0] {
        out.put_i32(field);
    }
    for number in numbers {
        out.put_i32(size);
        out.put_slice(&number);
    }
    Ok(())
}

/// The servers' functions send empty lists in binary, and refuse to read them again. As text they go both ways.
fn sent_as(is_empty: bool, ty: &Type) -> Format {
    if is_empty { Format::Text } else { ty.binary_format() }
}

impl fmt::Display for Int2Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_numbers(f, &self.0)
    }
}

impl fmt::Display for OidVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_numbers(f, &self.0)
    }
}

impl Scalar for Int2Vector {
    const TEXT: &'static str = "an int2vector";

    fn is(ty: &Type) -> bool {
        *ty == Type::INT2VECTOR
    }

    fn natural() -> Type {
        Type::INT2VECTOR
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take_numbers(bytes, &Type::INT2, i16::from_be_bytes).map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_list(&Type::INT2, self.0.iter().map(|number| number.to_be_bytes()), out)
    }

    fn sent_as(&self, ty: &Type) -> Format {
        sent_as(self.0.is_empty(), ty)
    }

    fn parse(text: &str) -> Option<Self> {
        parse_numbers(text, |number| number.parse().ok()).map(Self)
    }
}

impl Scalar for OidVector {
    const TEXT: &'static str = "an oidvector";

    fn is(ty: &Type) -> bool {
        *ty == Type::OIDVECTOR
    }

    fn natural() -> Type {
        Type::OIDVECTOR
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take_numbers(bytes, &Type::OID, |number| Oid(u32::from_be_bytes(number))).map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_list(&Type::OID, self.0.iter().map(|oid| oid.0.to_be_bytes()), out)
    }

    fn sent_as(&self, ty: &Type) -> Format {
        sent_as(self.0.is_empty(), ty)
    }

    fn parse(text: &str) -> Option<Self> {
        parse_numbers(text, |number| number.parse().ok().map(Oid)).map(Self)
    }
}

scalar!(Int2Vector, OidVector);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decode, Encode};

    #[test]
    fn lists_are_read_as_they_were_written() {
        let list = Int2Vector(vec![1, -2, i16::MAX]);
        let mut out = BytesMut::new();
        list.encode(&Type::INT2VECTOR, &mut out).unwrap();
        assert_eq!(Int2Vector::from_binary(&Type::INT2VECTOR, &out), Ok(list));
        for end in 0..out.len() {
            assert!(Int2Vector::from_binary(&Type::INT2VECTOR, &out[..end]).is_err(), "{end}");
        }
        assert!(OidVector::from_binary(&Type::OIDVECTOR, &out).is_err());
        assert_eq!("".parse(), Ok(OidVector::default()));
        assert!("1 x".parse::<OidVector>().is_err());
    }

    #[test]
    fn a_count_that_lies_takes_no_memory() {
        let lies = [1, 0, 26, i32::MAX, 0].map(i32::to_be_bytes).concat();
        assert!(OidVector::from_binary(&Type::OIDVECTOR, &lies).is_err());
    }
}
