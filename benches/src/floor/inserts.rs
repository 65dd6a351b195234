//! Rows inserted by prepared statements.

use std::io::Result;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::pipeline::SYNC;
use super::{Floor, Syncs, framed};
use crate::work::{INSERT, sample};

impl<S: AsyncRead + AsyncWrite + Unpin> Floor<S> {
    /// Inserts `count` rows of (int4, text, float8): one after the other with a Sync each, or all on the way at once with one for all.
    ///
    /// # Errors
    ///
    /// The socket's.
    ///
    /// # Cancel safety
    ///
    /// None: the connection is lost when it is dropped.
    pub async fn inserts(&mut self, count: usize, syncs: Syncs) -> Result<()> {
        self.prepare(INSERT).await?;
        let requests = (1..).take(count).map(|number| {
            let (id, label, value) = sample(number);
            insert(id, &label, value)
        });
        match syncs {
            Syncs::Each => {
                for mut request in requests {
                    request.extend(SYNC);
                    self.stream.write_all(&request).await?;
                    self.read_until_ready().await?;
                }
                Ok(())
            }
            Syncs::One => {
                let mut requests: Vec<u8> = requests.flatten().collect();
                requests.extend(SYNC);
                // All that matters of the answers is their end.
                self.exchange(&requests, |received| {
                    let is_last = received.ends_with(b"Z\0\0\0\x05I");
                    (received.len().saturating_sub(if is_last { 0 } else { 5 }), is_last)
                })
                .await
            }
        }
    }
}

/// Bind and Execute.
fn insert(id: i32, label: &str, value: f64) -> Vec<u8> {
    let label_len = u32::try_from(label.len()).unwrap_or(0).to_be_bytes();
    let bind = [
        // Three parameters, all in binary.
        b"\0s1\0\0\x01\0\x01\0\x03",
        &b"\0\0\0\x04"[..],
        &id.to_be_bytes(),
        &label_len,
        label.as_bytes(),
        b"\0\0\0\x08",
        &value.to_be_bytes(),
        b"\0\0",
    ];
    [framed(b'B', &bind.concat()), framed(b'E', b"\0\0\0\0\0")].concat()
}
