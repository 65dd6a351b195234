//! COPY: rows written in the binary format, as text and as CSV.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;

use bytes::{BufMut, BytesMut};
use cornac::Params;
use cornac::types::Type;
use cornac::types::copy::{CopyCsv, CopyText};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TYPES: [Type; 3] = [Type::INT4, Type::TEXT, Type::FLOAT8];
const FIELDS: [Option<&[u8]>; 4] = [Some(b"7"), Some(b"sample 0000007"), Some(b"2.3333333333333335"), None];

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("copy/encode");
    group.throughput(Throughput::Elements(1));
    let record = (7_i32, "sample 0000007", 7.0_f64 / 3.0);
    let mut out = BytesMut::with_capacity(1 << 16);
    group.bench_function("binary", |b| {
        b.iter(|| {
            out.clear();
            out.put_u16(3);
            black_box(&record).encode(&TYPES, &mut out).expect("it fits");
            out.len()
        });
    });
    let mut out = Vec::with_capacity(1 << 16);
    let text = CopyText::new();
    group.bench_function("text", |b| {
        b.iter(|| {
            out.clear();
            text.write_row(black_box(FIELDS), &mut out).expect("NULL is told from a value");
            out.len()
        });
    });
    let csv = CopyCsv::new();
    group.bench_function("csv", |b| {
        b.iter(|| {
            out.clear();
            csv.write_row(black_box(FIELDS), &mut out);
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
