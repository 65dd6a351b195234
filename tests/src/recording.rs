//! A session that shows what a server says.

use anyhow::{Result, ensure};
use cornac_conn::{Client, Connection};

use crate::{Cluster, ClusterOptions, Direction, Proxy, Recording, SUPERUSER};

/// Records a session with a real server: startup with SCRAM, simple and extended queries, an error, a notice, a notification, COPY both
/// ways.
///
/// # Errors
///
/// When there is no server, or it does not answer as it should.
pub async fn record_session() -> Result<Recording> {
    let cluster = Cluster::start(&ClusterOptions::default())?;
    let proxy = Proxy::start(cluster.port(), vec![]).await?;
    let mut connection = Connection::connect(&cluster.config(SUPERUSER).port(proxy.port())).await?;
    connection.simple_query("LISTEN herd").await?;
    let several =
        "CREATE TABLE t (id int4, name text); INSERT INTO t VALUES (1, 'tusk'), (2, NULL); SELECT * FROM t";
    ensure!(connection.simple_query(several).await?.len() == 3);
    let rows: Vec<(i32, Option<String>)> =
        connection.fetch_all("SELECT id, name FROM t WHERE id >= $1 ORDER BY id", (1,)).await?;
    ensure!(rows.len() == 2);
    ensure!(connection.execute("SELECT 1 / $1::int4", (0,)).await.is_err());
    connection.simple_query("DO $$ BEGIN RAISE NOTICE 'by the way'; END $$").await?;
    connection.simple_query("NOTIFY herd, 'moves'").await?;
    ensure!(connection.execute("COPY t TO STDOUT", ()).await.is_err());
    ensure!(connection.execute("COPY t FROM STDIN", ()).await.is_err());
    connection.simple_query("").await?;
    connection.close().await?;
    proxy.wait_until(Direction::ToServer, 1).await;
    Ok(proxy.recording())
}
