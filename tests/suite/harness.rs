//! The harness itself: servers come and go without a trace, and the proxy does what it is told.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cornac_conn::{Client, Connection};
use cornac_tests::{
    Action, Cluster, ClusterOptions, Direction, Fault, Place, Proxy, SUPERUSER, StopMode, deadline,
    still_usable,
};

/// Waits until neither the process nor the directory is there. The kernel tells nobody of a stranger's end, so it is looked for.
fn wait_until_gone(pid: i32, directory: &Path) {
    let begun = Instant::now();
    let process = PathBuf::from(format!("/proc/{pid}"));
    while process.exists() || directory.exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{pid} or {} is still there", directory.display());
        std::thread::yield_now();
    }
}

#[test]
fn a_cluster_leaves_nothing_behind() {
    let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
    let (pid, directory) = (cluster.postmaster_pid().unwrap(), cluster.socket_directory().to_owned());
    assert!(directory.exists());
    drop(cluster);
    wait_until_gone(pid, &directory);
}

#[test]
fn a_cluster_whose_process_is_killed_leaves_nothing_behind() {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold_cluster"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (pid, directory) = line.trim().split_once(' ').expect("the holder says where its cluster is");
    let (pid, directory) = (pid.parse().unwrap(), Path::new(directory).to_owned());
    assert!(directory.exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until_gone(pid, &directory);
}

#[tokio::test]
async fn a_cluster_can_be_stopped_and_started_again() {
    deadline(async {
        let mut cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        for mode in [StopMode::Fast, StopMode::Immediate, StopMode::Kill] {
            cluster.stop(mode).unwrap();
            assert!(Connection::connect(&cluster.config(SUPERUSER)).await.is_err());
            cluster.restart().unwrap();
            let mut connection = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
            still_usable(&mut connection).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_records_and_fragments_and_changes_nothing() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let both = [Direction::ToServer, Direction::ToClient];
        let faults =
            both.map(|direction| Fault { direction, place: Place::Byte(0), action: Action::Fragment(1) });
        let proxy = Proxy::start(cluster.port(), faults.to_vec()).await.unwrap();
        let config = cluster.config(SUPERUSER).port(proxy.port());
        let mut connection = Connection::connect(&config).await.unwrap();
        still_usable(&mut connection).await;
        connection.close().await.unwrap();
        proxy.wait_until(Direction::ToServer, 100).await;
        let recording = proxy.recording();
        let sql = b"SELECT $1::int4";
        assert!(recording.to_server.windows(sql.len()).any(|bytes| bytes == sql), "{recording:?}");
        assert!(recording.to_client.starts_with(b"R\0\0\0"), "{recording:?}");
    })
    .await;
}

#[tokio::test]
async fn a_proxy_cuts_where_it_is_told() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        for action in [Action::Reset, Action::Close] {
            // Message 0 is the startup packet; a trusted role sends nothing else before its first request.
            let fault = Fault { direction: Direction::ToServer, place: Place::Message(1), action };
            let proxy = Proxy::start(cluster.port(), vec![fault]).await.unwrap();
            let mut connection =
                Connection::connect(&cluster.config("trusted").port(proxy.port())).await.unwrap();
            let error = connection.execute("SELECT 1", ()).await.unwrap_err();
            assert!(error.is_closed() && error.outcome_unknown(), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_stalls_until_it_is_told_to_go_on() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let fault = Fault { direction: Direction::ToServer, place: Place::Message(1), action: Action::Stall };
        let proxy = Proxy::start(cluster.port(), vec![fault]).await.unwrap();
        let mut connection =
            Connection::connect(&cluster.config("trusted").port(proxy.port())).await.unwrap();
        let mut query = Box::pin(connection.fetch_value::<i32, _>("SELECT 7", ()));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut query).await;
        assert!(early.is_err(), "nothing goes through while it stalls");
        proxy.resume();
        assert_eq!(query.await.unwrap(), 7);
    })
    .await;
}
