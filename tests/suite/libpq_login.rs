//! Getting in, beside libpq 18: every method, under every `require_auth`, `sslmode` and `channel_binding`.

use cornac_conn::{Config, Connection, Surroundings};
use cornac_oracle::Libpq;
use cornac_tests::pki::{ED25519, Pki, Request, restrict};
use cornac_tests::{Cluster, PASSWORD, SUPERUSER};

const HBA: &str = "\
host    all trusted  127.0.0.1/32 trust
host    all refused  127.0.0.1/32 reject
host    all clear    127.0.0.1/32 password
host    all md5user  127.0.0.1/32 md5
hostssl all certuser 127.0.0.1/32 cert
hostssl all both     127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all tlsonly  127.0.0.1/32 trust
hostnossl all plain  127.0.0.1/32 trust
host    all all      127.0.0.1/32 scram-sha-256
local   all peered   peer map=here
local   all all      trust
";

const ROLES: [&str; 10] =
    ["trusted", "refused", "clear", "md5user", "scram", "certuser", "both", "tlsonly", "plain", "nobody"];
const REQUIRE_AUTH: [&str; 7] =
    ["", "password", "md5", "scram-sha-256", "none", "!none", "password,scram-sha-256"];
const SSLMODE: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const CHANNEL_BINDING: [&str; 3] = ["disable", "prefer", "require"];

/// What differs from libpq on purpose, with the reason.
fn differs_on_purpose(role: &str, ours: &str, theirs: &str, error: &str) -> Option<&'static str> {
    if role == "clear" && theirs == "plain" && error.contains("the connection is not encrypted") {
        return Some("a password in clear over plain TCP goes out only where the caller has said so");
    }
    let _ = ours;
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_ends_as_in_libpq() {
    let pki = Pki::new().unwrap();
    pki.issue("server", "root", &Request { extensions: "subjectAltName=IP:127.0.0.1", ..Request::default() })
        .unwrap();
    for role in ROLES {
        let subject = format!("/CN={role}");
        pki.issue(role, "root", &Request { subject: &subject, ..Request::default() }).unwrap();
        restrict(&pki.path(&format!("{role}.key"))).unwrap();
    }
    let cluster = cluster(&pki);
    let oracle = Libpq::load(&cornac_tests::libpq().unwrap()).unwrap();
    let mut compared = 0;
    let mut differences = std::collections::BTreeMap::<&str, u32>::new();
    for role in ROLES {
        for require_auth in REQUIRE_AUTH {
            for sslmode in SSLMODE {
                for channel_binding in CHANNEL_BINDING {
                    let conninfo = format!(
                        "host=127.0.0.1 port={} user={role} dbname=postgres password='{PASSWORD}' require_auth={require_auth} \
                         sslmode={sslmode} channel_binding={channel_binding} sslrootcert={} sslcert={} sslkey={} gssencmode=disable",
                        cluster.port(),
                        pki.path("root.crt").display(),
                        pki.path(&format!("{role}.crt")).display(),
                        pki.path(&format!("{role}.key")).display(),
                    )
                    .replace("require_auth= ", "");
                    let (theirs, their_error) = match oracle.connect(&conninfo).unwrap() {
                        Ok(session) if session.encrypted => ("TLS", String::new()),
                        Ok(_) => ("plain", String::new()),
                        Err(error) => ("refused", error),
                    };
                    let config = Config::parse_in(&conninfo, &Surroundings::none()).unwrap();
                    let (ours, error) = match Connection::connect(&config).await {
                        Ok(connection) if connection.is_encrypted() => ("TLS", String::new()),
                        Ok(_) => ("plain", String::new()),
                        Err(error) => ("refused", error.to_string()),
                    };
                    compared += 1;
                    if ours != theirs {
                        let reason = differs_on_purpose(role, ours, theirs, &error);
                        let reason = reason.unwrap_or_else(|| {
                            panic!("{role} require_auth={require_auth} sslmode={sslmode} channel_binding={channel_binding}: \
                                    ours {ours} ({error}), theirs {theirs} ({their_error})")
                        });
                        *differences.entry(reason).or_default() += 1;
                    }
                }
            }
        }
    }
    println!(
        "{compared} ways to get in compared on {}; on purpose different: {differences:?}",
        cluster.version()
    );
}

fn cluster(pki: &Pki) -> Cluster {
    let mut options = pki.server_options("server").unwrap();
    options.hba = Some(HBA.to_owned());
    options.files.push(("pg_ident.conf".to_owned(), b"here root peered\nhere postgres peered\n".to_vec()));
    let cluster = Cluster::start(&options).unwrap();
    let admin = cluster.socket_config(SUPERUSER);
    let roles = ["refused", "certuser", "both", "tlsonly", "plain", "peered"]
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
async fn peer_and_the_peer_that_is_required() {
    let pki = Pki::new().unwrap();
    pki.issue("server", "root", &Request { key: ED25519, ..Request::default() }).unwrap();
    let cluster = cluster(&pki);
    let oracle = Libpq::load(&cornac_tests::libpq().unwrap()).unwrap();
    let owner = owner_of(&cluster);
    for (role, requirepeer) in [
        ("peered", ""),
        ("peered", &*owner),
        ("peered", "nobody"),
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
