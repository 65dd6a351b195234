//! What a connection string says, before it is known what that means.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::error::ConfigError;
use super::keyword;

/// Keys with their values. Values are wiped: one of them may be a password.
#[derive(Clone, Default)]
pub(super) struct Settings(BTreeMap<&'static str, Zeroizing<String>>);

impl Settings {
    /// Sets a key; what was said of it before no longer counts.
    pub(super) fn put(&mut self, key: &str, value: impl Into<String>) -> Result<(), ConfigError> {
        let keyword = keyword::find(key).ok_or_else(|| ConfigError::UnknownKey { key: shortened(key) })?;
        self.0.insert(keyword.name, Zeroizing::new(value.into()));
        Ok(())
    }

    /// As [`put`](Self::put), for a key of which nothing has been said yet.
    pub(super) fn put_default(&mut self, key: &'static str, value: impl Into<String>) {
        self.0.entry(key).or_insert_with(|| Zeroizing::new(value.into()));
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.as_str())
    }

    /// The value, if there is one and it is not empty: for most keys libpq takes the empty value for none.
    pub(super) fn filled(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// All keys with their values, in the alphabet's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }
}

/// As much of a key as an error shows. What stands where a key should be may be anything, so it is not shown at length.
pub(super) fn shortened(key: &str) -> String {
    const SHOWN: usize = 40;
    if key.chars().count() <= SHOWN {
        key.to_owned()
    } else {
        key.chars().take(SHOWN).chain(['…']).collect()
    }
}
