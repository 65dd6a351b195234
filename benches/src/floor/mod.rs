//! A program that is no driver: prepared bytes, one write, one read, the hand-written decoding of one layout of rows, and no care for what
//! else could come. What it reaches is what the machine, tokio and the server allow.

mod inserts;
mod login;
mod pipeline;
mod rows;

use std::io::{Error, Result};
use std::path::Path;

use bytes::BytesMut;
use cornac_proto::message::{self, Target};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

pub use login::Login;
pub use pipeline::Syncs;
pub use rows::{BorrowedRow, OwnedRow};

use crate::work::{ITEMS, POINT_SELECT};

/// How much is read at once: more than any single answer, and what the rows of a long result come in.
const READ_LEN: usize = 64 << 10;

/// The name of the one statement that is prepared.
const STATEMENT: &str = "s1";

/// Bind of [`STATEMENT`] with one int4, Execute, Sync, and where the int4 is.
struct PointSelect {
    request: Vec<u8>,
    id_at: usize,
}

/// The floor: a stream and a buffer.
#[derive(Debug)]
pub struct Floor<S> {
    pub(crate) stream: S,
    pub(crate) buffer: Vec<u8>,
}

impl Floor<UnixStream> {
    /// Connects where no password is asked for.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn connect(socket: &Path, user: &str) -> Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        Self::greet(stream, user).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Floor<S> {
    /// Says who it is, and waits until the server is ready.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn greet(stream: S, user: &str) -> Result<Self> {
        let mut floor = Self { stream, buffer: vec![0; READ_LEN] };
        floor.stream.write_all(&startup(user)?).await?;
        floor.read_until_ready().await?;
        Ok(floor)
    }

    /// Prepares the one statement.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn prepare(&mut self, sql: &str) -> Result<()> {
        let mut request = BytesMut::new();
        message::parse(&mut request, STATEMENT, sql, &[]).map_err(Error::other)?;
        message::describe(&mut request, Target::Statement(STATEMENT)).map_err(Error::other)?;
        message::sync(&mut request);
        self.stream.write_all(&request).await?;
        self.read_until_ready().await?;
        Ok(())
    }

    /// Selects `count` rows by their keys, one after the other, and gives each to `take`.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn point_selects(&mut self, count: usize, take: impl FnMut(i32, &str, i64)) -> Result<()> {
        self.prepare(POINT_SELECT).await?;
        self.prepared_point_selects(count, take).await
    }

    /// As [`point_selects`](Self::point_selects), when [`POINT_SELECT`] is what was prepared.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn prepared_point_selects(
        &mut self,
        count: usize,
        mut take: impl FnMut(i32, &str, i64),
    ) -> Result<()> {
        let PointSelect { mut request, id_at } = PointSelect::new();
        for id in (0..).take(count) {
            let id: i32 = id % ITEMS;
            request[id_at..id_at + 4].copy_from_slice(&id.to_be_bytes());
            self.stream.write_all(&request).await?;
            let len = self.read_until_ready().await?;
            let answer = &self.buffer[..len];
            // Behind BindComplete.
            let (id, name, at) = point_row(&answer[5..]);
            take(id, name, at);
        }
        Ok(())
    }

    /// Reads to the next ReadyForQuery, and says how long all of it is.
    pub(crate) async fn read_until_ready(&mut self) -> Result<usize> {
        let mut end = 0;
        while end < 6 || self.buffer[end - 6..end - 1] != *b"Z\0\0\0\x05" {
            match self.stream.read(&mut self.buffer[end..]).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => end += count,
            }
        }
        Ok(end)
    }
}

impl PointSelect {
    fn new() -> Self {
        let mut body = b"\0s1\0".to_vec();
        // One parameter, in binary, four bytes long.
        body.extend(b"\0\x01\0\x01\0\x01\0\0\0\x04");
        let id_at = 5 + body.len();
        body.extend([0; 4]);
        body.extend(b"\0\x01\0\x01");
        let mut request = framed(b'B', &body);
        request.extend(framed(b'E', b"\0\0\0\0\0"));
        request.extend(b"S\0\0\0\x04");
        Self { request, id_at }
    }
}

/// A StartupMessage.
fn startup(user: &str) -> Result<Vec<u8>> {
    let body = [&b"\0\x03\0\0user\0"[..], user.as_bytes(), b"\0database\0postgres\0\0"].concat();
    let len = u32::try_from(body.len() + 4).map_err(Error::other)?;
    Ok([&len.to_be_bytes()[..], &body].concat())
}

pub(crate) fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[tag][..], &len.to_be_bytes(), body].concat()
}

/// (int4, text, timestamptz) out of a DataRow.
fn point_row(row: &[u8]) -> (i32, &str, i64) {
    let id = i32::from_be_bytes(at(row, 11));
    let name_len = usize::try_from(u32::from_be_bytes(at(row, 15))).unwrap_or(0);
    let name = std::str::from_utf8(&row[19..19 + name_len]).unwrap_or_default();
    (id, name, i64::from_be_bytes(at(row, 19 + name_len + 4)))
}

/// `N` bytes at a place.
pub(crate) fn at<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    bytes[place..].first_chunk().copied().unwrap_or([0; N])
}
