//! The statement cache: a statement found by its text among others, without a round trip.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use cornac::{Config, Connection, Host};
use cornac_benches::recorded::{self, PORT};
use cornac_benches::work::distinct;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

fn look_up(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let (ready, is_ready) = channel();
    let socket = directory.path().to_owned();
    // Ends with the process.
    thread::spawn(move || recorded::serve(&socket, Duration::ZERO, || ready.send(()).unwrap_or_default()));
    is_ready.recv().expect("the recorded server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for held in [1, 100, 10_000] {
        let mut connection = runtime.block_on(connect(directory.path(), held)).expect("a connection");
        let statements: Vec<String> = (0..held).map(distinct).collect();
        let mut next = statements.iter().cycle();
        c.bench_function(&format!("statements/look_up/{held}"), |b| {
            b.iter_batched(
                || next.next().expect("they go round"),
                |sql| black_box(found(&runtime, &mut connection, sql)),
                BatchSize::SmallInput,
            );
        });
    }
}

async fn connect(directory: &std::path::Path, statements: usize) -> cornac::Result<Connection> {
    let config = Config::new(Host::Unix(directory.to_owned()), "bench").port(PORT).dbname("postgres");
    let mut connection = Connection::connect(&config.statement_cache_capacity(statements)).await?;
    for number in 0..statements {
        connection.prepare(&*distinct(number)).await?;
    }
    Ok(connection)
}

/// A statement that is prepared already is there at once; the runtime's own part is the same for all.
fn found(runtime: &Runtime, connection: &mut Connection, sql: &str) -> cornac::Prepared {
    runtime.block_on(connection.prepare(sql)).expect("it is prepared")
}

criterion_group!(benches, look_up);
criterion_main!(benches);
