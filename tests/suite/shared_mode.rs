//! Many callers on one connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cornac::shared::{SharedConnection, SharedError, SharedOptions};
use cornac_conn::{
    Client, Connection, Delivery, Error, ErrorKind, Result, SqlState, Statement, StatementMode,
};
use cornac_proto::message::{Backend, CommandComplete, FormatCode, TransactionStatus, server};
use cornac_tests::scripted::{self, ScriptedServer};
use cornac_tests::{deadline, shared, wait_until_asleep};

/// How many callers there are at a time.
const CALLERS: u64 = 64;

/// Numbers that look random, the same in every run.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Polls `future` up to `times` times, letting others run in between, and drops it then.
async fn polled<F: Future>(future: F, times: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

pub(crate) async fn still_usable(shared: &SharedConnection) {
    let answer: i32 = shared.fetch_value("SELECT $1::int4", (1717_i32,)).await.expect("the connection works");
    assert_eq!(answer, 1717);
}

/// One caller: a statement with a tag of its own must give that tag, in one of several shapes.
async fn call(shared: &SharedConnection, tag: i64) -> Result<()> {
    match tag % 5 {
        0 => {
            let answer: i64 = shared.fetch_value("SELECT $1::int8", (tag,)).await?;
            assert_eq!(answer, tag);
        }
        1 => {
            let answers: Vec<(i64, i32)> =
                shared.fetch_all("SELECT $1::int8, n FROM generate_series(1, 20) n", (tag,)).await?;
            assert_eq!(answers, (1..=20).map(|n| (tag, n)).collect::<Vec<_>>());
        }
        2 => {
            let failed =
                shared.execute("SELECT 1 / ($1::int8 - $1::int8) AS zero", (tag,)).await.unwrap_err();
            if failed.delivery() != Delivery::Answered {
                return Err(failed);
            }
            assert_eq!(failed.sql_state(), Some(SqlState::DIVISION_BY_ZERO), "{failed}");
        }
        3 => {
            let unnamed = Statement::new("SELECT $1::int8 * 2").mode(StatementMode::Unnamed);
            let answer: i64 = shared.fetch_value(unnamed, (tag,)).await?;
            assert_eq!(answer, tag * 2);
        }
        _ => {
            let answer: Option<(String,)> = shared.fetch_optional("SELECT $1::int8::text", (tag,)).await?;
            assert_eq!(answer, Some((tag.to_string(),)));
        }
    }
    Ok(())
}

/// Rounds of 64 callers, one of whom goes at a random moment; gives how often he had his answer by then.
async fn rounds(shared: SharedConnection, rounds: u64, seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let mut too_late = 0;
    for round in 0..rounds {
        let victim = dice.below(CALLERS);
        let patience = dice.below(12);
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let shared = shared.clone();
                let tag = i64::try_from(round * CALLERS + caller).unwrap();
                tokio::spawn(async move {
                    if caller == victim {
                        polled(call(&shared, tag), patience).await
                    } else {
                        Some(call(&shared, tag).await)
                    }
                })
            })
            .collect();
        for (caller, task) in (0..CALLERS).zip(callers) {
            let outcome = task.await.expect("no caller has somebody else's answer");
            if caller == victim {
                too_late += u64::from(outcome.is_some());
            } else {
                outcome.expect("it was not dropped").expect("it is answered");
            }
        }
    }
    still_usable(&shared).await;
    assert_eq!(shared.statistics().waiting + shared.statistics().in_flight, 0);
    too_late
}

async fn connect() -> SharedConnection {
    SharedConnection::connect(shared().config()).await.unwrap()
}

