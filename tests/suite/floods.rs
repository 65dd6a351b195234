//! Both directions at once: a server that does not read, and one that does not stop to write.

use std::time::Duration;

use bytes::BytesMut;
use cornac_conn::{Connection, ErrorKind};
use cornac_proto::message::server::{self, notice_response};
use cornac_proto::message::{Backend, CommandComplete, FieldCode, FormatCode, TransactionStatus};
use cornac_tests::scripted::{self, ScriptedServer};
use cornac_tests::{deadline, messages};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::measured::{Measured, mebibytes};

/// Answers a simple query with one value in text.
async fn answer_query<S: AsyncRead + AsyncWrite + Unpin>(server: &mut ScriptedServer<S>, value: &str) {
    server
        .send(|out| {
            server::row_description(out, &[("value", 25, FormatCode::Text)])?;
            server::data_row(out, &[Some(value.as_bytes())])?;
            Backend::CommandComplete(CommandComplete::new("SELECT 1")).encode(out)
        })
        .await;
    server.ready(TransactionStatus::Idle).await;
}

/// A notice with `len` bytes of text.
fn notice(len: usize) -> Vec<u8> {
    messages::bytes(|out: &mut BytesMut| notice_response(out, &[(FieldCode::MESSAGE, &"x".repeat(len))]))
}

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn line_06_a_server_that_stops_reading_meets_the_deadline() {
    deadline(async {
        let (mut connection, mut server) = scripted::connected().await;
        connection.set_statement_timeout(Some(Duration::from_secs(3)));
        let sql = format!("SELECT '{}'", "x".repeat(1 << 20));
        let begun = Instant::now();
        let error = connection.simple_query(&sql).await.unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), 3 + GRACE.as_secs());
        assert!(error.is_closed() && error.outcome_unknown(), "{error}");
        assert!(connection.is_closed());
        let got = server.read_to_end().await;
        println!("the server was sent {got} bytes of {}, and nothing after {:?}", sql.len(), begun.elapsed());
        assert!(got < sql.len());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn line_06_a_server_that_goes_on_reading_later_gets_all() {
    deadline(async {
        let (mut connection, mut server) = scripted::connected().await;
        let sql = format!("SELECT '{}'", "x".repeat(1 << 20));
        let script = async {
            // The client has nothing to do but to wait for room, so that the clock may run.
            tokio::time::sleep(Duration::from_secs(40)).await;
            let (tag, body) = server.read_message().await.expect("the statement");
            assert_eq!((tag, body.len()), (b'Q', sql.len() + 1));
            answer_query(&mut server, "7").await;
            server.answer_int(8).await;
        };
        let (results, ()) = tokio::join!(
            async {
                let results = connection.simple_query(&sql).await.unwrap();
                assert_eq!(
                    cornac_conn::Client::fetch_value::<i32, _>(&mut connection, "SELECT 8", ())
                        .await
                        .unwrap(),
                    8
                );
                results
            },
            script
        );
        assert_eq!(results[0].rows[0].get::<&str>(0).unwrap(), "7");
    })
    .await;
}

#[tokio::test]
async fn line_06_a_server_that_floods_while_we_write_is_read_in_bounded_memory() {
    deadline(async {
        // Longer than anything that the allocator keeps for later when it is freed, so that what is kept is the connection's doing.
        const STATEMENT: u64 = 40 << 20;
        const FLOOD: usize = 64 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://app@{}/shop?sslmode=disable", listener.local_addr().unwrap());
        let client = Measured::start(&url, "send", STATEMENT);
        let mut server = ScriptedServer::over(listener.accept().await.unwrap().0);
        server.accept().await;
        // Nothing of the statement is read until all of the flood has been taken: whoever does not read while it writes waits for ever.
        let notice = notice(64 << 10);
        for _ in 0..FLOOD / notice.len() {
            assert!(server.offer_bytes(&notice).await, "the client is there");
        }
        let (tag, body) = server.read_message().await.expect("the statement");
        assert_eq!((tag, body.len() as u64), (b'Q', STATEMENT + 10));
        answer_query(&mut server, "7").await;
        let figures = client.figures().await;
        let (peak, kept) = (figures["peak"], figures["kept"]);
        println!(
            "{} of notices while {} were written: {} at most, {} at the end; {} notices gave way",
            mebibytes(FLOOD as u64),
            mebibytes(STATEMENT),
            mebibytes(peak),
            mebibytes(kept),
            figures["lost"]
        );
        // The statement, its copy in the send buffer, the notices that are kept, and what is small.
        let bound = 2 * STATEMENT + (4 << 20) + (4 << 20);
        assert!(peak < bound, "{} of {}", mebibytes(peak), mebibytes(bound));
        assert!(kept < 8 << 20, "{}", mebibytes(kept));
        assert!(figures["lost"] > 900);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn line_06_a_flood_does_not_hold_the_deadline_back() {
    deadline(async {
        // The pipe holds more than a task may read before tokio has it give way, so that the client never finds it empty.
        let (client, stream) = tokio::io::duplex(4 << 20);
        let mut server = ScriptedServer::over(stream);
        let config = scripted::config();
        let (connection, ()) = tokio::join!(Connection::connect_over(client, &config), server.accept());
        let mut connection = connection.unwrap();
        connection.set_statement_timeout(Some(Duration::from_secs(2)));
        let begun = Instant::now();
        // In a task of its own, which has its own share of the time.
        let flood = tokio::spawn(async move {
            let notices = notice(8 << 10).repeat(384);
            let mut sent = 0;
            while begun.elapsed() < Duration::from_secs(30) && server.offer_bytes(&notices).await {
                sent += notices.len();
                tokio::time::advance(Duration::from_millis(300)).await;
            }
            sent
        });
        let error = connection.simple_query("SELECT 1").await.unwrap_err();
        assert!(connection.is_closed());
        let took = begun.elapsed();
        let sent = flood.await.unwrap();
        println!("closed after {took:?} and {} of notices", mebibytes(sent as u64));
        assert!(matches!(error.kind(), ErrorKind::Closed(_)) && error.outcome_unknown(), "{error}");
        assert!(took < Duration::from_secs(2) + GRACE + Duration::from_secs(1), "{took:?}");
    })
    .await;
}
