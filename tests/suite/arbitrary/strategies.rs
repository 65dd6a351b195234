//! What values of each type there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::IpAddr;
use std::ops::Bound;

use cornac::Timestamptz;
use cornac::types::{
    Array, BitString, Circle, Cube, Date, Dimension, Hstore, Inet, Int2Vector, Interval, JsonText, Lexeme,
    LexemePosition, Line, Lseg, Ltree, Numeric, Oid, OidVector, Path, PgBox, PgSnapshot, Point, Polygon,
    Range, Tid, Time, TimeTz, Timestamp, TsQuery, TsVector, TsWeight, Xid8,
};
use proptest::prelude::*;

/// One of several sorts of NaN is enough: the others have the same text.
pub(super) fn float4() -> impl Strategy<Value = f32> {
    prop::num::f32::ANY.prop_map(|value| if value.is_nan() { f32::NAN } else { value })
}

pub(super) fn float8() -> impl Strategy<Value = f64> {
    prop::num::f64::ANY.prop_map(|value| if value.is_nan() { f64::NAN } else { value })
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        -1e6..1e6,
        (-100..100_i32).prop_map(f64::from),
        prop::num::f64::NORMAL.prop_map(|x| x % 1e100)
    ]
}

pub(super) fn numeric() -> impl Strategy<Value = Numeric> {
    let parse = |text: String| text.parse::<Numeric>().expect("a number");
    prop_oneof![
        20 => "-?[0-9]{1,40}(\\.[0-9]{1,40})?".prop_map(parse),
        5 => "-?[0-9]{1,3}0{0,30}".prop_map(parse),
        5 => "-?0\\.0{0,60}[0-9]{1,9}".prop_map(parse),
        1 => (Just("9".repeat(3000)), "[0-9]{1,2000}").prop_map(move |(whole, part)| parse(format!("{whole}.{part}"))),
        1 => prop::sample::select(vec![Numeric::NAN, Numeric::INFINITY, Numeric::NEG_INFINITY]),
    ]
}

pub(super) fn tid() -> impl Strategy<Value = Tid> {
    any::<(u32, u16)>().prop_map(|(block, offset)| Tid { block, offset })
}

/// Transactions are counted from 1 to 2^63, and those in progress lie between the two ends.
pub(super) fn snapshot() -> impl Strategy<Value = PgSnapshot> {
    (1..1_u64 << 62, 0..1000_u64, prop::collection::btree_set(0..1000_u64, 0..20)).prop_map(
        |(xmin, length, inside)| {
            let in_progress = inside.into_iter().filter(|offset| *offset < length);
            PgSnapshot {
                xmin: Xid8(xmin),
                xmax: Xid8(xmin + length),
                in_progress: in_progress.map(|offset| Xid8(xmin + offset)).collect(),
            }
        },
    )
}

pub(super) fn int2vector() -> impl Strategy<Value = Int2Vector> {
    prop::collection::vec(any::<i16>(), 0..20).prop_map(Int2Vector)
}

pub(super) fn oidvector() -> impl Strategy<Value = OidVector> {
    prop::collection::vec(any::<u32>().prop_map(Oid), 0..20).prop_map(OidVector)
}

/// All but NUL, which PostgreSQL's text does not have.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>().prop_filter("no NUL", |character| *character != '\0'), 0..40)
        .prop_map(|characters| characters.into_iter().collect())
}

pub(super) fn json() -> impl Strategy<Value = JsonText> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        text().prop_map(serde_json::Value::from),
    ];
    let any = leaf.prop_recursive(4, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map(text(), inner, 0..5)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    });
    any.prop_map(|value| JsonText(value.to_string()))
}

pub(super) fn bit_string() -> impl Strategy<Value = BitString> {
    (prop::collection::vec(any::<u8>(), 0..20), 0..8_usize).prop_map(|(mut bytes, unused)| {
        let len = (bytes.len() * 8).saturating_sub(unused);
        // What lies behind the last bit is zero.
        if let Some(last) = bytes.last_mut() {
            *last &= 0xff_u8 << unused;
        }
        BitString::from_bytes(bytes, len).expect("as many bytes as bits need")
    })
}

