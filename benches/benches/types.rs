//! Every type: a value of it read out of a row, and written as a parameter. `types/int4[1000]` stands beside what the memory allows.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use cornac::types::{Format, Kind, Type};
use cornac::{Decode, Encode, RowRef};
use cornac_tests::samples::samples;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

type Types<'c> = BenchmarkGroup<'c, WallTime>;

fn every_type(c: &mut Criterion) {
    let mut group = c.benchmark_group("types");
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    for sample in samples() {
        // The last literal of an array is the one that has elements.
        let literal =
            if sample.ty.element().is_some() { sample.literals.last() } else { sample.literals.first() };
        let Some(literal) = literal else { continue };
        let rust_type = sample.rust_type.rsplit("::").next().unwrap_or_default().trim_end_matches('>');
        let (columns, values) = sample.row(literal);
        group.bench_function(format!("decode/{} as {rust_type}", sample.ty), |b| {
            b.iter(|| sample.read(black_box(RowRef::new(&columns, &values))));
        });
        let value = sample.value(literal);
        let mut out = BytesMut::with_capacity(1 << 12);
        group.bench_function(format!("encode/{} as {rust_type}", sample.ty), |b| {
            b.iter(|| {
                out.clear();
                black_box(&value).encode(&sample.ty, &mut out).expect("it fits")
            });
        });
    }
    a_record(&mut group);
    an_aclitem(&mut group);
    group.finish();
}

/// A composite of which only its bytes say what it is made of. No server takes one.
fn a_record(group: &mut Types<'_>) {
    let composite = samples().into_iter().find(|sample| matches!(sample.ty.kind(), Kind::Composite(_)));
    let composite = composite.expect("one of the types is a composite");
    let (_, values) = composite.row(&composite.literals[0]);
    let record = samples().into_iter().find(|sample| sample.ty == Type::RECORD).expect("it is a type");
    let columns = record.columns(Format::Binary);
    group.bench_function("decode/record as Value", |b| {
        b.iter(|| record.read(black_box(RowRef::new(&columns, &values))));
    });
}

/// It has no binary form.
fn an_aclitem(group: &mut Types<'_>) {
    let text = "owner=arwdDxt/owner";
    group.bench_function("decode/aclitem as String", |b| {
        b.iter(|| String::from_text(&Type::ACLITEM, black_box(text).into()).expect("it is text"));
    });
    let mut out = String::with_capacity(1 << 12);
    group.bench_function("encode/aclitem as String", |b| {
        b.iter(|| {
            out.clear();
            black_box(text).encode_text(&Type::ACLITEM, &mut out).expect("it fits")
        });
    });
}

/// What reading numbers is measured against: as many bytes copied, and swapped on the way.
fn swapped(bytes: &[u8]) -> Vec<i32> {
    let number = |chunk: &[u8]| chunk.first_chunk().copied().map_or(0, i32::from_be_bytes);
    bytes.chunks_exact(4).map(number).collect()
}

fn a_thousand_numbers(c: &mut Criterion) {
    let numbers: Vec<i32> = (0..1000).collect();
    let mut array = BytesMut::new();
    numbers.encode(&Type::INT4_ARRAY, &mut array).expect("it fits");
    assert!(Vec::<i32>::accepts(&Type::INT4_ARRAY, Format::Binary));
    c.bench_function("types/int4[1000]/decode", |b| {
        b.iter(|| Vec::<i32>::from_binary(&Type::INT4_ARRAY, black_box(&array)).expect("it fits"));
    });
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    assert_eq!(swapped(&bytes), numbers);
    c.bench_function("types/int4[1000]/copy and swap", |b| b.iter(|| swapped(black_box(&bytes))));
}

criterion_group!(benches, every_type, a_thousand_numbers);
criterion_main!(benches);
