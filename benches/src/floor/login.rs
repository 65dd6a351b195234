//! Connecting with a password.

use std::io::{Error, Result};

use cornac_proto::auth::scram::{ClientFirst, ClientNonce, ScramCredentials, ScramKeys};
use cornac_proto::auth::{ChannelBinding, ScramLimits, Secret};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Floor, READ_LEN, framed, startup};

/// A user, what it proves itself with, and what is remembered of that.
#[derive(Clone, Debug)]
pub struct Login {
    user: String,
    password: ScramCredentials,
    keys: Option<ScramKeys>,
}

impl Login {
    /// A user with a password.
    pub fn new(user: &str, password: &str) -> Self {
        let password = ScramCredentials::Password(Secret::new(password));
        Self { user: user.to_owned(), password, keys: None }
    }

    /// Forgets the keys.
    pub fn forget(&mut self) {
        self.keys = None;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Floor<S> {
    /// Connects with SCRAM. The keys are remembered in `login`.
    ///
    /// # Errors
    ///
    /// The socket's, and those of the exchange.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn log_in(stream: S, login: &mut Login) -> Result<Self> {
        let mut floor = Self { stream, buffer: vec![0; READ_LEN] };
        floor.stream.write_all(&startup(&login.user)?).await?;
        // AuthenticationSASL, which has SCRAM-SHA-256 among its mechanisms.
        floor.read_message().await?;
        let nonce = ClientNonce::from_random(&[7; 18]);
        let credentials = match &login.keys {
            Some(keys) => ScramCredentials::Keys(keys.clone()),
            None => login.password.clone(),
        };
        let limits = ScramLimits::default();
        let first = ClientFirst::new("", credentials, nonce, ChannelBinding::Unsupported, limits);
        let (state, message) = first.into_parts();
        let len = u32::try_from(message.len()).map_err(Error::other)?;
        let body = [&b"SCRAM-SHA-256\0"[..], &len.to_be_bytes(), &message].concat();
        floor.stream.write_all(&framed(b'p', &body)).await?;
        let len = floor.read_message().await?;
        let derivation = state.handle(&floor.buffer[9..len]).map_err(Error::other)?;
        let (state, message) = derivation.finish();
        floor.stream.write_all(&framed(b'p', message.expose())).await?;
        // AuthenticationSASLFinal, with everything up to ReadyForQuery behind it.
        let (mut end, mut len) = (0, None);
        while end < 6 || floor.buffer[end - 6..end - 1] != *b"Z\0\0\0\x05" {
            end += floor.stream.read(&mut floor.buffer[end..]).await?;
            len = len.or_else(|| floor.message_len(end));
        }
        let len = len.unwrap_or(end);
        login.keys = Some(state.handle(&floor.buffer[9..len]).map_err(Error::other)?);
        Ok(floor)
    }

    /// Says goodbye.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn close(mut self) -> Result<()> {
        self.stream.write_all(b"X\0\0\0\x04").await?;
        self.stream.shutdown().await
    }

    /// Reads one message that comes alone, and says how long it is.
    async fn read_message(&mut self) -> Result<usize> {
        let mut end = 0;
        loop {
            match self.stream.read(&mut self.buffer[end..]).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => end += count,
            }
            if let Some(len) = self.message_len(end) {
                return Ok(len);
            }
        }
    }

    /// The length of the first message, if it is all there.
    fn message_len(&self, end: usize) -> Option<usize> {
        let len = u32::from_be_bytes(*self.buffer.get(1..end)?.first_chunk()?);
        let len = 1 + usize::try_from(len).ok()?;
        (len <= end).then_some(len)
    }
}