#[tokio::test]
async fn drop_09_one_of_64_callers_goes_and_the_others_get_their_own_answers() {
    deadline(async {
        let shared = connect().await;
        let too_late = rounds(shared.clone(), 150, 0x9e37_79b9_7f4a_7c15).await;
        println!("{too_late} of 150 had their answer before they were dropped; {:?}", shared.statistics());
        assert!(too_late < 150);
        shared.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drop_09_holds_on_several_threads() {
    deadline(async {
        let shared = connect().await;
        let too_late = rounds(shared.clone(), 150, 0x2545_f491_4f6c_dd1d).await;
        println!("{too_late} of 150 had their answer before they were dropped; {:?}", shared.statistics());
        shared.close().await.unwrap();
    })
    .await;
}

/// Every caller goes at a moment of its own, on several threads; those that stay are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_come_and_go_at_random() {
    deadline(async {
        let shared = connect().await;
        let callers: Vec<_> = (0..16_u64)
            .map(|caller| {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let mut dice = Dice(caller + 1);
                    let (mut answered, mut dropped) = (0_u64, 0_u64);
                    for number in 0..300 {
                        let tag = i64::try_from(caller * 1_000 + number).unwrap();
                        let patience = if dice.below(2) == 0 { u64::MAX } else { dice.below(6) };
                        match polled(call(&shared, tag), patience).await {
                            Some(answer) => {
                                answer.expect("it is answered");
                                answered += 1;
                            }
                            None => dropped += 1,
                        }
                    }
                    (answered, dropped)
                })
            })
            .collect();
        let (mut answered, mut dropped) = (0, 0);
        for caller in callers {
            let (a, d) = caller.await.expect("no caller has somebody else's answer");
            answered += a;
            dropped += d;
        }
        println!("{answered} answered, {dropped} dropped; {:?}", shared.statistics());
        assert!(answered > 2_000 && dropped > 200, "{answered} {dropped}");
        still_usable(&shared).await;
    })
    .await;
}

#[tokio::test]
async fn an_error_reaches_the_one_caller_whose_it_is() {
    deadline(async {
        let shared = connect().await;
        for round in ["cold", "warm"] {
            let (wrong, unknown, divided, unfit, too_many, none, fine) = tokio::join!(
                shared.execute("SELECT FROM WHERE", ()),
                shared.execute("SELECT nonsense", ()),
                shared.execute("SELECT 1 / $1::int4", (0,)),
                shared.execute("SELECT $1::int4", (i64::MAX,)),
                shared.fetch_one::<(i32,), _>("SELECT generate_series(1, 2)", ()),
                shared.fetch_value::<i32, _>("SELECT 1 WHERE false", ()),
                shared.fetch_value::<String, _>("SELECT 'fine'", ()),
            );
            let state = |error: Error| error.sql_state();
            assert_eq!(state(wrong.unwrap_err()), Some(SqlState::SYNTAX_ERROR), "{round}");
            assert_eq!(state(unknown.unwrap_err()), Some(SqlState::UNDEFINED_COLUMN), "{round}");
            let divided = divided.unwrap_err();
            assert_eq!(divided.statement(), Some("SELECT 1 / $1::int4"));
            assert_eq!(state(divided), Some(SqlState::DIVISION_BY_ZERO), "{round}");
            let unfit = unfit.unwrap_err();
            assert!(matches!(unfit.kind(), ErrorKind::Parameter(_)), "{unfit}");
            assert_eq!(unfit.delivery(), Delivery::NotSent);
            assert!(matches!(too_many.unwrap_err().kind(), ErrorKind::TooManyRows));
            assert!(matches!(none.unwrap_err().kind(), ErrorKind::NoRows));
            assert_eq!(fine.unwrap(), "fine");
            let columns = shared.fetch_one::<(bool,), _>("SELECT 1", ()).await.unwrap_err();
            assert!(matches!(columns.kind(), ErrorKind::Columns(_)), "{columns}");
        }
        let mid_result =
            shared.fetch_values::<i32, _>("SELECT 10 / (5 - n) FROM generate_series(1, 9) n", ());
        assert_eq!(mid_result.await.unwrap_err().sql_state(), Some(SqlState::DIVISION_BY_ZERO));
        // Found before a byte is sent: a NUL in the text, and more parameters than a message can count.
        let nul = shared.execute("SELECT '\0'", ()).await.unwrap_err();
        assert!(matches!(nul.kind(), ErrorKind::Command(_)) && nul.delivery() == Delivery::NotSent, "{nul}");
        let many = vec![1_i32; 70_000];
        let many = shared.execute("SELECT 1", many.as_slice()).await.unwrap_err();
        assert_eq!(many.delivery(), Delivery::NotSent, "{many}");
        still_usable(&shared).await;
        assert_eq!(shared.statistics().waiting + shared.statistics().in_flight, 0);
    })
    .await;
}

