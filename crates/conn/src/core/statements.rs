//! Which statements are parsed on this connection, and what is known of those that are not.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cornac_types::{Oid, Type};

use super::catalogue::Catalogue;
use super::effects::Effect;
use super::lru::Lru;
use super::registry::{self, Described, Registry};
use super::stale::Stale;
use crate::prepared::{Currency, Description, Known, Prepared};
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
    /// The statement, with what is known of it.
    pub(crate) fn known(self, description: Description) -> Arc<Known> {
        let declared = (!self.declared.is_empty()).then(|| self.declared.into());
        let key = OwnedKey { declared, path: self.path.clone() };
        Arc::new(Known::new(self.sql.into(), key, description))
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

/// What names stand for, as far as that is known.
#[derive(Clone, Debug, Default, Eq)]
pub(crate) struct SearchPath {
    /// The `search_path` as the server has reported it, which PostgreSQL does since version 18.
    reported: Option<Arc<str>>,
    /// The last change of the connection's that is not reported: of the path, of the role that `"$user"` stands for, or by a
    /// temporary object. 0: all is as role and database have it, so that other connections mean the same by a name.
    unseen: u64,
}

impl PartialEq for SearchPath {
    fn eq(&self, other: &Self) -> bool {
        let reported = match (&self.reported, &other.reported) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (None, None) => true,
            _ => false,
        };
        reported && self.unseen == other.unseen
    }
}

impl Hash for SearchPath {
    /// Left out: a table holds few statements of one text under several paths.
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// What was changed that the transaction around it may undo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Unsettled {
    #[default]
    Nothing,
    /// What only this connection sees.
    Session,
    /// What all connections see, once it is committed.
    Schema,
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
    /// Types that a transaction has made, and that no other connection sees yet.
    own_types: Registry,
    path: SearchPath,
    /// Counts changes that are not reported.
    changes: u64,
    /// What was changed that the transaction around it may undo.
    unsettled: Unsettled,
    /// `standard_conforming_strings`, once the server has reported it.
    conforming: Option<bool>,
    mode: StatementMode,
}

