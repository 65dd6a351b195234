//! Futures that are dropped at random moments, and outside of any runtime.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cornac_conn::{Client, Config, Connection, Error, SslMode, SslOptions, SslRootCert};
use cornac_tests::pki::{Pki, Request};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, still_usable};
use tokio::runtime::{Builder, Runtime};

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What a verb did with its row: the id, and what it answered.
type Outcome = Result<(), Error>;

/// One verb, picked by `choice` (below [`VERBS`]), that inserts `id` into the ledger once, and checks that what it is answered is its own.
async fn verb(connection: &mut Connection, choice: u64, id: i64) -> Outcome {
    const INSERT: &str = "INSERT INTO ledger VALUES ($1) RETURNING id";
    match choice / 10 {
        0 => assert_eq!(connection.execute("INSERT INTO ledger VALUES ($1)", (id,)).await?, 1),
        1 => assert_eq!(connection.fetch_value::<i64, _>(INSERT, (id,)).await?, id),
        2 => assert_eq!(connection.fetch_one::<(i64,), _>(INSERT, (id,)).await?, (id,)),
        3 => assert_eq!(connection.fetch_optional::<(i64,), _>(INSERT, (id,)).await?, Some((id,))),
        4 => {
            let sql = "WITH new AS (INSERT INTO ledger VALUES ($1) RETURNING id) SELECT id + n FROM new, generate_series(0, 99) n";
            let rows: Vec<i64> = connection.fetch_values(sql, (id,)).await?;
            assert_eq!(rows, (id..id + 100).collect::<Vec<_>>());
        }
        5 => {
            let sql = format!("INSERT INTO ledger VALUES ({id}); SELECT {id}; SELECT repeat('x', 20000)");
            let results = connection.simple_query(&sql).await?;
            assert_eq!(results[1].rows[0].get::<&str>(0).expect("text"), id.to_string());
        }
        6 => {
            let insert = connection.prepare(INSERT).await?;
            assert_eq!(connection.fetch_value::<i64, _>(&insert, (id,)).await?, id);
        }
        7 => {
            let sql = "WITH new AS (INSERT INTO ledger VALUES ($1) RETURNING id) SELECT id FROM new, generate_series(1, 500)";
            let mut rows = connection.rows(sql, (id,)).await?;
            // Some are read, and the rest is left. Before the first one is asked for, nothing is sent.
            for _ in 0..=choice % 10 {
                assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id);
            }
        }
        8 => {
            // Fails behind its insert, which is undone.
            let sql = format!("INSERT INTO ledger VALUES ({id}); SELECT 1/0");
            let refused = connection.simple_query(&sql).await.expect_err("it divides by zero");
            return Err(refused);
        }
        _ if choice == VERBS - 1 => {
            // More than the socket holds: dropped in its middle, it closes the connection.
            let sql = format!("INSERT INTO ledger VALUES ({id}) -- {}", "x".repeat(8 << 20));
            connection.simple_query(&sql).await?;
        }
        _ => {
            let text = "x".repeat(200_000);
            let sql = "INSERT INTO ledger SELECT $1::int8 WHERE length($2::text) = 200000 RETURNING id";
            assert_eq!(connection.fetch_value::<i64, _>(sql, (id, &*text)).await?, id);
        }
    }
    Ok(())
}

const VERBS: u64 = 100;

/// What came of many verbs under a timer.
#[derive(Debug, Default)]
struct Tally {
    completed: BTreeSet<i64>,
    refused: BTreeSet<i64>,
    dropped: u64,
    reconnects: u64,
}

/// Runs `count` random verbs, each under a timer of 1 ms, with ids from `first` on.
async fn drop_at_random(config: &Config, seed: u64, first: i64, count: i64) -> Tally {
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let mut connection = Connection::connect(config).await.unwrap();
    for id in first..first + count {
        let choice = random.below(VERBS);
        // The timer has begun before the verb, by up to a millisecond, so that it hits each moment of it.
        for _ in 0..random.below(20) {
            tokio::task::yield_now().await;
        }
        let timer = tokio::time::sleep(Duration::from_millis(1));
        tokio::select! {
            outcome = verb(&mut connection, choice, id) => match outcome {
                Ok(()) => assert!(tally.completed.insert(id)),
                Err(error) => {
                    assert!(error.sql_state().is_some_and(|state| state.to_string() == "22012") || error.is_closed(), "{error}");
                    assert!(tally.refused.insert(id));
                }
            },
            () = timer => tally.dropped += 1,
        }
        // Every so often the next answer is looked at at once; else another verb meets what was left.
        if random.below(8) == 0 || connection.is_closed() {
            match connection.fetch_value::<i64, _>("SELECT $1::int8", (id,)).await {
                Ok(answer) => assert_eq!(answer, id, "the answer is the question's own"),
                Err(error) => {
                    assert!(error.is_closed() && !error.outcome_unknown(), "{error}");
                    connection = Connection::connect(config).await.unwrap();
                    tally.reconnects += 1;
                }
            }
        }
    }
    // The last one may be under way.
    if !connection.is_closed() {
        still_usable(&mut connection).await;
    }
    tally
}

