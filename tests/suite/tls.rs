//! TLS against real servers, with certificates of every kind.

use std::path::PathBuf;

use cornac_conn::{
    ChannelBindingMode, Client, Config, Connection, ErrorKind, Host, HostSpec, SslMode, SslNegotiation,
    SslOptions, SslRootCert,
};
use cornac_tests::log::Log;
use cornac_tests::pki::{ED25519, P256, P384, Pki, RSA, Request};
use cornac_tests::{Cluster, SUPERUSER, ServerBinaries, deadline, provision, still_usable};

pub(crate) const NAMED: &str = "subjectAltName=DNS:db.example,IP:127.0.0.1";
const HBA: &str = "\
hostssl all plain   127.0.0.1/32 reject
hostssl all trusted 127.0.0.1/32 trust
hostssl all clear   127.0.0.1/32 password
hostssl all cert    127.0.0.1/32 cert clientname=CN map=certs
hostssl all all     127.0.0.1/32 scram-sha-256
hostnossl all plain 127.0.0.1/32 trust
local   all all                  trust
";

/// A server with all certificates of a [`Pki`] in its data directory, of which it shows one.
pub(crate) struct TlsServer {
    pub(crate) pki: Pki,
    pub(crate) cluster: Cluster,
}

impl TlsServer {
    fn start(names: &[&str]) -> Self {
        Self::start_with(Pki::new().unwrap(), |pki| {
            for name in names {
                issue(pki, name);
            }
        })
    }

    fn start_with(pki: Pki, fill: impl FnOnce(&Pki)) -> Self {
        Self::start_on(provision(None).unwrap(), pki, fill)
    }

    /// Starts with `binaries`, and with what `fill` adds to the certificates, of which `right` is shown first.
    pub(crate) fn start_on(binaries: ServerBinaries, pki: Pki, fill: impl FnOnce(&Pki)) -> Self {
        fill(&pki);
        let mut options = pki.server_options("right").unwrap();
        options.binaries = Some(binaries);
        options.hba = Some(HBA.to_owned());
        for entry in std::fs::read_dir(pki.directory()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.path().extension().is_some_and(|extension| extension == "crt" || extension == "key") {
                options.files.push((name.clone(), pki.read(&name).unwrap()));
            }
        }
        let cluster = Cluster::start(&options).unwrap();
        Self { pki, cluster }
    }

    /// Shows the certificate `name` from now on.
    pub(crate) async fn show(&self, name: &str) {
        let config = self.cluster.socket_config(SUPERUSER);
        let mut admin = Connection::connect(&config).await.unwrap();
        for (setting, extension) in [("ssl_cert_file", "crt"), ("ssl_key_file", "key")] {
            admin.simple_query(&format!("ALTER SYSTEM SET {setting} = '{name}.{extension}'")).await.unwrap();
        }
        admin.simple_query("SELECT pg_reload_conf()").await.unwrap();
        // The postmaster has read them when a backend that it forks afterwards knows them.
        loop {
            let mut probe = Connection::connect(&config).await.unwrap();
            let shown: String = probe.fetch_value("SHOW ssl_key_file", ()).await.unwrap();
            if shown == format!("{name}.key") {
                return;
            }
        }
    }

    fn config(&self, role: &str, host: &str, mode: SslMode) -> Config {
        let mut ssl = SslOptions::default();
        ssl.mode = mode;
        ssl.root_cert = SslRootCert::File(self.pki.path("root.crt"));
        self.config_with(role, host, ssl)
    }

    fn config_with(&self, role: &str, host: &str, ssl: SslOptions) -> Config {
        let mut spec = HostSpec::default();
        spec.host = Some(Host::Tcp(host.to_owned()));
        spec.hostaddr = Some([127, 0, 0, 1].into());
        spec.port = self.cluster.port();
        self.cluster.config(role).with_hosts(vec![spec]).ssl(ssl)
    }
}

