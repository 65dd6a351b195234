//! Parameters: a value of each type written as it stands in a Bind.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;

use bytes::BytesMut;
use cornac::types::Type;
use cornac::{Params, Timestamptz};
use criterion::{Criterion, criterion_group, criterion_main};

fn encode(c: &mut Criterion, name: &str, types: &[Type], params: impl Params) {
    let mut out = BytesMut::with_capacity(1 << 16);
    c.bench_function(&format!("parameters/encode/{name}"), |b| {
        b.iter(|| {
            out.clear();
            let mut formats = 0;
            params.formats(types, &mut |_| formats += 1);
            black_box(&params).encode(types, &mut out).expect("they fit");
            (formats, out.len())
        });
    });
}

fn types(c: &mut Criterion) {
    let text = "a text of some forty characters, in ASCII";
    let at = Timestamptz::from_postgres_micros(7);
    encode(c, "bool", &[Type::BOOL], (true,));
    encode(c, "int4", &[Type::INT4], (7_i32,));
    encode(c, "int8", &[Type::INT8], (7_i64,));
    encode(c, "float8", &[Type::FLOAT8], (0.7_f64,));
    encode(c, "text", &[Type::TEXT], (text,));
    encode(c, "bytea", &[Type::BYTEA], (text.as_bytes(),));
    encode(c, "timestamptz", &[Type::TIMESTAMPTZ], (at,));
    encode(c, "NULL", &[Type::INT4], (None::<i32>,));
    encode(c, "int4[1000]", &[Type::INT4_ARRAY], (vec![7_i32; 1000],));
    let six = [Type::INT4, Type::INT8, Type::FLOAT8, Type::TEXT, Type::TIMESTAMPTZ, Type::BOOL];
    encode(c, "six columns", &six, (7_i32, 7_i64, 0.7_f64, text, at, true));
}

criterion_group!(benches, types);
criterion_main!(benches);