#[tokio::test]
async fn what_could_change_the_session_is_refused_before_it_is_sent() {
    deadline(async {
        let shared = connect().await;
        still_usable(&shared).await;
        let before = shared.statistics();
        for sql in [
            "BEGIN",
            "/* SELECT */ begin",
            "COMMIT",
            "SET search_path = nowhere",
            "LISTEN x",
            "DISCARD ALL",
            "COPY (SELECT 1) TO STDOUT",
            "CREATE TEMP TABLE t ()",
            "",
        ] {
            let refused = shared.execute(sql, ()).await.unwrap_err();
            let ErrorKind::Shared(SharedError::NotAllowed { .. }) = refused.kind() else {
                panic!("{refused}")
            };
            assert_eq!(refused.delivery(), Delivery::NotSent);
        }
        let simple = Statement::new("SELECT 1").mode(StatementMode::Simple);
        let simple = shared.execute(simple, ()).await.unwrap_err();
        assert!(matches!(simple.kind(), ErrorKind::Usage(_)), "{simple}");
        assert_eq!(shared.statistics(), before, "nothing was sent");
        still_usable(&shared).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_cannot_be_smuggled_in() {
    deadline(async {
        let database = shared().database().await;
        let mut owner = database.connect().await;
        owner
            .simple_query(
                "CREATE FUNCTION open() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'BEGIN'; END $$;
                 CREATE FUNCTION close() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
            )
            .await
            .unwrap();
        let shared = SharedConnection::connect(database.config()).await.unwrap();
        let two = shared.execute("SELECT 1; BEGIN", ()).await.unwrap_err();
        assert_eq!(two.sql_state(), Some(SqlState::SYNTAX_ERROR));
        for sql in ["SELECT open()", "SELECT close()"] {
            let refused = shared.execute(sql, ()).await.unwrap_err();
            assert_eq!(refused.delivery(), Delivery::Answered, "{refused}");
            still_usable(&shared).await;
        }
        assert!(!shared.is_closed());
        let mut inside = database.connect().await;
        inside.simple_query("BEGIN").await.unwrap();
        let refused = SharedConnection::new(inside, SharedOptions::default()).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Usage(_)), "{refused}");
    })
    .await;
}

/// Answers Parse, Describe, Sync of a statement with one int4 column.
pub(crate) async fn describe_int(server: &mut ScriptedServer) {
    assert_eq!(server.read_until(b'S').await, "PDS");
    server
        .send(|out| {
            Backend::ParseComplete.encode(out)?;
            server::parameter_description(out, &[])?;
            server::row_description(out, &[("value", 23, FormatCode::Text)])
        })
        .await;
    server.ready(TransactionStatus::Idle).await;
}

/// The answer to Bind, Execute, Sync with one int4, up to ReadyForQuery.
pub(crate) async fn int_row(server: &mut ScriptedServer, value: i32) {
    server
        .send(|out| {
            Backend::BindComplete.encode(out)?;
            server::data_row(out, &[Some(&value.to_be_bytes())])?;
            Backend::CommandComplete(CommandComplete::new("SELECT 1")).encode(out)
        })
        .await;
}

pub(crate) async fn scripted_connection(options: SharedOptions) -> (SharedConnection, ScriptedServer) {
    let (connection, server) = scripted::connected().await;
    (SharedConnection::new(connection, options).await.unwrap(), server)
}

#[tokio::test]
async fn line_02_a_lost_connection_is_told_to_each_caller_with_the_servers_words() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let shared = SharedConnection::connect(database.config()).await.unwrap();
        still_usable(&shared).await;
        let process_id = shared.process_id().unwrap();
        let sleeping = shared.clone();
        let sleeper = tokio::spawn(async move { sleeping.execute("SELECT pg_sleep(60)", ()).await });
        wait_until_asleep(&mut observer, process_id).await;
        let others: Vec<_> = (0..5)
            .map(|number| {
                let shared = shared.clone();
                tokio::spawn(async move { shared.fetch_value::<i32, _>("SELECT $1::int4", (number,)).await })
            })
            .collect();
        while shared.statistics().in_flight < 6 {
            tokio::task::yield_now().await;
        }
        observer.execute("SELECT pg_terminate_backend($1)", (process_id,)).await.unwrap();
        let mut errors = vec![sleeper.await.unwrap().unwrap_err()];
        for other in others {
            errors.push(other.await.unwrap().unwrap_err());
        }
        for error in &errors {
            assert_eq!(error.sql_state(), Some(SqlState::ADMIN_SHUTDOWN), "{error}");
            assert!(error.outcome_unknown() && error.is_closed(), "{error}");
            assert!(error.statement().is_some());
        }
        assert!(shared.is_closed());
        let later = shared.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(later.sql_state(), Some(SqlState::ADMIN_SHUTDOWN), "it is still known why");
        assert!(later.may_retry(), "{later}");
        assert!(shared.close().await.unwrap_err().is_closed());
    })
    .await;
}

