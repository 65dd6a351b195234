//! Ways to prove who we are beside a password that is known: tokens, keys, and keys that are remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cornac_conn::{
    Config, ConnectFailure, Connection, CredentialProvider, ErrorKind, HandshakeError, Method, Methods,
    ProtocolVersion, ScramKeys, Surroundings,
};
use cornac_proto::message::{TransactionStatus, server};
use cornac_tests::log::Log;
use cornac_tests::messages::error;
use cornac_tests::scripted::{self, ScriptedServer};
use cornac_tests::{Cluster, ClusterOptions, PASSWORD, SUPERUSER, deadline, still_usable, wait_until_asleep};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

fn token(token: &'static str) -> CredentialProvider {
    CredentialProvider::new(move |_| async move { Ok(token) })
}

/// How a client ends that meets the server of `script`.
async fn meets(
    config: &Config,
    script: impl AsyncFnOnce(&mut ScriptedServer),
) -> Result<Connection, ConnectFailure> {
    let (client, mut server) = scripted::pair();
    let (connected, ()) = tokio::join!(Connection::connect_over(client, config), async {
        server.read_startup().await;
        server.send(|out| server::authentication_sasl(out, &["OAUTHBEARER"])).await;
        script(&mut server).await;
    });
    connected.map_err(|error| match error.into_kind() {
        ErrorKind::Connect(error) => error.into_attempts().remove(0).failure,
        other => panic!("{other:?}"),
    })
}

