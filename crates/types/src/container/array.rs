//! Arrays of any number of dimensions.

use std::borrow::Cow;

use bytes::BytesMut;

use super::vec::{joint_format, natural_array, read_elements, text_element};
use super::{ArrayHeader, ArrayText, encode_as_text, put_array};
use crate::params::put_value;
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

/// An array with any number of dimensions, each with a lower bound of its own.
///
/// For arrays of one dimension, whatever its lower bound, there is `Vec`. Elements that may be NULL are `Option`s.
///
/// ```
/// use cornac_types::{Array, Dimension};
///
/// let two_by_two = [Dimension::new(2), Dimension::new(2)];
/// let array = Array::new(&two_by_two, vec![1, 2, 3, 4]).unwrap();
/// assert_eq!(array.get(&[2, 1]), Some(&3));
/// assert!(Array::new(&two_by_two, vec![1, 2, 3]).is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Array<T> {
    dimensions: Vec<Dimension>,
    values: Vec<T>,
}

/// One dimension of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dimension {
    /// How many places it has.
    pub len: usize,
    /// The subscript of the first one: 1 unless it was given.
    pub lower_bound: i32,
}

impl Dimension {
    /// One whose subscripts begin at 1.
    pub fn new(len: usize) -> Self {
        Self { len, lower_bound: 1 }
    }
}

impl<T> Array<T> {
    /// An array of these values, the last dimension's first. `None` when there are more or fewer than places, or more than six dimensions.
    pub fn new(dimensions: &[Dimension], values: Vec<T>) -> Option<Self> {
        let places =
            dimensions.iter().try_fold(1_usize, |places, dimension| places.checked_mul(dimension.len))?;
        let places = if dimensions.is_empty() { 0 } else { places };
        let fits = places == values.len() && dimensions.len() <= super::elements::DIMENSIONS;
        // An array without elements has no dimensions.
        let dimensions = if values.is_empty() { Vec::new() } else { dimensions.to_vec() };
        fits.then_some(Self { dimensions, values })
    }

    /// Its dimensions; none when it is empty.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// All values, the last dimension's first.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// All values, the last dimension's first.
    pub fn into_values(self) -> Vec<T> {
        self.values
    }

    /// The element at these subscripts, as SQL has them.
    pub fn get(&self, subscripts: &[i32]) -> Option<&T> {
        if subscripts.len() != self.dimensions.len() {
            return None;
        }
        let mut index = 0_usize;
        for (dimension, subscript) in self.dimensions.iter().zip(subscripts) {
            let place = i64::from(*subscript).checked_sub(i64::from(dimension.lower_bound))?;
            let place = usize::try_from(place).ok().filter(|place| *place < dimension.len)?;
            index = index.checked_mul(dimension.len)?.checked_add(place)?;
        }
        self.values.get(index)
    }
}

impl<T> From<Vec<T>> for Array<T> {
    /// An array of one dimension.
    fn from(values: Vec<T>) -> Self {
        let dimensions = if values.is_empty() { Vec::new() } else { vec![Dimension::new(values.len())] };
        Self { dimensions, values }
    }
}

impl<'r, T: Decode<'r>> Decode<'r> for Array<T> {
    fn accepts(ty: &Type, format: Format) -> bool {
        Vec::<T>::accepts(ty, format)
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        let Some(element) = ty.element() else { return Err(ValueError::malformed("it is no array")) };
        let header = ArrayHeader::of(value, element)?;
        let mut dimensions = header.dimensions().to_vec();
        let values = T::from_binary_elements(element.base(), header.elements)?;
        if values.is_empty() {
            dimensions.clear();
        }
        Ok(Self { dimensions, values })
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        let Some(element) = ty.element() else { return Err(ValueError::malformed("it is no array")) };
        let delimiter = ArrayText::delimiter(element);
        let dimensions = ArrayText::new(&text, delimiter)?.dimensions;
        let values = read_elements(element, delimiter, text)?;
        Ok(Self { dimensions, values })
    }
}

impl<T: Encode> Encode for Array<T> {
    fn format(&self, ty: &Type) -> Format {
        ty.element().map_or(ty.binary_format(), |element| joint_format(ty, &self.values, element.base()))
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        let Some(element) = ty.element() else { return Err(EncodeError::WrongType) };
        if self.format(ty) == Format::Text {
            return encode_as_text(self, ty, out);
        }
        put_array(element, &self.dimensions, &self.values, out, |value, out| {
            put_value(value, element.base(), out)
        })?;
        Ok(IsNull::No)
    }

    fn natural_type(&self) -> Type {
        natural_array(&self.values)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        let element = text_element(ty)?;
        ArrayText::put(&self.dimensions, &self.values, ArrayText::delimiter(element), out, |value, out| {
            value.encode_text(element, out)
        })?;
        Ok(IsNull::No)
    }
}
