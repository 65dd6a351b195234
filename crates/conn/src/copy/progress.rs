//! How far a COPY has come, for who watches it.

use std::fmt;

/// How far a COPY has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// Rows so far. `None` while raw bytes go by, whose rows nobody counts; the server's own count at the end.
    pub rows: Option<u64>,
    /// Bytes of data so far.
    pub bytes: u64,
}

/// The callback, if there is one.
#[derive(Default)]
pub(super) struct Watcher(Option<Box<dyn FnMut(CopyProgress) + Send>>);

impl Watcher {
    pub(super) fn new(callback: impl FnMut(CopyProgress) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    pub(super) fn report(&mut self, rows: Option<u64>, bytes: u64) {
        if let Some(callback) = &mut self.0 {
            callback(CopyProgress { rows, bytes });
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watcher(Some)" } else { "Watcher(None)" })
    }
}
