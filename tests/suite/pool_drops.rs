//! What goes through the pool of a `Database`, dropped after any number of polls, over a line of one byte at a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use cornac::{Client, Database, ListenEvent, Result, Statement};
use cornac_tests::{Action, Direction, Fault, Place, Proxy, TestDatabase, deadline_of, shared, still_usable};

use crate::dropped::poll_pending;
use crate::pool_waiting::{nothing_is_lost, until};

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Something that a `Database` does, with the id under which it enters rows into the ledger, and how many it enters if it completes.
struct Use {
    name: &'static str,
    rows: i64,
    /// Whether fewer rows are there for as long as it has not completed.
    all_or_none: bool,
    run: fn(Database, i64) -> Running,
}

const INSERT: &str = "INSERT INTO ledger VALUES ($1)";
const INSERT_AND_COUNT: &str = "WITH new AS (INSERT INTO ledger VALUES ($1) RETURNING id) SELECT id + n FROM new, generate_series(0, 6) n";

const USES: &[Use] = &[
    Use {
        name: "checkout",
        rows: 1,
        all_or_none: true,
        run: |db, id| Box::pin(async move { db.checkout().await?.execute(INSERT, (id,)).await.map(drop) }),
    },
    Use {
        name: "execute",
        rows: 1,
        all_or_none: true,
        run: |db, id| Box::pin(async move { db.execute(INSERT, (id,)).await.map(drop) }),
    },
    Use {
        name: "begin, commit",
        rows: 2,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                let mut transaction = db.begin().await?;
                transaction.execute(INSERT, (id,)).await?;
                transaction.execute(INSERT, (id,)).await?;
                transaction.commit().await
            })
        },
    },
    Use {
        name: "begin, rollback",
        rows: 0,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                let mut transaction = db.begin().await?;
                transaction.execute(INSERT, (id,)).await?;
                transaction.rollback().await
            })
        },
    },
    Use {
        name: "transaction with a nested one",
        rows: 2,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                db.transaction(|mut transaction| async move {
                    transaction.execute(INSERT, (id,)).await?;
                    let mut inner = transaction.begin().await?;
                    inner.execute(INSERT, (id,)).await?;
                    inner.rollback().await?;
                    let mut inner = transaction.begin().await?;
                    inner.execute(INSERT, (id,)).await?;
                    inner.commit().await
                })
                .await
            })
        },
    },
    Use {
        name: "fetch_all",
        rows: 1,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                let rows: Vec<(i64,)> = db.fetch_all(INSERT_AND_COUNT, (id,)).await?;
                assert_eq!(rows, (id..=id + 6).map(|id| (id,)).collect::<Vec<_>>());
                Ok(())
            })
        },
    },
    Use {
        name: "rows, left in the middle",
        rows: 1,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                let mut rows = db.rows(INSERT_AND_COUNT, (id,)).await?;
                assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id);
                assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id + 1);
                Ok(())
            })
        },
    },
    Use {
        name: "stream_query with a fetch size",
        rows: 1,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                let statement = Statement::new(INSERT_AND_COUNT).fetch_size(3);
                let mut rows = db.stream_query::<(i64,), _>(statement, (id,)).await?;
                for n in 0..=6 {
                    assert_eq!(rows.next().await?, Some((id + n,)));
                }
                assert_eq!(rows.next().await?, None);
                Ok(())
            })
        },
    },
    Use {
        name: "execute_many",
        rows: 3,
        all_or_none: true,
        run: |db, id| Box::pin(async move { db.execute_many(INSERT, [(id,), (id,), (id,)]).await.map(drop) }),
    },
    Use {
        name: "copy_records_to_table",
        rows: 3,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                db.copy_records_to_table("ledger", &["id"], [(id,), (id,), (id,)]).await.map(drop)
            })
        },
    },
    Use {
        name: "a session that is changed",
        rows: 1,
        all_or_none: true,
        run: |db, id| {
            Box::pin(async move {
                let mut connection = db.checkout().await?;
                connection.execute("SET work_mem = '123kB'", ()).await?;
                connection.execute(INSERT, (id,)).await.map(drop)
            })
        },
    },
];

