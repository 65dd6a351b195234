//! Many rows, and COPY.

use std::io::{Error, Result};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Floor, at, framed};
use crate::work::{COPY_IN, COPY_OUT, measurements};

/// How much COPY data goes out in one message.
const COPY_DATA_LEN: usize = 64 << 10;

/// The header of COPY's binary format, without extensions.
const COPY_HEADER_LEN: usize = 19;

/// A row of (int4, int8, float8, text, timestamptz, bool), its text lent.
pub type BorrowedRow<'r> = (i32, i64, f64, &'r str, i64, bool);

/// The same with a text of its own.
pub type OwnedRow = (i32, i64, f64, String, i64, bool);

impl<S: AsyncRead + AsyncWrite + Unpin> Floor<S> {
    /// Selects `count` rows of six columns, and gives each to `take`.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn measurements(&mut self, count: usize, mut take: impl FnMut(BorrowedRow<'_>)) -> Result<()> {
        self.prepare(&measurements(count)).await?;
        self.stream.write_all(&run(b"\0\x01\0\x01")).await?;
        let mut end = 0;
        loop {
            end += self.stream.read(&mut self.buffer[end..]).await?;
            let mut rest = &self.buffer[..end];
            while let Some((header, _)) = rest.split_first_chunk::<5>() {
                let len = 1 + usize::try_from(u32::from_be_bytes(at(header, 1))).unwrap_or(0);
                let Some((message, behind)) = rest.split_at_checked(len) else { break };
                match header[0] {
                    b'D' => take(row(message)),
                    b'Z' => return Ok(()),
                    _ => {}
                }
                rest = behind;
            }
            let left = rest.len();
            self.buffer.copy_within(end - left..end, 0);
            end = left;
        }
    }

    /// Prepares a statement without parameters, runs it, and reads to its end.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn run(&mut self, sql: &str) -> Result<()> {
        self.prepare(sql).await?;
        self.stream.write_all(&run(b"\0\x01\0\x01")).await?;
        self.read_until_ready().await.map(drop)
    }

    /// Copies `rows` of (int4, text, float8) in, and gives how many the server has counted.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn copy_in<L: AsRef<str>>(
        &mut self,
        rows: impl Iterator<Item = (i32, L, f64)>,
    ) -> Result<usize> {
        self.prepare(COPY_IN).await?;
        let mut request = run(b"\0\0");
        // The Sync follows the data.
        request.truncate(request.len() - 5);
        request.extend(b"H\0\0\0\x04");
        self.stream.write_all(&request).await?;
        // BindComplete, and CopyInResponse for three columns.
        self.stream.read_exact(&mut self.buffer[..5 + 14]).await?;
        let mut data = Vec::with_capacity(COPY_DATA_LEN + 1024);
        data.extend(b"d\0\0\0\0PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        for (id, label, value) in rows {
            let label = label.as_ref();
            data.extend(b"\0\x03\0\0\0\x04");
            data.extend(id.to_be_bytes());
            data.extend(u32::try_from(label.len()).unwrap_or(0).to_be_bytes());
            data.extend(label.as_bytes());
            data.extend(b"\0\0\0\x08");
            data.extend(value.to_be_bytes());
            if data.len() >= COPY_DATA_LEN {
                finish_copy_data(&mut data);
                self.stream.write_all(&data).await?;
                data.truncate(5);
            }
        }
        data.extend((-1_i16).to_be_bytes());
        finish_copy_data(&mut data);
        data.extend(b"c\0\0\0\x04S\0\0\0\x04");
        self.stream.write_all(&data).await?;
        let end = self.read_until_ready().await?;
        // CommandComplete with a tag such as `COPY 1000`.
        let tag = String::from_utf8_lossy(&self.buffer[5..end - 6 - 1]);
        tag.trim_start_matches("COPY ").parse().map_err(Error::other)
    }

    /// Copies rows of (int4, text, float8) out, and gives each to `take`.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn copy_out(&mut self, mut take: impl FnMut((i32, &str, f64))) -> Result<()> {
        self.prepare(COPY_OUT).await?;
        let mut header_len = COPY_HEADER_LEN;
        self.exchange(&run(b"\0\0"), |mut rest| {
            let len = rest.len();
            while let Some(header) = rest.first_chunk::<5>() {
                let message_len = 1 + usize::try_from(u32::from_be_bytes(at(header, 1))).unwrap_or(0);
                let Some((message, behind)) = rest.split_at_checked(message_len) else { break };
                rest = behind;
                match header[0] {
                    b'd' => {
                        let row = &message[5 + header_len..];
                        header_len = 0;
                        // The header may come alone, and the trailer has a count of -1.
                        if row.starts_with(b"\0\x03") {
                            take(copied_row(row));
                        }
                    }
                    b'Z' => return (len, true),
                    _ => {}
                }
            }
            (len - rest.len(), false)
        })
        .await
    }
}

/// (int4, text, float8) behind their count.
fn copied_row(row: &[u8]) -> (i32, &str, f64) {
    let label_len = usize::try_from(u32::from_be_bytes(at(row, 10))).unwrap_or(0);
    let label = std::str::from_utf8(&row[14..14 + label_len]).unwrap_or_default();
    (i32::from_be_bytes(at(row, 6)), label, f64::from_be_bytes(at(row, 14 + label_len + 4)))
}

/// Bind of the prepared statement without parameters, with these result formats; Execute; Sync.
fn run(result_formats: &[u8]) -> Vec<u8> {
    let bind = framed(b'B', &[b"\0s1\0\0\0\0\0", result_formats].concat());
    [&bind[..], &framed(b'E', b"\0\0\0\0\0"), b"S\0\0\0\x04"].concat()
}

fn finish_copy_data(data: &mut [u8]) {
    let len = u32::try_from(data.len() - 1).unwrap_or(u32::MAX);
    data[1..5].copy_from_slice(&len.to_be_bytes());
}

/// The values of a DataRow.
fn row(row: &[u8]) -> BorrowedRow<'_> {
    let label_len = usize::try_from(u32::from_be_bytes(at(row, 39))).unwrap_or(0);
    let behind = &row[43 + label_len..];
    (
        i32::from_be_bytes(at(row, 11)),
        i64::from_be_bytes(at(row, 19)),
        f64::from_be_bytes(at(row, 31)),
        std::str::from_utf8(&row[43..43 + label_len]).unwrap_or_default(),
        i64::from_be_bytes(at(behind, 4)),
        behind[16] != 0,
    )
}
