//! Verbs that consist of several steps.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use xshell::Shell;

/// Runs `job` under a spinner that says what it is.
pub(crate) fn spinning<T>(what: &str, job: impl FnOnce() -> Result<T>) -> Result<T> {
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = job();
    spinner.finish_and_clear();
    done.with_context(|| format!("{what} failed"))
}

/// A shell at the root of the checkout.
pub(crate) fn shell() -> Result<Shell> {
    let shell = Shell::new()?;
    shell.change_dir(cornac_tests::workspace_root());
    Ok(shell)
}

/// A step of a verb, with its name.
pub(crate) type Step<'a> = (&'a str, &'a dyn Fn() -> Result<()>);

/// Runs each step, shows how long it took, and fails at the end if any did.
pub(crate) fn run_all(steps: &[Step<'_>]) -> Result<()> {
    let mut summary = Vec::new();
    for (name, step) in steps {
        println!("\n== {name}");
        let begun = Instant::now();
        let outcome = step();
        if let Err(error) = &outcome {
            eprintln!("{name}: {error:#}");
        }
        summary.push((name, begun.elapsed(), outcome.is_ok()));
    }
    println!();
    for (name, time, passed) in &summary {
        println!("{:>8.1} s  {}  {name}", time.as_secs_f64(), if *passed { "ok    " } else { "FAILED" });
    }
    let failed = summary.iter().filter(|(_, _, passed)| !passed).count();
    ensure!(failed == 0, "{failed} of {} steps failed", summary.len());
    Ok(())
}

/// Whether a program can be run.
pub(crate) fn has_program(name: &str) -> bool {
    let mut command = std::process::Command::new(name);
    command.arg("--version").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
