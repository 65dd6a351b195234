//! The pool: checkout and return, alone and by 64 tasks on 8 connections.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::time::Instant;

use cornac_benches::pool_work::{TASKS, alone, together, warm_pool};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

fn checkouts(c: &mut Criterion) {
    let mut group = c.benchmark_group("pool");
    let runtime = Builder::new_current_thread().enable_time().build().expect("it starts");
    group.bench_function("checkout and return", |b| {
        b.iter_custom(|count| {
            runtime.block_on(async {
                let pool = warm_pool().await.expect("it opens");
                let begun = Instant::now();
                alone(&pool, usize::try_from(count).expect("it fits")).await.expect("it lends");
                begun.elapsed()
            })
        });
    });
    let two = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("it starts");
    for (name, runtime) in [("64 tasks on 8, 1 thread", &runtime), ("64 tasks on 8, 2 threads", &two)] {
        group.bench_function(name, |b| b.iter_custom(|count| many(runtime, count)));
    }
    group.finish();
}

/// The time for so many checkouts in all.
fn many(runtime: &Runtime, count: u64) -> std::time::Duration {
    runtime.block_on(async {
        let pool = warm_pool().await.expect("it opens");
        let each = usize::try_from(count).expect("it fits").div_ceil(TASKS);
        let begun = Instant::now();
        together(&pool, each).await.expect("it lends");
        // As many were done as are a multiple of the tasks.
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let share = count as f64 / (each * TASKS) as f64;
        begun.elapsed().mul_f64(share)
    })
}

criterion_group!(benches, checkouts);
criterion_main!(benches);
