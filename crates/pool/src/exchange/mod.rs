//! Where connections change hands: the part of the pool that is model-checked.

mod line;
#[cfg(all(test, loom))]
mod models;
mod rack;
mod turn;
mod word;

use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};

pub(crate) use self::line::{End, Outcome, Ticket};
use self::line::{Left, Line};
use self::rack::Rack;
pub(crate) use self::turn::Turn;
use self::word::Word;
use crate::sync::{AtomicU64, Edge, Mutex, lock};

/// A thing that has a place of its own, which nothing else has while it exists.
pub(crate) trait Seated {
    /// The number of its place, below the exchange's capacity.
    fn slot(&self) -> usize;

    /// It is about to be dropped, because the exchange was closed while it was on its way to somebody.
    fn turned_away(&mut self) {}
}

/// Hands things of type `T` from those who have done with them to those who want one, or refuses with an `R`.
///
/// One atomic word holds the number of idle things (permits) and the number of those who wait. Its methods come in three kinds:
///
/// - [`take`](Self::take), [`give`](Self::give): one compare-and-swap on the word, one bit, one swap; no lock unless somebody waits;
/// - [`join`](Self::join), [`poll`](Self::poll), [`leave`](Self::leave): for one who waits, under the line's lock;
/// - [`claim`](Self::claim), [`refuse_until`](Self::refuse_until), [`close`](Self::close), [`drain`](Self::drain): for the pool's own housekeeping.
///
/// Why no wake-up is lost and nobody barges: a permit is published only by a compare-and-swap that sees nobody waiting, and one joins the line only by a
/// compare-and-swap that sees no permit. So there are never both. Who has something to give and sees somebody waiting hands it over under the lock; who waits
/// is in the line, under the same lock, before the word says so to anyone who would then look for it there.
///
/// Nothing is woken or dropped under the lock.
pub(crate) struct Exchange<T, R> {
    word: AtomicU64,
    rack: Rack<T>,
    line: Mutex<Line<T, R>>,
}

/// Why nothing could be taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// Nothing is idle, or somebody else has waited for longer.
    MustWait,
    /// The exchange is closed.
    Closed,
}

/// What came of joining the line.
#[derive(Debug)]
pub(crate) enum Joined<T> {
    /// Something had become idle.
    Took(T),
    /// A place in the line.
    Waiting(Ticket),
    /// As many wait as may.
    Full,
    /// The exchange is closed.
    Closed,
}

/// What came of claiming one thing.
#[derive(Debug)]
pub(crate) enum Claimed<T> {
    /// That one.
    Got(T),
    /// Somebody else had it, and here is another, to be given on.
    Other(T),
    /// Nothing is idle.
    Nothing,
}

