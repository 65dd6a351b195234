//! Profiles to read.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cornac_benches::cost::{Client, Workload};

use super::counting::{Counting, profiled_size};
use crate::steps::spinning;

/// Leaves in `directory` what callgrind wrote of cornac's doing `workload`, and what callgrind_annotate makes of it: by function, with and without
/// what they call, and by line.
pub(super) fn keep(counting: &Counting, workload: Workload, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let name = workload.name();
    let profile = directory.join(format!("{name}.callgrind.out"));
    let count = profiled_size(workload);
    let done = spinning(&format!("profiling {name}"), || {
        counting.callgrind(Client::Cornac, workload, count, &profile)
    })?;
    if !done {
        println!("{name}: no verb");
        return Ok(());
    }
    println!("{name}: {count} times, {}", profile.display());
    let annotations: [(&str, &[&str]); 3] = [
        ("exclusive", &["--auto=no"]),
        ("inclusive", &["--auto=no", "--inclusive=yes"]),
        ("lines", &["--auto=yes", "--context=2"]),
    ];
    for (kind, options) in annotations {
        let output = Command::new("callgrind_annotate")
            .args(["--threshold=99", "--show-percs=yes"])
            .args(options)
            .arg(&profile)
            .output()
            .context("callgrind_annotate comes with valgrind")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = directory.join(format!("{name}.{kind}.txt"));
        fs::write(&file, &output.stdout)?;
        println!("  {}", file.display());
    }
    Ok(())
}
