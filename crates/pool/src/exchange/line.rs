//! The line of those who wait, first come, first served.

use std::mem;
use std::task::Waker;

/// What somebody who waits is told.
#[derive(Debug)]
pub(crate) enum Outcome<T, R> {
    /// It is theirs.
    Handed(T),
    /// It will not be.
    Refused(R),
}

/// The right to one place in the line. It has to be given back, by [`Line::redeem`] or [`Line::leave`].
#[derive(Debug)]
#[must_use = "a place in the line is kept until it is given back"]
pub(crate) struct Ticket(u32);

/// Which end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Whoever had its turn already, and was handed something that could not be used.
    Front,
    /// Everybody else.
    Back,
}

/// No node.
const NONE: u32 = u32::MAX;
/// As many nodes as are kept when nobody waits.
const KEPT: usize = 256;

/// A queue in a slab: nodes are linked by their numbers, so that anyone in the middle leaves in one step, and waiting allocates nothing once the slab has grown.
#[derive(Debug)]
pub(super) struct Line<T, R> {
    nodes: Vec<Node<T, R>>,
    first_free: u32,
    free: usize,
    front: u32,
    back: u32,
    /// Not later than the earliest deadline of anyone who waits.
    earliest: u64,
}

#[derive(Debug)]
struct Node<T, R> {
    state: State<T, R>,
    before: u32,
    after: u32,
}

#[derive(Debug)]
enum State<T, R> {
    /// `after` is the next free node.
    Free,
    /// In the line.
    Waiting { waker: Waker, deadline: u64 },
    /// Out of the line: it has been told, and has not looked yet.
    Told(Outcome<T, R>),
}

/// What leaving the line gives back.
#[derive(Debug)]
pub(super) enum Left<T, R> {
    /// The waker of one who still waited.
    Waiting(Waker),
    /// What it had been told, and now never hears.
    Told(Outcome<T, R>),
}

