//! SASLprep (RFC 4013) as PostgreSQL does it, with its way out for passwords that SASLprep forbids.

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;

use super::Secret;

/// The password as SCRAM hashes it.
///
/// Whatever SASLprep refuses (bytes that are not UTF-8, prohibited or unassigned characters, a mixture of directions, a
/// password of which nothing is left) is used as it is: servers store such passwords in the same way.
///
/// ```
/// use cornac_proto::auth::saslprep;
///
/// assert_eq!(saslprep("Ⅸ".as_bytes()).expose(), b"IX");
/// assert_eq!(saslprep(b"\xff\xfe").expose(), b"\xff\xfe");
/// ```
///
/// See [RFC 4013](https://www.rfc-editor.org/rfc/rfc4013).
pub fn saslprep(password: &[u8]) -> Secret {
    prepared(password).unwrap_or_else(|| Secret::new(password))
}

/// `None` if the password stays as it is.
fn prepared(password: &[u8]) -> Option<Secret> {
    // ASCII is not touched, control characters included, although RFC 4013 forbids those.
    if password.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(password).ok()?;
    let mapped = text
        .chars()
        .map(|c| if tables::non_ascii_space_character(c) { ' ' } else { c })
        .filter(|&c| !tables::commonly_mapped_to_nothing(c));
    // PostgreSQL judges the characters before they are normalized; the RFC, and so the function of the same name in
    // `stringprep`, those that come out. A letter with U+0341, say, would then be another password than the server's.
    if mapped.clone().any(is_prohibited) || !directions_are_in_order(&mapped) {
        return None;
    }
    // The length first: a buffer that grows leaves unwiped copies behind.
    let normalized = mapped.nfkc();
    let mut prepared = String::with_capacity(normalized.clone().map(char::len_utf8).sum());
    prepared.extend(normalized);
    (!prepared.is_empty()).then(|| Secret::new(prepared))
}

/// The characters of RFC 4013, section 2.3, and those that Unicode 3.2 does not know.
fn is_prohibited(c: char) -> bool {
    tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::surrogate_code(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
        || tables::unassigned_code_point(c)
}

/// RFC 3454, section 6: text that runs from right to left begins and ends so, and has nothing in it that runs the other way.
fn directions_are_in_order(text: &(impl Iterator<Item = char> + Clone)) -> bool {
    if !text.clone().any(tables::bidi_r_or_al) {
        return true;
    }
    let ends = [text.clone().next(), text.clone().last()];
    ends.into_iter().flatten().all(tables::bidi_r_or_al) && !text.clone().any(runs_left_to_right)
}

/// RFC 3454, table D.2, which is Unicode 3.2's. `stringprep` goes by a later Unicode, which has turned some characters.
fn runs_left_to_right(c: char) -> bool {
    let did = matches!(c, '\u{17b4}' | '\u{17b5}' | '\u{1885}' | '\u{1886}')
        || is_mathematical_nabla(c)
        || is_mathematical_partial_differential(c);
    let did_not = is_braille(c)
        || matches!(c, '\u{cbf}' | '\u{cc6}' | '\u{1734}' | '\u{2132}' | '\u{302e}' | '\u{302f}');
    did || (tables::bidi_l(c) && !did_not)
}

fn is_mathematical_nabla(c: char) -> bool {
    matches!(c, '\u{1d6c1}' | '\u{1d6fb}' | '\u{1d735}' | '\u{1d76f}' | '\u{1d7a9}')
}

fn is_mathematical_partial_differential(c: char) -> bool {
    matches!(c, '\u{1d6db}' | '\u{1d715}' | '\u{1d74f}' | '\u{1d789}' | '\u{1d7c3}')
}

fn is_braille(c: char) -> bool {
    matches!(c, '\u{2800}'..='\u{28ff}')
}
