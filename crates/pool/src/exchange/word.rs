//! The word that decides: how much is idle, how many wait, and whether it is over.

/// What the exchange's one atomic word says.
///
/// Idle and waiting are never both above zero: each is only raised by a compare-and-swap that has seen the other at zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const WAITING_ONE: u64 = 1 << 32;
const IDLE: u64 = WAITING_ONE - 1;
const CLOSED: u64 = 1 << 63;

impl Word {
    /// What is added to the raw word for one that waits.
    pub(super) const ONE_WAITING: u64 = WAITING_ONE;
    /// The bit of a closed exchange.
    pub(super) const CLOSED: u64 = CLOSED;
    /// As many as can wait. The bit above is that of a closed exchange.
    pub(super) const WAITING_MAX: u32 = (1 << 31) - 1;

    /// How many permits there are: things that are idle, and that nobody has claimed.
    pub(super) fn idle(self) -> u32 {
        (self.0 & IDLE) as u32
    }

    /// How many wait.
    pub(super) fn waiting(self) -> u32 {
        ((self.0 & !CLOSED) >> 32) as u32
    }

    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether a permit can be taken: somebody who waits goes first.
    pub(super) fn has_permit(self) -> bool {
        self.idle() > 0 && self.waiting() == 0
    }

    pub(super) fn less_idle(self) -> Self {
        Self(self.0 - 1)
    }

    pub(super) fn more_idle(self) -> Self {
        Self(self.0 + 1)
    }

    pub(super) fn more_waiting(self) -> Self {
        Self(self.0 + WAITING_ONE)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_three_parts_of_a_word_do_not_touch_each_other() {
        let mut word = Word(0);
        for _ in 0..3 {
            word = word.more_idle();
        }
        assert_eq!((word.idle(), word.waiting(), word.is_closed()), (3, 0, false));
        assert!(word.has_permit());
        word = word.less_idle().more_waiting().more_waiting();
        assert_eq!((word.idle(), word.waiting(), word.is_closed()), (2, 2, false));
        assert!(!word.has_permit(), "who waits goes first");
        word = Word((word.0 | Word::CLOSED) - Word::ONE_WAITING);
        assert_eq!((word.idle(), word.waiting(), word.is_closed()), (2, 1, true));
        let full = Word(u64::from(Word::WAITING_MAX) * Word::ONE_WAITING);
        assert_eq!((full.idle(), full.waiting(), full.is_closed()), (0, Word::WAITING_MAX, false));
    }
}
