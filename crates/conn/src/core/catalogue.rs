//! What the connections to one database have learnt of it together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cornac_types::{Epochs, Type};

use super::lru::Lru;
use super::registry::Registry;
use super::statements::Key;
use crate::prepared::{Currency, Description, Known};

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
    statements: Mutex<Lru<Arc<Known>>>,
    types: Mutex<Registry>,
    epochs: Epochs,
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
    /// What is known of a statement.
    pub(crate) fn get(&self, key: &Key<'_>) -> Option<Arc<Known>> {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = statements.hash(key);
        statements.find(hash, |known| known.is(key)).cloned()
    }

    /// Keeps what a server has said of a statement. Where that was known, what was known is given, for connections to share.
    pub(crate) fn put(&self, said: &Arc<Known>, key: &Key<'_>) -> Arc<Known> {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = statements.hash(key);
        match statements.find(hash, |known| known.is(key)) {
            Some(known) if known.description == said.description => Arc::clone(known),
            _ => {
                statements.insert(hash, Arc::clone(said), |known| known.is(key));
                Arc::clone(said)
            }
        }
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
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = statements.hash(key);
        statements.remove(hash, |known| known.is(key));
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

#[cfg(test)]
mod tests {
    use cornac_types::Type;

    use super::*;
    use crate::core::statements::SearchPath;
    use crate::prepared::Description;

    #[test]
    fn connections_that_are_told_the_same_share_what_they_know() {
        let path = SearchPath::default();
        let key = Key { sql: "SELECT $1", declared: &[], path: &path };
        let said =
            |parameter: Type| key.known(Description::new([parameter].into(), [].into_iter().collect()));
        let catalogue = Catalogue::default();
        let first = catalogue.put(&said(Type::INT4), &key);
        assert!(Arc::ptr_eq(&catalogue.put(&said(Type::INT4), &key), &first));
        assert!(catalogue.get(&key).is_some_and(|known| Arc::ptr_eq(&known, &first)));
        // What has changed since is told to those who come later.
        let changed = catalogue.put(&said(Type::TEXT), &key);
        assert!(!Arc::ptr_eq(&changed, &first));
        assert!(catalogue.get(&key).is_some_and(|known| Arc::ptr_eq(&known, &changed)));
    }
}
