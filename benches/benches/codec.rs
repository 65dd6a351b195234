//! Messages: those of a point SELECT written and read, and a block of rows told apart.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;

use bytes::BytesMut;
use cornac_proto::message::server::data_row;
use cornac_proto::message::{self, Backend, CommandComplete, FormatCode, RawParameters, TransactionStatus};
use cornac_proto::{Framing, Limits, Phase, frame};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// How many rows the block has.
const ROWS: u64 = 1000;

fn requests(c: &mut Criterion) {
    let mut out = BytesMut::with_capacity(1024);
    c.bench_function("codec/write point select", |b| {
        b.iter(|| {
            out.clear();
            let id = black_box(7_i32).to_be_bytes();
            let parameters = RawParameters { formats: &[FormatCode::Binary], values: &[Some(&id)] };
            message::bind(&mut out, "", "s1", &parameters, &[FormatCode::Binary]).expect("it fits");
            message::execute(&mut out, "", 0).expect("it fits");
            message::sync(&mut out);
            out.len()
        });
    });
}

fn answers(c: &mut Criterion) {
    let mut answer = BytesMut::new();
    let row: [Option<&[u8]>; 3] =
        [Some(b"\0\0\0\x07"), Some(b"tusk of ivory, item 7"), Some(b"\0\0\0\0\0\0\0\0")];
    Backend::BindComplete.encode(&mut answer).expect("it fits");
    data_row(&mut answer, &row).expect("it fits");
    Backend::CommandComplete(CommandComplete::new("SELECT 1")).encode(&mut answer).expect("it fits");
    Backend::ReadyForQuery(TransactionStatus::Idle).encode(&mut answer).expect("it fits");
    c.bench_function("codec/read point select", |b| b.iter(|| decode_all(black_box(&answer))));

    let mut rows = BytesMut::new();
    (0..ROWS).for_each(|_| data_row(&mut rows, &row).expect("it fits"));
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("read 1000 rows", |b| b.iter(|| decode_all(black_box(&rows))));
    group.finish();
}

/// Decodes all messages, and says how many there were.
fn decode_all(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Framing::Complete(frame) =
        frame(bytes, &Limits::default(), Phase::Authenticated).expect("it is well-formed")
    {
        bytes = &bytes[5 + frame.body.len()..];
        black_box(Backend::decode(frame).expect("it is well-formed"));
        count += 1;
    }
    count
}

criterion_group!(benches, requests, answers);
criterion_main!(benches);
