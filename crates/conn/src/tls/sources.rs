//! The files that something was read from, and whether they still are what they were.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that was changed so shortly before it was looked at may have been changed again since, within the same tick of the file system's
/// clock.
const TICK: Duration = Duration::from_secs(2);

/// For how long the platform's own roots are taken to be the same: where they are is the platform's matter.
const SYSTEM_ROOTS_AGE: Duration = Duration::from_secs(60);

/// Files and directories, each as it was before it was read; those that were not there among them.
#[derive(Debug)]
pub(super) struct Sources {
    read_at: SystemTime,
    files: Vec<(PathBuf, Option<Stamp>)>,
    system_roots: bool,
}

impl Sources {
    pub(super) fn new(now: SystemTime) -> Self {
        Self { read_at: now, files: Vec::new(), system_roots: false }
    }

    /// `path` is about to be read.
    pub(super) fn add(&mut self, path: &Path) {
        self.files.push((path.to_owned(), Stamp::of(path)));
    }

    /// The platform's roots are about to be read.
    pub(super) fn add_system_roots(&mut self) {
        self.system_roots = true;
    }

    /// Whether reading them again would give the same, as far as file systems tell. This blocks.
    pub(super) fn are_unchanged(&self, now: SystemTime) -> bool {
        let is_young = |limit| now.duration_since(self.read_at).is_ok_and(|age| age < limit);
        if self.system_roots && !is_young(SYSTEM_ROOTS_AGE) {
            return false;
        }
        self.files.iter().all(|(path, before)| {
            before.as_ref().is_none_or(|stamp| stamp.is_settled(self.read_at)) && *before == Stamp::of(path)
        })
    }
}

/// What tells one state of a file from another.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    node: Node,
}

impl Stamp {
    /// `None`: there is no such file, or none that may be looked at.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { len: metadata.len(), modified: metadata.modified().ok(), node: Node::of(&metadata) })
    }

    /// Whether the last change lies so far back that a later one has another time.
    fn is_settled(&self, at: SystemTime) -> bool {
        let is_past = |time| at.duration_since(time).is_ok_and(|age| age > TICK);
        self.modified.is_some_and(is_past) && self.node.changed().is_none_or(is_past)
    }
}

/// Which file it is, and when anything of it was last changed, its permissions included (seconds and nanoseconds since 1970).
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq)]
struct Node {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

#[cfg(unix)]
impl Node {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self { device: metadata.dev(), inode: metadata.ino(), changed }
    }

    fn changed(&self) -> Option<SystemTime> {
        let since_epoch = Duration::from_secs(u64::try_from(self.changed.0).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since_epoch)
    }
}

/// Elsewhere, length and time have to do.
#[cfg(not(unix))]
#[derive(Debug, PartialEq, Eq)]
struct Node;

#[cfg(not(unix))]
impl Node {
    fn of(_: &Metadata) -> Self {
        Self
    }

    fn changed(&self) -> Option<SystemTime> {
        None
    }
}
