//! Statements through PgBouncer, which lends its server connections for one transaction each.

use std::sync::Arc;

use cornac::{Client, Config, Connection, SqlState, Statement, StatementMode};
use cornac_tests::{Cluster, ClusterOptions, PgBouncer, PgBouncerOptions, SUPERUSER, deadline, still_usable};
use tokio::sync::Barrier;

const TASKS: i32 = 16;

/// All tasks together.
const QUERIES: i32 = 10_000;

/// A server and a pooler in front of it that does not know of prepared statements.
async fn pooled(options: &PgBouncerOptions) -> (Cluster, PgBouncer) {
    let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
    let mut admin = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
    let sql = "CREATE TABLE item (id int4 PRIMARY KEY, name text); GRANT ALL ON item TO trusted;
               INSERT INTO item SELECT n, 'item ' || n FROM generate_series(0, 999) n";
    admin.simple_query(sql).await.unwrap();
    let pooler = PgBouncer::start(cluster.port(), "trusted", options).unwrap();
    (cluster, pooler)
}

/// One round of different statements; gives how many there were, and the process that served it. What comes back must be what was
/// asked for.
async fn ask(c: &mut Connection, number: i32) -> cornac::Result<(i32, i32)> {
    let id = number % 1000;
    // Texts that differ from task to task, in number and types of their columns too.
    match number % 4 {
        0 => {
            let (name, back): (String, i32) =
                c.fetch_one("SELECT name, id FROM item WHERE id = $1", (id,)).await?;
            assert_eq!((name, back), (format!("item {id}"), id));
        }
        1 => {
            let text: String =
                c.fetch_value(&*format!("SELECT $1::text || '{}'", number % 97), ("n",)).await?;
            assert_eq!(text, format!("n{}", number % 97));
        }
        2 => {
            let sum: i64 = c.fetch_value(&*format!("SELECT $1::int8 + {}", number % 89), (7_i64,)).await?;
            assert_eq!(sum, i64::from(7 + number % 89));
        }
        _ => {
            let mut transaction = c.begin().await?;
            let updated = transaction.execute("UPDATE item SET name = name WHERE id = $1", (id,)).await?;
            assert_eq!(updated, 1);
            let name: String = transaction.fetch_value("SELECT name FROM item WHERE id = $1", (id,)).await?;
            assert_eq!(name, format!("item {id}"));
            transaction.commit().await?;
            return Ok((3, c.fetch_value("SELECT pg_backend_pid()", ()).await?));
        }
    }
    Ok((1, c.fetch_value("SELECT pg_backend_pid()", ()).await?))
}

/// Runs the tasks; gives how many statements succeeded, how many failed with the error of a statement that is not there, and
/// how many server processes served.
async fn run(config: &Config, mode: StatementMode) -> (i32, i32, usize) {
    let barrier = Arc::new(Barrier::new(usize::try_from(TASKS).unwrap()));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (config, barrier) = (config.clone().statement_mode(mode), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut c = Connection::connect(&config).await.unwrap();
                barrier.wait().await;
                let (mut asked, mut lost, mut backends) = (0, 0, Vec::new());
                let mut number = task;
                while asked + lost < QUERIES / TASKS {
                    match ask(&mut c, number).await {
                        Ok((statements, backend)) => {
                            asked += statements + 1;
                            backends.push(backend);
                        }
                        Err(error) => {
                            assert_eq!(
                                error.sql_state(),
                                Some(SqlState::INVALID_SQL_STATEMENT_NAME),
                                "{error}"
                            );
                            let said = error.to_string();
                            assert!(
                                said.contains(
                                    "behind a pooler in transaction mode set statement_mode to Unnamed"
                                ),
                                "{said}"
                            );
                            lost += 1;
                        }
                    }
                    number += 7;
                }
                still_usable(&mut c).await;
                (asked, lost, backends)
            })
        })
        .collect();
    let (mut asked, mut lost, mut backends) = (0, 0, Vec::new());
    for task in tasks {
        let (of_task, lost_by_task, its_backends) = task.await.unwrap();
        // A task that never met another backend has shown nothing.
        assert!(its_backends.windows(2).any(|pair| pair[0] != pair[1]), "the backend changed");
        asked += of_task;
        lost += lost_by_task;
        backends.extend(its_backends);
    }
    backends.sort_unstable();
    backends.dedup();
    (asked, lost, backends.len())
}

#[tokio::test]
async fn cache_07_unnamed_and_simple_statements_never_fail_behind_a_pooler() {
    deadline(async {
        let (_cluster, pooler) = pooled(&PgBouncerOptions::default()).await;
        for mode in [StatementMode::Unnamed, StatementMode::Simple] {
            let (asked, lost, backends) = run(&pooler.config("anybody", "postgres"), mode).await;
            println!("{mode:?}: {asked} statements over {backends} server processes, {lost} failed");
            assert!(asked >= QUERIES && lost == 0 && backends == 4, "{asked}, {lost}, {backends}");
        }
    })
    .await;
}

#[tokio::test]
async fn cache_07_named_statements_behind_a_pooler_fail_with_advice_and_never_give_others_rows() {
    deadline(async {
        let (_cluster, pooler) = pooled(&PgBouncerOptions::default()).await;
        let (asked, lost, backends) = run(&pooler.config("anybody", "postgres"), StatementMode::Named).await;
        println!("Named: {asked} statements over {backends} server processes, {lost} failed");
        assert!(asked > 0 && lost > 0 && backends == 4, "{asked}, {lost}, {backends}");
    })
    .await;
}

#[tokio::test]
async fn cache_07_a_pooler_in_session_mode_takes_every_mode() {
    deadline(async {
        let options = PgBouncerOptions { pool_mode: "session", ..PgBouncerOptions::default() };
        let (_cluster, pooler) = pooled(&options).await;
        let mut c = Connection::connect(&pooler.config("anybody", "postgres")).await.unwrap();
        for mode in [StatementMode::Named, StatementMode::Unnamed, StatementMode::Simple] {
            c.set_statement_mode(mode);
            for number in 0..40 {
                ask(&mut c, number).await.unwrap();
            }
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn cache_10_clients_with_unnamed_statements_never_get_each_others_rows() {
    deadline(async {
        // One server connection for two clients: each flight of one stands between two of the other.
        let options = PgBouncerOptions { pool_size: 1, ..PgBouncerOptions::default() };
        let (_cluster, pooler) = pooled(&options).await;
        let config = pooler.config("anybody", "postgres").statement_mode(StatementMode::Unnamed);
        let mut one = Connection::connect(&config).await.unwrap();
        let mut two = Connection::connect(&config).await.unwrap();
        let text = Statement::new("SELECT 'text ' || $1");
        for number in 0..1000_i32 {
            let said = number.to_string();
            let (of_one, of_two) = tokio::join!(
                one.fetch_value::<i32, _>("SELECT $1::int4", (number,)),
                two.fetch_value::<String, _>(&text, (&said,)),
            );
            assert_eq!((of_one.unwrap(), of_two.unwrap()), (number, format!("text {number}")));
        }
        still_usable(&mut one).await;
        still_usable(&mut two).await;
    })
    .await;
}
