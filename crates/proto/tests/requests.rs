//! What a client writes: read back by the server's half, and refused when it does not fit.

use bytes::BytesMut;
use cornac_proto::EncodeError;
use cornac_proto::message::{
    self, BindParameters, FormatCode, Frontend, FrontendFraming, ProtocolVersion, RawParameters, Startup,
    Target, WireStr, frontend_frame, startup_frame,
};
use proptest::prelude::*;

fn decoded(bytes: &[u8]) -> Frontend<'_> {
    let Ok(FrontendFraming::Complete { tag, body, len }) = frontend_frame(bytes, 1 << 30) else {
        panic!("not a whole message: {bytes:?}")
    };
    assert_eq!(len, bytes.len(), "the length that is written is the length that is announced");
    Frontend::decode(tag, body).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    "[^\\x00]{0,40}"
}

proptest! {
    #[test]
    fn a_parse_is_read_as_it_was_written(statement in text(), sql in text(), types in prop::collection::vec(any::<u32>(), 0..20)) {
        let mut out = BytesMut::new();
        message::parse(&mut out, &statement, &sql, &types).unwrap();
        let Frontend::Parse { statement: s, query, parameter_types } = decoded(&out) else { panic!("no Parse") };
        prop_assert_eq!((s, query), (WireStr::from(&*statement), WireStr::from(&*sql)));
        prop_assert_eq!(parameter_types.len(), 4 * types.len());
    }

    #[test]
    fn a_bind_is_read_as_it_was_written(
        portal in text(),
        values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..50)), 0..20),
        binary: bool,
    ) {
        let borrowed: Vec<_> = values.iter().map(Option::as_deref).collect();
        let formats = if binary { vec![FormatCode::Binary] } else { vec![] };
        let mut out = BytesMut::new();
        let parameters = RawParameters { formats: &formats, values: &borrowed };
        message::bind(&mut out, &portal, "s", &parameters, &[FormatCode::Binary]).unwrap();
        let Frontend::Bind { portal: p, parameters, result_formats, .. } = decoded(&out) else { panic!("no Bind") };
        prop_assert_eq!(p, WireStr::from(&*portal));
        prop_assert_eq!(parameters.values().collect::<Vec<_>>(), borrowed);
        prop_assert_eq!((parameters.formats.len(), result_formats), (2 * formats.len(), &[0, 1][..]));
    }

    #[test]
    fn any_frontend_message_that_decodes_is_written_again_as_it_was(tag in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(message) = Frontend::decode(tag, &body) {
            let mut out = BytesMut::new();
            message.encode(&mut out).unwrap();
            prop_assert_eq!(decoded(&out), message);
        }
    }

    #[test]
    fn a_startup_packet_is_read_as_it_was_written(pairs in prop::collection::vec(("[^\\x00]{1,20}", text()), 0..10)) {
        let mut out = BytesMut::new();
        let borrowed = pairs.iter().map(|(name, value)| (&**name, &**value));
        message::startup_message(&mut out, ProtocolVersion::V3_2, borrowed).unwrap();
        let Ok(FrontendFraming::Complete { body, len, .. }) = startup_frame(&out, 1 << 20) else { panic!("not whole") };
        prop_assert_eq!(len, out.len());
        let Startup::StartupMessage { version, parameters } = Startup::decode(body).unwrap() else { panic!("no StartupMessage") };
        prop_assert_eq!(version, ProtocolVersion::V3_2);
        let read: Vec<_> = parameters.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        prop_assert_eq!(read, pairs);
    }
}

#[test]
fn messages_without_a_tag_are_told_apart() {
    let mut out = BytesMut::new();
    message::ssl_request(&mut out);
    message::gss_enc_request(&mut out);
    message::cancel_request(&mut out, 7, b"key!").unwrap();
    let mut rest = &out[..];
    let mut seen = Vec::new();
    while let Ok(FrontendFraming::Complete { body, len, .. }) = startup_frame(rest, 300) {
        seen.push(Startup::decode(body).unwrap());
        rest = &rest[len..];
    }
    let cancel = Startup::CancelRequest { process_id: 7, secret_key: b"key!" };
    assert_eq!(seen, [Startup::SslRequest, Startup::GssEncRequest, cancel]);
}

