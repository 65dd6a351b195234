//! Sockets whose buffers are as small as the kernel lets them be, on both sides of a connection to a real server.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use cornac_conn::{Config, Connection};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::Cluster;

/// A TCP socket with the smallest buffers.
///
/// # Errors
///
/// When there are no sockets any more.
pub fn smallest_socket() -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    narrow(&socket)?;
    Ok(socket)
}

/// Connects over a socket with the smallest buffers, to a server on loopback.
///
/// # Errors
///
/// As [`Connection::connect_over`], and when the server cannot be reached.
pub async fn connect_smallest(config: &Config, port: u16) -> Result<Connection> {
    let socket = smallest_socket()?;
    let stream: TcpStream = socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    stream.set_nodelay(true)?;
    Ok(Connection::connect_over(stream, config).await?)
}

/// Gives the server's socket, and with it those of all connections that it takes from now on, the smallest buffers; says how large those for
/// sending and receiving then are, as the kernel counts them.
///
/// # Errors
///
/// When we may not reach into the server's process, or it does not listen.
pub fn narrow_server(cluster: &Cluster) -> Result<(usize, usize)> {
    let pid = cluster.postmaster_pid()?;
    let server = pidfd_open(Pid::from_raw(pid).context("no process id")?, PidfdFlags::empty())?;
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let numbers = descriptors.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let listening = numbers
        .filter_map(|number| pidfd_getfd(&server, number, PidfdGetfdFlags::empty()).ok())
        .find(|socket| {
            let own = rustix::net::getsockname(socket).ok().and_then(|own| SocketAddr::try_from(own).ok());
            own.is_some_and(|own| own.port() == cluster.port())
        })
        .context("the server listens at no socket")?;
    narrow(&listening)?;
    let socket = SockRef::from(&listening);
    Ok((socket.send_buffer_size()?, socket.recv_buffer_size()?))
}

/// The largest segment, in bytes: what TCP takes where nobody says anything else.
const SEGMENT: u32 = 536;

/// Asks for buffers of one byte, of which the kernel makes the least that it allows. Segments are small beside them: where none fits, the two
/// sides speak to each other only every 200 ms.
fn narrow(socket: &impl AsFd) -> Result<()> {
    let socket = SockRef::from(socket);
    socket.set_send_buffer_size(1)?;
    socket.set_recv_buffer_size(1)?;
    Ok(socket.set_tcp_mss(SEGMENT)?)
}