impl<T: Seated, R> Exchange<T, R> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { word: AtomicU64::new(0), rack: Rack::new(capacity), line: Mutex::new(Line::new()) }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.rack.capacity()
    }

    /// Takes something idle, if nobody waits.
    #[inline]
    pub(crate) fn take(&self) -> Result<T, Unavailable> {
        let word = self.take_permit(|word| !word.is_closed() && word.has_permit());
        match word {
            Ok(()) => Ok(self.rack.take_any()),
            Err(word) if word.is_closed() => Err(Unavailable::Closed),
            Err(_) => Err(Unavailable::MustWait),
        }
    }

    /// Gives something away: to whoever waits first, else it is idle. Who is returned has to be woken. Gives it back if the exchange is closed.
    #[inline]
    pub(crate) fn give(&self, mut thing: T) -> Result<Option<Waker>, T> {
        loop {
            let word = Word(self.word.load(Relaxed));
            if word.is_closed() {
                return Err(thing);
            }
            if word.waiting() > 0 {
                match self.hand_over(thing) {
                    Ok(waker) => return Ok(Some(waker)),
                    // They have left. What is seen next is newer than that.
                    Err(back) => thing = back,
                }
                continue;
            }
            self.rack.put(thing.slot(), thing);
            if self.publish() {
                return Ok(None);
            }
            // Somebody waits, or it is over. Anything that lies there will do: ours may be with somebody whose permit was for another.
            thing = self.rack.take_any();
        }
    }

    /// Gives something away, and wakes whoever has it now. Drops it if the exchange is closed.
    pub(crate) fn pass_on(&self, thing: T) {
        match self.give(thing) {
            Ok(waker) => waker.into_iter().for_each(Waker::wake),
            Err(mut thing) => thing.turned_away(),
        }
    }

    /// Joins the line, if there is still nothing to take.
    pub(crate) fn join(&self, end: End, waker: Waker, deadline: u64, most: u32) -> Joined<T> {
        let mut line = lock(&self.line);
        let mut word = Word(self.word.load(Relaxed));
        loop {
            if word.is_closed() {
                return Joined::Closed;
            }
            let (next, order) = if word.has_permit() {
                (word.less_idle(), Edge::TakePermit.ordering())
            } else if end == End::Back && word.waiting() >= most.min(Word::WAITING_MAX) {
                return Joined::Full;
            } else {
                // Relaxed: whoever acts on the number takes the lock that is held here.
                (word.more_waiting(), Relaxed)
            };
            match self.word.compare_exchange_weak(word.0, next.0, order, Relaxed) {
                Ok(_) if word.has_permit() => {
                    drop(line);
                    return Joined::Took(self.rack.take_any());
                }
                Ok(_) => return Joined::Waiting(line.enter(end, waker, deadline)),
                Err(seen) => word = Word(seen),
            }
        }
    }

    /// What the owner of a ticket has been told. The ticket is spent once it is ready.
    pub(crate) fn poll(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> Poll<Outcome<T, R>> {
        let held = ticket.as_ref().expect("a ticket is polled until it is spent");
        let answer = lock(&self.line).redeem(held, waker);
        match answer {
            Ok(outcome) => {
                *ticket = None;
                Poll::Ready(outcome)
            }
            Err(_replaced) => Poll::Pending,
        }
    }

    /// Gives up a place in the line. What had been handed over already comes back, to be given on.
    #[expect(clippy::needless_pass_by_value, reason = "it is spent")]
    pub(crate) fn leave(&self, ticket: Ticket) -> Option<T> {
        let mut line = lock(&self.line);
        let left = line.leave(&ticket);
        if let Left::Waiting(_) = left {
            self.one_waits_less();
        }
        drop(line);
        match left {
            Left::Told(Outcome::Handed(thing)) => Some(thing),
            Left::Told(Outcome::Refused(_)) => None,
            Left::Waiting(waker) => {
                drop(waker);
                None
            }
        }
    }

    /// Takes what lies in one place, if nobody waits.
    pub(crate) fn claim(&self, slot: usize) -> Claimed<T> {
        if !self.rack.is_idle(slot) || self.take_permit(Word::has_permit).is_err() {
            return Claimed::Nothing;
        }
        match self.rack.take_from(slot) {
            Some(thing) => Claimed::Got(thing),
            None => Claimed::Other(self.rack.take_any()),
        }
    }

    /// Refuses all whose deadline is not after `now`, and says when the next deadline is. Who is returned has to be woken.
    pub(crate) fn refuse_until(&self, now: u64, refusal: impl FnMut() -> R) -> (Vec<Waker>, u64) {
        let mut wakers = Vec::new();
        let next = lock(&self.line).refuse_until(now, refusal, |waker| {
            self.one_waits_less();
            wakers.push(waker);
        });
        (wakers, next)
    }

    /// Closes: nothing is taken or given any more, and all who wait are refused. Who is returned has to be woken.
    pub(crate) fn close(&self, refusal: impl FnMut() -> R) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let mut line = lock(&self.line);
        // Relaxed, as it guards nothing: it is the compare-and-swaps of others that do not succeed any more.
        self.word.fetch_or(Word::CLOSED, Relaxed);
        line.refuse_until(u64::MAX, refusal, |waker| {
            self.one_waits_less();
            wakers.push(waker);
        });
        drop(line);
        wakers
    }

    /// Takes whatever is idle, of a closed exchange too.
    pub(crate) fn drain(&self) -> Option<T> {
        self.take_permit(|word| word.idle() > 0).ok()?;
        Some(self.rack.take_any())
    }

    /// All who wait.
    pub(crate) fn everyone(&self) -> Vec<Waker> {
        lock(&self.line).wakers()
    }

    /// How many wait. Whoever joins the line after this has been asked sees what the caller did before.
    pub(crate) fn waiting_now(&self) -> u32 {
        // The lock is what makes it so.
        let _line = lock(&self.line);
        self.waiting()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u32 {
        Word(self.word.load(Relaxed)).waiting()
    }

    /// How many are idle.
    pub(crate) fn idle(&self) -> u32 {
        Word(self.word.load(Relaxed)).idle()
    }

    pub(crate) fn is_closed(&self) -> bool {
        Word(self.word.load(Relaxed)).is_closed()
    }

    /// Whether something is idle in a place: out of date as soon as it is said.
    pub(crate) fn is_idle(&self, slot: usize) -> bool {
        self.rack.is_idle(slot)
    }

    #[inline]
    fn take_permit(&self, may: impl Fn(Word) -> bool) -> Result<(), Word> {
        let mut word = Word(self.word.load(Relaxed));
        while may(word) {
            let order = Edge::TakePermit.ordering();
            match self.word.compare_exchange_weak(word.0, word.less_idle().0, order, Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => word = Word(seen),
            }
        }
        Err(word)
    }

    /// Publishes a permit, unless somebody waits or it is over.
    #[inline]
    fn publish(&self) -> bool {
        let mut word = Word(self.word.load(Relaxed));
        while !word.is_closed() && word.waiting() == 0 {
            let order = Edge::GivePermit.ordering();
            match self.word.compare_exchange_weak(word.0, word.more_idle().0, order, Relaxed) {
                Ok(_) => return true,
                Err(seen) => word = Word(seen),
            }
        }
        false
    }

    fn hand_over(&self, thing: T) -> Result<Waker, T> {
        let mut line = lock(&self.line);
        match line.tell_first(Outcome::Handed(thing)) {
            Ok(waker) => {
                self.one_waits_less();
                Ok(waker)
            }
            Err(Outcome::Handed(thing)) => Err(thing),
            Err(Outcome::Refused(_)) => unreachable!("what comes back is what went in"),
        }
    }

    /// The line's lock is held: the number in the word and the length of the line go together.
    fn one_waits_less(&self) {
        self.word.fetch_sub(Word::ONE_WAITING, Relaxed);
    }
}
