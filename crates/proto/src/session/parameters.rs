//! What the server reported of its settings.

use crate::error::Violation;
use crate::message::ParameterStatus;

/// More distinct names than any server reports: PostgreSQL 18 has 15, extensions may mark their own.
const NAMES_MAX: usize = 256;

/// The settings that the server reports (`ParameterStatus`), always as of the last message read.
///
/// See [Asynchronous Operations](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Few enough that a linear search beats a map.
    settings: Vec<(Box<str>, Box<str>)>,
}

impl Parameters {
    /// The value of a setting, if the server reported it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All of them, in the order in which they were first reported.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Records a report.
    ///
    /// # Errors
    ///
    /// [`Violation::ClientEncoding`] when text would no longer be UTF-8, [`Violation::TooManyParameters`].
    pub(crate) fn record(&mut self, report: ParameterStatus<'_>) -> Result<(), Violation> {
        let (name, value) = (report.name().to_lossy(), report.value().to_lossy());
        if name == "client_encoding" && value != "UTF8" {
            return Err(Violation::ClientEncoding { encoding: value.chars().take(64).collect() });
        }
        let count = self.settings.len();
        match self.settings.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, known_value)) => {
                if **known_value != *value {
                    *known_value = value.into();
                }
            }
            None if count < NAMES_MAX => self.settings.push((name.into(), value.into())),
            None => return Err(Violation::TooManyParameters { limit: NAMES_MAX }),
        }
        Ok(())
    }
}