async fn first_message(server: &mut ScriptedServer) -> String {
    let (tag, body) = server.read_message().await.expect("SASLInitialResponse");
    assert_eq!(tag, b'p');
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn a_bearer_token_is_sent_to_a_server_that_asks_for_one() {
    deadline(async {
        let config = scripted::config().oauth_token_from(token("ab.c-d_e~f+g/h=="));
        let accepted = meets(&config, async |server| {
            let first = first_message(server).await;
            let response = "n,,\x01auth=Bearer ab.c-d_e~f+g/h==\x01\x01";
            let length = char::from(u8::try_from(response.len()).unwrap());
            assert_eq!(first, format!("OAUTHBEARER\0\0\0\0{length}{response}"));
            server.send(|out| server::raw(out, b'R', &0_u32.to_be_bytes())).await;
            server.ready(TransactionStatus::Idle).await;
        })
        .await;
        accepted.unwrap();

        let challenge =
            r#"{"status":"invalid_token","scope":"db","openid-configuration":"https://id.example"}"#;
        let refused = meets(&config, async |server| {
            first_message(server).await;
            let body = [&11_u32.to_be_bytes()[..], challenge.as_bytes()].concat();
            server.send(|out| server::raw(out, b'R', &body)).await;
            assert_eq!(first_message(server).await, "\x01");
            server.send_bytes(&error("FATAL", "28000", "OAuth bearer authentication failed")).await;
        })
        .await
        .unwrap_err();
        let ConnectFailure::Handshake(HandshakeError::TokenRefused { server, challenge: shown }) = &refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!((server.message(), &**shown), ("OAuth bearer authentication failed", challenge));

        for (config, expected) in [
            (scripted::config(), "none is configured"),
            (scripted::config().oauth_token_from(token("with blank")), "characters that no token has"),
            (scripted::config().oauth_token_from(token("=")), "characters that no token has"),
            (
                config.clone().require_auth(Methods::ALL.without(Method::Oauth)),
                "method oauth, which the configuration forbids",
            ),
            (config.clone().allow_cleartext_password(false), "the connection is not encrypted"),
        ] {
            let refused = meets(&config, async |server| assert!(server.read_message().await.is_none())).await;
            let said = refused.map(|_| ()).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_are_derived_once_for_all_connections_of_a_configuration() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut admin = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        // So many iterations that a derivation is seen.
        let (verifier, ..) = verifier(b"ivory", 40_000);
        admin.simple_query(&format!("ALTER ROLE scram PASSWORD '{verifier}'")).await.unwrap();
        let config = server.config("scram").password("ivory");
        let timed = async |config: &Config| {
            let begun = Instant::now();
            still_usable(&mut Connection::connect(config).await.unwrap()).await;
            begun.elapsed()
        };
        let first = timed(&config).await;
        let mut later = timed(&config.clone()).await;
        for _ in 0..3 {
            later = later.min(timed(&config.clone()).await);
        }
        println!("the first connection took {first:?}, a later one {later:?}");
        assert!(later * 3 < first, "{first:?} {later:?}");
        // What is remembered belongs to the password: another one is refused.
        assert!(Connection::connect(&config.clone().password("wrong")).await.is_err());
        // And to the salt: a new password is derived anew.
        admin.simple_query("ALTER ROLE scram PASSWORD 'ebony'").await.unwrap();
        assert!(Connection::connect(&config).await.is_err());
        Connection::connect(&config.password("ebony")).await.unwrap();
    })
    .await;
}

/// What a server keeps of a password, made by hand, and the two keys of it.
pub(crate) fn verifier(password: &[u8], iterations: u32) -> (String, [u8; 32], [u8; 32]) {
    let hmac = |key: &[u8], data: &[u8]| -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(data);
        mac.finalize().into_bytes().into()
    };
    let salt = b"sixteen bytes...";
    let mut block = hmac(password, &[&salt[..], &1_u32.to_be_bytes()].concat());
    let mut salted = block;
    for _ in 1..iterations {
        block = hmac(password, &block);
        salted.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    let (client_key, server_key) = (hmac(&salted, b"Client Key"), hmac(&salted, b"Server Key"));
    let stored_key: [u8; 32] = <Sha256 as sha2::Digest>::digest(client_key).into();
    let base64 = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let verifier = format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        base64(salt),
        base64(&stored_key),
        base64(&server_key)
    );
    (verifier, client_key, server_key)
}

#[tokio::test]
async fn keys_stand_in_for_a_password() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut admin = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let (verifier, client_key, server_key) = verifier(b"ivory", 4096);
        admin.simple_query(&format!("ALTER ROLE scram PASSWORD '{verifier}'")).await.unwrap();
        Connection::connect(&server.config("scram").password("ivory")).await.unwrap();
        let keys = ScramKeys::new(client_key, server_key);
        let with_keys = server.config("scram").password("wrong").scram_keys(keys);
        still_usable(&mut Connection::connect(&with_keys).await.unwrap()).await;
        let wrong = ScramKeys::new([7; 32], server_key);
        let refused =
            Connection::connect(&server.config("scram").scram_keys(wrong)).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.sql_state(), Some(cornac_conn::SqlState::INVALID_PASSWORD));
        let forged = ScramKeys::new(client_key, [7; 32]);
        let refused =
            Connection::connect(&server.config("scram").scram_keys(forged)).await.map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("SCRAM authentication failed"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn protocol_3_2_is_spoken_where_it_is_asked_for_and_known() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let major: u32 = server.version().split('.').next().unwrap().parse().unwrap();
        let asks = server.config(SUPERUSER).protocol_versions(ProtocolVersion::V3_0, ProtocolVersion::V3_2);
        let mut connection = Connection::connect(&asks).await.unwrap();
        let expected = if major >= 18 { ProtocolVersion::V3_2 } else { ProtocolVersion::V3_0 };
        assert_eq!(connection.protocol_version(), expected);
        // The longer key of 3.2 cancels too.
        let token = connection.cancel_token();
        let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let process_id = connection.process_id().unwrap();
        let (slept, ()) = tokio::join!(connection.simple_query("SELECT pg_sleep(60)"), async {
            // A request that overtakes the statement would cancel nothing.
            wait_until_asleep(&mut observer, process_id).await;
            assert!(token.cancel().await.unwrap());
        });
        assert_eq!(slept.unwrap_err().sql_state(), Some(cornac_conn::SqlState::QUERY_CANCELED));
        still_usable(&mut connection).await;
        let insists =
            server.config(SUPERUSER).protocol_versions(ProtocolVersion::V3_2, ProtocolVersion::V3_2);
        match Connection::connect(&insists).await {
            Ok(connection) => {
                assert_eq!((major >= 18, connection.protocol_version()), (true, ProtocolVersion::V3_2));
            }
            Err(error) => {
                assert!(
                    major < 18 && error.to_string().contains("the configuration asks for 3.2"),
                    "{error}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_is_fetched_only_if_it_is_asked_for() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let fetched = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&fetched);
        let provider = CredentialProvider::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok("token") }
        });
        Connection::connect(&server.config(SUPERUSER).oauth_token_from(provider)).await.unwrap();
        assert_eq!(fetched.load(Ordering::SeqCst), 0);
    })
    .await;
}

#[tokio::test]
async fn entry_19_a_password_file_that_others_can_read_is_not_used() {
    deadline(async {
        use std::os::unix::fs::PermissionsExt;
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".pgpass");
        std::fs::write(&file, format!("127.0.0.1:{}:postgres:scram:{}\n", server.port(), PASSWORD)).unwrap();
        let text =
            format!("host=127.0.0.1 port={} user=scram dbname=postgres sslmode=disable", server.port());
        let config = Config::parse_in(&text, &Surroundings::none().with_home(home.path())).unwrap();
        let with_mode =
            |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o620] {
            with_mode(mode);
            let log = Log::listen();
            let error = Connection::connect(&config).await.map(|_| ()).unwrap_err().to_string();
            assert!(
                error.contains("asks for a password (method scram-sha-256), and none is configured"),
                "{error}"
            );
            let said =
                format!("WARN cornac::config: password file {file:?} can be read by others, and is not used");
            assert!(log.lines().starts_with(&said), "{mode:o}: {log:?}");
            assert!(!log.lines().contains(PASSWORD), "{log:?}");
        }
        for mode in [0o600, 0o400] {
            with_mode(mode);
            let log = Log::listen();
            still_usable(&mut Connection::connect(&config).await.unwrap()).await;
            assert_eq!(log.lines(), "");
        }
    })
    .await;
}
