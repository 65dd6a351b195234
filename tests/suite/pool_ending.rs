//! A `Database` that is closed, or given another size, while it is used.

use std::time::{Duration, Instant};

use cornac::config::SslMode;
use cornac::{CheckoutError, Client, CloseReason, Connection, Database, StillInUse};
use cornac_tests::{Action, Direction, Fault, Place, Proxy, deadline, shared, still_usable};

use crate::pool_waiting::{checkout_error, nothing_is_lost, until};

/// Backends of the pool under test.
async fn backends(observer: &mut Connection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pooled'";
    observer.fetch_value(sql, ()).await.unwrap()
}

#[tokio::test]
async fn pool_04_close_while_idle_in_use_and_waiting_tells_all_and_leaves_nothing() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let config = database.config().clone().application_name("pooled");
        // Idle.
        let db = Database::builder().min_size(4).max_size(4).connect_with(&config).await.unwrap();
        db.warm_up(4, Duration::from_secs(30)).await.unwrap();
        assert_eq!(backends(&mut observer).await, 4);
        db.close().await.unwrap();
        while backends(&mut observer).await > 0 {}
        let refused = db.execute("SELECT 1", ()).await.unwrap_err();
        assert!(matches!(checkout_error(&refused), CheckoutError::Closed), "{refused:?}");
        assert_eq!(db.pool_stats().closed.by(CloseReason::PoolClosed), 4);
        // In use, and waited for: those who wait are told at once; close gives up after its time and says who holds what.
        let db = Database::builder().min_size(0).max_size(2).connect_with(&config).await.unwrap();
        let mut busy = db.checkout().await.unwrap();
        let idle = db.checkout().await.unwrap();
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.execute("SELECT 1", ()).await.unwrap_err() })
            })
            .collect();
        until(&db, |stats| stats.waiting == 8).await;
        let began = Instant::now();
        let limit = Duration::from_millis(300);
        let (closed, told) = tokio::join!(db.close_within(limit), async {
            for waiting in waiting {
                let error = waiting.await.unwrap();
                assert!(matches!(checkout_error(&error), CheckoutError::Closed), "{error:?}");
            }
            began.elapsed()
        });
        let error = closed.unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let still = source.downcast_ref::<StillInUse>().expect("the pool says who is in the way");
        println!("close gave up after {:?}: {error}; 8 waiters were told within {told:?}", began.elapsed());
        assert_eq!(still.holders.len(), 2);
        assert!(began.elapsed() >= limit && told < limit, "{told:?}");
        // Who holds one works on with it; it is closed when it comes back, and nothing is opened in its place.
        still_usable(&mut busy).await;
        drop((busy, idle));
        db.close().await.unwrap();
        while backends(&mut observer).await > 0 {}
        let stats = db.pool_stats();
        assert_eq!(
            (stats.opened, stats.closed.total(), stats.open, stats.opening),
            (2, 2, 0, 0),
            "{stats:?}"
        );
        // With a longer limit it waits for who works.
        let db = Database::builder().min_size(0).max_size(2).connect_with(&config).await.unwrap();
        let worker = db.clone();
        let working = tokio::spawn(async move { worker.execute("SELECT pg_sleep(0.5)", ()).await });
        until(&db, |stats| stats.in_use == 1).await;
        db.close().await.unwrap();
        assert_eq!(working.await.unwrap().unwrap(), 1);
        assert_eq!(db.pool_stats().open, 0);
        still_usable(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn pool_04_close_while_opening_opens_nothing_afterwards() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let port = database.config().hosts()[0].port;
        // In the middle of the login, and when the server already takes commands.
        for message in [1, 2, 5] {
            let stall = Fault {
                direction: Direction::ToClient,
                place: Place::Message(message),
                action: Action::Stall,
            };
            let proxy = Proxy::start(port, vec![stall]).await.unwrap();
            // The proxy counts messages, which the answer to SSLRequest is not.
            let config = database.config().clone().application_name("pooled").ssl_mode(SslMode::Disable);
            let config = config.port(proxy.port());
            let db = Database::builder().min_size(3).max_size(3).connect_lazy_with(&config).unwrap();
            let caller = db.clone();
            let waiting = tokio::spawn(async move { caller.execute("SELECT 1", ()).await.unwrap_err() });
            while proxy.faults_met() < 3 {
                tokio::task::yield_now().await;
            }
            assert_eq!(db.pool_stats().opening, 3);
            let began = Instant::now();
            db.close().await.unwrap();
            let took = began.elapsed();
            let error = waiting.await.unwrap();
            assert!(matches!(checkout_error(&error), CheckoutError::Closed), "{error:?}");
            proxy.resume();
            while backends(&mut observer).await > 0 {}
            let stats = db.pool_stats();
            println!(
                "closed within {took:?} while 3 were being opened, at message {message}: {} opened",
                stats.opened
            );
            assert!(took < Duration::from_secs(5), "{took:?}");
            assert_eq!((stats.opened, stats.opening, stats.size), (0, 0, 0), "{stats:?}");
            assert_eq!(proxy.faults_met(), 3, "none was opened afterwards");
        }
        still_usable(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn pool_05_resized_down_under_use_and_up_under_waiters_harms_no_one() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let config = database.config().clone().application_name("pooled");
        let db = Database::builder().min_size(0).max_size(8).connect_with(&config).await.unwrap();
        // Down, while eight statements run.
        let running: Vec<_> = (0..8_i32)
            .map(|number| {
                let db = db.clone();
                let sql = "SELECT $1::int4 FROM pg_sleep(0.3)";
                tokio::spawn(async move { db.fetch_value::<i32, _>(sql, (number,)).await })
            })
            .collect();
        until(&db, |stats| stats.in_use == 8).await;
        db.resize(2).unwrap();
        for (number, task) in (0..).zip(running) {
            assert_eq!(task.await.unwrap().unwrap(), number);
        }
        until(&db, |stats| stats.size == 2).await;
        while backends(&mut observer).await > 2 {}
        let stats = db.pool_stats();
        assert_eq!((stats.closed.by(CloseReason::Resized), stats.max_size), (6, 2), "{stats:?}");
        // Up, while six wait.
        let held = [db.checkout().await.unwrap(), db.checkout().await.unwrap()];
        let waiting: Vec<_> = (0..6)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.checkout().await })
            })
            .collect();
        until(&db, |stats| stats.waiting == 6).await;
        assert_eq!(backends(&mut observer).await, 2);
        db.resize(8).unwrap();
        let mut all = Vec::new();
        for waiting in waiting {
            let mut connection = waiting.await.unwrap().unwrap();
            still_usable(&mut connection).await;
            all.push(connection);
        }
        assert_eq!(backends(&mut observer).await, 8);
        // Down again with all in use, and idle.
        db.resize(4).unwrap();
        drop(held);
        until(&db, |stats| stats.size == 6).await;
        drop(all);
        until(&db, |stats| stats.size == 4 && stats.idle == 4).await;
        db.resize(1).unwrap();
        until(&db, |stats| stats.size == 1).await;
        while backends(&mut observer).await > 1 {}
        println!("resized 8, 2, 8, 4, 1 under use: {:?}", db.pool_stats().closed);
        nothing_is_lost(&db).await;
        still_usable(&mut db.checkout().await.unwrap()).await;
    })
    .await;
}