#[tokio::test]
async fn drop_08_ten_thousand_verbs_under_a_timer_of_a_millisecond() {
    const TASKS: i64 = 4;
    const EACH: i64 = 2500;
    let asked = std::env::var("CORNAC_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seed: u64 = asked.unwrap_or(u64::from(now.subsec_nanos()));
    println!("CORNAC_SEED={seed}");
    let body = async {
        let options = ClusterOptions {
            settings: vec![("log_line_prefix".to_owned(), "%p %e ".to_owned())],
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(&options).unwrap();
        let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        observer.simple_query("CREATE TABLE ledger (id int8)").await.unwrap();
        let config = cluster.config(SUPERUSER);
        let each =
            |task: i64| drop_at_random(&config, seed.wrapping_add(task.unsigned_abs()), task * EACH, EACH);
        let tallies: [Tally; 4] = tokio::join!(each(0), each(1), each(2), each(3)).into();
        wait_for_backends(&mut observer).await;
        let mut all = Tally::default();
        for mut tally in tallies {
            all.completed.append(&mut tally.completed);
            all.refused.append(&mut tally.refused);
            all.dropped += tally.dropped;
            all.reconnects += tally.reconnects;
        }
        let in_ledger: Vec<i64> =
            observer.fetch_values("SELECT id FROM ledger ORDER BY id", ()).await.unwrap();
        let ids: BTreeSet<i64> = in_ledger.iter().copied().collect();
        println!(
            "{} completed, {} refused, {} dropped, of which {} ran all the same; {} connections were closed",
            all.completed.len(),
            all.refused.len(),
            all.dropped,
            ids.difference(&all.completed).count(),
            all.reconnects
        );
        assert_eq!(ids.len(), in_ledger.len(), "nothing ran twice");
        assert!(all.completed.is_subset(&ids), "what completed is there");
        assert!(all.refused.is_disjoint(&ids), "what was refused is not");
        assert!(
            all.dropped > 500 && all.completed.len() > 500,
            "the timer is neither too short nor too long"
        );
        // A connection that is closed in the middle of a request is one thing that a server may log; anything else would be our fault.
        let log = cluster.log();
        let violations: Vec<_> = log.lines().filter(|line| line.contains(" 08P01 ")).collect();
        let cut_off =
            violations.iter().filter(|line| line.ends_with("incomplete message from client")).count();
        println!(
            "{cut_off} requests were cut off, as the server's log says, and {} protocol errors",
            violations.len() - cut_off
        );
        assert_eq!(violations.len(), cut_off, "{violations:?}");
        assert!(all.reconnects > 0 && cut_off as u64 <= all.reconnects);
        assert!(!log.contains("FATAL") && !log.contains("PANIC"), "{log}");
        assert_eq!(TASKS * EACH, 10_000);
        still_usable(&mut observer).await;
    };
    tokio::time::timeout(Duration::from_secs(300), body).await.expect("the test ends within 300 s");
}

/// Waits until the observer is alone: what closed connections had started has ended then.
async fn wait_for_backends(observer: &mut Connection) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
    while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() > 1 {}
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

type Dropped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Verbs, each with its connection inside of its future.
#[derive(Clone, Copy, Debug)]
enum Verb {
    Connect,
    Execute,
    Prepare,
    SimpleQuery,
    LongQuery,
    Rows,
    Cancel,
}

impl Verb {
    const ALL: [Self; 7] = [
        Self::Connect,
        Self::Execute,
        Self::Prepare,
        Self::SimpleQuery,
        Self::LongQuery,
        Self::Rows,
        Self::Cancel,
    ];

    fn future(self, config: Config) -> Dropped {
        Box::pin(async move {
            let mut connection = Connection::connect(&config).await.expect("the server takes connections");
            connection.set_statement_timeout(Some(Duration::from_secs(30)));
            match self {
                Self::Connect => {}
                Self::Execute => drop(connection.execute("SELECT pg_sleep(9)", ()).await),
                Self::Prepare => drop(connection.prepare("SELECT $1::int4").await),
                Self::SimpleQuery => drop(connection.simple_query("SELECT pg_sleep(9)").await),
                Self::LongQuery => {
                    let sql = format!("SELECT '{}'", "x".repeat(16 << 20));
                    drop(connection.simple_query(&sql).await);
                }
                Self::Rows => {
                    let rows = connection.rows("SELECT generate_series(1, 1000000)", ()).await;
                    let mut rows = rows.expect("a statement that works");
                    while rows.next().await.expect("a row or none").is_some() {}
                }
                Self::Cancel => {
                    let token = connection.cancel_token();
                    let _ = tokio::join!(connection.execute("SELECT pg_sleep(9)", ()), token.cancel());
                    connection.close().await.expect("it closes");
                }
            }
        })
    }
}

/// Polls a future `times` times, as often as what it waits for wakes it, or until it has ended.
async fn poll_times(future: &mut Dropped, times: u32) -> bool {
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        polls += 1;
        let ended = future.as_mut().poll(cx).is_ready();
        if ended || polls >= times { std::task::Poll::Ready(ended) } else { std::task::Poll::Pending }
    })
    .await
}

