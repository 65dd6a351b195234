//! Every change of the world's clocks since 2007: loaded, asked about, and one mistake made on purpose.
//!
//! This is ordinary code over the crate `cornac`; copy what you need.

use std::time::Instant;

use cornac::{Client, Database, FromRow, Timestamptz};

/// A row of the table: at this instant, clocks in this zone began to show another time.
#[derive(FromRow)]
struct ClockChange {
    at: Timestamptz,
    utc_offset: i32,
    is_dst: bool,
    abbreviation: String,
}

/// What one zone did.
#[derive(FromRow)]
struct Restless {
    zone: String,
    changes: i64,
    offsets: Vec<i32>,
    last: Timestamptz,
}

pub(crate) async fn show(url: &str, tsv: &str) -> cornac::Result<()> {
    let begun = Instant::now();
    let database = Database::connect(url).await?;
    // A temporary table belongs to one connection.
    let mut db = database.checkout().await?;
    let version: String = db.fetch_value("SHOW server_version", ()).await?;
    let user: String = db.fetch_value("SELECT current_user", ()).await?;
    println!("Connected to PostgreSQL {version} as {user} in {:.1?}.", begun.elapsed());

    load(&mut db, tsv).await?;
    most_restless(&mut db, 2015, 8).await?;
    one_zone(&mut db, "Africa/Casablanca", 2024).await?;
    many_small_queries(&mut db).await?;
    a_mistake(&mut db).await;
    drop(db);
    database.close().await
}

/// One statement for all rows: each column travels as an array.
async fn load(db: &mut impl Client, tsv: &str) -> cornac::Result<()> {
    db.execute(
        "CREATE TEMPORARY TABLE clock_change (
             zone text NOT NULL, at timestamptz NOT NULL, utc_offset int4 NOT NULL,
             is_dst bool NOT NULL, abbreviation text NOT NULL, PRIMARY KEY (zone, at))",
        (),
    )
    .await?;
    let mut columns: [Vec<&str>; 5] = Default::default();
    for line in tsv.lines().skip(1) {
        for (column, value) in columns.iter_mut().zip(line.split('\t')) {
            column.push(value);
        }
    }
    let [zones, instants, offsets, is_dst, abbreviations] = columns;
    let offsets: Vec<i32> = offsets.iter().filter_map(|offset| offset.parse().ok()).collect();
    let is_dst: Vec<bool> = is_dst.iter().map(|flag| *flag == "t").collect();

    let begun = Instant::now();
    let loaded = db
        .execute(
            "INSERT INTO clock_change
             SELECT * FROM unnest($1::text[], $2::text[]::timestamptz[], $3::int4[], $4::bool[], $5::text[])",
            (zones, instants, offsets, is_dst, abbreviations),
        )
        .await?;
    println!("Loaded {loaded} changes of the world's clocks in {:.1?}.", begun.elapsed());
    Ok(())
}

/// Rows become structs by the names of their columns.
async fn most_restless(db: &mut impl Client, year: i32, count: i64) -> cornac::Result<()> {
    let begun = Instant::now();
    let zones: Vec<Restless> = db
        .fetch_all(
            "SELECT zone, count(*) AS changes, max(at) AS last,
                    array_agg(DISTINCT utc_offset / 60 ORDER BY utc_offset / 60) AS offsets
             FROM clock_change WHERE at >= make_timestamptz($1, 1, 1, 0, 0, 0, 'UTC')
             GROUP BY zone ORDER BY changes DESC, zone LIMIT $2",
            (year, count),
        )
        .await?;
    println!("\nWhose clocks have changed most often since {year}?\n");
    println!("  {:<24} {:>7}  {:<26} last", "zone", "changes", "offsets");
    let shown = zones.len();
    for Restless { zone, changes, offsets, last } in zones {
        let offsets: Vec<String> = offsets.into_iter().map(hours_and_minutes).collect();
        println!("  {zone:<24} {changes:>7}  {:<26} {last}", offsets.join(" "));
    }
    println!("\n  {shown} rows in {:.1?}", begun.elapsed());
    Ok(())
}

/// Parameters are bound, never pasted: the zone could be anything that a user typed.
async fn one_zone(db: &mut impl Client, zone: &str, year: i32) -> cornac::Result<()> {
    let changes: Vec<ClockChange> = db
        .fetch_all(
            "SELECT at, utc_offset, is_dst, abbreviation FROM clock_change
             WHERE zone = $1 AND extract(year FROM at AT TIME ZONE 'UTC') = $2::int4 ORDER BY at",
            (zone, year),
        )
        .await?;
    println!("\nWhat happened in {zone} in {year}?\n");
    for ClockChange { at, utc_offset, is_dst, abbreviation } in changes {
        let season = if is_dst { "daylight saving" } else { "standard" };
        println!("  {at}  {:+} min  {abbreviation:<4} {season} time", utc_offset / 60);
    }
    Ok(())
}

async fn many_small_queries(db: &mut impl Client) -> cornac::Result<()> {
    const QUERIES: i32 = 1000;
    let begun = Instant::now();
    let mut sum = 0;
    for number in 0..QUERIES {
        sum += db.fetch_value::<i32, _>("SELECT $1::int4 + 1", (number,)).await?;
    }
    let elapsed = begun.elapsed();
    let rate = f64::from(QUERIES) / elapsed.as_secs_f64();
    println!(
        "\n{QUERIES} queries with a parameter, one after another: {elapsed:.1?}, {rate:.0}/s (their sum is {sum})."
    );
    Ok(())
}

async fn a_mistake(db: &mut impl Client) {
    println!("\nA statement with a mistake in it reads like this:\n");
    let failed =
        db.fetch_all::<(String,), _>("SELECT zone\nFROM clock_change\nWHERE utcoffset = $1", (3600,)).await;
    if let Err(error) = failed {
        println!("{error:#}");
        let state = error.sql_state().map(|state| state.to_string()).unwrap_or_default();
        println!(
            "  for programs: sql_state {state}, may_retry {}, is_closed {}",
            error.may_retry(),
            error.is_closed()
        );
    }
}

fn hours_and_minutes(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}
