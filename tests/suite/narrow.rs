//! Sockets and pipes that hold next to nothing, and take a byte at a time.

use bytes::Buf;
use cornac_conn::{Client, Config, Connection};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, still_usable};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Carries bytes from one side to the other, one at a time.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = bytes::BytesMut::with_capacity(4096);
    while from.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
        while buffer.has_remaining() {
            if to.write_all(&buffer[..1]).await.is_err() {
                return;
            }
            buffer.advance(1);
        }
    }
    let _ = to.shutdown().await;
}

/// Carries both directions between a stream and the server at `port` until both have ended.
async fn relay(narrow: impl AsyncRead + AsyncWrite, server: TcpStream) {
    server.set_nodelay(true).unwrap();
    let (from_client, to_client) = tokio::io::split(narrow);
    let (from_server, to_server) = server.into_split();
    tokio::join!(carry(from_client, to_server), carry(from_server, to_client));
}

/// A socket whose buffers are as small as the kernel lets them be.
fn smallest() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(1).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket
}

/// What a connection does that must not be taken for a slow one: values both ways that are larger than any buffer, and an error.
async fn exchange(connection: &mut Connection) {
    let text: String = ('a'..='z').cycle().take(12_000).collect();
    let (back, doubled): (String, String) =
        connection.fetch_one("SELECT $1::text, $1::text || $1::text", (&*text,)).await.unwrap();
    assert!(back == text && doubled == text.repeat(2));
    let numbers: Vec<i32> = connection.fetch_values("SELECT generate_series(1, 2000)", ()).await.unwrap();
    assert_eq!(numbers, (1..=2000).collect::<Vec<_>>());
    connection.execute("SELECT 1/0", ()).await.unwrap_err();
    // A request that is dropped in the middle of its bytes, whichever way that ends.
    let long = format!("SELECT '{text}'");
    let dropped =
        tokio::time::timeout(std::time::Duration::from_millis(1), connection.simple_query(&long)).await;
    assert!(dropped.is_err(), "12,000 bytes take longer, one at a time");
}

/// The exchange over a transport; afterwards the connection works, or a half-written request has closed it.
async fn over(transport: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, config: &Config) -> bool {
    let mut connection = Connection::connect_over(transport, config).await.unwrap();
    exchange(&mut connection).await;
    let closed = connection.is_closed();
    if !closed {
        still_usable(&mut connection).await;
    }
    closed
}

#[tokio::test]
async fn os_02_the_smallest_socket_buffers_and_single_bytes_change_nothing() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let config = cluster.config(SUPERUSER);
        let socket = smallest();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let client = smallest();
        let sizes = (client.send_buffer_size().unwrap(), client.recv_buffer_size().unwrap());
        let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let narrow = listener.accept().await.unwrap().0;
        narrow.set_nodelay(true).unwrap();
        let upstream = TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
        let relaying = tokio::spawn(relay(narrow, upstream));
        let closed = over(client, &config).await;
        println!("send and receive buffers of {sizes:?} bytes; closed by the drop: {closed}");
        relaying.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn os_02_narrow_pipes_change_nothing() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let config = cluster.config(SUPERUSER);
        for size in [1, 7, 4096] {
            let (client, narrow) = tokio::io::duplex(size);
            let upstream = TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
            let relaying = tokio::spawn(relay(narrow, upstream));
            let closed = over(client, &config).await;
            println!("a pipe of {size} bytes; closed by the drop: {closed}");
            relaying.await.unwrap();
        }
    })
    .await;
}
