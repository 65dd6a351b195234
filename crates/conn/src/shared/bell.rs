//! Who is called when the socket is ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// What the socket wakes: it passes the call on to one waiting caller, who then reads and writes for all.
///
/// Which one that is, is settled anew whenever somebody has read and written; so nobody has to be told that he no longer is it, and a
/// socket whose waker never changes need not be told anything.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// It has rung since somebody last came.
    rung: bool,
    target: Option<Waker>,
}

impl Bell {
    /// Somebody is here: whatever happens from now on must ring again.
    pub(super) fn silence(&self) {
        // Dropped behind the lock: the last waker of a task may drop the task.
        let _target = {
            let mut state = self.lock();
            state.rung = false;
            state.target.take()
        };
    }

    /// From now on, `target` is called: at once, if it has rung meanwhile.
    pub(super) fn listen(&self, target: Option<Waker>) {
        let (called, _before) = {
            let mut state = self.lock();
            if state.rung {
                (target, state.target.take())
            } else {
                (None, std::mem::replace(&mut state.target, target))
            }
        };
        if let Some(called) = called {
            called.wake();
        }
    }

    fn ring(&self) {
        let called = {
            let mut state = self.lock();
            state.rung = true;
            state.target.take()
        };
        if let Some(called) = called {
            called.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
