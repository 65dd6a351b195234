//! `cargo xtask kerberos`

use anyhow::Result;
use xshell::cmd;

use crate::steps::{has_program, shell};

pub(crate) fn run() -> Result<()> {
    let shell = shell()?;
    // What the other verbs do not look at, since they must work without the library's headers.
    let package = ["-p", "cornac-tests", "--features", "gssapi"];
    cmd!(shell, "cargo clippy {package...} -p cornac-conn --lib --test gssapi --quiet -- -D warnings")
        .run()?;
    if has_program("cargo-nextest") {
        cmd!(shell, "cargo nextest run {package...} --test gssapi --no-fail-fast").run()?;
    } else {
        cmd!(shell, "cargo test {package...} --test gssapi").run()?;
    }
    Ok(())
}
