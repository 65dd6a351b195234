//! Who is at the other end of a Unix socket (`requirepeer`).

use nix::unistd::{Uid, User};
use tokio::net::UnixStream;

use super::error::ConnectFailure;

/// Checks that the server runs as the user of the name `wanted`.
pub(super) fn check(stream: &UnixStream, wanted: &str) -> Result<(), ConnectFailure> {
    let uid = stream.peer_cred()?.uid();
    let user = User::from_uid(Uid::from_raw(uid)).map_err(std::io::Error::from)?;
    match user {
        Some(user) if user.name == wanted => Ok(()),
        user => {
            let actual = user.map_or_else(|| format!("user id {uid}"), |user| format!("{:?}", user.name));
            Err(ConnectFailure::Peer { wanted: wanted.to_owned(), actual })
        }
    }
}
