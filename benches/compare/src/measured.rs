//! What one driver did in one round.

use anyhow::{Context, Result};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The figures of one process.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// How often the work was done, and how long that took.
    pub count: f64,
    pub seconds: f64,
    /// The client's processor time meanwhile, user's and system's.
    pub cpu_seconds: f64,
    /// The most memory that the process ever had, in KiB.
    pub peak_kib: f64,
    /// Of the time that each piece of work took, in microseconds, where each was timed.
    pub p50_us: Option<f64>,
    pub p95_us: Option<f64>,
    pub p99_us: Option<f64>,
    /// What a connection takes, in KiB, where that is the question.
    pub kib_each: Option<f64>,
}

impl Measured {
    pub fn rate(&self) -> f64 {
        self.count / self.seconds
    }

    pub fn cpu_us_each(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.count
    }

    pub fn read(value: &Value) -> Result<Self> {
        let number = |key: &str| value.get(key).and_then(Value::as_f64);
        let needed = |key: &str| number(key).with_context(|| format!("no {key} was measured"));
        Ok(Self {
            count: needed("count")?,
            seconds: needed("seconds")?,
            cpu_seconds: needed("cpu_seconds")?,
            peak_kib: needed("peak_kib")?,
            p50_us: number("p50_us"),
            p95_us: number("p95_us"),
            p99_us: number("p99_us"),
            kib_each: number("kib_each"),
        })
    }
}

impl Serialize for Measured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &self.count)?;
        map.serialize_entry("seconds", &self.seconds)?;
        map.serialize_entry("cpu_seconds", &self.cpu_seconds)?;
        map.serialize_entry("peak_kib", &self.peak_kib)?;
        for (key, value) in [
            ("p50_us", self.p50_us),
            ("p95_us", self.p95_us),
            ("p99_us", self.p99_us),
            ("kib_each", self.kib_each),
        ] {
            if let Some(value) = value {
                map.serialize_entry(key, &value)?;
            }
        }
        map.end()
    }
}
