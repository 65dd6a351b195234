//! The statements and rows that every measurement has in common.

use cornac::{FromRow, Timestamptz};

/// One row by its key: (int4) gives (int4, text, timestamptz).
pub const POINT_SELECT: &str = "SELECT id, name, at FROM item WHERE id = $1";

/// How many rows there are to select by their keys, from 0.
pub const ITEMS: i32 = 10_000;

/// Rows of (int4, int8, float8, text, timestamptz, bool). Its limit is part of the text, so that the recorded server knows it too.
pub fn measurements(limit: usize) -> String {
    format!("{MEASUREMENTS}{limit}")
}

/// What [`measurements`] has in front of its limit.
pub const MEASUREMENTS: &str = "SELECT id, total, ratio, label, at, even FROM measurement LIMIT ";

/// Rows of (int4, text, float8) into a table.
pub const COPY_IN: &str = "COPY sample (id, label, value) FROM STDIN (FORMAT binary)";

/// A row of (int4, text, float8) into a table.
pub const INSERT: &str = "INSERT INTO sample (id, label, value) VALUES ($1, $2, $3)";

/// Rows of (int4, text, float8) out of a table.
pub const COPY_OUT: &str = "COPY copied (id, label, value) TO STDOUT (FORMAT binary)";

/// How many distinct statements a connection runs to show what it takes to remember them.
pub const STATEMENTS: usize = 100;

/// One of those: (int4) gives (int4, text, timestamptz, int4).
pub fn distinct(number: usize) -> String {
    format!("{DISTINCT}{number}{DISTINCT_END}")
}

/// What [`distinct`] has in front of its number, and behind it.
pub const DISTINCT: &str = "SELECT id, name, at, ";
/// See [`DISTINCT`].
pub const DISTINCT_END: &str = "::int4 FROM item WHERE id = $1";

/// A row of so many int4.
pub fn wide_row(columns: usize) -> String {
    format!("SELECT {columns} columns")
}

/// A text of so many bytes.
pub fn long_value(len: usize) -> String {
    format!("SELECT {len} bytes")
}

/// Microseconds of 2026-01-01 00:00:00 UTC since 2000-01-01.
const AT: i64 = 820_540_800_000_000;

/// A row of [`measurements`], as an application would keep it.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Measurement {
    /// The row's number, from 1.
    pub id: i32,
    /// A number that fills eight bytes.
    pub total: i64,
    /// A seventh of the row's number.
    pub ratio: f64,
    /// Some 20 characters.
    pub label: String,
    /// A second later in each row.
    pub at: Timestamptz,
    /// Whether the row's number is even.
    pub even: bool,
}

/// The same, lent from the bytes that were received.
#[derive(Clone, Copy, Debug, PartialEq, FromRow)]
pub struct BorrowedMeasurement<'r> {
    /// The row's number, from 1.
    pub id: i32,
    /// A number that fills eight bytes.
    pub total: i64,
    /// A seventh of the row's number.
    pub ratio: f64,
    /// Some 20 characters.
    pub label: &'r str,
    /// A second later in each row.
    pub at: Timestamptz,
    /// Whether the row's number is even.
    pub even: bool,
}

/// Row `number` of the measurements. The SQL of [`MEASUREMENT_ROWS`] makes the same on a real server.
pub fn measurement(number: i32) -> Measurement {
    let wide = i64::from(number);
    Measurement {
        id: number,
        total: wide * 1_000_003,
        ratio: f64::from(number) / 7.0,
        label: format!("measurement {number:07}"),
        at: Timestamptz::from_postgres_micros(AT + wide * 1_000_000),
        even: number % 2 == 0,
    }
}

/// A query that makes the rows of [`measurement`] from 1 to 1,000,000.
pub const MEASUREMENT_ROWS: &str = "SELECT n::int4 AS id, n::int8 * 1000003 AS total, n / 7.0::float8 AS ratio, \
     'measurement ' || lpad(n::text, 7, '0') AS label, \
     timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second' AS at, n % 2 = 0 AS even \
     FROM generate_series(1, 1000000) n";

/// Row `number` of what is copied in.
pub fn sample(number: i32) -> (i32, String, f64) {
    (number, format!("sample {number:07}"), f64::from(number) / 3.0)
}
