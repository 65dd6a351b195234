//! Serves recorded answers in the directory of its first argument until its standard input ends. The second argument says for how many
//! microseconds each answer is held back. `ready` is printed once clients can connect.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use cornac_benches::recorded;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = PathBuf::from(arguments.next().context("a directory is needed")?);
    let pause = match arguments.next() {
        Some(pause) => pause.to_string_lossy().parse()?,
        None => 0,
    };
    // Whoever started this has ended, however it did.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    recorded::serve(&directory, Duration::from_micros(pause), || println!("ready"))
}
