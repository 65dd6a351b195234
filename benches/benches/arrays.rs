//! Arrays: decoded in bulk, beside a copy that swaps the same bytes.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;

use bytes::BytesMut;
use cornac::types::{Array, Type, Value};
use cornac::{Decode, Encode};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// How many elements the array has.
const ELEMENTS: i32 = 1000;

fn decode(c: &mut Criterion) {
    let numbers: Vec<i32> = (0..ELEMENTS).map(|n| n.wrapping_mul(0x0101_0101)).collect();
    let mut array = BytesMut::new();
    numbers.encode(&Type::INT4_ARRAY, &mut array).expect("it fits");
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    let mut group = c.benchmark_group("arrays");
    group.throughput(Throughput::Elements(u64::from(ELEMENTS.unsigned_abs())));
    group.bench_function("copy and swap the bytes of 1000 int4", |b| {
        b.iter(|| {
            let numbers =
                black_box(&bytes).chunks_exact(4).map(|bytes| bytes.try_into().map_or(0, i32::from_be_bytes));
            numbers.collect::<Vec<_>>()
        });
    });
    group.bench_function("copy and swap as many bytes as an array of 1000 int4 has", |b| {
        b.iter(|| {
            let numbers =
                black_box(&array).chunks_exact(4).map(|bytes| bytes.try_into().map_or(0, i32::from_be_bytes));
            numbers.collect::<Vec<_>>()
        });
    });
    group.bench_function("decode 1000 int4", |b| {
        b.iter(|| Vec::<i32>::from_binary(&Type::INT4_ARRAY, black_box(&array)).expect("it is one"));
    });
    group.bench_function("decode 1000 int4 that may be NULL", |b| {
        b.iter(|| Vec::<Option<i32>>::from_binary(&Type::INT4_ARRAY, black_box(&array)).expect("it is one"));
    });
    group.bench_function("decode 1000 int4 into Array", |b| {
        b.iter(|| Array::<i32>::from_binary(&Type::INT4_ARRAY, black_box(&array)).expect("it is one"));
    });
    group.bench_function("decode 1000 int4 into Value", |b| {
        b.iter(|| Value::from_binary(&Type::INT4_ARRAY, black_box(&array)).expect("it is one"));
    });
    let mut out = BytesMut::new();
    group.bench_function("encode 1000 int4", |b| {
        b.iter(|| {
            out.clear();
            black_box(&numbers).encode(&Type::INT4_ARRAY, &mut out).expect("it fits");
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
