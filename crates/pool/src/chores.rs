//! What the keeper has done, each in a task of its own: opening, cleaning, closing.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::entry::{Entry, Seat};
use crate::home::Home;
use crate::keeper::Errand;
use crate::shared::{NEVER, Shared, nanos};
use crate::within::within;
use crate::{CloseReason, Failure, Manager, Step, random};

/// Opens a connection, for whoever wants it by then.
pub(crate) async fn open<M: Manager>(shared: Arc<Shared<M>>, seat: Seat<M>, home: Arc<Home>) {
    let mut closing = shared.closing.subscribe();
    let opened = tokio::select! {
        opened = within(Step::Open, shared.options.open_timeout, shared.manager.open()) => opened,
        _ = closing.wait_for(|closing| *closing) => return,
    };
    let entry = match opened {
        Ok(connection) => welcome(&shared, connection, seat, home).await,
        Err(failure) => Err((failure, seat)),
    };
    match entry {
        Ok(entry) => {
            shared.roster.succeeded();
            shared.put_back(entry);
            shared.changed.notify_waiters();
            // There may be others to open, now that it works.
            shared.office.wake();
        }
        Err((failure, seat)) => {
            // The failure is known before the seat is free: whoever is woken by that looks at it.
            shared.open_failed(failure);
            drop(seat);
        }
    }
}

type Refused<M> = (Failure<<M as Manager>::Error>, Seat<M>);

async fn welcome<M: Manager>(
    shared: &Arc<Shared<M>>,
    mut connection: M::Connection,
    mut seat: Seat<M>,
    home: Arc<Home>,
) -> Result<Box<Entry<M>>, Refused<M>> {
    // Read before the hook runs: a connection that `retire_all` found being opened is as old as the others.
    let generation = shared.generation.load(Relaxed);
    seat.opened();
    let hook = within(
        Step::AfterConnect,
        shared.options.hook_timeout,
        shared.manager.after_connect(&mut connection),
    );
    if let Err(failure) = hook.await {
        seat.leave(CloseReason::HookFailed);
        drop(connection);
        return Err((failure, seat));
    }
    let now = shared.now();
    let expires_at = shared
        .options
        .max_lifetime
        .map_or(NEVER, |lifetime| now.saturating_add(jittered(lifetime, shared.options.lifetime_jitter)));
    let entry = Entry { connection, home, expires_at, checked_out_at: now, generation, seat };
    shared.desk(&entry).expires_at.store(expires_at, Relaxed);
    Ok(Box::new(entry))
}

fn jittered(lifetime: Duration, part: f64) -> u64 {
    nanos(lifetime.mul_f64(1.0 - part * random::unit()))
}

/// Cleans a connection or closes it.
pub(crate) async fn run<M: Manager>(shared: Arc<Shared<M>>, mut entry: Box<Entry<M>>, errand: Errand) {
    if !entry.home.is_usable_here() {
        return shared.dismiss(entry, CloseReason::RuntimeEnded);
    }
    if errand == Errand::Close {
        return close(&shared, entry).await;
    }
    if errand == Errand::Clean {
        let recycled = shared.manager.recycle(&mut entry.connection);
        if let Err(failure) = within(Step::Recycle, shared.options.recycle_timeout, recycled).await {
            shared.manager.observe(&failure);
            return shared.dismiss(entry, CloseReason::CannotClean);
        }
    }
    if M::HAS_BEFORE_RETURN {
        let hook = shared.manager.before_return(&mut entry.connection);
        if let Err(failure) = within(Step::BeforeReturn, shared.options.hook_timeout, hook).await {
            shared.manager.observe(&failure);
            return shared.dismiss(entry, CloseReason::HookFailed);
        }
    }
    shared.put_back(entry);
}

async fn close<M: Manager>(shared: &Shared<M>, entry: Box<Entry<M>>) {
    let Entry { connection, seat, .. } = *entry;
    let goodbye = async {
        shared.manager.close(connection).await;
        Ok(())
    };
    if let Err(failure) = within(Step::Close, shared.options.close_timeout, goodbye).await {
        shared.manager.observe(&failure);
    }
    // The connection is gone, or was dropped with the future that had it: only now is there room for another.
    drop(seat);
}
