//! What the connections to one database have learnt of it together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cornac_types::{Epochs, Type};

use super::lru::Lru;
use super::registry::Registry;
use super::statements::Key;
use crate::prepared::{Currency, Description};

/// Descriptions kept of the statements of one database.
const DESCRIPTIONS: usize = 1024;

/// Databases of which something is kept by one configuration and its clones.
const DATABASES: usize = 64;

/// The descriptions of statements, as any connection to one database (as one role, on one server) has seen them last.
///
/// They save a round trip, and are believed no further than that: parameters go out with the types that stand here, declared in
/// the Parse that travels with them, and a result is decoded by the description that comes back with it.
///
/// Types are looked up once, and believed until the connections' own DDL, an error or a value contradicts them. That begins another
/// *epoch*, in which descriptions of an earlier one that speak of such types are no longer true.
#[derive(Debug)]
pub(crate) struct Catalogue {
    statements: Mutex<Lru<Described>>,
    types: Mutex<Registry>,
    epochs: Epochs,
}

#[derive(Debug)]
struct Described {
    sql: Arc<str>,
    key: super::statements::OwnedKey,
    description: Arc<Description>,
}

impl Described {
    fn is(&self, key: &Key<'_>) -> bool {
        *self.sql == *key.sql && self.key.is(key)
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            statements: Mutex::new(Lru::new(DESCRIPTIONS)),
            types: Mutex::default(),
            epochs: Epochs::default(),
        }
    }
}

impl Catalogue {
    /// What is known of a statement: its text, to share, and its description.
    pub(crate) fn get(&self, key: &Key<'_>) -> Option<(Arc<str>, Arc<Description>)> {
        let mut known = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = known.hash(key);
        let described = known.find(hash, |described| described.is(key))?;
        Some((Arc::clone(&described.sql), Arc::clone(&described.description)))
    }

    /// Keeps what a server has said of a statement.
    pub(crate) fn put(&self, key: &Key<'_>, sql: &Arc<str>, description: &Arc<Description>) {
        let (sql, description) = (Arc::clone(sql), Arc::clone(description));
        let mut known = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = known.hash(key);
        known.insert(hash, Described { sql, key: key.owned(), description }, |described| described.is(key));
    }

    /// Forgets everything: tables or types are not what they were.
    pub(crate) fn clear(&self) {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.forget_types();
    }

    /// Forgets what types are.
    pub(crate) fn forget_types(&self) {
        self.epochs.end_this();
    }

    /// The epochs of what is known of types: one ends when that has proven wrong.
    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Whether the types that a description speaks of are still what they were.
    #[inline]
    pub(crate) fn is_current(&self, description: &Description) -> bool {
        match description.currency {
            Currency::Lasting => true,
            Currency::Epoch(epoch) => epoch == self.epochs.now(),
            Currency::Unasked => false,
        }
    }

    /// Calls `look` with the types that are known.
    pub(crate) fn with_types<R>(&self, look: impl FnOnce(&Registry) -> R) -> R {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.begin(self.epochs.now());
        look(&types)
    }

    /// Keeps types that were looked up in this epoch, unless it is over.
    pub(crate) fn put_types(&self, types: &[Type], epoch: u64) {
        let mut known = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        known.begin(self.epochs.now());
        known.insert(types, epoch);
    }

    /// Forgets a statement whose description has proven wrong.
    pub(crate) fn forget(&self, key: &Key<'_>) {
        let mut known = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = known.hash(key);
        known.remove(hash, |described| described.is(key));
    }
}

/// The catalogues of a configuration, which its clones share: one for each server, database and role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogues(Arc<Mutex<HashMap<Whereabouts, Arc<Catalogue>>>>);

/// What descriptions depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whereabouts {
    pub(crate) server: String,
    pub(crate) database: String,
    pub(crate) user: String,
    /// What is asked for at startup can set a search path, or a role.
    pub(crate) options: Option<String>,
}

impl Catalogues {
    /// The catalogue of a database.
    pub(crate) fn of(&self, whereabouts: Whereabouts) -> Arc<Catalogue> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DATABASES && !known.contains_key(&whereabouts) {
            // Those that no connection uses any more cost least to learn again.
            known.retain(|_, catalogue| Arc::strong_count(catalogue) > 1);
        }
        Arc::clone(known.entry(whereabouts).or_default())
    }
}
