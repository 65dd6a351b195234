//! The ways that `allow` and `prefer` leave open: which are gone, in which order, beside libpq.

use std::collections::BTreeMap;
use std::sync::Arc;

use cornac_conn::{Config, Connection, Surroundings};
use cornac_tests::deadline;
use cornac_tests::impostor::{Impostor, Victim};
use cornac_tests::log::Log;
use cornac_tests::messages::error;
use cornac_tests::pki::Pki;

use crate::libpq_login::oracle;

/// What a server does that is asked for TLS, and what it says to a startup packet in plain.
#[derive(Clone, Copy, Debug)]
enum Asked {
    SaysError,
    SaysGarbage,
    HangsUp,
    SaysNo,
    AcceptsThenTalksPlain,
    AcceptsThenHangsUp,
}

const ASKED: [Asked; 6] = [
    Asked::SaysError,
    Asked::SaysGarbage,
    Asked::HangsUp,
    Asked::SaysNo,
    Asked::AcceptsThenTalksPlain,
    Asked::AcceptsThenHangsUp,
];

async fn meets(mut victim: Victim, asked: Asked, state: &'static str) {
    let refusal = error("FATAL", state, "not you, or not like this");
    let first = victim.read_packet().await;
    if !is_ssl_request(&first) {
        victim.send(&refusal).await;
        return victim.read_to_end().await;
    }
    match asked {
        Asked::SaysError => victim.send(&refusal).await,
        Asked::SaysGarbage => victim.send(b"X").await,
        Asked::HangsUp => return,
        Asked::SaysNo => {
            victim.send(b"N").await;
            if !victim.read(8).await.is_empty() {
                victim.send(&refusal).await;
            }
        }
        Asked::AcceptsThenTalksPlain => {
            victim.send(b"S").await;
            victim.read(5).await;
            victim.send(b"this is no TLS").await;
        }
        Asked::AcceptsThenHangsUp => {
            victim.send(b"S").await;
            victim.read(5).await;
            return;
        }
    }
    victim.read_to_end().await;
}

fn is_ssl_request(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0, 0, 8, 4, 210, 22, 47])
}

/// What was sent on each connection, in words.
fn shown(received: &[Vec<u8>]) -> String {
    let connections = received.iter().map(|bytes| {
        let (asked, rest) =
            if is_ssl_request(bytes) { ("SSLRequest", &bytes[8..]) } else { ("", &bytes[..]) };
        let next = match rest {
            [] => "",
            [0x16, 3, ..] => "ClientHello",
            [0x15, 3, ..] => "Alert",
            [0, 0, ..] => "startup",
            _ => "something else",
        };
        format!("{asked} {next}").trim().to_owned()
    });
    connections.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn entry_03_no_way_is_gone_that_libpq_does_not_go() {
    deadline(async {
        let pki = Pki::new().unwrap();
        let oracle = oracle();
        let mut compared = 0;
        let mut on_purpose = BTreeMap::<&str, u32>::new();
        for asked in ASKED {
            // 28000 is what pg_hba.conf causes; any other refusal would be the same in the other way.
            for state in ["28000", "28P01"] {
                for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
                    let (ours, theirs) = (
                        Impostor::start(move |victim| meets(victim, asked, state)).await.unwrap(),
                        Impostor::start(move |victim| meets(victim, asked, state)).await.unwrap(),
                    );
                    let conninfo = |port: u16| {
                        format!(
                            "host=127.0.0.1 port={port} user=app password=pencil sslmode={mode} sslrootcert={} gssencmode=disable",
                            pki.path("root.crt").display()
                        )
                    };
                    let config = Config::parse_in(&conninfo(ours.port()), &Surroundings::none()).unwrap();
                    let log = Log::listen();
                    let error = Connection::connect(&config).await.map(|_| ()).unwrap_err().to_string();
                    let (asking, theirs_conninfo) = (Arc::clone(&oracle), conninfo(theirs.port()));
                    let refused = tokio::task::spawn_blocking(move || asking.connect(&theirs_conninfo).unwrap());
                    refused.await.unwrap().unwrap_err();
                    let (ours, theirs) = (ours.received(), theirs.received());
                    if shown(&ours) != shown(&theirs) {
                        let (gone, further) = theirs.split_at(ours.len().min(theirs.len()));
                        let reason = match (asked, state, mode) {
                            (_, "28P01", "allow") => "a password that was refused is not sent again",
                            (Asked::AcceptsThenHangsUp, _, "prefer") => "a server that breaks off is not asked in plain",
                            _ => "none",
                        };
                        assert!(
                            reason != "none" && shown(gone) == shown(&ours) && further.len() == 1,
                            "{asked:?} {state} {mode}: {} and {}: {error}",
                            shown(&ours),
                            shown(&theirs)
                        );
                        *on_purpose.entry(reason).or_default() += 1;
                    }
                    // A second way is never gone in silence.
                    let went_on = ours.len() > 1;
                    assert_eq!(log.lines().contains("as sslmode="), went_on, "{asked:?} {mode}: {log:?}");
                    assert!(ours.iter().all(|bytes| !bytes.windows(6).any(|window| window == b"pencil")));
                    if matches!(asked, Asked::SaysError) && mode != "disable" && ours.iter().any(|bytes| is_ssl_request(bytes)) {
                        let tls_part = error.rsplit("; ").next().unwrap_or(&error);
                        assert!(!tls_part.contains("not you"), "nobody's word: {error}");
                    }
                    compared += 1;
                }
            }
        }
        println!("{compared} ways compared; libpq went further, on purpose: {on_purpose:?}");
    })
    .await;
}
