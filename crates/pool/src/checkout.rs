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

/// A connection that can be had.
struct Found<M: Manager> {
    pooled: Pooled<M>,
    verdict: Verdict,
    /// It was handed over, rather than found idle.
    was_handed: bool,
    /// When it was found.
    now: u64,
}

/// One checkout that is not over at once.
struct Call {
    limit: Duration,
    /// When it began to wait, known only if it had to.
    began: Option<u64>,
    end: End,
    location: &'static Location<'static>,
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
        let found = match self.find(location) {
            Ok(Found { mut pooled, verdict: Verdict::Lend, .. }) if !self.manager.has_before_checkout() => {
                self.count_immediate(&mut pooled);
                return Ok(pooled);
            }
            found => found,
        };
        self.checkout_in_steps(found, Call { limit, began: None, end: End::Back, location }).await
    }

    async fn checkout_in_steps(
        self: &Arc<Self>,
        mut found: Result<Found<M>, Unavailable>,
        mut call: Call,
    ) -> Result<Pooled<M>, CheckoutError<M::Error>> {
        loop {
            let Found { mut pooled, verdict, was_handed, mut now } = match found {
                Ok(found) => found,
                Err(Unavailable::Closed) => return Err(CheckoutError::Closed),
                Err(Unavailable::MustWait) => self.wait(&mut call).await?,
            };
            match verdict {
                Verdict::Lend => (),
                Verdict::Check => {
                    let check = self.manager.check(&mut pooled.entry().connection);
                    let checked =
                        within(Step::Check, call.left(now, self.options.check_timeout), check).await;
                    call.began.get_or_insert(now);
                    if let Err(failure) = checked {
                        self.manager.observe(&failure);
                        pooled.dismiss(CloseReason::CheckFailed);
                        found = self.find(call.location);
                        continue;
                    }
                    now = self.now();
                }
                Verdict::Close(reason) => {
                    pooled.dismiss(reason);
                    if was_handed {
                        call.end = End::Front;
                    }
                    found = self.find(call.location);
                    continue;
                }
            }
            if self.manager.has_before_checkout() {
                let hook = self.manager.before_checkout(&mut pooled.entry().connection);
                let limit = call.left(now, self.options.hook_timeout);
                if let Err(failure) = within(Step::BeforeCheckout, limit, hook).await {
                    pooled.dismiss(CloseReason::HookFailed);
                    return Err(CheckoutError::Hook(failure));
                }
                now = self.now();
            }
            match call.began {
                None => self.count_immediate(&mut pooled),
                Some(began) => {
                    let waited = Duration::from_nanos(now.saturating_sub(began));
                    self.waits.count(waited);
                    self.tell(waited);
                }
            }
            return Ok(pooled);
        }
    }

    /// Takes an idle connection, if there is one and nobody waits.
    #[inline]
    fn find(self: &Arc<Self>, location: &'static Location<'static>) -> Result<Found<M>, Unavailable> {
        if !self.office.is_on_duty() {
            self.ensure_keeper();
        }
        let entry = self.exchange.take()?;
        Ok(self.look_at(entry, false, location))
    }

    #[inline]
    fn look_at(
        self: &Arc<Self>,
        entry: Box<Entry<M>>,
        was_handed: bool,
        location: &'static Location<'static>,
    ) -> Found<M> {
        let now = self.now();
        // While something is in use, somebody has to look at the clock.
        self.office.wake_before(now.saturating_add(self.tick));
        let (mut pooled, since) = Pooled::new(entry, Arc::clone(self), now, location);
        let verdict = self.inspect(&mut pooled, was_handed, now.saturating_sub(since));
        Found { pooled, verdict, was_handed, now }
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
    fn count_immediate(&self, pooled: &mut Pooled<M>) {
        // Not a read-modify-write: nobody else writes while this connection is lent.
        let immediate = &self.desk(pooled.entry()).immediate;
        immediate.store(immediate.load(Relaxed) + 1, Relaxed);
        self.tell(Duration::ZERO);
    }

    /// Tells the manager of a wait, if it wants to know.
    #[inline]
    fn tell(&self, waited: Duration) {
        if M::MEASURES {
            // A panic here is nobody's error.
            let _ = caught::<_, M::Error>(Step::BeforeCheckout, || self.manager.observe_wait(waited));
        }
    }

    /// Waits in line.
    async fn wait(self: &Arc<Self>, call: &mut Call) -> Result<Found<M>, CheckoutError<M::Error>> {
        let now = self.now();
        call.began.get_or_insert(now);
        let deadline = call.deadline(now);
        if self.roster.is_refused.load(Relaxed) {
            if let Some(failure) = self.roster.lock().hopeless(now) {
                return Err(CheckoutError::CannotOpen(failure));
            }
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
            Joined::Took(entry) => return Ok(self.look_at(entry, false, call.location)),
            Joined::Full => return Err(CheckoutError::TooManyWaiting(self.options.max_waiting)),
            Joined::Closed => return Err(CheckoutError::Closed),
            Joined::Waiting(ticket) => ticket,
        };
        match self.stand(ticket, deadline).await {
            Outcome::Handed(entry) => Ok(self.look_at(entry, true, call.location)),
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
