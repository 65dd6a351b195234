//! Bearer tokens (RFC 7628) against a real PostgreSQL 18.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cornac_conn::{
    Client, Config, ConnectFailure, Connection, CredentialProvider, ErrorKind, HandshakeError, HostSpec,
    Method, Methods, SqlState, SslMode,
};
use cornac_tests::pki::{Pki, Request};
use cornac_tests::{Cluster, SUPERUSER, deadline, oauth, still_usable};

use crate::tls_faults::ssl;

const HBA: &str = "\
host  all bearer 127.0.0.1/32 oauth issuer=\"https://id.example\" scope=\"db\"
local all bearer              oauth issuer=\"https://id.example\" scope=\"db more\"
host  all all    127.0.0.1/32 scram-sha-256
local all all                 trust
";

/// Gives `token`, and counts how often it was asked.
fn provider(token: &'static str, asked: &Arc<AtomicUsize>) -> CredentialProvider {
    let asked = Arc::clone(asked);
    CredentialProvider::new(move |spec: &HostSpec| {
        asked.fetch_add(1, Ordering::SeqCst);
        let has_port = spec.port > 0;
        async move { if has_port { Ok(token) } else { Err("no port".into()) } }
    })
}

async fn failure(config: &Config) -> ConnectFailure {
    match Connection::connect(config).await.map(|_| ()).unwrap_err().into_kind() {
        ErrorKind::Connect(error) => error.into_attempts().remove(0).failure,
        other => panic!("{other:?}"),
    }
}

/// A server that takes tokens, with what it needs for TLS.
struct Scene {
    pki: Pki,
    server: Cluster,
}

/// Set in a future of its own, so that no test's has room for it.
async fn scene() -> Scene {
    Box::pin(set()).await
}

async fn set() -> Scene {
    let pki = Pki::new().unwrap();
    pki.issue("server", "root", &Request { extensions: "subjectAltName=IP:127.0.0.1", ..Request::default() })
        .unwrap();
    let mut options = pki.server_options("server").unwrap();
    oauth::take_tokens(&mut options).unwrap();
    options.hba = Some(HBA.to_owned());
    let server = Cluster::start(&options).unwrap();
    let mut admin = Connection::connect(&server.socket_config(SUPERUSER)).await.unwrap();
    admin.simple_query("CREATE ROLE bearer LOGIN").await.unwrap();
    Scene { pki, server }
}

impl Scene {
    fn plain(&self) -> Config {
        self.server.config("bearer")
    }

    fn tls(&self) -> Config {
        self.plain().ssl(ssl(&self.pki, SslMode::VerifyFull))
    }

    fn socket(&self) -> Config {
        self.server.socket_config("bearer")
    }
}

#[tokio::test]
async fn a_real_server_takes_the_bearer_token_of_a_role() {
    deadline(async {
        let scene = scene().await;
        let asked = Arc::new(AtomicUsize::new(0));
        for config in [scene.tls(), scene.socket()] {
            let config = config.oauth_token_from(provider("token-of-bearer", &asked));
            let only = config.clone().require_auth(Methods::from(Method::Oauth));
            for config in [&config, &only] {
                let mut connection = Connection::connect(config).await.unwrap();
                let user: String = connection.fetch_value("SELECT system_user", ()).await.unwrap();
                assert_eq!(user, "oauth:bearer");
                still_usable(&mut connection).await;
            }
        }
        assert_eq!(asked.swap(0, Ordering::SeqCst), 4, "once for each connection");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_a_real_server_refuses_comes_back_with_its_challenge() {
    deadline(async {
        let scene = scene().await;
        let asked = Arc::new(AtomicUsize::new(0));
        // A token that the server does not take: its challenge says where there are others.
        for (config, scope) in [(scene.tls(), "db"), (scene.socket(), "db more")] {
            let failure = failure(&config.oauth_token_from(provider("stale", &asked))).await;
            let ConnectFailure::Handshake(HandshakeError::TokenRefused { server, challenge }) = &failure
            else {
                panic!("{failure:?}")
            };
            assert_eq!(server.code(), Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION));
            let challenge: serde_json::Value = serde_json::from_str(challenge).unwrap();
            assert_eq!(challenge["status"], "invalid_token");
            assert_eq!(challenge["scope"], scope);
            assert_eq!(
                challenge["openid-configuration"],
                "https://id.example/.well-known/openid-configuration"
            );
            assert!(!format!("{failure:?}").contains("stale"));
        }
        // One that is somebody else's, and one that is nobody's.
        for token in ["token-of-elephant", "token-of-nobody"] {
            let failure = failure(&scene.tls().oauth_token_from(provider(token, &asked))).await;
            assert!(failure.to_string().contains("OAuth bearer authentication failed"), "{failure:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_is_not_fetched_for_a_connection_that_may_not_have_it() {
    deadline(async {
        let scene = scene().await;
        let asked = Arc::new(AtomicUsize::new(0));
        // Without a token, under another requirement, and in clear: nothing is fetched, and nothing sent.
        let with_token = |config: Config| config.oauth_token_from(provider("token-of-bearer", &asked));
        for (config, expected) in [
            (scene.tls(), "and none is configured"),
            (
                with_token(scene.tls()).require_auth(Methods::ALL.without(Method::Oauth)),
                "method oauth, which the configuration forbids",
            ),
            (with_token(scene.plain()), "the connection is not encrypted"),
        ] {
            let failure = failure(&config).await.to_string();
            assert!(failure.contains(expected), "{failure}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        // In clear where the caller has said so.
        let allowed = with_token(scene.plain()).allow_cleartext_password(true);
        still_usable(&mut Connection::connect(&allowed).await.unwrap()).await;
    })
    .await;
}
