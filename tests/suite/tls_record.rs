//! What reaches a server over TLS, after it is decrypted: nothing where its certificate is wrong, and no more than it may have otherwise.

use std::sync::{Arc, Mutex};

use cornac_conn::{
    ChannelBindingMode, Config, ConnectFailure, Connection, ErrorKind, HandshakeError, SslMode,
    SslNegotiation, SslRootCert, TlsError,
};
use cornac_proto::message::server;
use cornac_tests::deadline;
use cornac_tests::impostor::{Impostor, Victim};
use cornac_tests::messages::bytes;
use cornac_tests::pki::{ED25519, P256, Pki, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::tls_faults::{FOR_LOOPBACK, acceptor, ssl};

/// A TLS server that shows the certificate `name`, answers the first packet of each client with `answer`, and records all that comes.
struct Recorder {
    impostor: Impostor,
    /// For each connection what was decrypted; `None` where the TLS handshake failed.
    decrypted: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
}

impl Recorder {
    async fn start(pki: &Pki, name: &str, answer: Vec<u8>) -> Self {
        let acceptor = acceptor(pki, name, &[b"postgresql"]);
        let decrypted = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&decrypted);
        let impostor = Impostor::start(move |mut victim: Victim| {
            let (acceptor, record, answer) = (acceptor.clone(), Arc::clone(&record), answer.clone());
            async move {
                if victim.read_packet().await.len() < 8 {
                    return;
                }
                victim.send(b"S").await;
                let mut received = None;
                if let Ok(mut tls) = acceptor.accept(victim.into_stream()).await {
                    let mut all = Vec::new();
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = tls.read(&mut buffer).await {
                        if all.is_empty() {
                            let _ = tls.write_all(&answer).await;
                            let _ = tls.flush().await;
                        }
                        all.extend_from_slice(&buffer[..count]);
                    }
                    received = Some(all);
                }
                record.lock().unwrap().push(received);
            }
        })
        .await
        .unwrap();
        Self { impostor, decrypted }
    }

    fn config(&self, pki: &Pki, mode: SslMode) -> Config {
        self.impostor.config(mode).ssl(ssl(pki, mode))
    }

    /// Connects, and gives the failure with what the server has got, once it has seen the end.
    async fn meets(&self, config: &Config) -> (ConnectFailure, Option<Vec<u8>>) {
        let before = self.decrypted.lock().unwrap().len();
        let failure = match Connection::connect(config).await.map(|_| ()).unwrap_err().into_kind() {
            ErrorKind::Connect(error) => error.into_attempts().remove(0).failure,
            other => panic!("{other:?}"),
        };
        loop {
            if let Some(received) = self.decrypted.lock().unwrap().get(before) {
                return (failure, received.clone());
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn entry_04_nothing_reaches_a_server_whose_certificate_is_wrong() {
    deadline(async {
        let pki = Pki::new().unwrap();
        pki.authority("stranger", P256, "/CN=stranger").unwrap();
        let expired = Request { validity: Some(("200101000000Z", "210101000000Z")), ..FOR_LOOPBACK };
        let future = Request { validity: Some(("400101000000Z", "410101000000Z")), ..FOR_LOOPBACK };
        let other = Request { extensions: "subjectAltName=IP:127.0.0.2", ..FOR_LOOPBACK };
        for (name, issuer, request) in [
            ("right", "root", &FOR_LOOPBACK),
            ("expired", "root", &expired),
            ("future", "root", &future),
            ("self-signed", "self-signed", &FOR_LOOPBACK),
            ("wrong-authority", "stranger", &FOR_LOOPBACK),
            ("wrong-name", "root", &other),
            ("revoked", "root", &FOR_LOOPBACK),
        ] {
            pki.issue(name, issuer, request).unwrap();
        }
        let list = pki.revoke("list", "root", &["revoked"], false).unwrap();
        let ask = bytes(|out| server::raw(out, b'R', &3_u32.to_be_bytes()));
        for (name, expected) in [
            ("expired", "has expired"),
            ("future", "is not valid yet"),
            ("self-signed", "is self-signed"),
            ("wrong-authority", "was not issued by any of the trusted roots"),
            ("wrong-name", "not for \"127.0.0.1\""),
            ("revoked", "is revoked"),
        ] {
            let recorder = Recorder::start(&pki, name, ask.clone()).await;
            let mut options = ssl(&pki, SslMode::VerifyFull);
            options.crl = Some(list.clone());
            let (failure, received) =
                recorder.meets(&recorder.impostor.config(SslMode::Disable).ssl(options)).await;
            let ConnectFailure::Tls(TlsError::Certificate(why)) = &failure else {
                panic!("{name}: {failure:?}")
            };
            assert!(why.to_string().contains(expected), "{name}: {why}");
            assert_eq!(received, None, "{name}: the TLS handshake never ended, so nothing was sent inside");
        }
        // One that is right gets the startup packet, and the password that it asks for.
        let recorder = Recorder::start(&pki, "right", ask).await;
        let config = recorder
            .config(&pki, SslMode::VerifyFull)
            .connect_timeout(Some(std::time::Duration::from_millis(300)));
        let (_, received) = recorder.meets(&config).await;
        let received = received.unwrap();
        assert!(received.ends_with(b"p\0\0\0\x0bpencil\0"), "{received:?}");
    })
    .await;
}

/// The client's first SCRAM message, or the failure before it, of which no byte has left.
async fn first_message(recorder: &Recorder, config: Config) -> Result<String, ConnectFailure> {
    let limit = Some(std::time::Duration::from_millis(300));
    let (failure, received) = recorder.meets(&config.connect_timeout(limit)).await;
    let received = received.unwrap();
    let length = usize::try_from(u32::from_be_bytes(received[..4].try_into().unwrap())).unwrap();
    let (_startup, behind) = received.split_at(length);
    assert!(!received.windows(6).any(|window| window == b"pencil"));
    if behind.is_empty() { Err(failure) } else { Ok(String::from_utf8_lossy(&behind[5..]).into_owned()) }
}

fn offers(mechanisms: &[&str]) -> Vec<u8> {
    bytes(|out| server::authentication_sasl(out, mechanisms))
}

#[tokio::test]
async fn entry_07_a_server_that_does_not_bind_is_refused_where_binding_is_required() {
    deadline(async {
        let pki = Pki::new().unwrap();
        pki.issue("server", "root", &FOR_LOOPBACK).unwrap();
        for (answer, expected) in [
            (offers(&["SCRAM-SHA-256"]), "does not offer SCRAM-SHA-256-PLUS"),
            (bytes(|out| server::raw(out, b'R', &0_u32.to_be_bytes())), "without authentication"),
            (bytes(|out| server::raw(out, b'R', &3_u32.to_be_bytes())), "cannot be bound"),
            (bytes(|out| server::raw(out, b'R', &[0, 0, 0, 5, 1, 2, 3, 4])), "cannot be bound"),
            (offers(&["OAUTHBEARER"]), "cannot be bound"),
        ] {
            let recorder = Recorder::start(&pki, "server", answer).await;
            let config =
                recorder.config(&pki, SslMode::VerifyFull).channel_binding(ChannelBindingMode::Require);
            let failure = first_message(&recorder, config).await.unwrap_err();
            let ConnectFailure::Handshake(HandshakeError::ChannelBindingMissing { what }) = &failure else {
                panic!("{failure:?}")
            };
            assert!(what.contains(expected), "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn entry_23_the_flag_says_what_both_sides_can() {
    use ChannelBindingMode::{Disable, Prefer, Require};
    deadline(async {
        let pki = Pki::new().unwrap();
        pki.issue("bound", "root", &FOR_LOOPBACK).unwrap();
        pki.authority("edroot", ED25519, "/CN=edroot").unwrap();
        pki.issue("unbound", "edroot", &Request { signature: &[], ..FOR_LOOPBACK }).unwrap();
        let both: &[&str] = &["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
        let plain: &[&str] = &["SCRAM-SHA-256"];
        for (name, mode, offered, expected) in [
            ("bound", Prefer, both, Some("p=tls-server-end-point,,")),
            ("bound", Require, both, Some("p=tls-server-end-point,,")),
            // The flag y only where PLUS was not offered: a server that did offer it then knows that somebody is in between.
            ("bound", Prefer, plain, Some("y,,")),
            ("bound", Disable, both, Some("n,,")),
            ("unbound", Prefer, both, Some("n,,")),
            ("unbound", Prefer, plain, Some("n,,")),
            ("unbound", Disable, both, Some("n,,")),
            ("unbound", Require, both, None),
            ("unbound", Require, plain, None),
        ] {
            let recorder = Recorder::start(&pki, name, offers(offered)).await;
            let mut options = ssl(&pki, SslMode::VerifyFull);
            options.root_cert =
                SslRootCert::File(pki.path(if name == "bound" { "root.crt" } else { "edroot.crt" }));
            options.negotiation = SslNegotiation::Postgres;
            let config = recorder.impostor.config(SslMode::Disable).ssl(options).channel_binding(mode);
            let first = first_message(&recorder, config).await;
            match expected {
                Some(flag) => {
                    let first = first.unwrap();
                    let mechanism =
                        if flag.starts_with('p') { "SCRAM-SHA-256-PLUS" } else { "SCRAM-SHA-256" };
                    let (chosen, message) = first.split_once('\0').unwrap();
                    // Behind the mechanism stands the length of the message.
                    assert_eq!(
                        (chosen, message[4..].starts_with(flag)),
                        (mechanism, true),
                        "{name} {mode:?}: {first:?}"
                    );
                }
                None => {
                    let failure = first.unwrap_err();
                    assert!(failure.to_string().contains("nothing to bind to"), "{failure}");
                }
            }
        }
    })
    .await;
}
