//! The process that outlives us by a moment, to end the server and remove its directory.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What the signal is, without `SIG`, that ends the program when we are done; QUIT unless the environment has another.
pub(crate) const LAST_SIGNAL: &str = "LAST_SIGNAL";

/// A shell in a process group of its own, parent of the server. It does what it is told line by line; when the pipe that it reads
/// from is closed, be it because we are done, have panicked or were killed, it ends the server and removes the directory.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// How a server is told to stop, by the signal that says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// SIGINT: transactions are rolled back, clients are told.
    Fast,
    /// SIGQUIT: at once, to recover at the next start.
    Immediate,
    /// SIGKILL: without a chance to do anything.
    Kill,
}

impl StopMode {
    fn signal(self) -> &'static str {
        match self {
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
            Self::Kill => "KILL",
        }
    }
}

const SCRIPT: &str = r#"
trap '' INT TERM HUP
directory=$1
shift
pid=
stop() {
    if [ -n "$pid" ]; then
        kill -"$1" "$pid" 2>/dev/null
        wait "$pid"
        pid=
    fi
}
while read -r verb argument; do
    case $verb in
        start) "$@" </dev/null >>"$directory/log" 2>&1 & pid=$!; echo "started $pid" ;;
        stop) stop "$argument"; echo stopped ;;
    esac
done
stop "${LAST_SIGNAL:-QUIT}"
cd /
rm -rf "$directory"
"#;

impl Supervisor {
    /// Watches over `directory` and a server that `program` with `arguments` and `environment` starts, as the user of `identity` when we
    /// are root.
    pub(crate) fn new(
        directory: &Path,
        program: &Path,
        arguments: &[String],
        identity: &Identity,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "supervisor"]).arg(directory).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir(directory);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        identity.apply(&mut command);
        // A Ctrl-C in the terminal is for us; the supervisor hears of it when we end.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut shell = command.spawn().context("could not start /bin/sh")?;
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().context("no pipe")?);
        Ok(Self { shell, commands, answers })
    }

    /// Starts the server; gives its process id.
    pub(crate) fn start(&mut self) -> Result<i32> {
        Ok(self.say("start", "started")?.trim().parse()?)
    }

    pub(crate) fn stop(&mut self, mode: StopMode) -> Result<()> {
        self.say(&format!("stop {}", mode.signal()), "stopped").map(drop)
    }

    /// Gives the rest of the answer, which begins as `expected`.
    fn say(&mut self, command: &str, expected: &str) -> Result<String> {
        let pipe = self.commands.as_mut().context("the supervisor has been dismissed")?;
        writeln!(pipe, "{command}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let rest = answer.trim_end().strip_prefix(expected);
        Ok(rest.with_context(|| format!("the supervisor answered {answer:?} to {command:?}"))?.to_owned())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.commands = None;
        // Nothing to be done about a failure here; the next run uses another directory.
        let _ = self.shell.wait();
    }
}

/// The user that a server runs as: ourselves, or an unprivileged one when we are root, since a server refuses to be root.
#[derive(Clone, Debug)]
pub(crate) struct Identity(Option<(u32, u32)>);

impl Identity {
    pub(crate) fn find() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let passwd = std::fs::read_to_string("/etc/passwd").context("no /etc/passwd")?;
        let ids = |name: &str| {
            let fields: Vec<_> = passwd.lines().find_map(|line| {
                let fields: Vec<_> = line.split(':').collect();
                (fields.first() == Some(&name)).then_some(fields)
            })?;
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        };
        let unprivileged = ids("postgres").or_else(|| ids("nobody"));
        Ok(Self(Some(
            unprivileged.context("a server does not run as root, and there is no user postgres or nobody")?,
        )))
    }

    /// Makes `command` run as this user.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some((uid, gid)) = self.0 {
            #[cfg(unix)]
            std::os::unix::process::CommandExt::uid(command, uid);
            #[cfg(unix)]
            std::os::unix::process::CommandExt::gid(command, gid);
        }
    }

    /// Gives `path` and all in it to this user.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        if let Some((uid, gid)) = self.0 {
            let status = Command::new("chown").arg("-R").arg(format!("{uid}:{gid}")).arg(path).status()?;
            ensure!(status.success(), "chown failed for {}", path.display());
        }
        Ok(())
    }

    /// Whether this user can run `program`.
    pub(crate) fn can_run(&self, program: &Path) -> bool {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}
