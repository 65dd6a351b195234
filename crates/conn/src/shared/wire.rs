//! Reading and writing for all.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use cornac_proto::message::{Backend, BackendTag, TransactionStatus};
use cornac_proto::session::{Checkpoint, CloseReason, Closed, Progress, Session};

use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

use super::SharedError;
use super::queue::Entry;
use super::replies::Replies;
use super::slot::Overdue;
use super::state::Shared;
use crate::cancel::Cancelling;
use crate::connection::Connection;
use crate::error::{Delivery, Error, ErrorKind, Result};

/// How long whoever is called may take to come before everybody is called.
const WATCH: Duration = Duration::from_millis(20);

/// Bytes of requests that are handed to the socket at a time. What the socket does not take goes back into the line.
const AHEAD: usize = 64 << 10;

/// The connection, and the statements that were sent over it, oldest first. Whoever finds it free reads and writes for all.
pub(super) struct Wire {
    /// `None` once it was closed in order.
    connection: Option<Connection>,
    in_flight: VecDeque<InFlight>,
    /// Wakes one of the callers.
    waker: Waker,
    cancelling: Option<Cancelling>,
    /// A request to cancel was sent for the one statement in flight: nothing else is sent before both are over.
    holding: bool,
    /// The timer of the watch over the one who is called.
    watch: Option<Pin<Box<Sleep>>>,
}

/// A statement that was sent, or is being sent.
struct InFlight {
    entry: Entry,
    checkpoint: Checkpoint,
    /// Something of its answer has come.
    answering: bool,
}

/// What one turn has come to.
#[derive(Default)]
struct Turn {
    answered: usize,
    /// Statements that no longer count: answered, or given up before they were sent.
    released: usize,
    sent: bool,
}

impl Wire {
    pub(super) fn new(connection: Connection, waker: Waker) -> Self {
        Self {
            connection: Some(connection),
            in_flight: VecDeque::new(),
            waker,
            cancelling: None,
            holding: false,
            watch: None,
        }
    }

    /// One turn: sends what waits, reads what has come, hands it out, and settles who is called next. Never waits.
    pub(super) fn turn(&mut self, shared: &Shared) {
        if shared.given_up.load(Ordering::Acquire) {
            return self.give_up(shared, GIVEN_UP);
        }
        shared.bell.silence();
        let mut turn = Turn::default();
        if let Err(closed) = self.exchange(shared, &mut turn) {
            self.close_with(shared, &closed);
        }
        self.end_turn(shared, &turn);
    }

    /// Gives the connection up, for a reason of ours.
    pub(super) fn give_up(&mut self, shared: &Shared, reason: &str) {
        if let Some(connection) = &mut self.connection {
            let closed = connection.give_up(CloseReason::Abandoned(reason.to_owned()));
            self.close_with(shared, &closed);
        }
        self.end_turn(shared, &Turn::default());
    }

    /// A caller has gone that may have been the one to be called: calls another, or, if nobody is left, sees to what was half written.
    pub(super) fn call_another(&mut self, shared: &Shared) {
        match self.next_to_call(shared) {
            Some(waker) => waker.wake(),
            None => self.leave_nothing_half_written(shared),
        }
    }

    /// Whether anybody waits for an answer.
    pub(super) fn has_callers(&self, shared: &Shared) -> bool {
        let in_flight = self.in_flight.iter().any(|in_flight| in_flight.entry.slot.is_waiting());
        in_flight || shared.queue().waiting.iter().any(|entry| entry.slot.is_waiting())
    }

