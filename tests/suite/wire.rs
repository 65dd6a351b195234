//! Bytes that no honest server sends.

use cornac_conn::{Client, Connection, ErrorKind};
use cornac_proto::handshake::HandshakeError;
use cornac_proto::message::server::{self, CopyDirection};
use cornac_proto::message::{
    Backend, BackendKeyData, BackendTag, CommandComplete, FormatCode, ProtocolVersion, TransactionStatus,
};
use cornac_proto::session::CloseReason;
use cornac_tests::scripted::{self, ScriptedServer};
use cornac_tests::{deadline, shared, still_usable};

use cornac_tests::messages::{bytes, encoded, error, every_message};

/// What a client makes of `answer` to the first flight of a query (Parse, Describe, Sync), and whether the next call then says that
/// the connection is closed, and why.
async fn after_parse(answer: &[u8]) -> (String, Connection) {
    let (mut connection, mut server) = scripted::connected().await;
    let script = async {
        server.read_until(b'S').await;
        server.send_bytes(answer).await;
        server.close();
    };
    let (failed, ()) = tokio::join!(connection.fetch_value::<i32, _>("SELECT 1", ()), script);
    (failed.unwrap_err().to_string(), connection)
}

/// The same for the second flight (Bind, Execute, Sync) of a query for one int4 column.
async fn after_bind(answer: &[u8]) -> (String, Connection) {
    let (mut connection, mut server) = scripted::connected().await;
    let script = async {
        describe_int(&mut server).await;
        server.read_until(b'S').await;
        server.send_bytes(answer).await;
        server.close();
    };
    let (failed, ()) = tokio::join!(connection.fetch_value::<i32, _>("SELECT 1", ()), script);
    (failed.unwrap_err().to_string(), connection)
}

async fn describe_int(server: &mut ScriptedServer) {
    server.read_until(b'S').await;
    server
        .send(|out| {
            Backend::ParseComplete.encode(out)?;
            server::parameter_description(out, &[])?;
            server::row_description(out, &[("value", 23, FormatCode::Text)])
        })
        .await;
    server.ready(TransactionStatus::Idle).await;
}

/// The connection is closed, and every later call says why.
async fn assert_poisoned(connection: &mut Connection, why: &str) {
    assert!(connection.is_closed(), "{why}");
    let later = connection.execute("SELECT 2", ()).await.unwrap_err();
    assert!(later.is_closed() && !later.outcome_unknown(), "{later}");
    assert!(later.to_string().contains(why), "{later:?} should say {why:?}");
}

#[tokio::test]
async fn wire_01_a_message_cut_off_anywhere_is_named() {
    deadline(async {
        let mut cuts = 0;
        for (tag, message) in every_message() {
            for end in 1..message.len() {
                let (said, mut connection) = after_parse(&message[..end]).await;
                let why = format!("the server closed the connection unexpectedly in the middle of {tag}");
                assert!(said.ends_with(&why), "{said}");
                assert_poisoned(&mut connection, &why).await;
                cuts += 1;
            }
        }
        println!("{cuts} cuts");
        assert!(cuts > 250);
    })
    .await;
}

#[tokio::test]
async fn wire_03_an_impossible_length_closes_the_connection() {
    for length in [0, 1, 2, 3, -1, i32::MIN, i32::MAX, 1_073_741_827] {
        let hostile = [&b"D"[..], &i32::to_be_bytes(length)].concat();
        let (said, mut connection) = after_bind(&hostile).await;
        let why = format!("DataRow announces a length of {length} bytes, which must be from 4 to 1073741826");
        assert!(said.contains(&why), "{said}");
        assert_poisoned(&mut connection, &why).await;
    }
}

#[tokio::test]
async fn wire_04_a_stranger_gets_little_memory() {
    let check = async |message: Vec<u8>| {
        let (client, mut server) = scripted::pair();
        let script = async {
            server.read_startup().await;
            server.send_bytes(&message).await;
            server.close();
        };
        let config = scripted::config();
        let (connected, ()) = tokio::join!(Connection::connect_over(client, &config), script);
        connected.unwrap_err()
    };
    // The announcement is enough: what would follow is not waited for.
    for tag in BackendTag::ALL.iter().filter(|tag| !tag.carries_error_text()) {
        let megabyte = [&[tag.byte()][..], &(1_i32 << 20).to_be_bytes()].concat();
        let refused = check(megabyte).await;
        assert!(refused.to_string().contains("which must be from 4 to 8192"), "{refused}");
    }
    let refused = check(error("FATAL", "28000", &"x".repeat(29_000))).await;
    assert_eq!(refused.server().map(|server| server.message().len()), Some(29_000));
    let refused = check(error("FATAL", "28000", &"x".repeat(30_000))).await;
    assert!(refused.server().is_none() && refused.to_string().contains("from 4 to 30000"), "{refused}");
}

