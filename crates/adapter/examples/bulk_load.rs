//! Loads a CSV file into a table by COPY, with a progress bar.
//!
//! ```sh
//! cargo run -p cornac --example bulk_load -- postgres://postgres@127.0.0.1/postgres [FILE.csv]
//! ```
//!
//! The URL may stand in `DATABASE_URL` too. Without a file, the example writes one of 200,000 rows. It makes a table of its own, and drops it.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use cornac::copy::{CopyHeader, CopyOptions};
use cornac::{Client, Database};
use indicatif::{ProgressBar, ProgressStyle};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().or_else(|| std::env::var("DATABASE_URL").ok());
    let url = url.context("say where: as the first argument, or in DATABASE_URL")?;

    let directory = tempfile::tempdir()?;
    let file = match arguments.next() {
        Some(file) => file.into(),
        None => {
            let file = directory.path().join("readings.csv");
            write_readings(&file, 200_000)?;
            println!("wrote {}", file.display());
            file
        }
    };

    let db = Database::connect(&url).await?;
    db.execute("CREATE TABLE cornac_bulk_load (sensor int4 NOT NULL, taken timestamptz, value float8)", ())
        .await?;
    let outcome = load(&db, &file).await;
    db.execute("DROP TABLE cornac_bulk_load", ()).await?;
    db.close().await?;
    outcome
}

async fn load(db: &Database, path: &Path) -> anyhow::Result<()> {
    let file = tokio::fs::File::open(path).await?;
    let bar = ProgressBar::new(file.metadata().await?.len()).with_style(ProgressStyle::with_template(
        "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go",
    )?);

    let began = Instant::now();
    let mut connection = db.checkout().await?;
    // The header is compared with the names of the columns: a file whose columns stand in another order is refused.
    let options = CopyOptions::csv().header(CopyHeader::Match);
    let copy = connection.copy_in("cornac_bulk_load", &[], &options).await?;
    let mut copy = copy.on_progress({
        let bar = bar.clone();
        move |progress| bar.set_position(progress.bytes)
    });
    // All or nothing: what fails before `finish` has returned leaves no row behind, and a row that does not fit ends it at once.
    copy.send_reader(file).await?;
    let rows = copy.finish().await?;
    bar.finish();
    drop(connection);
    println!("loaded {rows} rows in {:.1?}", began.elapsed());

    let (sensors, mean): (i64, f64) =
        db.fetch_one("SELECT count(DISTINCT sensor), avg(value) FROM cornac_bulk_load", ()).await?;
    println!("{sensors} sensors, {mean:.2} in the mean");
    Ok(())
}

fn write_readings(path: &Path, rows: u32) -> anyhow::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "sensor,taken,value")?;
    for row in 0..rows {
        let (hour, minute, second) = (row / 3600 % 24, row / 60 % 60, row % 60);
        writeln!(file, "{},2025-03-01T{hour:02}:{minute:02}:{second:02}Z,{}.5", row % 16, row % 100)?;
    }
    file.flush()?;
    Ok(())
}
