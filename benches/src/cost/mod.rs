//! The work that `cargo xtask cost` counts, so often and against recorded answers.

mod cornac;
mod floor;
mod growth;

use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, bail};

pub use growth::{COLUMNS, Growth, VALUE_BYTES, grow};

/// The exit code of a program whose client has no verb for the work.
pub const NO_VERB: u8 = 3;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A prepared (or cached) SELECT by key, one after the other.
    PointSelect,
    /// The same with many on the way.
    PipelinedPointSelect,
    /// A row of six columns, decoded and dropped.
    RowDropped,
    /// The same, decoded without a copy of its text.
    RowBorrowed,
    /// The same, kept in a Vec of structs.
    RowCollected,
    /// A typed row of three columns into a binary COPY.
    CopyRow,
    /// A connection that is held, and has done nothing but to connect.
    IdleConnection,
    /// A connection that is held, with 100 statements prepared that each have run once.
    UsedConnection,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PointSelect,
        Self::PipelinedPointSelect,
        Self::RowDropped,
        Self::RowBorrowed,
        Self::RowCollected,
        Self::CopyRow,
        Self::IdleConnection,
        Self::UsedConnection,
    ];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::PointSelect => "point_select",
            Self::PipelinedPointSelect => "pipelined_point_select",
            Self::RowDropped => "row_dropped",
            Self::RowBorrowed => "row_borrowed",
            Self::RowCollected => "row_collected",
            Self::CopyRow => "copy_row",
            Self::IdleConnection => "idle_connection",
            Self::UsedConnection => "used_connection",
        }
    }

    /// Whether it is what something holds that is counted, and not what doing it costs.
    pub fn is_held(self) -> bool {
        matches!(self, Self::IdleConnection | Self::UsedConnection)
    }
}

impl FromStr for Workload {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|workload| workload.name() == name) {
            Some(workload) => Ok(workload),
            None => {
                bail!("there is no workload {name:?}; there are {}", Self::ALL.map(Self::name).join(", "))
            }
        }
    }
}

/// Who works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The driver.
    Cornac,
    /// The program that is none.
    Floor,
}

impl Client {
    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cornac => "cornac",
            Self::Floor => "floor",
        }
    }
}

impl FromStr for Client {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cornac" => Ok(Self::Cornac),
            "floor" => Ok(Self::Floor),
            _ => bail!("there is no client {name:?}; there are cornac and floor"),
        }
    }
}

/// Does the work `count` times, against the recorded server in `directory`. False when the client has no verb for it.
///
/// # Errors
///
/// The client's.
///
/// # Cancel safety
///
/// When dropped, the connection is closed.
pub async fn run(client: Client, workload: Workload, count: usize, directory: &Path) -> Result<bool> {
    match client {
        Client::Floor if workload.is_held() => Ok(false),
        Client::Cornac => cornac::run(workload, count, directory).await,
        Client::Floor => floor::run(workload, count, directory).await.map(|()| true),
    }
}
