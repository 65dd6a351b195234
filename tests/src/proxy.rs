//! A proxy in front of a server: it records, and it breaks what it is told to break.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// Where a fault happens: in front of this byte or message of its direction, counted from 0 in each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In front of a byte.
    Byte(u64),
    /// In front of a message. The client's first one, which has no tag, is message 0.
    Message(u64),
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Both sides get a reset.
    Reset,
    /// Both sides are closed in order.
    Close,
    /// The receiver sees the end; the other direction goes on.
    HalfClose,
    /// Nothing goes on in this direction until [`Proxy::resume`].
    Stall,
    /// This much time passes first.
    Delay(Duration),
    /// From there on, this many bytes at a time.
    Fragment(usize),
}

/// One thing to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which direction.
    pub direction: Direction,
    /// Where.
    pub place: Place,
    /// What.
    pub action: Action,
}

/// What went through a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Bytes of all connections that went to the server.
    pub to_server: Vec<u8>,
    /// Bytes of all connections that went to the client.
    pub to_client: Vec<u8>,
}

/// A proxy on loopback, ended when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    faults: Vec<Fault>,
    recording: Mutex<Recording>,
    /// How much went each way, for those who wait for it.
    progress: watch::Sender<(u64, u64)>,
    resumed: Notify,
    /// How many faults have happened.
    faults_met: watch::Sender<u64>,
    /// Whether nothing goes through any more.
    silent: AtomicBool,
}

impl Proxy {
    /// Listens in front of the server at 127.0.0.1:`port`; every connection meets the same faults.
    ///
    /// # Errors
    ///
    /// When no port is to be had.
    pub async fn start(port: u16, faults: Vec<Fault>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the proxy")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: SocketAddr::from(([127, 0, 0, 1], port)),
            faults,
            recording: Mutex::default(),
            progress: watch::Sender::new((0, 0)),
            resumed: Notify::new(),
            faults_met: watch::Sender::new(0),
            silent: AtomicBool::new(false),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, accepting })
    }

    /// The port to connect to in place of the server's.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What went through so far.
    pub fn recording(&self) -> Recording {
        self.shared.recording.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets what stalled go on.
    pub fn resume(&self) {
        self.shared.resumed.notify_waiters();
    }

    /// Swallows all that comes from now on, on every connection, its end included.
    pub fn silence(&self) {
        self.shared.silent.store(true, Ordering::Relaxed);
    }

    /// How many faults have happened.
    pub fn faults_met(&self) -> u64 {
        *self.shared.faults_met.borrow()
    }

    /// Waits until a fault has happened.
    pub async fn wait_for_fault(&self) {
        let mut met = self.shared.faults_met.subscribe();
        // The sender lives in what we hold, so that waiting does not end before its time.
        let _ = met.wait_for(|met| *met > 0).await;
    }

    /// Waits until this many bytes went in a direction, over all connections.
    pub async fn wait_until(&self, direction: Direction, bytes: u64) {
        let mut progress = self.shared.progress.subscribe();
        let enough = |progress: &(u64, u64)| match direction {
            Direction::ToServer => progress.0 >= bytes,
            Direction::ToClient => progress.1 >= bytes,
        };
        // The sender lives in what we hold, so that waiting does not end before its time.
        let _ = progress.wait_for(enough).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, Arc::clone(&shared)));
    }
}

/// Carries one connection until a side closes or a fault ends it.
async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut forth = Pump::new(from_client, to_server, Direction::ToServer, &shared);
    let mut back = Pump::new(from_server, to_client, Direction::ToClient, &shared);
    let reset = tokio::select! {
        ended = forth.run() => ended?,
        ended = back.run() => ended?,
    };
    if reset {
        // With nothing to linger for, closing sends a reset, unless an end in order was sent before, as dropping a half does.
        for pump in [forth, back] {
            pump.to.as_ref().set_zero_linger()?;
            pump.to.forget();
        }
    } else {
        // What the other side is still sending may go through: a server's last words, for one.
        let _ = tokio::time::timeout(Duration::from_millis(200), async {
            let _ = forth.to.shutdown().await;
            back.run().await
        })
        .await;
    }
    Ok(())
}

/// One direction of one connection.
struct Pump<'s> {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    direction: Direction,
    shared: &'s Shared,
    /// Bytes that went through.
    passed: u64,
    messages: Messages,
    /// How many bytes at a time.
    fragment: usize,
    /// Faults of this direction that are still to come.
    faults: Vec<Fault>,
}

