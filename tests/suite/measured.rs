//! Clients in processes of their own, whose memory is counted.

use std::collections::BTreeMap;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// A client that runs.
pub(crate) struct Measured(Child);

/// The figures that a client has given, by name.
pub(crate) type Figures = BTreeMap<String, u64>;

impl Measured {
    /// Starts a client that does `verb` with a server.
    pub(crate) fn start(url: &str, verb: &str, count: u64) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_measured_client"));
        command.args([url, verb, &count.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Self(command.spawn().expect("the client starts"))
    }

    /// Tells it to go on.
    pub(crate) async fn tell(&mut self) {
        self.0.stdin.as_mut().expect("a pipe").write_all(b"!").await.expect("the client listens");
    }

    /// Waits for its end, and takes its figures.
    pub(crate) async fn figures(mut self) -> Figures {
        let mut said = String::new();
        self.0.stdout.take().expect("a pipe").read_to_string(&mut said).await.expect("text");
        let status = self.0.wait().await.expect("it ends");
        assert!(status.success(), "the client failed after {said:?}");
        let figure = |line: &str| {
            let (name, number) = line.split_once('=').expect("name=number");
            (name.to_owned(), number.parse().expect("a number"))
        };
        said.lines().map(figure).collect()
    }
}

/// Bytes in MiB, for people.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}
