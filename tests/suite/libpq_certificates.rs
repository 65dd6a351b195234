//! Certificates right and wrong, beside libpq 18 with the same files.

use std::collections::BTreeMap;

use cornac_tests::pki::{P256, Pki, Request};
use cornac_tests::{deadline, provision};

use crate::libpq_login::{Compared, compare, oracle};
use crate::tls::{NAMED, TlsServer, issue};

/// Subject and extensions of what is not in the other tests' list.
const MORE: [(&str, &str, &str); 15] = [
    ("address-only", "/CN=db.example", "subjectAltName=IP:127.0.0.1"),
    ("other-address", "/CN=127.0.0.1", "subjectAltName=IP:127.0.0.2"),
    ("email-only", "/CN=db.example", "subjectAltName=email:db@example.com"),
    ("empty-names", "/CN=db.example", "2.5.29.17=DER:3000"),
    ("address-in-dns", "/CN=nobody", "subjectAltName=DNS:127.0.0.1"),
    ("upper-case", "/CN=nobody", "subjectAltName=DNS:DB.EXAMPLE"),
    ("two-stars", "/CN=nobody", "subjectAltName=DNS:*.*.example"),
    ("half-a-star", "/CN=nobody", "subjectAltName=DNS:d*.example"),
    ("only-a-star", "/CN=nobody", "subjectAltName=DNS:*"),
    ("star-in-common-name", "/CN=*.example", "basicConstraints=CA:FALSE"),
    ("address-in-common-name", "/CN=127.0.0.1", "basicConstraints=CA:FALSE"),
    ("no-name", "/O=nobody", "basicConstraints=CA:FALSE"),
    ("two-names", "/CN=nobody", "subjectAltName=DNS:db2.example,DNS:db.example"),
    ("final-dot", "/CN=nobody", "subjectAltName=DNS:db.example."),
    (
        "for-signing-only",
        "/CN=db.example",
        "keyUsage=critical,digitalSignature\nsubjectAltName=DNS:db.example",
    ),
];
const KNOWN: [&str; 12] = [
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
const HOSTS: [&str; 4] = ["db.example", "127.0.0.1", "DB.Example", "a.db.example"];

/// What differs on purpose. All of it: whoever configures the server's own certificate as the root means that certificate.
const DIFFERENCE: &str =
    "a server's own certificate is a root here, also where another authority has issued it";

struct Table<'t> {
    server: &'t TlsServer,
    oracle: std::sync::Arc<cornac_oracle::Libpq>,
    outcomes: BTreeMap<&'static str, u32>,
    on_purpose: u32,
}

impl Table<'_> {
    /// `roots` is the name of a file.
    async fn row(&mut self, name: &str, host: &str, mode: &str, roots: &str, list: Option<&str>) {
        let server = self.server;
        let mut conninfo = format!(
            "host={host} hostaddr=127.0.0.1 port={} user=trusted dbname=postgres channel_binding=disable gssencmode=disable \
             sslmode={mode} sslrootcert={}",
            server.cluster.port(),
            server.pki.path(roots).display(),
        );
        if let Some(list) = list {
            conninfo = format!("{conninfo} sslcrl={}", server.pki.path(list).display());
        }
        let Compared { ours, theirs, .. } = compare(&self.oracle, conninfo).await;
        *self.outcomes.entry(ours.0).or_default() += 1;
        if ours.0 == theirs.0 {
            // What is refused by both is refused here because of the certificate.
            assert!(
                ours.0 == "TLS" || ours.1.contains("certificate") || ours.1.contains("revocation"),
                "{ours:?}"
            );
        } else {
            let is_own = roots == format!("{name}.crt") && (ours.0, theirs.0) == ("TLS", "refused");
            assert!(is_own, "{name} for {host}, {mode}, {roots}, {list:?}: ours {ours:?}, theirs {theirs:?}");
            self.on_purpose += 1;
        }
    }
}

#[tokio::test]
async fn entry_04_certificates_are_judged_as_libpq_judges_them() {
    deadline(async {
        let pki = Pki::new().unwrap();
        let server = TlsServer::start_on(provision(Some("18")).unwrap(), pki, |pki| {
            for name in KNOWN {
                issue(pki, name);
            }
            for (name, subject, extensions) in MORE {
                pki.issue(name, "root", &Request { subject, extensions, ..Request::default() }).unwrap();
            }
            for (name, extensions) in
                [("own", NAMED), ("own-1", ""), ("own-ca", "basicConstraints=critical,CA:TRUE")]
            {
                pki.issue(
                    name,
                    name,
                    &Request { subject: "/CN=db.example", extensions, ..Request::default() },
                )
                .unwrap();
            }
            pki.authority("stranger", P256, "/CN=stranger").unwrap();
            pki.authority("forger", P256, "/CN=cornac test root").unwrap();
        });
        let lists =
            [("good", &[][..], false), ("old", &[], true), ("names-it", &["right", "version-1"], false)];
        for (list, revoked, expired) in lists {
            server.pki.revoke(list, "root", revoked, expired).unwrap();
        }
        let mut table = Table { server: &server, oracle: oracle(), outcomes: BTreeMap::new(), on_purpose: 0 };
        let more = MORE.map(|(name, ..)| name);
        for name in KNOWN.iter().chain(&more).copied().chain(["own", "own-1", "own-ca"]) {
            server.show(name).await;
            for host in HOSTS {
                table.row(name, host, "verify-full", "root.crt", None).await;
            }
            for mode in ["require", "verify-ca"] {
                table.row(name, "db.example", mode, "root.crt", None).await;
            }
            for roots in [&*format!("{name}.crt"), "stranger.crt", "forger.crt"] {
                table.row(name, "db.example", "verify-full", roots, None).await;
            }
            if ["right", "version-1"].contains(&name) {
                for (list, ..) in lists {
                    let list = format!("{list}.crl");
                    table.row(name, "db.example", "verify-ca", "root.crt", Some(&list)).await;
                }
            }
        }
        println!("{:?} alike but for {}: {DIFFERENCE}", table.outcomes, table.on_purpose);
        assert!(table.outcomes.values().all(|count| *count > 50));
    })
    .await;
}
