//! A server that says what the test tells it to say, over a pipe in memory.

use bytes::{Buf, BytesMut};
use cornac_conn::{Config, Connection, Host, Result, SslMode};
use cornac_proto::message::{
    Backend, BackendKeyData, CommandComplete, FormatCode, Frontend, FrontendFraming, ParameterStatus,
    Startup, TransactionStatus, frontend_frame, server, startup_frame,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};

/// How much the pipe holds in each direction, in bytes.
const PIPE: usize = 64 << 10;

/// The longest message that a script takes from a client.
const MESSAGE_LEN_MAX: usize = 128 << 20;

/// The server's end of the pipe. Its methods panic when the client does not do what the script expects: that is the test's failure.
#[derive(Debug)]
pub struct ScriptedServer<S = DuplexStream> {
    stream: S,
    received: BytesMut,
}

/// The two ends of a pipe: the client's, for [`Connection::connect_over`], and the script's.
pub fn pair() -> (DuplexStream, ScriptedServer) {
    let (client, stream) = duplex(PIPE);
    (client, ScriptedServer::over(stream))
}

/// The configuration of the client.
pub fn config() -> Config {
    let config = Config::new(Host::Tcp("scripted".to_owned()), "app").password("pencil");
    config.allow_cleartext_password(true).ssl_mode(SslMode::Disable)
}

/// A connection that is open, and the script that goes on from there.
///
/// # Panics
///
/// When the handshake fails.
pub async fn connected() -> (Connection, ScriptedServer) {
    let (client, mut server) = pair();
    let config = config();
    let handshake = async {
        server.accept().await;
        server
    };
    let (connection, server) = tokio::join!(Connection::connect_over(client, &config), handshake);
    (connection.expect("the handshake succeeds"), server)
}

impl<S: AsyncRead + AsyncWrite + Unpin> ScriptedServer<S> {
    /// A script that is played over a stream of one's own.
    pub fn over(stream: S) -> Self {
        Self { stream, received: BytesMut::new() }
    }

    /// Takes the startup packet, and lets the client in without asking for anything.
    ///
    /// # Panics
    ///
    /// When the client sends something else.
    pub async fn accept(&mut self) {
        self.read_startup().await;
        self.send(|out| {
            server::raw(out, b'R', &0_u32.to_be_bytes())?;
            for (name, value) in [("client_encoding", "UTF8"), ("server_version", "18.0")] {
                Backend::ParameterStatus(ParameterStatus::new(name, value)).encode(out)?;
            }
            Backend::BackendKeyData(BackendKeyData::new(7, b"key!")).encode(out)
        })
        .await;
        self.ready(TransactionStatus::Idle).await;
    }

    /// Takes the startup packet; gives its parameters.
    ///
    /// # Panics
    ///
    /// When the client sends something else.
    pub async fn read_startup(&mut self) -> Vec<(String, String)> {
        loop {
            if let FrontendFraming::Complete { body, len, .. } =
                startup_frame(&self.received, MESSAGE_LEN_MAX).expect("a startup packet")
            {
                let Startup::StartupMessage { parameters, .. } =
                    Startup::decode(body).expect("a startup packet")
                else {
                    panic!("not a StartupMessage");
                };
                let parameters =
                    parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
                self.received.advance(len);
                return parameters;
            }
            assert!(self.read().await, "the client closed before its startup packet");
        }
    }

    /// The tag and body of the client's next message; `None` when it has closed.
    ///
    /// # Panics
    ///
    /// When what came is no message.
    pub async fn read_message(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let FrontendFraming::Complete { tag, body, len } =
                frontend_frame(&self.received, MESSAGE_LEN_MAX).expect("a message")
            {
                Frontend::decode(tag, body).expect("a well-formed message");
                let message = (tag, body.to_vec());
                self.received.advance(len);
                return Some(message);
            }
            if !self.read().await {
                assert!(self.received.is_empty(), "the client closed in the middle of a message");
                return None;
            }
        }
    }

    /// Takes bytes until the client closes; gives how many there were, be they messages or not.
    pub async fn read_to_end(&mut self) -> usize {
        while self.read().await {}
        std::mem::take(&mut self.received).len()
    }

    /// Takes messages up to and including the one with this tag; gives the tags of all of them.
    ///
    /// # Panics
    ///
    /// When the client closes before.
    pub async fn read_until(&mut self, tag: u8) -> String {
        let mut tags = String::new();
        loop {
            let (came, _) = self.read_message().await.expect("the client goes on");
            tags.push(char::from(came));
            if came == tag {
                return tags;
            }
        }
    }

    /// Sends what `write` writes.
    ///
    /// # Panics
    ///
    /// When it does not fit into messages.
    pub async fn send<E: std::fmt::Debug>(&mut self, write: impl FnOnce(&mut BytesMut) -> Result<(), E>) {
        let mut out = BytesMut::new();
        write(&mut out).expect("the script's messages fit");
        self.send_bytes(&out).await;
    }

    /// Sends bytes as they are. A client that has gone is none of the script's business.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Sends bytes as they are; false when the client has gone.
    pub async fn offer_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Sends messages.
    ///
    /// # Panics
    ///
    /// When they do not fit.
    pub async fn send_all(&mut self, messages: &[Backend<'_>]) {
        self.send(|out| messages.iter().try_for_each(|message| message.encode(out))).await;
    }

    /// Sends ReadyForQuery.
    pub async fn ready(&mut self, status: TransactionStatus) {
        self.send_all(&[Backend::ReadyForQuery(status)]).await;
    }

    /// Answers one `fetch_value` of SQL text, which takes two flights, with one int4.
    ///
    /// # Panics
    ///
    /// When the client asks for something else.
    pub async fn answer_int(&mut self, value: i32) {
        assert_eq!(self.read_until(b'S').await, "PDS");
        self.send(|out| {
            Backend::ParseComplete.encode(out)?;
            server::parameter_description(out, &[])?;
            server::row_description(out, &[("value", 23, FormatCode::Text)])
        })
        .await;
        self.ready(TransactionStatus::Idle).await;
        assert_eq!(self.read_until(b'S').await, "BES");
        self.send(|out| {
            Backend::BindComplete.encode(out)?;
            server::data_row(out, &[Some(&value.to_be_bytes())])?;
            Backend::CommandComplete(CommandComplete::new("SELECT 1")).encode(out)
        })
        .await;
        self.ready(TransactionStatus::Idle).await;
    }

    /// Closes the script's end.
    pub fn close(self) {}

    async fn read(&mut self) -> bool {
        self.stream.read_buf(&mut self.received).await.is_ok_and(|count| count > 0)
    }
}
