//! What is done.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// A workload, under its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    PointUnix,
    PointTcp,
    Pool,
    Shared,
    PipelineSyncs,
    PipelineOneSync,
    RowsStreamed,
    RowsCollected,
    RowsRecorded,
    CopyIn,
    CopyOut,
    InsertOneByOne,
    InsertInTransaction,
    InsertMany,
    InsertUnnest,
    InsertCopy,
    Connect,
    ConnectAgain,
    ConnectTls,
    ConnectTlsAgain,
    MemoryIdle,
    MemoryUsed,
    Transaction,
}

use Workload::{
    ConnectAgain, ConnectTls, ConnectTlsAgain, CopyIn, CopyOut, InsertCopy, InsertInTransaction, InsertMany,
    InsertOneByOne, InsertUnnest, MemoryIdle, MemoryUsed, PipelineOneSync, PipelineSyncs, PointTcp,
    PointUnix, Pool, RowsCollected, RowsRecorded, RowsStreamed, Shared, Transaction,
};

/// How many tasks share a pool, or connections.
pub const TASKS: usize = 64;

/// How many connections a pool has.
pub const POOL: usize = 8;

/// How many connections are held to see what memory each takes.
pub const HELD: usize = 50;
pub use cornac_benches::work::STATEMENTS;

impl Workload {
    pub const ALL: [Self; 23] = [
        PointUnix,
        PointTcp,
        Pool,
        Shared,
        PipelineSyncs,
        PipelineOneSync,
        RowsStreamed,
        RowsCollected,
        RowsRecorded,
        CopyIn,
        CopyOut,
        InsertOneByOne,
        InsertInTransaction,
        InsertMany,
        InsertUnnest,
        InsertCopy,
        Self::Connect,
        ConnectAgain,
        ConnectTls,
        ConnectTlsAgain,
        MemoryIdle,
        MemoryUsed,
        Transaction,
    ];

    pub fn number(self) -> &'static str {
        self.described().0
    }

    pub fn title(self) -> &'static str {
        self.described().1
    }

    /// How often the work is done in one round.
    pub fn count(self) -> usize {
        self.described().2
    }

    fn described(self) -> (&'static str, &'static str, usize) {
        match self {
            PointUnix => ("1", "prepared point SELECTs, Unix socket", 10_000),
            PointTcp => ("1b", "prepared point SELECTs, TCP", 10_000),
            Pool => ("2", "64 tasks, pool of 8, a connection each", 40_000),
            Shared => ("2s", "64 tasks over shared connections", 80_000),
            PipelineSyncs => ("3", "pipelined point SELECTs, a Sync each", 40_000),
            PipelineOneSync => ("3s", "pipelined point SELECTs, one Sync", 40_000),
            RowsStreamed => ("4", "rows of six columns, streamed", 1_000_000),
            RowsCollected => ("4c", "rows of six columns, collected", 1_000_000),
            RowsRecorded => ("4r", "rows of six columns, from recorded bytes", 2_000_000),
            CopyIn => ("5", "COPY IN of typed rows", 1_000_000),
            CopyOut => ("5o", "COPY OUT, decoded", 1_000_000),
            InsertOneByOne => ("6a", "INSERTs one by one", 5_000),
            InsertInTransaction => ("6b", "INSERTs in a transaction", 20_000),
            InsertMany => ("6c", "execute_many of an INSERT", 20_000),
            InsertUnnest => ("6d", "INSERT of unnested arrays", 20_000),
            InsertCopy => ("6e", "the same rows by COPY", 20_000),
            Self::Connect => ("7", "connect, SCRAM, query, close; Unix socket", 60),
            ConnectAgain => ("7k", "the same, after the first of a configuration", 60),
            ConnectTls => ("7t", "connect with TLS 1.3, SCRAM, query, close", 40),
            ConnectTlsAgain => ("7tk", "the same, after the first of a configuration", 40),
            MemoryIdle => ("8i", "resident memory of a fresh connection", HELD),
            MemoryUsed => ("8", "resident memory of a connection, 100 statements", HELD),
            Transaction => ("10", "BEGIN, UPDATE, SELECT, COMMIT; Unix socket", 5_000),
        }
    }

    /// What tells cornac's other way of doing the same work from its first, where it has two.
    pub fn other_way(self) -> Option<&'static str> {
        match self {
            // Without a `Database`: connections in the plainest pool, shared connections by themselves.
            Pool | Shared => Some("bare"),
            // The last statement and COMMIT go together.
            Transaction => Some("2 trips"),
            _ => None,
        }
    }

    /// Whether the figure is memory, of which less is better.
    pub fn is_memory(self) -> bool {
        matches!(self, MemoryIdle | MemoryUsed)
    }

    /// Whether rows are put into the table, which is empty before.
    pub fn fills_table(self) -> bool {
        matches!(self, CopyIn | InsertOneByOne | InsertInTransaction | InsertMany | InsertUnnest | InsertCopy)
    }

    /// Those that a number names: the one that has it, or all whose numbers begin with it.
    pub fn named(number: &str) -> Result<Vec<Self>> {
        let exact = number.parse().map(|workload| vec![workload]);
        let begun: Vec<_> =
            Self::ALL.into_iter().filter(|workload| workload.number().starts_with(number)).collect();
        if begun.is_empty() { exact } else { Ok(exact.unwrap_or(begun)) }
    }
}

impl FromStr for Workload {
    type Err = Error;

    fn from_str(number: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|workload| workload.number() == number) {
            Some(workload) => Ok(workload),
            None => {
                bail!("there is no workload {number}; there are {}", Self::ALL.map(Self::number).join(", "))
            }
        }
    }
}
