//! The corpora of the fuzz targets, run without a fuzzer.

use std::collections::BTreeSet;
use std::fs;

use cornac_proto::message::{BackendTag, Frontend, FrontendFraming, Startup, frontend_frame, startup_frame};
use cornac_proto::{Framing, Limits, Phase, frame};
use cornac_tests::{fuzz, workspace_root};
use proptest::prelude::*;

/// The files of a target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = workspace_root().join("fuzz/corpus").join(target);
    fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn every_corpus_runs_without_a_finding() {
    for (target, run) in fuzz::TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{target} has a corpus");
        for data in &corpus {
            run(data);
        }
        println!("{target}: {} files", corpus.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_with_a_server_that_keeps_the_rules_ends_well(steps in prop::collection::vec(honest_step(), 0..60)) {
        fuzz::session(&steps.concat());
    }
}

/// A step of the target `session`, but those that bring bytes of a stranger, or the end of the connection.
fn honest_step() -> impl Strategy<Value = Vec<u8>> {
    (0_u8..20, any::<[u8; 3]>())
        .prop_map(|(step, choices)| [&[step], &choices[..usize::from(choices[0] % 4)]].concat())
}

#[test]
fn the_corpus_has_every_message_of_a_server() {
    let mut seen = BTreeSet::new();
    for data in corpus("backend_decode") {
        let lengths = usize::from(data[0] >> 1) % 16;
        let mut rest = data.get(1 + lengths..).unwrap_or_default();
        while let Ok(Framing::Complete(frame)) = frame(rest, &Limits::default(), Phase::Authenticated) {
            seen.insert(frame.tag.byte());
            rest = &rest[5 + frame.body.len()..];
        }
    }
    let missing: Vec<_> = BackendTag::ALL.iter().filter(|tag| !seen.contains(&tag.byte())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_corpus_has_every_message_of_a_client() {
    let mut seen = BTreeSet::new();
    let mut name = |shown: String| seen.insert(shown.split([' ', '(']).next().unwrap().to_owned());
    for data in corpus("frontend_roundtrip") {
        let Some((header, mut rest)) = data.split_first() else { continue };
        if header % 2 == 0 {
            let Ok(FrontendFraming::Complete { body, len, .. }) = startup_frame(rest, 1 << 20) else {
                continue;
            };
            if let Ok(message) = Startup::decode(body) {
                name(format!("{message:?}"));
            }
            rest = &rest[len..];
        }
        while let Ok(FrontendFraming::Complete { tag, body, len }) = frontend_frame(rest, 1 << 20) {
            if let Ok(message) = Frontend::decode(tag, body) {
                name(format!("{message:?}"));
            }
            rest = &rest[len..];
        }
    }
    let expected = "Bind CancelRequest ClosePortal CloseStatement CopyData CopyDone CopyFail DescribePortal \
                    DescribeStatement Execute Flush FunctionCall GssEncRequest Parse Password Query SslRequest \
                    StartupMessage Sync Terminate";
    let missing: Vec<_> = expected.split_whitespace().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
