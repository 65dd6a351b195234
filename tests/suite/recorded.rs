//! A whole session with a real server, recorded, and read again in pieces.

use cornac_proto::message::Backend;
use cornac_proto::{Framing, Limits, Phase, frame};
use cornac_tests::{deadline, record_session};

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
        let recording = record_session().await.unwrap().to_client;
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
        let recording = record_session().await.unwrap().to_client;
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
