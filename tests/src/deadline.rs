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
    tokio::time::timeout(Duration::from_secs(60), body).await.expect("the test ends within 60 s")
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
