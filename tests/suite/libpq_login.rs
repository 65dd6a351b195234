//! Getting in, beside libpq 18: every method, under every `require_auth`, `sslmode` and `channel_binding`.

use std::collections::BTreeMap;
use std::sync::Arc;

use cornac_conn::{Config, Connection, Surroundings};
use cornac_oracle::Libpq;
use cornac_tests::pki::{ED25519, Pki, Request, restrict};
use cornac_tests::{Cluster, PASSWORD, SUPERUSER, deadline, provision};

use crate::credentials::verifier;
use crate::tls::{NAMED, TlsServer, issue};

const HBA: &str = "\
host    all trusted  127.0.0.1/32 trust
host    all refused  127.0.0.1/32 reject
host    all clear    127.0.0.1/32 password
host    all md5user  127.0.0.1/32 md5
host    all idented  127.0.0.1/32 ident
hostssl all certuser 127.0.0.1/32 cert
hostssl all both     127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all tlsonly  127.0.0.1/32 trust
hostnossl all plain  127.0.0.1/32 trust
host    all all      127.0.0.1/32 scram-sha-256
local   all peered   peer map=here
local   all idented  ident map=here
local   all all      trust
";

/// The roles, each by the method of its name, in groups that are compared within one deadline.
const WITH_PASSWORDS: [&str; 2] = ["clear", "md5user"];
const WITH_SCRAM: [&str; 1] = ["scram"];
const WITH_SCRAM_AND_MORE: [&str; 2] = ["both", "nobody"];
const WITHOUT_PASSWORDS: [&str; 3] = ["trusted", "refused", "idented"];
const BY_TRANSPORT: [&str; 3] = ["certuser", "tlsonly", "plain"];

const REQUIRE_AUTH: [&str; 7] =
    ["", "password", "md5", "scram-sha-256", "none", "!none", "password,scram-sha-256"];
/// Compared in the two modes that differ most: what they forbid, they forbid in all.
const MORE_REQUIRE_AUTH: [&str; 7] =
    ["gss", "sspi", "oauth", "!password", "!md5", "!scram-sha-256", "!gss,!sspi"];
const SSLMODE: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const CHANNEL_BINDING: [&str; 3] = ["disable", "prefer", "require"];

/// What differs from libpq on purpose: how it ends here and there, what is said here, and the reason.
const DIFFERENCES: [(&str, &str, &str, &str); 3] = [
    (
        "refused",
        "plain",
        "the server asks for the password in clear, and the connection is not encrypted",
        "a password in clear over plain TCP goes out only where the caller has said so",
    ),
    (
        "TLS",
        "refused",
        "",
        "a certificate without a channel binding (Ed25519) under prefer: plain SCRAM, where libpq gives up",
    ),
    (
        "refused",
        "TLS",
        "the server asks for 100001 iterations, and at most 100000 are accepted",
        "so many iterations are a burden that a server may not put on its clients unless they say so",
    ),
];

/// How one string ended.
pub(crate) struct Compared {
    conninfo: String,
    pub(crate) ours: (&'static str, String),
    pub(crate) theirs: (&'static str, String),
}

/// Connects as a string says, here and in libpq.
pub(crate) async fn compare(oracle: &Arc<Libpq>, conninfo: String) -> Compared {
    let config = Config::parse_in(&conninfo, &Surroundings::none()).unwrap();
    let (oracle, theirs) = (Arc::clone(oracle), conninfo.clone());
    let theirs = tokio::task::spawn_blocking(move || oracle.connect(&theirs).unwrap());
    let ours = match Connection::connect(&config).await {
        Ok(connection) if connection.is_encrypted() => ("TLS", String::new()),
        Ok(_) => ("plain", String::new()),
        Err(error) => ("refused", error.to_string()),
    };
    let theirs = match theirs.await.unwrap() {
        Ok(session) if session.encrypted => ("TLS", String::new()),
        Ok(_) => ("plain", String::new()),
        Err(error) => ("refused", error),
    };
    Compared { conninfo, ours, theirs }
}

impl Compared {
    /// Whether both ended alike, or why not.
    fn difference(&self) -> Option<&'static str> {
        if self.ours.0 == self.theirs.0 {
            return None;
        }
        let on_purpose = DIFFERENCES.iter().find(|(ours, theirs, said, reason)| {
            let only_ed25519 =
                !reason.contains("Ed25519") || self.conninfo.contains("application_name=ed25519");
            (*ours, *theirs) == (self.ours.0, self.theirs.0) && self.ours.1.contains(said) && only_ed25519
        });
        let Some((.., reason)) = on_purpose else {
            panic!("{}: ours {:?}, theirs {:?}", self.conninfo, self.ours, self.theirs)
        };
        Some(reason)
    }
}

/// What came of all comparisons.
#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<&'static str, u32>,
    differences: BTreeMap<&'static str, u32>,
}

