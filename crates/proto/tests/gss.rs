//! GSSAPI's tokens on their way through the handshake, without a library: what is asked of it, and what is taken from a server.

use cornac_proto::auth::scram::ClientNonce;
use cornac_proto::handshake::{
    AuthPolicy, ChannelBindingMode, Handshake, HandshakeConfig, HandshakeError, Method, Methods, Step,
};
use cornac_proto::message::{Authentication, Backend, TransactionStatus};
use expect_test::{Expect, expect};

fn handshake(policy: AuthPolicy) -> Handshake {
    let config = HandshakeConfig { policy, ..HandshakeConfig::new("app") };
    let mut handshake = Handshake::new(config, ClientNonce::from_printable("nonce").unwrap()).unwrap();
    sent(&mut handshake);
    handshake
}

fn with_library() -> AuthPolicy {
    AuthPolicy { has_gssapi: true, ..AuthPolicy::default() }
}

/// What goes out.
fn sent(handshake: &mut Handshake) -> Vec<u8> {
    let bytes = handshake.unsent().to_vec();
    handshake.handle_sent(bytes.len());
    bytes
}

fn hears(handshake: &mut Handshake, message: Backend<'_>) -> Result<Step, HandshakeError> {
    let mut bytes = bytes::BytesMut::new();
    message.encode(&mut bytes).unwrap();
    handshake.handle_bytes(&bytes);
    handshake.poll_step()
}

fn asks(handshake: &mut Handshake, request: Authentication<'_>) -> Result<Step, HandshakeError> {
    hears(handshake, Backend::Authentication(request))
}

#[test]
fn tokens_go_back_and_forth_until_both_sides_have_proven_who_they_are() {
    for request in [Authentication::Gss, Authentication::Sspi] {
        let mut handshake = handshake(with_library());
        assert!(matches!(asks(&mut handshake, request), Ok(Step::AskGssapi(None))));
        assert_eq!(handshake.stage(), "during GSSAPI authentication");
        assert!(
            matches!(handshake.poll_step(), Ok(Step::AwaitOwner)),
            "nothing is read before the library has spoken"
        );
        handshake.handle_gss_token(b"one", false).unwrap();
        assert_eq!(sent(&mut handshake), b"p\0\0\0\x07one");
        assert!(matches!(handshake.poll_step(), Ok(Step::Read)));
        let Ok(Step::AskGssapi(Some(token))) = asks(&mut handshake, Authentication::GssContinue(b"two"))
        else {
            panic!("the library hears what the server says")
        };
        assert_eq!(token, b"two");
        handshake.handle_gss_token(b"three", false).unwrap();
        assert_eq!(sent(&mut handshake), b"p\0\0\0\x09three");
        assert!(matches!(
            asks(&mut handshake, Authentication::GssContinue(b"four")),
            Ok(Step::AskGssapi(Some(_)))
        ));
        handshake.handle_gss_token(b"", true).unwrap();
        assert_eq!(sent(&mut handshake), b"", "there is nothing more to say");
        assert!(matches!(asks(&mut handshake, Authentication::Ok), Ok(Step::Read)));
        let ready = hears(&mut handshake, Backend::ReadyForQuery(TransactionStatus::Idle));
        assert!(matches!(ready, Ok(Step::Ready(_))), "{ready:?}");
    }
}

/// How a handshake ends in which the server says `message` after `established` or not.
fn check(is_established: bool, message: Authentication<'_>, expected: &Expect) {
    let mut handshake = handshake(with_library());
    asks(&mut handshake, Authentication::Gss).unwrap();
    handshake.handle_gss_token(b"token", is_established).unwrap();
    let error = asks(&mut handshake, message).unwrap_err();
    expected.assert_eq(&error.to_string());
    // There is no way on.
    assert!(asks(&mut handshake, Authentication::Ok).is_err());
}

#[test]
fn a_server_that_has_not_proven_who_it_is_lets_nobody_in() {
    check(
        false,
        Authentication::Ok,
        &expect![
            "protocol violation: AuthenticationOk came while AuthenticationGSSContinue with the server's proof was awaited"
        ],
    );
    check(
        false,
        Authentication::CleartextPassword,
        &expect![
            "protocol violation: AuthenticationCleartextPassword came while AuthenticationGSSContinue with the server's proof was awaited"
        ],
    );
    check(
        true,
        Authentication::GssContinue(b"more"),
        &expect!["protocol violation: AuthenticationGSSContinue came while AuthenticationOk was awaited"],
    );
    let mut early = handshake(with_library());
    let error = asks(&mut early, Authentication::GssContinue(b"token")).unwrap_err();
    assert!(error.to_string().contains("an authentication request was awaited"), "{error}");
    // Nothing is taken while the library is being asked.
    let mut hasty = handshake(with_library());
    asks(&mut hasty, Authentication::Gss).unwrap();
    assert!(matches!(asks(&mut hasty, Authentication::Ok), Ok(Step::AwaitOwner)));
    hasty.handle_gss_token(b"token", false).unwrap();
    assert!(hasty.poll_step().is_err());
}

#[test]
fn what_the_policy_forbids_is_not_begun() {
    let forbids = |policy: AuthPolicy, request: Authentication<'_>| {
        let mut handshake = handshake(policy);
        let error = asks(&mut handshake, request).unwrap_err();
        assert_eq!(sent(&mut handshake), b"");
        error
    };
    let methods = |methods| AuthPolicy { methods, ..with_library() };
    let gss = Methods::from(Method::Gss);
    for (policy, request) in [
        (methods(Methods::ALL.without(Method::Gss)), Authentication::Gss),
        (methods(gss), Authentication::Sspi),
        (methods(gss), Authentication::CleartextPassword),
        (methods(gss), Authentication::Ok),
    ] {
        let error = forbids(policy, request);
        assert!(matches!(error, HandshakeError::MethodForbidden { .. }), "{request:?}: {error}");
    }
    let bound = AuthPolicy { channel_binding: ChannelBindingMode::Require, ..with_library() };
    let error = forbids(bound, Authentication::Gss);
    assert!(matches!(error, HandshakeError::ChannelBindingMissing { .. }), "{error}");
    let error = forbids(AuthPolicy::default(), Authentication::Gss);
    expect![[
        r#"the server asks for AuthenticationGSS, and GSSAPI is not built in; the cargo feature "gssapi" of cornac or cornac-conn adds it"#
    ]]
    .assert_eq(&error.to_string());
}