    /// Calls all who wait. The first of them has been called before, and did not come: another will be called in its place.
    pub(super) fn call_everybody(&mut self, shared: &Shared) {
        let mut wakers = Vec::new();
        for InFlight { entry, .. } in &self.in_flight {
            if let Some(waker) = entry.slot.waker() {
                if wakers.is_empty() {
                    entry.slot.set_passed_over(true);
                }
                wakers.push(waker);
            }
        }
        {
            let queue = shared.queue();
            wakers.extend(queue.waiting.iter().filter_map(|entry| entry.slot.waker()));
            wakers.extend(queue.closers.iter().cloned());
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The connection, once nothing is waited for any more. Nothing is taken then.
    pub(super) fn take_if_idle(&mut self, shared: &Shared) -> Option<Result<Connection>> {
        let mut queue = shared.queue();
        if !self.in_flight.is_empty() || self.cancelling.is_some() || !queue.waiting.is_empty() {
            return None;
        }
        let closed = queue.closed.get_or_insert_with(|| CloseReason::Terminated.into()).clone();
        Some(self.connection.take().ok_or_else(|| Error::already_closed(closed)))
    }

    fn exchange(&mut self, shared: &Shared, turn: &mut Turn) -> Result<(), Closed> {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        if self.in_flight.is_empty() && self.cancelling.is_none() {
            self.look(shared, &mut cx)?;
        }
        loop {
            self.poll_cancelling(&mut cx)?;
            let all_fed = self.feed(shared, turn)?;
            while !self.in_flight.is_empty() {
                if self.take_common_replies(turn)? {
                    continue;
                }
                match self.poll_message(shared, turn, &mut cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(closed)) => return Err(closed),
                    Poll::Pending => break,
                }
            }
            let Some(connection) = &self.connection else { return Ok(()) };
            if connection.session.has_unsent() {
                self.take_back_unsent(shared, turn);
                break;
            }
            if self.holding && self.cancelling.is_none() && self.in_flight.is_empty() {
                // The one that was cancelled has just been answered: what has waited for that goes out.
                self.holding = false;
            } else if all_fed || self.holding {
                break;
            }
        }
        // Only now is it known which statements are still to be answered.
        if shared.overdue.swap(false, Ordering::AcqRel) {
            self.handle_overdue()?;
            self.poll_cancelling(&mut cx)?;
        }
        Ok(())
    }

    /// Reads what came while nothing was asked. Whatever ended the connection then is known before anything else is sent over it.
    fn look(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Result<(), Closed> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        while let Poll::Ready(tag) = connection.poll_peek(cx) {
            let tag = tag?;
            if matches!(
                tag,
                BackendTag::NoticeResponse | BackendTag::NotificationResponse | BackendTag::ParameterStatus
            ) {
                connection.put_aside()?;
                shared.take_asides(connection, tag);
            } else {
                // Nothing else is due.
                connection.poll_message()?;
            }
        }
        Ok(())
    }

    /// Moves entries from the line to the send buffer, up to a certain length. True when the line is empty.
    fn feed(&mut self, shared: &Shared, turn: &mut Turn) -> Result<bool, Closed> {
        let Some(connection) = &mut self.connection else { return Ok(true) };
        if self.holding {
            return Ok(true);
        }
        let mut gone = Vec::new();
        let mut queue = shared.queue();
        let fed = loop {
            if connection.session.unsent().len() >= AHEAD {
                break Ok(queue.waiting.is_empty());
            }
            let Some(mut entry) = queue.waiting.pop_front() else { break Ok(true) };
            if !entry.slot.is_waiting() {
                queue.forget(&mut entry);
                gone.push(entry);
                continue;
            }
            let checkpoint = connection.session.checkpoint();
            if connection.session.request_segment(&entry.segment).is_err() {
                // The session is closed: the reason is told to all, to this one as to the others that were not sent.
                queue.waiting.push_front(entry);
                break Err(());
            }
            turn.sent = true;
            self.in_flight.push_back(InFlight { entry, checkpoint, answering: false });
        };
        drop(queue);
        turn.released = turn.released.saturating_add(gone.len());
        fed.map_err(|()| connection.give_up(CloseReason::Abandoned(NOT_TAKEN.to_owned())))
    }

    /// Takes the replies that most executions have: BindComplete, rows, the end, as far as they have come. True when the statement at the
    /// front is answered.
    fn take_common_replies(&mut self, turn: &mut Turn) -> Result<bool, Closed> {
        let (Some(connection), Some(front)) = (&mut self.connection, self.in_flight.front_mut()) else {
            return Ok(false);
        };
        let Replies::Execution(execution) = &mut front.entry.replies else { return Ok(false) };
        if !execution.has_begun() {
            if !execution.is_at_bind() || !connection.session.take_bind_complete() {
                return Ok(false);
            }
            execution.begin();
            if !front.answering {
                front.begin_answer(&mut connection.session)?;
            }
        }
        let Entry { segment, replies: Replies::Execution(execution), .. } = &mut front.entry else {
            return Ok(false);
        };
        let columns = execution.statement.columns().len();
        while connection.session.advance_row(columns) {
            execution.handle_row(connection.session.row(), || std::mem::take(segment).into_buffer());
        }
        let Some(affected) = connection.take_end() else { return Ok(false) };
        execution.end(affected);
        self.end_front(turn).map(|()| true)
    }

    /// ReadyForQuery has come behind the statement at the front.
    fn end_front(&mut self, turn: &mut Turn) -> Result<(), Closed> {
        let status = self.connection.as_ref().map(|connection| connection.session.transaction_status());
        match status {
            None | Some(TransactionStatus::Idle) => {
                self.answer_front(turn);
                Ok(())
            }
            Some(status) => Err(self.close_not_idle(status)),
        }
    }

    /// Takes the next message, if it is there.
    fn poll_message(
        &mut self,
        shared: &Shared,
        turn: &mut Turn,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        let Some(connection) = &mut self.connection else { return Poll::Pending };
        let tag = ready!(connection.poll_peek(cx))?;
        match tag {
            BackendTag::NoticeResponse | BackendTag::NotificationResponse | BackendTag::ParameterStatus => {
                connection.put_aside()?;
                shared.take_asides(connection, tag);
                return Poll::Ready(Ok(()));
            }
            _ => {}
        }
        let Some(front) = self.in_flight.front_mut() else { return Poll::Pending };
        if !front.answering {
            front.begin_answer(&mut connection.session)?;
        }
        let InFlight { entry: Entry { segment, replies, .. }, .. } = front;
        match tag {
            BackendTag::DataRow => {
                if let Some(row) = connection.poll_row(replies.columns())? {
                    replies.handle_row(row, || std::mem::take(segment).into_buffer());
                }
                return Poll::Ready(Ok(()));
            }
            BackendTag::ReadyForQuery => {}
            _ => {
                if let Some(message) = connection.poll_message()? {
                    if matches!(message, Backend::CopyInResponse(_) | Backend::CopyOutResponse(_)) {
                        let reason = CloseReason::Abandoned(COPY_MISPLACED.to_owned());
                        return Poll::Ready(Err(connection.give_up(reason)));
                    }
                    replies.handle(&message);
                }
                return Poll::Ready(Ok(()));
            }
        }
        connection.poll_message()?;
        Poll::Ready(self.end_front(turn))
    }

    /// The statement at the front is answered to its end.
    fn answer_front(&mut self, turn: &mut Turn) {
        let Some(InFlight { entry, .. }) = self.in_flight.pop_front() else { return };
        turn.answered = turn.answered.saturating_add(1);
        turn.released = turn.released.saturating_add(1);
        let Entry { slot, replies, .. } = entry;
        slot.answer(Ok(replies));
    }

    /// Behind a statement, a transaction is open. What was in flight will be rolled back, or has been done: nobody knows.
    fn close_not_idle(&mut self, status: TransactionStatus) -> Closed {
        let error = SharedError::NotIdle { status };
        let reason = CloseReason::Abandoned(error.to_string());
        let Some(connection) = &mut self.connection else { return reason.into() };
        for InFlight { entry, checkpoint, .. } in &self.in_flight {
            if connection.session.progress(*checkpoint) != Progress::Unsent {
                let error = ErrorKind::Shared(error.clone());
                entry.slot.answer(Err(Error::new(error, Delivery::Unknown)));
            }
        }
        connection.give_up(reason)
    }

    /// The socket takes no more for now: entries of which it has taken nothing go back to the head of the line.
    fn take_back_unsent(&mut self, shared: &Shared, turn: &mut Turn) {
        let Some(connection) = &mut self.connection else { return };
        let mut gone = Vec::new();
        let mut from = None;
        let mut queue = shared.queue();
        while let Some(last) = self.in_flight.back() {
            if last.answering || connection.session.progress(last.checkpoint) != Progress::Unsent {
                break;
            }
            let Some(InFlight { mut entry, checkpoint, .. }) = self.in_flight.pop_back() else { break };
            from = Some(checkpoint);
            if entry.slot.is_waiting() {
                queue.waiting.push_front(entry);
            } else {
                queue.forget(&mut entry);
                gone.push(entry);
            }
        }
        drop(queue);
        turn.released = turn.released.saturating_add(gone.len());
        if let Some(from) = from {
            connection.session.take_back(from);
        }
    }

    /// The connection is closed: everybody is told, each with what that means for its own statement.
    fn close_with(&mut self, shared: &Shared, closed: &Closed) {
        shared.closed.store(true, Ordering::Release);
        shared.admission.close();
        self.cancelling = None;
        shared.note(0, 0, false);
        let Some(connection) = &mut self.connection else { return };
        for InFlight { entry, checkpoint, .. } in self.in_flight.drain(..) {
            let progress = connection.session.progress(checkpoint);
            entry.slot.answer(Err(Error::lost(closed.clone(), progress)));
        }
        let waiting = {
            let mut queue = shared.queue();
            queue.closed = Some(closed.clone());
            std::mem::take(&mut queue.waiting)
        };
        for entry in waiting {
            entry.slot.answer(Err(Error::already_closed(closed.clone())));
        }
    }

    fn end_turn(&mut self, shared: &Shared, turn: &Turn) {
        shared.note(turn.answered, self.in_flight.len(), turn.sent);
        if turn.released > 0 {
            shared.admission.add_permits(turn.released);
        }
        if self.in_flight.is_empty() {
            let closers = {
                let mut queue = shared.queue();
                if queue.waiting.is_empty() { std::mem::take(&mut queue.closers) } else { Vec::new() }
            };
            closers.into_iter().for_each(Waker::wake);
        }
        let next = self.next_to_call(shared);
        if next.is_none() {
            self.leave_nothing_half_written(shared);
        }
        let is_waiting = next.is_some();
        if !shared.bell.listen(next) && is_waiting {
            self.keep_watch(shared);
        }
    }

    /// Starts a timer, unless this runs outside of a runtime. It is polled this once and never again: the runtime may have ended by then.
    fn keep_watch(&mut self, shared: &Shared) {
        if Handle::try_current().is_ok() {
            let mut timer = Box::pin(sleep(WATCH));
            let waker = shared.bell.begin_watch();
            if timer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                waker.wake();
            }
            self.watch = Some(timer);
        }
    }

