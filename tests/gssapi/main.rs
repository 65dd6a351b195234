//! GSSAPI against a real Kerberos server and a real PostgreSQL: each login in a process of its own, since Kerberos is told about its realm by
//! the environment.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cornac_proto::message::{Authentication, Backend};
use cornac_tests::impostor::{Impostor, Victim};
use cornac_tests::kerberos::{HOST, REALM, Realm};
use cornac_tests::messages::encoded;
use cornac_tests::{Cluster, PASSWORD, SUPERUSER, deadline};

const HBA: &str = "\
host all elephant 127.0.0.1/32 gss include_realm=0 krb_realm=CORNAC.TEST
host all trusted  127.0.0.1/32 trust
host all all      127.0.0.1/32 scram-sha-256
local all all     trust
";

/// A realm with a user, a database server, and a second service that the same server answers for.
struct Scene {
    realm: Realm,
    cluster: Cluster,
    ticket: std::path::PathBuf,
}

impl Scene {
    async fn set() -> Self {
        let realm = Realm::start().unwrap();
        let user = realm.principal("elephant").unwrap();
        let server = realm.principal(&format!("postgres/{HOST}")).unwrap();
        let ticket = realm.ticket("elephant", &user).unwrap();
        let cluster = realm.cluster(&server, HBA).unwrap();
        let mut admin = cornac_conn::Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap();
        admin.simple_query("CREATE ROLE elephant LOGIN; CREATE ROLE stranger LOGIN").await.unwrap();
        Self { realm, cluster, ticket }
    }

    /// How a client connects to `port` as `user`.
    fn conninfo(port: u16, user: &str, more: &str) -> String {
        format!(
            "host={HOST} hostaddr=127.0.0.1 port={port} user={user} dbname=postgres sslmode=disable {more}"
        )
    }

    /// What a client says that connects like this, with the user's ticket.
    async fn logs_in(&self, conninfo: &str) -> String {
        self.logs_in_with(conninfo, &self.realm.client_environment(&self.ticket)).await
    }

    async fn logs_in_with(&self, conninfo: &str, environment: &[(String, String)]) -> String {
        run(Command::new(env!("CARGO_BIN_EXE_log_in")).arg(conninfo), environment).await
    }

    fn here(&self, more: &str) -> String {
        Self::conninfo(self.cluster.port(), "elephant", more)
    }
}

/// What a program says on both of its outputs.
async fn run(command: &mut Command, environment: &[(String, String)]) -> String {
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("true")));
    let output = command.output().await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_ticket_lets_its_owner_in() {
    deadline(async {
        let scene = Scene::set().await;
        let said = scene.logs_in(&scene.here("")).await;
        let expected = format!("in as elephant by ticket of elephant@{REALM}, encrypted: false\n");
        assert!(said.starts_with(&expected), "{said}");
        assert!(!passed_on(&scene.realm), "credentials stay here unless that is asked for");
        for more in ["require_auth=gss", "require_auth=!password,!scram-sha-256", "gssdelegation=1"] {
            let said = scene.logs_in(&scene.here(more)).await;
            assert!(said.starts_with(&expected), "{more}: {said}");
        }
        // To pass credentials on, the library fetches a ticket for tickets a second time.
        assert!(passed_on(&scene.realm), "{}", scene.realm.log());
        // psql comes in with the same string.
        let binaries = cornac_tests::provision_with_gssapi().unwrap();
        let mut psql = Command::new(binaries.program("psql"));
        psql.args(["-XAt", "-c", "SELECT session_user", &scene.here("gssencmode=disable")]);
        let said = run(&mut psql, &scene.realm.client_environment(&scene.ticket)).await;
        assert_eq!(said, "elephant\n");
    })
    .await;
}

/// What the Kerberos server logs when somebody with a ticket fetches one to pass on; a first ticket is logged as AS_REQ.
fn passed_on(realm: &Realm) -> bool {
    let wanted = format!("elephant@{REALM} for krbtgt/{REALM}@{REALM}");
    realm.log().lines().any(|line| line.contains("TGS_REQ") && line.contains(&wanted))
}

