//! The binary form of arrays.
//!
//! Number of dimensions, a flag for NULLs, the element's OID, then size and lower bound of each dimension, then the elements, each
//! behind its length.

use bytes::{BufMut, BytesMut};

use super::{Dimension, take, take_i32};
use crate::error::short_name;
use crate::params::check_len;
use crate::row::take_value;
use crate::{Decode, EncodeError, Oid, Type, ValueError};

/// How many dimensions an array has at most (`MAXDIM`).
pub(super) const DIMENSIONS: usize = 6;

/// An array's header, and the elements behind it.
pub(crate) struct ArrayHeader<'r> {
    pub(crate) element: Oid,
    dimensions: [Dimension; DIMENSIONS],
    count: usize,
    pub(crate) elements: Elements<'r>,
}

/// The elements of an array in binary, in the order in which they are stored.
#[derive(Clone, Debug)]
pub struct Elements<'r> {
    count: usize,
    rest: &'r [u8],
}

impl<'r> ArrayHeader<'r> {
    pub(crate) fn new(value: &'r [u8]) -> Result<Self, ValueError> {
        let mut rest = value;
        let announced = take_i32(&mut rest)?;
        let _has_nulls = take_i32(&mut rest)?;
        let element = Oid(u32::from_be_bytes(take(&mut rest)?));
        let count = usize::try_from(announced).ok().filter(|count| *count <= DIMENSIONS);
        let Some(count) = count else {
            return Err(ValueError::malformed(format!("it announces {announced} dimensions")));
        };
        let mut dimensions = [Dimension { len: 0, lower_bound: 1 }; DIMENSIONS];
        let mut elements = usize::from(count > 0);
        for dimension in dimensions.iter_mut().take(count) {
            let len = take_i32(&mut rest)?;
            let lower_bound = take_i32(&mut rest)?;
            let impossible = || ValueError::malformed(format!("it announces {len} elements"));
            let len = usize::try_from(len).map_err(|_| impossible())?;
            elements = elements.checked_mul(len).ok_or_else(impossible)?;
            *dimension = Dimension { len, lower_bound };
        }
        // Each element has a length of four bytes at least, which bounds what a lying header can make us allocate.
        if elements > rest.len() / 4 {
            return Err(ValueError::malformed(format!(
                "it announces {elements} elements, and has not the bytes for them"
            )));
        }
        Ok(Self { element, dimensions, count, elements: Elements { count: elements, rest } })
    }

    /// As [`new`](Self::new), where the elements must be of a type.
    pub(crate) fn of(value: &'r [u8], element: &Type) -> Result<Self, ValueError> {
        let header = Self::new(value)?;
        if header.element == element.oid() {
            return Ok(header);
        }
        element.contradicted();
        let found = Type::from_oid(header.element);
        Err(ValueError::malformed(format!("its elements are {found}, not {element}")))
    }

    pub(crate) fn dimensions(&self) -> &[Dimension] {
        self.dimensions.get(..self.count).unwrap_or_default()
    }
}

impl<'r> Elements<'r> {
    /// How many are left.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Decodes them one by one.
    pub(crate) fn decode<T: Decode<'r>>(self, ty: &Type) -> Result<Vec<T>, ValueError> {
        let mut values = Vec::with_capacity(self.count);
        for value in self {
            let decoded = match value? {
                Some(value) => T::from_binary(ty, value),
                None => T::from_null(),
            };
            match decoded {
                Ok(value) => values.push(value),
                Err(error) => return Err(of_element(values.len(), T::rust_type(), error)),
            }
        }
        Ok(values)
    }

    /// The elements at once, where all of them have `N` bytes and none is NULL.
    #[inline]
    pub(crate) fn fixed<const N: usize, T>(&self, read: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
        let stride = N.checked_add(4)?;
        if self.rest.len() != self.count.checked_mul(stride)? {
            return None;
        }
        let length = u32::try_from(N).ok()?.to_be();
        // Two passes without a branch, each of which becomes instructions on many elements at a time; one that does both does not.
        let elements = self.rest.chunks_exact(stride);
        let others = elements.clone().fold(0, |others, element| {
            let found = element.first_chunk::<4>().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
            others | found ^ length
        });
        let value = |element: &[u8]| read(element.last_chunk::<N>().map_or([0; N], |bytes| *bytes));
        (others == 0).then(|| elements.map(value).collect())
    }
}

impl<'r> Iterator for Elements<'r> {
    type Item = Result<Option<&'r [u8]>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.count.checked_sub(1) {
            Some(left) => {
                self.count = left;
                let value = take_value(&mut self.rest);
                if value.is_err() {
                    // Nothing can be found behind it.
                    self.count = 0;
                    self.rest = &[];
                }
                Some(value)
            }
            None if self.rest.is_empty() => None,
            None => {
                self.rest = &[];
                Some(Err(ValueError::malformed("bytes are left behind its last element")))
            }
        }
    }
}

/// An error in the element of this index.
#[cold]
pub(super) fn of_element(index: usize, rust_type: &'static str, error: ValueError) -> ValueError {
    let number = index.saturating_add(1);
    match error {
        // Said of the array, it would be the array that is NULL.
        ValueError::Null => {
            let rust_type = short_name(rust_type);
            ValueError::out_of_range(format!(
                "its element {number} is NULL, which {rust_type} cannot hold; ask for Option<{rust_type}>"
            ))
        }
        ValueError::OutOfRange(what) => ValueError::out_of_range(format!("its element {number}: {what}")),
        ValueError::Malformed(what) => ValueError::malformed(format!("its element {number}: {what}")),
    }
}

/// Writes an array: `put` appends a value behind its length.
pub(crate) fn put_array<T>(
    element: &Type,
    dimensions: &[Dimension],
    values: &[T],
    out: &mut BytesMut,
    put: impl Fn(&T, &mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let header = out.len();
    let too_long = |_| EncodeError::out_of_range(format!("it has {} elements", values.len()));
    let count = i32::try_from(dimensions.len()).map_err(too_long)?;
    out.put_i32(count);
    out.put_i32(0);
    out.put_u32(element.oid().0);
    for dimension in dimensions {
        out.put_i32(i32::try_from(dimension.len).map_err(too_long)?);
        out.put_i32(dimension.lower_bound);
    }
    let mut has_nulls = false;
    for value in values {
        let start = out.len();
        put(value, out)?;
        check_len(out.len().saturating_sub(header))?;
        has_nulls |= out.get(start..).is_some_and(|value| value == [0xff; 4]);
    }
    if has_nulls {
        let flag = out.get_mut(header.saturating_add(4)..).and_then(|rest| rest.first_chunk_mut::<4>());
        if let Some(flag) = flag {
            *flag = 1_i32.to_be_bytes();
        }
    }
    Ok(())
}