pub(crate) fn issue(pki: &Pki, name: &str) {
    let subject = "/CN=db.example";
    let named = Request { subject, extensions: NAMED, ..Request::default() };
    let request = match name {
        "right" | "revoked" => named,
        "rsa" => Request { key: RSA, ..named },
        "rsa-sha384" => Request { key: RSA, signature: &["-sha384"], ..named },
        "rsa-sha512" => Request { key: RSA, signature: &["-sha512"], ..named },
        "rsa-pss-256" => Request {
            key: RSA,
            signature: &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
            ..named
        },
        "rsa-pss-512" => Request {
            key: RSA,
            signature: &["-sha512", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
            ..named
        },
        "p384" => Request { key: P384, ..named },
        "ed25519" => Request { key: ED25519, ..named },
        "common-name" => Request { extensions: "basicConstraints=CA:FALSE", ..named },
        "version-1" => Request { extensions: "", ..named },
        "authority" => Request { extensions: "basicConstraints=CA:TRUE", ..named },
        "wildcard" => Request { extensions: "subjectAltName=DNS:*.example", ..named },
        "other-name" => Request { extensions: "subjectAltName=DNS:db2.example", ..named },
        "client-only" => Request { extensions: "extendedKeyUsage=clientAuth", ..named },
        "expired" => Request { validity: Some(("200101000000Z", "210101000000Z")), ..named },
        "future" => Request { validity: Some(("400101000000Z", "410101000000Z")), ..named },
        name => panic!("{name}"),
    };
    let issuer = if name.starts_with("rsa-") { "rsaroot" } else { "root" };
    if name == "rsa-sha384" {
        pki.authority("rsaroot", RSA, "/CN=rsaroot").unwrap();
    }
    pki.issue(name, issuer, &request).unwrap();
}

/// Connects, and says how that ended.
async fn outcome(config: &Config) -> String {
    match Connection::connect(config).await {
        Ok(mut connection) => {
            still_usable(&mut connection).await;
            if connection.is_encrypted() { "TLS".to_owned() } else { "plain".to_owned() }
        }
        Err(error) => match error.kind() {
            ErrorKind::Connect(error) => {
                let failures = error.attempts().iter().map(|attempt| attempt.failure.to_string());
                failures.collect::<Vec<_>>().join("; ")
            }
            _ => error.to_string(),
        },
    }
}

#[tokio::test]
async fn entry_04_certificates_right_and_wrong() {
    deadline(async {
        let names = [
            "right",
            "rsa",
            "p384",
            "ed25519",
            "common-name",
            "version-1",
            "authority",
            "wildcard",
            "other-name",
            "client-only",
            "expired",
            "future",
        ];
        let server = TlsServer::start(&names);
        server.pki.authority("stranger", P256, "/CN=stranger").unwrap();
        let not_for = r#"is for "db2.example", not for "db.example""#;
        // The name, the certificate; then how verify-full, verify-ca and require without roots end.
        let cases = [
            ("right", "", "", ""),
            ("rsa", "", "", ""),
            ("p384", "", "", ""),
            ("ed25519", "", "", ""),
            ("common-name", "", "", ""),
            ("version-1", "", "", ""),
            ("authority", "", "", ""),
            ("wildcard", "", "", ""),
            ("other-name", not_for, "", ""),
            ("client-only", "not for servers", "not for servers", ""),
            ("expired", "has expired", "has expired", ""),
            ("future", "not valid yet", "not valid yet", ""),
        ];
        for (name, full, ca, require) in cases {
            server.show(name).await;
            let mut unchecked = SslOptions::default();
            unchecked.mode = SslMode::Require;
            let configs = [
                (full, server.config("trusted", "db.example", SslMode::VerifyFull)),
                (ca, server.config("trusted", "db.example", SslMode::VerifyCa)),
                (require, server.config_with("trusted", "db.example", unchecked)),
            ];
            for (expected, config) in configs {
                let outcome = outcome(&config).await;
                let mode = config.ssl_options().mode.name();
                if expected.is_empty() {
                    assert_eq!(outcome, "TLS", "{name} {mode}");
                } else {
                    assert!(outcome.contains(expected), "{name} {mode}: {outcome}");
                }
            }
        }
        server.show("right").await;
        let wrong_root = |mode| {
            let mut ssl = SslOptions::default();
            ssl.mode = mode;
            ssl.root_cert = SslRootCert::File(server.pki.path("stranger.crt"));
            server.config_with("trusted", "db.example", ssl)
        };
        for mode in [SslMode::VerifyCa, SslMode::VerifyFull, SslMode::Require] {
            assert!(outcome(&wrong_root(mode)).await.contains("not issued by any of the trusted roots"));
        }
        assert_eq!(outcome(&server.config("trusted", "127.0.0.1", SslMode::VerifyFull)).await, "TLS");
        let wrong_address = outcome(&server.config("trusted", "127.0.0.2", SslMode::VerifyFull)).await;
        assert!(
            wrong_address.contains(r#"is for "db.example", "127.0.0.1", not for "127.0.0.2""#),
            "{wrong_address}"
        );
    })
    .await;
}

#[tokio::test]
async fn entry_04_a_certificate_that_is_its_own_root() {
    deadline(async {
        let pki = Pki::new().unwrap();
        let server = TlsServer::start_with(pki, |pki| {
            issue(pki, "right");
            for (name, subject, extensions) in [
                ("own", "/CN=db.example", NAMED),
                ("own-1", "/CN=db.example", ""),
                ("own-ca", "/CN=db.example", "basicConstraints=critical,CA:TRUE"),
            ] {
                pki.issue(name, name, &Request { subject, extensions, ..Request::default() }).unwrap();
            }
        });
        for name in ["own", "own-1", "own-ca"] {
            server.show(name).await;
            let with_root = |root: &str, host| {
                let mut ssl = SslOptions::default();
                ssl.mode = SslMode::VerifyFull;
                ssl.root_cert = SslRootCert::File(server.pki.path(root));
                server.config_with("trusted", host, ssl)
            };
            assert_eq!(outcome(&with_root(&format!("{name}.crt"), "db.example")).await, "TLS", "{name}");
            let other_name = outcome(&with_root(&format!("{name}.crt"), "db2.example")).await;
            assert!(other_name.contains("not for \"db2.example\""), "{name}: {other_name}");
            let other_root = outcome(&with_root("root.crt", "db.example")).await;
            assert!(other_root.contains("self-signed"), "{name}: {other_root}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_root_file_that_has_changed_counts_for_the_next_connection() {
    deadline(async {
        let server = TlsServer::start(&["right"]);
        server.pki.authority("stranger", P256, "/CN=stranger").unwrap();
        let right = server.pki.read("root.crt").unwrap();
        let mut ssl = SslOptions::default();
        ssl.mode = SslMode::VerifyFull;
        ssl.root_cert = SslRootCert::File(server.pki.write("roots.pem", &right).unwrap());
        // One configuration, which remembers what it has read.
        let config = server.config_with("trusted", "db.example", ssl);
        for _ in 0..2 {
            assert_eq!(outcome(&config).await, "TLS");
        }
        server.pki.write("roots.pem", server.pki.read("stranger.crt").unwrap()).unwrap();
        for config in [config.clone(), config.clone()] {
            let refused = outcome(&config).await;
            assert!(refused.contains("certificate"), "{refused}");
        }
        std::fs::remove_file(server.pki.path("roots.pem")).unwrap();
        let missing = outcome(&config).await;
        assert!(missing.contains("roots.pem"), "{missing}");
        server.pki.write("roots.pem", &right).unwrap();
        still_usable(&mut Connection::connect(&config).await.unwrap()).await;
    })
    .await;
}

#[tokio::test]
async fn entry_04_chains_are_checked_link_by_link() {
    deadline(async {
        let pki = Pki::new().unwrap();
        let server = TlsServer::start_with(pki, |pki| {
            issue(pki, "right");
            // An authority under the root's name, and one of its own name that the root vouches for, or vouches for without making it
            // an authority.
            pki.authority("forger", P256, "/CN=cornac test root").unwrap();
            let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";
            for (name, extensions) in [
                ("between", authority),
                ("nobody", "basicConstraints=CA:FALSE"),
                ("no-signer", "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature"),
            ] {
                let subject = format!("/CN={name}");
                pki.issue(name, "root", &Request { subject: &subject, extensions, ..Request::default() })
                    .unwrap();
            }
            for issuer in ["forger", "between", "nobody", "no-signer"] {
                for (form, extensions) in [("1", ""), ("3", NAMED), ("ca", "basicConstraints=CA:TRUE")] {
                    let name = format!("{issuer}-{form}");
                    let request = Request { subject: "/CN=db.example", extensions, ..Request::default() };
                    pki.issue(&name, issuer, &request).unwrap();
                    let chain =
                        [format!("{name}.crt"), format!("{issuer}.crt")].map(|file| pki.read(&file).unwrap());
                    pki.write(&format!("{name}.crt"), chain.concat()).unwrap();
                }
            }
        });
        for (issuer, expected) in [
            ("between", "TLS"),
            ("forger", "a signature in the server's certificate chain is wrong"),
            ("nobody", "its issuer may not vouch for it"),
            ("no-signer", "its issuer may not vouch for it"),
        ] {
            for form in ["1", "3", "ca"] {
                if (issuer, form) == ("no-signer", "3") {
                    // The TLS library takes the authority's word without looking at its key usage.
                    continue;
                }
                server.show(&format!("{issuer}-{form}")).await;
                let outcome = outcome(&server.config("trusted", "db.example", SslMode::VerifyCa)).await;
                assert!(outcome.contains(expected), "{issuer}-{form}: {outcome}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn entry_04_revocation_lists_count() {
    deadline(async {
        let server = TlsServer::start(&["right", "revoked", "version-1"]);
        let good = server.pki.revoke("good", "root", &["revoked"], false).unwrap();
        let old = server.pki.revoke("old", "root", &[], true).unwrap();
        let all = server.pki.revoke("all", "root", &["version-1", "right"], false).unwrap();
        server.pki.authority("stranger", P256, "/CN=stranger").unwrap();
        let of_a_stranger = server.pki.revoke("stranger", "stranger", &[], false).unwrap();
        let with_list = |list: PathBuf, mode| {
            let mut ssl = SslOptions::default();
            ssl.mode = mode;
            ssl.root_cert = SslRootCert::File(server.pki.path("root.crt"));
            ssl.crl = Some(list);
            server.config_with("trusted", "db.example", ssl)
        };
        for name in ["right", "version-1"] {
            server.show(name).await;
            for mode in [SslMode::VerifyFull, SslMode::VerifyCa] {
                assert_eq!(outcome(&with_list(good.clone(), mode)).await, "TLS", "{name}");
                let expired = outcome(&with_list(old.clone(), mode)).await;
                assert!(
                    expired.contains("revocation list for the server's certificate has expired"),
                    "{name}: {expired}"
                );
                let revoked = outcome(&with_list(all.clone(), mode)).await;
                assert!(revoked.contains("is revoked"), "{name}: {revoked}");
                let unknown = outcome(&with_list(of_a_stranger.clone(), mode)).await;
                assert!(unknown.contains("no configured revocation list"), "{name}: {unknown}");
            }
        }
        server.show("revoked").await;
        let revoked = outcome(&with_list(good, SslMode::VerifyCa)).await;
        assert!(revoked.contains("is revoked"), "{revoked}");
        let missing = outcome(&with_list(server.pki.path("none.crl"), SslMode::VerifyCa)).await;
        assert!(missing.contains("none.crl\" cannot be read"), "{missing}");
    })
    .await;
}

#[tokio::test]
async fn scram_is_bound_to_certificates_of_every_kind() {
    deadline(async {
        let names = ["right", "rsa", "p384", "rsa-sha384", "rsa-sha512", "rsa-pss-256", "rsa-pss-512"];
        let server = TlsServer::start(&names);
        let roots = [server.pki.read("root.crt").unwrap(), server.pki.read("rsaroot.crt").unwrap()].concat();
        let mut ssl = SslOptions::default();
        ssl.mode = SslMode::VerifyFull;
        ssl.root_cert = SslRootCert::File(server.pki.write("roots.pem", roots).unwrap());
        for name in names {
            server.show(name).await;
            let config = server.config_with("scram", "db.example", ssl.clone());
            let bound = config.channel_binding(ChannelBindingMode::Require);
            assert_eq!(outcome(&bound).await, "TLS", "{name}");
        }
        let bound_plain = server.config("scram", "db.example", SslMode::Disable);
        let refused = outcome(&bound_plain.channel_binding(ChannelBindingMode::Require)).await;
        assert!(refused.contains("no pg_hba.conf entry"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn entry_23_a_certificate_without_a_channel_binding() {
    deadline(async {
        // Signed with Ed25519 by an authority of that kind: what counts is the signature of the certificate itself.
        let pki = Pki::new().unwrap();
        let server = TlsServer::start_with(pki, |pki| {
            issue(pki, "right");
            pki.authority("edroot", ED25519, "/CN=edroot").unwrap();
            let request = Request {
                subject: "/CN=db.example",
                extensions: NAMED,
                signature: &[],
                ..Request::default()
            };
            pki.issue("unbound", "edroot", &request).unwrap();
        });
        server.show("unbound").await;
        let mut ssl = SslOptions::default();
        ssl.mode = SslMode::VerifyFull;
        ssl.root_cert = SslRootCert::File(server.pki.path("edroot.crt"));
        let config = server.config_with("scram", "db.example", ssl);
        let refused = outcome(&config.clone().channel_binding(ChannelBindingMode::Require)).await;
        assert!(refused.contains("nothing to bind to"), "{refused}");
        let log = Log::listen();
        assert_eq!(outcome(&config.clone().channel_binding(ChannelBindingMode::Disable)).await, "TLS");
        assert_eq!(log.lines(), "", "nobody wanted to be bound");
        assert_eq!(outcome(&config).await, "TLS");
        let said = "WARN cornac::tls: the server's certificate has no channel binding defined";
        assert!(log.lines().starts_with(said), "{log:?}");
    })
    .await;
}

#[tokio::test]
async fn each_sslmode_goes_the_way_that_libpq_goes() {
    deadline(async {
        let server = TlsServer::start(&["right"]);
        let mut unchecked = SslOptions::default();
        for (mode, role, expected) in [
            (SslMode::Disable, "plain", "plain"),
            (SslMode::Allow, "plain", "plain"),
            (SslMode::Allow, "trusted", "TLS"),
            (SslMode::Prefer, "trusted", "TLS"),
            (SslMode::Prefer, "plain", "plain"),
            (SslMode::Require, "trusted", "TLS"),
            (SslMode::Require, "plain", "pg_hba.conf rejects connection"),
            (SslMode::Disable, "trusted", "no pg_hba.conf entry"),
        ] {
            unchecked.mode = mode;
            let config = server.config_with(role, "db.example", unchecked.clone());
            if role == "plain" {
                create_role(&server, "plain").await;
            }
            let outcome = outcome(&config).await;
            assert!(outcome.contains(expected), "{mode:?} {role}: {outcome}");
        }
        let without_name = {
            let mut spec = HostSpec::default();
            spec.hostaddr = Some([127, 0, 0, 1].into());
            spec.port = server.cluster.port();
            server.config("trusted", "db.example", SslMode::VerifyFull).with_hosts(vec![spec])
        };
        let refused = outcome(&without_name).await;
        assert!(refused.contains("needs a host name"), "{refused}");
    })
    .await;
}

async fn create_role(server: &TlsServer, name: &str) {
    let mut admin = Connection::connect(&server.cluster.socket_config(SUPERUSER)).await.unwrap();
    let there: bool =
        admin.fetch_value("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", (name,)).await.unwrap();
    if !there {
        admin.simple_query(&format!("CREATE ROLE {name} LOGIN")).await.unwrap();
    }
}

#[tokio::test]
async fn direct_negotiation_works_where_the_server_knows_it() {
    deadline(async {
        let server = TlsServer::start(&["right"]);
        let mut config = server.config("trusted", "db.example", SslMode::VerifyFull);
        let mut ssl = config.ssl_options().clone();
        ssl.negotiation = SslNegotiation::Direct;
        config = config.ssl(ssl);
        let major: u32 = server.cluster.version().split('.').next().unwrap().parse().unwrap();
        let outcome = outcome(&config).await;
        if major >= 17 {
            assert_eq!(outcome, "TLS");
        } else {
            assert!(outcome.contains("during the TLS handshake"), "{outcome}");
        }
    })
    .await;
}