/// A pool of one connection over a line that carries one byte at a time to the client.
async fn narrow(database: &TestDatabase) -> (Proxy, Database) {
    let fragment = |direction| Fault { direction, place: Place::Byte(0), action: Action::Fragment(1) };
    let faults = vec![fragment(Direction::ToClient), fragment(Direction::ToServer)];
    let proxy = Proxy::start(database.config().hosts()[0].port, faults).await.unwrap();
    let config = database.config().clone().port(proxy.port());
    let builder = Database::builder().min_size(0).max_size(1).acquire_timeout(Duration::from_secs(20));
    let db = builder.connect_with(&config).await.unwrap();
    (proxy, db)
}

/// In what state the pool is when the call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// A connection is idle.
    Idle,
    /// None is there.
    Empty,
    /// The only one is held, and comes back while the call is polled.
    Held,
}

/// Polls a future once: whether it is pending.
async fn waits<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

async fn drop_everywhere(
    database: &TestDatabase,
    each: &Use,
    before: Before,
    first: i64,
    step: u64,
) -> (u64, u64) {
    let (_proxy, db) = narrow(database).await;
    let mut observer = database.connect().await;
    let (mut drops, mut ran) = (0, 0);
    for (times, id) in (0_u64..).step_by(usize::try_from(step).unwrap()).zip(first..) {
        let name = each.name;
        let mut held = None;
        match before {
            Before::Idle => db.execute("SELECT 1", ()).await.unwrap(),
            Before::Empty => {
                db.retire_all();
                until(&db, |stats| stats.size == 0).await;
                0
            }
            Before::Held => {
                held = Some(db.checkout().await.unwrap());
                0
            }
        };
        let mut running = (each.run)(db.clone(), id);
        if held.is_some() {
            assert!(waits(&mut running).await, "{name}: nothing is idle");
        }
        // From here on, the connection is on its way to it.
        drop(held);
        let output = poll_pending(&mut running, times).await;
        drop(running);
        // The next user's answer is its own, and nothing is open.
        let mut connection = db.checkout().await.unwrap();
        still_usable(&mut connection).await;
        let clean =
            "SELECT current_setting('work_mem') <> '123kB' AND pg_current_xact_id_if_assigned() IS NULL";
        assert!(connection.fetch_value::<bool, _>(clean, ()).await.unwrap(), "{name}");
        drop(connection);
        let rows: i64 =
            observer.fetch_value("SELECT count(*) FROM ledger WHERE id = $1", (id,)).await.unwrap();
        let completed = output.is_some();
        if let Some(output) = output {
            output.unwrap();
            assert_eq!(rows, each.rows, "{name}: completed");
        } else if each.all_or_none {
            assert!(rows == 0 || rows == each.rows, "{name}: {rows} rows after {times} polls");
            ran += u64::from(rows > 0);
        }
        if completed {
            break;
        }
        drops += 1;
    }
    nothing_is_lost(&db).await;
    let stats = db.pool_stats();
    assert!(stats.size <= 1 && stats.timed_out == 0, "{stats:?}");
    db.close().await.unwrap();
    let stats = db.pool_stats();
    assert_eq!((stats.opened, stats.waiting), (stats.closed.total(), 0), "{stats:?}");
    (drops, ran)
}

/// With `CORNAC_EVERY_POINT`, at every poll also where a connection is opened each time, which takes hundreds of them.
async fn dropped_at_every_poll(before: Before, step: u64) {
    let step = if std::env::var_os("CORNAC_EVERY_POINT").is_some() { 1 } else { step };
    deadline_of(280, async {
        let database = shared().database().await;
        database.connect().await.simple_query("CREATE TABLE ledger (id int8)").await.unwrap();
        let mut all = 0;
        for (number, each) in (1_i64..).zip(USES) {
            let (drops, ran) = drop_everywhere(&database, each, before, number << 32, step).await;
            println!("{} ({before:?}): dropped at {drops} points, {ran} times its rows are there", each.name);
            assert!(drops * step > 10, "{}: {drops}", each.name);
            all += drops;
        }
        println!("{} calls of a Database were dropped at {all} points ({before:?})", USES.len());
    })
    .await;
}

#[tokio::test]
async fn drop_03_what_finds_a_connection_idle_can_be_dropped_at_every_poll() {
    dropped_at_every_poll(Before::Idle, 1).await;
}

#[tokio::test]
async fn drop_03_what_waits_for_a_connection_can_be_dropped_at_every_poll() {
    dropped_at_every_poll(Before::Held, 3).await;
}