impl Statements {
    pub(crate) fn new(capacity: usize, mode: StatementMode, catalogue: Arc<Catalogue>) -> Self {
        Self {
            parsed: Lru::new(capacity),
            names: StatementNames::new(),
            catalogue,
            own_types: Registry::default(),
            path: SearchPath::default(),
            changes: 0,
            unsettled: Unsettled::Nothing,
            conforming: None,
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

    /// The mode of statements that do not say it themselves.
    pub(crate) fn mode(&self) -> StatementMode {
        self.mode
    }

    pub(crate) fn set_mode(&mut self, mode: StatementMode) {
        self.mode = mode;
    }

    pub(crate) fn names(&self) -> &StatementNames {
        &self.names
    }

    /// Whether others mean the same by a statement as this connection does now.
    fn is_shared(&self) -> bool {
        self.path.unseen == 0 && self.unsettled == Unsettled::Nothing
    }

    /// The statement as it is parsed here, if it is.
    #[inline]
    pub(crate) fn find_parsed(&mut self, statement: &StatementRef<'_>) -> Option<Prepared> {
        // A handle names its statement, unless it belongs to another connection or has proven stale.
        if let Some(prepared) = statement.prepared().filter(|prepared| prepared.is_valid(&self.names)) {
            if self.is_current(prepared.description()) {
                return Some(prepared.clone());
            }
        }
        let Self { parsed, path, catalogue, .. } = self;
        let key = Key { sql: statement.sql(), declared: statement.parameter_types(), path };
        let hash = parsed.hash(key);
        let prepared = parsed.find(hash, |prepared| prepared.is(&key))?;
        catalogue.is_current(prepared.description()).then(|| prepared.clone())
    }

    /// What stands between a statement and its Bind.
    pub(crate) fn look_up(&mut self, statement: &StatementRef<'_>, mode: StatementMode) -> Preparation {
        if mode == StatementMode::Named {
            if let Some(prepared) = self.find_parsed(statement) {
                return Preparation::Parsed(prepared);
            }
        }
        let key = Key { sql: statement.sql(), declared: statement.parameter_types(), path: &self.path };
        let declared = statement.declared_description().and_then(|mut description| {
            let is_known = self.resolve(&mut [&mut description]).is_empty();
            is_known.then(|| key.known(description))
        });
        let known = || {
            let known = self.is_shared().then(|| self.catalogue.get(&key)).flatten();
            known.filter(|known| self.is_current(&known.description))
        };
        let Some(known) = declared.or_else(known) else { return Preparation::Unknown };
        let name = (mode == StatementMode::Named).then(|| Arc::new(self.names.fresh()));
        Preparation::Described(Prepared::new(name, known))
    }

    /// A statement that is about to be parsed and described: what is not known yet is empty.
    pub(crate) fn undescribed(&mut self, statement: &StatementRef<'_>, mode: StatementMode) -> Prepared {
        let key = Key { sql: statement.sql(), declared: statement.parameter_types(), path: &self.path };
        let name = (mode == StatementMode::Named).then(|| Arc::new(self.names.fresh()));
        Prepared::new(name, key.known(Description::default()))
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
        let mut prepared = asked.redescribed(description);
        if self.is_shared() {
            prepared = prepared.sharing(self.catalogue.put(prepared.known(), &prepared.key(&self.path)));
        }
        self.parsed(&prepared);
        prepared
    }

    /// The server has described a statement.
    pub(crate) fn described(&mut self, prepared: &Prepared) {
        if self.is_shared() {
            self.catalogue.put(prepared.known(), &prepared.key(&self.path));
        }
    }

    /// Whether the types in a description are still what they were.
    pub(crate) fn is_current(&self, description: &Description) -> bool {
        self.catalogue.is_current(description)
    }

    /// The epoch of what is known of types.
    pub(crate) fn epoch(&self) -> u64 {
        self.catalogue.epochs().now()
    }

    /// Completes descriptions with the types that are known, and gives the OIDs of the others.
    pub(crate) fn resolve(&self, descriptions: &mut [&mut Description]) -> Vec<Oid> {
        let epoch = self.epoch();
        self.set_types(descriptions, epoch, false);
        let mut unknown: Vec<Oid> = Vec::new();
        for description in descriptions {
            let found = unknown.len();
            unknown.extend(description.unknown());
            if unknown.len() > found {
                description.currency = Currency::Unasked;
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Completes descriptions after a look-up in this epoch. What is unknown stays so, until something changes.
    pub(crate) fn resolve_at(&self, descriptions: &mut [&mut Description], epoch: u64) {
        self.set_types(descriptions, epoch, false);
    }

    /// Completes the description of a result that is under way, with the types that are known.
    pub(crate) fn resolve_sent(&self, mut description: Description) -> Description {
        if description.currency != Currency::Lasting {
            let epoch = self.epoch();
            self.set_types(&mut [&mut description], epoch, true);
            if description.unknown().next().is_some() {
                description.currency = Currency::Unasked;
            }
        }
        description
    }

    fn set_types(&self, descriptions: &mut [&mut Description], epoch: u64, sent: bool) {
        let described = descriptions.iter_mut();
        for description in described.filter(|description| description.currency != Currency::Lasting) {
            self.catalogue.with_types(|shared| {
                let find = |oid| self.own_types.get_in(oid, epoch).or_else(|| shared.get(oid)).cloned();
                description.set_types(find, sent);
            });
            description.currency = Currency::Epoch(epoch);
        }
    }

    /// Makes types of what was looked up in this epoch, and keeps them.
    pub(crate) fn put_types(&mut self, described: &[Described], epoch: u64) -> Vec<Type> {
        let types = registry::assemble(described, self.catalogue.epochs(), epoch);
        // What a transaction has made or altered is not for others, as long as it is not committed.
        if self.unsettled == Unsettled::Nothing {
            self.catalogue.put_types(&types, epoch);
        } else {
            self.own_types.begin(epoch);
            self.own_types.insert(&types, epoch);
        }
        types
    }

    /// What was remembered of a statement has proven wrong.
    pub(crate) fn forget(&mut self, prepared: &Prepared, stale: Stale) {
        prepared.set_stale();
        if stale == Stale::Types {
            self.catalogue.forget_types();
        }
        let Self { parsed, path, catalogue, .. } = self;
        let key = prepared.key(path);
        let hash = parsed.hash(key);
        parsed.remove(hash, |known| known.is(&key));
        if stale != Stale::Name {
            catalogue.forget(&key);
        }
    }

    /// A statement of the connection's has run, with this effect.
    pub(crate) fn apply(&mut self, effect: Effect) {
        let mut unsettled = Unsettled::Session;
        match effect {
            Effect::None => return,
            // The server says to what, and statements are kept apart by it.
            Effect::SearchPathChanged if self.path.reported.is_some() => return,
            Effect::RolledBack if self.unsettled == Unsettled::Nothing => return,
            Effect::StatementsForgotten => return self.forget_all(),
            Effect::Reset => self.path.unseen = 0,
            Effect::SchemaChanged => {
                self.catalogue.clear();
                unsettled = Unsettled::Schema;
            }
            Effect::TemporaryMade | Effect::SearchPathChanged | Effect::RoleChanged => self.change_unseen(),
            Effect::RolledBack => {
                self.own_types = Registry::default();
                self.undo_unseen();
            }
        }
        self.forget_all();
        self.unsettled = self.unsettled.max(unsettled);
    }

    /// No transaction is open any more: what one has changed is settled, or undone.
    pub(crate) fn handle_idle(&mut self) {
        if self.unsettled != Unsettled::Nothing {
            self.settle_changes();
        }
    }

    #[cold]
    fn settle_changes(&mut self) {
        self.undo_unseen();
        self.forget_all();
        self.own_types = Registry::default();
        // Others may have described what was there before, after it was changed and before that was committed.
        if std::mem::take(&mut self.unsettled) == Unsettled::Schema {
            self.catalogue.clear();
        }
    }

    fn change_unseen(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.path.unseen = self.changes;
    }

    /// What was changed unseen may be undone, so that it is neither what it was before nor what it was a moment ago.
    fn undo_unseen(&mut self) {
        if self.path.unseen != 0 {
            self.change_unseen();
        }
    }

    /// The server has reported a setting: when the connection began, or because it has changed.
    pub(crate) fn handle_report(&mut self, name: &[u8], value: &str) {
        match name {
            b"search_path" => match &self.path.reported {
                Some(known) if **known == *value => {}
                _ => self.path.reported = Some(value.into()),
            },
            b"standard_conforming_strings" => {
                let conforming = value != "off";
                // The same text may end its strings elsewhere now, and have other placeholders.
                if self.conforming.replace(conforming).is_some_and(|before| before != conforming) {
                    self.change_unseen();
                    self.forget_all();
                }
            }
            _ => {}
        }
    }

    /// Whether a backslash in a string without a prefix stands for itself (`standard_conforming_strings`).
    pub(crate) fn is_conforming(&self) -> bool {
        self.conforming.unwrap_or(true)
    }

    fn forget_all(&mut self) {
        self.names.invalidate();
        self.parsed.clear();
    }
}