impl Tally {
    fn count(&mut self, compared: &Compared) {
        *self.outcomes.entry(compared.ours.0).or_default() += 1;
        if let Some(reason) = compared.difference() {
            *self.differences.entry(reason).or_default() += 1;
        }
    }

    fn print(&self, what: &str, version: &str) {
        let compared: u32 = self.outcomes.values().sum();
        println!(
            "{what}: {compared} compared on {version}, ended here as {:?}; on purpose different: {:?}",
            self.outcomes, self.differences
        );
    }
}

pub(crate) fn oracle() -> Arc<Libpq> {
    Arc::new(Libpq::load(&cornac_tests::libpq().unwrap()).unwrap())
}

/// Every way to get in for some roles, on one version of PostgreSQL.
async fn every_way(version: &str, roles: &[&str]) {
    let pki = Pki::new().unwrap();
    pki.issue("server", "root", &Request { extensions: "subjectAltName=IP:127.0.0.1", ..Request::default() })
        .unwrap();
    for role in roles {
        let subject = format!("/CN={role}");
        pki.issue(role, "root", &Request { subject: &subject, ..Request::default() }).unwrap();
        restrict(&pki.path(&format!("{role}.key"))).unwrap();
    }
    let cluster = cluster(&pki, version);
    assert!(cluster.version().starts_with(version));
    let ways = REQUIRE_AUTH.iter().flat_map(|auth| SSLMODE.map(|mode| (*auth, mode))).chain(
        MORE_REQUIRE_AUTH.iter().flat_map(|auth| ["disable", "verify-full"].map(|mode| (*auth, mode))),
    );
    let ways: Vec<_> =
        ways.flat_map(|(auth, mode)| CHANNEL_BINDING.map(|binding| (auth, mode, binding))).collect();
    let oracle = oracle();
    let mut tally = Tally::default();
    for role in roles {
        for (require_auth, sslmode, channel_binding) in &ways {
            let conninfo = format!(
                "host=127.0.0.1 port={} user={role} dbname=postgres password='{PASSWORD}' require_auth={require_auth} \
                 sslmode={sslmode} channel_binding={channel_binding} sslrootcert={} sslcert={} sslkey={} gssencmode=disable",
                cluster.port(),
                pki.path("root.crt").display(),
                pki.path(&format!("{role}.crt")).display(),
                pki.path(&format!("{role}.key")).display(),
            );
            tally.count(&compare(&oracle, conninfo.replace("require_auth= ", "")).await);
        }
    }
    assert!(
        tally.outcomes.values().all(|count| *count > 10) && tally.outcomes.len() == 3,
        "every outcome is there"
    );
    tally.print("ways to get in", cluster.version());
}

#[tokio::test]
async fn passwords_end_as_in_libpq_on_15() {
    deadline(every_way("15", &WITH_PASSWORDS)).await;
}

#[tokio::test]
async fn passwords_end_as_in_libpq_on_18() {
    deadline(every_way("18", &WITH_PASSWORDS)).await;
}

#[tokio::test]
async fn scram_ends_as_in_libpq_on_15() {
    deadline(every_way("15", &WITH_SCRAM)).await;
}

#[tokio::test]
async fn scram_with_a_certificate_or_without_a_role_ends_as_in_libpq_on_15() {
    deadline(every_way("15", &WITH_SCRAM_AND_MORE)).await;
}

#[tokio::test]
async fn scram_ends_as_in_libpq_on_18() {
    deadline(every_way("18", &WITH_SCRAM)).await;
}

#[tokio::test]
async fn scram_with_a_certificate_or_without_a_role_ends_as_in_libpq_on_18() {
    deadline(every_way("18", &WITH_SCRAM_AND_MORE)).await;
}

#[tokio::test]
async fn methods_without_a_password_end_as_in_libpq_on_15() {
    deadline(every_way("15", &WITHOUT_PASSWORDS)).await;
}

#[tokio::test]
async fn methods_without_a_password_end_as_in_libpq_on_18() {
    deadline(every_way("18", &WITHOUT_PASSWORDS)).await;
}

#[tokio::test]
async fn methods_by_transport_end_as_in_libpq_on_15() {
    deadline(every_way("15", &BY_TRANSPORT)).await;
}

#[tokio::test]
async fn methods_by_transport_end_as_in_libpq_on_18() {
    deadline(every_way("18", &BY_TRANSPORT)).await;
}