#[tokio::test]
async fn drop_03_what_has_a_connection_opened_can_be_dropped_at_every_poll() {
    dropped_at_every_poll(Before::Empty, 9).await;
}

#[tokio::test]
async fn drop_03_close_and_warm_up_can_be_dropped_at_every_poll() {
    deadline_of(120, async {
        let database = shared().database().await;
        let mut drops = 0;
        for times in 0.. {
            let (_proxy, db) = narrow(&database).await;
            db.resize(2).unwrap();
            let warm = db.clone();
            let mut warming = Box::pin(async move { warm.warm_up(2, Duration::from_secs(20)).await });
            let warmed = poll_pending(&mut warming, times).await;
            drop(warming);
            db.resize(1).unwrap();
            still_usable(&mut db.checkout().await.unwrap()).await;
            let held = db.checkout().await.unwrap();
            let closes = db.clone();
            let mut closing = Box::pin(async move { closes.close().await });
            assert!(times == 0 || waits(&mut closing).await, "one is out");
            drop(closing);
            if times > 0 {
                assert!(db.execute("SELECT 1", ()).await.is_err(), "polled once, it is closed");
            }
            drop(held);
            db.close().await.unwrap();
            let stats = db.pool_stats();
            assert_eq!((stats.opened, stats.size, stats.waiting), (stats.closed.total(), 0, 0), "{stats:?}");
            drops += 2;
            if warmed.is_some() || times >= 12 {
                break;
            }
        }
        println!("warm_up and close were dropped at {drops} points");
        assert!(drops >= 4);
    })
    .await;
}

#[tokio::test]
async fn drop_02_listening_can_be_dropped_at_every_poll_and_no_notification_is_lost() {
    deadline_of(120, async {
        let database = shared().database().await;
        let (_proxy, db) = narrow(&database).await;
        let mut observer = database.connect().await;
        // Making a listener.
        let mut made = 0;
        let mut listener = loop {
            let listening = db.clone();
            let mut making = Box::pin(async move { listening.listen(&["a", "b"]).await });
            match poll_pending(&mut making, made).await {
                Some(listener) => break listener.unwrap(),
                None => made += 1,
            }
        };
        // Hearing: each notification is there after as many dropped calls as it takes.
        let (mut heard, mut drops) = (0_i32, 0_u64);
        let sql = "SELECT pg_notify('a', $1::text)";
        for (sent, times) in (0_i32..).zip((0..40).chain([1000])) {
            observer.execute(sql, (sent.to_string(),)).await.unwrap();
            loop {
                let mut hearing = Box::pin(listener.next());
                match poll_pending(&mut hearing, times).await {
                    Some(event) => {
                        let ListenEvent::Notification(notification) = event.unwrap() else { panic!("interrupted") };
                        assert_eq!(notification.payload, heard.to_string());
                        heard += 1;
                        break;
                    }
                    None => drops += 1,
                }
                if times == 0 {
                    break;
                }
                drop(hearing);
                tokio::task::yield_now().await;
            }
        }
        // The one that was asked for with no poll at all was heard by the next.
        let last: String = match listener.next().await.unwrap() {
            ListenEvent::Notification(notification) => notification.payload,
            event => panic!("{event:?}"),
        };
        assert_eq!(last, heard.to_string());
        // Listening to more, and to less.
        let mut changed = 0;
        for channel in (0..).map(|number| format!("channel {number}")) {
            let mut adding = Box::pin(listener.listen(&channel));
            if poll_pending(&mut adding, changed).await.is_some() {
                break;
            }
            changed += 1;
        }
        let mut less = 0;
        loop {
            let mut leaving = Box::pin(listener.unlisten("b"));
            if poll_pending(&mut leaving, less).await.is_some() {
                break;
            }
            less += 1;
        }
        observer.execute("SELECT pg_notify('a', 'end')", ()).await.unwrap();
        let ListenEvent::Notification(end) = listener.next().await.unwrap() else { panic!("interrupted") };
        assert_eq!(end.payload, "end");
        println!(
            "listen: made after {made} drops, {heard} notifications heard through {drops} drops, channels changed through {changed} and {less}"
        );
        assert!(made > 20 && drops > 5 && changed > 1 && less > 1, "{made} {drops} {changed} {less}");
        drop(listener);
        let there = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%LISTEN%'";
        while observer.fetch_value::<i64, _>(there, ()).await.unwrap() > 1 {}
        still_usable(&mut observer).await;
    })
    .await;
}