impl<'s> Pump<'s> {
    fn new(from: OwnedReadHalf, to: OwnedWriteHalf, direction: Direction, shared: &'s Shared) -> Self {
        let faults = shared.faults.iter().copied().filter(|fault| fault.direction == direction).collect();
        let messages = Messages::new(direction == Direction::ToServer);
        Self { from, to, direction, shared, passed: 0, messages, fragment: usize::MAX, faults }
    }

    /// Carries bytes until the sender closes (false), or a fault closes (false) or resets (true) the connection.
    async fn run(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let count = self.from.read(&mut buffer).await?;
            if self.shared.silent.load(Ordering::Relaxed) {
                if count == 0 {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            if count == 0 {
                return Ok(false);
            }
            let mut forwarded = 0;
            for (index, byte) in buffer[..count].iter().enumerate() {
                let due = self.faults.iter().position(|fault| match fault.place {
                    Place::Byte(at) => at == self.passed,
                    Place::Message(at) => self.messages.begins(at),
                });
                if let Some(due) = due {
                    self.forward(&buffer[forwarded..index]).await?;
                    forwarded = index;
                    if let Some(reset) = self.suffer(due).await {
                        return Ok(reset);
                    }
                }
                self.messages.pass(*byte);
                self.passed += 1;
            }
            self.forward(&buffer[forwarded..count]).await?;
        }
    }

    async fn suffer(&mut self, due: usize) -> Option<bool> {
        self.shared.faults_met.send_modify(|met| *met += 1);
        match self.faults.remove(due).action {
            Action::Reset => Some(true),
            Action::Close => Some(false),
            Action::HalfClose => {
                // Whoever has gone needs no end.
                let _ = self.to.shutdown().await;
                let mut swallowed = [0; 4096];
                while self.from.read(&mut swallowed).await.is_ok_and(|count| count > 0) {}
                Some(false)
            }
            Action::Stall => {
                self.shared.resumed.notified().await;
                None
            }
            Action::Delay(time) => {
                tokio::time::sleep(time).await;
                None
            }
            Action::Fragment(bytes) => {
                self.fragment = bytes.max(1);
                None
            }
        }
    }

    async fn forward(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(self.fragment) {
            // Before it goes: whoever has received something finds it recorded.
            self.record(piece);
            self.to.write_all(piece).await?;
            self.count(piece.len() as u64);
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn record(&self, bytes: &[u8]) {
        let mut recording = self.shared.recording.lock().unwrap_or_else(PoisonError::into_inner);
        match self.direction {
            Direction::ToServer => recording.to_server.extend_from_slice(bytes),
            Direction::ToClient => recording.to_client.extend_from_slice(bytes),
        }
    }

    /// Tells those who wait for it that so much more has gone.
    fn count(&self, bytes: u64) {
        self.shared.progress.send_modify(|(to_server, to_client)| match self.direction {
            Direction::ToServer => *to_server += bytes,
            Direction::ToClient => *to_client += bytes,
        });
    }
}

/// Counts messages as their bytes go by.
#[derive(Debug)]
struct Messages {
    /// Messages that have begun.
    begun: u64,
    /// Header bytes of the message that is going by, while its length is not known.
    header: Vec<u8>,
    /// Bytes of its body that are to come.
    body: u64,
    /// The client's first message has no tag.
    untagged: bool,
}

impl Messages {
    fn new(untagged: bool) -> Self {
        Self { begun: 0, header: Vec::new(), body: 0, untagged }
    }

    /// Whether the next byte is the first one of message `number`.
    fn begins(&self, number: u64) -> bool {
        self.header.is_empty() && self.body == 0 && self.begun == number
    }

    fn pass(&mut self, byte: u8) {
        if self.body > 0 {
            self.body -= 1;
            return;
        }
        if self.header.is_empty() {
            self.begun += 1;
        }
        self.header.push(byte);
        let length = if self.untagged { self.header.get(..4) } else { self.header.get(1..5) };
        if let Some(length) = length.and_then(|length| length.first_chunk::<4>()) {
            self.body = u64::from(u32::from_be_bytes(*length)).saturating_sub(4);
            self.header.clear();
            self.untagged = false;
        }
    }
}
