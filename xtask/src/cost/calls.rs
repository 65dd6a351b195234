//! System calls by name: who is to know that a query costs one write and at most two reads needs more than their sum.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};

use super::counting::exact;

/// How often each system call was made, as `strace -c` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<String, Count>);

/// How often one was made, and how often of these it gave an error, as one does that would have to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    calls: u64,
    errors: u64,
}

impl Counts {
    /// Reads the table that `strace -c` writes, whose lines are `100.00    0.123456           1      1234        56 recvfrom`, the errors being left out where
    /// there are none.
    pub(super) fn parse(table: &str) -> Result<Self> {
        let mut counts = BTreeMap::new();
        for line in table.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let (calls, errors, name) = match words.as_slice() {
                [_, _, _, calls, errors, name] => (calls, *errors, name),
                [_, _, _, calls, name] => (calls, "0", name),
                _ => continue,
            };
            // The header, and the line below it, have words in place of numbers.
            if let (Ok(calls), Ok(errors)) = (calls.parse(), errors.parse()) {
                counts.insert((*name).to_owned(), Count { calls, errors });
            }
        }
        ensure!(counts.contains_key("total"), "strace gave no total");
        Ok(Self(counts))
    }

    /// All of them together.
    pub(super) fn total(&self) -> Result<u64> {
        Ok(self.0.get("total").context("strace gave no total")?.calls)
    }
}

/// What one piece of work costs of each: the difference between two runs divided by what they differ in.
#[derive(Clone, Debug)]
pub(super) struct Calls(BTreeMap<String, (f64, f64)>);

impl Calls {
    pub(super) fn between(small: &Counts, large: &Counts, pieces: f64) -> Result<Self> {
        let mut calls = BTreeMap::new();
        for (name, count) in &large.0 {
            let before = small.0.get(name).copied().unwrap_or_default();
            let slope = |now, before| Ok::<_, anyhow::Error>((exact(now)? - exact(before)?) / pieces);
            let slopes = (slope(count.calls, before.calls)?, slope(count.errors, before.errors)?);
            if name != "total" && slopes.0 >= SHOWN {
                calls.insert(name.clone(), slopes);
            }
        }
        Ok(Self(calls))
    }

    fn of(&self, names: &[&str]) -> f64 {
        names.iter().filter_map(|name| self.0.get(*name)).map(|(calls, _)| calls).sum()
    }

    /// Why this is more than one write and two reads, one of which may have found nothing.
    pub(super) fn finding(&self) -> Option<String> {
        let (writes, reads) = (self.of(&WRITES), self.of(&READS));
        let within = writes <= 1.0 + SHOWN && reads <= 2.0 + SHOWN;
        (!within).then(|| format!("{writes:.2} writes and {reads:.2} reads: one and two are allowed"))
    }
}

const WRITES: [&str; 4] = ["write", "writev", "sendto", "sendmsg"];
const READS: [&str; 4] = ["read", "readv", "recvfrom", "recvmsg"];

/// What is less than this is somebody else's: a buffer that grew, or a run that took one call more.
const SHOWN: f64 = 0.02;

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, (calls, errors))) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {calls:.2}")?;
            if *errors >= SHOWN {
                write!(f, " ({errors:.2} of which would have had to wait)")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000060           1       500           sendto
 30.00    0.000030           1       700       200 recvfrom
 10.00    0.000010           1       501           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.000100           1      1701       200 total
";

    #[test]
    fn a_piece_of_work_costs_what_two_runs_differ_in() {
        let large = SMALL.replace("500 ", "1500").replace("700       200", "2700      1200");
        let (small, large) = (Counts::parse(SMALL).unwrap(), Counts::parse(&large).unwrap());
        assert_eq!(small.total().unwrap(), 1701);
        let calls = Calls::between(&small, &large, 1000.0).unwrap();
        assert_eq!(calls.to_string(), "recvfrom 2.00 (1.00 of which would have had to wait), sendto 1.00");
        assert_eq!(calls.finding(), None);
        let twice = Calls::between(&small, &large, 500.0).unwrap();
        assert_eq!(twice.finding().unwrap(), "2.00 writes and 4.00 reads: one and two are allowed");
        assert!(Counts::parse("strace: no such process").is_err());
    }
}
