//! lseg and box: what two points make.

use std::fmt;

use bytes::BytesMut;

use super::Point;
use crate::value::cursor::Cursor;
use crate::value::scalar::{Scalar, scalar};
use crate::value::scan::Scan;
use crate::{EncodeError, Type, ValueError};

/// A piece of a line, from one point to another.
///
/// ```
/// use cornac_types::{Lseg, Point};
///
/// let segment = Lseg { start: Point { x: 0.0, y: 0.0 }, end: Point { x: 3.0, y: 4.0 } };
/// assert_eq!(segment.to_string(), "[(0,0),(3,4)]");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lseg {
    /// Where it begins.
    pub start: Point,
    /// Where it ends.
    pub end: Point,
}

/// A rectangle with sides along the axes: PostgreSQL's `box`.
///
/// ```
/// use cornac_types::{PgBox, Point};
///
/// let rectangle = PgBox { high: Point { x: 3.0, y: 4.0 }, low: Point { x: 1.0, y: 2.0 } };
/// assert_eq!(rectangle.to_string(), "(3,4),(1,2)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PgBox {
    /// The corner at the upper right. The server makes it out of any two opposite corners.
    pub high: Point,
    /// The corner at the lower left.
    pub low: Point,
}

fn take(bytes: &mut Cursor<'_>) -> Result<[Point; 2], ValueError> {
    Ok([Point::take_one(bytes)?, Point::take_one(bytes)?])
}

fn scan_pair(scan: &mut Scan<'_>) -> Option<[Point; 2]> {
    let first = Point::scan(scan)?;
    scan.eat(",")?;
    Some([first, Point::scan(scan)?])
}

impl fmt::Display for Lseg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{},{}]", self.start, self.end)
    }
}

impl fmt::Display for PgBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.high, self.low)
    }
}

impl Scalar for Lseg {
    const TEXT: &'static str = "an lseg";

    fn is(ty: &Type) -> bool {
        *ty == Type::LSEG
    }

    fn natural() -> Type {
        Type::LSEG
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take(bytes).map(|[start, end]| Self { start, end })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.start.put_one(out);
        self.end.put_one(out);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        scan.eat("[")?;
        let [start, end] = scan_pair(&mut scan)?;
        scan.eat("]")?;
        scan.end().map(|()| Self { start, end })
    }
}

impl Scalar for PgBox {
    const TEXT: &'static str = "a box";

    fn is(ty: &Type) -> bool {
        *ty == Type::BOX
    }

    fn natural() -> Type {
        Type::BOX
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take(bytes).map(|[high, low]| Self { high, low })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.high.put_one(out);
        self.low.put_one(out);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        let [high, low] = scan_pair(&mut scan)?;
        scan.end().map(|()| Self { high, low })
    }
}

scalar!(Lseg, PgBox);
