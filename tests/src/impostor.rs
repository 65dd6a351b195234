//! Servers on real sockets that are not what they claim to be.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::BytesMut;
use cornac_conn::{Config, Host, SslMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Takes every connection on a port of its own, and does with it what the test says. Ended when it is dropped.
#[derive(Debug)]
pub struct Impostor {
    port: u16,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    accepting: JoinHandle<()>,
}

/// One connection to an impostor; all that comes is recorded.
#[derive(Debug)]
pub struct Victim {
    stream: TcpStream,
    number: usize,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Impostor {
    /// Starts to listen; `act` meets each connection, and closes it when it ends.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start<F, Fut>(act: F) -> Result<Self>
    where
        F: Fn(Victim) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&received);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut received = recorded.lock().unwrap_or_else(PoisonError::into_inner);
                    received.push(Vec::new());
                    received.len() - 1
                };
                tokio::spawn(act(Victim { stream, number, received: Arc::clone(&recorded) }));
            }
        });
        Ok(Self { port, received, accepting })
    }

    /// Reads each client's first packet, answers with `answer`, and then listens until the client closes.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn that_says(answer: impl Into<Vec<u8>>) -> Result<Self> {
        let answer = answer.into();
        Self::start(move |mut victim| {
            let answer = answer.clone();
            async move {
                victim.read_packet().await;
                victim.send(&answer).await;
                victim.read_to_end().await;
            }
        })
        .await
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How a client with a password comes here.
    pub fn config(&self, mode: SslMode) -> Config {
        let config = Config::new(Host::Tcp("127.0.0.1".to_owned()), "app").port(self.port).password("pencil");
        config.ssl_mode(mode)
    }

    /// What each connection has sent so far.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Victim {
    /// Reads at least `count` bytes; fewer when the client closes.
    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        while bytes.len() < count {
            match self.stream.read_buf(&mut bytes).await {
                Ok(read) if read > 0 => {}
                _ => break,
            }
        }
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(recorded) = received.get_mut(self.number) {
            recorded.extend_from_slice(&bytes);
        }
        bytes.to_vec()
    }

    /// Reads a startup packet of any kind.
    pub async fn read_packet(&mut self) -> Vec<u8> {
        self.read(8).await
    }

    /// Sends bytes. A client that has gone is none of an impostor's business.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads until the client closes.
    pub async fn read_to_end(&mut self) {
        while !self.read(1).await.is_empty() {}
    }

    /// The socket itself, for a TLS handshake.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}
