//! Several hosts: a primary, a standby that streams from it, and some that are no use.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cornac_conn::{
    Client, Config, Connection, CredentialProvider, Host, HostSpec, LoadBalanceHosts, TargetSessionAttrs,
};
use cornac_tests::impostor::{Impostor, Victim};
use cornac_tests::messages::error;
use cornac_tests::{Cluster, ClusterOptions, PASSWORD, SUPERUSER, deadline, still_usable};

fn spec(port: u16) -> HostSpec {
    let mut spec = HostSpec::default();
    spec.host = Some(Host::Tcp("127.0.0.1".to_owned()));
    spec.port = port;
    spec
}

async fn port_of(connection: &mut Connection) -> u16 {
    let port: String = connection.fetch_value("SHOW port", ()).await.unwrap();
    port.parse().unwrap()
}

/// The port that answers, or what is said of all.
async fn reached(config: &Config) -> Result<u16, String> {
    match Connection::connect(config).await {
        Ok(mut connection) => {
            still_usable(&mut connection).await;
            Ok(port_of(&mut connection).await)
        }
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn target_session_attrs_find_primary_and_standby() {
    deadline(async {
        use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
        let mut primary = Cluster::start(&ClusterOptions::default()).unwrap();
        let standby = primary.standby().unwrap();
        let (first, second) = (primary.port(), standby.port());
        let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let silent =
            Impostor::start(|mut victim: Victim| async move { victim.read_to_end().await }).await.unwrap();
        let starting = Impostor::start(|mut victim: Victim| async move {
            victim.read_packet().await;
            victim.send(&error("FATAL", "57P03", "the database system is starting up")).await;
        })
        .await
        .unwrap();
        // One that is down, one that takes connections and says nothing, one that is starting up: each costs no more than its limit.
        let useless = [down, silent.port(), starting.port()];
        for (wanted, both, primary_only, standby_only) in [
            (Any, Some(first), true, true),
            (ReadWrite, Some(first), true, false),
            (Primary, Some(first), true, false),
            (ReadOnly, Some(second), false, true),
            (Standby, Some(second), false, true),
            (PreferStandby, Some(second), true, true),
        ] {
            let config = |ports: &[u16]| {
                primary
                    .config(SUPERUSER)
                    .with_hosts(ports.iter().copied().map(spec).collect())
                    .target_session_attrs(wanted)
                    .connect_timeout(Some(Duration::from_millis(500)))
            };
            assert_eq!(reached(&config(&[first, second])).await.ok(), both, "{wanted:?}");
            let with_useless = [&useless[..], &[first, second]].concat();
            assert_eq!(reached(&config(&with_useless)).await.ok(), both, "{wanted:?}");
            let reached_primary = reached(&config(&[first])).await;
            assert_eq!(reached_primary.is_ok(), primary_only, "{wanted:?}: {reached_primary:?}");
            let reached_standby = reached(&config(&[second])).await;
            assert_eq!(reached_standby.is_ok(), standby_only, "{wanted:?}: {reached_standby:?}");
            for refused in [reached_primary, reached_standby].into_iter().filter_map(Result::err) {
                assert!(
                    refused.contains(&format!("target_session_attrs={} was asked for", wanted.name())),
                    "{refused}"
                );
            }
        }
        // A primary whose sessions are read-only by default is no place for writes, yet a primary.
        let mut admin = Connection::connect(&primary.config(SUPERUSER)).await.unwrap();
        admin.simple_query("ALTER DATABASE postgres SET default_transaction_read_only = on").await.unwrap();
        let alone = primary.config(SUPERUSER);
        let refused = reached(&alone.clone().target_session_attrs(ReadWrite)).await.unwrap_err();
        assert!(refused.contains("the session is read-only"), "{refused}");
        assert_eq!(reached(&alone.clone().target_session_attrs(Primary)).await, Ok(first));
        assert_eq!(reached(&alone.target_session_attrs(ReadOnly)).await, Ok(first));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_reports_nothing_is_asked() {
    deadline(async {
        // PostgreSQL 13 and older report neither setting.
        use cornac_proto::message::{TransactionStatus, server};
        let old = Impostor::start(|mut victim: Victim| async move {
            victim.read_packet().await;
            let mut welcome =
                cornac_tests::messages::bytes(|out| server::raw(out, b'R', &0_u32.to_be_bytes()));
            welcome.extend(b"Z\0\0\0\x05I");
            victim.send(&welcome).await;
            let answer = |value: &str| {
                cornac_tests::messages::bytes(|out| {
                    server::row_description(out, &[("answer", 25, cornac_proto::message::FormatCode::Text)])?;
                    server::data_row(out, &[Some(value.as_bytes())])?;
                    cornac_proto::message::Backend::CommandComplete(
                        cornac_proto::message::CommandComplete::new("SELECT 1"),
                    )
                    .encode(out)?;
                    cornac_proto::message::Backend::ReadyForQuery(TransactionStatus::Idle).encode(out)
                })
            };
            victim.read(5).await;
            victim.send(&answer("f")).await;
            victim.read(5).await;
            victim.send(&answer("off")).await;
            victim.read_to_end().await;
        })
        .await
        .unwrap();
        let config = old.config(cornac_conn::SslMode::Disable);
        Connection::connect(&config.clone().target_session_attrs(TargetSessionAttrs::ReadWrite))
            .await
            .unwrap();
        let refused = Connection::connect(&config.target_session_attrs(TargetSessionAttrs::Standby)).await;
        let said = refused.map(|_| ()).unwrap_err().to_string();
        assert!(said.contains("not in hot standby mode"), "{said}");
        let asked = old.received().concat();
        let asked = String::from_utf8_lossy(&asked);
        assert!(
            asked.contains("pg_is_in_recovery") && asked.contains("SHOW transaction_read_only"),
            "{asked}"
        );
    })
    .await;
}

#[tokio::test]
async fn load_is_balanced_over_hosts() {
    deadline(async {
        let servers = [
            Cluster::start(&ClusterOptions::default()).unwrap(),
            Cluster::start(&ClusterOptions::default()).unwrap(),
        ];
        let hosts = servers.iter().map(|server| spec(server.port())).collect();
        let config = servers[0].config(SUPERUSER).with_hosts(hosts);
        let mut seen = HashSet::new();
        for _ in 0..8 {
            seen.insert(reached(&config).await.unwrap());
        }
        assert_eq!(seen, HashSet::from([servers[0].port()]));
        let random = config.load_balance_hosts(LoadBalanceHosts::Random);
        // Each of 64 connections falls on one of two: that all fall on the same has a chance of one in 2^63.
        for _ in 0..64 {
            seen.insert(reached(&random).await.unwrap());
        }
        assert_eq!(seen.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn one_deadline_for_all_hosts() {
    deadline(async {
        let silent =
            Impostor::start(|mut victim: Victim| async move { victim.read_to_end().await }).await.unwrap();
        let config = silent
            .config(cornac_conn::SslMode::Disable)
            .with_hosts(vec![spec(silent.port()); 20])
            .connect_timeout(Some(Duration::from_millis(100)))
            .connect_deadline(Some(Duration::from_millis(350)));
        let begun = Instant::now();
        let said = reached(&config).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert!(said.contains("timed out after 350ms") && said.contains("timed out after 100ms"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_password_can_be_fetched_when_it_is_needed() {
    deadline(async {
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let provider = CredentialProvider::new(|spec: &HostSpec| {
            let right = spec.port > 0;
            async move { if right { Ok(PASSWORD.to_owned()) } else { Err("no port".into()) } }
        });
        let config = server.config(SUPERUSER).password("wrong").password_from(provider);
        still_usable(&mut Connection::connect(&config).await.unwrap()).await;
        let failing = CredentialProvider::new(|_| async { Err::<String, _>("the vault is closed".into()) });
        let error = Connection::connect(&config.password_from(failing)).await.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("no password or token: the vault is closed"), "{error}");
    })
    .await;
}
