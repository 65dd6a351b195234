//! What TLS needs to know, remembered by a configuration from one connection to the next.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::sources::Sources;
use super::{TlsClient, TlsError};
use crate::config::SslOptions;

/// What was last loaded, shared by the clones of a configuration, and gone with the last of them: roots, revocation lists, our own
/// certificate and its key.
///
/// It is loaded anew when a setting differs, or a file is not what it was: another one of its name, of another time or length, or one that has
/// come or gone. The platform's roots are read once a minute at most.
#[derive(Clone, Default)]
pub(crate) struct TlsMemory(Arc<Mutex<Option<Remembered>>>);

struct Remembered {
    client: Arc<TlsClient>,
    sources: Sources,
}

impl TlsMemory {
    /// What `options` ask for. This blocks.
    pub(crate) fn load(&self, options: &SslOptions) -> Result<Arc<TlsClient>, TlsError> {
        self.load_at(options, SystemTime::now())
    }

    fn load_at(&self, options: &SslOptions, now: SystemTime) -> Result<Arc<TlsClient>, TlsError> {
        // A file of secrets for debugging may be moved away while it is written to; it is opened each time.
        if options.key_log_file.is_some() {
            return TlsClient::load(options, &mut Sources::new(now)).map(Arc::new);
        }
        if let Some(client) = self.recall(options, now) {
            return Ok(client);
        }
        let mut sources = Sources::new(now);
        let client = Arc::new(TlsClient::load(options, &mut sources)?);
        let remembered = Remembered { client: Arc::clone(&client), sources };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(remembered);
        Ok(client)
    }

    fn recall(&self, options: &SslOptions, now: SystemTime) -> Option<Arc<TlsClient>> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Remembered { client, sources } = remembered.as_ref()?;
        (client.options == *options && sources.are_unchanged(now)).then(|| Arc::clone(client))
    }
}

impl fmt::Debug for TlsMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsMemory")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::config::{SslMode, SslRootCert};

    /// The certificate of an authority, in PEM.
    const ROOT: &str = include_str!("memory_root.crt");

    fn options(root: &Path) -> SslOptions {
        let directory = root.parent().map(Path::to_owned);
        SslOptions {
            mode: SslMode::VerifyFull,
            root_cert: SslRootCert::File(root.to_owned()),
            default_directory: directory,
            ..SslOptions::default()
        }
    }

    /// Long enough after all that a test has written.
    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(10)
    }

    #[test]
    fn files_are_read_again_when_they_are_not_what_they_were() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let root = directory.path().join("roots.pem");
        fs::write(&root, ROOT)?;
        let (memory, options) = (TlsMemory::default(), options(&root));
        let first = memory.load_at(&options, later())?;
        assert!(Arc::ptr_eq(&memory.clone().load_at(&options, later())?, &first), "a clone remembers too");
        // The same length, and written by another name as careful programs do.
        let new = directory.path().join("new");
        fs::write(&new, ROOT)?;
        fs::rename(&new, &root)?;
        let second = memory.load_at(&options, later())?;
        assert!(!Arc::ptr_eq(&second, &first));
        // A file of which there was none.
        fs::write(directory.path().join("root.crl"), "nothing")?;
        let error = memory.load_at(&options, later()).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("there is no revocation list in it")));
        fs::remove_file(directory.path().join("root.crl"))?;
        assert!(Arc::ptr_eq(&memory.load_at(&options, later())?, &second));
        fs::remove_file(&root)?;
        assert!(memory.load_at(&options, later()).is_err());
        Ok(())
    }

    #[test]
    fn a_file_that_was_just_written_is_read_again() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let root = directory.path().join("roots.pem");
        fs::write(&root, ROOT)?;
        let (memory, options, now) = (TlsMemory::default(), options(&root), SystemTime::now());
        let first = memory.load_at(&options, now)?;
        let second = memory.load_at(&options, now + Duration::from_secs(10))?;
        assert!(!Arc::ptr_eq(&second, &first));
        Ok(())
    }

    #[test]
    fn another_setting_asks_for_something_else() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let root = directory.path().join("roots.pem");
        fs::write(&root, ROOT)?;
        let (memory, mut options) = (TlsMemory::default(), options(&root));
        let first = memory.load_at(&options, later())?;
        options.sni = false;
        assert!(!Arc::ptr_eq(&memory.load_at(&options, later())?, &first));
        Ok(())
    }

    #[test]
    fn nothing_outlives_the_last_clone() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let root = directory.path().join("roots.pem");
        fs::write(&root, ROOT)?;
        let (memory, mut options) = (TlsMemory::default(), options(&root));
        let first = Arc::downgrade(&memory.load_at(&options, later())?);
        options.password = Some(cornac_proto::auth::Secret::new("tusk"));
        let second = Arc::downgrade(&memory.load_at(&options, later())?);
        assert!(first.upgrade().is_none(), "what was loaded for other settings is gone");
        let clone = memory.clone();
        drop(memory);
        assert!(second.upgrade().is_some());
        drop(clone);
        assert!(second.upgrade().is_none());
        Ok(())
    }
}
