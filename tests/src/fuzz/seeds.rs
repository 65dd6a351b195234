//! Where fuzzing begins: a recorded session, each message by itself, and some stories.

use bytes::BytesMut;
use cornac::types::Type;
use cornac_proto::message::{self, Backend, FormatCode, ProtocolVersion, RawParameters, Target};
use cornac_proto::session::CommandError;
use cornac_proto::{Framing, Limits, Phase, frame};

use super::scram_client::NONCE;
use crate::samples::samples;
use crate::{Recording, messages};

/// Writes a message.
type Write = fn(&mut BytesMut) -> Result<(), CommandError>;

/// A file of a corpus.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target that it is for.
    pub target: &'static str,
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The seeds of all targets, made of a recorded session and of what no session shows.
///
/// # Panics
///
/// When the recording does not consist of messages.
pub fn seeds(recording: &Recording) -> Vec<Seed> {
    let mut seeds = Vec::new();
    backend_decode(recording, &mut seeds);
    frontend_roundtrip(recording, &mut seeds);
    scram_client(&mut seeds);
    session(recording, &mut seeds);
    types_decode(&mut seeds);
    seeds
}

fn put(seeds: &mut Vec<Seed>, target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
    seeds.push(Seed { target, name: name.into(), bytes: bytes.into() });
}

fn backend_decode(recording: &Recording, seeds: &mut Vec<Seed>) {
    // In single bytes, in one piece, and in pieces of 3 and 7 bytes.
    put(seeds, "backend_decode", "session", [&[0], &recording.to_client[..]].concat());
    put(seeds, "backend_decode", "session-3-7", [&[4, 3, 7], &recording.to_client[..]].concat());
    for (number, (tag, message)) in messages::every_message().into_iter().enumerate() {
        // In pieces of 5 bytes, before authentication and behind it in turn.
        let header = [if number % 2 == 0 { 2 } else { 3 }, 5];
        put(seeds, "backend_decode", format!("message-{tag}"), [&header, &message[..]].concat());
    }
    for message in messages::every_authentication() {
        let name = format!("authentication-{}", message.name());
        let bytes = messages::encoded(Backend::Authentication(message));
        put(seeds, "backend_decode", name, [&[1], &bytes[..]].concat());
    }
}

fn frontend_roundtrip(recording: &Recording, seeds: &mut Vec<Seed>) {
    put(seeds, "frontend_roundtrip", "session", [&[0], &recording.to_server[..]].concat());
    let startups: [(&str, Write); 4] = [
        ("ssl-request", |out| {
            message::ssl_request(out);
            Ok(())
        }),
        ("gss-enc-request", |out| {
            message::gss_enc_request(out);
            Ok(())
        }),
        ("cancel-request", |out| Ok(message::cancel_request(out, 7, &[7; 256])?)),
        ("startup-message", |out| {
            let parameters = [("user", "app"), ("_pq_.x", "1")];
            Ok(message::startup_message(out, ProtocolVersion::V3_2, parameters)?)
        }),
    ];
    for (name, write) in startups {
        put(seeds, "frontend_roundtrip", name, [&[0], &messages::bytes(write)[..]].concat());
    }
    let requests: [(&str, Write); 18] = [
        ("query", |out| Ok(message::query(out, "SELECT 1")?)),
        ("parse", |out| Ok(message::parse(out, "s", "SELECT $1", &[23, 0])?)),
        ("bind", |out| {
            let parameters = RawParameters { formats: &[FormatCode::Binary], values: &[Some(b"tusk"), None] };
            message::bind(out, "p", "s", &parameters, &[FormatCode::Binary, FormatCode::Text])
        }),
        ("describe-statement", |out| Ok(message::describe(out, Target::Statement("s"))?)),
        ("describe-portal", |out| Ok(message::describe(out, Target::Portal("p"))?)),
        ("execute", |out| Ok(message::execute(out, "p", 100)?)),
        ("close-statement", |out| Ok(message::close(out, Target::Statement("s"))?)),
        ("close-portal", |out| Ok(message::close(out, Target::Portal("p"))?)),
        ("flush", |out| {
            message::flush(out);
            Ok(())
        }),
        ("sync", |out| {
            message::sync(out);
            Ok(())
        }),
        ("function-call", |out| {
            let arguments = RawParameters { formats: &[], values: &[Some(b"7")] };
            message::function_call(out, 1299, &arguments, FormatCode::Binary)
        }),
        ("copy-data", |out| Ok(message::copy_data(out, b"1\ttusk\n")?)),
        ("copy-done", |out| {
            message::copy_done(out);
            Ok(())
        }),
        ("copy-fail", |out| Ok(message::copy_fail(out, "enough")?)),
        ("terminate", |out| {
            message::terminate(out);
            Ok(())
        }),
        ("password-message", |out| Ok(message::password_message(out, b"pencil")?)),
        ("sasl-initial-response", |out| {
            Ok(message::sasl_initial_response(out, "SCRAM-SHA-256", Some(b"n,,n=,r=x"))?)
        }),
        ("gss-response", |out| Ok(message::gss_response(out, &[0, 255])?)),
    ];
    for (name, write) in requests {
        put(seeds, "frontend_roundtrip", name, [&[1], &messages::bytes(write)[..]].concat());
    }
}

