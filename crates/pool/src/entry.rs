//! A connection in the pool, and the seat that it has in the roster.

use std::sync::Arc;

use crate::exchange::Seated;
use crate::home::Home;
use crate::roster::Stage;
use crate::shared::Shared;
use crate::{CloseReason, Manager};

/// A connection, with what goes where it goes. Dropping it closes it, and then leaves its seat.
pub(crate) struct Entry<M: Manager> {
    // Dropped in this order: the seat is free once the connection is gone.
    pub(crate) connection: M::Connection,
    pub(crate) home: Arc<Home>,
    pub(crate) expires_at: u64,
    pub(crate) checked_out_at: u64,
    pub(crate) generation: u64,
    pub(crate) seat: Seat<M>,
}

impl<M: Manager> Seated for Box<Entry<M>> {
    #[inline]
    fn slot(&self) -> usize {
        self.seat.slot()
    }

    fn turned_away(&mut self) {
        self.seat.leave(CloseReason::PoolClosed);
    }
}

/// A place in the roster. Whatever becomes of a connection, or of the attempt to open it, its seat is free afterwards.
pub(crate) struct Seat<M: Manager> {
    shared: Arc<Shared<M>>,
    slot: u32,
    stage: Stage,
    reason: CloseReason,
}

impl<M: Manager> Seat<M> {
    /// For a place that was reserved.
    pub(crate) fn new(shared: Arc<Shared<M>>, slot: u32) -> Self {
        // A task that holds a connection is dropped by nothing but its runtime.
        Self { shared, slot, stage: Stage::Opening, reason: CloseReason::RuntimeEnded }
    }

    #[inline]
    pub(crate) fn slot(&self) -> usize {
        self.slot as usize
    }

    /// There is a connection now.
    pub(crate) fn opened(&mut self) {
        self.stage = Stage::Open;
        self.shared.roster.opened();
    }

    /// Nobody gets the connection any more. The first reason counts.
    pub(crate) fn leave(&mut self, reason: CloseReason) {
        if self.stage == Stage::Open {
            self.stage = Stage::Leaving;
            self.reason = reason;
            self.shared.roster.leaving();
        }
    }
}

impl<M: Manager> Drop for Seat<M> {
    fn drop(&mut self) {
        self.shared.roster.vacate(self.slot, self.stage, self.reason);
        self.shared.seat_vacated();
    }
}
