//! A whole session with a real server, recorded, and read again in pieces.

use cornac_conn::{Client, Connection};
use cornac_proto::message::Backend;
use cornac_proto::{Framing, Limits, Phase, frame};
use cornac_tests::{Cluster, ClusterOptions, Direction, Proxy, Recording, SUPERUSER, deadline};

/// Startup with SCRAM, simple and extended queries, an error, a notice, COPY both ways.
async fn record() -> Recording {
    let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
    let proxy = Proxy::start(cluster.port(), vec![]).await.unwrap();
    let mut connection = Connection::connect(&cluster.config(SUPERUSER).port(proxy.port())).await.unwrap();
    let both =
        "CREATE TABLE t (id int4, name text); INSERT INTO t VALUES (1, 'tusk'), (2, NULL); SELECT * FROM t";
    assert_eq!(connection.simple_query(both).await.unwrap().len(), 3);
    let rows: Vec<(i32, Option<String>)> =
        connection.fetch_all("SELECT id, name FROM t WHERE id >= $1 ORDER BY id", (1,)).await.unwrap();
    assert_eq!(rows.len(), 2);
    connection.execute("SELECT 1 / $1::int4", (0,)).await.unwrap_err();
    connection.simple_query("DO $$ BEGIN RAISE NOTICE 'by the way'; END $$").await.unwrap();
    connection.execute("COPY t TO STDOUT", ()).await.unwrap_err();
    connection.execute("COPY t FROM STDIN", ()).await.unwrap_err();
    connection.simple_query("").await.unwrap();
    connection.close().await.unwrap();
    proxy.wait_until(Direction::ToServer, 1).await;
    proxy.recording()
}

/// Reads `pieces` as they come in, and shows every message.
fn messages<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Vec<String> {
    let mut shown = Vec::new();
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut taken = 0;
        while let Framing::Complete(frame) =
            frame(&buffer[taken..], &Limits::default(), Phase::Authenticated).unwrap()
        {
            shown.push(format!("{:?}", Backend::decode(frame).unwrap()));
            taken += 5 + frame.body.len();
        }
        buffer.drain(..taken);
    }
    assert!(buffer.is_empty(), "a message is left over");
    shown
}

#[tokio::test]
async fn wire_02_a_session_split_anywhere_is_the_same_session() {
    deadline(async {
        let recording = record().await.to_client;
        let whole = messages(std::iter::once(&recording[..]));
        for kind in [
            "Authentication(Sasl(",
            "Authentication(SaslFinal",
            "ParameterStatus",
            "BackendKeyData",
            "RowDescription",
            "DataRow",
            "ErrorResponse",
            "NoticeResponse",
            "CopyOutResponse",
            "CopyData",
            "CopyInResponse",
            "EmptyQueryResponse",
            "ParameterDescription",
        ] {
            assert!(whole.iter().any(|message| message.starts_with(kind)), "the session has a {kind}");
        }
        for split in 0..recording.len() {
            let (left, right) = recording.split_at(split);
            assert_eq!(messages([left, right].into_iter()), whole, "split at {split}");
        }
        assert_eq!(messages(recording.chunks(1)), whole, "in single bytes");
        println!("{} messages in {} bytes, split at each", whole.len(), recording.len());
    })
    .await;
}

#[tokio::test]
async fn wire_02_a_session_cut_off_anywhere_gives_no_message_too_many() {
    deadline(async {
        let recording = record().await.to_client;
        let whole = messages(std::iter::once(&recording[..]));
        for end in 0..recording.len() {
            let mut shown = Vec::new();
            let mut rest = &recording[..end];
            while let Framing::Complete(frame) =
                frame(rest, &Limits::default(), Phase::Authenticated).unwrap()
            {
                shown.push(format!("{:?}", Backend::decode(frame).unwrap()));
                rest = &rest[5 + frame.body.len()..];
            }
            assert_eq!(shown[..], whole[..shown.len()], "cut off at {end}");
            assert!(shown.len() < whole.len());
        }
    })
    .await;
}
