//! A SCRAM client against an arbitrary server.

use cornac_proto::auth::scram::{ClientFirst, ClientNonce, ScramError};
use cornac_proto::auth::{ChannelBinding, ScramLimits, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The client's nonce in this exchange.
pub(super) const NONCE: &str = "cornac";

/// Its password.
pub(super) const PASSWORD: &str = "pencil";

/// Few, so that what is tried is the messages, and not the patience.
const ITERATIONS_MAX: u32 = 16;

/// The server's messages are what stands in front of the first line feed and behind it. A server that sends anything but the right
/// signature behind a right beginning is refused; the right one is computed here, independently.
///
/// # Panics
///
/// When it is not, or when the right one is.
pub fn scram_client(data: &[u8]) {
    let split = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (first, last) = data.split_at(split);
    let last = last.strip_prefix(b"\n").unwrap_or(last);

    for right in [false, true] {
        let limits = ScramLimits { iterations_min: 1, iterations_max: ITERATIONS_MAX };
        let nonce = ClientNonce::from_printable(NONCE).expect("a nonce");
        let password = Secret::new(PASSWORD);
        let client = ClientFirst::new("", password, nonce, ChannelBinding::Unsupported, limits);
        let (client, client_first) = client.into_parts();
        let Ok(mut derivation) = client.handle(first) else { return };
        assert!((1..=ITERATIONS_MAX).contains(&derivation.iterations()) && !derivation.salt().is_empty());
        let (salt, iterations) = (derivation.salt().to_vec(), derivation.iterations());
        assert!(derivation.step(iterations), "it is done when it was announced to be");
        let (client, client_last) = derivation.finish();

        let server_last = right_answer(&client_first, first, client_last.expose(), &salt, iterations);
        if right {
            client.handle(server_last.as_bytes()).expect("the right signature is accepted");
        } else if !last.starts_with(server_last.as_bytes()) {
            let refused = client.handle(last).expect_err("only the right signature is accepted");
            assert!(!matches!(refused, ScramError::NonceMismatch), "the nonce was accepted before");
        }
    }
}

/// What a server says that knows the password (RFC 5802, section 3).
fn right_answer(first: &[u8], server_first: &[u8], last: &[u8], salt: &[u8], iterations: u32) -> String {
    let bare = first.strip_prefix(b"n,,").expect("no channel binding");
    let proof = last.windows(3).position(|bytes| bytes == b",p=").expect("a proof");
    let auth_message = [bare, b",", server_first, b",", &last[..proof]].concat();

    let mut block = hmac(PASSWORD.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut salted_password = block;
    for _ in 1..iterations {
        block = hmac(PASSWORD.as_bytes(), &block);
        salted_password.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    assert_proof(&salted_password, &auth_message, &last[proof + 3..]);
    let server_key = hmac(&salted_password, b"Server Key");
    format!("v={}", base64(&hmac(&server_key, &auth_message)))
}

/// The client's proof is the one that a server would accept.
fn assert_proof(salted_password: &[u8], auth_message: &[u8], proof: &[u8]) {
    let client_key = hmac(salted_password, b"Client Key");
    let stored_key: [u8; 32] = Sha256::digest(client_key).into();
    let signature = hmac(&stored_key, auth_message);
    let expected: Vec<u8> = client_key.iter().zip(signature).map(|(key, byte)| key ^ byte).collect();
    assert_eq!(proof, base64(&expected).as_bytes());
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    hmac.update(message);
    hmac.finalize().into_bytes().into()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
