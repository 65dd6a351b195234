//! The first bytes of a connection: the question about TLS, its answers, and servers that go silent.

use std::time::{Duration, Instant};

use cornac_conn::{
    Config, ConnectFailure, Connection, ErrorKind, HandshakeError, Host, HostSpec, SqlState, SslMode,
    TlsError, TlsRequestError,
};
use cornac_proto::message::server;
use cornac_tests::impostor::{Impostor, Victim};
use cornac_tests::messages::{bytes, error};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, still_usable};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const MODES_WITH_TLS: [SslMode; 4] =
    [SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull];

fn authentication(code: u32, data: &[u8]) -> Vec<u8> {
    bytes(|out| server::raw(out, b'R', &[&code.to_be_bytes()[..], data].concat()))
}

/// The failures of all attempts.
async fn failures(config: &Config) -> Vec<ConnectFailure> {
    match Connection::connect(config).await.map(|_| ()).unwrap_err().into_kind() {
        ErrorKind::Connect(error) => {
            error.into_attempts().into_iter().map(|attempt| attempt.failure).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// `mode` with roots, where it needs some: any file of certificates will do, since nobody gets that far.
fn with_roots(config: Config, pki: &cornac_tests::pki::Pki) -> Config {
    let mut ssl = config.ssl_options().clone();
    if matches!(ssl.mode, SslMode::VerifyCa | SslMode::VerifyFull) {
        ssl.root_cert = cornac_conn::SslRootCert::File(pki.path("root.crt"));
    }
    config.ssl(ssl)
}

#[tokio::test]
async fn entry_01_bytes_behind_the_answer_are_an_attack() {
    deadline(async {
        let pki = cornac_tests::pki::Pki::new().unwrap();
        for stuffed in
            [&error("FATAL", "28000", "go away")[..], &authentication(0, b"")[..], b"\x16\x03\x01", b"S"]
        {
            let answer = [b"S", stuffed].concat();
            let impostor = Impostor::that_says(answer).await.unwrap();
            for mode in MODES_WITH_TLS {
                let failures = failures(&with_roots(impostor.config(mode), &pki)).await;
                let injected = ConnectFailure::TlsRequest(TlsRequestError::ResponseInjected);
                assert_eq!(failures.len(), 1, "{mode:?}: {failures:?}");
                assert_eq!(failures[0].to_string(), injected.to_string());
            }
            let received = impostor.received();
            assert!(received.iter().all(|bytes| bytes == &SSL_REQUEST), "{received:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn entry_02_a_server_without_tls_is_refused_unless_that_is_preferred_only() {
    deadline(async {
        let pki = cornac_tests::pki::Pki::new().unwrap();
        let impostor = Impostor::start(|mut victim: Victim| async move {
            victim.read_packet().await;
            victim.send(b"N").await;
            if victim.read(8).await.len() >= 8 {
                victim.send(&error("FATAL", "28P01", "seen")).await;
            }
            victim.read_to_end().await;
        })
        .await
        .unwrap();
        for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
            let failures = failures(&with_roots(impostor.config(mode), &pki)).await;
            assert!(
                matches!(failures[..], [ConnectFailure::Tls(TlsError::Refused { .. })]),
                "{mode:?}: {failures:?}"
            );
        }
        assert!(impostor.received().iter().all(|bytes| bytes == &SSL_REQUEST), "no startup packet has left");
        let failures = failures(&impostor.config(SslMode::Prefer)).await;
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(failures[0].server().map(cornac_conn::ServerMessage::message), Some("seen"));
        // Without TLS allowed, nobody is asked for it.
        let plain = impostor.config(SslMode::Disable).connect_timeout(Some(Duration::from_millis(200)));
        assert!(Connection::connect(&plain).await.is_err());
        assert_ne!(impostor.received().last().unwrap()[..8], SSL_REQUEST);
    })
    .await;
}

#[tokio::test]
async fn entry_03_an_error_in_place_of_an_answer_is_nobodys_word() {
    deadline(async {
        let pki = cornac_tests::pki::Pki::new().unwrap();
        let cases = [
            (error("FATAL", "53300", "trust me"), TlsRequestError::ErrorInPlace),
            (b"X".to_vec(), TlsRequestError::Garbage(b'X')),
            (Vec::new(), TlsRequestError::Eof),
        ];
        for (answer, expected) in cases {
            let impostor = Impostor::start(move |mut victim: Victim| {
                let answer = answer.clone();
                async move {
                    victim.read_packet().await;
                    victim.send(&answer).await;
                    if !answer.is_empty() {
                        victim.read_to_end().await;
                    }
                }
            })
            .await
            .unwrap();
            for mode in MODES_WITH_TLS {
                let failures = failures(&with_roots(impostor.config(mode), &pki)).await;
                // No attempt in plain behind it, under prefer either.
                assert_eq!(failures.len(), 1, "{mode:?}: {failures:?}");
                let ConnectFailure::TlsRequest(failure) = &failures[0] else { panic!("{failures:?}") };
                assert_eq!(*failure, expected, "{mode:?}");
                assert!(!failure.to_string().contains("trust me"));
            }
        }
    })
    .await;
}

/// A point at which a server falls silent, or hangs up; and what is then said of how far it had got.
#[derive(Clone, Copy, Debug)]
enum Point {
    BehindSslRequest,
    BehindS,
    InTlsHandshake,
    BehindStartup,
    InScram,
    BehindOk,
}

const POINTS: [(Point, &str); 6] = [
    (Point::BehindSslRequest, "before it answered SSLRequest"),
    (Point::BehindS, "during the TLS handshake"),
    (Point::InTlsHandshake, "during the TLS handshake"),
    (Point::BehindStartup, "before it asked for authentication"),
    (Point::InScram, "during SCRAM authentication"),
    (Point::BehindOk, "between authentication and ReadyForQuery"),
];

/// Goes along with a client up to a point, and then says nothing more, or hangs up.
async fn goes_along(mut victim: Victim, point: Point, hangs_up: bool) {
    victim.read(8).await;
    match point {
        Point::BehindSslRequest => {}
        Point::BehindS | Point::InTlsHandshake => {
            victim.send(b"S").await;
            victim.read(5).await;
            if matches!(point, Point::InTlsHandshake) {
                // The header of a ServerHello that does not come.
                victim.send(&[22, 3, 3, 0, 90, 2]).await;
            }
        }
        Point::BehindStartup | Point::InScram | Point::BehindOk => {
            victim.send(b"N").await;
            victim.read(8).await;
            if matches!(point, Point::InScram) {
                victim.send(&bytes(|out| server::authentication_sasl(out, &["SCRAM-SHA-256"]))).await;
                victim.read(8).await;
            }
            if matches!(point, Point::BehindOk) {
                victim.send(&authentication(0, b"")).await;
            }
        }
    }
    if !hangs_up {
        victim.read_to_end().await;
    }
}

#[tokio::test]
async fn entry_05_a_server_that_hangs_meets_the_deadline() {
    deadline(async {
        let limit = Duration::from_millis(200);
        for (point, said) in POINTS {
            let impostor = Impostor::start(move |victim| goes_along(victim, point, false)).await.unwrap();
            let begun = Instant::now();
            let failures = failures(&impostor.config(SslMode::Prefer).connect_timeout(Some(limit))).await;
            assert!(begun.elapsed() < limit * 3, "{point:?}: {:?}", begun.elapsed());
            let [failure @ ConnectFailure::Timeout { .. }] = &failures[..] else { panic!("{failures:?}") };
            assert!(failure.to_string().contains(said), "{point:?}: {failure}");
            assert!(!impostor.received().concat().windows(6).any(|window| window == b"pencil"));
        }
    })
    .await;
}

#[tokio::test]
async fn entry_06_a_server_that_hangs_up_gives_way_to_the_next_host() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        for (point, said) in POINTS {
            let impostor = Impostor::start(move |victim| goes_along(victim, point, true)).await.unwrap();
            let alone = failures(&impostor.config(SslMode::Prefer)).await;
            let said = if matches!(point, Point::BehindSslRequest) {
                "instead of answering SSLRequest"
            } else {
                said
            };
            let typed = matches!(
                alone[..],
                [ConnectFailure::TlsRequest(TlsRequestError::Eof)
                    | ConnectFailure::Broken { .. }
                    | ConnectFailure::Handshake(HandshakeError::Eof { .. })]
            );
            assert!(typed && alone[0].to_string().contains(said), "{point:?}: {alone:?}");
            let hosts = [impostor.port(), cluster.port()].map(|port| {
                let mut spec = HostSpec::default();
                spec.host = Some(Host::Tcp("127.0.0.1".to_owned()));
                spec.port = port;
                spec
            });
            let config = cluster.config(SUPERUSER).with_hosts(hosts.to_vec()).ssl_mode(SslMode::Prefer);
            still_usable(&mut Connection::connect(&config).await.unwrap()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn entry_07_nothing_less_than_what_is_asked_for_is_accepted() {
    deadline(async {
        use cornac_conn::{ChannelBindingMode, Method, Methods};
        let requests = [
            ("ok", authentication(0, b"")),
            ("clear", authentication(3, b"")),
            ("md5", authentication(5, b"salt")),
            ("scram", bytes(|out| server::authentication_sasl(out, &["SCRAM-SHA-256"]))),
            ("plus", bytes(|out| server::authentication_sasl(out, &["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]))),
        ];
        for (name, request) in requests {
            let impostor = Impostor::that_says(request).await.unwrap();
            let config = impostor.config(SslMode::Disable).allow_cleartext_password(true);
            let scram = config.clone().require_auth(Methods::from(Method::ScramSha256));
            let bound = config.clone().channel_binding(ChannelBindingMode::Require);
            for (asked, config) in [("scram", scram), ("bound", bound)] {
                if asked == "scram" && (name == "scram" || name == "plus") {
                    continue;
                }
                let failures = failures(&config).await;
                let typed = matches!(
                    failures[..],
                    [ConnectFailure::Handshake(
                        HandshakeError::MethodForbidden { .. } | HandshakeError::ChannelBindingMissing { .. }
                    )]
                );
                assert!(typed, "{asked} {name}: {failures:?}");
            }
            let nothing = Methods::EMPTY;
            assert!(Connection::connect(&config.require_auth(nothing)).await.is_err(), "{name}");
            assert_only_startup(&impostor);
        }
    })
    .await;
}

/// How the one attempt ends that meets a server with this request, to which nothing is answered.
async fn says_nothing_to(request: Vec<u8>) -> ConnectFailure {
    let impostor = Impostor::that_says(request).await.unwrap();
    let mut failures = failures(&impostor.config(SslMode::Disable)).await;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_only_startup(&impostor);
    failures.remove(0)
}

/// Each client has sent its startup packet, and nothing behind it.
fn assert_only_startup(impostor: &Impostor) {
    for bytes in impostor.received() {
        let length = usize::try_from(u32::from_be_bytes(bytes[..4].try_into().unwrap())).unwrap();
        assert_eq!(bytes.len(), length, "no byte behind the startup packet");
        assert!(!bytes.windows(6).any(|window| window == b"pencil"));
    }
}

#[tokio::test]
async fn entry_14_a_password_in_clear_is_not_given_to_whoever_asks() {
    deadline(async {
        let failure = says_nothing_to(authentication(3, b"")).await;
        assert!(
            matches!(failure, ConnectFailure::Handshake(HandshakeError::CleartextForbidden)),
            "{failure:?}"
        );
        // Where the caller has said so, it goes.
        let impostor = Impostor::start(|mut victim: Victim| async move {
            victim.read_packet().await;
            victim.send(&authentication(3, b"")).await;
            assert_eq!(victim.read(12).await, b"p\0\0\0\x0bpencil\0");
            victim.send(&authentication(0, b"")).await;
            victim.send(b"Z\0\0\0\x05I").await;
            victim.read_to_end().await;
        })
        .await
        .unwrap();
        let allowed = impostor.config(SslMode::Disable).allow_cleartext_password(true);
        Connection::connect(&allowed).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn entry_15_what_is_missing_for_a_method_is_said() {
    deadline(async {
        for (code, asked) in [(7, "AuthenticationGSS"), (9, "AuthenticationSSPI")] {
            let failure = says_nothing_to(authentication(code, b"")).await;
            if cfg!(feature = "gssapi") {
                // Built in, but there is neither a ticket nor anybody who gives one for an address.
                assert!(matches!(failure, ConnectFailure::Gssapi(_)), "{failure:?}");
                continue;
            }
            let ConnectFailure::Handshake(HandshakeError::GssapiMissing { asked: shown }) = failure else {
                panic!("{failure:?}")
            };
            assert_eq!(shown, asked);
            let said = failure.to_string();
            assert!(said.contains(r#"the cargo feature "gssapi" of cornac"#), "{said}");
        }
        for (request, asked) in [
            (authentication(2, b""), "AuthenticationKerberosV5"),
            (bytes(|out| server::authentication_sasl(out, &["SCRAM-SHA-1024"])), "SASL with SCRAM-SHA-1024"),
        ] {
            let failure = says_nothing_to(request).await;
            let ConnectFailure::Handshake(HandshakeError::Unsupported { asked: shown }) = &failure else {
                panic!("{failure:?}")
            };
            assert_eq!(shown, asked);
        }
    })
    .await;
}

#[tokio::test]
async fn entry_16_a_server_that_is_starting_up_is_tried_again() {
    deadline(async {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let starts = Impostor::start(move |mut victim: Victim| {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                victim.read_packet().await;
                if number < 3 {
                    victim.send(&error("FATAL", "57P03", "the database system is starting up")).await;
                } else {
                    victim.send(&authentication(0, b"")).await;
                    victim.send(b"Z\0\0\0\x05I").await;
                }
                victim.read_to_end().await;
            }
        })
        .await
        .unwrap();
        Connection::connect(&starts.config(SslMode::Disable)).await.unwrap();
        assert_eq!(tries.load(Ordering::SeqCst), 4);

        let never = Impostor::start(|mut victim: Victim| async move {
            victim.read_packet().await;
            victim.send(&error("FATAL", "57P03", "the database system is starting up")).await;
        })
        .await
        .unwrap();
        let config = never.config(SslMode::Disable).connect_timeout(Some(Duration::from_millis(400)));
        let refused = Connection::connect(&config).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.sql_state(), Some(SqlState::CANNOT_CONNECT_NOW));
        assert!(refused.is_transient() && never.received().len() > 1);
    })
    .await;
}

#[tokio::test]
async fn entry_17_refusals_are_told_apart_and_wrong_passwords_not_tried_again() {
    deadline(async {
        // A server with TLS, so that allow and prefer have another way to go.
        let pki = cornac_tests::pki::Pki::new().unwrap();
        pki.issue("server", "root", &cornac_tests::pki::Request::default()).unwrap();
        let mut options = pki.server_options("server").unwrap();
        for (name, value) in
            [("max_connections", "5"), ("superuser_reserved_connections", "0"), ("max_wal_senders", "0")]
        {
            options.settings.push((name.to_owned(), value.to_owned()));
        }
        options.hba = Some(
            "host all trusted 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"
                .to_owned(),
        );
        let cluster = Cluster::start(&options).unwrap();
        let state =
            async |config: &Config| Connection::connect(config).await.map(|_| ()).unwrap_err().sql_state();
        let config = cluster.config(SUPERUSER);
        let refused_by_hba = Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
        assert_eq!(state(&config.clone().password("wrong")).await, Some(SqlState::INVALID_PASSWORD));
        assert_eq!(state(&cluster.config("trusted")).await, refused_by_hba);
        assert_eq!(state(&config.clone().dbname("none")).await, Some(SqlState::INVALID_CATALOG_NAME));
        let mut held = Vec::new();
        while held.len() < 5 {
            held.push(Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap());
        }
        assert_eq!(state(&config).await, Some(SqlState::TOO_MANY_CONNECTIONS));
        held.clear();
        for mode in [SslMode::Prefer, SslMode::Allow] {
            // A password that is wrong is sent once, and to one host.
            let twice = [config.hosts(), config.hosts()].concat();
            let wrong = config.clone().password("wrong").ssl_mode(mode).with_hosts(twice);
            let log_before = cluster.log().matches("password authentication failed").count();
            loop {
                match state(&wrong).await {
                    // The backends of those that were held take a moment to end.
                    Some(SqlState::TOO_MANY_CONNECTIONS) => {}
                    refused => break assert_eq!(refused, Some(SqlState::INVALID_PASSWORD)),
                }
            }
            assert_eq!(cluster.log().matches("password authentication failed").count(), log_before + 1, "{mode:?}");
            // What pg_hba.conf refuses is tried in the other way.
            assert_eq!(failures(&cluster.config("trusted").ssl_mode(mode)).await.len(), 2, "{mode:?}");
        }
        still_usable(&mut Connection::connect(&config).await.unwrap()).await;
    })
    .await;
}

#[tokio::test]
async fn entry_18_each_address_has_its_own_error() {
    deadline(async {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        // A path of 107 bytes is one that a socket can have; one of 108 is not.
        let of_length = |length: usize| {
            let rest = length - directory.path().as_os_str().len() - "//.s.PGSQL.5432".len();
            directory.path().join("x".repeat(rest))
        };
        // A listener that takes no more: its queue is full, so that the system lets connections wait for ever.
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let blackhole = full.local_addr().unwrap().as_socket().unwrap().port();
        let mut queued = Vec::new();
        for _ in 0..4 {
            let waiting = tokio::net::TcpStream::connect(("127.0.0.1", blackhole));
            queued.push(tokio::time::timeout(Duration::from_millis(100), waiting).await);
        }
        assert!(queued.last().unwrap().is_err(), "the queue is full");
        let spec = |host: Host, port: u16| {
            let mut spec = HostSpec::default();
            spec.host = Some(host);
            spec.port = port;
            spec
        };
        let hosts = vec![
            spec(Host::Tcp("no-such-host.invalid".to_owned()), 5432),
            spec(Host::Tcp("127.0.0.1".to_owned()), closed),
            spec(Host::Unix(directory.path().to_owned()), 5432),
            spec(Host::Unix(of_length(107)), 5432),
            spec(Host::Unix(of_length(108)), 5432),
            // Nobody connects to a group.
            spec(Host::Tcp("224.0.0.1".to_owned()), 5432),
            spec(Host::Tcp("127.0.0.1".to_owned()), blackhole),
        ];
        let config = Config::new(Host::Tcp("unused".to_owned()), "app").with_hosts(hosts);
        let config = config.connect_timeout(Some(Duration::from_millis(300)));
        let error = Connection::connect(&config).await.map(|_| ()).unwrap_err();
        let ErrorKind::Connect(error) = error.kind() else { panic!("{error}") };
        let expected = [
            "the host name could not be resolved",
            "Connection refused",
            "No such file",
            "No such file",
            "SUN_LEN",
            "Network is unreachable",
            "timed out after 300ms, before the socket was open",
        ];
        assert_eq!(error.attempts().len(), expected.len(), "{error}");
        for (attempt, expected) in error.attempts().iter().zip(expected) {
            assert!(
                attempt.failure.to_string().contains(expected),
                "{}: {}",
                attempt.target,
                attempt.failure
            );
            assert!(error.to_string().contains(&attempt.target), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn entry_18_a_socket_that_is_closed_to_us_says_so() {
    deadline(async {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".s.PGSQL.5432");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let program = directory.path().join("log_in");
        std::fs::copy(env!("CARGO_BIN_EXE_log_in"), &program).unwrap();
        for (path, mode) in [(directory.path(), 0o755), (&program, 0o755), (&path, 0)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut command = std::process::Command::new(&program);
        command.arg(format!("host={} user=app", directory.path().display()));
        // The superuser may do anything; somebody else may not.
        if std::fs::metadata("/proc/self").is_ok_and(|us| std::os::unix::fs::MetadataExt::uid(&us) == 0) {
            command.uid(65534).gid(65534);
        }
        let said = tokio::process::Command::from(command).output().await.unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let expected = format!("out: could not connect to {}: Permission denied", path.display());
        assert!(said.starts_with(&expected), "{said}");
    })
    .await;
}

#[tokio::test]
async fn wire_18_an_endless_stream_before_authentication_ends_at_the_deadline() {
    deadline(async {
        let report = b"S\0\0\0\x0bx\0yyyy\0".repeat(1000);
        let notices = b"N\0\0\0\x05\0".repeat(1000);
        for (before, flood) in [
            (authentication(0, b""), report),
            (Vec::new(), notices.clone()),
            (authentication(0, b""), notices),
        ] {
            let impostor = Impostor::start(move |mut victim: Victim| {
                let (before, flood) = (before.clone(), flood.clone());
                async move {
                    victim.read_packet().await;
                    victim.send(&before).await;
                    for _ in 0..1_000_000 {
                        victim.send(&flood).await;
                        tokio::task::yield_now().await;
                    }
                }
            })
            .await
            .unwrap();
            let limit = Duration::from_millis(300);
            let memory = resident_kib();
            let begun = Instant::now();
            let failures = failures(&impostor.config(SslMode::Disable).connect_timeout(Some(limit))).await;
            assert!(begun.elapsed() < limit * 4, "{:?}", begun.elapsed());
            assert!(matches!(failures[..], [ConnectFailure::Timeout { .. }]), "{failures:?}");
            let grown = resident_kib().saturating_sub(memory);
            assert!(grown < 32 << 10, "{grown} KiB more after a flood");
        }
        // Ever new names are not kept for ever either; and no report belongs before the request to authenticate.
        let mut many = authentication(0, b"");
        for number in 0..1000 {
            let (name, value) = (format!("name{number}"), "value");
            many.extend(bytes(|out| server::raw(out, b'S', format!("{name}\0{value}\0").as_bytes())));
        }
        let early = bytes(|out| server::raw(out, b'S', b"name\0value\0"));
        for (flood, expected) in [(many, "more than 256"), (early, "ParameterStatus came while")] {
            let impostor = Impostor::that_says(flood).await.unwrap();
            let failures = failures(&impostor.config(SslMode::Disable)).await;
            assert!(failures[0].to_string().contains(expected), "{failures:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn wire_19_a_login_that_drips_meets_the_connect_deadline() {
    deadline(async {
        // A notice of a kilobyte, a byte a second: before, and behind the request to authenticate.
        for before in [Vec::new(), authentication(0, b"")] {
            let (client, mut server) = cornac_tests::scripted::pair();
            let config = cornac_tests::scripted::config().connect_timeout(Some(Duration::from_secs(7)));
            let drips = async {
                server.read_startup().await;
                server.send_bytes(&before).await;
                for byte in [&b"N"[..], &1024_u32.to_be_bytes(), &[b'S'; 1020]].concat() {
                    if !server.offer_bytes(&[byte]).await {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                panic!("the client has waited for all of it");
            };
            let begun = tokio::time::Instant::now();
            let (connected, ()) = tokio::join!(
                async {
                    // The transport is dropped with the error.
                    let error = Connection::connect_over(client, &config).await.map(|_| ()).unwrap_err();
                    assert_eq!(begun.elapsed().as_secs(), 7);
                    error.to_string()
                },
                drips
            );
            assert!(connected.contains("timed out after 7s"), "{connected}");
        }
    })
    .await;
}

/// How much memory this process has, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn wire_18_a_hundred_thousand_notices_in_one_read_are_bounded() {
    deadline(async {
        let (client, mut scripted) = cornac_tests::scripted::pair();
        let config = cornac_tests::scripted::config();
        let (connection, ()) = tokio::join!(Connection::connect_over(client, &config), scripted.accept());
        let mut connection = connection.unwrap();
        let notices = b"N\0\0\0\x05\0".repeat(100_000);
        let begun = Instant::now();
        let (answer, ()) = tokio::join!(connection.simple_query(""), async {
            scripted.read_message().await;
            scripted.send_bytes(&notices).await;
            scripted.send_all(&[cornac_proto::message::Backend::EmptyQueryResponse]).await;
            scripted.ready(cornac_proto::message::TransactionStatus::Idle).await;
        });
        answer.unwrap();
        let kept = connection.take_notices();
        assert_eq!((kept.messages.len(), kept.lost), (1024, 100_000 - 1024));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test]
async fn entry_24_a_server_that_leaves_utf_8_is_closed() {
    deadline(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut connection = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        let error = connection.simple_query("SET client_encoding = LATIN1").await.unwrap_err();
        assert!(error.is_closed() && error.to_string().contains("LATIN1"), "{error}");
        let again = connection.simple_query("SELECT 1").await.unwrap_err();
        assert!(again.is_closed(), "{again}");
    })
    .await;
}
