//! A module that tells a PostgreSQL 18 which bearer tokens are good, compiled for the occasion.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{ClusterOptions, provision, server_headers};

const SOURCE: &str = include_str!("oauth_validator.c");

/// Makes `options` those of a PostgreSQL 18 that takes the token `token-of-ROLE` for that role.
///
/// # Errors
///
/// When there is no C compiler, no PostgreSQL 18, or none of its headers.
pub fn take_tokens(options: &mut ClusterOptions) -> Result<()> {
    let workshop = tempfile::tempdir()?;
    let source = workshop.path().join("validator.c");
    let module = workshop.path().join("validator.so");
    std::fs::write(&source, SOURCE)?;
    let mut compile = Command::new("cc");
    compile
        .args(["-shared", "-fPIC", "-O1", "-I"])
        .arg(server_headers()?)
        .arg(&source)
        .arg("-o")
        .arg(&module);
    let output = compile.output().context("no C compiler (cc)")?;
    ensure!(output.status.success(), "{compile:?}: {}", String::from_utf8_lossy(&output.stderr));
    options.binaries = Some(provision(Some("18"))?);
    options.files.push(("validator.so".to_owned(), std::fs::read(&module)?));
    // A server runs in its data directory, and takes a name without a directory for one that the linker knows.
    options.settings.push(("oauth_validator_libraries".to_owned(), "../data/validator.so".to_owned()));
    Ok(())
}
