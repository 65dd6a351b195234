//! Where the servers are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The server, and the recorded one.
#[derive(Clone, Debug)]
pub struct Target {
    /// The directory of the socket.
    pub socket: PathBuf,
    pub port: u16,
    /// The directory of the recorded server's socket.
    pub recorded: PathBuf,
    /// The password of the user that needs one.
    pub password: String,
    /// The certificate of the authority that has signed the server's.
    pub root: PathBuf,
}

/// A user that needs no password, and one that does.
pub const TRUSTED: &str = "trusted";
pub const SCRAM: &str = "scram";
/// The server's certificate is for this address.
pub const HOST: &str = "127.0.0.1";
pub const DATABASE: &str = "postgres";

impl Target {
    pub fn read(file: &Path) -> Result<Self> {
        let value: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        let text = |key: &str| {
            let text = value.get(key).and_then(Value::as_str).with_context(|| format!("no {key}"))?;
            Ok::<_, anyhow::Error>(text.to_owned())
        };
        Ok(Self {
            socket: text("socket")?.into(),
            port: text("port")?.parse()?,
            recorded: text("recorded")?.into(),
            password: text("password")?,
            root: text("root")?.into(),
        })
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let value = json!({
            "socket": self.socket,
            "port": self.port.to_string(),
            "recorded": self.recorded,
            "password": self.password,
            "root": self.root,
        });
        Ok(std::fs::write(file, value.to_string())?)
    }

    /// The socket itself.
    pub fn socket_file(&self) -> PathBuf {
        self.socket.join(format!(".s.PGSQL.{}", self.port))
    }

    /// The recorded server's socket itself.
    pub fn recorded_file(&self) -> PathBuf {
        self.recorded.join(format!(".s.PGSQL.{}", cornac_benches::recorded::PORT))
    }
}