fn scram_client(seeds: &mut Vec<Seed>) {
    for (name, messages) in [
        ("begins-well", "r=NONCEserver,s=c2FsdA==,i=4\nv=c2lnbmF0dXJl"),
        ("extended", "r=NONCEserver,s=c2FsdA==,i=1,x=y\nv=c2lnbmF0dXJl,x=y"),
        ("refused-at-once", "e=unknown-user\n"),
        ("refused-later", "r=NONCEserver,s=c2FsdA==,i=16\ne=invalid-proof"),
        ("mandatory", "m=x,r=NONCEserver,s=c2FsdA==,i=4\nm=x,v=c2lnbmF0dXJl"),
        ("other-nonce", "r=stranger,s=c2FsdA==,i=4\n"),
        ("same-nonce", "r=NONCE,s=c2FsdA==,i=4\n"),
        ("too-many", "r=NONCEserver,s=c2FsdA==,i=2147483647\n"),
        ("too-few", "r=NONCEserver,s=c2FsdA==,i=0\n"),
        ("no-number", "r=NONCEserver,s=c2FsdA==,i=+1\n"),
        ("no-salt", "r=NONCEserver,s=,i=4\n"),
        ("no-base64", "r=NONCEserver,s=c2Fs dA,i=4\nv=!"),
        ("doubled", "r=NONCEserver,s=c2FsdA==,s=c2FsdA==,i=4\nv=c2lnbmF0dXJl,v=c2lnbmF0dXJl"),
    ] {
        put(seeds, "scram_client", name, messages.replace("NONCE", NONCE));
    }
}

fn session(recording: &Recording, seeds: &mut Vec<Seed>) {
    // The steps are those of the target: 16 sends and answers, 18 delivers, 21 2 polls all.
    const PARSE: u8 = 1;
    const BIND: u8 = 2;
    const EXECUTE: u8 = 5;
    const SYNC: u8 = 7;
    let round = [16, 18, 21, 2];
    let stories: [(&str, &[u8]); 9] = [
        ("simple", &[0, 1]),
        ("prepare", &[PARSE, 3, SYNC]),
        ("run", &[BIND, 4, EXECUTE, 0, SYNC]),
        ("two-segments", &[PARSE, BIND, EXECUTE, 1, SYNC, PARSE, SYNC]),
        ("error-without-sync", &[PARSE, 16, 0, 0, 0, 18, 21, 2, SYNC]),
        ("function", &[9]),
        ("take-back", &[PARSE, 13, SYNC, 0, 1, 14, SYNC]),
        ("copy-in", &[0, 1, 16, 0, 1, 18, 21, 2, 10, 10, 11]),
        ("copy-end-taken-back", &[0, 1, 16, 0, 1, 18, 21, 2, 10, 16, 0, 1, 13, 11, 14]),
    ];
    for (name, steps) in stories {
        put(seeds, "session", name, [steps, &round].concat());
    }
    // What a real server answered, one message a step, behind requests that it answers.
    let mut steps = Vec::new();
    let mut rest = &recording.to_client[..];
    while let Framing::Complete(frame) =
        frame(rest, &Limits::default(), Phase::Authenticated).expect("the recording consists of messages")
    {
        let len = 5 + frame.body.len();
        if let Ok(count) = u8::try_from(len) {
            steps.extend([0, 1, 20, count]);
            steps.extend_from_slice(&rest[..len]);
            steps.push(19);
        }
        rest = &rest[len..];
    }
    for (number, steps) in steps.chunks(512).enumerate() {
        put(seeds, "session", format!("recorded-{number}"), steps);
    }
}

