//! One who waits, as a future that can be dropped at any moment.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Exchange, Outcome, Seated, Ticket};

/// A place in the line. Dropped, it leaves; what was handed over meanwhile goes to whoever is next.
pub(crate) struct Turn<'a, T: Seated, R> {
    exchange: &'a Exchange<T, R>,
    ticket: Option<Ticket>,
    /// Not polled yet. The waker of that poll is in the line, so whoever has told it something meanwhile has woken it too.
    is_fresh: bool,
}

impl<'a, T: Seated, R> Turn<'a, T, R> {
    /// Of a ticket that was got with the waker of the task that polls this first, in the same poll of it.
    pub(crate) fn new(exchange: &'a Exchange<T, R>, ticket: Ticket) -> Self {
        Self { exchange, ticket: Some(ticket), is_fresh: true }
    }
}

impl<T: Seated, R> Future for Turn<'_, T, R> {
    type Output = Outcome<T, R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.is_fresh) {
            return Poll::Pending;
        }
        let exchange = self.exchange;
        exchange.poll(&mut self.ticket, context.waker())
    }
}

impl<T: Seated, R> Drop for Turn<'_, T, R> {
    fn drop(&mut self) {
        if let Some(thing) = self.ticket.take().and_then(|ticket| self.exchange.leave(ticket)) {
            self.exchange.pass_on(thing);
        }
    }
}