/// SCRAM over TLS with certificates of every kind, and with more iterations than are taken here.
async fn every_certificate(version: &str) {
    const NAMES: [&str; 8] =
        ["right", "rsa", "p384", "rsa-sha384", "rsa-sha512", "rsa-pss-256", "rsa-pss-512", "ed25519"];
    let server = TlsServer::start_on(provision(Some(version)).unwrap(), Pki::new().unwrap(), |pki| {
        pki.authority("edroot", ED25519, "/CN=edroot").unwrap();
        for name in NAMES {
            if name == "ed25519" {
                // What counts is the signature of the certificate: by an authority of that kind.
                let request = Request {
                    subject: "/CN=db.example",
                    extensions: NAMED,
                    signature: &[],
                    ..Request::default()
                };
                pki.issue(name, "edroot", &request).unwrap();
            } else {
                issue(pki, name);
            }
        }
        let roots = ["root.crt", "rsaroot.crt", "edroot.crt"].map(|root| pki.read(root).unwrap()).concat();
        pki.write("roots.pem", roots).unwrap();
    });
    let mut admin = Connection::connect(&server.cluster.socket_config(SUPERUSER)).await.unwrap();
    let (slow, ..) = verifier(PASSWORD.as_bytes(), 100_001);
    admin.simple_query(&format!("CREATE ROLE slow LOGIN PASSWORD '{slow}'")).await.unwrap();
    let oracle = oracle();
    let mut tally = Tally::default();
    for name in NAMES {
        server.show(name).await;
        for role in if name == "right" { &["scram", "slow"][..] } else { &["scram"] } {
            for channel_binding in CHANNEL_BINDING {
                let conninfo = format!(
                    "host=db.example hostaddr=127.0.0.1 port={} user={role} dbname=postgres password='{PASSWORD}' sslmode=verify-full \
                     channel_binding={channel_binding} sslrootcert={} gssencmode=disable application_name={name}",
                    server.cluster.port(),
                    server.pki.path("roots.pem").display(),
                );
                let compared = compare(&oracle, conninfo).await;
                println!(
                    "{name} {role} {channel_binding}: ours {:?}, theirs {:?}",
                    compared.ours, compared.theirs
                );
                tally.count(&compared);
            }
        }
    }
    tally.print("certificates", server.cluster.version());
}

#[tokio::test]
async fn entry_23_certificates_of_every_kind_end_as_in_libpq_on_15() {
    deadline(every_certificate("15")).await;
}

#[tokio::test]
async fn entry_23_certificates_of_every_kind_end_as_in_libpq_on_18() {
    deadline(every_certificate("18")).await;
}

fn cluster(pki: &Pki, version: &str) -> Cluster {
    let mut options = pki.server_options("server").unwrap();
    options.binaries = Some(provision(Some(version)).unwrap());
    options.hba = Some(HBA.to_owned());
    options.files.push((
        "pg_ident.conf".to_owned(),
        b"here root peered\nhere postgres peered\nhere root idented\nhere postgres idented\n".to_vec(),
    ));
    let cluster = Cluster::start(&options).unwrap();
    let admin = cluster.socket_config(SUPERUSER);
    let roles = ["refused", "idented", "certuser", "both", "tlsonly", "plain", "peered"]
        .map(|role| format!("CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}';"))
        .concat();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            Connection::connect(&admin).await.unwrap().simple_query(&roles).await.unwrap();
        });
    })
    .join()
    .unwrap();
    cluster
}

#[tokio::test]
async fn peer_and_the_peer_that_is_required_end_as_in_libpq() {
    deadline(async {
        for version in ["15", "18"] {
            every_peer(version).await;
        }
    })
    .await;
}

async fn every_peer(version: &str) {
    let pki = Pki::new().unwrap();
    pki.issue("server", "root", &Request { key: ED25519, ..Request::default() }).unwrap();
    let cluster = cluster(&pki, version);
    let oracle = oracle();
    let owner = owner_of(&cluster);
    for (role, requirepeer) in [
        ("peered", ""),
        ("peered", &*owner),
        ("peered", "nobody"),
        ("idented", ""),
        ("idented", "nobody"),
        ("trusted", &*owner),
        ("trusted", "nobody"),
        ("peered", "none such"),
    ] {
        let conninfo = format!(
            "host={} port={} user={role} dbname=postgres requirepeer='{requirepeer}'",
            cluster.socket_directory().display(),
            cluster.port()
        );
        let theirs = oracle.connect(&conninfo).unwrap();
        let config = Config::parse_in(&conninfo, &Surroundings::none()).unwrap();
        let ours = Connection::connect(&config).await;
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{role} {requirepeer}: {ours:?} {theirs:?}");
        if requirepeer != owner && !requirepeer.is_empty() {
            let said = ours.map(|_| ()).unwrap_err().to_string();
            assert!(said.contains("requirepeer"), "{said}");
        }
    }
}

/// The user that the server runs as.
fn owner_of(cluster: &Cluster) -> String {
    use std::os::unix::fs::MetadataExt;
    let socket = cluster.socket_directory().join(format!(".s.PGSQL.{}", cluster.port()));
    let uid = std::fs::metadata(socket).unwrap().uid();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.get(2) == Some(&&*uid.to_string())).map(|fields| fields[0].to_owned()).unwrap()
}
