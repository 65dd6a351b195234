//! The way to a connection: at once where one is idle, else in line.

use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use crate::entry::Entry;
use crate::exchange::{End, Joined, Outcome, Ticket, Turn, Unavailable};
use crate::pooled::Pooled;
use crate::shared::{Refusal, Shared, nanos};
use crate::within::{caught, within};
use crate::{CheckoutError, CloseReason, Manager, Step, TimedOut};

/// What is to be done with a connection before it is lent.
enum Verdict {
    Lend,
    Check,
    Close(CloseReason),
}

/// One checkout.
struct Call {
    limit: Duration,
    /// When it began to wait, known only if it had to.
    began: Option<u64>,
    end: End,
}

impl Call {
    fn deadline(&self, now: u64) -> u64 {
        self.began.unwrap_or(now).saturating_add(nanos(self.limit))
    }

    /// How long a step may take that has a limit of its own.
    fn left(&self, now: u64, limit: Duration) -> Duration {
        limit.min(Duration::from_nanos(self.deadline(now).saturating_sub(now)))
    }
}

impl<M: Manager> Shared<M> {
    /// Lends a connection.
    pub(crate) async fn checkout(
        self: &Arc<Self>,
        limit: Duration,
        location: &'static Location<'static>,
    ) -> Result<Pooled<M>, CheckoutError<M::Error>> {
        let mut call = Call { limit, began: None, end: End::Back };
        if !self.office.is_on_duty() {
            self.ensure_keeper();
        }
        loop {
            let (entry, was_handed) = match self.exchange.take() {
                Ok(entry) => (entry, false),
                Err(Unavailable::Closed) => return Err(CheckoutError::Closed),
                Err(Unavailable::MustWait) => self.wait(&mut call).await?,
            };
            let now = self.now();
            // While something is in use, somebody has to look at the clock.
            self.office.wake_before(now.saturating_add(self.tick));
            let (mut pooled, since) = Pooled::new(entry, Arc::clone(self), now, location);
            match self.inspect(&mut pooled, was_handed, now.saturating_sub(since)) {
                Verdict::Lend => (),
                Verdict::Check => {
                    let check = self.manager.check(&mut pooled.entry().connection);
                    let checked =
                        within(Step::Check, call.left(now, self.options.check_timeout), check).await;
                    call.began.get_or_insert(now);
                    if let Err(failure) = checked {
                        self.manager.observe(&failure);
                        pooled.dismiss(CloseReason::CheckFailed);
                        continue;
                    }
                }
                Verdict::Close(reason) => {
                    pooled.dismiss(reason);
                    if was_handed {
                        call.end = End::Front;
                    }
                    continue;
                }
            }
            let hook = self.manager.before_checkout(&mut pooled.entry().connection);
            let limit = call.left(now, self.options.hook_timeout);
            if let Err(failure) = within(Step::BeforeCheckout, limit, hook).await {
                pooled.dismiss(CloseReason::HookFailed);
                return Err(CheckoutError::Hook(failure));
            }
            self.count(&call, &mut pooled);
            return Ok(pooled);
        }
    }

    /// Whether a connection can be lent, as far as that can be said without waiting.
    #[inline]
    fn inspect(&self, pooled: &mut Pooled<M>, was_handed: bool, idled: u64) -> Verdict {
        let entry = pooled.entry();
        if !entry.home.is_usable_here() {
            return Verdict::Close(CloseReason::RuntimeEnded);
        }
        if entry.generation != self.generation.load(Relaxed) {
            return Verdict::Close(CloseReason::Retired);
        }
        if was_handed {
            // It has just been used or opened.
            return Verdict::Lend;
        }
        match caught(Step::Peek, || self.manager.peek(&mut entry.connection)) {
            Ok(true) if idled >= self.check_after => Verdict::Check,
            Ok(true) => Verdict::Lend,
            Ok(false) => Verdict::Close(CloseReason::Broken),
            Err(failure) => {
                self.manager.observe(&failure);
                Verdict::Close(CloseReason::Broken)
            }
        }
    }

    #[inline]
    fn count(&self, call: &Call, pooled: &mut Pooled<M>) {
        match call.began {
            None => {
                // Not a read-modify-write: nobody else writes while this connection is lent.
                let immediate = &self.desk(pooled.entry()).immediate;
                immediate.store(immediate.load(Relaxed) + 1, Relaxed);
            }
            Some(began) => self.waits.count(Duration::from_nanos(self.now().saturating_sub(began))),
        }
    }

    /// Waits in line. The flag says whether the connection was handed over, rather than found idle.
    #[cold]
    async fn wait(
        self: &Arc<Self>,
        call: &mut Call,
    ) -> Result<(Box<Entry<M>>, bool), CheckoutError<M::Error>> {
        let now = self.now();
        call.began.get_or_insert(now);
        let deadline = call.deadline(now);
        if let Some(failure) = self.roster.lock().hopeless(now) {
            return Err(CheckoutError::CannotOpen(failure));
        }
        if !self.ensure_keeper() {
            return Err(CheckoutError::NoRuntime);
        }
        if deadline <= now {
            return Err(self.timed_out_after(call.limit));
        }
        let most = u32::try_from(self.options.max_waiting).unwrap_or(u32::MAX);
        let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
        let ticket = match self.exchange.join(call.end, waker, deadline, most) {
            Joined::Took(entry) => return Ok((entry, false)),
            Joined::Full => return Err(CheckoutError::TooManyWaiting(self.options.max_waiting)),
            Joined::Closed => return Err(CheckoutError::Closed),
            Joined::Waiting(ticket) => ticket,
        };
        match self.stand(ticket, deadline).await {
            Outcome::Handed(entry) => Ok((entry, true)),
            Outcome::Refused(Refusal::TimedOut) => Err(self.timed_out_after(call.limit)),
            Outcome::Refused(Refusal::CannotOpen(failure)) => Err(CheckoutError::CannotOpen(failure)),
            Outcome::Refused(Refusal::Closed) => Err(CheckoutError::Closed),
        }
    }

    /// Waits until it is told something, and sees to it that there is somebody to tell it.
    async fn stand(
        self: &Arc<Self>,
        ticket: Ticket,
        deadline: u64,
    ) -> Outcome<Box<Entry<M>>, Refusal<M::Error>> {
        let mut turn = pin!(Turn::new(&self.exchange, ticket));
        if self.roster.has_room.load(Relaxed) {
            // It is to open one.
            self.office.wake();
        } else {
            self.office.wake_before(deadline);
        }
        poll_fn(|context| {
            if !self.office.is_on_duty() {
                self.ensure_keeper();
            }
            turn.as_mut().poll(context)
        })
        .await
    }

    /// The error of whoever has waited for too long.
    pub(crate) fn timed_out_after(&self, limit: Duration) -> CheckoutError<M::Error> {
        self.timed_out.fetch_add(1, Relaxed);
        let stats = self.stats();
        CheckoutError::TimedOut(Box::new(TimedOut {
            limit,
            max_size: stats.max_size,
            size: stats.size,
            idle: stats.idle,
            in_use: stats.in_use,
            opening: stats.opening,
            waiting: stats.waiting,
            open_failure: self.roster.lock().last_failure(),
            longest_holder: self.holders().into_iter().next(),
        }))
    }
}
