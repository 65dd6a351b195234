//! BackendKeyData: what it takes to cancel.

use std::fmt;

use crate::cursor::Cursor;
use crate::error::{Malformed, Problem};

use super::startup::SECRET_KEY_LENS;

/// BackendKeyData: the backend's process id, and the key that a CancelRequest needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendKeyData<'a> {
    process_id: i32,
    secret_key: &'a [u8],
}

impl<'a> BackendKeyData<'a> {
    /// What a server sends; the key must be 4 to 256 bytes long.
    pub fn new(process_id: i32, secret_key: &'a [u8]) -> Self {
        Self { process_id, secret_key }
    }

    /// The backend's process id.
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The key: 4 bytes in protocol 3.0, 4 to 256 in 3.2.
    pub fn secret_key(&self) -> &'a [u8] {
        self.secret_key
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let process_id = body.take_i32("process id")?;
        let secret_key = body.rest();
        if SECRET_KEY_LENS.contains(&secret_key.len()) {
            return Ok(Self { process_id, secret_key });
        }
        let length = i64::try_from(secret_key.len()).unwrap_or(i64::MAX);
        Err(Malformed::new("secret key", Problem::Length(length)))
    }
}

impl fmt::Debug for BackendKeyData<'_> {
    /// Hides the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKeyData")
            .field("process_id", &self.process_id)
            .field("secret_key_len", &self.secret_key.len())
            .finish()
    }
}
