//! Getting in: authentication against real servers, and against those that are not what they claim to be.

use cornac_conn::{Client, Config, Connection, ErrorKind, Host, SqlState};
use cornac_proto::message::server;
use cornac_tests::scripted::{self, ScriptedServer};
use cornac_tests::{Cluster, ClusterOptions, PASSWORD, SUPERUSER, deadline, percent_encoded, still_usable};

use cornac_tests::messages::{bytes, error};

/// Goes with a client as far as its first SCRAM message, and gives its nonce.
async fn scram_begins(server: &mut ScriptedServer) -> String {
    server.read_startup().await;
    server.send(|out| server::authentication_sasl(out, &["SCRAM-SHA-256"])).await;
    let (tag, body) = server.read_message().await.expect("SASLInitialResponse");
    assert_eq!(tag, b'p');
    let text = String::from_utf8_lossy(&body).into_owned();
    assert!(text.starts_with("SCRAM-SHA-256\0"), "{text}");
    text.rsplit_once("r=").expect("a nonce").1.to_owned()
}

/// Goes on as far as the client's proof.
async fn scram_goes_on(server: &mut ScriptedServer) {
    let nonce = scram_begins(server).await;
    let server_first = format!("r={nonce}more,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    authentication(server, 11, server_first.as_bytes()).await;
    assert_eq!(server.read_message().await.expect("SASLResponse").0, b'p');
}

async fn authentication(server: &mut ScriptedServer, code: u32, data: &[u8]) {
    let body = [&code.to_be_bytes()[..], data].concat();
    server.send_bytes(&bytes(|out| server::raw(out, b'R', &body))).await;
}

/// How the client ends that meets the server of `script`.
async fn meets(script: impl AsyncFnOnce(&mut ScriptedServer)) -> String {
    let (client, mut server) = scripted::pair();
    let config = scripted::config();
    let script = async {
        script(&mut server).await;
        // What a client still sends is taken, until it hangs up.
        while let Some((_, body)) = server.read_message().await {
            assert!(!body.windows(6).any(|window| window == b"pencil"), "no byte of the password leaves");
        }
    };
    let (connected, ()) = tokio::join!(
        async {
            // The client is dropped when it has failed, so that the script sees its end.
            let connected = Connection::connect_over(client, &config).await;
            connected.map(|_| ()).unwrap_err().to_string()
        },
        script
    );
    connected
}

#[tokio::test]
async fn entry_08_an_ok_before_the_servers_signature_is_refused() {
    deadline(async {
        let said = meets(async |server| {
            scram_goes_on(server).await;
            authentication(server, 0, b"").await;
        })
        .await;
        let why =
            "AuthenticationOk came while AuthenticationSASLFinal with the server's signature was awaited";
        assert!(said.contains(why), "{said}");

        let said = meets(async |server| {
            scram_begins(server).await;
            authentication(server, 0, b"").await;
        })
        .await;
        assert!(
            said.contains("AuthenticationOk came while AuthenticationSASLContinue was awaited"),
            "{said}"
        );
    })
    .await;
}

#[tokio::test]
async fn entry_09_a_server_that_does_not_know_the_password_is_refused() {
    deadline(async {
        let said = meets(async |server| {
            scram_goes_on(server).await;
            authentication(server, 12, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").await;
            authentication(server, 0, b"").await;
        })
        .await;
        assert!(said.contains("the server's signature is wrong"), "{said}");

        let said = meets(async |server| {
            scram_begins(server).await;
            authentication(server, 11, b"r=anothernonce,s=W22Z,i=4096").await;
        })
        .await;
        assert!(said.contains("the server's nonce does not begin with the client's"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn entry_10_a_server_cannot_make_us_work_for_long() {
    deadline(async {
        for (iterations, said) in [
            ("10000000", "asks for 10000000 iterations, and at most 100000 are accepted"),
            ("2147483647", "asks for 2147483647 iterations, and at most 100000 are accepted"),
            ("0", "asks for 0 iterations, and at least 1 are accepted"),
        ] {
            let begun = std::time::Instant::now();
            let (client, mut server) = scripted::pair();
            let config = scripted::config();
            let script = async {
                let nonce = scram_begins(&mut server).await;
                authentication(&mut server, 11, format!("r={nonce}x,s=W22Z,i={iterations}").as_bytes()).await;
                assert_eq!(server.read_message().await, None, "no proof has left");
            };
            let (connected, ()) = tokio::join!(
                async {
                    Connection::connect_over(client, &config).await.map(|_| ()).unwrap_err().to_string()
                },
                script
            );
            assert!(connected.contains(said), "{connected}");
            assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
        }
    })
    .await;
}

#[tokio::test]
async fn entry_11_a_mandatory_extension_is_refused() {
    deadline(async {
        let said = meets(async |server| {
            let nonce = scram_begins(server).await;
            authentication(server, 11, format!("m=x,r={nonce}x,s=W22Z,i=1").as_bytes()).await;
        })
        .await;
        assert!(said.contains("mandatory extension"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn entry_12_the_servers_reasons_are_shown() {
    deadline(async {
        let said = meets(async |server| {
            scram_goes_on(server).await;
            authentication(server, 12, b"e=other-error").await;
        })
        .await;
        assert!(said.contains("the server refused the proof: other-error"), "{said}");

        let said = meets(async |server| {
            scram_begins(server).await;
            server.send_bytes(&error("FATAL", "28P01", "no, not you")).await;
        })
        .await;
        assert!(said.contains("FATAL: no, not you (SQLSTATE 28P01)"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn entry_13_passwords_work_as_the_server_stores_them() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut admin = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        admin.execute("CREATE ROLE walker LOGIN", ()).await.unwrap();
        let long = "tusk".repeat(512);
        let oracle = crate::libpq_login::oracle();
        let of_libpq = async |password: &str| {
            let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
            let conninfo = format!(
                "host=127.0.0.1 port={} user=walker dbname=postgres sslmode=disable gssencmode=disable password='{quoted}'",
                cluster.port()
            );
            let oracle = std::sync::Arc::clone(&oracle);
            tokio::task::spawn_blocking(move || oracle.connect(&conninfo).unwrap()).await.unwrap()
        };
        for password in [
            "plain",
            "with space and 'quotes'",
            "@/#%?&=:$ {}",
            long.as_str(),
            // SASLprep changes these: soft hyphen, no-break space, Roman numeral, compatibility letters, decomposed accents.
            "I\u{ad}X",
            "a\u{a0}b",
            "\u{2168}",
            "\u{aa}",
            "e\u{301}le\u{301}phant",
            // And forbids these, so that they are used as they are.
            "\u{627}1",
            "é\u{7}",
            "\u{1f418}",
        ] {
            let quoted = password.replace('\'', "''");
            admin.simple_query(&format!("ALTER ROLE walker PASSWORD '{quoted}'")).await.unwrap();
            let mut connection =
                Connection::connect(&cluster.config("walker").password(password)).await.expect(password);
            still_usable(&mut connection).await;
            // The same in a URL, percent-encoded.
            let encoded = percent_encoded(password);
            let url = format!("postgres://walker:{encoded}@127.0.0.1:{}/postgres", cluster.port());
            let config: Config = url.parse().unwrap();
            Connection::connect(&config).await.expect(password).close().await.unwrap();

            let wrong = cluster.config("walker").password(format!("{password}!"));
            let refused = Connection::connect(&wrong).await.unwrap_err();
            assert_eq!(refused.sql_state(), Some(SqlState::INVALID_PASSWORD));
            assert!(!refused.may_retry(), "a wrong password does not become right");
            // libpq comes in with the same password, and not with the other.
            of_libpq(password).await.expect(password);
            of_libpq(&format!("{password}!")).await.unwrap_err();
        }
        // Passwords that mean the same to SASLprep open the same door, here and in libpq.
        for (set, typed) in [("I\u{ad}X", "IX"), ("\u{2168}", "IX"), ("\u{aa}", "a"), ("a\u{a0}b", "a b"), ("e\u{301}", "é")] {
            admin.simple_query(&format!("ALTER ROLE walker PASSWORD '{set}'")).await.unwrap();
            Connection::connect(&cluster.config("walker").password(typed)).await.expect(typed);
            of_libpq(typed).await.expect(typed);
        }
        let empty = Connection::connect(&cluster.config("walker").password("")).await.unwrap_err();
        assert!(empty.to_string().contains("the server asks for a password"), "{empty}");
        let empty = of_libpq("").await.unwrap_err();
        assert!(empty.contains("no password supplied"), "{empty}");
        let nul = Connection::connect(&cluster.config("walker").password("a\0b")).await.unwrap_err();
        assert!(matches!(nul.kind(), ErrorKind::Config(_)), "{nul}");
        still_usable(&mut admin).await;
    })
    .await;
}

#[tokio::test]
async fn every_method_gets_in_over_both_transports() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        for role in ["trusted", "scram", "md5user", "clear", SUPERUSER] {
            let tcp = cluster.config(role).allow_cleartext_password(true);
            for config in [tcp, cluster.socket_config(role)] {
                let mut connection = Connection::connect(&config).await.expect(role);
                still_usable(&mut connection).await;
                let user: String = connection.fetch_value("SELECT session_user::text", ()).await.unwrap();
                assert_eq!(user, role);
                connection.close().await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_password_does_not_travel_in_clear_unless_it_may() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let proxy = cornac_tests::Proxy::start(cluster.port(), vec![]).await.unwrap();
        let refused = Connection::connect(&cluster.config("clear").port(proxy.port())).await.unwrap_err();
        assert!(refused.to_string().contains("asks for the password in clear"), "{refused}");
        let sent = proxy.recording().to_server;
        assert!(!sent.windows(PASSWORD.len()).any(|bytes| bytes == PASSWORD.as_bytes()));
    })
    .await;
}

#[tokio::test]
async fn where_nobody_listens_the_error_says_what_was_tried() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused =
        Connection::connect(&Config::new(Host::Tcp("127.0.0.1".into()), "app").port(port)).await.unwrap_err();
    assert!(
        refused.to_string().starts_with(&format!("could not connect to 127.0.0.1:{port}: ")),
        "{refused}"
    );
    assert!(refused.may_retry());
    let missing = Connection::connect(&Config::new(Host::Unix("/nowhere".into()), "app")).await.unwrap_err();
    assert!(missing.to_string().contains("/nowhere/.s.PGSQL.5432"), "{missing}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let (client, mut server) = scripted::pair();
    let config = scripted::config().connect_timeout(Some(std::time::Duration::from_millis(50)));
    let (connected, _) = tokio::join!(Connection::connect_over(client, &config), server.read_startup());
    let said = connected.unwrap_err().to_string();
    assert!(said.contains("timed out after 50ms, before it asked for authentication"), "{said}");
}
