//! What the catalogues say of one thing: a row of the one query, taken apart in the order in which its part of the query lists it.

use std::vec::IntoIter;

use cornac_conn::SchemaError;

use super::ObjectName;

/// The columns of the query, alike for all of its parts: what it is about, texts, numbers, truths, and two lists of names.
pub(super) type Row =
    (String, Vec<Option<String>>, Vec<Option<i64>>, Vec<bool>, Vec<Option<String>>, Vec<Option<String>>);

/// A row, of which each fact is taken once.
#[derive(Debug)]
pub(super) struct Finding {
    texts: IntoIter<Option<String>>,
    numbers: IntoIter<Option<i64>>,
    flags: IntoIter<bool>,
    names: Vec<Option<String>>,
    others: Vec<Option<String>>,
}

impl Finding {
    /// What a row is about, and the facts in it.
    pub(super) fn new((about, texts, numbers, flags, names, others): Row) -> (String, Self) {
        let (texts, numbers, flags) = (texts.into_iter(), numbers.into_iter(), flags.into_iter());
        (about, Self { texts, numbers, flags, names, others })
    }

    /// The next text, which may be NULL.
    pub(super) fn text_if_any(&mut self) -> Option<String> {
        self.texts.next().flatten()
    }

    /// The next text.
    pub(super) fn text(&mut self, what: &'static str) -> Result<String, SchemaError> {
        self.text_if_any().ok_or_else(|| missing(what))
    }

    /// The next text, in which each kind of something has its letter.
    pub(super) fn letter<T: Copy>(
        &mut self,
        what: &'static str,
        kinds: &[(&str, T)],
    ) -> Result<T, SchemaError> {
        self.letter_if_any(what, kinds)?.ok_or_else(|| missing(what))
    }

    /// As [`letter`](Self::letter), where it may be NULL.
    pub(super) fn letter_if_any<T: Copy>(
        &mut self,
        what: &'static str,
        kinds: &[(&str, T)],
    ) -> Result<Option<T>, SchemaError> {
        let Some(letter) = self.text_if_any() else { return Ok(None) };
        let found = kinds.iter().find(|(known, _)| *known == letter).map(|(_, kind)| *kind);
        found.map(Some).ok_or_else(|| SchemaError::Unknown { what, found: letter.into() })
    }

    /// The next two texts, as a name in a schema.
    pub(super) fn name(&mut self, what: &'static str) -> Result<ObjectName, SchemaError> {
        Ok(ObjectName::new(self.text(what)?, self.text(what)?))
    }

    /// The next two texts, as a name in a schema, or NULL.
    pub(super) fn name_if_any(&mut self) -> Option<ObjectName> {
        let (schema, name) = (self.text_if_any(), self.text_if_any());
        Some(ObjectName::new(schema?, name?))
    }

    /// The next number, which may be NULL, as one of a smaller range.
    pub(super) fn number_if_any<T: TryFrom<i64>>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<T>, SchemaError> {
        let convert = |number: i64| {
            T::try_from(number).map_err(|_| SchemaError::Unknown { what, found: number.to_string().into() })
        };
        self.numbers.next().flatten().map(convert).transpose()
    }

    /// The next number.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, what: &'static str) -> Result<T, SchemaError> {
        self.number_if_any(what)?.ok_or_else(|| missing(what))
    }

    /// The next truth.
    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, SchemaError> {
        self.flags.next().ok_or_else(|| missing(what))
    }

    /// The first list.
    pub(super) fn names(&mut self) -> Vec<String> {
        self.optional_names().into_iter().flatten().collect()
    }

    /// The second list.
    pub(super) fn others(&mut self) -> Vec<String> {
        self.optional_others().into_iter().flatten().collect()
    }

    /// The first list, with what is NULL in it.
    pub(super) fn optional_names(&mut self) -> Vec<Option<String>> {
        std::mem::take(&mut self.names)
    }

    /// The second list, with what is NULL in it.
    pub(super) fn optional_others(&mut self) -> Vec<Option<String>> {
        std::mem::take(&mut self.others)
    }
}

/// Options as the catalogues have them: `name=value`.
pub(super) fn options(texts: Vec<String>) -> Vec<(String, String)> {
    let split = |text: String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text, String::new()),
    };
    texts.into_iter().map(split).collect()
}

/// A server has left out what it was asked for.
pub(super) fn missing(what: &'static str) -> SchemaError {
    SchemaError::Unknown { what, found: "nothing".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_says_less_than_it_was_asked_is_an_error_and_no_panic() {
        let row = || ("x".to_owned(), vec![Some("y".to_owned())], vec![Some(70_000)], vec![], vec![], vec![]);
        let (_, mut finding) = Finding::new(row());
        let unknown = finding.letter("kind", &[("r", 1)]).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "the catalogues say \"y\" of a table's kind, which is not known here"
        );
        assert_eq!(finding.text("name").unwrap_err(), missing("name"));
        let found = "70000".into();
        assert_eq!(
            finding.number::<i16>("position").unwrap_err(),
            SchemaError::Unknown { what: "position", found }
        );
        assert_eq!(finding.flag("nullability").unwrap_err(), missing("nullability"));
        assert_eq!(finding.names(), [""; 0]);
    }

    #[test]
    fn only_the_first_equals_sign_ends_the_name_of_an_option() {
        let texts = vec!["table_name=a=b".to_owned(), "updatable=".to_owned()];
        let expected = [("table_name", "a=b"), ("updatable", "")];
        assert_eq!(options(texts), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
