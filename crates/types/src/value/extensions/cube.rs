//! cube.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::is_named;
use crate::value::cursor::Cursor;
use crate::value::float_text::put_float8;
use crate::value::scalar::{Scalar, scalar};
use crate::value::scan::Scan;
use crate::{EncodeError, Type, ValueError};

/// A point or a box in a space of any number of dimensions. To be sent in binary it needs PostgreSQL 14.
///
/// ```
/// use cornac_types::Cube;
///
/// let square: Cube = "(0, 0),(1, 1)".parse().unwrap();
/// assert_eq!(square.corners(), (&[0.0, 0.0][..], &[1.0, 1.0][..]));
/// assert_eq!(Cube::point(vec![1.0, 2.5]).to_string(), "(1, 2.5)");
/// ```
///
/// See [cube](https://www.postgresql.org/docs/current/cube.html).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cube {
    first: Vec<f64>,
    /// `None` for a point.
    second: Option<Vec<f64>>,
}

impl Cube {
    /// A point.
    pub fn point(coordinates: Vec<f64>) -> Self {
        Self { first: coordinates, second: None }
    }

    /// A box between two opposite corners, or a point if they are the same; `None` if they have not the same number of dimensions.
    pub fn new(first: Vec<f64>, second: Vec<f64>) -> Option<Self> {
        (first.len() == second.len()).then(|| Self::between(first, second))
    }

    /// As the server makes it of two corners. It takes either form of a point, and finds no difference between the two.
    fn between(first: Vec<f64>, second: Vec<f64>) -> Self {
        let is_point = first == second;
        Self { first, second: (!is_point).then_some(second) }
    }

    /// The two corners; those of a point are the same.
    pub fn corners(&self) -> (&[f64], &[f64]) {
        (&self.first, self.second.as_deref().unwrap_or(&self.first))
    }
}

impl fmt::Display for Cube {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_corner(f, &self.first)?;
        if let Some(second) = &self.second {
            f.write_str(",")?;
            put_corner(f, second)?;
        }
        Ok(())
    }
}

fn put_corner(f: &mut fmt::Formatter<'_>, corner: &[f64]) -> fmt::Result {
    f.write_str("(")?;
    for (index, coordinate) in corner.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        put_float8(f, *coordinate)?;
    }
    f.write_str(")")
}

/// The bit that says that there is one corner alone; those below it count the dimensions.
const IS_POINT: u32 = 1 << 31;

impl Scalar for Cube {
    const TEXT: &'static str = "a cube";

    fn is(ty: &Type) -> bool {
        is_named(ty, "cube")
    }

    fn natural() -> Type {
        Type::UNKNOWN
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let header = bytes.take_u32()?;
        let is_point = header & IS_POINT != 0;
        let announced = header & !IS_POINT;
        let len = size_of::<f64>() * if is_point { 1 } else { 2 };
        let fits = |count: &usize| count.checked_mul(len).is_some_and(|bytes_len| bytes_len == bytes.len());
        let count = usize::try_from(announced).ok().filter(fits);
        let count =
            count.ok_or_else(|| ValueError::malformed(format!("it announces {announced} dimensions")))?;
        let mut corner = || (0..count).map(|_| bytes.take_f64()).collect::<Result<_, _>>();
        let first = corner()?;
        Ok(if is_point { Self::point(first) } else { Self::between(first, corner()?) })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let too_many = |_| EncodeError::out_of_range(format!("it has {} dimensions", self.first.len()));
        let dimensions = u32::try_from(self.first.len()).map_err(too_many)?;
        out.put_u32(dimensions | if self.second.is_none() { IS_POINT } else { 0 });
        for coordinate in self.first.iter().chain(self.second.iter().flatten()) {
            out.put_f64(*coordinate);
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        let first = scan_corner(&mut scan)?;
        if scan.end().is_some() {
            return Some(Self::point(first));
        }
        scan.eat(",")?;
        let second = scan_corner(&mut scan)?;
        scan.end()?;
        Self::new(first, second)
    }
}

fn scan_corner(scan: &mut Scan<'_>) -> Option<Vec<f64>> {
    scan.eat("(")?;
    let inside = scan.until(&[')']);
    scan.eat(")")?;
    if inside.is_empty() {
        return Some(Vec::new());
    }
    inside.split(", ").map(|coordinate| coordinate.parse().ok()).collect()
}

scalar!(Cube);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::scalar::decode;

    #[test]
    fn points_and_boxes_are_kept() {
        for text in ["()", "(1)", "(1, 2.5)", "(0, 0),(1, 1e+20)"] {
            let cube: Cube = text.parse().unwrap();
            assert_eq!(cube.to_string(), text);
            let mut out = BytesMut::new();
            cube.put(&mut out).unwrap();
            assert_eq!(decode(&out), Ok(cube));
        }
        for text in ["", "1", "(1", "(1),(1, 2)", "(1)(2)", "(1, )"] {
            assert!(text.parse::<Cube>().is_err(), "{text}");
        }
        assert!(decode::<Cube>(&[0xff; 12]).is_err());
    }

    #[test]
    fn a_box_without_an_extent_is_a_point_in_whichever_form_it_comes() {
        let point = Cube::point(vec![1.0, 2.0]);
        assert_eq!(Cube::new(vec![1.0, 2.0], vec![1.0, 2.0]), Some(point.clone()));
        assert_eq!("(1, 2),(1, 2)".parse(), Ok(point.clone()));
        let mut boxed = BytesMut::new();
        boxed.put_u32(2);
        for coordinate in [1.0, 2.0, 1.0, 2.0] {
            boxed.put_f64(coordinate);
        }
        assert_eq!(decode(&boxed), Ok(point));
    }
}