#[tokio::test]
async fn wire_06_a_row_that_contradicts_its_description_closes_the_connection() {
    let begin = encoded(Backend::BindComplete);
    let row = |values: &[Option<&[u8]>]| [&begin[..], &bytes(|out| server::data_row(out, values))].concat();
    let raw = |body: &[u8]| [&begin[..], &bytes(|out| server::raw(out, b'D', body))].concat();
    for (answer, why) in [
        (row(&[]), "DataRow has 0 columns, its description 1"),
        (row(&[None, None]), "DataRow has 2 columns, its description 1"),
        (raw(b"\0\x01\xff\xff\xff\xfe"), "value has the impossible length -2"),
        (raw(b"\0\x01\0\0\0\x09abc"), "value needs 9 bytes and 3 are there"),
        (raw(b"\0\x01\0\0\0\x01abc"), "end of message is followed by 2 bytes too many"),
        (raw(b"\0"), "columns needs 2 bytes and 1 is there"),
    ] {
        let (said, mut connection) = after_bind(&answer).await;
        assert!(said.contains(why), "{said}");
        assert_poisoned(&mut connection, why).await;
    }
}

#[tokio::test]
async fn wire_07_text_that_is_no_utf8_is_shown_all_the_same() {
    let (mut connection, mut server) = scripted::connected().await;
    let script = async {
        server.read_until(b'S').await;
        server.send_bytes(&bytes(|out| server::raw(out, b'E', b"SERROR\0Mgr\xfcn\0\0"))).await;
        server.ready(TransactionStatus::Idle).await;
        server.answer_int(7).await;
    };
    let queries = async {
        let refused = connection.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(refused.to_string(), "ERROR: gr\u{fffd}n");
        assert_eq!(connection.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
    };
    tokio::join!(script, queries);
}

#[tokio::test]
async fn wire_08_what_is_no_backend_message_closes_the_connection() {
    for tag in (0..=u8::MAX).filter(|tag| BackendTag::from_byte(*tag).is_none()) {
        let (said, mut connection) = after_parse(&[tag, 0, 0, 0, 4]).await;
        let why = format!("unknown message tag {} (0x{tag:02x})", tag.escape_ascii());
        assert!(said.contains(&why), "{said}");
        assert_poisoned(&mut connection, &why).await;
    }
}

#[tokio::test]
async fn wire_09_replies_out_of_turn_close_the_connection() {
    let row = bytes(|out| server::data_row(out, &[Some(&7_i32.to_be_bytes())]));
    let ready = encoded(Backend::ReadyForQuery(TransactionStatus::Idle));
    let bind = encoded(Backend::BindComplete);
    let complete = encoded(Backend::CommandComplete(CommandComplete::new("SELECT 1")));
    let copy_both = bytes(|out| server::copy_response(out, CopyDirection::Both, FormatCode::Text, 1));
    for (answer, why) in [
        (row.clone(), "DataRow came while BindComplete was awaited (3 requests unanswered)"),
        (ready.clone(), "ReadyForQuery came while BindComplete was awaited"),
        (encoded(Backend::ParseComplete), "ParseComplete came while BindComplete was awaited"),
        (encoded(Backend::CloseComplete), "CloseComplete came while BindComplete was awaited"),
        (
            [&bind[..], &bind].concat(),
            "BindComplete came while the first row or the end of a statement was awaited",
        ),
        (
            [&bind[..], &row, &ready].concat(),
            "ReadyForQuery came while DataRow or CommandComplete was awaited",
        ),
        ([&bind[..], &complete, &row].concat(), "DataRow came while ReadyForQuery was awaited"),
        ([&bind[..], &complete, &complete].concat(), "CommandComplete came while ReadyForQuery was awaited"),
        ([&bind[..], &copy_both].concat(), "CopyBothResponse came while the first row"),
        ([&bind[..], &encoded(Backend::CopyData(b"x"))].concat(), "CopyData came while the first row"),
        (
            [&bind[..], &encoded(Backend::BackendKeyData(BackendKeyData::new(7, b"key!")))].concat(),
            "BackendKeyData came while",
        ),
    ] {
        let (said, mut connection) = after_bind(&answer).await;
        assert!(said.contains(why), "{said}");
        assert_poisoned(&mut connection, why).await;
    }
}

#[tokio::test]
async fn wire_09_what_nothing_asked_for_closes_the_connection_at_its_next_use() {
    deadline(async {
        for (_, message) in every_message() {
            let tag = BackendTag::from_byte(message[0]).unwrap();
            if matches!(
                tag,
                BackendTag::NoticeResponse | BackendTag::NotificationResponse | BackendTag::ParameterStatus
            ) {
                continue;
            }
            let (mut connection, mut server) = scripted::connected().await;
            let script = async {
                server.answer_int(7).await;
                // A second ReadyForQuery, or whatever else, that belongs to no request.
                server.send_bytes(&message).await;
                // The client may find it before it writes, and go.
                while server.read_message().await.is_some_and(|(tag, _)| tag != b'S') {}
                server.send_bytes(&encoded(Backend::ParseComplete)).await;
                server.close();
            };
            let queries = async {
                assert_eq!(connection.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
                let failed = connection.fetch_value::<i32, _>("SELECT 8", ()).await.unwrap_err();
                // An error that belongs to nobody would be taken for the answer, which it could be; all else cannot be.
                assert!(
                    failed.is_closed()
                        || tag == BackendTag::ErrorResponse
                        || tag == BackendTag::ParseComplete,
                    "{tag}: {failed}"
                );
            };
            tokio::join!(script, queries);
        }
    })
    .await;
}

#[tokio::test]
async fn wire_10_the_fatal_error_is_what_the_caller_sees() {
    let fatal = error("FATAL", "57P01", "terminating connection due to administrator command");
    let row = bytes(|out| server::data_row(out, &[Some(&7_i32.to_be_bytes())]));
    let begin = encoded(Backend::BindComplete);
    for answer in [
        fatal.clone(),
        [&fatal[..], &row, b"garbage"].concat(),
        [&begin[..], &row, &fatal].concat(),
        // In the middle of a message that is never finished.
        [&begin[..], &row, b"D\0\0\xff\xff\0\x01", &fatal].concat(),
        [&begin[..], b"D\0\0\xff\xff\0\x02\0\0\0\x05EEEEE", &fatal].concat(),
    ] {
        let (said, mut connection) = after_bind(&answer).await;
        let why = "FATAL: terminating connection due to administrator command (SQLSTATE 57P01)";
        assert!(said.ends_with(why), "{said}");
        assert_poisoned(&mut connection, why).await;
    }
}

#[tokio::test]
async fn wire_12_an_error_without_fields_is_an_error_all_the_same() {
    let (mut connection, mut server) = scripted::connected().await;
    let script = async {
        server.read_until(b'S').await;
        server.send_bytes(&bytes(|out| server::error_response(out, &[]))).await;
        server.ready(TransactionStatus::Idle).await;
        server.answer_int(7).await;
    };
    let queries = async {
        let refused = connection.execute("SELECT 1", ()).await.unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::Server(server) if server.fields().count() == 0),
            "{refused}"
        );
        assert_eq!(connection.fetch_value::<i32, _>("SELECT 7", ()).await.unwrap(), 7);
    };
    tokio::join!(script, queries);
}

