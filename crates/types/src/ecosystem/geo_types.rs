//! The crate `geo-types`.

use geo_types::{Coord, Line, LineString, Rect};

use super::through;
use crate::{Lseg, Path, PgBox, Point, Polygon, ValueError};

fn coord(point: Point) -> Coord {
    Coord { x: point.x, y: point.y }
}

fn point(coord: Coord) -> Point {
    Point { x: coord.x, y: coord.y }
}

impl TryFrom<Point> for Coord {
    type Error = ValueError;

    fn try_from(value: Point) -> Result<Self, ValueError> {
        Ok(coord(value))
    }
}

impl TryFrom<&Coord> for Point {
    type Error = ValueError;

    fn try_from(value: &Coord) -> Result<Self, ValueError> {
        Ok(point(*value))
    }
}

impl TryFrom<Point> for geo_types::Point {
    type Error = ValueError;

    fn try_from(value: Point) -> Result<Self, ValueError> {
        Ok(Self(coord(value)))
    }
}

impl TryFrom<&geo_types::Point> for Point {
    type Error = ValueError;

    fn try_from(value: &geo_types::Point) -> Result<Self, ValueError> {
        Ok(point(value.0))
    }
}

impl TryFrom<Lseg> for Line {
    type Error = ValueError;

    fn try_from(value: Lseg) -> Result<Self, ValueError> {
        Ok(Self { start: coord(value.start), end: coord(value.end) })
    }
}

impl TryFrom<&Line> for Lseg {
    type Error = ValueError;

    fn try_from(value: &Line) -> Result<Self, ValueError> {
        Ok(Self { start: point(value.start), end: point(value.end) })
    }
}

impl TryFrom<PgBox> for Rect {
    type Error = ValueError;

    fn try_from(value: PgBox) -> Result<Self, ValueError> {
        Ok(Self::new(coord(value.low), coord(value.high)))
    }
}

impl TryFrom<&Rect> for PgBox {
    type Error = ValueError;

    fn try_from(value: &Rect) -> Result<Self, ValueError> {
        Ok(Self { high: point(value.max()), low: point(value.min()) })
    }
}

impl TryFrom<Path> for LineString {
    type Error = ValueError;

    /// A closed path is an error: a string of lines is open, even if it ends where it begins.
    fn try_from(path: Path) -> Result<Self, ValueError> {
        if path.is_closed {
            return Err(ValueError::out_of_range("it is a closed path"));
        }
        Ok(Self(path.points.into_iter().map(coord).collect()))
    }
}

impl TryFrom<&LineString> for Path {
    type Error = ValueError;

    /// An open path.
    fn try_from(value: &LineString) -> Result<Self, ValueError> {
        Ok(Self { is_closed: false, points: value.0.iter().copied().map(point).collect() })
    }
}

impl TryFrom<Polygon> for geo_types::Polygon {
    type Error = ValueError;

    /// With the first point once more at the end of its exterior, as `geo-types` has it.
    fn try_from(value: Polygon) -> Result<Self, ValueError> {
        Ok(Self::new(LineString(value.0.into_iter().map(coord).collect()), Vec::new()))
    }
}

impl TryFrom<&geo_types::Polygon> for Polygon {
    type Error = ValueError;

    /// The exterior, without its last point, which is its first. A polygon with holes is an error.
    fn try_from(value: &geo_types::Polygon) -> Result<Self, ValueError> {
        let holes = value.interiors().len();
        if holes > 0 {
            return Err(ValueError::out_of_range(format!("it has {holes} holes")));
        }
        let mut points: Vec<_> = value.exterior().0.iter().copied().map(point).collect();
        if points.len() > 1 {
            points.pop();
        }
        Ok(Self(points))
    }
}

through! {
    Coord => Point, POINT;
    geo_types::Point => Point, POINT;
    Line => Lseg, LSEG;
    Rect => PgBox, BOX;
    LineString => Path, PATH;
    geo_types::Polygon => Polygon, POLYGON;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_06_shapes_that_do_not_fit_are_errors() {
        let closed: Path = "((0,0),(1,1))".parse().unwrap();
        assert_eq!(LineString::try_from(closed), Err(ValueError::out_of_range("it is a closed path")));
        let ring = LineString::from(vec![(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)]);
        let with_hole = geo_types::Polygon::new(ring.clone(), vec![ring.clone()]);
        assert_eq!(Polygon::try_from(&with_hole), Err(ValueError::out_of_range("it has 1 holes")));
        let whole = geo_types::Polygon::new(ring, Vec::new());
        let polygon = Polygon::try_from(&whole).unwrap();
        assert_eq!(polygon.to_string(), "((0,0),(4,0),(4,4))");
        assert_eq!(geo_types::Polygon::try_from(polygon), Ok(whole));
    }
}
