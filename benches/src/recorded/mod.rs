//! A server that answers recorded bytes: what it sends was made before it was asked, and it reads no more of a request than tells
//! which answer is due.
//!
//! It knows statements by their text, whatever name they are given, so that any client may ask. It keeps no rules: a client that breaks
//! the protocol gets an answer all the same.

mod answers;
mod session;

use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;

pub use answers::Answers;

/// The port in the name of the socket.
pub const PORT: u16 = 5432;

/// Listens in `directory`, says so through `ready`, and serves each connection in threads of its own, for ever.
///
/// Each answer is held back for `pause`, as a server that has work to do would hold it back. A client then waits for each of them in the same way,
/// and its system calls do not depend on who of the two was faster.
///
/// # Errors
///
/// When the socket cannot be made, or no more connections can be accepted.
pub fn serve(directory: &Path, pause: Duration, ready: impl FnOnce()) -> Result<()> {
    let answers = Arc::new(Answers::record()?);
    let listener = UnixListener::bind(directory.join(format!(".s.PGSQL.{PORT}")))?;
    ready();
    for connection in listener.incoming() {
        let (connection, answers) = (connection?, Arc::clone(&answers));
        thread::spawn(move || match session::serve(&connection, &answers, pause) {
            Err(error) if !is_gone(&error) => eprintln!("recorded server: {error:#}"),
            _ => {}
        });
    }
    Ok(())
}

/// Whether the client has gone without a goodbye, as some do.
fn is_gone(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset))
}
