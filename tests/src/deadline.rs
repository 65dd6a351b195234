//! No test waits for ever, and none leaves a connection that does not work.

use std::future::Future;
use std::time::Duration;

use cornac_conn::{Client, Connection};

/// Runs a test's body, which must end within 60 seconds.
///
/// # Panics
///
/// When it does not.
pub async fn deadline<F: Future>(body: F) -> F::Output {
    // Boxed: bodies are long, and their futures large.
    deadline_of(60, Box::pin(body)).await
}

/// Runs a test's body, which must end within so many seconds.
///
/// # Panics
///
/// When it does not.
pub async fn deadline_of<F: Future>(seconds: u64, body: F) -> F::Output {
    let ended = tokio::time::timeout(Duration::from_secs(seconds), Box::pin(body)).await;
    ended.unwrap_or_else(|_| panic!("the test has not ended within {seconds} s"))
}

/// Proves that a connection answers with what it was asked for.
///
/// # Panics
///
/// When it does not.
pub async fn still_usable(connection: &mut Connection) {
    let answer: i32 =
        connection.fetch_value("SELECT $1::int4", (1717_i32,)).await.expect("the connection works");
    assert_eq!(answer, 1717);
    assert!(connection.is_idle(), "nothing is left open");
}

/// Waits until the backend of `process_id` sleeps in `pg_sleep`.
///
/// # Panics
///
/// When the server cannot be asked.
pub async fn wait_until_asleep(observer: &mut Connection, process_id: i32) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
    while observer.fetch_value::<i64, _>(sql, (process_id,)).await.expect("the server answers") == 0 {}
}
