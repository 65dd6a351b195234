//! How many round trips a statement takes, counted on the wire.

use cornac::types::Type;
use cornac::{Client, Config, Connection, Statement, StatementMode, TransactionStatus};
use cornac_proto::message::{Backend, CommandComplete, Frontend};
use cornac_tests::{
    Flights, TestDatabase, connect_watched, deadline, for_each_message, messages, scripted, shared,
    still_usable,
};

const ADD: &str = "SELECT $1::int4 + 1";

/// A connection to a database of its own, through a configuration that has learnt nothing yet.
async fn fresh() -> (TestDatabase, Config, Connection, Flights) {
    let database = shared().database().await;
    // A configuration shares what it has learnt with its clones; the address keeps databases apart, and here they are new.
    let config = database.config().clone();
    let (connection, flights) = connect_watched(&config).await.unwrap();
    (database, config, connection, flights)
}

/// Adds one to 41 and gives the flights that it took.
async fn add(connection: &mut Connection, flights: &Flights, sql: impl cornac::IntoStatement) -> Vec<String> {
    flights.take();
    let sum: i32 = connection.fetch_value(sql, (41,)).await.unwrap();
    assert_eq!(sum, 42);
    flights.take()
}

#[tokio::test]
async fn a_statement_that_is_new_to_the_process_takes_two_round_trips_and_then_one() {
    deadline(async {
        let (_database, config, mut c, flights) = fresh().await;
        assert_eq!(add(&mut c, &flights, ADD).await, ["PDS", "BES"]);
        for _ in 0..3 {
            assert_eq!(add(&mut c, &flights, ADD).await, ["BES"]);
        }
        let (mut other, others) = connect_watched(&config).await.unwrap();
        assert_eq!(add(&mut other, &others, ADD).await, ["PBDES"], "what one has learnt serves all");
        assert_eq!(add(&mut other, &others, ADD).await, ["BES"]);
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn preparing_is_one_round_trip_or_none_and_saves_the_others_one() {
    deadline(async {
        let (_database, config, mut c, flights) = fresh().await;
        let prepared = c.prepare(ADD).await.unwrap();
        assert_eq!(flights.take(), ["PDS"]);
        assert_eq!(add(&mut c, &flights, &prepared).await, ["BES"]);
        assert_eq!(add(&mut c, &flights, ADD).await, ["BES"], "its text is the same statement");
        c.prepare(ADD).await.unwrap();
        assert!(flights.take().is_empty());
        let (mut other, others) = connect_watched(&config).await.unwrap();
        assert_eq!(add(&mut other, &others, &prepared).await, ["PBDES"]);
        assert_eq!(add(&mut other, &others, &prepared).await, ["BES"]);
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn an_unnamed_statement_takes_one_round_trip_once_it_is_known() {
    deadline(async {
        let (_database, config, mut c, flights) = fresh().await;
        c.set_statement_mode(StatementMode::Unnamed);
        assert_eq!(add(&mut c, &flights, ADD).await, ["PDS", "PBDES"]);
        for _ in 0..3 {
            assert_eq!(add(&mut c, &flights, ADD).await, ["PBDES"]);
        }
        let (mut other, others) = connect_watched(&config).await.unwrap();
        let once = Statement::new(ADD).not_cached();
        assert_eq!(add(&mut other, &others, &once).await, ["PBDES"]);
        let count = Statement::new("SELECT count(*) FROM pg_prepared_statements").not_cached();
        assert_eq!(other.fetch_value::<i64, _>(&count, ()).await.unwrap(), 0, "nothing is left behind");
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn a_typed_statement_takes_one_round_trip_from_the_start() {
    deadline(async {
        let (_database, _config, mut c, flights) = fresh().await;
        let typed = Statement::typed("SELECT $1 + 1", &[Type::INT4], &[Type::INT4]);
        assert_eq!(add(&mut c, &flights, &typed).await, ["PBDES"]);
        assert_eq!(add(&mut c, &flights, &typed).await, ["BES"]);
        let half_typed = Statement::new("SELECT 1 + $1").parameter_types(&[Type::INT4]);
        assert_eq!(add(&mut c, &flights, &half_typed).await, ["PDS", "BES"]);
        assert_eq!(add(&mut c, &flights, &half_typed).await, ["BES"]);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn results_that_were_declared_wrongly_are_read_as_what_they_are() {
    deadline(async {
        let (_database, _config, mut c, flights) = fresh().await;
        let other_type = Statement::typed("SELECT $1 + 1::int4", &[Type::INT4], &[Type::TEXT]);
        assert_eq!(add(&mut c, &flights, &other_type).await, ["PBDES"]);
        // As many formats are asked for as columns were declared, which the server refuses before anything runs.
        let two = Statement::typed("SELECT 1 + $1", &[Type::INT4], &[Type::INT4, Type::ACLITEM]);
        assert_eq!(add(&mut c, &flights, &two).await, ["PBDES", "CPDS", "BES"]);
        assert_eq!(add(&mut c, &flights, &two).await, ["BES"]);
        let nonsense = Statement::typed("SELECT nonsense", &[], &[Type::INT4]);
        flights.take();
        c.execute(&nonsense, ()).await.unwrap_err();
        assert_eq!(flights.take(), ["PBDES"], "what is wrong by itself is not sent again");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn begin_and_the_first_statement_are_one_round_trip() {
    deadline(async {
        let (_database, config, mut c, flights) = fresh().await;
        assert_eq!(add(&mut c, &flights, ADD).await, ["PDS", "BES"]);
        let mut transaction = c.begin().await.unwrap();
        assert_eq!(transaction.fetch_value::<i32, _>(ADD, (1,)).await.unwrap(), 2);
        assert_eq!(flights.take(), ["PBEBES"]);
        assert_eq!(transaction.fetch_value::<i32, _>(ADD, (1,)).await.unwrap(), 2);
        assert_eq!(flights.take(), ["BES"]);
        transaction.commit().await.unwrap();
        assert_eq!(flights.take(), ["Q"]);
        c.begin().await.unwrap().commit().await.unwrap();
        c.begin().await.unwrap().rollback().await.unwrap();
        drop(c.begin().await.unwrap());
        assert!(flights.take().is_empty(), "a transaction in which nothing runs is not begun");

        let (mut other, others) = connect_watched(&config).await.unwrap();
        let mut transaction = other.begin().await.unwrap();
        assert_eq!(transaction.fetch_value::<i32, _>(ADD, (1,)).await.unwrap(), 2);
        assert_eq!(others.take(), ["PBEPBDES"], "also where the statement is parsed first");
        transaction.rollback().await.unwrap();
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_of_two_statements_takes_three_round_trips() {
    deadline(async {
        let (_database, _config, mut c, flights) = fresh().await;
        c.simple_query("CREATE TABLE account (id int4 PRIMARY KEY, balance int8 NOT NULL)").await.unwrap();
        c.execute("INSERT INTO account VALUES (7, 100)", ()).await.unwrap();
        let deposit = c.prepare("UPDATE account SET balance = balance + $1 WHERE id = $2").await.unwrap();
        let balance = c.prepare("SELECT id, balance FROM account WHERE id = $1").await.unwrap();
        for expected in [101, 102] {
            flights.take();
            let mut transaction = c.begin().await.unwrap();
            assert_eq!(transaction.execute(&deposit, (1_i64, 7)).await.unwrap(), 1);
            let row: (i32, i64) = transaction.fetch_one(&balance, (7,)).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(row, (7, expected));
            let trips = flights.take();
            assert_eq!(trips, ["PBEBES", "BES", "Q"], "BEGIN and UPDATE, SELECT, COMMIT");
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn verbs_that_begin_cannot_ride_on_come_behind_it() {
    deadline(async {
        let (_database, _config, mut c, flights) = fresh().await;
        c.simple_query("CREATE TABLE t (i int4)").await.unwrap();
        flights.take();
        let mut transaction = c.begin().await.unwrap();
        transaction.connection().simple_query("INSERT INTO t VALUES (1)").await.unwrap();
        assert_eq!(flights.take(), ["Q", "Q"]);
        transaction.rollback().await.unwrap();
        let mut transaction = c.begin().await.unwrap();
        transaction.connection().copy_records_to_table("t", &["i"], [(1,), (2,)]).await.unwrap();
        transaction.rollback().await.unwrap();
        let mut transaction = c.begin().await.unwrap();
        let insert = Statement::new("INSERT INTO t VALUES ($1)").mode(StatementMode::Simple);
        transaction.execute(&insert, (1,)).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(c.fetch_value::<i64, _>("SELECT count(*) FROM t", ()).await.unwrap(), 0);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn what_gave_way_is_closed_with_the_next_request() {
    deadline(async {
        let database = shared().database().await;
        let config = database.config().clone().statement_cache_capacity(2);
        let (mut c, flights) = connect_watched(&config).await.unwrap();
        for sql in ["SELECT $1::int4 + 1", "SELECT 1 + $1::int4"] {
            assert_eq!(add(&mut c, &flights, sql).await, ["PDS", "BES"]);
        }
        // The third takes the place of the first, whose Close then rides with its Bind.
        assert_eq!(add(&mut c, &flights, "SELECT $1 + 1::int4").await, ["PDS", "CBES"]);
        assert_eq!(add(&mut c, &flights, "SELECT 1 + $1::int4").await, ["BES"]);
        assert_eq!(add(&mut c, &flights, "SELECT $1::int4 + 1").await, ["PBDES"]);
        assert_eq!(add(&mut c, &flights, "SELECT $1::int4 + 1").await, ["CBES"]);
        assert_eq!(add(&mut c, &flights, "SELECT $1::int4 + 1").await, ["BES"]);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn a_prepared_statement_that_gave_way_is_closed_when_its_last_handle_goes() {
    deadline(async {
        let database = shared().database().await;
        let config = database.config().clone().statement_cache_capacity(1);
        let (mut c, flights) = connect_watched(&config).await.unwrap();
        let prepared = c.prepare(ADD).await.unwrap();
        assert_eq!(add(&mut c, &flights, "SELECT 1 + $1::int4").await, ["PDS", "BES"]);
        assert_eq!(add(&mut c, &flights, &prepared).await, ["BES"], "it is held");
        drop(prepared);
        assert_eq!(add(&mut c, &flights, "SELECT 1 + $1::int4").await, ["CBES"]);
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn one_row_is_asked_for_without_a_limit() {
    deadline(async {
        let (_database, _config, mut c, flights) = fresh().await;
        let limits = |flights: &Flights| {
            let mut limits = Vec::new();
            for flight in flights.take_bytes() {
                for_each_message(&flight, |_, message| {
                    if let Frontend::Execute { max_rows, .. } = message {
                        limits.push(max_rows);
                    }
                });
            }
            limits
        };
        let one: (i32,) = c.fetch_one(ADD, (1,)).await.unwrap();
        let optional: Option<(i32,)> = c.fetch_optional(ADD, (1,)).await.unwrap();
        let value: i32 = c.fetch_value(ADD, (1,)).await.unwrap();
        assert_eq!((one, optional, value), ((2,), Some((2,)), 2));
        let uncached: (i32,) = c.fetch_one(Statement::new(ADD).not_cached(), (1,)).await.unwrap();
        assert_eq!(uncached, (2,));
        assert_eq!(limits(&flights), [0, 0, 0, 0], "a limit would switch parallel plans off");
        let sized = Statement::new("SELECT generate_series(1, 5)").fetch_size(2);
        assert_eq!(c.fetch_values::<i32, _>(&sized, ()).await.unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(limits(&flights), [2, 2, 2]);
        still_usable(&mut c).await;
    })
    .await;
}

/// Takes a flight that is `PBE` of BEGIN and a statement behind it, and refuses BEGIN.
async fn refuse_begin(server: &mut scripted::ScriptedServer, behind: &str) {
    assert_eq!(server.read_until(b'S').await, format!("PBE{behind}"));
    server.send_all(&[Backend::ParseComplete, Backend::BindComplete]).await;
    server.send_bytes(&messages::error("ERROR", "0A000", "no transactions today")).await;
    server.ready(TransactionStatus::Idle).await;
}

#[tokio::test]
async fn a_begin_that_fails_takes_the_statement_with_it() {
    deadline(async {
        let (mut c, mut server) = scripted::connected().await;
        let typed = Statement::typed("INSERT INTO t VALUES (1)", &[], &[]);
        let script = async {
            refuse_begin(&mut server, "PBDES").await;
            // The transaction may be tried again, BEGIN in front.
            refuse_begin(&mut server, "PBDES").await;
            server
        };
        let client = async {
            let mut transaction = c.begin().await.unwrap();
            for _ in 0..2 {
                let refused = transaction.execute(&typed, ()).await.unwrap_err();
                assert_eq!(refused.sql_state().unwrap().as_str(), "0A000");
            }
            // Nothing has run that was to be committed.
            let error = transaction.commit().await.unwrap_err();
            assert!(matches!(error.kind(), cornac::ErrorKind::RolledBack(Some(_))), "{error}");
        };
        let (mut server, ()) = tokio::join!(script, client);
        assert!(c.is_idle(), "no COMMIT and no ROLLBACK was sent: there is no transaction");
        let (seven, ()) = tokio::join!(c.fetch_value::<i32, _>("SELECT 7", ()), server.answer_int(7));
        assert_eq!(seven.unwrap(), 7);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_fails_behind_its_begin_leaves_a_transaction_to_roll_back() {
    deadline(async {
        let (_database, _config, mut c, flights) = fresh().await;
        c.prepare("SELECT 1 / $1::int4").await.unwrap();
        flights.take();
        let mut transaction = c.begin().await.unwrap();
        transaction.execute("SELECT 1 / $1::int4", (0,)).await.unwrap_err();
        assert_eq!(flights.take(), ["PBEBES"]);
        let rolled_back = transaction.commit().await.unwrap_err();
        assert!(matches!(rolled_back.kind(), cornac::ErrorKind::RolledBack(Some(_))), "{rolled_back}");
        assert_eq!(flights.take(), ["Q"]);
        still_usable(&mut c).await;
    })
    .await;
}

/// A scripted server that answers like one which parsed and ran a statement without rows behind a BEGIN.
#[tokio::test]
async fn the_answer_to_begin_is_not_taken_for_the_statements() {
    deadline(async {
        let (mut c, mut server) = scripted::connected().await;
        let typed = Statement::typed("DELETE FROM t", &[], &[]);
        let script = async {
            assert_eq!(server.read_until(b'S').await, "PBEPBDES");
            let replies = [
                Backend::ParseComplete,
                Backend::BindComplete,
                Backend::CommandComplete(CommandComplete::new("BEGIN")),
                Backend::ParseComplete,
                Backend::BindComplete,
                Backend::NoData,
                Backend::CommandComplete(CommandComplete::new("DELETE 3")),
            ];
            for message in &replies {
                server.send_all(std::slice::from_ref(message)).await;
            }
            server.ready(TransactionStatus::InTransaction).await;
            assert_eq!(server.read_until(b'Q').await, "Q");
            server.send_all(&[Backend::CommandComplete(CommandComplete::new("COMMIT"))]).await;
            server.ready(TransactionStatus::Idle).await;
            server
        };
        let client = async {
            let mut transaction = c.begin().await.unwrap();
            assert_eq!(transaction.execute(&typed, ()).await.unwrap(), 3);
            transaction.commit().await.unwrap();
        };
        let (mut server, ()) = tokio::join!(script, client);
        let (seven, ()) = tokio::join!(c.fetch_value::<i32, _>("SELECT 7", ()), server.answer_int(7));
        assert_eq!(seven.unwrap(), 7);
    })
    .await;
}
