//! Taking a text apart, from its front.

/// What is left of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'t>(&'t str);

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(text)
    }

    /// Takes `expected`, if it stands there.
    pub(super) fn eat(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// Takes all characters up to the first of `ends`, or up to the end.
    pub(super) fn until(&mut self, ends: &[char]) -> &'t str {
        let end = self.0.find(ends).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    /// Takes what stands between two of `quote`; in it, a backslash makes the next character mean itself, and two quotes are one where
    /// `is_doubled`.
    pub(super) fn quoted(&mut self, quote: char, is_doubled: bool) -> Option<String> {
        let mut rest = self.0.strip_prefix(quote)?.chars();
        let mut taken = String::new();
        loop {
            match rest.next()? {
                '\\' => taken.push(rest.next()?),
                character if character == quote => {
                    let behind = rest.as_str();
                    match behind.strip_prefix(quote) {
                        Some(_) if is_doubled => taken.push(rest.next()?),
                        _ => {
                            self.0 = behind;
                            return Some(taken);
                        }
                    }
                }
                character => taken.push(character),
            }
        }
    }

    /// `Some` at the end of the text.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
