//! SASLprep (RFC 4013), with PostgreSQL's way out for passwords that it forbids.

use std::borrow::Cow;

/// The password as SCRAM hashes it.
///
/// Whatever SASLprep refuses (bytes that are not UTF-8, prohibited or unassigned characters, a mixture of directions, a
/// password of which nothing is left) is used as it is: servers store such passwords in the same way.
/// See [RFC 4013](https://www.rfc-editor.org/rfc/rfc4013).
pub fn saslprep(password: &[u8]) -> Cow<'_, [u8]> {
    // ASCII is not touched, control characters included, although RFC 4013 forbids those.
    if password.is_ascii() {
        return Cow::Borrowed(password);
    }
    let prepared = std::str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok());
    match prepared {
        Some(Cow::Owned(prepared)) if !prepared.is_empty() => Cow::Owned(prepared.into_bytes()),
        _ => Cow::Borrowed(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_13_passwords_are_prepared_as_a_server_prepares_them() {
        for (password, prepared) in [
            // The examples of RFC 4013, section 3.
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            // A space that is not ASCII's becomes one that is.
            ("a\u{a0}b", "a b"),
            ("\u{3000}", " "),
            // NFKC.
            ("e\u{301}", "é"),
            ("ﬁ", "fi"),
            // Prohibited, so used as it is: a control character beside a letter that is not ASCII.
            ("é\u{7}", "é\u{7}"),
            // Directions that must not be mixed.
            ("\u{627}1", "\u{627}1"),
            // Nothing would be left.
            ("\u{ad}", "\u{ad}"),
            // ASCII is left alone.
            ("\u{7}\t", "\u{7}\t"),
            ("", ""),
            // Unassigned in Unicode 3.2, as all that came later.
            ("\u{1f418}", "\u{1f418}"),
        ] {
            assert_eq!(saslprep(password.as_bytes()), prepared.as_bytes(), "{password:?}");
        }
        assert_eq!(saslprep(b"\xff\xfe"), &b"\xff\xfe"[..]);
    }
}
