//! The manager's code, under a deadline, and with its panics caught.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::{Cause, Failure, Step};

/// Runs a step of the manager's. A step that is ready at once costs no timer.
pub(crate) async fn within<T, E>(
    step: Step,
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure<E>> {
    let mut work = pin!(work);
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|context| {
        // What a panic leaves behind is dropped: the future here, its connection by whoever asked.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(done)) => return Poll::Ready(done.map_err(Cause::Manager)),
            Err(panic) => return Poll::Ready(Err(Cause::Panicked(message(panic.as_ref())))),
            Ok(Poll::Pending) => (),
        }
        if timer.is_none() {
            timer.set(Some(sleep(limit)));
        }
        match timer.as_mut().as_pin_mut().map(|timer| timer.poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(Cause::TimedOut(limit))),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    })
    .await
    .map_err(|cause| Failure::new(step, cause))
}

/// Runs a step that does not wait.
pub(crate) fn caught<T, E>(step: Step, work: impl FnOnce() -> T) -> Result<T, Failure<E>> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| Failure::new(step, Cause::Panicked(message(panic.as_ref()))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "something that is no text".to_owned())
}
