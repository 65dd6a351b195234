//! The server that the tests of a run share, with a database for each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use cornac_conn::{Config, Connection};

use crate::{Cluster, ClusterOptions, provision};

/// A server that several tests use: that of `CORNAC_TEST_URL`, or a throw-away one of this process.
#[derive(Debug)]
pub struct Server {
    config: Config,
    /// Kept for as long as the process lives; its supervisor ends it afterwards.
    _cluster: Option<Cluster>,
}

/// The shared server. `cargo xtask test` starts one for the whole run and names it in `CORNAC_TEST_URL`.
///
/// # Panics
///
/// When there is none, and none can be started: a missing server is a failure, never a test that is passed over.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::find().unwrap_or_else(|error| panic!("no server to test on: {error:#}")))
}

/// A server of PostgreSQL 18, for what earlier ones do not do: it reports its `search_path`. Fetched if it is not there.
///
/// # Panics
///
/// As [`shared`].
pub fn newest() -> &'static Server {
    static NEWEST: OnceLock<Server> = OnceLock::new();
    NEWEST.get_or_init(|| {
        Server::of_version("18").unwrap_or_else(|error| panic!("no PostgreSQL 18 to test on: {error:#}"))
    })
}

impl Server {
    fn of_version(version: &str) -> Result<Self> {
        let binaries = Some(provision(Some(version))?);
        let cluster = Cluster::start(&ClusterOptions { binaries, ..ClusterOptions::default() })?;
        Ok(Self { config: cluster.config(crate::SUPERUSER), _cluster: Some(cluster) })
    }

    fn find() -> Result<Self> {
        if let Ok(url) = std::env::var("CORNAC_TEST_URL") {
            let config = url.parse().context("CORNAC_TEST_URL is no connection URL")?;
            return Ok(Self { config, _cluster: None });
        }
        let cluster = Cluster::start(&ClusterOptions::default())?;
        Ok(Self { config: cluster.config(crate::SUPERUSER), _cluster: Some(cluster) })
    }

    /// How its superuser connects.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Makes a database that nobody else uses.
    ///
    /// # Panics
    ///
    /// When the server does not let us.
    pub async fn database(&self) -> TestDatabase {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.administer(&format!("CREATE DATABASE {name}")).await;
        TestDatabase { config: self.config.clone().dbname(&*name), server: self.config.clone(), name }
    }

    async fn administer(&self, sql: &str) {
        let mut connection = Connection::connect(&self.config).await.expect("the test server is there");
        connection.simple_query(sql).await.expect("the test server lets us make databases");
        connection.close().await.expect("the connection closes");
    }
}

/// A database that is dropped with this.
#[derive(Debug)]
pub struct TestDatabase {
    config: Config,
    server: Config,
    name: String,
}

impl TestDatabase {
    /// How to connect to it.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// When there is none to be had.
    pub async fn connect(&self) -> Connection {
        Connection::connect(&self.config).await.expect("the test server takes connections")
    }
}

impl Drop for TestDatabase {
    /// In a thread of its own, since a drop cannot wait for a future. That is waited for, but not for long: the server drops no database while a login is under way that this very thread
    /// keeps from going on.
    fn drop(&mut self) {
        let (server, sql) =
            (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let _done = done;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = Connection::connect(&server).await?;
                connection.simple_query(&sql).await?;
                anyhow::Ok(())
            })
        });
        // A database that stays behind harms nobody: its server is thrown away, or belongs to somebody who wanted to look.
        let _ = is_done.recv_timeout(Duration::from_secs(2));
    }
}
