//! What the drivers work with.

pub use cornac_benches::work::distinct;
use cornac_benches::work::{ITEMS, sample};

use crate::workload::{TASKS, Workload};

/// So many keys of rows that there are.
pub fn ids(count: usize) -> impl Iterator<Item = i32> + Clone {
    (0..ITEMS).cycle().take(count)
}

/// The keys of one of the tasks that share the work.
pub fn ids_of_task(workload: Workload) -> impl Iterator<Item = i32> + Clone {
    ids(workload.count() / TASKS)
}

/// Rows of (int4, text, float8), whose texts are there already: what is measured is the driver, not the making of texts.
pub struct Samples(Vec<String>);

impl Samples {
    /// Makes the texts.
    pub fn make() -> Self {
        Self((1..=1024).map(|number| sample(number).1).collect())
    }

    /// So many rows.
    pub fn rows(&self, count: usize) -> impl Iterator<Item = (i32, &str, f64)> {
        (1..)
            .zip(self.0.iter().cycle())
            .take(count)
            .map(|(id, label)| (id, label.as_str(), f64::from(id) / 3.0))
    }
}

/// INSERT of all rows by arrays.
pub const UNNEST: &str =
    "INSERT INTO sample (id, label, value) SELECT * FROM unnest($1::int4[], $2::text[], $3::float8[])";

/// What a transaction changes: (int8, int4) in.
pub const DEPOSIT: &str = "UPDATE account SET balance = balance + $1 WHERE id = $2";

/// What it then looks at: (int4) gives (int4, int8).
pub const BALANCE: &str = "SELECT id, balance FROM account WHERE id = $1";

/// The bytes of a binary COPY by hand, for drivers that have no typed COPY: in pieces of 64 KiB.
pub fn copy_bytes<'r>(rows: impl Iterator<Item = (i32, &'r str, f64)>) -> impl Iterator<Item = Vec<u8>> {
    let mut rows = rows.fuse();
    let mut header: Option<&[u8]> = Some(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    let mut trailer: Option<&[u8]> = Some(b"\xff\xff");
    std::iter::from_fn(move || {
        let mut data = Vec::with_capacity((64 << 10) + 256);
        data.extend(header.take().unwrap_or_default());
        while data.len() < 64 << 10 {
            let Some((id, label, value)) = rows.next() else {
                data.extend(trailer.take()?);
                break;
            };
            data.extend(b"\0\x03\0\0\0\x04");
            data.extend(id.to_be_bytes());
            data.extend(u32::try_from(label.len()).unwrap_or_default().to_be_bytes());
            data.extend(label.as_bytes());
            data.extend(b"\0\0\0\x08");
            data.extend(value.to_be_bytes());
        }
        Some(data)
    })
}
