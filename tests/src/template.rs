//! A data directory that was initialised once, to be copied for each cluster.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cluster::{PASSWORD, SUPERUSER};
use crate::supervisor::Identity;
use crate::{ServerBinaries, target_dir};

/// Changes whenever what is in a template changes.
const REVISION: u32 = 1;

/// The roles beside the superuser, for `pg_hba.conf` to tell apart. All have the password [`PASSWORD`].
const ROLES: &str = "\
CREATE ROLE trusted LOGIN PASSWORD 'PASSWORD';
CREATE ROLE scram LOGIN PASSWORD 'PASSWORD';
CREATE ROLE clear LOGIN PASSWORD 'PASSWORD';
SET password_encryption = md5; CREATE ROLE md5user LOGIN PASSWORD 'PASSWORD';
";

/// Copies an initialised data directory to `place`, after making it if this is the first time.
pub(crate) fn copy_to(place: &Path, binaries: &ServerBinaries, identity: &Identity) -> Result<()> {
    let template = template(binaries, identity)?;
    copy(&template, place)
}

fn template(binaries: &ServerBinaries, identity: &Identity) -> Result<PathBuf> {
    let templates = target_dir().join("cluster-templates");
    let template = templates.join(format!("{}-{REVISION}", binaries.version()));
    if template.exists() {
        return Ok(template);
    }
    fs::create_dir_all(&templates)?;
    // Initialised where the server's user may write, then brought here as a whole.
    let workshop = tempfile::Builder::new().prefix("cornac-init-").tempdir()?;
    let data = workshop.path().join("data");
    fs::write(workshop.path().join("password"), PASSWORD)?;
    identity.give(workshop.path())?;
    initialise(&data, workshop.path(), binaries, identity)?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&templates)?;
    copy(&data, &unfinished.path().join("data"))?;
    if fs::rename(unfinished.path().join("data"), &template).is_err() {
        // Another process was faster; its copy is as good.
        ensure!(template.exists(), "could not keep the template in {}", template.display());
    }
    Ok(template)
}

fn initialise(data: &Path, workshop: &Path, binaries: &ServerBinaries, identity: &Identity) -> Result<()> {
    let mut initdb = Command::new(binaries.program("initdb"));
    initdb.arg("-D").arg(data).arg("--pwfile").arg(workshop.join("password"));
    initdb.args(["--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale"]);
    initdb.args(["--wal-segsize", "1", "--no-sync"]).current_dir(workshop);
    identity.apply(&mut initdb);
    let output = initdb.output().context("could not run initdb")?;
    ensure!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));

    let mut single = Command::new(binaries.program("postgres"));
    single.args(["--single", "-D"]).arg(data).args(["-c", "fsync=off", "postgres"]).current_dir(workshop);
    single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    identity.apply(&mut single);
    let mut child = single.spawn().context("could not run postgres --single")?;
    let roles = ROLES.replace("PASSWORD'", &format!("{PASSWORD}'"));
    child.stdin.take().context("no pipe")?.write_all(roles.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && !said.contains("ERROR"), "postgres --single failed: {said}");
    Ok(())
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-R").arg(from).arg(to).status().context("could not run cp")?;
    ensure!(status.success(), "could not copy {} to {}", from.display(), to.display());
    Ok(())
}
