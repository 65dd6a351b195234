//! SCRAM-SHA-256 against honest and dishonest servers.

use std::time::{Duration, Instant};

use cornac_proto::auth::scram::{AwaitServerFinal, AwaitServerFirst, ClientFirst, ClientNonce};
use cornac_proto::auth::{ChannelBinding, ScramError, ScramLimits, Secret};
use expect_test::{Expect, expect};

/// The exchange of RFC 7677, section 3.
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn client_first(binding: ChannelBinding) -> (AwaitServerFirst, String) {
    let nonce = ClientNonce::from_printable(CLIENT_NONCE).unwrap();
    let first = ClientFirst::new("user", Secret::new("pencil"), nonce, binding, ScramLimits::default());
    let (state, message) = first.into_parts();
    (state, String::from_utf8(message).unwrap())
}

fn client_final() -> (AwaitServerFinal, String) {
    let (state, _) = client_first(ChannelBinding::Unsupported);
    let (state, message) = state.handle(SERVER_FIRST.as_bytes()).unwrap().finish();
    (state, String::from_utf8(message.expose().to_vec()).unwrap())
}

#[test]
fn the_exchange_of_rfc_7677_byte_for_byte() {
    let (_, first) = client_first(ChannelBinding::Unsupported);
    assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let (state, last) = client_final();
    assert_eq!(
        last,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    state.handle(SERVER_FINAL.as_bytes()).unwrap();
}

#[test]
fn a_remembered_key_gives_the_same_proof() {
    let (state, last) = client_final();
    let remembered = state.handle(SERVER_FINAL.as_bytes()).unwrap();
    let (again, _) = client_first(ChannelBinding::Unsupported);
    let mut derivation = again.handle(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!((derivation.iterations(), derivation.salt().len()), (4096, 16));
    derivation.use_keys(remembered);
    let (_, message) = derivation.finish();
    assert_eq!(message.expose(), last.as_bytes());
}

#[test]
fn a_derivation_in_slices_gives_the_same_proof() {
    let (_, whole) = client_final();
    let (state, _) = client_first(ChannelBinding::Unsupported);
    let mut derivation = state.handle(SERVER_FIRST.as_bytes()).unwrap();
    let mut slices = 1;
    while !derivation.step(7) {
        slices += 1;
    }
    assert_eq!(slices, 4095_u32.div_ceil(7));
    assert_eq!(derivation.finish().1.expose(), whole.as_bytes());

    // One at a time; what is left of it when `finish` is called is done there; and nothing is done too often.
    for steps in [0, 1, 4094, 4095, 5000] {
        let (state, _) = client_first(ChannelBinding::Unsupported);
        let mut derivation = state.handle(SERVER_FIRST.as_bytes()).unwrap();
        for step in 1..=steps {
            assert_eq!(derivation.step(1), step >= 4095, "{step}");
        }
        assert_eq!(derivation.finish().1.expose(), whole.as_bytes(), "{steps}");
    }
}

#[test]
fn a_derivation_can_be_done_in_another_thread() {
    let (_, whole) = client_final();
    let (state, _) = client_first(ChannelBinding::Unsupported);
    let derivation = state.handle(SERVER_FIRST.as_bytes()).unwrap();
    let (state, proof) = std::thread::spawn(|| derivation.finish()).join().unwrap();
    assert_eq!(proof.expose(), whole.as_bytes());
    state.handle(SERVER_FINAL.as_bytes()).unwrap();
}

#[test]
fn what_is_said_of_channel_binding_is_repeated_under_the_proof() {
    let end_point = ChannelBinding::TlsServerEndPoint(vec![0xab; 32]);
    for (binding, header, repeated) in [
        (ChannelBinding::Unsupported, "n,,", "c=biws,"),
        (ChannelBinding::NotOffered, "y,,", "c=eSws,"),
        (end_point, "p=tls-server-end-point,,", "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsq6ur"),
    ] {
        let (state, first) = client_first(binding);
        assert!(first.starts_with(&format!("{header}n=user,r=")), "{first}");
        let (_, last) = state.handle(SERVER_FIRST.as_bytes()).unwrap().finish();
        assert!(last.expose().starts_with(repeated.as_bytes()), "{last:?}");
    }
}

#[test]
fn a_user_name_is_escaped() {
    let nonce = ClientNonce::from_printable("abc").unwrap();
    let first = ClientFirst::new(
        "a,b=c",
        Secret::new(""),
        nonce,
        ChannelBinding::Unsupported,
        ScramLimits::default(),
    );
    assert_eq!(first.into_parts().1, b"n,,n=a=2Cb=3Dc,r=abc");
}

#[test]
fn a_nonce_is_printable() {
    for wrong in ["", "a,b", "a b", "a\nb", "é"] {
        assert_eq!(ClientNonce::from_printable(wrong), None, "{wrong:?}");
    }
    let random = ClientNonce::from_random(&[0xfb; 18]);
    assert_eq!(Some(random), ClientNonce::from_printable("+/v7+/v7+/v7+/v7+/v7+/v7"));
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` is written in place")]
fn check_first(server_first: &str, expected: Expect) {
    let begun = Instant::now();
    let (state, _) = client_first(ChannelBinding::Unsupported);
    let shown = match state.handle(server_first.as_bytes()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
    assert!(begun.elapsed() < Duration::from_secs(1), "judging a message takes no time");
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` is written in place")]
fn check_final(server_final: &[u8], expected: Expect) {
    let shown = match client_final().0.handle(server_final) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn entry_09_wrong_nonces_and_signatures_are_told_apart() {
    check_first(
        "r=someoneelse,s=W22Z,i=4096",
        expect!["the server's nonce does not begin with the client's: the answer is not to this request"],
    );
    check_first(
        "r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
        expect!["the server added nothing to the client's nonce"],
    );
    check_first("r=,s=W22Z,i=4096", expect!["the server's nonce is empty"]);
    for nonce in ["rOprNGfwEbeRWgbNEkq", "ROprNGfwEbeRWgbNEkqOmore", "morerOprNGfwEbeRWgbNEkqO"] {
        check_first(
            &format!("r={nonce},s=W22Z,i=4096"),
            expect!["the server's nonce does not begin with the client's: the answer is not to this request"],
        );
    }
    for added in [" ", "é", "a b"] {
        check_first(
            &format!("r={CLIENT_NONCE}{added},s=W22Z,i=4096"),
            expect!["the server's nonce has characters that are not printable ASCII"],
        );
    }
    check_final(
        b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        expect![
            "the server's signature is wrong: it does not know this role's password, so it is not the server it claims to be"
        ],
    );
    check_final(
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjk=",
        expect![
            "the server's signature is wrong: it does not know this role's password, so it is not the server it claims to be"
        ],
    );
    check_final(b"v=6rriTRBi23WpRR", expect!["the server's signature is not base64"]);
    check_final(
        b"v=",
        expect![
            "the server's signature is wrong: it does not know this role's password, so it is not the server it claims to be"
        ],
    );
}

#[test]
fn entry_10_iterations_and_salt_are_bounded_before_any_work() {
    let with = |salt: &str, iterations: &str| format!("r={CLIENT_NONCE}more,s={salt},i={iterations}");
    let iterations = |text: &str, expected| check_first(&with("W22Z", text), expected);
    iterations("1", expect!["accepted"]);
    iterations("100000", expect!["accepted"]);
    iterations("0", expect!["the server asks for 0 iterations, and at least 1 are accepted"]);
    iterations("100001", expect!["the server asks for 100001 iterations, and at most 100000 are accepted"]);
    iterations(
        "2147483647",
        expect!["the server asks for 2147483647 iterations, and at most 100000 are accepted"],
    );
    iterations(
        "99999999999999999999999",
        expect![
            "the server asks for 18446744073709551615 or more iterations, and at most 100000 are accepted"
        ],
    );
    iterations("abc", expect![[r#"the iteration count "abc" is not a number"#]]);
    iterations("+1", expect![[r#"the iteration count "+1" is not a number"#]]);
    iterations(" 1", expect![[r#"the iteration count " 1" is not a number"#]]);
    iterations("", expect![[r#"the iteration count "" is not a number"#]]);
    check_first(
        &format!("r={CLIENT_NONCE}more,s=W22Z"),
        expect!["the server's message has its end where attribute i belongs"],
    );
    check_first(&with("", "4096"), expect!["the salt is empty"]);
    check_first(&with("W22", "4096"), expect!["the salt is not base64"]);
    check_first(&with("W2 2Z", "4096"), expect!["the salt is not base64"]);
    check_first(&with("====", "4096"), expect!["the salt is not base64"]);
    // Bits that no byte has, which another encoder would have left at zero.
    check_first(&with("W21=", "4096"), expect!["the salt is not base64"]);
    check_first(&with("W2_-", "4096"), expect!["the salt is not base64"]);
}

#[test]
fn entry_10_a_minimum_can_be_configured() {
    let limits = ScramLimits { iterations_min: 4096, ..ScramLimits::default() };
    let nonce = ClientNonce::from_printable(CLIENT_NONCE).unwrap();
    let first = ClientFirst::new("", Secret::new("pencil"), nonce, ChannelBinding::Unsupported, limits);
    let refused =
        first.into_parts().0.handle(format!("r={CLIENT_NONCE}x,s=W22Z,i=4095").as_bytes()).unwrap_err();
    expect!["the server asks for 4095 iterations, and at least 4096 are accepted"]
        .assert_eq(&refused.to_string());
}

#[test]
fn entry_11_attributes_stand_in_their_order_once() {
    check_first(
        "s=W22Z,r=rOprNGfwEbeRWgbNEkqOmore,i=4096",
        expect![[r#"the server's message has "s=W22Z" where attribute r belongs"#]],
    );
    check_first(
        "r=rOprNGfwEbeRWgbNEkqOmore,r=rOprNGfwEbeRWgbNEkqOmore,s=W22Z,i=4096",
        expect![[r#"the server's message has "r=rOprNGfwEbeRWgbNEkqOmore" where attribute s belongs"#]],
    );
    check_first(
        "r=rOprNGfwEbeRWgbNEkqOmore,s=W22Z,i=4096,i=1",
        expect![[r#"the server's message goes on with "i=1" after its last attribute"#]],
    );
    check_first(
        "m=ext,r=rOprNGfwEbeRWgbNEkqOmore,s=W22Z,i=4096",
        expect!["the server asks for a mandatory extension, and none is known"],
    );
    check_first(
        "r=rOprNGfwEbeRWgbNEkqOmore,s=W22Z,i=4096,m=ext",
        expect!["the server asks for a mandatory extension, and none is known"],
    );
    check_first("r=rOprNGfwEbeRWgbNEkqOmore,s=W22Z,i=4096,x=optional", expect!["accepted"]);
    check_first(
        "r=rOprNGfwEbeRWgbNEkqOmore,s=W22Z,i=4096,",
        expect![[r#"the server's message goes on with "" after its last attribute"#]],
    );
    check_first("", expect![[r#"the server's message has "" where attribute r belongs"#]]);
    for garbage in ["r=a\0b", "r=a\x7fb", "e=\u{9b}2J", "\n"] {
        check_first(garbage, expect!["the server's message is not text"]);
    }
    check_first("r", expect![[r#"the server's message has "r" where attribute r belongs"#]]);
    check_first("R=a", expect![[r#"the server's message has "R=a" where attribute r belongs"#]]);
    for junk in ["x", "1=a", "=", "é=a"] {
        let (state, _) = client_first(ChannelBinding::Unsupported);
        let server_first = format!("r={CLIENT_NONCE}more,s=W22Z,i=4096,{junk}");
        let refused = state.handle(server_first.as_bytes()).unwrap_err();
        assert_eq!(refused, ScramError::Trailing(junk.to_owned()));
    }
    check_first(
        &"r".repeat(9000),
        expect!["the server's message is 9000 bytes long, and at most 8192 are accepted"],
    );
    check_final(b"\xff", expect!["the server's message is not text"]);
    check_final(b"", expect![[r#"the server's message has "" where attribute v belongs"#]]);
    check_final(b"x=a", expect![[r#"the server's message has "x=a" where attribute v belongs"#]]);
    check_final(
        format!("{SERVER_FINAL},{SERVER_FINAL}").as_bytes(),
        expect![[
            r#"the server's message goes on with "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" after its last attribute"#
        ]],
    );
    check_final(format!("{SERVER_FINAL},x=optional").as_bytes(), expect!["accepted"]);
    check_final(b"m=ext", expect!["the server asks for a mandatory extension, and none is known"]);
}

#[test]
fn entry_12_the_servers_reason_is_shown() {
    // All reasons of RFC 5802, section 7, and one that is not there.
    for reason in [
        "invalid-encoding",
        "extensions-not-supported",
        "invalid-proof",
        "channel-bindings-dont-match",
        "server-does-support-channel-binding",
        "channel-binding-not-supported",
        "unsupported-channel-binding-type",
        "unknown-user",
        "invalid-username-encoding",
        "no-resources",
        "other-error",
        "the moon is full",
    ] {
        let refused = client_final().0.handle(format!("e={reason}").as_bytes()).unwrap_err();
        assert_eq!(refused, ScramError::Refused(reason.to_owned()));
        assert_eq!(refused.to_string(), format!("the server refused the proof: {reason}"));
    }
    // What a stranger says is not shown at any length.
    let endless = client_final().0.handle(format!("e={}", "x".repeat(8000)).as_bytes()).unwrap_err();
    assert_eq!(endless, ScramError::Refused("x".repeat(64)));
    check_first("e=unknown-user", expect!["the server refused the proof: unknown-user"]);
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let nonce = ClientNonce::from_printable(CLIENT_NONCE).unwrap();
    let password = Secret::new("pencil");
    let begun =
        ClientFirst::new("user", password, nonce, ChannelBinding::Unsupported, ScramLimits::default());
    let mut shown = vec![format!("{begun:?}")];
    let (first, _) = begun.into_parts();
    shown.push(format!("{first:?}"));
    let derivation = first.handle(SERVER_FIRST.as_bytes()).unwrap();
    shown.push(format!("{derivation:?}"));
    let (last, proof) = derivation.finish();
    shown.push(format!("{last:?} {proof:?}"));
    let remembered = last.handle(SERVER_FINAL.as_bytes()).unwrap();
    shown.push(format!("{remembered:?} {:?}", Secret::new("pencil")));
    let shown = shown.join("\n");
    assert_eq!(shown.matches("***").count(), 6, "{shown}");
    // As text, as base64 and as a list of bytes.
    for secret in ["pencil", "112, 101, 110", "dHzbZapW", "116, 124, 219", "6rriTRBi", "234, 186, 226"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