fn word() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>().prop_filter("no NUL", |character| *character != '\0'), 1..10)
        .prop_map(|characters| characters.into_iter().collect())
}

pub(super) fn ts_vector() -> impl Strategy<Value = TsVector> {
    let weight = prop::sample::select(vec![TsWeight::A, TsWeight::B, TsWeight::C, TsWeight::D]);
    let positions = prop::collection::btree_map(1..16_383_u16, weight, 0..20).prop_map(|positions| {
        let position = |(position, weight)| LexemePosition::new(position, weight).expect("a place");
        positions.into_iter().map(position).collect::<Vec<_>>()
    });
    // The server keeps them in the order of their bytes.
    prop::collection::btree_map(word(), positions, 0..8).prop_map(|words| {
        TsVector(words.into_iter().map(|(word, positions)| Lexeme { word, positions }).collect())
    })
}

pub(super) fn ts_query() -> impl Strategy<Value = TsQuery> {
    let leaf = ("[a-zäß ]{1,6}", prop::sample::select(vec!["", ":A", ":B*", ":ABCD", ":*"]))
        .prop_map(|(word, suffix)| format!("'{word}'{suffix}"));
    let query = leaf.prop_recursive(4, 16, 2, |inner| {
        let operator = prop::sample::select(vec!["&", "|", "<->", "<7>"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("( {left} {operator} {right} )")),
            inner.prop_map(|query| format!("!{query}")),
        ]
    });
    query.prop_map(|text| text.parse().expect("a query"))
}

pub(super) fn hstore() -> impl Strategy<Value = Hstore> {
    prop::collection::btree_map(text(), prop::option::of(text()), 0..6)
        .prop_map(|pairs: BTreeMap<_, _>| Hstore(pairs.into_iter().collect()))
}

pub(super) fn ltree() -> impl Strategy<Value = Ltree> {
    "([A-Za-z0-9_]{1,8}(\\.[A-Za-z0-9_]{1,8}){0,5})?".prop_map(Ltree)
}

pub(super) fn cube() -> impl Strategy<Value = Cube> {
    let corners = prop::collection::vec((finite(), finite()), 1..6);
    prop_oneof![
        prop::collection::vec(finite(), 1..6).prop_map(Cube::point),
        corners.prop_map(|corners| {
            let (first, second) = corners.into_iter().unzip();
            Cube::new(first, second).expect("as many coordinates")
        }),
    ]
}

/// From 4714 BC to 5874897.
pub(super) fn finite_date() -> impl Strategy<Value = Date> {
    prop_oneof![-2_451_545..2_145_031_948_i32, -800_000..40_000_i32].prop_map(Date::from_postgres_days)
}

pub(super) fn date() -> impl Strategy<Value = Date> {
    prop_oneof![
        20 => finite_date(),
        1 => prop::sample::select(vec![Date::INFINITY, Date::NEG_INFINITY]),
    ]
}

pub(super) fn time() -> impl Strategy<Value = Time> {
    (0..=86_400_000_000_i64).prop_map(|micros| Time::from_micros(micros).expect("a time of day"))
}

pub(super) fn time_tz() -> impl Strategy<Value = TimeTz> {
    (time(), -57_599..=57_599_i32).prop_map(|(time, east)| TimeTz::new(time, east).expect("a zone"))
}

/// From 4714 BC to 294276.
fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        10 => -211_813_488_000_000_000..9_223_371_331_200_000_000_i64,
        10 => -63_000_000_000_000_000..3_000_000_000_000_000_i64,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX]),
    ]
}

pub(super) fn timestamp() -> impl Strategy<Value = Timestamp> {
    micros().prop_map(Timestamp::from_postgres_micros)
}

pub(super) fn timestamptz() -> impl Strategy<Value = Timestamptz> {
    micros().prop_map(Timestamptz::from_postgres_micros)
}

