//! Notices, notifications and parameter reports between any two messages of every exchange.

use bytes::BytesMut;
use cornac_conn::{Client, Connection, Result};
use cornac_proto::COPY_SIGNATURE;
use cornac_proto::message::server::{self, CopyDirection};
use cornac_proto::message::{
    Backend, CommandComplete, FieldCode, FormatCode, NotificationResponse, ParameterStatus, TransactionStatus,
};
use cornac_tests::deadline;
use cornac_tests::scripted::{self, ScriptedServer};

use cornac_tests::messages::{bytes, encoded, error};

/// What a server may say at any moment.
fn asides() -> Vec<u8> {
    [
        bytes(|out| {
            server::notice_response(
                out,
                &[(FieldCode::SEVERITY, "NOTICE"), (FieldCode::MESSAGE, "by the way")],
            )
        }),
        encoded(Backend::ParameterStatus(ParameterStatus::new("TimeZone", "Asia/Kathmandu"))),
        encoded(Backend::NotificationResponse(NotificationResponse::new(9, "herd", "moves"))),
    ]
    .concat()
}

/// One exchange: for each flight of the client the messages with which it is answered.
type Exchange = Vec<Vec<Vec<u8>>>;

fn ready() -> Vec<u8> {
    encoded(Backend::ReadyForQuery(TransactionStatus::Idle))
}

fn described() -> Vec<Vec<u8>> {
    vec![
        encoded(Backend::ParseComplete),
        bytes(|out| server::parameter_description(out, &[])),
        bytes(|out| server::row_description(out, &[("value", 23, FormatCode::Text)])),
        ready(),
    ]
}

fn row() -> Vec<u8> {
    bytes(|out| server::data_row(out, &[Some(&7_i32.to_be_bytes())]))
}

fn complete(tag: &'static str) -> Vec<u8> {
    encoded(Backend::CommandComplete(CommandComplete::new(tag)))
}

fn fetching() -> Exchange {
    vec![described(), vec![encoded(Backend::BindComplete), row(), row(), complete("SELECT 2"), ready()]]
}

fn failing() -> Exchange {
    vec![
        described(),
        vec![encoded(Backend::BindComplete), row(), error("ERROR", "22012", "division by zero"), ready()],
    ]
}

fn copying_out() -> Exchange {
    let begin = bytes(|out| server::copy_response(out, CopyDirection::Out, FormatCode::Text, 1));
    let data = || encoded(Backend::CopyData(b"7\n"));
    let done = encoded(Backend::CopyDone);
    vec![
        described(),
        vec![encoded(Backend::BindComplete), begin, data(), data(), done, complete("COPY 2"), ready()],
    ]
}

fn copying_in() -> Exchange {
    let begin = bytes(|out| server::copy_response(out, CopyDirection::In, FormatCode::Text, 1));
    let failed = error("ERROR", "57014", "COPY from stdin failed");
    vec![described(), vec![encoded(Backend::BindComplete), begin], vec![failed, ready()]]
}

/// A typed COPY out, whose first flight ends with Flush.
fn copying_rows_out() -> Exchange {
    let mut begun = described();
    begun.pop();
    begun.extend([
        encoded(Backend::ParseComplete),
        encoded(Backend::BindComplete),
        bytes(|out| server::copy_response(out, CopyDirection::Out, FormatCode::Binary, 1)),
    ]);
    let header = [&COPY_SIGNATURE[..], &[0; 8]].concat();
    let data = [&header[..], b"\0\x01\0\0\0\x04\0\0\0\x07", b"\xff\xff"]
        .map(|data| encoded(Backend::CopyData(data)));
    let end = [encoded(Backend::CopyDone), complete("COPY 1"), ready()];
    vec![begun, [&data[..], &end[..]].concat()]
}

/// A typed COPY in, whose first flight ends with Flush, and whose data the server takes or refuses.
fn copying_records_in(refused: bool) -> Exchange {
    let mut begun = copying_rows_out().swap_remove(0);
    begun.pop();
    begun.push(bytes(|out| server::copy_response(out, CopyDirection::In, FormatCode::Binary, 1)));
    let end = if refused { error("ERROR", "23514", "no such item") } else { complete("COPY 1") };
    vec![begun, vec![end, ready()]]
}

/// Takes messages up to and including a Sync or a Flush.
async fn read_flight(server: &mut ScriptedServer) {
    loop {
        let (tag, _) = server.read_message().await.expect("the client goes on");
        if tag == b'S' || tag == b'H' {
            return;
        }
    }
}

