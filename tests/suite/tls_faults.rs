//! TLS that breaks, and files that are not what they should be.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cornac_conn::{
    Client, Config, ConnectFailure, Connection, ErrorKind, SslCertMode, SslMode, SslNegotiation, SslOptions,
    SslRootCert, TlsError,
};
use cornac_proto::auth::Secret;
use cornac_proto::message::server;
use cornac_tests::impostor::{Impostor, Victim};
use cornac_tests::messages::bytes;
use cornac_tests::pki::{P256, Pki, RSA, Request, restrict};
use cornac_tests::{Cluster, SUPERUSER, deadline, still_usable};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A TLS server's side with the certificate `name`, which speaks `alpn`.
pub(crate) fn acceptor(pki: &Pki, name: &str, alpn: &[&[u8]]) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_file(pki.path(&format!("{name}.crt"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(pki.path(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

fn pki_with_server(request: &Request<'_>) -> Pki {
    let pki = Pki::new().unwrap();
    pki.issue("server", "root", request).unwrap();
    pki
}

pub(crate) fn ssl(pki: &Pki, mode: SslMode) -> SslOptions {
    let mut ssl = SslOptions::default();
    ssl.mode = mode;
    ssl.root_cert = SslRootCert::File(pki.path("root.crt"));
    ssl
}

async fn failure(config: &Config) -> ConnectFailure {
    match Connection::connect(config).await.map(|_| ()).unwrap_err().into_kind() {
        ErrorKind::Connect(error) => error.into_attempts().remove(0).failure,
        other => panic!("{other:?}"),
    }
}

pub(crate) const FOR_LOOPBACK: Request<'static> = Request {
    subject: "/CN=server",
    extensions: "subjectAltName=IP:127.0.0.1",
    key: P256,
    signature: &["-sha256"],
    validity: None,
};

/// The server's words after the startup packet, up to ReadyForQuery.
fn welcome() -> Vec<u8> {
    bytes(|out| {
        server::raw(out, b'R', &0_u32.to_be_bytes())?;
        server::raw(out, b'Z', b"I")
    })
}

/// A server that goes along over TLS as far as the first query of each client, and then does what `then` says.
async fn goes_along_over_tls<F, Fut>(pki: &Pki, then: F) -> Impostor
where
    F: Fn(TlsStream<TcpStream>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let acceptor = acceptor(pki, "server", &[b"postgresql"]);
    Impostor::start(move |mut victim: Victim| {
        let (acceptor, then) = (acceptor.clone(), then.clone());
        async move {
            victim.read_packet().await;
            victim.send(b"S").await;
            let mut tls = acceptor.accept(victim.into_stream()).await.unwrap();
            let mut ignored = [0; 1024];
            assert_ne!(tls.read(&mut ignored).await.unwrap(), 0);
            tls.write_all(&welcome()).await.unwrap();
            assert_ne!(tls.read(&mut ignored).await.unwrap(), 0);
            then(tls).await;
        }
    })
    .await
    .unwrap()
}

async fn wait_until_closed(socket: &mut TcpStream) {
    let mut ignored = [0; 1024];
    while socket.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

/// Half of a result: a description, and a row that is cut off.
fn half_a_row() -> Vec<u8> {
    let mut result = bytes(|out| {
        server::row_description(out, &[("value", 25, cornac_proto::message::FormatCode::Text)])?;
        server::data_row(out, &[Some(&[b'x'; 100][..])])
    });
    result.truncate(result.len() - 50);
    result
}

#[tokio::test]
async fn line_12_tls_that_ends_in_the_middle_of_a_row() {
    deadline(async {
        let pki = pki_with_server(&FOR_LOOPBACK);
        for corrupts in [false, true] {
            let impostor = goes_along_over_tls(&pki, move |mut tls| async move {
                tls.write_all(&half_a_row()).await.unwrap();
                tls.flush().await.unwrap();
                let (mut socket, _) = tls.into_inner();
                if corrupts {
                    // A record of application data that nobody has encrypted.
                    let record = [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
                    socket.write_all(&record).await.unwrap();
                    wait_until_closed(&mut socket).await;
                }
                // Closed without close_notify.
            })
            .await;
            let config = impostor.config(SslMode::Disable).ssl(ssl(&pki, SslMode::VerifyFull));
            let mut connection = Connection::connect(&config).await.unwrap();
            let error = connection.simple_query("SELECT 1").await.unwrap_err();
            assert!(error.is_closed() && error.outcome_unknown(), "{error}");
            let said = if corrupts { "cannot decrypt peer's message" } else { "in the middle of DataRow" };
            assert!(error.to_string().contains(said), "{error}");
            assert!(connection.is_closed());
        }
    })
    .await;
}

#[tokio::test]
async fn line_12_an_attempt_to_begin_tls_anew_is_refused() {
    deadline(async {
        // TLS 1.3 has no renegotiation; a server that sends a ClientHello's or HelloRequest's kind of record is told so.
        let pki = pki_with_server(&FOR_LOOPBACK);
        let impostor = goes_along_over_tls(&pki, |tls| async move {
            let (mut socket, _) = tls.into_inner();
            // HelloRequest, in clear.
            socket.write_all(&[22, 3, 3, 0, 4, 0, 0, 0, 0]).await.unwrap();
            wait_until_closed(&mut socket).await;
        })
        .await;
        let config = impostor.config(SslMode::Disable).ssl(ssl(&pki, SslMode::VerifyFull));
        let mut connection = Connection::connect(&config).await.unwrap();
        let error = connection.simple_query("SELECT 1").await.unwrap_err();
        assert!(error.is_closed(), "{error}");
        assert!(connection.is_closed());
    })
    .await;
}

#[tokio::test]
async fn a_request_that_tls_holds_back_in_part_closes_the_socket_when_it_is_dropped() {
    deadline(async {
        let pki = pki_with_server(&FOR_LOOPBACK);
        let acceptor = acceptor(&pki, "server", &[b"postgresql"]);
        // A pipe that holds less than TLS does.
        let (client, server) = tokio::io::duplex(4 << 10);
        let mut options = ssl(&pki, SslMode::VerifyFull);
        options.negotiation = SslNegotiation::Direct;
        let config = Config::new(cornac_conn::Host::Tcp("127.0.0.1".to_owned()), "app").ssl(options);
        let (connection, _tls) = tokio::join!(Connection::connect_over(client, &config), async {
            let mut tls = acceptor.accept(server).await.unwrap();
            let mut ignored = [0; 1024];
            assert_ne!(tls.read(&mut ignored).await.unwrap(), 0);
            tls.write_all(&welcome()).await.unwrap();
            tls.flush().await.unwrap();
            tls
        });
        let mut connection = connection.unwrap();
        {
            let long = format!("SELECT '{}'", "x".repeat(40_000));
            let mut query = std::pin::pin!(connection.simple_query(&long));
            let polled =
                std::future::poll_fn(|cx| std::task::Poll::Ready(query.as_mut().poll(cx).is_ready()));
            assert!(!polled.await);
        }
        // The session has seen all of it go; yet the server would wait for the rest.
        assert!(connection.is_closed());
    })
    .await;
}

#[tokio::test]
async fn entry_20_direct_tls_without_alpn_is_refused() {
    deadline(async {
        let pki = pki_with_server(&FOR_LOOPBACK);
        for (alpn, accepted) in
            [(&[][..], false), (&[&b"http/1.1"[..]][..], false), (&[&b"postgresql"[..]][..], true)]
        {
            let acceptor = acceptor(&pki, "server", alpn);
            let impostor = Impostor::start(move |victim: Victim| {
                let acceptor = acceptor.clone();
                async move {
                    let Ok(mut tls) = acceptor.accept(victim.into_stream()).await else { return };
                    let mut ignored = [0; 1024];
                    if tls.read(&mut ignored).await.is_ok_and(|count| count > 0) {
                        tls.write_all(&welcome()).await.unwrap();
                        while tls.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
                    }
                }
            })
            .await
            .unwrap();
            let mut ssl = ssl(&pki, SslMode::VerifyFull);
            ssl.negotiation = SslNegotiation::Direct;
            let config = impostor.config(SslMode::Disable).ssl(ssl);
            if accepted {
                Connection::connect(&config).await.unwrap();
            } else {
                let failure = failure(&config).await;
                let typed = matches!(
                    failure,
                    ConnectFailure::Tls(TlsError::AlpnMissing | TlsError::Alert(_) | TlsError::Handshake(_))
                );
                assert!(typed, "{failure:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn entry_04_a_certificate_signed_with_sha_1_cannot_be_checked() {
    deadline(async {
        let pki = pki_with_server(&Request { signature: &["-sha1"], ..FOR_LOOPBACK });
        let acceptor = acceptor(&pki, "server", &[b"postgresql"]);
        let impostor = Impostor::start(move |mut victim: Victim| {
            let acceptor = acceptor.clone();
            async move {
                victim.read_packet().await;
                victim.send(b"S").await;
                let _ = acceptor.accept(victim.into_stream()).await;
            }
        })
        .await
        .unwrap();
        let config = impostor.config(SslMode::Disable).ssl(ssl(&pki, SslMode::VerifyCa));
        let failure = failure(&config).await.to_string();
        assert!(
            failure.contains("cannot be checked here: signature algorithm 1.2.840.10045.4.1"),
            "{failure}"
        );
    })
    .await;
}

/// A server that lets in whoever has a certificate of its root for a role.
fn certificate_cluster(pki: &Pki) -> Cluster {
    let mut options = pki.server_options("server").unwrap();
    let hba = "hostssl all scram 127.0.0.1/32 scram-sha-256 clientcert=verify-full\n\
               hostssl all trusted 127.0.0.1/32 trust\n\
               hostssl all all 127.0.0.1/32 cert\nlocal all all trust\n";
    options.hba = Some(hba.to_owned());
    Cluster::start(&options).unwrap()
}

#[tokio::test]
async fn client_certificates_in_every_form() {
    deadline(async {
        let pki = pki_with_server(&FOR_LOOPBACK);
        let subject = "/CN=postgres";
        pki.issue("client", "root", &Request { subject, ..FOR_LOOPBACK }).unwrap();
        pki.issue("rsa", "root", &Request { subject, key: RSA, ..FOR_LOOPBACK }).unwrap();
        pki.issue("scram", "root", &Request { subject: "/CN=scram", ..FOR_LOOPBACK }).unwrap();
        pki.issue("version-1", "root", &Request { subject, extensions: "", ..FOR_LOOPBACK }).unwrap();
        let der = |name: &str| {
            pki.openssl([
                "x509",
                "-in",
                &format!("{name}.crt"),
                "-outform",
                "DER",
                "-out",
                &format!("{name}.crt.der"),
            ])
            .unwrap();
        };
        der("client");
        // The forms of keys that OpenSSL writes.
        for arguments in [
            "pkcs8 -topk8 -nocrypt -in client.key -outform DER -out pkcs8.der",
            "ec -in client.key -out sec1.pem",
            "ec -in client.key -outform DER -out sec1.der",
            "pkcs8 -topk8 -in client.key -passout pass:ivory -out encrypted.pem",
            "pkcs8 -topk8 -in client.key -passout pass:ivory -outform DER -out encrypted.der",
            "pkcs8 -topk8 -in client.key -passout pass:ivory -scrypt -out scrypt.pem",
            "rsa -in rsa.key -traditional -out pkcs1.pem",
            "rsa -in rsa.key -traditional -outform DER -out pkcs1.der",
        ] {
            pki.openssl(arguments.split(' ')).unwrap();
        }
        let cluster = certificate_cluster(&pki);
        let config = |role: &str, cert: &str, key: &str, password: Option<&str>| {
            let mut ssl = ssl(&pki, SslMode::VerifyFull);
            (ssl.cert, ssl.key) = (Some(pki.path(cert)), Some(pki.path(key)));
            ssl.password = password.map(Secret::new);
            ssl.cert_mode = SslCertMode::Require;
            restrict(&pki.path(key)).unwrap();
            cluster.config(role).ssl(ssl)
        };
        for (cert, key, password) in [
            ("client.crt", "client.key", None),
            ("client.crt.der", "pkcs8.der", None),
            ("client.crt", "sec1.pem", None),
            ("client.crt", "sec1.der", None),
            ("client.crt", "encrypted.pem", Some("ivory")),
            ("client.crt", "encrypted.der", Some("ivory")),
            ("client.crt", "scrypt.pem", Some("ivory")),
            ("rsa.crt", "rsa.key", None),
            ("rsa.crt", "pkcs1.pem", None),
            ("rsa.crt", "pkcs1.der", None),
            ("version-1.crt", "version-1.key", None),
        ] {
            let mut connection = Connection::connect(&config(SUPERUSER, cert, key, password)).await.unwrap();
            let subject: String = connection
                .fetch_value("SELECT client_dn::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()", ())
                .await
                .unwrap();
            assert_eq!(subject, "/CN=postgres", "{key}");
            still_usable(&mut connection).await;
        }
        // A certificate and a password, both.
        Connection::connect(&config("scram", "scram.crt", "scram.key", None)).await.unwrap();
        let refused = failure(&config("scram", "client.crt", "client.key", None)).await;
        assert!(refused.server().is_some(), "{refused}");
        // Without a certificate the server says no; and one that need not ask does not get any.
        let mut without = ssl(&pki, SslMode::VerifyFull);
        without.cert_mode = SslCertMode::Disable;
        let refused = failure(&cluster.config(SUPERUSER).ssl(without)).await;
        assert!(refused.to_string().contains("valid client certificate"), "{refused}");
    })
    .await;
}

/// A file, how the settings name it, and what is said of it.
type Case<'c> = (&'c str, &'c dyn Fn(&mut SslOptions), &'c str);

#[tokio::test]
async fn entry_19_files_that_are_not_what_they_should_be() {
    deadline(async {
        let pki = pki_with_server(&FOR_LOOPBACK);
        pki.issue("client", "root", &Request { subject: "/CN=postgres", ..FOR_LOOPBACK }).unwrap();
        pki.openssl("pkcs8 -topk8 -in client.key -passout pass:ivory -out encrypted.pem".split(' ')).unwrap();
        pki.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key".split(' '))
            .unwrap();
        pki.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key".split(' '))
            .unwrap();
        let old = "ec -in client.key -aes128 -passout pass:ivory -out old.key";
        pki.openssl(old.split(' ')).unwrap();
        let key = pki.read("client.key").unwrap();
        pki.write("open.key", &key).unwrap();
        std::fs::set_permissions(pki.path("open.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
        pki.write("garbage.key", "-----BEGIN PRIVATE KEY-----\nsecret!garbage\n-----END PRIVATE KEY-----\n")
            .unwrap();
        pki.write("nothing.key", "there is nothing in here").unwrap();
        pki.write("garbage.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        for name in ["encrypted.pem", "p521.key", "other.key", "old.key", "garbage.key", "nothing.key"] {
            restrict(&pki.path(name)).unwrap();
        }
        let cluster = certificate_cluster(&pki);
        let said = async |change: &dyn Fn(&mut SslOptions)| {
            let mut ssl = ssl(&pki, SslMode::VerifyFull);
            (ssl.cert, ssl.key) = (Some(pki.path("client.crt")), Some(pki.path("client.key")));
            change(&mut ssl);
            let failure = failure(&cluster.config(SUPERUSER).ssl(ssl)).await;
            assert!(!failure.to_string().contains("secret!garbage"));
            failure.to_string()
        };
        let with_key = |name: &str| Some(pki.path(name));
        let cases: [Case<'_>; 11] = [
            ("open.key", &|ssl| ssl.key = with_key("open.key"), "can be read by others"),
            ("missing.key", &|ssl| ssl.key = with_key("missing.key"), "cannot be read"),
            ("encrypted.pem", &|ssl| ssl.key = with_key("encrypted.pem"), "sslpassword is not set"),
            (
                "encrypted.pem",
                &|ssl| {
                    ssl.key = with_key("encrypted.pem");
                    ssl.password = Some(Secret::new("wrong"));
                },
                "sslpassword is wrong",
            ),
            ("p521.key", &|ssl| ssl.key = with_key("p521.key"), "kind of key cannot be used here"),
            ("other.key", &|ssl| ssl.key = with_key("other.key"), "does not belong to the certificate"),
            ("old.key", &|ssl| ssl.key = with_key("old.key"), "old PEM form"),
            ("garbage.key", &|ssl| ssl.key = with_key("garbage.key"), "private key"),
            ("nothing.key", &|ssl| ssl.key = with_key("nothing.key"), "no private key"),
            ("none.crt", &|ssl| ssl.root_cert = SslRootCert::File(pki.path("none.crt")), "does not exist"),
            (
                "garbage.crt",
                &|ssl| ssl.root_cert = SslRootCert::File(pki.path("garbage.crt")),
                "cannot be a root",
            ),
        ];
        for (file, change, expected) in cases {
            let said = said(change).await;
            assert!(said.contains(expected) && said.contains(file), "{file}: {said}");
        }
        // A certificate that is not there is no error of its own, as in libpq: the server says what it thinks of that.
        let missing = said(&|ssl| ssl.cert = Some(pki.path("none.crt"))).await;
        assert!(missing.contains("valid client certificate"), "{missing}");
        // Modes that are allowed: for the owner alone, whatever they may do.
        for mode in [0o600, 0o400] {
            std::fs::set_permissions(pki.path("client.key"), std::fs::Permissions::from_mode(mode)).unwrap();
            let mut ssl = ssl(&pki, SslMode::VerifyFull);
            (ssl.cert, ssl.key) = (Some(pki.path("client.crt")), Some(pki.path("client.key")));
            Connection::connect(&cluster.config(SUPERUSER).ssl(ssl)).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn default_files_and_the_key_log() {
    deadline(async {
        let pki = pki_with_server(&FOR_LOOPBACK);
        pki.issue("postgresql", "root", &Request { subject: "/CN=postgres", ..FOR_LOOPBACK }).unwrap();
        let cluster = certificate_cluster(&pki);
        let log = pki.path("keys.log");
        let mut ssl = SslOptions::default();
        ssl.mode = SslMode::VerifyFull;
        ssl.default_directory = Some(pki.directory().to_owned());
        ssl.key_log_file = Some(log.clone());
        Connection::connect(&cluster.config(SUPERUSER).ssl(ssl.clone())).await.unwrap();
        let lines = std::fs::read_to_string(&log).unwrap();
        assert!(lines.contains("CLIENT_TRAFFIC_SECRET_0 "), "{lines}");
        assert_eq!(mode(&log) & 0o777, 0o600);
        // A list in the default directory counts as well.
        pki.revoke("root", "root", &["server"], false).unwrap();
        let failure = failure(&cluster.config(SUPERUSER).ssl(ssl)).await;
        assert!(failure.to_string().contains("is revoked"), "{failure}");
        // No directory, and a mode that needs roots.
        let mut ssl = SslOptions::default();
        ssl.mode = SslMode::VerifyCa;
        let failure = self::failure(&cluster.config(SUPERUSER).ssl(ssl)).await;
        assert!(failure.to_string().contains("no home directory"), "{failure}");
    })
    .await;
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode()
}
