//! Every length and count of every backend message, set to what it cannot be.

use std::alloc::System;
use std::sync::Mutex;

use bytes::BytesMut;
use cornac_proto::message::{
    Authentication, Backend, BackendKeyData, CommandComplete, FieldCode, FormatCode, FunctionCallResponse,
    NotificationResponse, ParameterStatus, ProtocolVersion, TransactionStatus, server,
};
use cornac_proto::{Frame, Framing, Limits, Phase, Problem, Violation, frame};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process, so that those who count take turns.
static COUNTING: Mutex<()> = Mutex::new(());

/// What decoding one hostile message may allocate, in bytes.
const ALLOCATED_MAX: usize = 64 << 10;

/// A well-formed message, and where its lengths and counts stand: offset and width, beside the length of the message itself.
struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    fields: Vec<(usize, usize)>,
}

fn sample(
    name: &'static str,
    fields: &[(usize, usize)],
    write: impl FnOnce(&mut BytesMut) -> Result<(), cornac_proto::EncodeError>,
) -> Sample {
    let mut out = BytesMut::new();
    write(&mut out).unwrap();
    Sample { name, bytes: out.to_vec(), fields: fields.to_vec() }
}

fn samples() -> Vec<Sample> {
    use server::CopyDirection;
    let simple = |name, message: Backend<'static>| sample(name, &[], move |out| message.encode(out));
    let copy = |name, direction| {
        sample(name, &[(5, 1), (6, 2), (8, 2)], move |out| {
            server::copy_response(out, direction, FormatCode::Text, 2)
        })
    };
    vec![
        simple("AuthenticationOk", Backend::Authentication(Authentication::Ok)),
        simple("AuthenticationKerberosV5", Backend::Authentication(Authentication::KerberosV5)),
        simple("AuthenticationCleartextPassword", Backend::Authentication(Authentication::CleartextPassword)),
        simple(
            "AuthenticationMD5Password",
            Backend::Authentication(Authentication::Md5Password { salt: *b"salt" }),
        ),
        simple("AuthenticationGSS", Backend::Authentication(Authentication::Gss)),
        simple("AuthenticationGSSContinue", Backend::Authentication(Authentication::GssContinue(b"token!"))),
        simple("AuthenticationSSPI", Backend::Authentication(Authentication::Sspi)),
        sample("AuthenticationSASL", &[], |out| server::authentication_sasl(out, &["SCRAM-SHA-256"])),
        simple("AuthenticationSASLContinue", Backend::Authentication(Authentication::SaslContinue(b"r=x!"))),
        simple("AuthenticationSASLFinal", Backend::Authentication(Authentication::SaslFinal(b"v=x!"))),
        simple("BackendKeyData", Backend::BackendKeyData(BackendKeyData::new(7, b"key!"))),
        simple("BindComplete", Backend::BindComplete),
        simple("CloseComplete", Backend::CloseComplete),
        simple("CommandComplete", Backend::CommandComplete(CommandComplete::new("SELECT 1"))),
        copy("CopyBothResponse", CopyDirection::Both),
        copy("CopyInResponse", CopyDirection::In),
        copy("CopyOutResponse", CopyDirection::Out),
        simple("CopyData", Backend::CopyData(b"data!")),
        simple("CopyDone", Backend::CopyDone),
        sample("DataRow", &[(5, 2), (7, 4), (14, 4), (18, 4)], |out| {
            server::data_row(out, &[Some(b"one"), None, Some(b"three")])
        }),
        simple("EmptyQueryResponse", Backend::EmptyQueryResponse),
        sample("ErrorResponse", &[], |out| {
            server::error_response(out, &[(FieldCode::SEVERITY, "ERROR"), (FieldCode::MESSAGE, "no")])
        }),
        simple("FunctionCallResponse", Backend::FunctionCallResponse(FunctionCallResponse::new(Some(b"x!")))),
        sample("NegotiateProtocolVersion", &[(9, 4)], |out| {
            server::negotiate_protocol_version(out, ProtocolVersion::V3_0, &[b"_pq_.x"])
        }),
        simple("NoData", Backend::NoData),
        sample("NoticeResponse", &[], |out| server::notice_response(out, &[(FieldCode::MESSAGE, "so")])),
        simple("NotificationResponse", Backend::NotificationResponse(NotificationResponse::new(7, "c", "p"))),
        sample("ParameterDescription", &[(5, 2)], |out| server::parameter_description(out, &[23, 25])),
        simple("ParameterStatus", Backend::ParameterStatus(ParameterStatus::new("name", "value"))),
        simple("ParseComplete", Backend::ParseComplete),
        simple("PortalSuspended", Backend::PortalSuspended),
        simple("ReadyForQuery", Backend::ReadyForQuery(TransactionStatus::Idle)),
        sample("RowDescription", &[(5, 2), (27, 2)], |out| {
            server::row_description(out, &[("a", 23, FormatCode::Text), ("b", 25, FormatCode::Text)])
        }),
    ]
}

