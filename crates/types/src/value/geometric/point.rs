//! point, line and circle.

use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::value::cursor::Cursor;
use crate::value::float_text::put_float8;
use crate::value::scalar::{Scalar, scalar};
use crate::value::scan::Scan;
use crate::{EncodeError, Type, ValueError};

/// A point of a plane.
///
/// ```
/// use cornac_types::Point;
///
/// let point: Point = "(1.5,-2)".parse().unwrap();
/// assert_eq!(point, Point { x: 1.5, y: -2.0 });
/// assert_eq!(point.to_string(), "(1.5,-2)");
/// ```
///
/// See [Geometric Types](https://www.postgresql.org/docs/current/datatype-geometric.html).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
}

/// The points for which `a`·x + `b`·y + `c` is 0. Where `a` and `b` are 0 too, the server refuses it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// What x is multiplied by.
    pub a: f64,
    /// What y is multiplied by.
    pub b: f64,
    /// What is added.
    pub c: f64,
}

/// A circle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Circle {
    /// Its center.
    pub center: Point,
    /// Its radius, which the server refuses below zero.
    pub radius: f64,
}

impl Point {
    pub(super) fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        scan.eat("(")?;
        let x = number(scan)?;
        scan.eat(",")?;
        let y = number(scan)?;
        scan.eat(")")?;
        Some(Self { x, y })
    }

    pub(super) fn take_one(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        Ok(Self { x: bytes.take_f64()?, y: bytes.take_f64()? })
    }

    pub(super) fn put_one(self, out: &mut BytesMut) {
        out.put_f64(self.x);
        out.put_f64(self.y);
    }
}

fn number(scan: &mut Scan<'_>) -> Option<f64> {
    scan.until(&[',', ')', '}', '>']).parse().ok()
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        put_float8(f, self.x)?;
        f.write_str(",")?;
        put_float8(f, self.y)?;
        f.write_str(")")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (before, number) in [("{", self.a), (",", self.b), (",", self.c)] {
            f.write_str(before)?;
            put_float8(f, number)?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{},", self.center)?;
        put_float8(f, self.radius)?;
        f.write_str(">")
    }
}

impl Scalar for Point {
    const TEXT: &'static str = "a point";

    fn is(ty: &Type) -> bool {
        *ty == Type::POINT
    }

    fn natural() -> Type {
        Type::POINT
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        Self::take_one(bytes)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.put_one(out);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        let point = Self::scan(&mut scan)?;
        scan.end().map(|()| point)
    }
}

impl Scalar for Line {
    const TEXT: &'static str = "a line";

    fn is(ty: &Type) -> bool {
        *ty == Type::LINE
    }

    fn natural() -> Type {
        Type::LINE
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        Ok(Self { a: bytes.take_f64()?, b: bytes.take_f64()?, c: bytes.take_f64()? })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        for number in [self.a, self.b, self.c] {
            out.put_f64(number);
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        scan.eat("{")?;
        let a = number(&mut scan)?;
        scan.eat(",")?;
        let b = number(&mut scan)?;
        scan.eat(",")?;
        let c = number(&mut scan)?;
        scan.eat("}")?;
        scan.end().map(|()| Self { a, b, c })
    }
}

impl Scalar for Circle {
    const TEXT: &'static str = "a circle";

    fn is(ty: &Type) -> bool {
        *ty == Type::CIRCLE
    }

    fn natural() -> Type {
        Type::CIRCLE
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        Ok(Self { center: Point::take_one(bytes)?, radius: bytes.take_f64()? })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.center.put_one(out);
        out.put_f64(self.radius);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        scan.eat("<")?;
        let center = Point::scan(&mut scan)?;
        scan.eat(",")?;
        let radius = number(&mut scan)?;
        scan.eat(">")?;
        scan.end().map(|()| Self { center, radius })
    }
}

scalar!(Point, Line, Circle);
