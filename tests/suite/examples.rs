//! The examples of `cornac`, run as their readers would run them.

use std::process::Stdio;

use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, still_usable};
use tokio::process::Command;

/// Runs an example against a server of its own until it ends by itself, and gives what it printed. Nothing of it is left in the database.
async fn run(program: &str, by_argument: bool) -> String {
    let server = Cluster::start(&ClusterOptions::default()).unwrap();
    let url = server.url("postgres");
    let mut command = Command::new(program);
    command.env_remove("DATABASE_URL").stdin(Stdio::null()).kill_on_drop(true);
    if by_argument {
        command.arg(url)
    } else {
        command.env("DATABASE_URL", url)
    };
    let output = command.output().await.unwrap();
    let (said, failed) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "it failed: {failed}\nafter it said: {said}");
    let mut connection = cornac::Connection::connect(&server.config(SUPERUSER)).await.unwrap();
    let sql = "SELECT relname::text FROM pg_class WHERE relname LIKE 'cornac%'";
    let left: Vec<String> = cornac::Client::fetch_values(&mut connection, sql, ()).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
    still_usable(&mut connection).await;
    said
}

/// Asserts that lines with these beginnings were printed, in this order.
fn said_in_order(said: &str, beginnings: &[&str]) {
    let mut lines = said.lines();
    for beginning in beginnings {
        assert!(lines.any(|line| line.starts_with(beginning)), "no {beginning:?} in its place in:\n{said}");
    }
}

#[tokio::test]
async fn the_quickstart_writes_reads_and_tells_errors_apart() {
    deadline(async {
        let said = run(env!("CARGO_BIN_EXE_example_quickstart"), true).await;
        said_in_order(
            &said,
            &[
                "connected to PostgreSQL ",
                "the tusk has number 1",
                "2 more were added",
                "1: tusk costs 12.5",
                "2: howdah costs 99",
                "3: goad is not for sale",
                "a trunk is not there",
                "refused by cornac_quickstart_name_key: ",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn the_bulk_load_takes_a_whole_csv_file() {
    deadline(async {
        let said = run(env!("CARGO_BIN_EXE_example_bulk_load"), false).await;
        said_in_order(&said, &["wrote ", "loaded 200000 rows in ", "16 sensors, 50.00 in the mean"]);
    })
    .await;
}

#[tokio::test]
async fn the_transactions_keep_the_total() {
    deadline(async {
        let said = run(env!("CARGO_BIN_EXE_example_transactions"), false).await;
        said_in_order(
            &said,
            &[
                "nobody has 5000; the accounts have 4000 in all",
                "100 transfers by 4 tasks; the accounts have 4000 in all",
                "undone alone: ",
                "the outer transaction is committed; the accounts have 4001 in all",
                "a DELETE was dropped; the accounts have 4001 in all",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn the_listener_handles_the_order_whose_notification_was_lost() {
    deadline(async {
        let said = run(env!("CARGO_BIN_EXE_example_listen_notify"), true).await;
        said_in_order(
            &said,
            &[
                "listening to [\"cornac_orders\"]",
                "handled an order of tusk",
                "handled an order of howdah",
                "interrupted, looking at all orders: ",
                "handled an order of goad",
                "3 orders are handled",
            ],
        );
    })
    .await;
}