/// Where a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    OutsideOfAnyRuntime,
    AnotherThread,
    AnotherRuntime,
    AfterTheRuntimeEnded,
    AfterTheRuntimeEndedInAnotherThread,
}

/// Drops each future there after each number of polls, until it ends by itself. A panic fails the test, in whichever thread it is.
fn drops_everywhere(config: &Config, place: Place) -> u32 {
    let mut drops = 0;
    for verb in Verb::ALL {
        for times in [1, 4, 10, 25, 60] {
            let runtime = runtime();
            let mut future = verb.future(config.clone());
            let patience = Duration::from_millis(100);
            let polling = async { tokio::time::timeout(patience, poll_times(&mut future, times)).await };
            // One that waits for the server is not polled any more often.
            let polled = runtime.block_on(polling);
            let in_thread =
                |future: Dropped| std::thread::spawn(move || drop(future)).join().expect("no panic");
            match place {
                Place::OutsideOfAnyRuntime => drop(future),
                Place::AnotherThread => in_thread(future),
                Place::AnotherRuntime => self::runtime().block_on(async { drop(future) }),
                Place::AfterTheRuntimeEnded => {
                    drop(runtime);
                    drop(future);
                }
                Place::AfterTheRuntimeEndedInAnotherThread => {
                    drop(runtime);
                    in_thread(future);
                }
            }
            drops += 1;
            if polled != Ok(false) {
                break;
            }
        }
    }
    drops
}

#[test]
fn drop_05_a_future_can_be_dropped_outside_of_its_runtime() {
    let pki = Pki::new().unwrap();
    let request = Request { extensions: "subjectAltName=IP:127.0.0.1", ..Request::default() };
    pki.issue("server", "root", &request).unwrap();
    let cluster = Cluster::start(&pki.server_options("server").unwrap()).unwrap();
    let mut ssl = SslOptions::default();
    ssl.mode = SslMode::VerifyFull;
    ssl.root_cert = SslRootCert::File(pki.path("root.crt"));
    for (name, config) in [("plain", cluster.config("trusted")), ("TLS", cluster.config("trusted").ssl(ssl))]
    {
        for place in [
            Place::OutsideOfAnyRuntime,
            Place::AnotherThread,
            Place::AnotherRuntime,
            Place::AfterTheRuntimeEnded,
            Place::AfterTheRuntimeEndedInAnotherThread,
        ] {
            let drops = drops_everywhere(&config, place);
            println!("{name}, {place:?}: {drops} drops");
            assert!(drops >= 14, "{drops}");
        }
    }
    runtime().block_on(deadline(async {
        let mut observer = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        // What was dropped has closed its socket: the server has nobody left to answer.
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'trusted' AND state <> 'active'";
        while observer.fetch_value::<i64, _>(sql, ()).await.unwrap() > 0 {}
        still_usable(&mut observer).await;
    }));
}