/// The last value of each type, in both formats, and headers that lie.
fn types_decode(seeds: &mut Vec<Seed>) {
    const MOST: &[u8] = &i32::MAX.to_be_bytes();
    const NONE: &[u8] = &[0; 4];
    const ONE: &[u8] = &[0, 0, 0, 1];
    const NEGATIVE: &[u8] = &[0xff, 0xff, 0xff, 0xfe];
    const INT4: &[u8] = &[0, 0, 0, 23];
    for sample in samples() {
        let Ok(oid) = u16::try_from(sample.ty.oid().0) else { continue };
        let name = sample.ty.name().unwrap_or_default();
        let name = name.strip_prefix('_').map_or_else(|| name.to_owned(), |of| format!("array-of-{of}"));
        let named = |format| format!("{name}-{format}");
        let Some(literal) = sample.literals.last() else { continue };
        let header = |format: u8| [&oid.to_be_bytes()[..], &[format]].concat();
        put(seeds, "types_decode", named("binary"), [&header(0), &sample.encoded(literal)[..]].concat());
        put(seeds, "types_decode", named("text"), [&header(1), literal.as_bytes()].concat());
    }
    let mut hostile = |name: &str, ty: Type, value: &[&[u8]]| {
        let Ok(oid) = u16::try_from(ty.oid().0) else { return };
        let bytes = [&oid.to_be_bytes()[..], &[0], &value.concat()[..]].concat();
        put(seeds, "types_decode", format!("hostile-{name}"), bytes);
    };
    hostile("dimensions", Type::INT4_ARRAY, &[MOST, NONE, INT4, MOST, ONE]);
    hostile("elements", Type::INT4_ARRAY, &[ONE, NONE, INT4, MOST, ONE]);
    hostile("elements-multiplied", Type::INT4_ARRAY, &[&[0, 0, 0, 2], NONE, INT4, MOST, ONE, MOST, ONE]);
    hostile("negative-dimensions", Type::INT4_ARRAY, &[NEGATIVE, NONE, INT4]);
    hostile("negative-elements", Type::INT4_ARRAY, &[ONE, NONE, INT4, NEGATIVE, ONE]);
    hostile("negative-length", Type::INT4_ARRAY, &[ONE, NONE, INT4, ONE, ONE, NEGATIVE, NONE]);
    hostile("other-elements", Type::INT4_ARRAY, &[ONE, NONE, &[0, 0, 0, 25], ONE, ONE, ONE, b"a"]);
    hostile("digits", Type::NUMERIC, &[&[0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]]);
    hostile("digit-too-large", Type::NUMERIC, &[&[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10]]);
    hostile("weight", Type::NUMERIC, &[&[0, 1, 0x80, 0, 0, 0, 0x3f, 0xff, 0, 1]]);
    hostile("jsonb-version", Type::JSONB, &[&[2], b"{}"]);
    hostile("points", Type::POLYGON, &[MOST, &[0; 16]]);
    hostile("lexemes", Type::TSVECTOR, &[MOST, b"a\0", &[0, 1, 0, 1]]);
    hostile("operators", Type::TSQUERY, &[MOST, &[2, 1, 2, 1]]);
    hostile("bits", Type::VARBIT, &[MOST, &[0xff]]);
}