/// Decodes all of `bytes`, rows included, and gives the names of the messages; `None` when the last one is not there as a whole.
fn decode_all(mut bytes: &[u8]) -> Result<Option<Vec<&'static str>>, Violation> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let Framing::Complete(Frame { tag, body }) = frame(bytes, &Limits::default(), Phase::Authenticated)?
        else {
            return Ok(None);
        };
        let message = Backend::decode(Frame { tag, body })?;
        if let Backend::DataRow(row) = message {
            row.check()?;
        }
        names.push(tag.name());
        bytes = &bytes[5 + body.len()..];
    }
    Ok(Some(names))
}

/// A message behind the sample, so that one that takes too many bytes or too few is noticed.
fn followed(bytes: &[u8]) -> Vec<u8> {
    [bytes, b"Z\0\0\0\x05I"].concat()
}

fn allocated(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    region.change().bytes_allocated
}

#[test]
fn the_samples_are_well_formed_and_complete() {
    let mut seen = std::collections::BTreeSet::new();
    for Sample { name, bytes, .. } in samples() {
        let names = decode_all(&followed(&bytes)).unwrap().unwrap();
        assert_eq!(names.len(), 2, "{name}");
        seen.insert(names[0]);
    }
    let all: std::collections::BTreeSet<_> =
        cornac_proto::message::BackendTag::ALL.iter().map(|tag| tag.name()).collect();
    assert_eq!(seen, all);
}

#[test]
fn wire_03_a_message_length_that_cannot_be_is_refused_at_the_header() {
    let _counting = COUNTING.lock();
    for Sample { name, bytes, .. } in samples() {
        let limit = Limits::default()
            .of(cornac_proto::message::BackendTag::from_byte(bytes[0]).unwrap(), Phase::Authenticated);
        for length in [0, 1, 2, 3, -1, i32::MIN, i32::MAX, i32::try_from(limit).unwrap() + 1] {
            let mut header = bytes[..5].to_vec();
            header[1..].copy_from_slice(&length.to_be_bytes());
            let mut refused = None;
            let cost = allocated(|| refused = decode_all(&header).err());
            assert!(
                matches!(refused, Some(Violation::Length { .. })),
                "{name} with length {length}: {refused:?}"
            );
            assert!(cost < ALLOCATED_MAX, "{name} with length {length}: {cost} bytes allocated");
        }
    }
}

#[test]
fn wire_05_lengths_and_counts_that_contradict_the_bytes_are_typed_errors() {
    let _counting = COUNTING.lock();
    let mut tried = 0;
    for Sample { name, bytes, fields } in samples() {
        for &(offset, width) in fields.iter().chain([(1, 4)].iter()) {
            let original = read(&bytes, offset, width);
            let largest = if width == 4 { 0x7fff_ffff } else { (1 << (8 * width - 1)) - 1 };
            let all_ones = u32::MAX >> (32 - 8 * width);
            for value in [0, 3, all_ones, largest, original.wrapping_add(1), original.wrapping_sub(1)] {
                let value = value & all_ones;
                if value == original || is_as_good(name, offset, value) {
                    continue;
                }
                let mut hostile = bytes.clone();
                hostile[offset..offset + width].copy_from_slice(&value.to_be_bytes()[4 - width..]);
                let hostile = followed(&hostile);
                let mut outcome = Ok(None);
                let cost = allocated(|| outcome = decode_all(&hostile));
                assert!(matches!(outcome, Err(_) | Ok(None)), "{name}: {value} at {offset} gave {outcome:?}");
                assert!(cost < ALLOCATED_MAX, "{name}: {value} at {offset} allocated {cost} bytes");
                tried += 1;
            }
        }
    }
    assert!(tried > 180, "{tried}");
    println!("{tried} contradictions tried");
}

