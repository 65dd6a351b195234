//! What this process holds in memory, as the kernel counts it.

use std::fs;

use anyhow::{Context, Result};

/// Bytes of memory of this process, now or at its worst moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Now (`VmRSS`).
    pub resident: u64,
    /// At most, since the process began or [`forget_peak`] was called (`VmHWM`).
    pub peak: u64,
}

impl Memory {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// When it does not say, as outside of Linux.
    pub fn of_process() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("only Linux says so")?;
        Ok(Self { resident: kilobytes(&status, "VmRSS:")?, peak: kilobytes(&status, "VmHWM:")? })
    }

    /// Bytes of memory that programs on this machine can still have.
    ///
    /// # Errors
    ///
    /// As [`of_process`](Self::of_process).
    pub fn available() -> Result<u64> {
        kilobytes(&fs::read_to_string("/proc/meminfo").context("only Linux says so")?, "MemAvailable:")
    }
}

/// Lets the peak begin anew, at what is held now.
///
/// # Errors
///
/// When the kernel does not let us.
pub fn forget_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("the kernel does not forget the peak")
}

fn kilobytes(table: &str, name: &str) -> Result<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix(name)).context("no such figure")?;
    let number = line.split_whitespace().next().context("no figure")?;
    Ok(number.parse::<u64>()? * 1024)
}