#[tokio::test]
async fn a_result_over_the_limit_is_an_error_of_its_caller_alone() {
    deadline(async {
        let connection = Connection::connect(shared().config()).await.unwrap();
        let options = SharedOptions::default().result_bytes_max(10_000);
        let shared = SharedConnection::new(connection, options).await.unwrap();
        let sql = "SELECT repeat('x', 100) FROM generate_series(1, $1::int4)";
        let (before, large, fits, counted, behind) = tokio::join!(
            shared.fetch_value::<i32, _>("SELECT 1", ()),
            shared.fetch_values::<String, _>(sql, (100_000,)),
            shared.fetch_values::<String, _>(sql, (90,)),
            shared.execute(sql, (100_000,)),
            shared.fetch_value::<i32, _>("SELECT 2", ()),
        );
        assert_eq!((before.unwrap(), behind.unwrap()), (1, 2));
        assert_eq!(fits.unwrap().len(), 90);
        assert_eq!(counted.unwrap(), 100_000, "rows that are only counted need no room");
        let large = large.unwrap_err();
        assert!(
            matches!(large.kind(), ErrorKind::Shared(SharedError::ResultTooLarge { limit: 10_000 })),
            "{large}"
        );
        assert_eq!(large.delivery(), Delivery::Answered);
        assert!(large.to_string().contains("10000 bytes"), "{large}");
        // The statement's own error comes first.
        let failing = "SELECT repeat('x', 100 / (200 - n)) FROM generate_series(1, 300) n";
        let failing = shared.fetch_values::<String, _>(failing, ()).await.unwrap_err();
        assert_eq!(failing.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
        still_usable(&shared).await;
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_is_alone_is_cancelled_when_its_time_is_over() {
    deadline(async {
        let mut connection = Connection::connect(shared().config()).await.unwrap();
        connection.set_statement_timeout(Some(Duration::from_millis(300)));
        let shared = SharedConnection::new(connection, SharedOptions::default()).await.unwrap();
        let own = Statement::new("SELECT pg_sleep(60)").timeout(Duration::from_millis(100));
        let late = shared.execute(&own, ()).await.unwrap_err();
        let ErrorKind::Timeout { limit, .. } = late.kind() else { panic!("{late}") };
        assert_eq!((*limit, late.delivery()), (Duration::from_millis(100), Delivery::Answered));
        let late = shared.execute("SELECT pg_sleep(61)", ()).await.unwrap_err();
        assert!(matches!(late.kind(), ErrorKind::Timeout { .. }), "the connection's own limit: {late}");
        still_usable(&shared).await;
        // Whoever comes while the request to cancel is on the way is not hit by it.
        let late = async {
            let late = shared.execute(&own, ()).await.unwrap_err();
            assert!(matches!(late.kind(), ErrorKind::Timeout { .. }), "{late}");
        };
        let others = async {
            for number in 0..300 {
                if number > 0 {
                    still_usable(&shared).await;
                }
                while number == 0 && shared.statistics().in_flight > 0 {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::join!(late, others);
    })
    .await;
}

#[tokio::test]
async fn a_statement_among_others_is_given_up_when_its_time_is_over() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        let shared = SharedConnection::connect(database.config()).await.unwrap();
        still_usable(&shared).await;
        let sleeping = shared.clone();
        let sleeper = tokio::spawn(async move { sleeping.execute("SELECT pg_sleep(60)", ()).await });
        let process_id = shared.process_id().unwrap();
        wait_until_asleep(&mut observer, process_id).await;
        let hurried = Statement::new("SELECT $1::int4").timeout(Duration::from_millis(50));
        let late = shared.fetch_value::<i32, _>(&hurried, (1717,)).await.unwrap_err();
        let ErrorKind::Shared(SharedError::Timeout { limit }) = late.kind() else { panic!("{late}") };
        assert_eq!((*limit, late.delivery()), (Duration::from_millis(50), Delivery::Unknown));
        assert!(!sleeper.is_finished(), "the other was not hit");
        assert_eq!(shared.statistics().in_flight, 2);
        observer.execute("SELECT pg_cancel_backend($1)", (process_id,)).await.unwrap();
        let cancelled = sleeper.await.unwrap().unwrap_err();
        assert!(matches!(cancelled.kind(), ErrorKind::Server(_)), "{cancelled}");
        still_usable(&shared).await;
    })
    .await;
}

#[tokio::test]
async fn callers_beyond_the_bound_wait_for_their_turn_and_come_in_order() {
    deadline(async {
        let (shared, mut server) = scripted_connection(SharedOptions::default().statements_max(2)).await;
        let warm = async {
            describe_int(&mut server).await;
            assert_eq!(server.read_until(b'S').await, "BES");
            int_row(&mut server, 0).await;
            server.ready(TransactionStatus::Idle).await;
        };
        let (warmed, ()) = tokio::join!(shared.fetch_value::<i32, _>("SELECT 7", ()), warm);
        assert_eq!(warmed.unwrap(), 0);
        let callers: Vec<_> = (1..=6)
            .map(|caller| {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let turn: i32 = shared.fetch_value("SELECT 7", ()).await.unwrap();
                    assert_eq!(turn, caller, "first come, first served");
                })
            })
            .collect();
        let hurried = Statement::new("SELECT 7").timeout(Duration::from_millis(50));
        while shared.statistics().in_flight < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!((shared.statistics().waiting, shared.statistics().in_flight), (0, 2));
        let late = shared.execute(hurried, ()).await.unwrap_err();
        assert!(matches!(late.kind(), ErrorKind::Shared(SharedError::Timeout { .. })), "{late}");
        assert_eq!(late.delivery(), Delivery::NotSent, "it waited for its turn, and was not sent");
        for turn in 1..=6 {
            assert_eq!(server.read_until(b'S').await, "BES");
            let statistics = shared.statistics();
            assert!(statistics.waiting + statistics.in_flight <= 2, "{statistics:?}");
            int_row(&mut server, turn).await;
            server.ready(TransactionStatus::Idle).await;
        }
        for caller in callers {
            caller.await.unwrap();
        }
    })
    .await;
}
