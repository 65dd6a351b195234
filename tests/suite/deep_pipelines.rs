//! Pipelines whose results are far larger than everything between client and server can hold.

use std::time::Duration;

use cornac_conn::Connection;
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, narrow_server, smallest_socket, still_usable};

use crate::measured::{Measured, mebibytes};

/// What a pipeline may need beside the connection.
const BOUND: u64 = 64 << 20;

/// Statements that each give 10 KB, over sockets whose buffers are as small as the kernel lets them be on both sides: so every write of either side
/// waits for the other to read. A hundred thousand take minutes; `CORNAC_PIPELINE_DEPTH=100000` asks for them.
#[tokio::test]
async fn os_02_a_deep_pipeline_over_the_smallest_buffers_needs_little_memory() {
    let depth = std::env::var("CORNAC_PIPELINE_DEPTH").map_or(500, |asked| asked.parse().expect("a number"));
    let body = async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let server = narrow_server(&cluster).unwrap();
        let socket = smallest_socket().unwrap();
        let client = (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap());
        let url = format!("{}?sslmode=disable", cluster.url("postgres"));
        let figures = Measured::start(&url, "pipeline", depth).figures().await;
        let (peak, kept) = (figures["peak"], figures["kept"]);
        println!(
            "{depth} statements, {} bytes of results in {} ms over buffers of {client:?} and {server:?} bytes (sending, receiving): {} at most above \
             the idle connection, {} at the end, {} are allowed",
            figures["bytes"],
            figures["milliseconds"],
            mebibytes(peak),
            mebibytes(kept),
            mebibytes(BOUND)
        );
        assert!(server.0 < 16 << 10 && server.1 < 16 << 10, "{server:?}");
        assert!(peak < BOUND, "{}", mebibytes(peak));
        let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        still_usable(&mut observer).await;
    };
    tokio::time::timeout(Duration::from_secs(60 + depth / 50), body).await.expect("the pipeline ends");
}
