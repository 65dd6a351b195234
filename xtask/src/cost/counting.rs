//! Instructions, allocations and system calls of a program, as slopes between two sizes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cornac_benches::cost::{Client, Growth, NO_VERB, Workload};
use tempfile::TempDir;

use super::calls::{Calls, Counts};
use super::figures::Figures;

/// For how many microseconds the server holds an answer back: long enough that the client is always asleep by then, also under valgrind.
const PAUSE_US: &str = "300";

/// A recorded server, and where runs leave their files.
pub(super) struct Counting {
    directory: TempDir,
    server: Child,
    /// The server ends when this does.
    _lifeline: ChildStdin,
}

impl Counting {
    pub(super) fn start() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("cornac-cost-").tempdir()?;
        let mut command = Command::new(program("recorded_server"));
        command.arg(directory.path()).arg(PAUSE_US).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().context("the recorded server could not be started")?;
        let lifeline = server.stdin.take().context("no standard input")?;
        let mut said = String::new();
        BufReader::new(server.stdout.take().context("no standard output")?).read_line(&mut said)?;
        ensure!(said.trim() == "ready", "the recorded server has not started");
        Ok(Self { directory, server, _lifeline: lifeline })
    }

    /// What the work costs each time it is done; `None` when the client has no verb for it.
    pub(super) fn figures(&self, client: Client, workload: Workload) -> Result<Option<Figures>> {
        if workload.is_held() {
            let held = self.slope(client, workload, Self::heap_bytes)?;
            return Ok(held.map(|heap_bytes| Figures::Held { heap_bytes }));
        }
        let Some(instructions) = self.slope(client, workload, Self::instructions)? else { return Ok(None) };
        let slope = |count| self.slope(client, workload, count)?.context("the verb was there a moment ago");
        Ok(Some(Figures::Done {
            instructions,
            allocations: slope(Self::allocations)?,
            system_calls: slope(Self::system_calls)?,
        }))
    }

    fn slope(
        &self,
        client: Client,
        workload: Workload,
        count: fn(&Self, Client, Workload, usize) -> Result<Option<u64>>,
    ) -> Result<Option<f64>> {
        let (small, large) = sizes(workload);
        let Some(small_total) = count(self, client, workload, small)? else { return Ok(None) };
        let large_total = count(self, client, workload, large)?.context("the verb was there a moment ago")?;
        let growth = exact(large_total)? - exact(small_total)?;
        Ok(Some(growth / (exact(u64::try_from(large)?)? - exact(u64::try_from(small)?)?)))
    }

    fn instructions(&self, client: Client, workload: Workload, count: usize) -> Result<Option<u64>> {
        let file = self.directory.path().join("callgrind.out");
        if !self.callgrind(client, workload, count, &file)? {
            return Ok(None);
        }
        total(&file).map(Some)
    }

    /// The instructions of a whole run with `size` in it.
    pub(super) fn grown(&self, growth: Growth, size: usize) -> Result<u64> {
        let file = self.directory.path().join("callgrind.out");
        let ran = self.run(callgrind(&file), ["growth", growth.name()], size)?;
        ran.context("what grows has a verb")?;
        total(&file)
    }

    /// Runs the work under callgrind; false when the client has no verb for it.
    pub(super) fn callgrind(
        &self,
        client: Client,
        workload: Workload,
        count: usize,
        file: &Path,
    ) -> Result<bool> {
        Ok(self.run(callgrind(file), [client.name(), workload.name()], count)?.is_some())
    }

    fn allocations(&self, client: Client, workload: Workload, count: usize) -> Result<Option<u64>> {
        // `total heap usage: 1,234 allocs, 1,230 frees, 56,789 bytes allocated`
        self.memcheck(client, workload, count, "total heap usage: ")
    }

    /// What the client has not given back when it ends.
    fn heap_bytes(&self, client: Client, workload: Workload, count: usize) -> Result<Option<u64>> {
        // `in use at exit: 1,234 bytes in 56 blocks`
        self.memcheck(client, workload, count, "in use at exit: ")
    }

    /// The number that memcheck says behind `what`.
    fn memcheck(&self, client: Client, workload: Workload, count: usize, what: &str) -> Result<Option<u64>> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"]);
        let Some(said) = self.run(command, [client.name(), workload.name()], count)? else { return Ok(None) };
        let said = said.lines().find_map(|line| line.split_once(what));
        let number = said.and_then(|(_, behind)| behind.split_whitespace().next());
        Ok(Some(number.context("memcheck gave no totals")?.replace(',', "").parse()?))
    }

    fn system_calls(&self, client: Client, workload: Workload, count: usize) -> Result<Option<u64>> {
        self.strace(client, workload, count)?.map(|counts| counts.total()).transpose()
    }

    /// The system calls that the work costs each time it is done, by name; `None` when the client has no verb for it.
    pub(super) fn calls(&self, client: Client, workload: Workload) -> Result<Option<Calls>> {
        let (small, large) = sizes(workload);
        let Some(before) = self.strace(client, workload, small)? else { return Ok(None) };
        let after = self.strace(client, workload, large)?.context("the verb was there a moment ago")?;
        Calls::between(&before, &after, exact(u64::try_from(large - small)?)?).map(Some)
    }

    fn strace(&self, client: Client, workload: Workload, count: usize) -> Result<Option<Counts>> {
        let file = self.directory.path().join("strace.out");
        let mut command = Command::new("strace");
        command.args(["-f", "-c", "-o"]).arg(&file);
        if self.run(command, [client.name(), workload.name()], count)?.is_none() {
            return Ok(None);
        }
        Counts::parse(&std::fs::read_to_string(&file)?).map(Some)
    }

    /// Runs the client under the program that `command` begins with, and gives what that said.
    fn run(&self, mut command: Command, what: [&str; 2], count: usize) -> Result<Option<String>> {
        command.arg(program("cost_client")).args(what).arg(count.to_string());
        let output = command.arg(self.directory.path()).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => Ok(Some(said.into_owned())),
            Some(code) if code == i32::from(NO_VERB) => Ok(None),
            _ => bail!("{command:?} failed: {said}"),
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Err(error) = self.server.kill().and_then(|()| self.server.wait()) {
            eprintln!("the recorded server could not be ended: {error}");
        }
    }
}

fn callgrind(file: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display()));
    command
}

/// The instructions of a profile in all.
fn total(file: &Path) -> Result<u64> {
    let profile = std::fs::read_to_string(file)?;
    let totals = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(totals.context("callgrind gave no totals")?.trim().parse()?)
}

/// The two sizes whose difference is looked at. What is done once, such as connecting and preparing, is in both.
fn sizes(workload: Workload) -> (usize, usize) {
    match workload {
        Workload::PointSelect => (500, 1500),
        Workload::PipelinedPointSelect => (4000, 12_000),
        // Powers of two, so that what a Vec has grown to is full at both.
        Workload::RowDropped | Workload::RowBorrowed | Workload::RowCollected | Workload::CopyRow => {
            (1 << 14, 1 << 15)
        }
        Workload::IdleConnection | Workload::UsedConnection => (20, 60),
    }
}

/// How often the work is done for a profile, in which what is done once should not show.
pub(super) fn profiled_size(workload: Workload) -> usize {
    10 * sizes(workload).1
}

fn program(name: &str) -> PathBuf {
    cornac_tests::target_dir().join("release").join(name)
}

/// Counts stay far below the numbers that a float cannot hold.
pub(super) fn exact(count: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(count >> 16)?) * 65536.0 + f64::from(u32::try_from(count & 0xffff)?))
}
