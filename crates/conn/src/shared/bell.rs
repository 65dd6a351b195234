//! Who is called when the socket is ready.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

use super::state::Shared;

/// What the socket wakes: it passes the call on to one waiting caller, who then reads and writes for all.
///
/// Which one that is, is settled anew whenever somebody has read and written; so nobody has to be told that he no longer is it, and a
/// socket whose waker never changes need not be told anything.
///
/// A future can be woken and yet not be polled: its task may be busy with another future, as the branches of a `select!` and the members of a
/// `FuturesUnordered` know. Then the others must not wait for it. So a call to one alone is made only as long as a watch is kept: a timer
/// that calls everybody when the one has not come. Without a watch everybody is called at once.
pub(super) struct Bell {
    shared: Weak<Shared>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Somebody has been called since somebody last came.
    rung: bool,
    target: Option<Waker>,
    watched: bool,
}

/// What the timer of the watch wakes.
pub(super) struct Watch(Arc<Bell>);

impl Bell {
    pub(super) fn new(shared: Weak<Shared>) -> Self {
        Self { shared, state: Mutex::default() }
    }

    /// Somebody is here: whatever happens from now on must ring again.
    pub(super) fn silence(&self) {
        // Dropped behind the lock: the last waker of a task may drop the task.
        let _target = {
            let mut state = self.lock();
            state.rung = false;
            state.target.take()
        };
    }

    /// From now on, `target` is called: at once, if it has rung meanwhile. Says whether a watch is kept.
    pub(super) fn listen(&self, target: Option<Waker>) -> bool {
        let (called, _before, watched) = {
            let mut state = self.lock();
            let watched = state.watched;
            if state.rung {
                (target, state.target.take(), watched)
            } else {
                (None, std::mem::replace(&mut state.target, target), watched)
            }
        };
        if let Some(called) = called {
            called.wake();
        }
        watched
    }

    /// A caller has been called otherwise: if it does not come, the watch calls everybody. False when no watch is kept.
    pub(super) fn has_called(&self) -> bool {
        let mut state = self.lock();
        state.rung |= state.watched;
        state.watched
    }

    /// A timer has been started, which will wake what is returned.
    pub(super) fn begin_watch(self: &Arc<Self>) -> Waker {
        self.lock().watched = true;
        Waker::from(Arc::new(Watch(Arc::clone(self))))
    }

    fn ring(&self) {
        let (called, watched) = {
            let mut state = self.lock();
            state.rung = true;
            (state.target.take(), state.watched)
        };
        if watched {
            if let Some(called) = called {
                called.wake();
            }
        } else if let Some(shared) = self.shared.upgrade() {
            shared.call_everybody();
        }
    }

    /// The watch is over. Whoever was called and has not come is passed over.
    fn end_watch(&self) {
        let rung = {
            let mut state = self.lock();
            state.watched = false;
            state.rung
        };
        if rung {
            if let Some(shared) = self.shared.upgrade() {
                shared.call_everybody();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.0.end_watch();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.end_watch();
    }
}