    /// Who is called when the socket is ready: the caller whose answer comes first, so that it is woken once for both.
    fn next_to_call(&self, shared: &Shared) -> Option<Waker> {
        let mut passed_over = None;
        for InFlight { entry, .. } in &self.in_flight {
            match entry.slot.waker() {
                Some(waker) if entry.slot.comes_when_called() => return Some(waker),
                Some(waker) => passed_over = passed_over.or(Some(waker)),
                None => {}
            }
        }
        let queue = shared.queue();
        let waiting = queue.waiting.iter().find_map(|entry| entry.slot.waker());
        waiting.or(passed_over).or_else(|| queue.closers.first().cloned())
    }

    /// Nobody is left who would write on: a server that has half of a request waits for the other half.
    fn leave_nothing_half_written(&mut self, shared: &Shared) {
        let Some(connection) = &mut self.connection else { return };
        if connection.session.closed().is_some() {
            return;
        }
        if connection.session.has_unsent() || connection.stream.has_unflushed() {
            connection.finish_writing_or_close();
        }
        if let Some(closed) = connection.session.closed().cloned() {
            self.close_with(shared, &closed);
        }
    }

    /// Callers whose time is over. The one that is alone in flight is cancelled at the server; the others are told that their answers
    /// are not waited for.
    fn handle_overdue(&mut self) -> Result<(), Closed> {
        let Self { connection: Some(connection), in_flight, cancelling, holding, .. } = self else {
            return Ok(());
        };
        let alone = in_flight.len() == 1 && !connection.session.has_unsent();
        for InFlight { entry, .. } in in_flight {
            match entry.slot.overdue() {
                Overdue::No => {}
                Overdue::Cancel if *holding => {}
                Overdue::Cancel if alone && entry.slot.is_waiting() => {
                    connection.cancel_state.set_busy();
                    *cancelling = Some(Cancelling::new(connection.cancel_token()));
                    *holding = true;
                }
                Overdue::GiveUp if *holding && entry.slot.is_waiting() => {
                    return Err(connection.give_up(CloseReason::Abandoned(NO_ANSWER.to_owned())));
                }
                Overdue::Cancel | Overdue::GiveUp => time_out(entry),
            }
        }
        Ok(())
    }

