//! `a=value,b=value`: the form of SCRAM's messages.

use super::ScramError;

/// The longest message of a server that is looked at, in bytes.
const MESSAGE_LEN_MAX: usize = 8 << 10;

/// The attributes of one message, in their fixed order.
pub(super) struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(message: &'a [u8]) -> Result<Self, ScramError> {
        if message.len() > MESSAGE_LEN_MAX {
            return Err(ScramError::TooLong { len: message.len(), limit: MESSAGE_LEN_MAX });
        }
        let text = std::str::from_utf8(message).map_err(|_| ScramError::NotText)?;
        // Values may be UTF-8 (in `e=` and extensions). Control characters would reach the terminal that shows the error.
        if text.chars().any(char::is_control) {
            return Err(ScramError::NotText);
        }
        Ok(Self { rest: Some(text) })
    }

    /// The value of the next attribute, which must be `name`.
    pub(super) fn take(&mut self, name: char) -> Result<&'a str, ScramError> {
        let attribute = self.next();
        attribute.and_then(|attribute| value_of(attribute, name)).ok_or_else(|| match attribute {
            Some(attribute) if value_of(attribute, 'm').is_some() => ScramError::MandatoryExtension,
            Some(attribute) => {
                ScramError::Attribute { expected: name, found: format!("{:?}", shortened(attribute)) }
            }
            None => ScramError::Attribute { expected: name, found: "its end".to_owned() },
        })
    }

    /// The value of the next attribute if it is `name`; otherwise it stays.
    pub(super) fn take_if(&mut self, name: char) -> Option<&'a str> {
        let Self { rest } = *self;
        let value = self.next().and_then(|attribute| value_of(attribute, name));
        if value.is_none() {
            self.rest = rest;
        }
        value
    }

    /// What may follow are optional extensions, of which none is known: a letter, `=`, a value. None of those that
    /// have a meaning may come again.
    pub(super) fn finish(mut self, known: &str) -> Result<(), ScramError> {
        while let Some(extension) = self.next() {
            let mut characters = extension.chars();
            let letter = characters.next().filter(char::is_ascii_alphabetic);
            let well_formed = letter.is_some() && characters.next() == Some('=');
            if letter == Some('m') && well_formed {
                return Err(ScramError::MandatoryExtension);
            }
            if !well_formed || letter.is_some_and(|letter| known.contains(letter)) {
                return Err(ScramError::Trailing(shortened(extension)));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        match rest.split_once(',') {
            Some((attribute, rest)) => {
                self.rest = Some(rest);
                Some(attribute)
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

fn value_of(attribute: &str, name: char) -> Option<&str> {
    attribute.strip_prefix(name)?.strip_prefix('=')
}

/// What an error shows of something that a stranger sent; every reason of RFC 5802 is shorter.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