impl<T, R> Line<T, R> {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), first_free: NONE, free: 0, front: NONE, back: NONE, earliest: u64::MAX }
    }

    /// Enters at an end.
    pub(super) fn enter(&mut self, end: End, waker: Waker, deadline: u64) -> Ticket {
        self.earliest = self.earliest.min(deadline);
        let node = self.allocate(State::Waiting { waker, deadline });
        match end {
            End::Back => {
                self.node(node).before = self.back;
                match self.back {
                    NONE => self.front = node,
                    back => self.node(back).after = node,
                }
                self.back = node;
            }
            End::Front => {
                self.node(node).after = self.front;
                match self.front {
                    NONE => self.back = node,
                    front => self.node(front).before = node,
                }
                self.front = node;
            }
        }
        Ticket(node)
    }

    /// Tells whoever is first, who leaves the line by that. Gives the outcome back if nobody waits.
    pub(super) fn tell_first(&mut self, outcome: Outcome<T, R>) -> Result<Waker, Outcome<T, R>> {
        match self.front {
            NONE => Err(outcome),
            front => Ok(self.tell(front, outcome)),
        }
    }

    /// Refuses everybody whose deadline is not after `now`, and says when the next one is. `told` hears who is to be woken.
    pub(super) fn refuse_until(
        &mut self,
        now: u64,
        mut refusal: impl FnMut() -> R,
        mut told: impl FnMut(Waker),
    ) -> u64 {
        if now >= self.earliest {
            self.earliest = u64::MAX;
            let mut next = self.front;
            while next != NONE {
                let (node, after) = (next, self.node(next).after);
                if let State::Waiting { deadline, .. } = self.node(node).state {
                    if deadline <= now {
                        told(self.tell(node, Outcome::Refused(refusal())));
                    } else {
                        self.earliest = self.earliest.min(deadline);
                    }
                }
                next = after;
            }
        }
        if self.front == NONE { u64::MAX } else { self.earliest }
    }

    /// What the ticket's owner has been told; else its waker is replaced (and the old one returned, to be dropped without the lock).
    pub(super) fn redeem(&mut self, ticket: &Ticket, waker: &Waker) -> Result<Outcome<T, R>, Option<Waker>> {
        match &mut self.node(ticket.0).state {
            State::Waiting { waker: known, .. } if known.will_wake(waker) => Err(None),
            State::Waiting { waker: known, .. } => Err(Some(mem::replace(known, waker.clone()))),
            State::Free | State::Told(_) => match self.release(ticket.0) {
                State::Told(outcome) => Ok(outcome),
                State::Free | State::Waiting { .. } => unreachable!("a ticket is of a node in use"),
            },
        }
    }

    /// Gives a ticket back unused.
    pub(super) fn leave(&mut self, ticket: &Ticket) -> Left<T, R> {
        if let State::Waiting { .. } = self.node(ticket.0).state {
            self.unlink(ticket.0);
        }
        match self.release(ticket.0) {
            State::Waiting { waker, .. } => Left::Waiting(waker),
            State::Told(outcome) => Left::Told(outcome),
            State::Free => unreachable!("a ticket is of a node in use"),
        }
    }

    /// All who wait.
    pub(super) fn wakers(&self) -> Vec<Waker> {
        let waiting = |node: &Node<T, R>| match &node.state {
            State::Waiting { waker, .. } => Some(waker.clone()),
            State::Free | State::Told(_) => None,
        };
        self.nodes.iter().filter_map(waiting).collect()
    }

    fn tell(&mut self, node: u32, outcome: Outcome<T, R>) -> Waker {
        self.unlink(node);
        match mem::replace(&mut self.node(node).state, State::Told(outcome)) {
            State::Waiting { waker, .. } => waker,
            State::Free | State::Told(_) => unreachable!("who is in the line waits"),
        }
    }

    fn unlink(&mut self, node: u32) {
        let Node { before, after, .. } = *self.node(node);
        match before {
            NONE => self.front = after,
            before => self.node(before).after = after,
        }
        match after {
            NONE => self.back = before,
            after => self.node(after).before = before,
        }
    }

    fn allocate(&mut self, state: State<T, R>) -> u32 {
        let fresh = Node { state, before: NONE, after: NONE };
        if self.first_free == NONE {
            self.nodes.push(fresh);
            // The word counts no more than 2^31 who wait, and who has been told is soon gone.
            return u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 wait");
        }
        let node = self.first_free;
        self.free -= 1;
        self.first_free = self.node(node).after;
        *self.node(node) = fresh;
        node
    }

    fn release(&mut self, node: u32) -> State<T, R> {
        let next_free = self.first_free;
        let freed =
            mem::replace(self.node(node), Node { state: State::Free, before: NONE, after: next_free });
        self.first_free = node;
        self.free += 1;
        if self.free == self.nodes.len() && self.free > KEPT {
            // A crowd has gone, and takes its memory with it.
            *self = Self::new();
        }
        freed.state
    }

    fn node(&mut self, node: u32) -> &mut Node<T, R> {
        &mut self.nodes[node as usize]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn waker() -> Waker {
        Waker::noop().clone()
    }

    fn told(line: &mut Line<u32, char>, ticket: &Ticket) -> Option<u32> {
        match line.redeem(ticket, Waker::noop()) {
            Ok(Outcome::Handed(thing)) => Some(thing),
            Ok(Outcome::Refused(_)) => None,
            Err(_) => Some(0),
        }
    }

    #[test]
    fn who_leaves_from_the_middle_takes_nobodys_place() {
        let mut line = Line::<u32, char>::new();
        let tickets: Vec<_> = (0..3).map(|_| line.enter(End::Back, waker(), 9)).collect();
        let again = line.enter(End::Front, waker(), 9);
        assert!(matches!(line.leave(&tickets[1]), Left::Waiting(_)));
        for thing in 1..=3 {
            line.tell_first(Outcome::Handed(thing)).expect("somebody waits");
        }
        assert!(line.tell_first(Outcome::Handed(4)).is_err(), "nobody is left");
        let heard = [&again, &tickets[0], &tickets[2]].map(|ticket| told(&mut line, ticket));
        assert_eq!(heard, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn only_those_whose_time_is_up_are_refused() {
        let mut line = Line::<u32, char>::new();
        let tickets = [5, 3, 8].map(|deadline| line.enter(End::Back, waker(), deadline));
        let mut refused = 0;
        assert_eq!(line.refuse_until(2, || 'x', |_| refused += 1), 3);
        assert_eq!(refused, 0);
        assert_eq!(line.refuse_until(5, || 'x', |_| refused += 1), 8);
        assert_eq!(refused, 2);
        assert_eq!(tickets.each_ref().map(|ticket| told(&mut line, ticket)), [None, None, Some(0)]);
        assert!(matches!(line.leave(&tickets[2]), Left::Waiting(_)));
        assert_eq!(line.refuse_until(5, || 'x', |_| refused += 1), u64::MAX, "nobody waits");
    }

    #[test]
    fn a_crowd_that_has_gone_leaves_no_memory_behind() {
        let mut line = Line::<u32, char>::new();
        let tickets: Vec<_> = (0..1000).map(|_| line.enter(End::Back, waker(), 9)).collect();
        for ticket in &tickets {
            assert!(matches!(line.leave(ticket), Left::Waiting(_)));
        }
        assert_eq!(line.nodes.capacity(), 0);
        let ticket = line.enter(End::Back, waker(), 7);
        assert_eq!(line.refuse_until(0, || 'x', drop), 7);
        assert!(matches!(line.leave(&ticket), Left::Waiting(_)));
    }
}
