//! A database over its pool: verbs, options, hooks, and what is made of connections that come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cornac::{
    CheckoutError, Client, CloseReason, Database, ErrorKind, Reset, SqlState, Statement, StatementMode, sql,
    testing,
};
use cornac_tests::log::Log;
use cornac_tests::memory::Memory;
use cornac_tests::{TestDatabase, deadline, shared, still_usable};

async fn one_connection(database: &TestDatabase) -> Database {
    Database::builder().max_size(1).connect_with(database.config()).await.unwrap()
}

#[tokio::test]
async fn every_verb_works_on_a_database() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        db.simple_query("CREATE TABLE item (id int4 PRIMARY KEY, name text)").await.unwrap();
        assert_eq!(db.execute("INSERT INTO item VALUES ($1, $2)", (1, "tusk")).await.unwrap(), 1);
        let sets = [(2, "howdah"), (3, "goad")];
        assert_eq!(db.execute_many("INSERT INTO item VALUES ($1, $2)", sets).await.unwrap(), 2);
        let records = (4..=9).map(|id| (id, format!("item {id}")));
        assert_eq!(db.copy_records_to_table("item", &["id", "name"], records).await.unwrap(), 6);
        let csv = &b"10,trunk\n"[..];
        let options = cornac::copy::CopyOptions::csv();
        assert_eq!(db.copy_from("item", &["id", "name"], &options, csv).await.unwrap(), 1);
        let mut out = Vec::new();
        let source = cornac::copy::CopySource::query("SELECT id FROM item WHERE id < 3 ORDER BY id");
        assert_eq!(db.copy_to(source, &options, &mut out).await.unwrap(), 2);
        assert_eq!(out, b"1\n2\n");
        let count: i64 = db.fetch_value("SELECT count(*) FROM item", ()).await.unwrap();
        assert_eq!(count, 10);
        let missing = db.fetch_one::<(i32,), _>("SELECT id FROM item WHERE id = 11", ()).await.unwrap_err();
        assert!(matches!(missing.kind(), ErrorKind::NoRows));
        let mut rows = db.rows("SELECT name FROM item ORDER BY id", ()).await.unwrap();
        let first = rows.next().await.unwrap().unwrap();
        assert_eq!(first.get::<&str>(0).unwrap(), "tusk");
        drop(rows);
        let statement = Statement::new("SELECT id FROM item ORDER BY id").fetch_size(3);
        let mut stream = db.stream_query::<(i32,), _>(statement, ()).await.unwrap();
        let mut streamed = Vec::new();
        while let Some((id,)) = stream.next().await.unwrap() {
            streamed.push(id);
        }
        drop(stream);
        assert_eq!(streamed, (1..=10).collect::<Vec<_>>());
        let stats = db.pool_stats();
        assert_eq!(stats.in_use, 0, "{stats:?}");
        db.close().await.unwrap();
        let stats = db.pool_stats();
        assert_eq!(stats.opened, stats.closed.total());
    })
    .await;
}

