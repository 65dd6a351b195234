//! Which statements are parsed on this connection, and what is known of those that are not.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cornac_types::Type;

use super::catalogue::Catalogue;
use super::effects::Effect;
use super::lru::Lru;
use super::stale::Stale;
use crate::prepared::{Description, Prepared};
use crate::statement::{StatementMode, StatementRef};
use crate::statement_name::StatementNames;

/// What makes a statement the same statement: its text, the types that the caller declared for its parameters, and the
/// schemas in which its names are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key<'s> {
    pub(crate) sql: &'s str,
    pub(crate) declared: &'s [Type],
    pub(crate) path: &'s SearchPath,
}

/// The part of a [`Key`] that is kept beside the text.
#[derive(Clone, Debug)]
pub(crate) struct OwnedKey {
    declared: Option<Box<[Type]>>,
    path: SearchPath,
}

impl Key<'_> {
    pub(crate) fn owned(self) -> OwnedKey {
        let declared = (!self.declared.is_empty()).then(|| self.declared.into());
        OwnedKey { declared, path: self.path.clone() }
    }

    /// Whether another connection could mean the same by it.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.path, SearchPath::Unknown(_))
    }
}

impl OwnedKey {
    pub(crate) fn declared(&self) -> &[Type] {
        self.declared.as_deref().unwrap_or_default()
    }

    pub(crate) fn is(&self, key: &Key<'_>) -> bool {
        self.declared() == key.declared && self.path == *key.path
    }
}

/// In which schemas names are looked up, as far as that is known.
#[derive(Clone, Debug, Eq)]
pub(crate) enum SearchPath {
    /// As role and database have it: nothing has changed it.
    Initial,
    /// As the server has reported it, which PostgreSQL does since version 18.
    Reported(Arc<str>),
    /// The connection has changed it for the n-th time, and the server does not report to what.
    Unknown(u64),
}

impl PartialEq for SearchPath {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Initial, Self::Initial) => true,
            (Self::Reported(one), Self::Reported(other)) => Arc::ptr_eq(one, other) || one == other,
            (Self::Unknown(one), Self::Unknown(other)) => one == other,
            _ => false,
        }
    }
}

impl Hash for SearchPath {
    /// Left out: a table holds few statements of one text under several paths.
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// What has to be done before a statement can be bound.
#[derive(Debug)]
pub(crate) enum Preparation {
    /// Nothing: it is parsed here.
    Parsed(Prepared),
    /// A Parse travels in the same flight. Its description is known, from another connection or from the caller.
    Described(Prepared),
    /// The server must be asked for its description.
    Unknown,
}

/// The statements of one connection.
#[derive(Debug)]
pub(crate) struct Statements {
    parsed: Lru<Prepared>,
    names: StatementNames,
    catalogue: Arc<Catalogue>,
    path: SearchPath,
    paths_changed: u64,
    mode: StatementMode,
}

impl Statements {
    pub(crate) fn new(capacity: usize, mode: StatementMode, catalogue: Arc<Catalogue>) -> Self {
        Self {
            parsed: Lru::new(capacity),
            names: StatementNames::new(),
            catalogue,
            path: SearchPath::Initial,
            paths_changed: 0,
            mode,
        }
    }

    /// The mode in which a statement is run.
    pub(crate) fn mode_of(&self, statement: &StatementRef<'_>) -> StatementMode {
        match statement.mode().unwrap_or(self.mode) {
            StatementMode::Named if !statement.is_cached() => StatementMode::Unnamed,
            mode => mode,
        }
    }

    pub(crate) fn set_mode(&mut self, mode: StatementMode) {
        self.mode = mode;
    }

    pub(crate) fn names(&self) -> &StatementNames {
        &self.names
    }

    /// What stands between a statement and its Bind.
    pub(crate) fn look_up(&mut self, statement: &StatementRef<'_>, mode: StatementMode) -> Preparation {
        if mode == StatementMode::Named {
            // A handle names its statement, unless it belongs to another connection or has proven stale.
            if let Some(prepared) = statement.prepared().filter(|prepared| prepared.is_valid(&self.names)) {
                return Preparation::Parsed(prepared.clone());
            }
            let Self { parsed, path, .. } = self;
            let key = Key { sql: statement.sql(), declared: statement.parameter_types(), path };
            let hash = parsed.hash(key);
            if let Some(prepared) = parsed.find(hash, |prepared| prepared.is(&key)) {
                return Preparation::Parsed(prepared.clone());
            }
        }
        let key = Key { sql: statement.sql(), declared: statement.parameter_types(), path: &self.path };
        let (sql, description) = match statement.declared_description() {
            Some(description) => (statement.sql().into(), Arc::new(description)),
            None => match self.catalogue.get(&key) {
                Some(known) => known,
                None => return Preparation::Unknown,
            },
        };
        let key = key.owned();
        let name = (mode == StatementMode::Named).then(|| Arc::new(self.names.fresh()));
        Preparation::Described(Prepared::new(name, sql, key, description))
    }

    /// A statement that is about to be parsed and described: what is not known yet is empty.
    pub(crate) fn undescribed(&mut self, statement: &StatementRef<'_>, mode: StatementMode) -> Prepared {
        let key = Key { sql: statement.sql(), declared: statement.parameter_types(), path: &self.path };
        let key = key.owned();
        let name = (mode == StatementMode::Named).then(|| Arc::new(self.names.fresh()));
        Prepared::new(name, statement.sql().into(), key, Arc::new(Description::default()))
    }

    /// The server has parsed a statement: it stays so until it is closed.
    pub(crate) fn parsed(&mut self, prepared: &Prepared) {
        if prepared.is_unnamed() {
            return;
        }
        let Self { parsed, path, .. } = self;
        let key = prepared.key(path);
        let hash = parsed.hash(key);
        parsed.insert(hash, prepared.clone(), |known| known.is(&key));
    }

    /// The server has parsed and described a statement.
    pub(crate) fn learn(&mut self, asked: &Prepared, description: Description) -> Prepared {
        let prepared = asked.redescribed(description);
        self.parsed(&prepared);
        self.described(&prepared);
        prepared
    }

    /// The server has described a statement.
    pub(crate) fn described(&mut self, prepared: &Prepared) {
        self.catalogue.put(&prepared.key(&self.path), prepared.shared_sql(), prepared.description());
    }

    /// What was remembered of a statement has proven wrong.
    pub(crate) fn forget(&mut self, prepared: &Prepared, stale: Stale) {
        prepared.set_stale();
        let Self { parsed, path, catalogue, .. } = self;
        let key = prepared.key(path);
        let hash = parsed.hash(key);
        parsed.remove(hash, |known| known.is(&key));
        if stale == Stale::Description {
            catalogue.forget(&key);
        }
    }

    /// A statement of the connection's has run.
    pub(crate) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::StatementsForgotten => self.forget_all(),
            Effect::SearchPathChanged => {
                self.forget_all();
                if !matches!(self.path, SearchPath::Reported(_)) {
                    self.paths_changed = self.paths_changed.wrapping_add(1);
                    self.path = SearchPath::Unknown(self.paths_changed);
                }
            }
        }
    }

    /// The server has reported its `search_path`.
    pub(crate) fn set_search_path(&mut self, reported: &str) {
        match &self.path {
            SearchPath::Reported(known) if **known == *reported => {}
            _ => self.path = SearchPath::Reported(reported.into()),
        }
    }

    fn forget_all(&mut self) {
        self.names.invalidate();
        self.parsed.clear();
    }
}
