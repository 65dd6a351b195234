//! A client in a process of its own, so that what it holds in memory can be measured: it does one thing, and says what that took.
//!
//! `measured_client URL VERB COUNT` (`pipeline` over a socket with the smallest buffers, everything else over an ordinary one) prints lines of `name=number`: `peak` and `kept` are bytes of memory, at worst and at the end, above
//! what the process held when it was connected.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use cornac_conn::{Client, Config, Connection};
use cornac_tests::memory::{Memory, forget_peak};
use cornac_tests::{connect_smallest, still_usable};
use tokio::io::AsyncReadExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, verb, count] = arguments.as_slice() else { bail!("measured_client URL VERB COUNT") };
    let count: u64 = count.parse()?;
    let config: Config = url.parse()?;
    let mut connection = match verb.as_str() {
        "pipeline" => connect_smallest(&config, config.hosts().first().context("a server")?.port).await?,
        _ => Connection::connect(&config).await?,
    };
    forget_peak()?;
    let before = Memory::of_process()?;
    let begun = Instant::now();
    match verb.as_str() {
        "stream" => stream(&mut connection, count).await?,
        "receive" => receive(&mut connection, count).await?,
        "abandon" => abandon(&mut connection, before).await?,
        "drop-rows" => drop_rows(&mut connection, count).await?,
        "pipeline" => pipeline(&mut connection, count).await?,
        "send" => send(&mut connection, count).await?,
        other => bail!("there is no verb {other}"),
    }
    let milliseconds = begun.elapsed().as_millis();
    let after = Memory::of_process()?;
    println!("milliseconds={milliseconds}");
    println!("peak={}", after.peak.saturating_sub(before.resident));
    println!("kept={}", after.resident.saturating_sub(before.resident));
    println!("lost={}", connection.take_notices().lost);
    if ["stream", "receive", "pipeline"].contains(&verb.as_str()) {
        // Only now: what an idle connection keeps is not to be taken from it by its next use.
        still_usable(&mut connection).await;
    }
    Ok(())
}

/// Streams `count` bytes in rows of 64 KiB through `rows`.
async fn stream(connection: &mut Connection, count: u64) -> Result<()> {
    const ROW: u64 = 64 << 10;
    let sql = format!("SELECT n, repeat('x', {ROW}) FROM generate_series(1, $1::int8) n");
    let wanted = count.div_ceil(ROW);
    let mut rows = connection.rows(&sql, (i64::try_from(wanted)?,)).await?;
    let mut came = 0;
    while let Some(row) = rows.next().await? {
        came += 1;
        ensure!(row.get::<i64>(0)? == came, "a row out of turn");
        ensure!(row.get::<&str>(1)?.len() as u64 == ROW, "a value of another length");
    }
    ensure!(came == i64::try_from(wanted)?, "{came} rows came");
    println!("bytes={}", wanted * ROW);
    Ok(())
}

/// Takes one value of `count` bytes, which must be a multiple of 4,088, as the longest that there is.
async fn receive(connection: &mut Connection, count: u64) -> Result<()> {
    // Repeating one byte takes the server three times as long.
    let sql = "SELECT repeat(repeat('x', 4088), $1)";
    let mut rows = connection.rows(sql, (i32::try_from(count / 4088)?,)).await?;
    let row = rows.next().await?.context("a row")?;
    let value: &str = row.get(0)?;
    ensure!(value.len() as u64 == count && value.ends_with('x'), "the value has {} bytes", value.len());
    ensure!(rows.next().await?.is_none(), "one row");
    Ok(())
}

/// Asks for a row, and drops the future when it is told to, by a byte on standard input. `peak` is what is held from then on.
async fn abandon(connection: &mut Connection, before: Memory) -> Result<()> {
    let (mut told, mut input) = ([0; 1], tokio::io::stdin());
    tokio::select! {
        results = connection.simple_query("SELECT large") => bail!("the row came as a whole: {}", results?.len()),
        told = input.read_exact(&mut told) => told.map(drop)?,
    }
    println!("held={}", Memory::of_process()?.resident.saturating_sub(before.resident));
    forget_peak()?;
    let results = connection.simple_query("SELECT 7").await?;
    let row = results.first().and_then(|result| result.rows.first()).context("a row")?;
    ensure!(row.get::<&str>(0)? == "7", "the answer is the question's own");
    Ok(())
}

/// Asks for `count` rows, and drops them behind the first one.
async fn drop_rows(connection: &mut Connection, count: u64) -> Result<()> {
    let mut rows = connection.rows("SELECT generate_series(1, $1::int8)", (i64::try_from(count)?,)).await?;
    ensure!(rows.next().await?.context("a row")?.get::<i64>(0)? == 1);
    drop(rows);
    let begun = Instant::now();
    still_usable(connection).await;
    println!("next_use={}", begun.elapsed().as_millis());
    Ok(())
}

/// Runs `count` statements in one flight, each of which gives 10 KB back.
async fn pipeline(connection: &mut Connection, count: u64) -> Result<()> {
    const LEN: usize = 10_240;
    let sql = format!("SELECT repeat('x', {LEN}) || $1::text");
    let mut pipeline = connection.pipeline();
    for number in 0..count {
        pipeline.push(&*sql, (number.to_string(),));
    }
    let mut results = pipeline.run().await?;
    let mut bytes = 0;
    for number in 0..count {
        let value: String = results.fetch_value().await?.ok()?.context("a result")?;
        ensure!(value[LEN..] == number.to_string(), "the answer to statement {number} is another's");
        bytes += value.len() as u64;
    }
    results.finish().await?;
    println!("bytes={bytes}");
    Ok(())
}

/// Sends a statement of `count` bytes.
async fn send(connection: &mut Connection, count: u64) -> Result<()> {
    let sql = format!("SELECT '{}'", "x".repeat(usize::try_from(count)?));
    connection.simple_query(&sql).await?;
    Ok(())
}
