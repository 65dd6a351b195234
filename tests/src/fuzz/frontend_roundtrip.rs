//! Arbitrary bytes of a client.

use bytes::BytesMut;
use cornac_proto::message::{Frontend, FrontendFraming, Startup, frontend_frame, startup_frame};

const MESSAGE_LEN_MAX: usize = 1 << 20;

/// The first message has no tag if the first byte is even. Every message that is understood is written again as the bytes that it
/// was read from.
///
/// # Panics
///
/// When it is not.
pub fn frontend_roundtrip(data: &[u8]) {
    let Some((&header, mut rest)) = data.split_first() else { return };
    if header % 2 == 0 {
        let Ok(FrontendFraming::Complete { body, len, .. }) = startup_frame(rest, MESSAGE_LEN_MAX) else {
            return;
        };
        if let Ok(startup) = Startup::decode(body) {
            let mut written = BytesMut::new();
            startup.encode(&mut written).expect("what was read can be written");
            assert_eq!(written, rest[..len], "{startup:?}");
        }
        rest = &rest[len..];
    }
    while let Ok(FrontendFraming::Complete { tag, body, len }) = frontend_frame(rest, MESSAGE_LEN_MAX) {
        if let Ok(message) = Frontend::decode(tag, body) {
            let mut written = BytesMut::new();
            message.encode(&mut written).expect("what was read can be written");
            assert_eq!(written, rest[..len], "{message:?}");
            if let Frontend::Bind { parameters, .. } = message {
                assert_eq!(parameters.values().count(), usize::from(parameters.count));
            }
        }
        rest = &rest[len..];
    }
}