#[tokio::test]
async fn what_the_configuration_or_the_server_forbids_does_not_happen() {
    deadline(async {
        let scene = Scene::set().await;
        let forbidden =
            |asked: &str| format!("asks for authentication method {asked}, which the configuration forbids");
        let of = |user: &str, more: &str| Scene::conninfo(scene.cluster.port(), user, more);
        for (conninfo, expected) in [
            (of("elephant", "require_auth=!gss"), forbidden("gss")),
            (of("elephant", "require_auth=scram-sha-256"), forbidden("gss")),
            (of("elephant", "require_auth=sspi"), forbidden("gss")),
            (of("elephant", "channel_binding=require"), "channel binding is required".to_owned()),
            (of(SUPERUSER, &format!("require_auth=gss password='{PASSWORD}'")), forbidden("scram-sha-256")),
            (of("trusted", "require_auth=gss"), forbidden("none")),
            // The ticket is for another user than the role.
            (of("stranger", ""), "asks for a password".to_owned()),
            // A service that the realm does not know.
            (
                of("elephant", "krbsrvname=cobbler"),
                "GSSAPI: the library gives no token for the server".to_owned(),
            ),
        ] {
            let said = scene.logs_in(&conninfo).await;
            assert!(
                said.starts_with("out: could not connect to") && said.contains(&expected),
                "{conninfo}: {said}"
            );
        }
        // Without a ticket.
        let without = scene.realm.client_environment(Path::new("/nowhere"));
        let said = scene.logs_in_with(&scene.here(""), &without).await;
        assert!(said.contains("GSSAPI: the library gives no token for the server: "), "{said}");
        // And with one, still.
        let said = scene.logs_in(&scene.here("")).await;
        assert!(said.starts_with("in as elephant"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_server_under_another_service_name_is_found_by_krbsrvname() {
    deadline(async {
        let realm = Realm::start().unwrap();
        let user = realm.principal("elephant").unwrap();
        let server = realm.principal(&format!("cobbler/{HOST}")).unwrap();
        let ticket = realm.ticket("elephant", &user).unwrap();
        let cluster = realm.cluster(&server, HBA).unwrap();
        let mut admin = cornac_conn::Connection::connect(&cluster.socket_config(SUPERUSER)).await.unwrap();
        admin.simple_query("CREATE ROLE elephant LOGIN").await.unwrap();
        let scene = Scene { realm, cluster, ticket };
        let said = scene.logs_in(&scene.here("krbsrvname=cobbler require_auth=gss")).await;
        assert!(said.starts_with("in as elephant"), "{said}");
        let said = scene.logs_in(&scene.here("")).await;
        assert!(said.contains("GSSAPI: the library gives no token for the server"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn an_impostor_without_the_servers_key_lets_nobody_in() {
    deadline(async {
        let scene = Scene::set().await;
        let answers = [
            (
                encoded(Backend::Authentication(Authentication::Ok)),
                "AuthenticationOk came while AuthenticationGSSContinue with the server's proof was awaited",
            ),
            (
                encoded(Backend::Authentication(Authentication::GssContinue(b"I am who I say"))),
                "GSSAPI: the library gives no token for the server: ",
            ),
        ];
        for (answer, expected) in answers {
            let impostor = Impostor::start(move |mut victim: Victim| {
                let answer = answer.clone();
                async move {
                    victim.read_packet().await;
                    victim.send(&encoded(Backend::Authentication(Authentication::Gss))).await;
                    // The ticket is there, in a message of its own.
                    assert_eq!(victim.read(5).await[0], b'p');
                    victim.send(&answer).await;
                    victim.read_to_end().await;
                }
            })
            .await
            .unwrap();
            let said = scene.logs_in(&Scene::conninfo(impostor.port(), "elephant", "")).await;
            assert!(said.starts_with("out: ") && said.contains(expected), "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_kerberos_server_that_says_nothing_meets_the_connect_deadline() {
    deadline(async {
        let scene = Scene::set().await;
        // It takes connections, as the kernel does for whoever listens, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = scene.realm.config_for_server_at(silent.local_addr().unwrap().port()).unwrap();
        let mut environment = scene.realm.client_environment(&scene.ticket);
        environment.push(("KRB5_CONFIG".to_owned(), config.display().to_string()));
        let begun = Instant::now();
        let said = scene.logs_in_with(&scene.here("connect_timeout=2"), &environment).await;
        assert!(said.contains("timed out after 2s, during GSSAPI authentication"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        // The thread of the runtime was free all the while: its clock has gone on.
        let ticks = said.trim().rsplit(' ').nth(1).and_then(|ticks| ticks.parse::<u32>().ok());
        assert!(ticks.is_some_and(|ticks| ticks > 100), "{said}");
    })
    .await;
}
