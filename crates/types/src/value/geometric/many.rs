//! path and polygon: any number of points.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::Point;
use crate::value::cursor::Cursor;
use crate::value::scalar::{Scalar, scalar};
use crate::value::scan::Scan;
use crate::{EncodeError, Type, ValueError};

/// Points that are joined by lines. The server refuses a path without any.
///
/// ```
/// use cornac_types::Path;
///
/// let path: Path = "[(0,0),(1,1),(2,0)]".parse().unwrap();
/// assert!(!path.is_closed);
/// assert_eq!(path.points.len(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// Whether a line joins the last point with the first.
    pub is_closed: bool,
    /// The points.
    pub points: Vec<Point>,
}

/// The inside of a closed path. The server refuses a polygon without points.
///
/// ```
/// use cornac_types::{Point, Polygon};
///
/// let polygon = Polygon(vec![Point { x: 0.0, y: 0.0 }, Point { x: 1.0, y: 1.0 }]);
/// assert_eq!(polygon.to_string(), "((0,0),(1,1))");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polygon(pub Vec<Point>);

fn take_points(bytes: &mut Cursor<'_>) -> Result<Vec<Point>, ValueError> {
    let count = bytes.take_count(2 * size_of::<f64>())?;
    let mut points = Vec::with_capacity(count);
    for _ in 0..count {
        points.push(Point::take_one(bytes)?);
    }
    Ok(points)
}

fn put_points(points: &[Point], out: &mut BytesMut) -> Result<(), EncodeError> {
    let too_many = |_| EncodeError::out_of_range(format!("it has {} points", points.len()));
    out.put_i32(i32::try_from(points.len()).map_err(too_many)?);
    for point in points {
        point.put_one(out);
    }
    Ok(())
}

fn scan_points(text: &str, open: &str, close: &str) -> Option<Vec<Point>> {
    let mut scan = Scan::new(text);
    scan.eat(open)?;
    let mut points = vec![Point::scan(&mut scan)?];
    while scan.eat(",").is_some() {
        points.push(Point::scan(&mut scan)?);
    }
    scan.eat(close)?;
    scan.end().map(|()| points)
}

fn show(f: &mut fmt::Formatter<'_>, points: &[Point], open: &str, close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (index, point) in points.iter().enumerate() {
        write!(f, "{}{point}", if index == 0 { "" } else { "," })?;
    }
    f.write_str(close)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.is_closed { ("(", ")") } else { ("[", "]") };
        show(f, &self.points, open, close)
    }
}

impl fmt::Display for Polygon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, &self.0, "(", ")")
    }
}

impl Scalar for Path {
    const TEXT: &'static str = "a path";

    fn is(ty: &Type) -> bool {
        *ty == Type::PATH
    }

    fn natural() -> Type {
        Type::PATH
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let is_closed = match bytes.take_u8()? {
            0 => false,
            1 => true,
            other => return Err(ValueError::malformed(format!("{other} is neither open nor closed"))),
        };
        Ok(Self { is_closed, points: take_points(bytes)? })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u8(u8::from(self.is_closed));
        put_points(&self.points, out)
    }

    fn parse(text: &str) -> Option<Self> {
        let is_closed = text.starts_with('(');
        let (open, close) = if is_closed { ("(", ")") } else { ("[", "]") };
        scan_points(text, open, close).map(|points| Self { is_closed, points })
    }
}

impl Scalar for Polygon {
    const TEXT: &'static str = "a polygon";

    fn is(ty: &Type) -> bool {
        *ty == Type::POLYGON
    }

    fn natural() -> Type {
        Type::POLYGON
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take_points(bytes).map(Self)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_points(&self.0, out)
    }

    fn parse(text: &str) -> Option<Self> {
        scan_points(text, "(", ")").map(Self)
    }
}

scalar!(Path, Polygon);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decode;

    #[test]
    fn both_kinds_of_paths_are_read_and_shown() {
        for text in ["((0,0),(1,2.5))", "[(1e+20,-Infinity)]", "((NaN,0))"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        for text in ["", "()", "[]", "((0,0),)", "((0,0)", "((0,0)]", "((0,0))x", "((0;0))"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_count_that_lies_takes_no_memory() {
        let lie = [&[1][..], &i32::MAX.to_be_bytes()].concat();
        assert!(Path::from_binary(&Type::PATH, &lie).is_err());
        assert!(Polygon::from_binary(&Type::POLYGON, &(-1_i32).to_be_bytes()).is_err());
        assert!(Path::from_binary(&Type::PATH, &[2, 0, 0, 0, 0]).is_err());
    }
}