/// Values that contradict nothing.
fn is_as_good(name: &str, offset: usize, value: u32) -> bool {
    match (name, offset) {
        // Text as a whole, and binary as a whole with columns in text, are both well-formed.
        ("CopyBothResponse" | "CopyInResponse" | "CopyOutResponse", 5) => value == 1,
        // What was NULL is an empty value.
        ("DataRow", 14) => value == 0,
        _ => false,
    }
}

fn read(bytes: &[u8], offset: usize, width: usize) -> u32 {
    bytes[offset..offset + width].iter().fold(0, |value, byte| (value << 8) | u32::from(*byte))
}

#[test]
fn wire_06_a_row_that_lies_is_a_typed_error() {
    for (values, problem) in [
        (&b"\0\x01\xff\xff\xff\xfe"[..], "malformed DataRow: value has the impossible length -2"),
        (b"\0\x01\0\0\0\x05abcd", "malformed DataRow: value needs 5 bytes and 4 are there"),
        (b"\0\x01\0\0", "malformed DataRow: value needs 4 bytes and 2 are there"),
        (b"\0\x01\0\0\0\x01ab", "malformed DataRow: end of message is followed by 1 byte too many"),
        (b"\0\x02\0\0\0\x01a", "malformed DataRow: value needs 4 bytes and 0 are there"),
    ] {
        let tag = cornac_proto::message::BackendTag::DataRow;
        let Ok(Backend::DataRow(row)) = Backend::decode(Frame { tag, body: values }) else {
            panic!("no row")
        };
        assert_eq!(row.check().unwrap_err().to_string(), problem);
        let walked: Result<Vec<_>, _> = row.values().collect();
        assert_eq!(walked.is_err(), !problem.contains("end of message"), "{problem}");
    }
}

#[test]
fn wire_07_a_string_ends_with_a_nul_or_not_at_all() {
    for (tag, body) in [
        (b'C', &b"SELECT 1"[..]),
        (b'S', b"TimeZone\0UTC"),
        (b'S', b"TimeZone"),
        (b'A', b"\0\0\0\x07herd\0moves"),
        (b'E', b"SERROR\0Mno"),
        (b'N', b"SNOTICE"),
        (b'T', b"\0\x01name, and as many bytes as a column has"),
        (b'v', b"\0\x03\0\0\0\0\0\x01_pq_.x"),
        (b'R', b"\0\0\0\x0aSCRAM-SHA-256"),
    ] {
        let mut message = BytesMut::new();
        server::raw(&mut message, tag, body).unwrap();
        let Ok(Framing::Complete(frame)) = frame(&message, &Limits::default(), Phase::Authenticated) else {
            panic!("no frame")
        };
        let error = Backend::decode(frame).unwrap_err();
        assert!(matches!(error.problem(), Problem::Unterminated { .. }), "{}: {error}", tag.escape_ascii());
    }
}

