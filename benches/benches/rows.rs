//! Rows: a value of each type, and the row of six columns in the ways in which an application may want it.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;

use bytes::BytesMut;
use cornac::types::{Column, Columns, Decode, Encode, Format, Type};
use cornac::{FromRow, RowRef, Timestamptz};
use cornac_benches::work::{BorrowedMeasurement, Measurement, measurement};
use criterion::{Criterion, criterion_group, criterion_main};

type Tuple = (i32, i64, f64, String, Timestamptz, bool);

/// A result of one row, as it stands on the wire.
struct Received {
    columns: Columns,
    values: BytesMut,
}

impl Received {
    fn new(columns: &[(&str, Type, &dyn Encode)]) -> Self {
        let mut values = BytesMut::new();
        for (_, ty, value) in columns {
            let mut encoded = BytesMut::new();
            value.encode(ty, &mut encoded).expect("it fits");
            let len = u32::try_from(encoded.len()).expect("it is short");
            values.extend_from_slice(&len.to_be_bytes());
            values.extend_from_slice(&encoded);
        }
        let column =
            |(name, ty, _): &(&str, Type, &dyn Encode)| Column::new(*name, ty.clone(), Format::Binary);
        Self { columns: columns.iter().map(column).collect(), values }
    }

    fn row(&self) -> RowRef<'_> {
        RowRef::new(&self.columns, &self.values)
    }
}

fn decode<T>(c: &mut Criterion, name: &str, ty: Type, value: impl Encode)
where
    T: for<'r> Decode<'r>,
{
    let received = Received::new(&[("value", ty, &value)]);
    let plan = <(T,)>::plan(&received.columns).expect("it fits");
    c.bench_function(&format!("rows/decode/{name}"), |b| {
        b.iter(|| <(T,)>::from_row(black_box(received.row()), &plan).expect("it fits"));
    });
}

fn types(c: &mut Criterion) {
    let text = "a text of some forty characters, in ASCII";
    decode::<bool>(c, "bool", Type::BOOL, true);
    decode::<i16>(c, "int2", Type::INT2, 7_i16);
    decode::<i32>(c, "int4", Type::INT4, 7_i32);
    decode::<i64>(c, "int8", Type::INT8, 7_i64);
    decode::<f32>(c, "float4", Type::FLOAT4, 0.7_f32);
    decode::<f64>(c, "float8", Type::FLOAT8, 0.7_f64);
    decode::<String>(c, "text", Type::TEXT, text);
    decode::<Vec<u8>>(c, "bytea", Type::BYTEA, text.as_bytes());
    decode::<Timestamptz>(c, "timestamptz", Type::TIMESTAMPTZ, Timestamptz::from_postgres_micros(7));
    decode::<Option<i32>>(c, "int4 or NULL", Type::INT4, 7_i32);
    decode::<Vec<i32>>(c, "int4[10]", Type::INT4_ARRAY, vec![7_i32; 10]);
    decode::<Vec<String>>(c, "text[10]", Type::TEXT_ARRAY, vec![text.to_owned(); 10]);

    let received = Received::new(&[("value", Type::TEXT, &text)]);
    let plan = <(&str,)>::plan(&received.columns).expect("it fits");
    c.bench_function("rows/decode/text, borrowed", |b| {
        b.iter(|| {
            let row = black_box(received.row());
            black_box(<(&str,)>::from_row(row, &plan).expect("it fits"));
        });
    });
}

fn whole_rows(c: &mut Criterion) {
    let row = measurement(7);
    let received = Received::new(&[
        ("id", Type::INT4, &row.id),
        ("total", Type::INT8, &row.total),
        ("ratio", Type::FLOAT8, &row.ratio),
        ("label", Type::TEXT, &row.label),
        ("at", Type::TIMESTAMPTZ, &row.at),
        ("even", Type::BOOL, &row.even),
    ]);
    let plan = Measurement::plan(&received.columns).expect("it fits");
    c.bench_function("rows/six columns/struct", |b| {
        b.iter(|| Measurement::from_row(black_box(received.row()), &plan).expect("it fits"));
    });
    let plan = BorrowedMeasurement::plan(&received.columns).expect("it fits");
    c.bench_function("rows/six columns/struct, borrowed", |b| {
        b.iter(|| {
            let row = black_box(received.row());
            black_box(BorrowedMeasurement::from_row(row, &plan).expect("it fits"));
        });
    });
    let plan = Tuple::plan(&received.columns).expect("it fits");
    c.bench_function("rows/six columns/tuple", |b| {
        b.iter(|| Tuple::from_row(black_box(received.row()), &plan).expect("it fits"));
    });
    c.bench_function("rows/six columns/plan of a struct", |b| {
        b.iter(|| Measurement::plan(black_box(&received.columns)).expect("it fits"));
    });
}

criterion_group!(benches, types, whole_rows);
criterion_main!(benches);
