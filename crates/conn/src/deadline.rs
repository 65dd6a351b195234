//! How long a statement may take: then it is cancelled at the server, and then the connection is given up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How long the server may take to answer after a statement was cancelled.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// A deadline, and what was done about it.
#[derive(Debug)]
pub(crate) struct Deadline {
    sleep: Pin<Box<Sleep>>,
    limit: Duration,
    passed: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Cancel at the server, and wait a little longer.
    Cancel,
    /// Give the connection up.
    GiveUp,
}

impl Deadline {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { sleep: Box::pin(sleep(limit)), limit, passed: false }
    }

    /// The limit.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// The limit, once it has passed.
    pub(crate) fn passed(&self) -> Option<Duration> {
        self.passed.then_some(self.limit)
    }

    /// Ready when the deadline passes, and again when the grace behind it does.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Overdue> {
        // A task that had much to do is told by tokio that no timer is ready, so that it gives way to others. One that is flooded
        // would never hear of its deadline; so the clock is asked too.
        if self.sleep.as_mut().poll(cx).is_pending() && Instant::now() < self.sleep.deadline() {
            return Poll::Pending;
        }
        if self.passed {
            return Poll::Ready(Overdue::GiveUp);
        }
        self.passed = true;
        self.sleep.as_mut().reset(Instant::now() + GRACE);
        Poll::Ready(Overdue::Cancel)
    }
}