/// Answers each flight, with asides in front of message `at`, counted over all flights.
async fn play(server: &mut ScriptedServer, exchange: &Exchange, at: usize) {
    let mut index = 0;
    for flight in exchange {
        read_flight(server).await;
        for message in flight {
            if index == at {
                server.send_bytes(&asides()).await;
            }
            server.send_bytes(message).await;
            index += 1;
        }
    }
    if index == at {
        server.send_bytes(&asides()).await;
    }
}

/// Runs `ask` against `exchange` with asides at every place; it always ends in the same way, and nothing aside is lost.
async fn undisturbed(exchange: Exchange, ask: impl AsyncFn(&mut Connection) -> Result<Vec<(i32,)>>) {
    let messages: usize = exchange.iter().map(Vec::len).sum();
    let mut outcomes = Vec::new();
    for at in 0..=messages {
        let (mut connection, mut server) = scripted::connected().await;
        let script = async {
            play(&mut server, &exchange, at).await;
            server.answer_int(8).await;
        };
        let asking = async {
            let outcome = ask(&mut connection).await;
            let after: i32 = connection.fetch_value("SELECT 8", ()).await.unwrap();
            assert_eq!(after, 8);
            format!("{outcome:?}")
        };
        let (outcome, ()) = tokio::join!(asking, script);
        outcomes.push(outcome);
        assert_eq!(connection.take_notices().messages.len(), 1, "the notice in front of message {at}");
        assert_eq!(connection.take_notifications().messages[0].channel, "herd");
        assert_eq!(connection.parameter("TimeZone"), Some("Asia/Kathmandu"));
    }
    outcomes.dedup();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
}

#[tokio::test]
async fn wire_11_asides_disturb_no_exchange() {
    deadline(async {
        undisturbed(fetching(), async |connection| connection.fetch_all("SELECT 7", ()).await).await;
        undisturbed(failing(), async |connection| connection.fetch_all("SELECT 1/0", ()).await).await;
        undisturbed(copying_out(), async |connection| connection.fetch_all("COPY t TO STDOUT", ()).await)
            .await;
        undisturbed(copying_in(), async |connection| connection.fetch_all("COPY t FROM STDIN", ()).await)
            .await;
        undisturbed(copying_rows_out(), async |connection| {
            let mut rows = connection.copy_rows::<(i32,)>("t").await?;
            let mut collected = Vec::new();
            while let Some(row) = rows.next().await? {
                collected.push(row);
            }
            assert_eq!(collected, [(7,)]);
            Ok(collected)
        })
        .await;
        for refused in [false, true] {
            undisturbed(copying_records_in(refused), async |connection| {
                let copied = connection.copy_records_to_table("t", &["value"], [(7,)]).await;
                assert_eq!(copied.as_ref().ok(), (!refused).then_some(&1));
                copied.map(|_| Vec::new())
            })
            .await;
        }
    })
    .await;
}

#[tokio::test]
async fn wire_11_notices_disturb_no_authentication() {
    deadline(async {
        let notice =
            bytes(|out| server::notice_response(out, &[(FieldCode::MESSAGE, "your password expires soon")]));
        let ok = |code: u32| bytes(|out| server::raw(out, b'R', &code.to_be_bytes()));
        let steps =
            [ok(3), ok(0), encoded(Backend::ParameterStatus(ParameterStatus::new("a", "b"))), ready()];
        for at in 0..=steps.len() {
            let (client, mut server) = scripted::pair();
            let script = async {
                server.read_startup().await;
                for (index, step) in steps.iter().enumerate() {
                    let mut message = BytesMut::new();
                    if index == at {
                        message.extend_from_slice(&notice);
                    }
                    message.extend_from_slice(step);
                    server.send_bytes(&message).await;
                    if index == 0 {
                        assert_eq!(server.read_message().await, Some((b'p', b"pencil\0".to_vec())));
                    }
                }
                if at == steps.len() {
                    server.send_bytes(&notice).await;
                }
                server.answer_int(7).await;
            };
            let config = scripted::config();
            let asking = async {
                let mut connection = Connection::connect_over(client, &config).await.unwrap();
                assert_eq!(connection.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
                assert_eq!(connection.take_notices().messages.len(), 1, "in front of message {at}");
            };
            tokio::join!(asking, script);
        }
    })
    .await;
}
