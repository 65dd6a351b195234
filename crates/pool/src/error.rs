//! What can go wrong, and what the pool looked like then.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// The step in which a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// `Manager::open`.
    Open,
    /// `Manager::after_connect`.
    AfterConnect,
    /// `Manager::peek`.
    Peek,
    /// `Manager::check`.
    Check,
    /// `Manager::before_checkout`.
    BeforeCheckout,
    /// `Manager::condition`.
    Condition,
    /// `Manager::recycle`.
    Recycle,
    /// `Manager::before_return`.
    BeforeReturn,
    /// `Manager::close`.
    Close,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening a connection",
            Self::AfterConnect => "the hook after_connect",
            Self::Peek => "looking at a connection",
            Self::Check => "checking a connection",
            Self::BeforeCheckout => "the hook before_checkout",
            Self::Condition => "telling a connection's condition",
            Self::Recycle => "cleaning a connection",
            Self::BeforeReturn => "the hook before_return",
            Self::Close => "closing a connection",
        })
    }
}

/// A step that failed, and how.
#[derive(Debug)]
pub struct Failure<E> {
    step: Step,
    cause: Cause<E>,
}

/// How a step failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause<E> {
    /// The manager said so.
    Manager(E),
    /// It took longer than it may.
    TimedOut(Duration),
    /// It panicked, saying this.
    Panicked(String),
}

impl<E> Failure<E> {
    pub(crate) fn new(step: Step, cause: Cause<E>) -> Self {
        Self { step, cause }
    }

    /// Which step it was.
    pub fn step(&self) -> Step {
        self.step
    }

    /// How it failed.
    pub fn cause(&self) -> &Cause<E> {
        &self.cause
    }

    /// What the manager said, if it was the manager that failed.
    pub fn manager_error(&self) -> Option<&E> {
        match &self.cause {
            Cause::Manager(error) => Some(error),
            Cause::TimedOut(_) | Cause::Panicked(_) => None,
        }
    }
}

impl<E> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Manager(_) => write!(f, "{} failed", self.step),
            Cause::TimedOut(limit) => write!(f, "{} took longer than {limit:?}", self.step),
            Cause::Panicked(message) => write!(f, "{} panicked: {message}", self.step),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Failure<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.manager_error().map(|error| error as _)
    }
}

/// Why there is no connection for a caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckoutError<E: std::error::Error + 'static> {
    /// None came free in time.
    #[error(transparent)]
    TimedOut(Box<TimedOut<E>>),
    /// None can be opened, and trying again is pointless.
    #[error("no connection can be opened")]
    CannotOpen(#[source] Arc<Failure<E>>),
    /// The hook `before_checkout` failed, and the connection was closed.
    #[error("the hook before_checkout has refused a connection, which was closed")]
    Hook(#[source] Failure<E>),
    /// As many wait as may.
    #[error("{0} callers wait for a connection already, as many as max_waiting allows")]
    TooManyWaiting(usize),
    /// The pool is closed.
    #[error("the pool is closed")]
    Closed,
    /// There is nothing idle, and no tokio runtime on which a connection could be opened or waited for.
    #[error("there is no tokio runtime on which to wait for a connection")]
    NoRuntime,
}

impl<E: std::error::Error + 'static> CheckoutError<E> {
    /// Whether the same call may work a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::TooManyWaiting(_) | Self::Hook(_))
    }

    /// What the pool looked like, if it is that none came free in time.
    pub fn timed_out(&self) -> Option<&TimedOut<E>> {
        match self {
            Self::TimedOut(timed_out) => Some(timed_out),
            _ => None,
        }
    }

    /// Why the last attempt to open a connection failed, if it did and that matters here.
    pub fn open_failure(&self) -> Option<&Failure<E>> {
        match self {
            Self::TimedOut(timed_out) => timed_out.open_failure.as_deref(),
            Self::CannotOpen(failure) => Some(failure),
            _ => None,
        }
    }
}

/// A checkout that took too long: what the pool looked like when it was given up.
#[derive(Debug)]
#[non_exhaustive]
pub struct TimedOut<E> {
    /// How long the caller would have waited.
    pub limit: Duration,
    /// As many connections as there may be.
    pub max_size: usize,
    /// Connections that are there or being opened.
    pub size: usize,
    /// Those that are idle.
    pub idle: usize,
    /// Those that callers hold.
    pub in_use: usize,
    /// Those that are being opened.
    pub opening: usize,
    /// Callers that still wait.
    pub waiting: usize,
    /// Why the last attempt to open one failed, if none has worked since.
    pub open_failure: Option<Arc<Failure<E>>>,
    /// Who has held a connection for longest.
    pub longest_holder: Option<Holder>,
}

impl<E> fmt::Display for TimedOut<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, max_size, size, idle, in_use, opening, waiting, .. } = self;
        write!(
            f,
            "no connection came free within {limit:?}: {size} of {max_size} connections, {in_use} in use, {idle} idle, {opening} being opened; {waiting} others wait"
        )?;
        if let Some(holder) = &self.longest_holder {
            write!(f, "; held for longest: {holder}")?;
        }
        if let Some(failure) = &self.open_failure {
            write!(f, "; {failure}")?;
        }
        Ok(())
    }
}

impl<E: std::error::Error + 'static> std::error::Error for TimedOut<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.open_failure.as_deref().map(|failure| failure as _)
    }
}

/// Who holds a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The line that checked it out.
    pub location: &'static Location<'static>,
    /// For how long.
    pub held_for: Duration,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:?}", self.location, self.held_for)
    }
}

/// The pool was not empty when `close` gave up waiting.
#[derive(Debug, thiserror::Error)]
#[error("{} connections were still in use when the pool's time to close was up", holders.len())]
#[non_exhaustive]
pub struct StillInUse {
    /// Who holds one. It is closed when it comes back.
    pub holders: Vec<Holder>,
}

/// A number of connections that a pool cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pool for up to {max_capacity} connections cannot be given {asked} (1 is the least)")]
#[non_exhaustive]
pub struct OutOfRange {
    /// What was asked for.
    pub asked: usize,
    /// As many as the pool was made for.
    pub max_capacity: usize,
}
