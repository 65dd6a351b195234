//! Several addresses of one host, raced: RFC 8305, "Happy Eyeballs".

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::address::{Endpoint, SocketOptions};
use super::error::{Attempt, ConnectFailure};
use crate::stream::Socket;

/// How long an address has the field for itself before the next one is tried beside it (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// A socket that is open.
pub(super) struct Opened {
    pub(super) endpoint: Endpoint,
    pub(super) socket: Socket,
    /// When the attempt that led to it must have ended; `None`: never.
    pub(super) deadline: Option<Instant>,
}

/// An attempt that has ended: where, until when it could have gone on, and how it ended.
type Finished = (Endpoint, Option<Instant>, Result<Socket, ConnectFailure>);

type Opening<'a> = Pin<Box<dyn Future<Output = Finished> + Send + 'a>>;

/// Opens a socket to whichever of `endpoints` answers first, and takes that one and those that failed off the list. Those that
/// were still on the way when the first answered stay on it. `None` when all have failed; `attempts` tells how.
pub(super) async fn race(
    endpoints: &mut VecDeque<Endpoint>,
    options: &SocketOptions,
    limit: Option<Duration>,
    attempts: &mut Vec<Attempt>,
) -> Option<Opened> {
    let mut waiting: VecDeque<Endpoint> = endpoints.iter().cloned().collect();
    let mut running: Vec<Opening<'_>> = Vec::new();
    loop {
        let Some(endpoint) = waiting.pop_front() else {
            if running.is_empty() {
                return None;
            }
            match next_of(&mut running, None).await {
                Some(finished) => match settle(finished, endpoints, attempts) {
                    Some(opened) => return Some(opened),
                    None => continue,
                },
                None => continue,
            }
        };
        running.push(Box::pin(open(endpoint, options, limit)));
        let next_starts = if waiting.is_empty() { None } else { Some(Instant::now() + HEAD_START) };
        // A failure lets the next one start at once.
        if let Some(finished) = next_of(&mut running, next_starts).await {
            if let Some(opened) = settle(finished, endpoints, attempts) {
                return Some(opened);
            }
        }
    }
}

async fn open(endpoint: Endpoint, options: &SocketOptions, limit: Option<Duration>) -> Finished {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let opened = match (limit, deadline) {
        (Some(limit), Some(deadline)) => match timeout_at(deadline, endpoint.open(options)).await {
            Ok(opened) => opened,
            Err(_) => Err(ConnectFailure::Timeout { limit, stage: "before the socket was open" }),
        },
        _ => endpoint.open(options).await,
    };
    (endpoint, deadline, opened)
}

/// The first of `running` that ends; `None` when `until` comes first.
async fn next_of(running: &mut Vec<Opening<'_>>, until: Option<Instant>) -> Option<Finished> {
    let first = poll_fn(|cx| {
        for index in 0..running.len() {
            if let Some(opening) = running.get_mut(index) {
                if let Poll::Ready(finished) = opening.as_mut().poll(cx) {
                    drop(running.swap_remove(index));
                    return Poll::Ready(finished);
                }
            }
        }
        Poll::Pending
    });
    match until {
        None => Some(first.await),
        Some(until) => timeout_at(until, first).await.ok(),
    }
}

fn settle(
    (endpoint, deadline, opened): Finished,
    endpoints: &mut VecDeque<Endpoint>,
    attempts: &mut Vec<Attempt>,
) -> Option<Opened> {
    endpoints.retain(|other| *other != endpoint);
    match opened {
        Ok(socket) => Some(Opened { endpoint, socket, deadline }),
        Err(failure) => {
            attempts.push(Attempt { target: endpoint.to_string(), failure });
            None
        }
    }
}