#[tokio::test]
async fn connecting_proves_one_connection_and_the_pool_keeps_it() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().min_size(0).connect_with(database.config()).await.unwrap();
        let pid: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        assert_eq!(db.pool_stats().opened, 1);
        let again: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        assert_eq!(pid, again);
        let wrong = database.config().clone().dbname("no_such_database");
        let error = Database::connect_with(&wrong).await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::INVALID_CATALOG_NAME), "{error}");
        // Lazily, the first verb says so, at once.
        let lazy = Database::builder().connect_lazy_with(&wrong).unwrap();
        let error = lazy.execute("SELECT 1", ()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Checkout(_)), "{error:?}");
        assert_eq!(error.sql_state(), Some(SqlState::INVALID_CATALOG_NAME), "{error}");
        assert!(error.to_string().contains("no_such_database"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn pool_07_whatever_is_left_behind_is_gone_for_the_next_user() {
    deadline(async {
        let database = shared().database().await;
        let db = one_connection(&database).await;
        db.simple_query("CREATE TABLE t (id int4)").await.unwrap();
        let pid: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        let leave: [&str; 6] = [
            "SET work_mem = '123kB'",
            "SET ROLE pg_monitor",
            "LISTEN channel",
            "CREATE TEMP TABLE mine (id int4)",
            "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT",
            "SET search_path = pg_catalog",
        ];
        for sql in leave {
            let mut c = db.checkout().await.unwrap();
            c.simple_query(sql).await.unwrap();
            drop(c);
            let mut c = db.checkout().await.unwrap();
            let sql_left = "SELECT current_setting('work_mem') <> '123kB' AND current_user = session_user
                AND NOT EXISTS (SELECT FROM pg_listening_channels()) AND to_regclass('pg_temp.mine') IS NULL
                AND NOT EXISTS (SELECT FROM pg_cursors WHERE name = 'c') AND to_regclass('t') IS NOT NULL
                AND pg_backend_pid() = $1";
            assert!(c.fetch_value::<bool, _>(sql_left, (pid,)).await.unwrap(), "{sql}");
            still_usable(&mut c).await;
        }
        // Rows that were not read, an unfinished COPY, an open transaction.
        let mut c = db.checkout().await.unwrap();
        let mut rows = c.rows("SELECT generate_series(1, 1000000)", ()).await.unwrap();
        rows.next().await.unwrap();
        drop(rows);
        drop(c);
        still_usable(&mut db.checkout().await.unwrap()).await;
        let mut c = db.checkout().await.unwrap();
        let mut copy = c.copy_in("t", &["id"], &cornac::copy::CopyOptions::text()).await.unwrap();
        copy.send("1\n").await.unwrap();
        std::mem::forget(copy);
        drop(c);
        still_usable(&mut db.checkout().await.unwrap()).await;
        let mut c = db.checkout().await.unwrap();
        c.simple_query("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        drop(c);
        let mut c = db.checkout().await.unwrap();
        assert_eq!(c.fetch_value::<i64, _>("SELECT count(*) FROM t", ()).await.unwrap(), 0);
        assert_eq!(c.process_id(), Some(pid), "no connection had to be closed");
    })
    .await;
}

#[tokio::test]
async fn pool_07_what_functions_leave_behind_needs_a_reset_each_time() {
    deadline(async {
        let database = shared().database().await;
        let mut observer = database.connect().await;
        for (reset, locks_left) in [(Reset::Changed, 1), (Reset::Always, 0), (Reset::Never, 1)] {
            let db = Database::builder().max_size(1).reset(reset.clone());
            let db = db.connect_with(database.config()).await.unwrap();
            db.execute("SELECT pg_advisory_lock(1)", ()).await.unwrap();
            // The next user comes when the connection is clean.
            db.execute("SELECT 1", ()).await.unwrap();
            let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            let locks: i64 = observer.fetch_value(sql, ()).await.unwrap();
            assert_eq!(locks, locks_left, "{reset:?}");
            db.close().await.unwrap();
        }
        let never = Database::builder().max_size(1).reset(Reset::Never);
        let never = never.connect_with(database.config()).await.unwrap();
        never.execute("SET work_mem = '123kB'", ()).await.unwrap();
        let kept: String = never.fetch_value("SHOW work_mem", ()).await.unwrap();
        assert_eq!(kept, "123kB");
        let sql = Reset::Sql("SET work_mem = '77kB'".to_owned());
        let own = Database::builder().max_size(1).reset(sql).connect_with(database.config()).await.unwrap();
        own.execute("SELECT 1", ()).await.unwrap();
        let set: String = own.fetch_value("SHOW work_mem", ()).await.unwrap();
        assert_eq!(set, "77kB");
    })
    .await;
}

#[tokio::test]
async fn settings_of_after_connect_survive_a_reset() {
    deadline(async {
        let database = shared().database().await;
        let connects = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&connects);
        let db = Database::builder()
            .max_size(1)
            .after_connect(move |connection| {
                counted.fetch_add(1, Ordering::Relaxed);
                Box::pin(async move { connection.execute("SET work_mem = '321kB'", ()).await.map(drop) })
            })
            .connect_with(database.config())
            .await
            .unwrap();
        for _ in 0..3 {
            let found: String = db.fetch_value("SHOW work_mem", ()).await.unwrap();
            assert_eq!(found, "321kB");
        }
        // Its own SET is no change: the connection is not cleaned for it.
        assert_eq!(connects.load(Ordering::Relaxed), 1);
        db.execute("SET work_mem = '1MB'", ()).await.unwrap();
        let found: String = db.fetch_value("SHOW work_mem", ()).await.unwrap();
        assert_eq!(found, "321kB");
        assert_eq!((connects.load(Ordering::Relaxed), db.pool_stats().opened), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn hooks_run_before_a_checkout_and_before_a_return() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder()
            .max_size(1)
            .before_checkout(|c| {
                Box::pin(async move {
                    c.execute("SELECT set_config('app.user', 'someone', false)", ()).await.map(drop)
                })
            })
            .before_return(|c| {
                Box::pin(async move {
                    c.execute("SELECT set_config('app.user', 'nobody', false)", ()).await.map(drop)
                })
            })
            .connect_with(database.config())
            .await
            .unwrap();
        let user: String = db.fetch_value("SELECT current_setting('app.user')", ()).await.unwrap();
        assert_eq!(user, "someone");
        let refusing = Database::builder()
            .max_size(1)
            .before_checkout(|c| Box::pin(async move { c.execute("SELECT 1 / 0", ()).await.map(drop) }))
            .connect_with(database.config())
            .await
            .unwrap();
        let error = refusing.execute("SELECT 1", ()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Checkout(_)), "{error}");
        assert_eq!(error.sql_state(), Some(SqlState::DIVISION_BY_ZERO));
        assert_eq!(refusing.pool_stats().closed.by(CloseReason::HookFailed), 1);
    })
    .await;
}

#[tokio::test]
async fn line_01_a_connection_that_was_ended_while_idle_is_never_given_out() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().max_size(4).connect_with(database.config()).await.unwrap();
        let mut observer = database.connect().await;
        for _ in 0..10 {
            let held = (db.checkout().await.unwrap(), db.checkout().await.unwrap());
            drop(held);
            let sql = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            let ended: i64 = observer.fetch_value(sql, ()).await.unwrap();
            assert!(ended >= 2);
            let one: i32 = db.fetch_value("SELECT 1", ()).await.unwrap();
            assert_eq!(one, 1);
        }
        let stats = db.pool_stats();
        assert!(stats.closed.by(CloseReason::Broken) >= 10, "{stats:?}");
    })
    .await;
}

