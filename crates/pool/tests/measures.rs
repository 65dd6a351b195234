//! What a manager is told of waits and uses, if it wants to be.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cornac_pool::{Builder, Manager, Pool, Pooled};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Told {
    waits: Mutex<Vec<Duration>>,
    uses: Mutex<Vec<Duration>>,
    panics: AtomicBool,
}

/// Takes a second to open a connection, which is nothing.
struct Measuring(Arc<Told>);

impl Manager for Measuring {
    type Connection = ();
    type Error = Infallible;

    const MEASURES: bool = true;

    async fn open(&self) -> Result<(), Infallible> {
        sleep(SECOND).await;
        Ok(())
    }

    async fn check(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn observe_wait(&self, waited: Duration) {
        assert!(!self.0.panics.load(SeqCst), "as told");
        self.0.waits.lock().expect("nobody panics with it").push(waited);
    }

    fn observe_use(&self, held_for: Duration) {
        assert!(!self.0.panics.load(SeqCst), "as told");
        self.0.uses.lock().expect("nobody panics with it").push(held_for);
    }
}

impl Told {
    /// What it was told since the last look, in seconds.
    fn take(&self) -> (Vec<u64>, Vec<u64>) {
        let seconds = |all: &Mutex<Vec<Duration>>| {
            let all = std::mem::take(&mut *all.lock().expect("nobody panics with it"));
            all.iter().map(Duration::as_secs).collect()
        };
        (seconds(&self.waits), seconds(&self.uses))
    }
}

fn pool() -> (Pool<Measuring>, Arc<Told>) {
    let told = Arc::<Told>::default();
    let builder = Builder::new().min_size(0).max_size(1).acquire_timeout(4 * SECOND).check_after(None);
    (builder.build(Measuring(Arc::clone(&told))).expect("it is in range"), told)
}

#[tokio::test(start_paused = true)]
async fn each_wait_and_each_use_is_told_once() {
    let (pool, told) = pool();
    let held = pool.checkout().await.expect("it opens");
    assert_eq!(told.take(), (vec![1], vec![]));
    let next = tokio::spawn({
        let pool = pool.clone();
        async move { pool.checkout().await.expect("it comes back") }
    });
    sleep(3 * SECOND).await;
    drop(held);
    let held = next.await.expect("it does not panic");
    assert_eq!(told.take(), (vec![3], vec![3]));
    // Who waits in vain is told nothing of.
    pool.checkout().await.expect_err("it is held");
    assert_eq!(told.take(), (vec![], vec![]));
    Pooled::detach(held);
    assert_eq!(told.take(), (vec![], vec![4]));
    let held = pool.checkout().await.expect("there is room");
    sleep(2 * SECOND).await;
    Pooled::retire(held);
    assert_eq!(told.take(), (vec![1], vec![2]));
    drop(pool.checkout().await.expect("there is room"));
    drop(pool.checkout().await.expect("it is idle"));
    assert_eq!(told.take(), (vec![1, 0], vec![0, 0]));
}

#[tokio::test(start_paused = true)]
async fn one_who_panics_when_told_harms_nobody() {
    let (pool, told) = pool();
    told.panics.store(true, SeqCst);
    let held = pool.checkout().await.expect("the pool goes on");
    assert_eq!(pool.stats().in_use, 1);
    drop(held);
    Pooled::retire(pool.checkout().await.expect("it is idle"));
    told.panics.store(false, SeqCst);
    drop(pool.checkout().await.expect("the pool goes on"));
    assert_eq!(told.take(), (vec![1], vec![0]));
    let stats = pool.stats();
    assert_eq!((stats.opened, stats.closed.total(), stats.in_use, stats.idle), (2, 1, 0, 1));
}
