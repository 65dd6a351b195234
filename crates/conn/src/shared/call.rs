//! One statement of one caller, from the queue to its answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use cornac_proto::session::Segment;

use super::SharedError;
use super::queue::Entry;
use super::replies::Replies;
use super::slot::{self, Slot};
use super::state::Shared;
use crate::deadline::{Deadline, Overdue};
use crate::error::{Delivery, Error, ErrorKind, Result};

/// A place in the queue, given back when it is dropped.
pub(super) struct Place<'s>(&'s Shared);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.admission.add_permits(1);
    }
}

/// Requests that are ready to go, and what their replies are read into.
pub(super) struct Request {
    pub(super) segment: Segment,
    /// Statements that the segment closes at the server.
    pub(super) closing: Vec<Box<str>>,
    pub(super) replies: Replies,
}

impl Shared {
    /// Waits for a place in the queue.
    pub(super) async fn place(&self, deadline: &mut Option<Deadline>) -> Result<Place<'_>> {
        let closed = || match self.queue().closed.clone() {
            Some(closed) => Error::already_closed(closed),
            None => Error::usage(CLOSING, Delivery::NotSent),
        };
        match self.admission.try_acquire() {
            Ok(permit) => {
                permit.forget();
                return Ok(Place(self));
            }
            Err(tokio::sync::TryAcquireError::Closed) => return Err(closed()),
            Err(tokio::sync::TryAcquireError::NoPermits) => {}
        }
        let mut acquiring = pin!(self.admission.acquire());
        poll_fn(|cx| {
            if let Poll::Ready(permit) = acquiring.as_mut().poll(cx) {
                return Poll::Ready(match permit {
                    Ok(permit) => {
                        permit.forget();
                        Ok(Place(self))
                    }
                    Err(_) => Err(closed()),
                });
            }
            match deadline {
                Some(deadline) => deadline.poll(cx).map(|_| Err(timed_out(deadline))),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(
        &self,
        place: Place<'_>,
        request: Request,
        deadline: &mut Option<Deadline>,
    ) -> Result<Replies> {
        let mut call = Call { shared: self, stage: Stage::Unasked(place, request) };
        poll_fn(|cx| call.poll(deadline, cx)).await
    }
}

/// The caller's side. Dropped before its statement was sent, it takes that out of the queue, and it never runs; dropped later, it leaves
/// the answer to be thrown away by whoever reads it.
struct Call<'s> {
    shared: &'s Shared,
    stage: Stage<'s>,
}

enum Stage<'s> {
    Unasked(Place<'s>, Request),
    Asked(Arc<Slot>),
    Over,
}

impl Call<'_> {
    fn poll(&mut self, deadline: &mut Option<Deadline>, cx: &mut Context<'_>) -> Poll<Result<Replies>> {
        match &self.stage {
            Stage::Unasked(..) => self.submit(deadline.as_ref(), cx)?,
            Stage::Asked(slot) => {
                if let Some(answer) = slot.take(cx.waker()) {
                    return self.finish(answer);
                }
                // Whoever is woken without an answer has been called to read and write for all.
                slot.set_passed_over(false);
                self.shared.drive();
            }
            Stage::Over => {}
        }
        let Stage::Asked(slot) = &self.stage else { return Poll::Pending };
        if let Some(answer) = slot.take(cx.waker()) {
            return self.finish(answer);
        }
        match deadline {
            Some(deadline) => self.poll_deadline(deadline, cx),
            None => Poll::Pending,
        }
    }

    fn finish(&mut self, answer: Result<Replies>) -> Poll<Result<Replies>> {
        self.stage = Stage::Over;
        Poll::Ready(answer)
    }

    /// Joins the line.
    fn submit(&mut self, deadline: Option<&Deadline>, cx: &mut Context<'_>) -> Result<()> {
        let Stage::Unasked(place, request) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return Ok(());
        };
        let limit = deadline.map(Deadline::limit).unwrap_or_default();
        let slot = Arc::new(Slot::new(cx.waker().clone(), limit));
        let Request { segment, closing, replies } = request;
        let mut entry = Entry { slot: Arc::clone(&slot), segment, closing, replies };
        let mut queue = self.shared.queue();
        if let Some(closed) = queue.closed.clone() {
            queue.forget(&mut entry);
            drop(queue);
            return Err(Error::already_closed(closed));
        }
        queue.waiting.push_back(entry);
        let is_first = queue.waiting.len() == 1;
        drop(queue);
        // The entry has the place now, until it is answered.
        std::mem::forget(place);
        self.stage = Stage::Asked(slot);
        if !self.shared.is_busy() {
            self.shared.drive();
        } else if is_first {
            // Others are about to come: all that is ready to run comes first, and then one write goes out for all.
            if self.shared.bell.has_called() { cx.waker().wake_by_ref() } else { self.shared.drive() }
        }
        Ok(())
    }

    fn poll_deadline(&mut self, deadline: &mut Deadline, cx: &mut Context<'_>) -> Poll<Result<Replies>> {
        while let Poll::Ready(overdue) = deadline.poll(cx) {
            let Stage::Asked(slot) = &self.stage else { return Poll::Pending };
            if self.shared.withdraw(slot) {
                self.stage = Stage::Over;
                self.shared.go_on_without();
                return Poll::Ready(Err(timed_out(deadline)));
            }
            slot.set_overdue(match overdue {
                Overdue::Cancel => slot::Overdue::Cancel,
                Overdue::GiveUp => slot::Overdue::GiveUp,
            });
            // Release: pairs with the Acquire of the turn that looks for it.
            self.shared.overdue.store(true, Ordering::Release);
            self.shared.drive();
            if let Some(answer) = slot.take(cx.waker()) {
                return self.finish(answer);
            }
        }
        Poll::Pending
    }
}

impl Shared {
    /// Takes a statement that was not sent out of the queue: it never runs. False if it was sent.
    fn withdraw(&self, slot: &Arc<Slot>) -> bool {
        let withdrawn = {
            let mut queue = self.queue();
            let mut entry = queue.remove(slot);
            if let Some(entry) = &mut entry {
                queue.forget(entry);
            }
            entry
        };
        if withdrawn.is_some() {
            slot.abandon();
            self.admission.add_permits(1);
        }
        withdrawn.is_some()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Stage::Asked(slot) = &self.stage {
            // In this order: a turn that finds the entry in between sees that nobody waits for it.
            slot.abandon();
            self.shared.withdraw(slot);
            self.shared.go_on_without();
        }
    }
}

#[cold]
fn timed_out(deadline: &Deadline) -> Error {
    let timeout = SharedError::Timeout { limit: deadline.limit() };
    Error::new(ErrorKind::Shared(timeout), Delivery::NotSent)
}

const CLOSING: &str = "the shared connection is being closed by its owner";