#[tokio::test]
async fn a_checkout_that_times_out_says_what_the_pool_looked_like() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().max_size(1).acquire_timeout(Duration::from_millis(50));
        let db = db.connect_with(database.config()).await.unwrap();
        let held = db.checkout().await.unwrap();
        let error = db.execute("SELECT 1", ()).await.unwrap_err();
        assert!(error.is_transient() && error.may_retry(), "{error}");
        let source = std::error::Error::source(&error).unwrap();
        let timed_out = source.downcast_ref::<CheckoutError>().and_then(CheckoutError::timed_out).unwrap();
        assert_eq!((timed_out.max_size, timed_out.in_use), (1, 1));
        let holder = timed_out.longest_holder.unwrap();
        assert!(holder.location.file().ends_with("database.rs"), "{holder}");
        assert!(error.to_string().contains("database.rs"), "{error}");
        assert_eq!(db.holders().len(), 1);
        drop(held);
        db.execute("SELECT 1", ()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn statements_that_may_run_twice_do_when_their_shared_connection_is_lost() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().min_size(0).multiplex(1).connect_with(database.config()).await.unwrap();
        db.simple_query("CREATE SEQUENCE s").await.unwrap();
        let sql = "SELECT CASE WHEN nextval('s') = 1 THEN pg_terminate_backend(pg_backend_pid()) END, pg_sleep(0.1)";
        let lost = db.execute(sql, ()).await.unwrap_err();
        assert!(lost.outcome_unknown(), "{lost}");
        db.execute("SELECT setval('s', 1, false)", ()).await.unwrap();
        assert_eq!(db.execute(Statement::new(sql).idempotent(), ()).await.unwrap(), 1);
        let runs: i64 = db.fetch_value("SELECT last_value FROM s", ()).await.unwrap();
        assert_eq!(runs, 2);
    })
    .await;
}

#[tokio::test]
async fn an_error_is_not_kept_by_the_connection_that_told_it() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().min_size(0).max_size(20).connect_with(database.config()).await.unwrap();
        db.warm_up(20, Duration::from_secs(30)).await.unwrap();
        let sql = "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 900000); END $$";
        let fail = async || {
            let mut held = Vec::new();
            for _ in 0..20 {
                let mut c = db.checkout().await.unwrap();
                assert!(c.execute(sql, ()).await.is_err());
                held.push(c);
            }
        };
        fail().await;
        let before = Memory::of_process().unwrap().resident;
        // In a transaction, where it is kept for as long as that is open.
        for _ in 0..20 {
            let mut tx = db.begin().await.unwrap();
            assert!(tx.execute(sql, ()).await.is_err() && tx.failure().is_some());
        }
        fail().await;
        let mut c = db.checkout().await.unwrap();
        still_usable(&mut c).await;
        let grown = Memory::of_process().unwrap().resident.saturating_sub(before);
        println!("20 connections, of which each has told errors of 900 KB: {grown} bytes more");
        assert!(grown < 8 << 20, "{grown}");
        assert!(before < 120 << 20, "{before} bytes after the first errors");
    })
    .await;
}

