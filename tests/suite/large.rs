//! Much data: large values, long streams, and what is abandoned of them, with memory counted.

use bytes::{BufMut, BytesMut};
use cornac_conn::Connection;
use cornac_proto::message::server::{self, data_row};
use cornac_proto::message::{Backend, CommandComplete, FormatCode, TransactionStatus};
use cornac_tests::memory::Memory;
use cornac_tests::scripted::ScriptedServer;
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, still_usable};
use tokio::net::{TcpListener, TcpStream};

use crate::measured::{Measured, mebibytes};

/// The longest text that a server can put into a row: its buffer for messages has one byte less than 1 GiB.
const LONGEST: u64 = (1 << 30) - 8;

/// What is small beside what is measured: buffers, and what the allocator keeps.
const SLACK: u64 = 8 << 20;

/// A server for clients in other processes, and its URL.
fn cluster() -> (Cluster, String) {
    let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
    let url = format!("{}?sslmode=disable", cluster.url("postgres"));
    (cluster, url)
}

#[tokio::test]
async fn wire_14_the_longest_value_arrives_and_its_memory_is_given_back() {
    deadline(async {
        // The server holds it four times over, the client once.
        let len = LONGEST.min(Memory::available().unwrap() / 8) / 4088 * 4088;
        let (_cluster, url) = cluster();
        let figures = Measured::start(&url, "receive", len).figures().await;
        let (peak, kept) = (figures["peak"], figures["kept"]);
        println!(
            "a value of {len} bytes in {} ms: {} at most, {} at the end",
            figures["milliseconds"],
            mebibytes(peak),
            mebibytes(kept)
        );
        assert!(peak < len + len / 16 + SLACK, "{}", mebibytes(peak));
        assert!(kept < SLACK, "{}", mebibytes(kept));
    })
    .await;
}

#[tokio::test]
async fn wire_14_a_value_abandoned_in_its_middle_is_drained_in_bounded_memory() {
    deadline(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://app@{}/shop?sslmode=disable", listener.local_addr().unwrap());
        let mut client = Measured::start(&url, "abandon", 0);
        let mut server = ScriptedServer::over(listener.accept().await.unwrap().0);
        server.accept().await;
        assert_eq!(server.read_until(b'Q').await, "Q");
        let len = u32::try_from(LONGEST).unwrap();
        server.send(|out| server::row_description(out, &[("large", 25, FormatCode::Text)])).await;
        let mut header = BytesMut::new();
        header.put_u8(b'D');
        header.put_u32(len + 4 + 2 + 4);
        header.put_u16(1);
        header.put_u32(len);
        server.send_bytes(&header).await;
        let half = usize::try_from(LONGEST / 2).unwrap();
        send_zeros(&mut server, half).await;
        // The client has most of it, and lets go.
        client.tell().await;
        send_zeros(&mut server, usize::try_from(LONGEST).unwrap() - half).await;
        complete(&mut server).await;
        assert_eq!(server.read_until(b'Q').await, "Q");
        server
            .send(|out| {
                server::row_description(out, &[("seven", 25, FormatCode::Text)])?;
                data_row(out, &[Some(b"7")])
            })
            .await;
        complete(&mut server).await;
        let figures = client.figures().await;
        let (held, peak, kept) = (figures["held"], figures["peak"], figures["kept"]);
        println!(
            "a value of {LONGEST} bytes abandoned when {} were held: {} more at most while the rest was drained, {} at the end",
            mebibytes(held),
            mebibytes(peak.saturating_sub(held)),
            mebibytes(kept)
        );
        assert!(held > 400 << 20, "it was abandoned in its middle: {}", mebibytes(held));
        assert!(peak < held + SLACK, "{} above {}", mebibytes(peak - held), mebibytes(held));
        assert!(kept < SLACK, "{}", mebibytes(kept));
    })
    .await;
}

async fn send_zeros(server: &mut ScriptedServer<TcpStream>, count: usize) {
    let zeros = vec![0; 1 << 20];
    let mut left = count;
    while left > 0 {
        let piece = left.min(zeros.len());
        assert!(server.offer_bytes(&zeros[..piece]).await, "the client is there");
        left -= piece;
    }
}

async fn complete(server: &mut ScriptedServer<TcpStream>) {
    server.send_all(&[Backend::CommandComplete(CommandComplete::new("SELECT 1"))]).await;
    server.ready(TransactionStatus::Idle).await;
}

#[tokio::test]
async fn drop_04_ten_million_rows_that_nobody_wants_are_out_of_the_way_soon() {
    deadline(async {
        let (cluster, url) = cluster();
        let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        // The second one never comes to its end: what cannot be drained in time is cancelled.
        for (rows, milliseconds_max) in [(10_000_000, 15_000), (i64::MAX.unsigned_abs(), 15_000)] {
            let figures = Measured::start(&url, "drop-rows", rows).figures().await;
            let (next_use, peak) = (figures["next_use"], figures["peak"]);
            println!(
                "{rows} rows dropped behind the first: next use after {next_use} ms, {} at most",
                mebibytes(peak)
            );
            assert!(next_use < milliseconds_max, "{next_use} ms");
            assert!(peak < SLACK, "{}", mebibytes(peak));
        }
        still_usable(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn os_03_a_long_stream_of_rows_needs_no_memory() {
    // The whole of 10 GB takes longer than a test should; CORNAC_STREAM_GB=10 asks for it.
    let gigabytes =
        std::env::var("CORNAC_STREAM_GB").map_or(4, |asked| asked.parse::<u64>().expect("a number"));
    let body = async {
        let (_cluster, url) = cluster();
        let figures = Measured::start(&url, "stream", gigabytes * 1_000_000_000).figures().await;
        let peak = figures["peak"];
        println!(
            "{} bytes of rows in {} ms: {} at most above the idle connection, {} are allowed",
            figures["bytes"],
            figures["milliseconds"],
            mebibytes(peak),
            mebibytes(STREAM_BOUND)
        );
        assert!(peak < STREAM_BOUND, "{}", mebibytes(peak));
    };
    tokio::time::timeout(std::time::Duration::from_secs(60 + 30 * gigabytes), body)
        .await
        .expect("the stream ends");
}

/// What a stream may need beside the connection, however long it is.
const STREAM_BOUND: u64 = 4 << 20;