#[test]
fn what_does_not_fit_is_refused_before_a_byte_is_written() {
    fn check<E: std::error::Error>(refused: Result<(), E>, out: &BytesMut, expected: &str) {
        assert_eq!(refused.unwrap_err().to_string(), expected);
        assert!(out.is_empty(), "nothing is left of it");
    }
    let out = &mut BytesMut::new();
    let nulls = vec![None; 65_536];
    let parameters = RawParameters { formats: &[], values: &nulls };
    let refused = message::bind(out, "", "", &parameters, &[]);
    check(refused, out, "65536 parameters in Bind, and the protocol has room for at most 65535");
    let formats = vec![FormatCode::Text; 3];
    let parameters = RawParameters { formats: &formats, values: &nulls[..2] };
    let refused = message::bind(out, "", "", &parameters, &[]);
    check(
        refused,
        out,
        "3 parameter formats that are neither one for all nor one for each in Bind, and the protocol has room for at most 2",
    );
    let refused = message::parse(out, "", "", &vec![0; 65_536]);
    check(refused, out, "65536 parameter types in Parse, and the protocol has room for at most 65535");
    let refused = message::query(out, "SELECT\0");
    check(refused, out, "the query of Query contains a NUL byte at position 6");
    let refused = message::describe(out, Target::Statement("a\0"));
    check(refused, out, "the name of Describe contains a NUL byte at position 1");
    let refused = message::execute(out, "", 1 << 31);
    check(refused, out, "2147483648 rows in Execute, and the protocol has room for at most 2147483647");
    let refused = message::copy_fail(out, "\0");
    check(refused, out, "the reason of CopyFail contains a NUL byte at position 0");
    let refused = message::cancel_request(out, 7, &[0; 257]);
    check(refused, out, "the secret key of CancelRequest is 257 bytes long, and must have 4 to 256 bytes");
    let refused = message::startup_message(out, ProtocolVersion::V3_0, [("", "x")]);
    check(refused, out, "the name of StartupMessage is 0 bytes long, and must have at least 1 byte");
    // Zeroed pages that nobody reads cost no memory.
    let huge = String::from_utf8(vec![0; 1 << 31]).unwrap();
    let refused = message::query(out, &huge);
    check(
        refused,
        out,
        "Query would be 2147483648 bytes long or more, and PostgreSQL takes messages of at most 1073741822 bytes",
    );
    let refused = message::copy_data(out, huge.as_bytes());
    check(
        refused,
        out,
        "CopyData would be 2147483648 bytes long or more, and PostgreSQL takes messages of at most 1073741822 bytes",
    );
    let value = [Some(huge.as_bytes())];
    let refused = message::bind(out, "", "", &RawParameters { formats: &[], values: &value }, &[]);
    check(
        refused,
        out,
        "Bind would be 2147483648 bytes long or more, and PostgreSQL takes messages of at most 1073741822 bytes",
    );
}

/// Parameters that fail after they have written something.
struct Failing;

impl BindParameters for Failing {
    type Error = EncodeError;

    fn count(&self) -> usize {
        1
    }

    fn formats(&self, _put: &mut dyn FnMut(FormatCode)) {}

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(b"\0\0\0\x01x");
        Err(EncodeError::InteriorNul { message: "Bind", field: "value", position: 0 })
    }
}

#[test]
fn a_parameter_that_fails_takes_its_message_with_it() {
    let mut out = BytesMut::from(&b"before"[..]);
    assert!(message::bind(&mut out, "", "", &Failing, &[]).is_err());
    assert_eq!(&out[..], b"before");
}