    fn poll_cancelling(&mut self, cx: &mut Context<'_>) -> Result<(), Closed> {
        if let Some(cancelling) = &mut self.cancelling {
            if let Poll::Ready(cancelled) = cancelling.poll(cx) {
                self.cancelling = None;
                if let Err(error) = cancelled {
                    tracing::warn!(target: "cornac::connection", "a statement that took too long could not be cancelled: {error}");
                    if let Some(InFlight { entry, .. }) = self.in_flight.front_mut() {
                        time_out(entry);
                    }
                    self.holding = false;
                }
                let Some(connection) = &mut self.connection else { return Ok(()) };
                if connection.cancel_state.is_spoilt() {
                    return Err(connection.give_up(CloseReason::Abandoned(SPOILT.to_owned())));
                }
            }
        }
        Ok(())
    }
}

impl InFlight {
    /// The first message of its answer has come.
    fn begin_answer(&mut self, session: &mut Session) -> Result<(), Closed> {
        if session.progress(self.checkpoint) == Progress::Unsent {
            return Err(session.abandon(CloseReason::Abandoned(UNASKED.to_owned())));
        }
        self.answering = true;
        if !self.entry.slot.is_waiting() {
            self.entry.replies.forget_rows();
        }
        Ok(())
    }
}

/// The caller's time is over, and its answer is not waited for.
fn time_out(entry: &mut Entry) {
    let limit = entry.slot.limit();
    let error = ErrorKind::Shared(SharedError::Timeout { limit });
    if entry.slot.answer(Err(Error::new(error, Delivery::Unknown))) {
        entry.replies.forget_rows();
    }
}

const GIVEN_UP: &str = "the connection was closed by its owner, who waited no longer for what was in flight";
const NOT_TAKEN: &str = "a request could not be written";
const COPY_MISPLACED: &str = "the server began a COPY on a shared connection";
const UNASKED: &str = "the server answered a request that was not sent";
const NO_ANSWER: &str = "the server did not answer in time, nor after a request to cancel";
const SPOILT: &str = "a request to cancel was sent, and nobody saw its end: it could hit any statement";