#[tokio::test]
async fn settings_of_the_startup_are_what_they_are_whatever_is_in_them() {
    deadline(async {
        let database = shared().database().await;
        for value in ["plain", "two words", "a\\b \\ c", "tab\there", "line\nthere", ""] {
            let config = database.config().clone().setting("app.one", value).setting("app.two", "2");
            let mut c = cornac::Connection::connect(&config).await.unwrap();
            let sql = "SELECT current_setting('app.one'), current_setting('app.two')";
            let set: (String, String) = c.fetch_one(sql, ()).await.unwrap();
            assert_eq!(set, (value.to_owned(), "2".to_owned()));
        }
    })
    .await;
}

#[tokio::test]
async fn cache_04_a_temporary_table_that_a_query_makes_is_noticed_on_every_way() {
    deadline(async {
        let database = shared().database().await;
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE mine AS SELECT 'permanent' AS whose").await.unwrap();
        let whose = "SELECT whose FROM mine";
        for sql in [
            "CREATE TEMP TABLE mine AS SELECT 'temporary' AS whose",
            "SELECT 'temporary' AS whose INTO TEMP mine",
        ] {
            for way in 0..4 {
                c.execute("DROP TABLE IF EXISTS pg_temp.mine", ()).await.unwrap();
                assert_eq!(c.fetch_value::<String, _>(whose, ()).await.unwrap(), "permanent");
                c.keep();
                match way {
                    0 => drop(c.execute(sql, ()).await.unwrap()),
                    // It is parsed already, so that it travels as most do.
                    1 => {
                        let prepared = c.prepare(sql).await.unwrap();
                        c.execute(&prepared, ()).await.unwrap();
                    }
                    2 => {
                        let mut pipeline = c.pipeline();
                        pipeline.push(sql, ());
                        let mut results = pipeline.run().await.unwrap();
                        assert!(results.execute().await.unwrap().is_done());
                        results.finish().await.unwrap();
                    }
                    _ => drop(c.fetch_all::<(i32,), _>(sql, ()).await),
                }
                assert!(c.is_session_changed(), "{sql}, {way}");
                assert_eq!(c.fetch_value::<String, _>(whose, ()).await.unwrap(), "temporary", "{sql}, {way}");
            }
        }
        c.execute("DROP TABLE pg_temp.mine", ()).await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn statements_that_may_run_twice_do_when_their_connection_is_lost() {
    deadline(async {
        let database = shared().database().await;
        let db = one_connection(&database).await;
        db.simple_query("CREATE SEQUENCE s").await.unwrap();
        // Its first run ends the backend, after it has counted.
        let sql = "SELECT CASE WHEN nextval('s') = 1 THEN pg_terminate_backend(pg_backend_pid()) END, pg_sleep(0.1)";
        let lost = db.execute(sql, ()).await.unwrap_err();
        assert!(lost.outcome_unknown(), "{lost}");
        assert_eq!(db.retries().statements, 0);
        db.execute("SELECT setval('s', 1, false)", ()).await.unwrap();
        assert_eq!(db.execute(Statement::new(sql).idempotent(), ()).await.unwrap(), 1);
        assert_eq!(db.retries().statements, 1);
        let runs: i64 = db.fetch_value("SELECT last_value FROM s", ()).await.unwrap();
        assert_eq!(runs, 2);
    })
    .await;
}

#[tokio::test]
async fn a_connection_can_be_taken_out_of_the_pool_or_opened_apart() {
    deadline(async {
        let database = shared().database().await;
        let db = one_connection(&database).await;
        let mut own = db.checkout().await.unwrap().detach();
        let mut apart = db.connect_apart().await.unwrap();
        db.execute("SELECT 1", ()).await.unwrap();
        still_usable(&mut own).await;
        still_usable(&mut apart).await;
        db.checkout().await.unwrap().retire();
        db.execute("SELECT 1", ()).await.unwrap();
        let closed = db.pool_stats().closed;
        assert_eq!((closed.by(CloseReason::Detached), closed.by(CloseReason::Retired)), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn the_pool_is_warmed_up_resized_and_replaced() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder().min_size(0).max_size(4).connect_with(database.config()).await.unwrap();
        db.warm_up(4, Duration::from_secs(30)).await.unwrap();
        assert_eq!(db.pool_stats().open, 4);
        db.resize(8).unwrap();
        assert!(matches!(db.resize(9).unwrap_err().kind(), ErrorKind::Checkout(_)));
        db.resize(2).unwrap();
        let first: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        db.retire_all();
        let second: i32 = db.fetch_value("SELECT pg_backend_pid()", ()).await.unwrap();
        assert_ne!(first, second);
    })
    .await;
}

#[tokio::test]
async fn the_schema_and_sql_with_parameters_inside_work_on_a_database() {
    deadline(async {
        let database = shared().database().await;
        for multiplex in [0, 1] {
            let db = Database::builder().min_size(0).multiplex(multiplex);
            let db = db.connect_with(database.config()).await.unwrap();
            db.simple_query("DROP TABLE IF EXISTS item; CREATE TABLE item (id int4 PRIMARY KEY, name text)")
                .await
                .unwrap();
            assert!(db.table_exists("item").await.unwrap() && !db.table_exists("nothing").await.unwrap());
            let info = db.table_info("item").await.unwrap();
            assert_eq!(info.columns.len(), 2);
            let missing = db.table_info("nothing").await.unwrap_err();
            assert!(matches!(missing.kind(), ErrorKind::Schema(_)), "{missing}");
            let (id, name) = (7, "tusk");
            let inserted = db.execute(sql!("INSERT INTO item VALUES ({id}, {name})"), ()).await.unwrap();
            assert_eq!(inserted, 1);
            let ids = vec![7, 8];
            let wanted = || sql!("SELECT name FROM item WHERE id = ANY({ids})");
            assert_eq!(db.fetch_value::<String, _>(wanted(), ()).await.unwrap(), "tusk");
            assert_eq!(db.fetch_values::<String, _>(wanted(), ()).await.unwrap(), ["tusk"]);
            let mut rows = db.rows(wanted(), ()).await.unwrap();
            assert!(rows.next().await.unwrap().is_some());
            drop(rows);
            let mut stream = db.stream_query::<(String,), _>(wanted(), ()).await.unwrap();
            assert_eq!(stream.next().await.unwrap(), Some(("tusk".to_owned(),)));
            drop(stream);
            let both = db.execute(wanted(), (1,)).await.unwrap_err();
            assert!(matches!(both.kind(), ErrorKind::Usage(_)), "{both}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_user_sets_on_a_connection_itself_is_gone_with_the_user() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::builder()
            .max_size(1)
            .statement_timeout(Duration::from_secs(50))
            .after_connect(|c| {
                Box::pin(async move {
                    c.set_statement_mode(StatementMode::Unnamed);
                    c.execute("SELECT set_config('app.greeting', 'hello', false)", ()).await.map(drop)
                })
            })
            .connect_with(database.config())
            .await
            .unwrap();
        let prepared = "SELECT count(*) FROM pg_prepared_statements";
        for _ in 0..2 {
            let mut c = db.checkout().await.unwrap();
            c.set_statement_timeout(Some(Duration::from_millis(30)));
            c.set_statement_mode(StatementMode::Named);
            let error = c.execute("SELECT pg_sleep(10)", ()).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
            drop(c);
            let mut c = db.checkout().await.unwrap();
            c.execute("SELECT pg_sleep(0.1)", ()).await.unwrap();
            let before: i64 = c.fetch_value(prepared, ()).await.unwrap();
            c.execute("SELECT 'not kept'", ()).await.unwrap();
            assert_eq!(c.fetch_value::<i64, _>(prepared, ()).await.unwrap(), before, "mode unnamed");
        }
        // Whoever resets everything also resets what the hook has set, which therefore runs again.
        for sql in ["RESET ALL", "RESET app.greeting"] {
            db.execute(sql, ()).await.unwrap();
            let greeting: String =
                db.fetch_value("SELECT current_setting('app.greeting')", ()).await.unwrap();
            assert_eq!(greeting, "hello", "{sql}");
        }
        for sql in ["SELECT 1 AS a INTO TEMP mine", "/* c */ CREATE TEMP TABLE mine AS SELECT 1 AS a"] {
            db.execute(sql, ()).await.unwrap();
            let left: bool =
                db.fetch_value("SELECT to_regclass('pg_temp.mine') IS NOT NULL", ()).await.unwrap();
            assert!(!left, "{sql}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_hook_that_the_server_refuses_is_told_at_once() {
    deadline(async {
        let database = shared().database().await;
        let builder = || {
            Database::builder().max_size(2).after_connect(|c| {
                Box::pin(async move { c.execute("SET no_such_setting = 1", ()).await.map(drop) })
            })
        };
        let error = builder().connect_with(database.config()).await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::UNDEFINED_OBJECT), "{error}");
        let lazy = builder().connect_lazy_with(database.config()).unwrap();
        let began = std::time::Instant::now();
        let error = lazy.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(error.sql_state(), Some(SqlState::UNDEFINED_OBJECT), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20) && !error.is_transient(), "{error}");
        lazy.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn statements_have_spans_and_slow_ones_a_line_in_the_log() {
    deadline(async {
        let database = shared().database().await;
        let log = Log::listen();
        let db = Database::builder().max_size(1).slow_statement(Duration::from_millis(50));
        let db = db.connect_with(database.config()).await.unwrap();
        db.execute("SELECT $1::text", ("a secret value",)).await.unwrap();
        db.execute("SELECT pg_sleep(0.06)", ()).await.unwrap();
        db.execute("SELECT 1 / 0", ()).await.unwrap_err();
        let lines = log.lines();
        let of = |begin: &str, what: &str| {
            lines.lines().any(|line| line.starts_with(begin) && line.contains(what))
        };
        assert!(of("SPAN cornac::statement", "db.system.name=\"postgresql\""), "{lines}");
        assert!(of("SPAN cornac::statement", "db.operation.name=\"SELECT\""), "{lines}");
        assert!(of("SPAN cornac::statement", "db.query.text=\"SELECT $1::text\""), "{lines}");
        assert!(of("SPAN:", "db.response.status_code=\"22012\""), "{lines}");
        assert!(of("WARN cornac::slow", "SELECT pg_sleep(0.06)"), "{lines}");
        assert!(!of("WARN cornac::slow", "$1::text") && !lines.contains("a secret value"), "{lines}");
    })
    .await;
}

#[tokio::test]
async fn tests_of_ones_own_have_databases_and_transactions_that_leave_nothing() {
    deadline(async {
        let database = shared().database().await;
        let name = database.config().dbname_ref().to_owned();
        let server = database.config().clone().dbname("postgres");
        let mut c = database.connect().await;
        c.simple_query("CREATE TABLE item (id int4 GENERATED ALWAYS AS IDENTITY, name text)").await.unwrap();
        c.close().await.unwrap();
        let copied = testing::TestDatabase::from_template_with(&server, &name).await.unwrap();
        let db = copied.connect().await.unwrap();
        {
            let mut tx = testing::rolled_back(&db).await.unwrap();
            tx.execute("INSERT INTO item (name) VALUES ('tusk')", ()).await.unwrap();
            let mut inner = tx.begin().await.unwrap();
            inner.execute("INSERT INTO item (name) VALUES ('howdah')", ()).await.unwrap();
            inner.commit().await.unwrap();
            assert_eq!(tx.fetch_value::<i64, _>("SELECT count(*) FROM item", ()).await.unwrap(), 2);
        }
        assert_eq!(db.fetch_value::<i64, _>("SELECT count(*) FROM item", ()).await.unwrap(), 0);
        let left = "SELECT count(*) FROM pg_database WHERE datname = $1";
        let own = copied.config().dbname_ref().to_owned();
        let mut observer = database.connect().await;
        assert_eq!(observer.fetch_value::<i64, _>(left, (&own,)).await.unwrap(), 1);
        db.close().await.unwrap();
        copied.drop_now().await.unwrap();
        assert_eq!(observer.fetch_value::<i64, _>(left, (&own,)).await.unwrap(), 0);
        let empty = testing::TestDatabase::from_template_with(&server, "template1").await.unwrap();
        let own = empty.config().dbname_ref().to_owned();
        drop(empty);
        assert_eq!(observer.fetch_value::<i64, _>(left, (&own,)).await.unwrap(), 0);
    })
    .await;
}