pub(super) fn interval() -> impl Strategy<Value = Interval> {
    prop_oneof![
        any::<(i32, i32, i64)>(),
        (-100..100_i32, -100..100_i32, -100_000_000_000..100_000_000_000_i64),
    ]
    .prop_map(|(months, days, micros)| Interval { months, days, micros })
}

pub(super) fn inet() -> impl Strategy<Value = Inet> {
    (any::<IpAddr>(), any::<u8>()).prop_map(|(address, prefix)| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Inet::new(address, prefix % (bits + 1)).expect("a prefix")
    })
}

pub(super) fn point() -> impl Strategy<Value = Point> {
    (float8(), float8()).prop_map(|(x, y)| Point { x, y })
}

pub(super) fn line() -> impl Strategy<Value = Line> {
    let is_line = |(a, b, _): &(f64, f64, f64)| a.abs() > 1e-3 || b.abs() > 1e-3;
    (finite(), finite(), finite()).prop_filter("a line", is_line).prop_map(|(a, b, c)| Line { a, b, c })
}

pub(super) fn lseg() -> impl Strategy<Value = Lseg> {
    (point(), point()).prop_map(|(start, end)| Lseg { start, end })
}

/// The server keeps the upper right corner first.
pub(super) fn pg_box() -> impl Strategy<Value = PgBox> {
    (finite(), finite(), finite(), finite()).prop_map(|(a, b, c, d)| PgBox {
        high: Point { x: a.max(b), y: c.max(d) },
        low: Point { x: a.min(b), y: c.min(d) },
    })
}

pub(super) fn path() -> impl Strategy<Value = Path> {
    (any::<bool>(), prop::collection::vec(point(), 1..6))
        .prop_map(|(is_closed, points)| Path { is_closed, points })
}

/// The server works out what lies around it, for which its corners must be numbers.
pub(super) fn polygon() -> impl Strategy<Value = Polygon> {
    let corner = (finite(), finite()).prop_map(|(x, y)| Point { x, y });
    prop::collection::vec(corner, 1..6).prop_map(Polygon)
}

pub(super) fn circle() -> impl Strategy<Value = Circle> {
    (point(), finite()).prop_map(|(center, radius)| Circle { center, radius: radius.abs() })
}

/// Bounds in order, where there are any.
pub(super) fn range<T: PartialOrd + Clone + Debug>(
    values: impl Strategy<Value = T>,
) -> impl Strategy<Value = Range<T>> {
    let two = prop::collection::vec(values, 2);
    (two, 0..3_u8, 0..3_u8, 0..20_u8).prop_map(|(mut two, lower, upper, empty)| {
        if two[0] > two[1] {
            two.swap(0, 1);
        }
        let bound = |value: &T, kind| match kind {
            0 => Bound::Included(value.clone()),
            1 => Bound::Excluded(value.clone()),
            _ => Bound::Unbounded,
        };
        if empty == 0 { Range::Empty } else { Range::Between(bound(&two[0], lower), bound(&two[1], upper)) }
    })
}

/// Up to three dimensions, whose subscripts begin anywhere.
pub(super) fn array() -> impl Strategy<Value = Array<Option<i32>>> {
    let dimension = (1..4_usize, prop_oneof![3 => Just(1), 1 => -1_000_000..1_000_000_i32])
        .prop_map(|(len, lower_bound)| Dimension { len, lower_bound });
    prop::collection::vec(dimension, 0..4).prop_flat_map(|dimensions| {
        let places = if dimensions.is_empty() {
            0
        } else {
            dimensions.iter().map(|dimension| dimension.len).product()
        };
        let values = prop::collection::vec(any::<Option<i32>>(), places);
        values.prop_map(move |values| Array::new(&dimensions, values).expect("as many values as places"))
    })
}

#[test]
fn strategies_are_not_all_the_same_value() {
    let texts: BTreeSet<_> = super::values(text()).into_iter().collect();
    assert!(texts.len() > super::cases() / 2);
}
