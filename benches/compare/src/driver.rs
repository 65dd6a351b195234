//! The drivers.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    Cornac,
    /// cornac once more, where it has another way of doing the same work.
    CornacOtherwise,
    Floor,
    TokioPostgres,
    Xitca,
    Sqlx,
    DieselAsync,
    /// A program in C.
    Libpq,
    /// A program in Python.
    Asyncpg,
}

impl Driver {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Cornac,
        Self::CornacOtherwise,
        Self::Floor,
        Self::TokioPostgres,
        Self::Xitca,
        Self::Sqlx,
        Self::DieselAsync,
        Self::Libpq,
        Self::Asyncpg,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cornac => "cornac",
            Self::CornacOtherwise => "cornac-otherwise",
            Self::Floor => "floor",
            Self::TokioPostgres => "tokio-postgres",
            Self::Xitca => "xitca-postgres",
            Self::Sqlx => "sqlx",
            Self::DieselAsync => "diesel-async",
            Self::Libpq => "libpq",
            Self::Asyncpg => "asyncpg",
        }
    }

    /// Whether it is one of those that cornac is compared with.
    pub fn is_peer(self) -> bool {
        !matches!(self, Self::Cornac | Self::CornacOtherwise | Self::Floor)
    }
}

impl FromStr for Driver {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|driver| driver.name() == name) {
            Some(driver) => Ok(driver),
            None => bail!("there is no driver {name}; there are {}", Self::ALL.map(Self::name).join(", ")),
        }
    }
}