#[test]
fn wire_07_strings_without_an_end_are_errors_and_bytes_that_are_no_utf8_are_carried() {
    for Sample { name, bytes, .. } in samples() {
        // Every NUL that ends a string becomes a letter, one at a time.
        for position in 5..bytes.len() {
            if bytes[position] != 0 {
                continue;
            }
            let mut hostile = bytes.clone();
            hostile[position] = b'x';
            // An error or another message of the same bytes: what matters is that there is an answer.
            let answer = decode_all(&followed(&hostile));
            assert!(!matches!(answer, Ok(None)), "{name} at {position}");
        }
        let mut invalid = bytes.clone();
        for byte in invalid.iter_mut().skip(5).filter(|byte| byte.is_ascii_lowercase()) {
            *byte = 0xff;
        }
        if let Ok(Framing::Complete(frame)) = frame(&invalid, &Limits::default(), Phase::Authenticated) {
            if let Ok(Backend::ErrorResponse(error)) = Backend::decode(frame) {
                let message = cornac_proto::message::ServerMessage::from(error);
                assert!(message.message().contains('\u{fffd}'), "{message}");
            }
        }
    }
}

#[test]
fn wire_12_an_error_response_is_shown_as_far_as_it_goes() {
    let text = |fields: &[(FieldCode, &str)]| {
        let mut out = BytesMut::new();
        server::error_response(&mut out, fields).unwrap();
        let Ok(Framing::Complete(frame)) = frame(&out, &Limits::default(), Phase::Authenticated) else {
            panic!("no frame")
        };
        let Ok(Backend::ErrorResponse(error)) = Backend::decode(frame) else { panic!("no error") };
        let message = cornac_proto::message::ServerMessage::from(error);
        assert_eq!(message.fields().count(), fields.len());
        message.to_string()
    };
    let (severity, code, message) = (FieldCode::SEVERITY, FieldCode::CODE, FieldCode::MESSAGE);
    assert_eq!(text(&[]), "MESSAGE: (the server gave no message)");
    assert_eq!(text(&[(severity, "ERROR"), (message, "no"), (message, "twice")]), "ERROR: no");
    assert_eq!(
        text(&[(severity, "FEHLER"), (FieldCode::SEVERITY_NONLOCALIZED, "ERROR")]),
        "ERROR: (the server gave no message)"
    );
    assert_eq!(
        text(&[(code, "42P01"), (message, "no"), (FieldCode(b'?'), "unknown")]),
        "MESSAGE: no (SQLSTATE 42P01)"
    );
    assert_eq!(text(&[(severity, "ERROR"), (code, "nonsense"), (message, "no")]), "ERROR: no");
    let long = "x".repeat(1 << 20);
    assert_eq!(text(&[(severity, "ERROR"), (message, &long)]).len(), "ERROR: ".len() + long.len());
}

#[test]
fn wire_13_row_descriptions_of_every_size() {
    for columns in [0_usize, 1, 1664, 65_535] {
        let fields = vec![("column", 23, FormatCode::Text); columns];
        let mut out = BytesMut::new();
        server::row_description(&mut out, &fields).unwrap();
        let Ok(Framing::Complete(frame)) = frame(&out, &Limits::default(), Phase::Authenticated) else {
            panic!("no frame")
        };
        let Ok(Backend::RowDescription(description)) = Backend::decode(frame) else {
            panic!("no description")
        };
        assert_eq!((usize::from(description.len()), description.fields().count()), (columns, columns));
    }
    assert!(
        server::row_description(&mut BytesMut::new(), &vec![("c", 23, FormatCode::Text); 65_536]).is_err()
    );
}

#[test]
fn wire_15_an_unknown_transaction_status_is_a_typed_error() {
    for status in (0..=u8::MAX).filter(|status| !b"ITE".contains(status)) {
        let refused = decode_all(&[b'Z', 0, 0, 0, 5, status]).unwrap_err();
        assert!(refused.to_string().contains("transaction status has the unknown code"), "{refused}");
    }
}

#[test]
fn wire_17_a_cancel_key_of_an_impossible_size_is_a_typed_error() {
    for (len, fits) in
        [(0, false), (3, false), (4, true), (256, true), (257, false), (29_000, false), (64 << 10, false)]
    {
        let mut out = BytesMut::new();
        server::raw(&mut out, b'K', &vec![7; 4 + len]).unwrap();
        let decoded = decode_all(&out);
        assert_eq!(decoded.is_ok(), fits, "{len}: {decoded:?}");
    }
}