#[tokio::test]
async fn wire_13_a_result_may_have_as_many_columns_as_a_server_gives() {
    deadline(async {
        let database = shared().database().await;
        let mut connection = database.connect().await;
        for columns in [0, 1, 1664] {
            let list: Vec<String> = (0..columns).map(|number| format!("{number} AS c{number}")).collect();
            let sql = format!("SELECT {}", list.join(", "));
            let mut rows = connection.rows(&sql, ()).await.unwrap();
            assert_eq!(rows.columns().len(), columns);
            let row = rows.next().await.unwrap().expect("one row");
            let last: Option<i32> = if columns == 0 { None } else { Some(row.get(columns - 1).unwrap()) };
            assert_eq!(last, i32::try_from(columns).unwrap().checked_sub(1).filter(|last| *last >= 0));
            assert!(rows.next().await.unwrap().is_none());
        }
        wide_result(usize::from(u16::MAX)).await;
        let list = vec!["1"; 1665].join(", ");
        let refused = connection.execute(format!("SELECT {list}"), ()).await.unwrap_err();
        assert_eq!(refused.sql_state().map(|state| state.to_string()).as_deref(), Some("54011"));
        still_usable(&mut connection).await;
    })
    .await;
}

/// A result wider than any server gives, for the protocol has room for it.
async fn wide_result(columns: usize) {
    let (mut connection, mut server) = scripted::connected().await;
    let described = vec![("c", 23, FormatCode::Text); columns];
    let value = 7_i32.to_be_bytes();
    let values = vec![Some(&value[..]); columns];
    let script = async {
        server.read_until(b'S').await;
        server
            .send(|out| {
                Backend::ParseComplete.encode(out)?;
                server::parameter_description(out, &[])?;
                server::row_description(out, &described)
            })
            .await;
        server.ready(TransactionStatus::Idle).await;
        server.read_until(b'S').await;
        server
            .send(|out| {
                Backend::BindComplete.encode(out)?;
                server::data_row(out, &values)?;
                Backend::CommandComplete(CommandComplete::new("SELECT 1")).encode(out)
            })
            .await;
        server.ready(TransactionStatus::Idle).await;
    };
    let query = async {
        let mut rows = connection.rows("SELECT *", ()).await.unwrap();
        let row = rows.next().await.unwrap().expect("one row");
        assert_eq!((row.columns().len(), row.get::<i32>(columns - 1).unwrap()), (columns, 7));
        assert!(rows.next().await.unwrap().is_none());
    };
    tokio::join!(script, query);
}

