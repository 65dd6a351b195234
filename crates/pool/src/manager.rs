//! What the pool has to be told about the things that it keeps.

use std::error::Error;
use std::future::{Future, ready};
use std::time::Duration;

/// In what condition a connection comes back, as far as that can be said without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It can be used by anybody at once.
    Clean,
    /// It has to go through [`Manager::recycle`] first, which the pool's keeper does.
    Dirty,
    /// It cannot be used any more.
    Broken,
}

/// Opens, checks, cleans and closes the connections of a pool.
///
/// Only [`open`](Self::open) and [`check`](Self::check) have to be written. Everything asynchronous here runs under a deadline of the pool's options; what panics counts
/// as failed. Nothing runs while the pool holds a lock.
///
/// | method | when | who waits for it | if it fails |
/// | --- | --- | --- | --- |
/// | [`open`](Self::open), [`after_connect`](Self::after_connect) | a connection is wanted | nobody but who has nothing else to take | the pool backs off, and those who wait hear why by their deadline |
/// | [`peek`](Self::peek) | each checkout of an idle connection | the caller; it must not block | closed, another one is taken |
/// | [`check`](Self::check) | checkout after some time of idling | the caller | closed, another one is taken |
/// | [`before_checkout`](Self::before_checkout) | each checkout | the caller | closed, and the caller hears of it |
/// | [`condition`](Self::condition) | each return | the caller; it must not block | closed |
/// | [`recycle`](Self::recycle), [`before_return`](Self::before_return) | return of a dirty one | nobody | closed |
/// | [`close`](Self::close) | a connection in good order is not wanted any more | nobody | dropped |
pub trait Manager: Send + Sync + Sized + 'static {
    /// What is pooled. Dropping one must close it without waiting.
    type Connection: Send + 'static;
    /// Why something did not work.
    type Error: Error + Send + Sync + 'static;

    /// Whether [`before_return`](Self::before_return) does anything. Every connection then goes through the keeper when it comes back.
    const HAS_BEFORE_RETURN: bool = false;

    /// Whether [`observe_wait`](Self::observe_wait) and [`observe_use`](Self::observe_use) are called. The latter costs a look at the clock at each return.
    const MEASURES: bool = false;

    /// Opens a connection.
    ///
    /// # Cancel safety
    ///
    /// Dropped when it takes longer than `open_timeout`, and when the pool is closed.
    fn open(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Proves by a round trip that a connection works. It has idled for longer than `check_after`.
    fn check(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether trying again soon is pointless, as with a wrong password. Those who wait are then told at once, unless connections are open that they may still get.
    fn is_permanent(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether a connection that idled still seems to work: a look that does not wait, such as one at a socket that may have been closed.
    fn peek(&self, connection: &mut Self::Connection) -> bool {
        let _ = connection;
        true
    }

    /// In what condition a connection comes back. It must not wait.
    fn condition(&self, connection: &mut Self::Connection) -> Condition {
        let _ = connection;
        Condition::Clean
    }

    /// Cleans a connection that came back [`Dirty`](Condition::Dirty), so that it can be used by anybody.
    fn recycle(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = connection;
        ready(Ok(()))
    }

    /// Says goodbye. Whatever it leaves undone, the connection is dropped.
    fn close(&self, connection: Self::Connection) -> impl Future<Output = ()> + Send {
        drop(connection);
        ready(())
    }

    /// The hook after a connection was opened.
    fn after_connect(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = connection;
        ready(Ok(()))
    }

    /// Whether [`before_checkout`](Self::before_checkout) does anything. A checkout of an idle connection is over sooner if it does not.
    fn has_before_checkout(&self) -> bool {
        false
    }

    /// The hook before a connection is given to a caller, who waits for it. Runs only if [`has_before_checkout`](Self::has_before_checkout) says so.
    fn before_checkout(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = connection;
        ready(Ok(()))
    }

    /// The hook before a connection that came back is lent again. Runs only with [`HAS_BEFORE_RETURN`](Self::HAS_BEFORE_RETURN), after [`recycle`](Self::recycle) if it was needed.
    fn before_return(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = connection;
        ready(Ok(()))
    }

    /// Hears of everything that failed and that no caller is told. For logs; it must not wait.
    fn observe(&self, failure: &crate::Failure<Self::Error>) {
        let _ = failure;
    }

    /// Hears of each checkout that worked, and for how long it waited. For metrics, with [`MEASURES`](Self::MEASURES); it must not wait.
    fn observe_wait(&self, waited: Duration) {
        let _ = waited;
    }

    /// Hears of each connection that a caller has done with, and for how long it was held. For metrics, with [`MEASURES`](Self::MEASURES); it must not wait.
    fn observe_use(&self, held_for: Duration) {
        let _ = held_for;
    }
}