#[tokio::test]
async fn wire_15_an_unknown_transaction_status_closes_the_connection() {
    let (said, mut connection) = after_bind(b"2\0\0\0\x04C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05X").await;
    let why = "malformed ReadyForQuery: transaction status has the unknown code 88";
    assert!(said.contains(why), "{said}");
    assert_poisoned(&mut connection, why).await;
}

/// How a client ends that is sent `answer` to its startup packet.
async fn at_startup(answer: Vec<u8>) -> String {
    let (client, mut server) = scripted::pair();
    let script = async {
        server.read_startup().await;
        server.send_bytes(&answer).await;
        server.close();
    };
    let config = scripted::config();
    let (connected, ()) = tokio::join!(Connection::connect_over(client, &config), script);
    let failed = connected.unwrap_err();
    let ErrorKind::Connect(error) = failed.kind() else { panic!("not a failure to connect: {failed}") };
    let Some(attempt) = error.attempts().first() else { panic!("no attempt: {failed}") };
    assert!(
        matches!(
            attempt.failure,
            cornac_conn::ConnectFailure::Handshake(HandshakeError::Violation(_) | HandshakeError::Eof { .. })
        ),
        "{failed}"
    );
    failed.to_string()
}

#[tokio::test]
async fn wire_16_a_negotiation_of_what_was_not_asked_for_ends_the_attempt() {
    let negotiate =
        |version, options: &[&[u8]]| bytes(|out| server::negotiate_protocol_version(out, version, options));
    for (answer, why) in [
        (negotiate(ProtocolVersion::V3_2, &[]), "offers a version that is not older"),
        (negotiate(ProtocolVersion::V3_0, &[]), "offers a version that is not older"),
        (negotiate(ProtocolVersion::new(2, 0), &[b"_pq_.x"]), "refuses options that were not asked for"),
        (
            bytes(|out| server::raw(out, b'v', b"\0\x02\0\0\xff\xff\xff\xff")),
            "options has the impossible count -1",
        ),
        (
            bytes(|out| server::raw(out, b'v', b"\0\x02\0\0\0\0\0\x09a\0")),
            "options has the impossible count 9",
        ),
    ] {
        let said = at_startup(answer).await;
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn wire_17_a_cancel_key_of_an_impossible_size_ends_the_attempt() {
    let ok = bytes(|out| server::raw(out, b'R', &0_u32.to_be_bytes()));
    for (len, why) in [
        (0, "secret key has the impossible length 0"),
        (3, "secret key has the impossible length 3"),
        (5, "BackendKeyData of protocol 3.0 has a key that is not 4 bytes long"),
        (257, "secret key has the impossible length 257"),
        (64 << 10, "which must be from 4 to 30000"),
    ] {
        let key = bytes(|out| server::raw(out, b'K', &vec![7; 4 + len]));
        let said = at_startup([&ok[..], &key].concat()).await;
        assert!(said.contains(why), "{len}: {said}");
    }
}

#[tokio::test]
async fn wire_20_a_command_tag_is_taken_as_it_is() {
    for (tag, rows) in [
        ("INSERT 0 5", 5),
        ("FROBNICATE 9", 9),
        ("FROBNICATE", 0),
        ("UPDATE 99999999999999999999999999", 0),
        ("", 0),
    ] {
        let (mut connection, mut server) = scripted::connected().await;
        let script = async {
            describe_int(&mut server).await;
            server.read_until(b'S').await;
            server
                .send_all(&[Backend::BindComplete, Backend::CommandComplete(CommandComplete::new(tag))])
                .await;
            server.ready(TransactionStatus::Idle).await;
        };
        let (affected, ()) = tokio::join!(connection.execute("FROBNICATE", ()), script);
        assert_eq!(affected.unwrap(), rows, "{tag}");
    }
}

#[tokio::test]
async fn a_session_knows_why_it_ended() {
    let (_, mut connection) = after_bind(b"?").await;
    let error = connection.execute("SELECT 1", ()).await.unwrap_err();
    let ErrorKind::Closed(closed) = error.kind() else { panic!("not closed: {error}") };
    assert!(matches!(closed.reason(), CloseReason::Violation(_)), "{closed}");
}
